//===- EntropyCodingHuffman.cpp - Canonical Huffman codes -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EntropyCodingInternal.h"
#include "llvm/ADT/STLExtras.h"

using namespace compress;
using namespace compress::detail;

static constexpr unsigned maxLength = StreamLayout::slotBits;
static constexpr unsigned numSlots = StreamLayout::numSlots;

/// The optimal code lengths of at most `maxLength` bits, by package-merge
/// (Larmore and Hirschberg, "A fast algorithm for optimal length-limited
/// Huffman codes", 1990). Ties fall in favour of single symbols and low
/// numbers.
static void assignLengths(llvm::ArrayRef<uint64_t> counts,
                          llvm::MutableArrayRef<uint8_t> lengths) {
  llvm::SmallVector<unsigned> used;
  for (unsigned symbol = 0; symbol < counts.size(); ++symbol)
    if (counts[symbol])
      used.push_back(symbol);
  if (used.size() == 1) {
    lengths[used[0]] = 1;
    return;
  }
  llvm::sort(used, [&](unsigned a, unsigned b) {
    return std::make_pair(counts[a], a) < std::make_pair(counts[b], b);
  });

  // Level by level from the deepest: coins are single symbols and pairs of
  // coins of the level below, by weight.
  struct Coin {
    uint64_t weight;
    bool isSymbol;
  };
  llvm::SmallVector<std::vector<Coin>> levels;
  for (unsigned level = 0; level < maxLength; ++level) {
    std::vector<Coin> coins;
    llvm::ArrayRef<Coin> below;
    if (level > 0)
      below = levels.back();
    size_t nextSymbol = 0, nextPair = 0;
    while (nextSymbol < used.size() || nextPair + 1 < below.size()) {
      bool hasPair = nextPair + 1 < below.size();
      uint64_t pair =
          hasPair ? below[nextPair].weight + below[nextPair + 1].weight : 0;
      if (nextSymbol < used.size() &&
          (!hasPair || counts[used[nextSymbol]] <= pair)) {
        coins.push_back({counts[used[nextSymbol++]], true});
      } else {
        coins.push_back({pair, false});
        nextPair += 2;
      }
    }
    levels.push_back(std::move(coins));
  }
  // The cheapest 2 (n - 1) coins of the top level; a symbol's code is as long
  // as the number of levels that it is taken from.
  size_t take = 2 * (used.size() - 1);
  for (const std::vector<Coin> &coins : llvm::reverse(levels)) {
    size_t symbols = 0;
    for (size_t i = 0; i < take; ++i)
      symbols += coins[i].isSymbol;
    for (size_t i = 0; i < symbols; ++i)
      ++lengths[used[i]];
    take = 2 * (take - symbols);
  }
}

/// Calls `visit(symbol, length)` in the order of canonical codes.
template <typename Visit>
static void forEachCode(llvm::ArrayRef<uint8_t> lengths, Visit visit) {
  for (unsigned length = 1; length <= maxLength; ++length)
    for (unsigned symbol = 0; symbol < lengths.size(); ++symbol)
      if (lengths[symbol] == length)
        visit(symbol, length);
}

HuffmanEncoder::HuffmanEncoder(llvm::ArrayRef<uint64_t> counts)
    : lengths(counts.size(), 0), codes(counts.size(), 0) {
  assignLengths(counts, lengths);
  isSingle = llvm::count_if(lengths, [](uint8_t l) { return l > 0; }) == 1;
  unsigned slot = 0;
  forEachCode(lengths, [&](unsigned symbol, unsigned length) {
    codes[symbol] = slot >> (maxLength - length);
    slot += 1u << (maxLength - length);
  });
}

void HuffmanEncoder::writeTable(char *table) const {
  for (size_t i = 0; i < lengths.size(); i += 2)
    table[i / 2] = char(lengths[i] | lengths[i + 1] << 4);
}

void HuffmanEncoder::encodeBlock(llvm::ArrayRef<uint8_t> symbols,
                                 std::vector<char> &out) const {
  if (isSingle)
    return;
  uint64_t pending = 0;
  unsigned count = 0;
  for (uint8_t symbol : symbols) {
    pending = pending << lengths[symbol] | codes[symbol];
    count += lengths[symbol];
    while (count >= 8) {
      count -= 8;
      out.push_back(char(pending >> count));
    }
  }
  if (count > 0)
    out.push_back(char(pending << (8 - count)));
}

llvm::Expected<HuffmanDecoder>
HuffmanDecoder::create(llvm::ArrayRef<char> table, unsigned width) {
  llvm::SmallVector<uint8_t> lengths(size_t(1) << width);
  unsigned filled = 0, used = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    lengths[i] = uint8_t(table[i / 2]) >> (i % 2 * 4) & 15;
    if (lengths[i] > maxLength)
      return llvm::createStringError("code length %u is more than %u",
                                     unsigned(lengths[i]), maxLength);
    if (lengths[i] > 0) {
      ++used;
      filled += 1u << (maxLength - lengths[i]);
    }
  }
  bool isSingle = used == 1 && filled == numSlots / 2;
  if (filled != numSlots && !isSingle)
    return llvm::createStringError("the code lengths are %s",
                                   filled > numSlots ? "over-subscribed"
                                                     : "incomplete");
  HuffmanDecoder decoder;
  decoder.slots.reserve(numSlots);
  forEachCode(lengths, [&](unsigned symbol, unsigned length) {
    if (isSingle)
      decoder.slots.assign(numSlots, Slot{uint8_t(symbol), 0});
    else
      decoder.slots.insert(decoder.slots.end(), 1u << (maxLength - length),
                           Slot{uint8_t(symbol), uint8_t(length)});
  });
  return std::move(decoder);
}

llvm::Error
HuffmanDecoder::decodeBlock(llvm::ArrayRef<char> bytes,
                            llvm::MutableArrayRef<uint8_t> symbols) const {
  uint64_t pending = 0;
  unsigned count = 0;
  size_t next = 0;
  for (uint8_t &symbol : symbols) {
    while (count < maxLength && next < bytes.size()) {
      pending = pending << 8 | uint8_t(bytes[next++]);
      count += 8;
    }
    // Past the end come zero bits.
    uint64_t window = count >= maxLength ? pending >> (count - maxLength)
                                         : pending << (maxLength - count);
    Slot slot = slots[window % numSlots];
    if (slot.length > count)
      return llvm::createStringError("it is truncated");
    count -= slot.length;
    symbol = slot.symbol;
  }
  if (next != bytes.size() || count >= 8)
    return llvm::createStringError("it has bytes left over");
  if (pending & ((uint64_t(1) << count) - 1))
    return llvm::createStringError("its last bits are not zero");
  return llvm::Error::success();
}

//===- EntropyCodingRANS.cpp - Range asymmetric numeral systems -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Duda, "Asymmetric numeral systems", arXiv:1311.2540, section 2: states of
// [2^16, 2^32), renormalized by 16 bits, so that at most one word is read or
// written per symbol.
//
//===----------------------------------------------------------------------===//

#include "EntropyCodingInternal.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

using namespace compress;
using namespace compress::detail;
using namespace llvm::support;

static constexpr unsigned slotBits = StreamLayout::slotBits;
static constexpr unsigned numSlots = StreamLayout::numSlots;
static constexpr uint32_t firstState = 1u << 16;

/// Frequencies that sum to `numSlots`, at least 1 for each symbol that occurs.
/// From shares rounded down, slots go one by one where they change the coded
/// size least; c * ln(1 + 1/f) is compared as c / (f + 1/2), so that integers
/// decide and every machine writes the same table.
static void normalize(llvm::ArrayRef<uint64_t> counts,
                      llvm::MutableArrayRef<uint32_t> frequencies) {
  uint64_t total = 0;
  for (uint64_t count : counts)
    total += count;
  int64_t left = numSlots;
  for (auto [count, frequency] : llvm::zip_equal(counts, frequencies)) {
    if (count == 0)
      continue;
    frequency = std::max<uint64_t>(count * numSlots / total, 1);
    left -= frequency;
  }
  size_t best = 0;
  for (; left > 0; --left, ++frequencies[best]) {
    best = counts.size();
    for (size_t i = 0; i < counts.size(); ++i)
      if (counts[i] && (best == counts.size() ||
                        counts[i] * (2 * uint64_t(frequencies[best]) + 1) >
                            counts[best] * (2 * uint64_t(frequencies[i]) + 1)))
        best = i;
  }
  for (; left < 0; ++left, --frequencies[best]) {
    best = counts.size();
    for (size_t i = 0; i < counts.size(); ++i)
      if (frequencies[i] > 1 &&
          (best == counts.size() ||
           counts[i] * (2 * uint64_t(frequencies[best]) - 1) <
               counts[best] * (2 * uint64_t(frequencies[i]) - 1)))
        best = i;
  }
}

RANSEncoder::RANSEncoder(llvm::ArrayRef<uint64_t> counts)
    : frequencies(counts.size(), 0), starts(counts.size(), 0) {
  normalize(counts, frequencies);
  for (size_t i = 1; i < counts.size(); ++i)
    starts[i] = starts[i - 1] + frequencies[i - 1];
}

void RANSEncoder::writeTable(char *table) const {
  for (size_t i = 0; i < frequencies.size(); ++i)
    endian::write16le(table + 2 * i, frequencies[i]);
}

void RANSEncoder::encodeBlock(llvm::ArrayRef<uint8_t> symbols,
                              std::vector<char> &out) const {
  // Decoding takes back what was put in last, so all goes backwards.
  std::vector<uint16_t> words;
  uint64_t state = firstState;
  for (uint8_t symbol : llvm::reverse(symbols)) {
    uint64_t frequency = frequencies[symbol];
    if (state >= frequency << (32 - slotBits)) {
      words.push_back(uint16_t(state));
      state >>= 16;
    }
    state =
        (state / frequency << slotBits) + state % frequency + starts[symbol];
  }
  size_t position = out.size();
  out.resize(position + 4 + 2 * words.size());
  endian::write32le(&out[position], uint32_t(state));
  position += 4;
  for (uint16_t word : llvm::reverse(words)) {
    endian::write16le(&out[position], word);
    position += 2;
  }
}

llvm::Expected<RANSDecoder> RANSDecoder::create(llvm::ArrayRef<char> table,
                                                unsigned width) {
  RANSDecoder decoder;
  decoder.slots.reserve(numSlots);
  for (unsigned symbol = 0; symbol < 1u << width; ++symbol) {
    uint16_t frequency = endian::read16le(table.data() + 2 * symbol);
    if (decoder.slots.size() + frequency > numSlots)
      return llvm::createStringError("the frequencies sum to more than %u",
                                     numSlots);
    for (uint16_t i = 0; i < frequency; ++i)
      decoder.slots.push_back({frequency, i, uint8_t(symbol)});
  }
  if (decoder.slots.size() < numSlots)
    return llvm::createStringError("the frequencies sum to %zu, not to %u",
                                   decoder.slots.size(), numSlots);
  return std::move(decoder);
}

llvm::Error
RANSDecoder::decodeBlock(llvm::ArrayRef<char> bytes,
                         llvm::MutableArrayRef<uint8_t> symbols) const {
  if (bytes.size() < 4)
    return llvm::createStringError("it is truncated");
  uint32_t state = endian::read32le(bytes.data());
  size_t next = 4;
  for (uint8_t &symbol : symbols) {
    const Slot &slot = slots[state % numSlots];
    symbol = slot.symbol;
    state = slot.frequency * (state >> slotBits) + slot.bias;
    if (state >= firstState)
      continue;
    if (bytes.size() - next < 2)
      return llvm::createStringError("it is truncated");
    state = state << 16 | endian::read16le(bytes.data() + next);
    next += 2;
  }
  if (next != bytes.size())
    return llvm::createStringError("it has bytes left over");
  if (state != firstState)
    return llvm::createStringError("its final state is wrong");
  return llvm::Error::success();
}

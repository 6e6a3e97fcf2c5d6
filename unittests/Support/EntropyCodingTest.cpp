//===- EntropyCodingTest.cpp - Lossless streams -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Support/EntropyCoding.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <random>

using namespace compress;

namespace {

const EntropyCoder coders[] = {EntropyCoder::Huffman, EntropyCoder::RANS,
                               EntropyCoder::Zstd};

std::vector<char> pack(llvm::ArrayRef<uint64_t> elements, unsigned width) {
  std::vector<char> packed((elements.size() * width + 7) / 8);
  for (size_t i = 0; i < elements.size(); ++i)
    for (unsigned bit = 0; bit < width; ++bit)
      if (elements[i] >> bit & 1)
        packed[(i * width + bit) / 8] |= char(1 << (i * width + bit) % 8);
  return packed;
}

std::vector<char> encode(const StreamFormat &format, int64_t numElements,
                         llvm::ArrayRef<char> packed) {
  return llvm::cantFail(encodeStream(format, numElements, packed));
}

/// The message of the error, or "".
std::string decode(const StreamFormat &format, int64_t numElements,
                   llvm::ArrayRef<char> stream, std::vector<char> &packed) {
  packed.assign((numElements * format.element.width + 7) / 8, char(0x5a));
  return llvm::toString(decodeStream(format, numElements, stream, packed));
}

std::string decode(const StreamFormat &format, int64_t numElements,
                   llvm::ArrayRef<char> stream) {
  std::vector<char> packed;
  return decode(format, numElements, stream, packed);
}

std::vector<uint64_t> makeElements(size_t count, unsigned width,
                                   unsigned distribution, std::mt19937_64 &r) {
  uint64_t mask = width == 64 ? ~uint64_t(0) : (uint64_t(1) << width) - 1;
  std::vector<uint64_t> elements(count);
  std::geometric_distribution<uint64_t> geometric(0.4);
  for (uint64_t &element : elements)
    element = (distribution == 0   ? r()
               : distribution == 1 ? geometric(r)
                                   : 0x123456789abcdefu) &
              mask;
  return elements;
}

TEST(EntropyCoding, RoundTrip) {
  std::mt19937_64 random(1);
  const CodedElement elements[] = {{1, 0},  {2, 0},  {3, 0},  {4, 0},  {6, 0},
                                   {7, 0},  {8, 0},  {9, 0},  {12, 0}, {16, 0},
                                   {32, 0}, {33, 0}, {64, 0}, {8, 4},  {16, 5},
                                   {16, 8}, {32, 8}, {64, 11}};
  for (EntropyCoder coder : coders)
    for (CodedElement element : elements)
      for (int64_t block : {64, 1000})
        for (int64_t n : {0, 1, 2, 63, 64, 65, 999, 1000, 1001, 7777})
          for (unsigned distribution = 0; distribution < 3; ++distribution) {
            StreamFormat format{coder, element, block};
            std::vector<char> packed =
                pack(makeElements(n, element.width, distribution, random),
                     element.width);
            std::vector<char> stream = encode(format, n, packed), restored;
            ASSERT_EQ(decode(format, n, stream, restored), "");
            ASSERT_EQ(restored, packed)
                << int(coder) << " " << element.width << " " << n;
            ASSERT_EQ(encode(format, n, restored), stream);
            ASSERT_EQ(llvm::cantFail(getStreamElements(stream)), n);
            // Nothing grows by more than the count.
            ASSERT_LE(stream.size(), 8 + packed.size());
          }
}

TEST(EntropyCoding, Planes) {
  auto widths = [](CodedElement element) {
    std::string text;
    unsigned shift = 0;
    for (SymbolPlane plane : element.getPlanes()) {
      EXPECT_EQ(plane.shift, shift);
      shift += plane.width;
      text += std::to_string(plane.width) + " ";
    }
    EXPECT_EQ(shift, element.width);
    return text;
  };
  EXPECT_EQ(widths({4, 0}), "4 ");
  EXPECT_EQ(widths({12, 0}), "8 4 ");
  EXPECT_EQ(widths({8, 5}), "8 ");
  EXPECT_EQ(widths({16, 5}), "5 8 3 ");
  EXPECT_EQ(widths({16, 8}), "8 8 ");
  EXPECT_EQ(widths({32, 8}), "8 8 8 8 ");
  EXPECT_EQ(widths({64, 11}), "8 3 8 8 8 8 8 8 5 ");
  // -1.5 as bf16: exponent 127, mantissa 0x40, sign 1.
  CodedElement bf16{16, 8};
  EXPECT_EQ(bf16.toWord(0xbfc0), 0xc07fu);
  EXPECT_EQ(bf16.fromWord(0xc07f), 0xbfc0u);
}

/// Bits per symbol of the best memoryless code.
double getEntropy(llvm::ArrayRef<uint64_t> symbols) {
  std::vector<double> counts(256);
  for (uint64_t symbol : symbols)
    ++counts[symbol];
  double bits = 0;
  for (double count : counts)
    if (count > 0)
      bits -= count * std::log2(count / symbols.size());
  return bits / symbols.size();
}

TEST(EntropyCoding, SizeIsCloseToEntropy) {
  constexpr int64_t n = 200000;
  std::mt19937_64 random(2);
  for (double p : {0.05, 0.3, 0.6, 0.9}) {
    std::geometric_distribution<uint64_t> geometric(p);
    std::vector<uint64_t> symbols(n);
    for (uint64_t &symbol : symbols)
      symbol = std::min<uint64_t>(geometric(random), 255);
    double entropy = getEntropy(symbols);
    std::vector<char> packed = pack(symbols, 8);
    for (EntropyCoder coder : {EntropyCoder::Huffman, EntropyCoder::RANS}) {
      StreamFormat format{coder, {8, 0}, 4096};
      StreamLayout layout = llvm::cantFail(StreamLayout::get(format, n));
      size_t size = encode(format, n, packed).size() - layout.headerBytes;
      double bits = 8.0 * size / n;
      EXPECT_GE(bits, entropy * 0.9999);
      if (coder == EntropyCoder::RANS)
        EXPECT_LT(bits, entropy * 1.01 + 8.0 * 6 * layout.numBlocks / n);
      else
        EXPECT_LT(bits, entropy + 1);
    }
  }
}

TEST(EntropyCoding, HuffmanIsOptimal) {
  // Huffman's own example of a skewed source: the Fibonacci counts 1, 1, 2, 3,
  // 5, 8 need lengths 5, 5, 4, 3, 2, 1.
  std::vector<uint64_t> symbols;
  const unsigned counts[] = {100, 100, 200, 300, 500, 800};
  for (unsigned s = 0; s < 6; ++s)
    symbols.insert(symbols.end(), counts[s], s);
  StreamFormat format{EntropyCoder::Huffman, {8, 0}, 4096};
  std::vector<char> stream = encode(format, 2000, pack(symbols, 8));
  EXPECT_EQ(llvm::toHex(llvm::ArrayRef<uint8_t>(
                reinterpret_cast<uint8_t *>(&stream[8]), 4)),
            "55341200");
  // 8 + 128 + 4 bytes of header; 500 + 500 + 800 + 900 + 1000 + 800 bits.
  EXPECT_EQ(stream.size(), 140u + 4500 / 8 + 1);

  // Lengths stay within 12 bits where an unlimited code would need 30.
  symbols.clear();
  uint64_t a = 1, b = 1;
  for (unsigned s = 0; s < 25; ++s, std::swap(a, b), b += a)
    symbols.insert(symbols.end(), a, s);
  std::vector<char> packed = pack(symbols, 8), restored;
  stream = encode(format, symbols.size(), packed);
  EXPECT_EQ(decode(format, symbols.size(), stream, restored), "");
  EXPECT_EQ(restored, packed);
  StreamLayout layout =
      llvm::cantFail(StreamLayout::get(format, symbols.size()));
  EXPECT_LT(8.0 * (stream.size() - layout.headerBytes) / symbols.size(),
            getEntropy(symbols) + 1);
}

TEST(EntropyCoding, FloatWeightsShrink) {
  // Gaussian weights as bf16: 8 random bits of mantissa and sign, and an
  // exponent of less than 3 bits (DFloat11).
  constexpr int64_t n = 100000;
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<char> packed(2 * n);
  for (int64_t i = 0; i < n; ++i) {
    float value = normal(random);
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    llvm::support::endian::write16le(&packed[2 * i], bits >> 16);
  }
  for (EntropyCoder coder : {EntropyCoder::Huffman, EntropyCoder::RANS}) {
    StreamFormat format{coder, {16, 8}, 4096};
    double ratio = double(encode(format, n, packed).size()) / packed.size();
    EXPECT_LT(ratio, 0.75);
    EXPECT_GT(ratio, 0.60);
  }
}

TEST(EntropyCoding, IncompressibleLeavesAreStored) {
  StreamFormat format{EntropyCoder::RANS, {32, 8}, 4096};
  std::vector<char> packed = {1, 2, 3, 4};
  std::vector<char> stream = encode(format, 1, packed);
  EXPECT_EQ(stream, (std::vector<char>{1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}));
  EXPECT_EQ(encode(format, 0, {}), std::vector<char>(8, 0));
  // Padding does not show, and none may hold anything.
  format = {EntropyCoder::Huffman, {3, 0}, 4096};
  EXPECT_EQ(encode(format, 1, {char(0xfd)})[8], 5);
  EXPECT_NE(decode(format, 1, {1, 0, 0, 0, 0, 0, 0, 0, char(0xfd)}), "");
}

/// A stream of 300 skewed elements.
std::vector<char> makeStream(const StreamFormat &format) {
  std::mt19937_64 random(4);
  return encode(format, 300,
                pack(makeElements(300, format.element.width, 1, random),
                     format.element.width));
}

TEST(EntropyCoding, TruncatedAndExtendedStreamsAreRefused) {
  for (EntropyCoder coder : coders)
    for (CodedElement element :
         {CodedElement{4, 0}, CodedElement{16, 5}, CodedElement{32, 0}}) {
      StreamFormat format{coder, element, 100};
      std::vector<char> stream = makeStream(format);
      ASSERT_EQ(decode(format, 300, stream), "");
      for (size_t size = 0; size < stream.size(); ++size) {
        // A buffer of its own, so that sanitizers see reads past the end.
        std::vector<char> cut(stream.begin(), stream.begin() + size);
        EXPECT_NE(decode(format, 300, cut), "") << size;
      }
      stream.push_back(0);
      EXPECT_NE(decode(format, 300, stream), "");
      stream.push_back(0);
      EXPECT_NE(decode(format, 300, stream), "");
      stream = makeStream(format);
      EXPECT_NE(decode(format, 299, stream), "");
      EXPECT_NE(decode(format, 301, stream), "");
    }
}

TEST(EntropyCoding, FlippedBitsNeverCrash) {
  for (EntropyCoder coder : coders)
    for (CodedElement element :
         {CodedElement{4, 0}, CodedElement{16, 8}, CodedElement{12, 0}}) {
      StreamFormat format{coder, element, 100};
      std::vector<char> stream = makeStream(format);
      StreamLayout layout = llvm::cantFail(StreamLayout::get(format, 300));
      for (size_t bit = 0; bit < 8 * stream.size(); ++bit) {
        std::vector<char> flipped = stream;
        flipped[bit / 8] ^= char(1 << bit % 8);
        std::string message = decode(format, 300, flipped);
        // The count, the offsets, and tables that no longer sum up.
        if (bit < 64 ||
            (!layout.isStored(stream.size()) && bit < 8 * layout.headerBytes &&
             coder == EntropyCoder::RANS))
          EXPECT_NE(message, "") << bit;
      }
    }
}

TEST(EntropyCoding, Diagnostics) {
  StreamFormat format{EntropyCoder::Huffman, {8, 0}, 100};
  std::vector<char> stream = makeStream(format);
  auto with = [&](size_t position, uint8_t value) {
    std::vector<char> changed = stream;
    changed[position] = char(value);
    return decode(format, 300, changed);
  };
  EXPECT_EQ(with(0, 7), "the stream holds 263 elements where 300 are expected");
  EXPECT_EQ(with(60, 0xf0),
            "plane 0: illegal table: code length 15 is more than 12");
  EXPECT_EQ(with(60, 0x10),
            "plane 0: illegal table: the code lengths are over-subscribed");
  EXPECT_EQ(with(8, 0),
            "plane 0: illegal table: the code lengths are incomplete");
  EXPECT_EQ(llvm::StringRef(with(136 + 4, 1)).substr(0, 54),
            "plane 0, block 0: illegal or truncated: it begins at 1");
  stream.push_back(0);
  EXPECT_EQ(decode(format, 300, stream),
            "plane 0, block 2: it has bytes left over");

  format = {EntropyCoder::RANS, {4, 0}, 150};
  stream = makeStream(format);
  EXPECT_EQ(with(9, 0x70), "plane 0: illegal table: the frequencies sum to "
                           "more than 4096");
  stream.pop_back();
  EXPECT_EQ(decode(format, 300, stream), "plane 0, block 1: it is truncated");

  format = {EntropyCoder::Zstd, {8, 0}, 4096};
  stream = makeStream(format);
  stream.push_back(0);
  EXPECT_EQ(decode(format, 300, stream), "zstd: 1 bytes follow the frame");
  EXPECT_EQ(with(8, 0), "zstd: expected a frame with a content size of 300 "
                        "bytes");

  format = {EntropyCoder::Huffman, {8, 0}, 0};
  EXPECT_EQ(decode(format, 0, stream), "blocks of 0 symbols cannot be coded");
}

TEST(EntropyCoding, ZeroBitsForOneSymbol) {
  for (EntropyCoder coder : {EntropyCoder::Huffman, EntropyCoder::RANS}) {
    StreamFormat format{coder, {8, 0}, 4096};
    std::vector<char> packed(10000, 42), restored;
    std::vector<char> stream = encode(format, 10000, packed);
    StreamLayout layout = llvm::cantFail(StreamLayout::get(format, 10000));
    EXPECT_EQ(stream.size() - layout.headerBytes,
              coder == EntropyCoder::RANS ? 12u : 0u);
    EXPECT_EQ(decode(format, 10000, stream, restored), "");
    EXPECT_EQ(restored, packed);
  }
}

} // namespace

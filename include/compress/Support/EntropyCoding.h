//===- EntropyCoding.h - Lossless streams of tensor elements ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The byte format of the `coded` encoding: canonical Huffman codes (Huffman
// 1952; lengths limited by package-merge, Larmore and Hirschberg 1990) or range
// asymmetric numeral systems (rANS, Duda 2013, arXiv:1311.2540) over planes of
// symbols of at most 8 bits, in blocks that decode independently; and zstd
// frames (RFC 8878).
//
// Planes. Elements are given packed: `width` bits each, least significant bit
// first, without padding; the bits after the last element are zero. An element
// is first made a word `r`: integers, and floats of at most 8 bits, are `r`
// themselves; a wider float with exponent `e` of E bits, mantissa `m` of M bits
// and sign `s` gives
//     r = e + (m << E) + (s << (E + M))
// Plane by plane, symbols are cut out of `r` from bit 0 on, at most 8 bits at a
// time, and none straddles bit E. So bf16 has planes of 8 (exponent) and 8 bits
// (mantissa, sign); f16 of 5, 8, 3; f32 of 8, 8, 8, 8; i12 of 8, 4.
//
// Layout of a stream of n elements with P planes, plane p having w(p) bits, in
// blocks of B symbols, K = ceil(n / B) blocks per plane. Numbers are little
// endian and unsigned.
//
//   8 bytes             n
//   tables              one after the other for p = 0 .. P-1
//     huffman           2^(w(p)-1) bytes: one code length per symbol, two to a
//                       byte, the lower symbol in the low four bits
//     rans              2 * 2^w(p) bytes: one 16-bit frequency per symbol
//   offsets             P * K 32-bit numbers: where block (p, k) starts,
//   counted
//                       from the first byte of the stream; p-major
//   blocks              in the order of their offsets, without gaps; the last
//                       ends with the stream
//
// zstd has neither tables nor offsets nor blocks: n, then one frame of the
// packed elements that states its content size.
//
// A stream of 8 bytes more than the packed elements is *stored*: n, then the
// packed elements. Coding that would take as many bytes or more is stored, so
// nothing grows by more than 8 bytes, and an empty leaf is 8 zero bytes.
//
// A huffman table has code lengths of 0 (symbol not used) to 12 that make a
// complete prefix code (sum of 2^-length is 1); or a single 1 and zeros, the
// code of a plane with one symbol, which takes no bits. Codes are canonical:
// numbers that ascend with (length, symbol). A block is its symbols' codes,
// most significant bit first, filling bytes from the most significant bit, and
// zero bits up to a whole byte.
//
// A rans table has frequencies f(s) that sum to 4096; c(s) is the sum of those
// before s. A block is the 32-bit state x, then 16-bit words. To decode a
// symbol: s is the one with c(s) <= x mod 4096 < c(s) + f(s);
//     x = f(s) * floor(x / 4096) + x mod 4096 - c(s)
// and if then x < 2^16, x = 2^16 * x + the next word. After the last symbol of
// a block x is 2^16 and no word is left.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_SUPPORT_ENTROPYCODING_H
#define COMPRESS_SUPPORT_ENTROPYCODING_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace compress {

enum class EntropyCoder { Huffman, RANS, Zstd };

/// Bits `[shift, shift + width)` of an element's word.
struct SymbolPlane {
  unsigned shift = 0, width = 0;
};

/// How elements are seen as symbols.
struct CodedElement {
  /// 1 to 64 bits.
  unsigned width = 0;
  /// Bits of the exponent of a float; 0 for an integer.
  unsigned exponentWidth = 0;

  /// Whether exponent and mantissa are apart.
  bool isSplit() const { return exponentWidth > 0 && width > 8; }
  /// From the bits of an element to its word, and back.
  uint64_t toWord(uint64_t bits) const;
  uint64_t fromWord(uint64_t word) const;
  llvm::SmallVector<SymbolPlane> getPlanes() const;
};

/// What to code and how. `block` is the number of symbols of a block, 1 to
/// 2^20; it has no meaning for zstd.
struct StreamFormat {
  EntropyCoder coder = EntropyCoder::Huffman;
  CodedElement element;
  int64_t block = 4096;

  static constexpr int64_t maxBlock = int64_t(1) << 20;
};

/// Where everything of a stream lies, given the number of elements.
struct StreamLayout {
  /// Codes have at most, and frequencies sum to two to the power of, so many
  /// bits: a table of as many slots decodes one symbol by one look-up.
  static constexpr unsigned slotBits = 12;
  static constexpr unsigned numSlots = 1u << slotBits;

  int64_t numElements = 0, numBlocks = 0;
  /// Bytes of the packed elements.
  uint64_t packedBytes = 0;
  llvm::SmallVector<SymbolPlane> planes;
  /// Byte positions of each plane's table and of its first offset.
  llvm::SmallVector<uint64_t> tables, offsets;
  /// Where the first block or the zstd frame begins.
  uint64_t headerBytes = 0;

  /// Bytes of the number of elements, with which every stream begins.
  static constexpr uint64_t countBytes = 8;
  /// Whether in a stream of so many bytes the packed elements follow the count.
  bool isStored(uint64_t streamBytes) const {
    return streamBytes >= countBytes + packedBytes;
  }

  /// Fails on a format out of range or more elements than can be addressed.
  static llvm::Expected<StreamLayout> get(const StreamFormat &format,
                                          int64_t numElements);
  static uint64_t getTableBytes(EntropyCoder coder, unsigned width);
  int64_t getBlockSize(int64_t index, int64_t block) const {
    return std::min(block, numElements - index * block);
  }
};

/// Codes `numElements` packed elements. The same elements always give the same
/// stream; with zstd, the same for one version of the library only (level 19).
/// Fails when a stream would be longer than 32-bit offsets reach.
llvm::Expected<std::vector<char>> encodeStream(const StreamFormat &format,
                                               int64_t numElements,
                                               llvm::ArrayRef<char> packed);

/// Checks what can be told without decoding: the count, the size of the header
/// and of a zstd frame. A stream that passes is at most 2^21 times smaller than
/// what it restores, so that this can be allocated.
llvm::Error checkStream(const StreamFormat &format, int64_t numElements,
                        llvm::ArrayRef<char> stream);

/// Restores the packed elements; `packed` has their exact size. Any departure
/// from the layout above is an error that names the plane and block: wrong
/// count, illegal table, offsets out of order, a block that ends too early or
/// too late, bytes left over.
llvm::Error decodeStream(const StreamFormat &format, int64_t numElements,
                         llvm::ArrayRef<char> stream,
                         llvm::MutableArrayRef<char> packed);

/// The number of elements that a stream claims to have.
llvm::Expected<int64_t> getStreamElements(llvm::ArrayRef<char> stream);

} // namespace compress

#endif // COMPRESS_SUPPORT_ENTROPYCODING_H

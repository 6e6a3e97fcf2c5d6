//===- EntropyCodingInternal.h - Coders of one plane ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each coder writes one plane's table and its blocks, and reads them back with
// a table of `StreamLayout::numSlots` entries. Nothing is read outside of the
// bytes given.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_SUPPORT_ENTROPYCODINGINTERNAL_H
#define COMPRESS_LIB_SUPPORT_ENTROPYCODINGINTERNAL_H

#include "compress/Support/EntropyCoding.h"

namespace compress::detail {

class HuffmanEncoder {
public:
  /// `counts` has an entry for each symbol, at least one not zero.
  explicit HuffmanEncoder(llvm::ArrayRef<uint64_t> counts);
  void writeTable(char *table) const;
  void encodeBlock(llvm::ArrayRef<uint8_t> symbols,
                   std::vector<char> &out) const;

private:
  llvm::SmallVector<uint8_t> lengths;
  llvm::SmallVector<uint16_t> codes;
  bool isSingle = false;
};

class HuffmanDecoder {
public:
  static llvm::Expected<HuffmanDecoder> create(llvm::ArrayRef<char> table,
                                               unsigned width);
  llvm::Error decodeBlock(llvm::ArrayRef<char> bytes,
                          llvm::MutableArrayRef<uint8_t> symbols) const;

private:
  struct Slot {
    uint8_t symbol, length;
  };
  std::vector<Slot> slots;
};

class RANSEncoder {
public:
  explicit RANSEncoder(llvm::ArrayRef<uint64_t> counts);
  void writeTable(char *table) const;
  void encodeBlock(llvm::ArrayRef<uint8_t> symbols,
                   std::vector<char> &out) const;

private:
  llvm::SmallVector<uint32_t> frequencies, starts;
};

class RANSDecoder {
public:
  static llvm::Expected<RANSDecoder> create(llvm::ArrayRef<char> table,
                                            unsigned width);
  llvm::Error decodeBlock(llvm::ArrayRef<char> bytes,
                          llvm::MutableArrayRef<uint8_t> symbols) const;

private:
  struct Slot {
    uint16_t frequency, bias;
    uint8_t symbol;
  };
  std::vector<Slot> slots;
};

} // namespace compress::detail

#endif // COMPRESS_LIB_SUPPORT_ENTROPYCODINGINTERNAL_H

//===- KernelISA.h - Instruction sets of generated kernels ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What kernel generators need to know of an instruction set, as data: another
// one is another row of the table in KernelISA.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELISA_H
#define COMPRESS_LIB_TARGET_CPU_KERNELISA_H

#include "compress/Target/Target.h"
#include <array>

namespace compress::cpu {

struct KernelISA {
  const char *name = nullptr;
  /// LLVM features that must all be there.
  llvm::SmallVector<const char *, 8> features;
  unsigned vectorBits = 0;
  /// `acc[i32] += sum of 4 x u8 * s8`, or null.
  const char *dotU8S8 = nullptr;
  /// `sum of 2 x s16 * s16` into i32 lanes, or null. Used where there is no
  /// `dotU8S8`; exact, unlike the saturating 8-bit multiply-add.
  const char *dotS16 = nullptr;
  /// Looks up 32-bit lanes of a whole vector by the low bits of i32 indices, or
  /// null. The vector holds at least 16 lanes.
  const char *permuteF32 = nullptr;
  /// The same in two vectors of 16 lanes, (low, indices, high), or null.
  const char *permute2F32 = nullptr;
  /// Spreads the first bytes of a vector of 64 to where a mask is set, in
  /// order: (bytes, others, mask), or null.
  const char *expandBytes = nullptr;
  /// The LLVM feature that counts the bits of 32-bit lanes in an instruction,
  /// or null. Not all machines of this row have it.
  const char *countsWords = nullptr;
  /// Whether there are tile registers of 16 rows of 64 bytes with
  /// `acc[i32] += sum of 4 x u8 * s8`: the amx dialect.
  bool hasDotTiles = false;
  /// Whether f32 multiply-add and the f16 conversions are instructions.
  bool hasFMA = false, hasF16C = false;
  /// Register tiles: columns are counted in vectors. `rows[v - 1]` is the
  /// number of rows of a tile that is v vectors wide.
  unsigned maxVectors = 0;
  std::array<unsigned, 4> dotRows = {};
  std::array<unsigned, 4> floatRows = {};
  /// Rows of integer tiles whose sums are added to f32 ones block by block:
  /// twice the accumulators.
  std::array<unsigned, 4> blockRows = {};
  /// Width of a panel of float weights.
  unsigned floatVectors = 0;
  /// `acc[i32] += sum of 4 x s8 * s8`, or null; used where there is no
  /// `dotU8S8`, with the upper bit of u8 apart.
  const char *dotS8S8 = nullptr;

  unsigned getLanes() const { return vectorBits / 32; }
  /// Bytes from one row of k quantized activations to the next, and behind the
  /// last one. Tiles read 16 rows at a time, which should not fall into the
  /// same set of the cache.
  int64_t getRowBytes(int64_t k) const {
    return hasDotTiles && k >= 256 ? (k + 63) / 64 * 64 + 64 : (k + 3) / 4 * 4;
  }
  int64_t getRowSlack(int64_t k) const {
    return 64 + getSlackRows() * getRowBytes(k);
  }
  /// Rows behind the last one that may be read.
  int64_t getSlackRows() const { return hasDotTiles ? 31 : 0; }
  /// Groups of four bytes along the sum that a tile register holds.
  int64_t getTileSteps() const { return hasDotTiles ? 16 : 1; }
  /// Columns of the widest tile.
  unsigned getPanelColumns() const { return maxVectors * getLanes(); }
};

/// The best instruction set among those that the options allow.
const KernelISA &selectKernelISA(const TargetOptions &options);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELISA_H

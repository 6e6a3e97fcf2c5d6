//===- KernelBlockDot.h - Integer products in scaled blocks -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// 8-bit activations times weights of 1 to 8 bits whose scale changes along the
// sum axis: integer dot products within a block, scaled and added in f32 from
// block to block. Weights stay in low-bit codes in memory. Few rows: codes are
// widened to bytes in registers. Many rows: a part of a panel is widened once
// and used by all of them.
//
// With q, za the code and zero point of the activation, c, zw those of the
// weight, a block contributes sa sb sum (q - za) (c - zw), and
//   sum (q - za) (c - zw) = sum q c - zw sum (q - za) - za sum c.
// The second sum comes from the kernel that quantizes rows; the third is taken
// along with the product, where za is not zero. All three are exact integers.
// Per block there are four roundings to f32 (conversion, the product with zw or
// za if it is done in f32 is exact, scaling, addition), so against the
// reference the difference is at most
//   (K + 6) * 2^-24 * (|init| + sum |x| |w|).
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELBLOCKDOT_H
#define COMPRESS_LIB_TARGET_CPU_KERNELBLOCKDOT_H

#include "KernelGEMM.h"
#include "QuantizedPacking.h"

namespace compress::cpu {

/// How codes of 1 to 8 bits lie in 32-bit words so that shifts and masks widen
/// them to the bytes of a dot product. A code is cut into planes of 8, 4, 2 or
/// 1 bits, low bits first. A word of a plane of p bits holds 8 / p steps of
/// four k: bits [p s, p (s + 1)) of byte j belong to k = 4 s + j. A unit is as
/// many steps as fill a word of every plane.
///
/// Of pairs, at most two of each four codes are not zero, and those are stored:
/// a unit is eight steps, in four words of values, two bytes a step, and one of
/// places. Of step s, bits 4 s and 4 s + 1 are the place of the first value,
/// the next two that of the second one less one. Where an instruction expands
/// bytes by a mask, 64 bytes of columns and a step are 32 bytes of values in
/// order and a mask of 8 bytes: a vector of a word of values holds those of two
/// steps, one of places the masks of all eight.
struct CodePlanes {
  CodePlanes(unsigned width, bool inPairs);

  struct Plane {
    unsigned width, lowBit;
    unsigned firstWord; // in a unit
  };
  llvm::SmallVector<Plane> planes;
  /// Steps of four k, and words, of a unit.
  unsigned steps, words;

  int64_t getUnits(int64_t k) const {
    return llvm::divideCeil(k, int64_t(steps) * 4);
  }
};

/// From so many rows on tile registers are used where there are any.
inline constexpr int64_t kFewestTileRows = 5;

/// out[m, n] = init + sum over blocks of the above. Slack is that of
/// `KernelISA::getSlackRows` rows.
///   ins codes: i8 [M * stride + slack], scale: f32 [G + slack],
///       zero: i32 [G + slack], sums: i32 [M * blocks + slack] of
///       `QuantizeRows`,
///       packed: i8 [panel, block, unit, word, column, 4],
///       scales: [panel, weight block, column]
///       [, zeros: the same] [, bias: f32 [N]]
///   outs out: f32 [M, N]
struct BlockDotGEMM {
  const KernelISA *isa;
  int64_t n, k;
  /// Rows if known, else ShapedType::kDynamic.
  int64_t rows;
  /// Bits of a stored weight code, which is unsigned unless it has 8 bits and
  /// meets unsigned activations.
  unsigned width;
  /// What was added to codes to store them; of pairs, after they are widened.
  int64_t offset;
  /// Whether 8-bit codes are stored as pairs.
  bool inPairs = false;
  /// k per integer sum, per scale of the weight and of the activation. The
  /// first divides the others, or they are all of k.
  int64_t block, weightBlock, activationGroup;
  /// Whether rows of activations have scales of their own.
  bool perRow;
  bool activationUnsigned, activationHasZero;
  /// Zero points, if any, have 8 bits.
  Type scaleType, zeroType;
  /// One for all instead, a multiple of 1/2.
  double zero = 0;
  InitKind init;

  CodePlanes getPlanes() const { return {width, inPairs}; }
  int64_t getBlocks() const { return llvm::divideCeil(k, block); }
  /// Bytes of one column.
  int64_t getColumnBytes() const {
    CodePlanes planes = getPlanes();
    return getBlocks() * planes.getUnits(std::min(block, k)) * planes.words * 4;
  }
};
std::string generateBlockDotGEMM(mlir::ModuleOp module,
                                 const BlockDotGEMM &gemm);

/// The packed weight, with the types and sizes that `gemm` is to have; nothing
/// when the kernel cannot take it. `isa` and what is said of the activation
/// must be set (`activationGroup` may exceed k).
std::optional<BlockOperands> packBlockDot(const WeightMatrix &weight,
                                          BlockDotGEMM &gemm);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELBLOCKDOT_H

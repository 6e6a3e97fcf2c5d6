//===- KernelBits.h - Products of codes of a few bits -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products of codes of one or two bits on both sides, by logic and counting:
// with the planes of bits q = sum 2^i q_i of an activation and c = sum 2^j c_j
// of a weight,
//   sum q c = sum over i, j of 2^(i + j) popcount(q_i & c_j).
// With the zero points za (an integer, or any f32) and zw, which is a multiple
// of 1/2,
//   2 sum (q - za) (c - zw) = (2 sum q c - 2 zw sum q) - za (2 sum c - 2 K zw).
// All but the last product and difference are exact integers below 2^24; with
// an f32 za these two are one fused operation or done in f64. So against the
// reference (decode both, sum in f32 in any order) the difference is at most
//   (K + 6) * 2^-24 * (|init| + sum |x| |w|).
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELBITS_H
#define COMPRESS_LIB_TARGET_CPU_KERNELBITS_H

#include "KernelGEMM.h"
#include "QuantizedPacking.h"

namespace compress::cpu {

/// Most bits of a code on either side.
inline constexpr unsigned kMostBitPlanes = 2;
/// Bits of k in an element of packed planes.
inline constexpr int64_t kPlaneBits = 32;

/// Rows of bytes to their lowest bits, plane by plane, and the sums of rows.
///   ins codes: i8 [M * stride + slack], as `QuantizeRows` leaves them
///   outs bits: i32 [M * words * planes] ([row, word, plane]), sums: i32 [M]
struct PackBits {
  const KernelISA *isa;
  int64_t k;
  unsigned planes;

  int64_t getRowWords() const {
    return llvm::divideCeil(k, kPlaneBits) * planes;
  }
};
std::string generatePackBits(mlir::ModuleOp module, const PackBits &pack);

/// out[m, n] = init + (sum (q - za[m]) (c - zw[n])) * scale[m] * scales[n].
///   ins bits: i32 [M * words * planes], rowSums: i32 [M], scale: f32 [M or 1],
///       zero: i32 or f32 [M or 1], b: i32 packed [panel, word, plane, column],
///       zeros: i32 [padded N] (2 zw), sums: i32 [padded N]
///       (2 sum c - 2 K zw), scales: f32 [padded N] (halved) [, bias: f32 [N]]
///   outs out: f32 [M, N]
struct BitGEMM {
  const KernelISA *isa;
  int64_t n, k;
  unsigned activationPlanes, weightPlanes;
  bool perRow, floatZero;
  /// Whether bits of 32-bit lanes are counted by an instruction.
  bool countsWords;
  InitKind init;

  int64_t getWords() const { return llvm::divideCeil(k, kPlaneBits); }
};
std::string generateBitGEMM(mlir::ModuleOp module, const BitGEMM &gemm);

/// A weight of one scale per column in the order of the kernel's operands.
struct BitOperands {
  HostTensor planes, zeros, sums, scales;
  int64_t getByteSize() const;
};
/// Nothing where zero points are not multiples of 1/2, or not small.
std::optional<BitOperands> packBits(const WeightMatrix &weight,
                                    const KernelISA &isa);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELBITS_H

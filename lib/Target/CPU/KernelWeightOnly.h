//===- KernelWeightOnly.h - Products with compressed weights ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// f32 activations times weights that stay in low-bit codes until they are in
// registers. Few rows: codes are decoded inside the sum loop and scales applied
// once per block; of codes of up to three bits, four bits at a time are looked
// up, where that is faster, in the sums that these can stand for, which all
// columns share. Many rows: a part of a panel is decoded to f32 and used by all
// of them.
//
// Decoded values are those of the reference; with scales applied per block the
// difference to it is at most (K + 6) * 2^-24 * (|init| + sum |x| |w|).
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELWEIGHTONLY_H
#define COMPRESS_LIB_TARGET_CPU_KERNELWEIGHTONLY_H

#include "KernelCosts.h"
#include "KernelGEMM.h"
#include "KernelInflate.h"
#include "QuantizedPacking.h"

namespace compress::cpu {

/// Wider numbers of entries of a table take more than one lookup in registers.
inline constexpr unsigned kNarrowTableWidth = 5;

/// How codes lie in a packed panel: units of `unit` consecutive k, each `words`
/// 32-bit words per column, code j at bits [j * width, (j + 1) * width) of the
/// column's words; 8-bit codes as bytes [k, column].
struct CodeLayout {
  explicit CodeLayout(Type codeType);

  Type codeType;
  unsigned width, unit, words;

  bool isBytes() const { return width == 8; }
  bool isFloat() const { return mlir::isa<mlir::FloatType>(codeType); }
  bool isSigned() const;
  int64_t getUnits(int64_t k) const { return llvm::divideCeil(k, unit); }
  /// Bytes of one column.
  int64_t getColumnBytes(int64_t k) const {
    return isBytes() ? k : getUnits(k) * words * 4;
  }
};

/// out[m, n] = init + sum over k of x[m, k] * w[n, k].
///   ins x: f32 [M, K], codes: i8 packed, scales: [panel, block, column]
///       [, zeros: the same] [, table: f32 [getTableSize()]] [, bias: f32 [N]]
///   outs out: f32 [M, N]
struct WeightOnlyGEMM {
  const KernelISA *isa;
  int64_t n, k;
  /// Rows if known, else ShapedType::kDynamic.
  int64_t rows;
  /// k per scale.
  int64_t block;
  Type codeType;
  /// f32, f16, or the bits of bf16 (i16) and f8E8M0FNU (i8).
  Type scaleType;
  /// Null, f32, i8 or ui8.
  Type zeroType;
  InitKind init;
  /// Whether codes (unsigned) are numbers of the entries of a table.
  bool hasTable = false;
  /// Codes are entropy coded, and each panel is inflated where it is used.
  /// Instead of the codes come the words of CodedOperands; what else these are
  /// comes last of the inputs.
  std::optional<CodedPanels> coded = std::nullopt;

  /// Entries with padding: all that a code of this width can name, repeated up
  /// to 16, so that lookups in registers need not mask.
  int64_t getTableSize() const {
    return std::max<int64_t>(16, int64_t(1)
                                     << codeType.getIntOrFloatBitWidth());
  }
};
std::string generateWeightOnlyGEMM(mlir::ModuleOp module,
                                   const WeightOnlyGEMM &gemm);

/// Rows of a tile up to which it takes codes four bits at a time; 0: never.
int64_t getNibbleRows(const WeightOnlyGEMM &gemm);

/// What the ways for few and for many rows do for `m` rows, with weights of
/// `bytes`. Depends on instruction set, sizes, block, codes, table, and on
/// whether there are zeros.
struct WeightOnlyWork {
  KernelWork few, many;
};
WeightOnlyWork getWeightOnlyWork(const WeightOnlyGEMM &gemm, double m,
                                 double bytes);

/// The packed weight, with the types that `gemm` is to have; nothing when the
/// kernel cannot take it.
std::optional<BlockOperands> packWeightOnly(const WeightMatrix &weight,
                                            WeightOnlyGEMM &gemm);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELWEIGHTONLY_H

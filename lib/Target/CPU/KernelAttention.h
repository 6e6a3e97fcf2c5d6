//===- KernelAttention.h - Attention kernels --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// softmax(Q K^T * scale + mask) V, a few rows at a time: their scores stay in
// the first cache. Keys and values of a head are packed once for all rows of a
// task. Sums of products are taken in f32 with fused multiply-add where the
// instruction set has it, the exponential is that of all other operations, and
// results are divided by the sum of a row at the end.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELATTENTION_H
#define COMPRESS_LIB_TARGET_CPU_KERNELATTENTION_H

#include "KernelGEMM.h"

namespace compress::cpu {

/// Where the elements of an operand lie: strides of the batch axes, of rows and
/// of columns, in elements; 0 where it is the same for all.
struct AttentionOperand {
  llvm::SmallVector<int64_t> batch;
  int64_t row = 0, column = 0;

  std::string getName() const;
};

///   ins q: f32 [flat], k: f32 [flat], v: f32 [flat] [, mask: f32 [flat]]
///   outs out: f32 [flat]
/// Rows and columns are of q [rows, depth], k [columns, depth],
/// v [columns, width], mask [rows, columns] and out [rows, width].
struct Attention {
  const KernelISA *isa;
  /// Extents of the batch axes; the first may be unknown.
  llvm::SmallVector<int64_t> batch;
  int64_t rows, columns, depth, width;
  AttentionOperand q, k, v, out;
  std::optional<AttentionOperand> mask;
  float scale = 1;

  /// Whether operands can be packed, and packed ones stay in the cache.
  bool isSupported() const;
};
std::string generateAttention(mlir::ModuleOp module,
                              const Attention &attention);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELATTENTION_H

//===- KernelSparse.h - Products with sparse weights ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// f32 activations times sparse weights, at a cost that goes with the number of
// stored values (see SliceLayout).
//
// Many rows: rows are in the lanes. Activations are transposed, so that the
// lanes of one input are whole vectors, and each entry is a broadcast weight
// times those. Few rows: the outputs of a slice are in the lanes, and
// activations are gathered.
//
// Products are summed in f32 block by block, so the difference to the reference
// is at most (K + 6) * 2^-24 * (|init| + sum |x| |w|).
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELSPARSE_H
#define COMPRESS_LIB_TARGET_CPU_KERNELSPARSE_H

#include "KernelGEMM.h"
#include "SparsePacking.h"

namespace compress::cpu {

/// out[m, n] = init + sum over k of x[m, k] * w[n, k].
///   ins x: f32 [M, K], values, indices, outputs, steps, slices (PackedSlices)
///       [, scales: f32 [padded N]] [, bias: f32 [N]]
///   outs out: f32 [M, N]
///       [, scratch: f32, `getScratchRow()` for each row of a tile] unless few
///       rows
struct SparseGEMM {
  const KernelISA *isa;
  SliceLayout layout;
  /// Rows if known, else ShapedType::kDynamic.
  int64_t rows;
  InitKind init;

  bool mayBeMany() const;
  /// Transposed activations and sums.
  int64_t getScratchRow() const { return layout.k + layout.getPaddedN(); }
};
/// Rows that share an entry.
int64_t getSparseTileRows(const KernelISA &isa);
/// Inputs of a block of activations that fits a first-level cache.
int64_t getSparseBlockInputs(const KernelISA &isa);
/// Whether the kernel can decode the values that the layout asks for.
bool isSparseGEMMSupported(const SliceLayout &layout);
std::string generateSparseGEMM(mlir::ModuleOp module, const SparseGEMM &gemm);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELSPARSE_H

//===- KernelFloat.h - Float matrix product kernels -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products of f32 activations and constant weights that are stored in panels
// of columns as f32, f16 or bf16 and multiplied in f32.
//
// Every sum is taken in f32 in some order, so against the exact one of the
// stored weights the difference is at most
//   (K + 6) * 2^-24 * (|init| + sum |x| |w|).
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELFLOAT_H
#define COMPRESS_LIB_TARGET_CPU_KERNELFLOAT_H

#include "KernelFloatEpilogue.h"
#include "KernelGEMM.h"
#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress::cpu {

/// The panels of float weights: `isa.floatVectors` vectors wide, and one
/// narrower for the rest.
Panels getFloatPanels(const KernelISA &isa, int64_t columns);

/// Whether weights of this type can be stored in panels.
bool isPackedFloat(Type type);
/// The type of the memref that holds packed weights of `type`: f32, f16, or
/// i16 for the bits of bf16 and of f16 that is converted in integers.
Type getPackedFloatType(const KernelISA &isa, Type type);

/// Weights w[n, k], found at element `columns[n] + rows[k]` of `source` (f32,
/// f16 or bf16), as [panel][k][column of the panel] of
/// `getPackedFloatType(isa, ...)`, the padding of the last panel zero.
HostTensor packFloatWeights(const KernelISA &isa, const HostTensor &source,
                            llvm::ArrayRef<int64_t> columns,
                            llvm::ArrayRef<int64_t> rows);

/// The f32 values of `lanes` weights of type `stored` at `at` of the flat
/// memref `packed`.
Value emitLoadWeights(KernelBuilder &k, const KernelISA &isa, Type stored,
                      Value packed, Value at);

/// What a tile brings into the cache for those after it: as much of B as it
/// reads, divided by `share`, from `base` on; tile number `index` of those that
/// share the work takes part `index`, all from number `share` - 1 on the last.
struct FloatPrefetch {
  Value base;
  Value index;
  unsigned share = 1;
};

/// One register tile: sums of products of rows of A with a panel of B.
///   a: flat f32 memref; row r starts at element `rowBases[r]`, and the sum
///      runs over `axis`, whose strides and runs count elements.
///   b: flat memref with weights of type `stored` (f32 if null) packed as
///      [run][k][vectors * lanes] from element `panelBase`.
///   init: rows * vectors f32 vectors to start from, row by row.
/// Returns the sums in the same order. With `isa.floatRows[vectors - 1]` rows
/// they all stay in registers.
llvm::SmallVector<Value>
emitFloatTile(KernelBuilder &k, const KernelISA &isa, const DotAxis &axis,
              unsigned vectors, Value a, ValueRange rowBases, Value b,
              Value panelBase, ValueRange init, Type stored = {},
              std::optional<FloatPrefetch> prefetch = std::nullopt);

//===--- Products
//----------------------------------------------------------===//

/// out[m, n] = epilogue(sum over k of x[m, k] * w[n, k]), or of what is in out
/// and the sum.
///   ins x: f32 [M, K], w: packed by packFloatWeights
///       [, bias: f32 [N]] [, addend: f32 [M, N]]
///   outs out: f32 [M, N]
struct FloatGEMM {
  const KernelISA *isa;
  int64_t n, k;
  /// Rows if known, else ShapedType::kDynamic.
  int64_t rows;
  /// f32, f16 or bf16.
  Type stored;
  bool accumulate = false;
  FloatEpilogue epilogue = {};
};
std::string generateFloatGEMM(mlir::ModuleOp module, const FloatGEMM &gemm);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELFLOAT_H

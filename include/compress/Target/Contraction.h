//===- Contraction.h - Shapes of contractions -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Recognizes matrix products and convolutions in a `compress.contract`, for
// every target's claim patterns.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_CONTRACTION_H
#define COMPRESS_TARGET_CONTRACTION_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/IR/Builders.h"

namespace compress {

/// `out[b.., m.., n..] += lhs[b.., m.., k..] * rhs[b.., k.., n..]` with each
/// group of loops named by position; any operand may hold its axes in any
/// order. No windows.
struct MatmulShape {
  llvm::SmallVector<unsigned> batch, m, n, k;
};

/// Recognizes a matrix product: every map a projected permutation.
std::optional<MatmulShape> matchMatmul(ContractOp op);

/// A convolution `out[n, g*f, o..] += lhs[n, g*c, o*stride + k*dilation ..] *
/// rhs[g*f, c, k..]`. Absent loops have extent one. Loop positions, -1 when
/// absent.
struct ConvShape {
  int n = -1, group = -1, f = -1, c = -1;
  llvm::SmallVector<unsigned> out, kernel;
  llvm::SmallVector<int64_t> strides, dilations;
};

/// Recognizes a convolution with input axes [n, (g), (c), spatial...], filter
/// axes [(g), (f), (c), kernel...] (g and f in either order) and result axes
/// [n, (g), (f), spatial...].
std::optional<ConvShape> matchConv(ContractOp op);

/// What a static zero padding of the last `spatial` axes pads, with its amounts
/// added to `low` and `high` (one element per spatial axis); `value` itself
/// where there is no such padding.
mlir::Value peelPad(mlir::Value value, unsigned spatial,
                    llvm::MutableArrayRef<int64_t> low,
                    llvm::MutableArrayRef<int64_t> high);

/// What `value` is without a unit axis that was inserted after the first two.
mlir::Value peelUnitAxis(mlir::Value value);

/// Static extents of the loops; kDynamic where unknown.
llvm::SmallVector<int64_t> getLoopExtents(ContractOp op);

/// When `init` is the same one-dimensional tensor along one result axis (a
/// broadcast bias), that tensor. `isZero` is set when init is all zeros.
mlir::Value matchBias(ContractOp op, unsigned axis, bool &isZero);

} // namespace compress

#endif // COMPRESS_TARGET_CONTRACTION_H

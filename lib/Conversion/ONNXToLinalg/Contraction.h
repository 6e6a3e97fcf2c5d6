//===- Contraction.h - Sums of products -------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_CONVERSION_ONNXTOLINALG_CONTRACTION_H
#define COMPRESS_LIB_CONVERSION_ONNXTOLINALG_CONTRACTION_H

#include "Lowering.h"
#include "compress/Dialect/ONNX/Transforms/Window.h"

namespace compress {

/// How products are formed. For floats the body is multiply and add; integer
/// operands are extended and freed of their zero points first.
struct ProductRule {
  /// The element type of sums.
  mlir::Type sumType;
  /// Source types, for the signedness of integers.
  mlir::Type lhsType, rhsType;
  /// Zero points: scalars (rank 0) or, for `rhs`, one value per output channel
  /// along loop `rhsZeroLoop`; null for zero.
  mlir::Value lhsZero, rhsZero;
  int64_t rhsZeroLoop = -1;

  /// Floats: sums of f16 and bf16 are f32.
  static ProductRule get(Lowering &l, unsigned lhs, unsigned rhs);
};

/// `linalg.generic` that adds the products to `init`.
mlir::Value contract(Lowering &l, mlir::Value lhs, mlir::Value rhs,
                     mlir::Value init, llvm::ArrayRef<mlir::AffineMap> maps,
                     llvm::ArrayRef<mlir::utils::IteratorType> iterators,
                     const ProductRule &rule);

/// Convolution of `input` [n, c, spatial...] with `weight` [f, c/groups,
/// kernel...]: pads (with `padValue`, zero when null), sums, and starts from
/// `bias` [f] if given. Returns a tensor of `rule.sumType`; null after `fail`.
mlir::Value convolve(Lowering &l, mlir::Value input, mlir::Value weight,
                     mlir::Value bias, int64_t groups,
                     const onnx::Window &window, ProductRule rule,
                     mlir::Value padValue);

/// Numpy matrix product with batch broadcasting; `type` is the result's shape
/// with `rule.sumType` elements. A vector operand has one axis.
mlir::Value matmul(Lowering &l, mlir::Value lhs, mlir::Value rhs,
                   mlir::RankedTensorType type, ProductRule rule);

/// Pads the spatial axes of an NC... tensor for `window` and grows them where
/// ceil_mode makes windows overhang. Null after `fail`.
mlir::Value padSpatial(Lowering &l, mlir::Value input,
                       const onnx::Window &window, mlir::Value value);

/// The window of a convolution whose weight is input `weight`.
mlir::FailureOr<onnx::Window> getConvWindow(Lowering &l, unsigned weight);

/// Fails unless input 0 holds floats.
mlir::LogicalResult requireFloat(Lowering &l);

mlir::LogicalResult lowerConvTranspose(Lowering &l);

/// Sizes of the spatial result axes for an unpadded input.
Sizes slideSizes(Lowering &l, mlir::Value input, const onnx::Window &window,
                 mlir::RankedTensorType resultType);

} // namespace compress

#endif // COMPRESS_LIB_CONVERSION_ONNXTOLINALG_CONTRACTION_H

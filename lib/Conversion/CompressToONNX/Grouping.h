//===- Grouping.h - Groups of a quantized tensor in ONNX terms --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_CONVERSION_COMPRESSTOONNX_GROUPING_H
#define COMPRESS_LIB_CONVERSION_COMPRESSTOONNX_GROUPING_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include <optional>

namespace compress {

/// The granularity of QuantizeLinear and DequantizeLinear.
struct Granularity {
  enum Kind { PerTensor, PerAxis, Blocked } kind;
  int64_t axis = 0;
  int64_t block = 0;
  /// Shape of scale and zero point.
  llvm::SmallVector<int64_t> parameterShape;

  /// Nothing when these operators cannot express the grouping.
  static std::optional<Granularity> get(CompressedTensorType type,
                                        QuantAttr quant);
  /// The scale and zero point to multiply with by broadcasting; only for
  /// PerTensor and PerAxis.
  llvm::SmallVector<int64_t> getBroadcastShape(int64_t rank) const;
};

/// A tensor seen with every blocked axis split in two (blocks, block), so that
/// parameters of shape (blocks, 1) broadcast. Axes that a block does not divide
/// are padded with zeros first.
struct GroupView {
  llvm::SmallVector<int64_t> shape;
  /// `shape` with blocked axes rounded up.
  llvm::SmallVector<int64_t> padded;
  /// The split shape and the parameters' shape in it.
  llvm::SmallVector<int64_t> view, parameters;
  /// For each axis of `view` and `parameters`, the axis of `shape` that it
  /// equals, or -1 when it is one half of a split; and the other way round.
  llvm::SmallVector<int64_t> viewSource, shapeSource;
  /// Axes of `view` that lie within a group.
  llvm::SmallVector<int64_t> groupAxes;

  bool isSplit() const { return view.size() != shape.size(); }
  bool isPadded() const { return padded != shape; }

  /// On failure `reason` says what ONNX cannot express.
  static mlir::FailureOr<GroupView> get(llvm::ArrayRef<int64_t> shape,
                                        llvm::ArrayRef<int64_t> group,
                                        std::string &reason);
};

} // namespace compress

#endif // COMPRESS_LIB_CONVERSION_COMPRESSTOONNX_GROUPING_H

//===- Window.h - Geometry of convolutions and pooling ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernel, strides, dilations and padding of Conv-like and pooling operators:
// the rules of the standard for missing attributes, `auto_pad` and `ceil_mode`,
// shared by shape inference and lowering.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_WINDOW_H
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_WINDOW_H

#include "compress/Dialect/ONNX/Transforms/Node.h"

namespace compress::onnx {

/// One entry per spatial axis in every list.
struct Window {
  llvm::SmallVector<int64_t> kernel, strides, dilations;
  enum class AutoPad { NotSet, SameUpper, SameLower, Valid } autoPad;
  bool ceilMode = false;

  /// Reads the attributes of `node`. `weightKernel` is the spatial shape of the
  /// weight, used when `kernel_shape` is absent; empty for pooling. On failure
  /// `reason` says what is wrong.
  static mlir::FailureOr<Window> get(const Node &node, int64_t spatialRank,
                                     llvm::ArrayRef<int64_t> weightKernel,
                                     std::string &reason);

  int64_t getExtent(unsigned axis) const {
    return (kernel[axis] - 1) * dilations[axis] + 1;
  }
  /// Padding before and after spatial axis `axis` for an input of `size`
  /// elements, which matters for SAME_* with a stride only.
  std::pair<int64_t, int64_t> getPads(unsigned axis, int64_t size) const;
  /// Whether `getPads` needs the input size.
  bool padsDependOnSize(unsigned axis) const {
    return (autoPad == AutoPad::SameUpper || autoPad == AutoPad::SameLower) &&
           strides[axis] != 1;
  }
  /// Output size for an input of `size` elements; may be < 1 for bad models.
  int64_t getOutputSize(unsigned axis, int64_t size) const;

  llvm::SmallVector<int64_t> padsBegin, padsEnd;
};

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_WINDOW_H

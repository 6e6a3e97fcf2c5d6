//===- ShrinkChannels.h - onnx-shrink-channels ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_SHRINKCHANNELS_SHRINKCHANNELS_H
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_SHRINKCHANNELS_SHRINKCHANNELS_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Pass/Pass.h"
#include "llvm/ADT/MapVector.h"

namespace compress::onnx {

/// What is kept of a value: entries of one axis, increasing.
struct Slice {
  int64_t axis = 0;
  llvm::SmallVector<int64_t> kept;
  bool operator==(const Slice &other) const {
    return axis == other.axis && kept == other.kept;
  }
};

/// All that computes some channels of an activation for one reader, and no
/// other: what each value and each constant keeps when the reader needs only
/// some of them.
struct ChannelGroup {
  /// What reads the channels, and where.
  mlir::Operation *reader = nullptr;
  WeightOperand role;
  /// Intermediate values.
  llvm::MapVector<mlir::Value, Slice> values;
  /// Uses of constants.
  llvm::MapVector<mlir::OpOperand *, Slice> constants;

  /// What defines the values, in the order of the program, then the reader.
  llvm::SmallVector<mlir::Operation *> getOps() const;
};

/// The group of the activation that `reader` multiplies with a weight when it
/// reads only these channels; or why there is none.
llvm::Expected<ChannelGroup> findChannelGroup(mlir::Operation *reader,
                                              const WeightOperand &role,
                                              llvm::ArrayRef<int64_t> kept);

/// The channels that a constant of this type keeps, where it is
/// `sparse<channels>` along the first axis that `role` sums over.
std::optional<llvm::SmallVector<int64_t>>
getKeptChannels(CompressedTensorType type, llvm::ArrayRef<HostTensor> leaves,
                const WeightOperand &role);

/// The group of what shrinks when the weight of `reader` is stored like this;
/// nothing where that removes no channels or keeps them as they are.
std::optional<ChannelGroup>
findShrinkingGroup(mlir::Operation *reader, const WeightOperand &role,
                   CompressedTensorType type,
                   llvm::ArrayRef<HostTensor> leaves);

struct ShrinkResult {
  unsigned numShrunk = 0;
  /// Site (the attribute `compress.site` of its constant) and reason.
  llvm::SmallVector<std::pair<std::string, std::string>> kept;
  /// Of constants that are no weights, such as biases: bytes saved.
  int64_t savedBytes = 0;
};

/// Does what the pass does.
llvm::Expected<ShrinkResult> shrinkChannels(mlir::FunctionOpInterface function);

#define GEN_PASS_DECL_SHRINKCHANNELS
#include "compress/Dialect/ONNX/Transforms/ShrinkChannels/ShrinkChannels.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Dialect/ONNX/Transforms/ShrinkChannels/ShrinkChannels.h.inc"

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_SHRINKCHANNELS_SHRINKCHANNELS_H

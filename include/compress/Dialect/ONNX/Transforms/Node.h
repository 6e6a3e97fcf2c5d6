//===- Node.h - Uniform view of an onnx operation ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What shape inference, folding and lowering ask of a node: inputs that may be
// absent, attributes with their defaults, the opset, constants, and a name for
// diagnostics. Passes over the whole standard dispatch by operator name, so
// they use this view rather than the generated classes.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_NODE_H
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_NODE_H

#include "compress/Dialect/Compress/IR/HostTensor.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "mlir/IR/Operation.h"
#include <optional>

namespace compress::onnx {

/// A view of an operation of the onnx dialect.
class Node {
public:
  explicit Node(mlir::Operation *op) : op(op) {}

  mlir::Operation *getOperation() const { return op; }
  /// The ONNX operator name; for `onnx.Custom` the one it carries.
  llvm::StringRef getOpType() const;
  /// `node 'conv1' (Conv)`; the first output stands in for a missing name.
  std::string describe() const;

  /// Number of inputs, those that are not given included.
  unsigned getNumInputs() const { return op->getNumOperands(); }
  unsigned getNumOutputs() const { return op->getNumResults(); }
  /// Input `index`; null when it is not given.
  mlir::Value getInput(unsigned index) const;
  bool hasInput(unsigned index) const { return bool(getInput(index)); }

  /// Attributes under their ONNX name. Getters without a default return
  /// nothing (an empty list) when the attribute is absent.
  mlir::Attribute getAttr(llvm::StringRef name) const;
  bool hasAttr(llvm::StringRef name) const { return bool(getAttr(name)); }
  std::optional<int64_t> findInt(llvm::StringRef name) const;
  int64_t getInt(llvm::StringRef name, int64_t byDefault) const;
  double getFloat(llvm::StringRef name, double byDefault) const;
  llvm::StringRef getString(llvm::StringRef name,
                            llvm::StringRef byDefault) const;
  std::optional<llvm::SmallVector<int64_t>>
  findInts(llvm::StringRef name) const;

private:
  mlir::Operation *op;
};

/// A constant (see `getConstantElements`) as a host tensor, which borrows the
/// attribute's storage where the layouts agree. Fails for what is not constant,
/// strings, and broken resources.
mlir::FailureOr<HostTensor> getConstant(mlir::Value value);
mlir::FailureOr<HostTensor> getConstant(mlir::ElementsAttr attr);
inline bool isConstant(mlir::Value value) {
  return value && bool(getConstantElements(value));
}

/// An attribute for `tensor` in ONNX raw data layout; large ones become a
/// resource called `name` that shares the buffer, small ones are inline.
mlir::ElementsAttr toAttr(const HostTensor &tensor, llvm::StringRef name);

/// ONNX axis normalization: adds `rank` to negative axes; nothing when out of
/// [-rank, rank).
std::optional<int64_t> normalizeAxis(int64_t axis, int64_t rank);

/// Whether integers of this type are unsigned (`uiN`, or the boolean `i1`).
bool isUnsigned(mlir::Type elementType);

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_NODE_H

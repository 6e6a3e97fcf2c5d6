//===- Rules.h - Equivalents of operators in newer opsets -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_DIALECT_ONNX_TRANSFORMS_UPGRADEOPSET_RULES_H
#define COMPRESS_LIB_DIALECT_ONNX_TRANSFORMS_UPGRADEOPSET_RULES_H

#include "compress/Dialect/ONNX/Transforms/Node.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"

namespace compress::onnx {

/// One operator on its way from an opset to a newer one.
class Upgrade {
public:
  Upgrade(mlir::Operation *op, int64_t from, int64_t to)
      : op(op), node(op), builder(op), from(from), to(to) {}

  mlir::Operation *op;
  Node node;
  mlir::OpBuilder builder;

  /// Whether the change that came with `version` lies on the way.
  bool crosses(int64_t version) const {
    return from < version && to >= version;
  }
  mlir::LogicalResult fail(const llvm::Twine &reason);
  bool isChanged() const { return changed; }

  /// Rank of a value, when known.
  static std::optional<int64_t> getRank(mlir::Value value);
  static mlir::Type getElement(mlir::Value value);

  void removeAttr(llvm::StringRef name);
  void setAttr(llvm::StringRef name, mlir::Attribute value);
  void setInt(llvm::StringRef name, int64_t value);
  void setString(llvm::StringRef name, llvm::StringRef value);
  /// Appends operands up to `index` (`none` for those between) and sets it.
  void setOperand(unsigned index, mlir::Value value);
  /// Inputs from the outside of the operator.
  mlir::Value initializer(const HostTensor &tensor, llvm::StringRef label);
  mlir::Value ints(llvm::ArrayRef<int64_t> values, llvm::StringRef label);
  mlir::Value scalar(double value, mlir::Type type, llvm::StringRef label);
  /// A new node before this one.
  mlir::Value create(llvm::StringRef opType, mlir::ValueRange inputs,
                     mlir::Type result,
                     llvm::ArrayRef<mlir::NamedAttribute> attrs = {});
  /// Replaces the operator by another; attributes are not taken over, what
  /// names it and its outputs is.
  void replace(llvm::StringRef opType, mlir::ValueRange inputs,
               llvm::ArrayRef<mlir::NamedAttribute> attrs);

  mlir::NamedAttribute intAttr(llvm::StringRef name, int64_t value) {
    return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
  }
  mlir::NamedAttribute stringAttr(llvm::StringRef name, llvm::StringRef value) {
    return builder.getNamedAttr(name, builder.getStringAttr(value));
  }

private:
  int64_t from, to;
  bool changed = false;
};

using UpgradeRule = mlir::LogicalResult (*)(Upgrade &);
/// By operator name; operators without a rule never changed. Names of operators
/// that the dialect carries as `onnx.Custom` are among them.
const llvm::StringMap<UpgradeRule> &getUpgradeRules();

} // namespace compress::onnx

#endif // COMPRESS_LIB_DIALECT_ONNX_TRANSFORMS_UPGRADEOPSET_RULES_H

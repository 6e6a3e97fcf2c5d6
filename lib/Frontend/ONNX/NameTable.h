//===- NameTable.h - names of values for export ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef LIB_FRONTEND_ONNX_NAMETABLE_H
#define LIB_FRONTEND_ONNX_NAMETABLE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace compress::onnx::detail {

/// Gives every value of a graph one name: the one it was imported with where
/// that is still free, a fresh one otherwise. Names that the outside sees
/// (inputs, outputs, initializers, values that subgraphs use) go first. Where a
/// value needs a second such name, the table asks for a copy (an Identity).
class NameTable {
public:
  struct Copy {
    mlir::Value value;
    std::string name;
    std::string nodeName;
  };

  mlir::LogicalResult assign(mlir::func::FuncOp function);

  /// Name of a value; empty for `none` and unused unnamed results.
  std::string of(mlir::Value value) const;
  /// Name of graph output `index`.
  const std::string &ofOutput(unsigned index) const { return outputs[index]; }
  /// The value of a name; null when the graph has none.
  mlir::Value lookup(llvm::StringRef name) const { return taken.lookup(name); }

  llvm::ArrayRef<Copy> copiesBefore(mlir::Operation *op) const;
  llvm::ArrayRef<Copy> trailingCopies() const { return trailing; }

  /// A new name for a node.
  std::string freshNode(llvm::StringRef base);

private:
  /// Gives `name` to `value` if no other value has it.
  bool take(mlir::Value value, llvm::StringRef name);
  std::string fresh(llvm::StringRef base);
  void reserveNames(mlir::func::FuncOp function);
  mlir::LogicalResult assignOutputs(mlir::func::FuncOp function);
  mlir::LogicalResult assignCaptures(mlir::func::FuncOp function);
  void assignResults(mlir::Operation &op);

  llvm::DenseMap<mlir::Value, std::string> names;
  llvm::StringMap<mlir::Value> taken;
  llvm::StringSet<> reserved;
  llvm::StringMap<unsigned> counters;
  std::vector<std::string> outputs;
  llvm::StringSet<> nodeNames;
  llvm::DenseMap<mlir::Operation *, std::vector<Copy>> copies;
  std::vector<Copy> trailing;
};

} // namespace compress::onnx::detail

#endif // LIB_FRONTEND_ONNX_NAMETABLE_H

//===- Importer.h - state of one import -----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef LIB_FRONTEND_ONNX_IMPORTER_H
#define LIB_FRONTEND_ONNX_IMPORTER_H

#include "Proto.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace compress::onnx::detail {

/// The state of one import: the graph under construction and what its names
/// stand for.
class Importer {
public:
  Importer(mlir::MLIRContext *context, std::optional<std::string> directory)
      : context(context), b(context), external(std::move(directory)) {}

  /// Consumes `model`. The error names the node.
  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
  import(pb::ModelProto &model);

private:
  llvm::Error importModel(pb::ModelProto &model, mlir::ModuleOp module);
  llvm::Error importOpsets(const pb::ModelProto &model, mlir::ModuleOp module);
  llvm::Error importGraph(pb::GraphProto &graph, mlir::ModuleOp module);
  llvm::Error readTypes(const pb::GraphProto &graph);
  llvm::Error importInitializers(pb::GraphProto &graph);
  llvm::Error importValueInfo(pb::GraphProto &graph,
                              mlir::func::FuncOp function);
  llvm::Error importOutputs(pb::GraphProto &graph, mlir::func::FuncOp function);
  llvm::Error importNode(pb::NodeProto &node);
  llvm::Error importNodeBody(pb::NodeProto &node);

  llvm::Error define(const std::string &name, mlir::Value value);
  llvm::Expected<mlir::Value> use(const std::string &name);
  mlir::Value noValue();
  mlir::Type typeOf(const std::string &name);
  llvm::Error verifyNode(mlir::Operation *op);

  /// Sets a string attribute of a field that is there.
  void setString(mlir::NamedAttrList &attrs, llvm::StringRef name, bool has,
                 const std::string &value) {
    if (has)
      attrs.set(name, b.getStringAttr(value));
  }
  /// Moves well-formed metadata to an attribute; what is not stays in the
  /// message.
  void setMetadata(mlir::NamedAttrList &attrs, Properties *entries) {
    if (entries->empty())
      return;
    if (mlir::ArrayAttr pairs = toPairs(b, *entries)) {
      attrs.set("onnx.metadata_props", pairs);
      entries->Clear();
    }
  }

  mlir::MLIRContext *context;
  mlir::OpBuilder b;
  ExternalReader external;
  std::map<std::string, int64_t> opsets;
  llvm::StringMap<mlir::Value> values;
  llvm::StringMap<const pb::TypeProto *> declared;
  llvm::StringSet<> laterOutputs;
  mlir::Block *body = nullptr;
  mlir::Value none;
};

} // namespace compress::onnx::detail

#endif // LIB_FRONTEND_ONNX_IMPORTER_H

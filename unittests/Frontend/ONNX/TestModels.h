//===- TestModels.h - small models for the frontend tests ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef UNITTESTS_FRONTEND_ONNX_TESTMODELS_H
#define UNITTESTS_FRONTEND_ONNX_TESTMODELS_H

#include "compress/Frontend/ONNX/ONNXFrontend.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "onnx.pb.h"
#include "gtest/gtest.h"

namespace test {

namespace pb = ::onnx;

inline pb::AttributeProto *addInt(pb::NodeProto *node, const char *name,
                                  int64_t value) {
  pb::AttributeProto *attr = node->add_attribute();
  attr->set_name(name);
  attr->set_type(pb::AttributeProto::INT);
  attr->set_i(value);
  return attr;
}

inline pb::AttributeProto *addInts(pb::NodeProto *node, const char *name,
                                   std::initializer_list<int64_t> values) {
  pb::AttributeProto *attr = node->add_attribute();
  attr->set_name(name);
  attr->set_type(pb::AttributeProto::INTS);
  for (int64_t v : values)
    attr->add_ints(v);
  return attr;
}

inline pb::NodeProto *addNode(pb::GraphProto *graph, const char *type,
                              std::initializer_list<const char *> inputs,
                              std::initializer_list<const char *> outputs,
                              const char *name = nullptr) {
  pb::NodeProto *node = graph->add_node();
  for (const char *v : inputs)
    node->add_input(v);
  for (const char *v : outputs)
    node->add_output(v);
  if (name)
    node->set_name(name);
  node->set_op_type(type);
  return node;
}

/// A tensor type; -1 is a dimension named "N".
inline void setType(pb::ValueInfoProto *info, const char *name,
                    int32_t dataType, std::initializer_list<int64_t> shape) {
  info->set_name(name);
  auto *tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(dataType);
  tensor->mutable_shape();
  for (int64_t dim : shape)
    if (dim < 0)
      tensor->mutable_shape()->add_dim()->set_dim_param("N");
    else
      tensor->mutable_shape()->add_dim()->set_dim_value(dim);
}

inline pb::TensorProto *addFloats(pb::GraphProto *graph, const char *name,
                                  std::initializer_list<int64_t> shape,
                                  bool raw = true) {
  pb::TensorProto *tensor = graph->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(pb::TensorProto::FLOAT);
  int64_t count = 1;
  for (int64_t dim : shape) {
    tensor->add_dims(dim);
    count *= dim;
  }
  for (int64_t i = 0; i < count; ++i) {
    float value = 0.25f * static_cast<float>(i % 13) - 1.0f;
    if (raw)
      tensor->mutable_raw_data()->append(reinterpret_cast<const char *>(&value),
                                         sizeof value);
    else
      tensor->add_float_data(value);
  }
  return tensor;
}

/// x -> MatMul(w) -> y, the smallest model that says something.
inline pb::ModelProto matmulModel() {
  pb::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  pb::GraphProto *graph = model.mutable_graph();
  graph->set_name("g");
  setType(graph->add_input(), "x", pb::TensorProto::FLOAT, {-1, 4});
  setType(graph->add_output(), "y", pb::TensorProto::FLOAT, {-1, 5});
  addFloats(graph, "w", {4, 5});
  addNode(graph, "MatMul", {"x", "w"}, {"y"}, "mm");
  return model;
}

/// Most kinds of fields at once: typed and raw tensors, a subgraph that uses
/// outer values, a custom domain, metadata, functions, value_info, optional
/// inputs and outputs, unsorted attributes.
pb::ModelProto richModel();

/// Imports from memory; collects the messages of all errors.
inline mlir::OwningOpRef<mlir::ModuleOp>
import(const std::string &bytes, mlir::MLIRContext &context,
       std::vector<std::string> *errors = nullptr,
       const char *file = "test.onnx") {
  mlir::ScopedDiagnosticHandler handler(&context,
                                        [&](mlir::Diagnostic &diagnostic) {
                                          if (errors)
                                            errors->push_back(diagnostic.str());
                                          else
                                            ADD_FAILURE() << diagnostic.str();
                                          return mlir::success();
                                        });
  auto module =
      compress::onnx::importONNX(llvm::MemoryBufferRef(bytes, file), &context);
  if (mlir::failed(module))
    return {};
  return std::move(*module);
}

/// Exports to memory.
inline std::string exported(mlir::ModuleOp module,
                            std::vector<std::string> *errors = nullptr,
                            const compress::onnx::ExportOptions &options = {}) {
  mlir::ScopedDiagnosticHandler handler(module.getContext(),
                                        [&](mlir::Diagnostic &diagnostic) {
                                          if (errors)
                                            errors->push_back(diagnostic.str());
                                          else
                                            ADD_FAILURE() << diagnostic.str();
                                          return mlir::success();
                                        });
  std::string bytes;
  llvm::raw_string_ostream os(bytes);
  if (mlir::failed(compress::onnx::exportONNX(module, os, options)))
    return {};
  return bytes;
}

} // namespace test

#endif // UNITTESTS_FRONTEND_ONNX_TESTMODELS_H

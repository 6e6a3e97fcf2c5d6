//===- ErrorTest.cpp - the messages for wrong models ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TestModels.h"

using namespace mlir;
using namespace test;
using TP = pb::TensorProto;

namespace {

/// The single error for a model, without the file name.
std::string errorOf(const std::string &bytes) {
  MLIRContext context;
  std::vector<std::string> errors;
  OwningOpRef<ModuleOp> module = import(bytes, context, &errors);
  if (module)
    return "no error";
  if (errors.size() != 1)
    return std::to_string(errors.size()) + " errors";
  const std::string prefix = "test.onnx: ";
  return errors[0].find(prefix) == 0 ? errors[0].substr(prefix.size())
                                     : errors[0];
}

template <typename Fn> std::string errorAfter(Fn change) {
  pb::ModelProto model = matmulModel();
  change(model, *model.mutable_graph());
  return errorOf(model.SerializeAsString());
}

} // namespace

#define EXPECT_ERROR(message, ...)                                             \
  EXPECT_EQ(                                                                   \
      errorAfter([](pb::ModelProto &m, pb::GraphProto &g) { __VA_ARGS__; }),   \
      message)

TEST(ImportErrors, Model) {
  EXPECT_EQ(errorOf("not a model"),
            "not an ONNX model (truncated or corrupt protobuf)");
  EXPECT_EQ(errorOf(""), "the model has no graph");
  EXPECT_ERROR("the model has no opset_import", m.clear_opset_import());
  EXPECT_ERROR("domain '' is imported twice",
               m.add_opset_import()->set_version(3));
  EXPECT_ERROR("opset_import of domain '' has version -1",
               m.mutable_opset_import(0)->set_version(-1));
}

TEST(ImportErrors, Graph) {
  EXPECT_ERROR("value 'x' is defined twice", *g.add_input() = g.input(0));
  EXPECT_ERROR("graph input without a name", g.add_input());
  EXPECT_ERROR("graph output 'q': value 'q' is not defined",
               g.add_output()->set_name("q"));
  EXPECT_ERROR(
      "graph input 'x': unknown data type 99",
      g.mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
          99));
  EXPECT_ERROR("node 'mm' (MatMul): value 'q' is not defined",
               g.mutable_node(0)->set_input(1, "q"));
  EXPECT_ERROR("node 'mm' (MatMul): value 'y' is used before the node that "
               "makes it; the graph has a cycle or is not sorted",
               g.mutable_node(0)->set_input(1, "y"));
  EXPECT_ERROR("node 'mm' (MatMul): value 'w' is defined twice",
               g.mutable_node(0)->set_output(0, "w");
               g.clear_output());
}

TEST(ImportErrors, Tensors) {
  EXPECT_ERROR("initializer 'w': negative dimension -4",
               g.mutable_initializer(0)->set_dims(0, -4));
  EXPECT_ERROR("initializer 'w': raw_data has 80 bytes, shape 4x6 of this data "
               "type needs 96",
               g.mutable_initializer(0)->set_dims(1, 6));
  EXPECT_ERROR("initializer 'w': shape 4611686018427387904 is too large",
               g.mutable_initializer(0)->set_dims(0, int64_t(1) << 62));
  EXPECT_ERROR("initializer 'w': unknown data type 77",
               g.mutable_initializer(0)->set_data_type(77));
  EXPECT_ERROR("initializer 'w': the data type of the tensor is undefined",
               g.mutable_initializer(0)->clear_data_type());
  EXPECT_ERROR("initializer 'w': data in both raw_data and float_data",
               g.mutable_initializer(0)->add_float_data(1));
  EXPECT_ERROR("initializer 'w': float_data has 0 entries, shape 4x5 needs 20",
               g.mutable_initializer(0)->clear_raw_data());
  EXPECT_ERROR("initializer 'w': data in int32_data, this data type needs "
               "float_data",
               g.mutable_initializer(0)->clear_raw_data();
               g.mutable_initializer(0)->add_int32_data(1));
  EXPECT_ERROR("initializer without a name",
               g.mutable_initializer(0)->clear_name());
  EXPECT_ERROR("initializer 's': int32_data[0] = 300 is out of range",
               TP *t = g.add_initializer();
               t->set_name("s"); t->set_data_type(TP::INT8); t->add_dims(1);
               t->add_int32_data(300));
}

TEST(ImportErrors, Nodes) {
  EXPECT_ERROR("node 'mm' (MatMul): expected 2 inputs, found 1",
               g.mutable_node(0)->mutable_input()->RemoveLast());
  EXPECT_ERROR("node 'mm' (MatMul): expected 1 outputs, found 2",
               g.mutable_node(0)->add_output("z"));
  EXPECT_ERROR("node 'mm' (com.example.MatMul): domain 'com.example' is not in "
               "opset_import",
               g.mutable_node(0)->set_domain("com.example"));
  EXPECT_ERROR("node 'mm' (): the node has no op_type",
               g.mutable_node(0)->clear_op_type());
  EXPECT_ERROR("node 'mm' (MatMul): operand #1 must be a given value, but got "
               "'none'",
               g.mutable_node(0)->set_input(1, ""));
  EXPECT_ERROR("node 'z' (Concat): attribute 'axis' is required in opset 17",
               addNode(&g, "Concat", {"y"}, {"z"}));
  EXPECT_ERROR("node 'z' (Softmax): attribute 'axis' must be of kind INT",
               addInts(addNode(&g, "Softmax", {"y"}, {"z"}), "axis", {1}));
  EXPECT_ERROR("node 'z' (Softmax): axis = 5 is out of range for rank 2",
               addInt(addNode(&g, "Softmax", {"y"}, {"z"}), "axis", 5));
  EXPECT_ERROR("node 'z' (Softmax): attribute 'axis' is given twice",
               pb::NodeProto *n = addNode(&g, "Softmax", {"y"}, {"z"});
               addInt(n, "axis", 1); addInt(n, "axis", 1));
  EXPECT_ERROR("node 'z' (Gelu): the operator does not exist in opset 17",
               addNode(&g, "Gelu", {"y"}, {"z"}));
  EXPECT_ERROR("node 'z' (Transpose): perm must be a permutation of 0 to 1",
               addInts(addNode(&g, "Transpose", {"y"}, {"z"}), "perm", {1, 1}));
  EXPECT_ERROR("node 'mm' (MatMul): inner dimensions differ: 4 in A, 6 in B",
               g.mutable_initializer(0)->set_dims(0, 6);
               g.mutable_initializer(0)->mutable_raw_data()->resize(120));
  EXPECT_ERROR(
      "node 'z' (If): subgraph: value 'nowhere' is not defined",
      setType(g.add_input(), "c", TP::BOOL, {});
      pb::AttributeProto *a = addNode(&g, "If", {"c"}, {"z"})->add_attribute();
      a->set_name("then_branch"); a->set_type(pb::AttributeProto::GRAPH);
      addNode(a->mutable_g(), "Neg", {"nowhere"}, {"o"}));
}

TEST(ImportErrors, MissingFile) {
  MLIRContext context;
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    message += diagnostic.str();
    return success();
  });
  EXPECT_TRUE(
      failed(compress::onnx::importONNX("/nonexistent/m.onnx", &context)));
  EXPECT_EQ(message,
            "/nonexistent/m.onnx: cannot open: No such file or directory");
}

// Deeper than protobuf's limit of 100 messages.
TEST(ImportErrors, Nesting) {
  pb::ModelProto model = matmulModel();
  pb::GraphProto *graph = model.mutable_graph();
  for (int depth = 0; depth < 60; ++depth) {
    pb::AttributeProto *attr =
        addNode(graph, "Loop", {}, {"o"})->add_attribute();
    attr->set_name("body");
    attr->set_type(pb::AttributeProto::GRAPH);
    graph = attr->mutable_g();
  }
  EXPECT_EQ(errorOf(model.SerializeAsString()),
            "not an ONNX model (truncated or corrupt protobuf)");
}

//===- RoundTripTest.cpp - import and export are inverses -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TestModels.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace test;
using TP = pb::TensorProto;

pb::ModelProto test::richModel() {
  pb::ModelProto model;
  model.set_ir_version(10);
  model.set_producer_name("tests");
  model.set_producer_version("");
  model.set_domain("org.example");
  model.set_model_version(3);
  model.set_doc_string("a \"model\"\nwith lines");
  auto *opset = model.add_opset_import();
  opset->set_domain("");
  opset->set_version(18);
  opset = model.add_opset_import();
  opset->set_domain("com.example");
  opset->set_version(1);
  auto *meta = model.add_metadata_props();
  meta->set_key("k");
  meta->set_value("v");
  pb::FunctionProto *function = model.add_functions();
  function->set_name("Twice");
  function->set_domain("com.example");
  function->add_input("a");
  function->add_output("b");
  function->add_opset_import()->set_version(18);
  pb::NodeProto *body = function->add_node();
  body->set_op_type("Add");
  body->add_input("a");
  body->add_input("a");
  body->add_output("b");

  pb::GraphProto *graph = model.mutable_graph();
  graph->set_name("rich");
  graph->set_doc_string("");
  setType(graph->add_input(), "x", TP::FLOAT, {-1, 3, 8, 8});
  graph->mutable_input(0)->set_doc_string("the image");
  setType(graph->add_input(), "cond", TP::BOOL, {});
  setType(graph->add_input(), "w", TP::FLOAT, {4, 3, 3, 3});
  addFloats(graph, "w", {4, 3, 3, 3});
  addFloats(graph, "b", {4}, /*raw=*/false)->set_doc_string("bias");
  pb::TensorProto *shape = graph->add_initializer();
  shape->set_name("shape");
  shape->set_data_type(TP::INT64);
  shape->add_dims(2);
  shape->add_int64_data(0);
  shape->add_int64_data(-1);

  pb::NodeProto *conv = addNode(graph, "Conv", {"x", "w", "b"}, {"c"}, "conv");
  addInts(conv, "pads", {1, 1, 1, 1});
  addInt(conv, "group", 1)->set_doc_string("one");
  conv->set_doc_string("");
  meta = conv->add_metadata_props();
  meta->set_key("origin");
  meta->set_value("line 3");
  addNode(graph, "MaxPool", {"c"}, {"p", ""}, "pool");
  addInts(graph->mutable_node(1), "kernel_shape", {2, 2});
  addNode(graph, "Clip", {"p", "", "limit"}, {"q"});
  // Used above, so it must come before: reordered below.
  pb::NodeProto *constant = addNode(graph, "Constant", {}, {"limit"});
  pb::AttributeProto *value = constant->add_attribute();
  value->set_name("value");
  value->set_type(pb::AttributeProto::TENSOR);
  value->mutable_t()->set_name("limit_value");
  value->mutable_t()->set_data_type(TP::FLOAT);
  value->mutable_t()->add_float_data(6.0f);
  graph->mutable_node()->SwapElements(2, 3);

  pb::NodeProto *custom = addNode(graph, "Mix", {"q"}, {"m", "unused"});
  custom->set_domain("com.example");
  addInt(custom, "level", -3);
  pb::AttributeProto *scale = custom->add_attribute();
  scale->set_name("scale");
  scale->set_type(pb::AttributeProto::FLOAT);
  scale->set_f(-0.0f);
  pb::AttributeProto *names = custom->add_attribute();
  names->set_name("names");
  names->set_type(pb::AttributeProto::STRINGS);
  names->add_strings(std::string("a\0b\xff", 4));
  names->add_strings("");

  pb::NodeProto *choose = addNode(graph, "If", {"cond"}, {"r"}, "choose");
  for (const char *branch : {"then_branch", "else_branch"}) {
    pb::AttributeProto *attr = choose->add_attribute();
    attr->set_name(branch);
    attr->set_type(pb::AttributeProto::GRAPH);
    pb::GraphProto *sub = attr->mutable_g();
    sub->set_name(branch);
    std::string out = std::string(branch) + "_out";
    addNode(sub, branch[0] == 't' ? "Neg" : "Abs", {"m"}, {out.c_str()});
    sub->add_output()->set_name(out);
  }
  addNode(graph, "Reshape", {"r", "shape"}, {"flat"});
  addNode(graph, "Twice", {"flat"}, {"y"})->set_domain("com.example");
  setType(graph->add_output(), "y", TP::FLOAT, {-1, -1});
  setType(graph->add_output(), "c", TP::FLOAT, {-1, 4, 8, 8});
  setType(graph->add_value_info(), "p", TP::FLOAT, {-1, 4, 7, 7});
  setType(graph->add_value_info(), "then_branch_out", TP::FLOAT, {});
  setType(graph->add_value_info(), "q", TP::FLOAT, {-1, 4, 7, 7});
  graph->mutable_value_info(2)->mutable_type()->set_denotation("TENSOR");
  auto *annotation = graph->add_quantization_annotation();
  annotation->set_tensor_name("x");
  return model;
}

namespace {

class RoundTrip : public ::testing::Test {
protected:
  /// Through the dialect, its text and its bytecode.
  void check(const pb::ModelProto &model) {
    std::string bytes = model.SerializeAsString();
    OwningOpRef<ModuleOp> module = import(bytes, context);
    ASSERT_TRUE(module);
    ASSERT_TRUE(succeeded(verify(*module)));
    EXPECT_TRUE(exported(*module) == bytes) << "directly";

    std::string text, bytecode;
    {
      llvm::raw_string_ostream textStream(text), os(bytecode);
      module->print(textStream); // `<<` would leave out the resources.
      ASSERT_TRUE(succeeded(writeBytecodeToFile(*module, os)));
    }
    for (auto &[form, what] :
         {std::pair(text, "as text"), std::pair(bytecode, "as bytecode")}) {
      MLIRContext other;
      other.loadDialect<compress::onnx::ONNXDialect, func::FuncDialect>();
      OwningOpRef<ModuleOp> again =
          parseSourceString<ModuleOp>(form, ParserConfig(&other));
      ASSERT_TRUE(again) << what << "\n" << text;
      EXPECT_TRUE(exported(*again) == bytes) << what;
    }
  }

  MLIRContext context;
};

/// A model of one initializer, which is the output too.
pb::ModelProto tensorModel(pb::TensorProto tensor) {
  pb::ModelProto model;
  model.set_ir_version(13);
  model.add_opset_import()->set_version(25);
  tensor.set_name("t");
  pb::ValueInfoProto *info = model.mutable_graph()->add_output();
  info->set_name("t");
  auto *type = info->mutable_type()->mutable_tensor_type();
  type->set_elem_type(tensor.data_type());
  type->mutable_shape();
  for (int64_t dim : tensor.dims())
    type->mutable_shape()->add_dim()->set_dim_value(dim);
  *model.mutable_graph()->add_initializer() = std::move(tensor);
  return model;
}

struct TypeCase {
  int32_t type;
  unsigned bits;
};
const TypeCase allTypes[] = {
    {TP::FLOAT, 32},         {TP::UINT8, 8},          {TP::INT8, 8},
    {TP::UINT16, 16},        {TP::INT16, 16},         {TP::INT32, 32},
    {TP::INT64, 64},         {TP::BOOL, 8},           {TP::FLOAT16, 16},
    {TP::DOUBLE, 64},        {TP::UINT32, 32},        {TP::UINT64, 64},
    {TP::COMPLEX64, 64},     {TP::COMPLEX128, 128},   {TP::BFLOAT16, 16},
    {TP::FLOAT8E4M3FN, 8},   {TP::FLOAT8E4M3FNUZ, 8}, {TP::FLOAT8E5M2, 8},
    {TP::FLOAT8E5M2FNUZ, 8}, {TP::UINT4, 4},          {TP::INT4, 4},
    {TP::FLOAT4E2M1, 4},     {TP::FLOAT8E8M0, 8},     {TP::UINT2, 2},
    {TP::INT2, 2},           {TP::FLOAT6E2M3, 6},     {TP::FLOAT6E3M2, 6}};

} // namespace

TEST_F(RoundTrip, RichModel) { check(richModel()); }

TEST_F(RoundTrip, SmallModel) { check(matmulModel()); }

// Every type with arbitrary bytes, NaNs and out-of-range bools included, below
// and above the size that is inline, and empty.
TEST_F(RoundTrip, RawDataOfEveryType) {
  for (auto [type, bits] : allTypes)
    for (int64_t count : {0, 1, 5, 16, 33}) {
      SCOPED_TRACE("type " + std::to_string(type) + " x " +
                   std::to_string(count));
      pb::TensorProto tensor;
      tensor.set_data_type(type);
      tensor.add_dims(count);
      tensor.set_raw_data("");
      for (int64_t i = 0; i < (count * bits + 7) / 8; ++i)
        tensor.mutable_raw_data()->push_back(static_cast<char>(i * 37 + 0xf3));
      check(tensorModel(tensor));
    }
}

TEST_F(RoundTrip, TypedFieldsOfEveryType) {
  for (auto [type, bits] : allTypes)
    for (int64_t count : {0, 3, 16, 21}) {
      SCOPED_TRACE("type " + std::to_string(type) + " x " +
                   std::to_string(count));
      pb::TensorProto tensor;
      tensor.set_data_type(type);
      tensor.add_dims(count);
      switch (type) {
      case TP::FLOAT:
      case TP::COMPLEX64:
        for (int64_t i = 0; i < count * (type == TP::FLOAT ? 1 : 2); ++i)
          tensor.add_float_data(0.1f * static_cast<float>(i) - 1);
        break;
      case TP::DOUBLE:
      case TP::COMPLEX128:
        for (int64_t i = 0; i < count * (type == TP::DOUBLE ? 1 : 2); ++i)
          tensor.add_double_data(0.1 * static_cast<double>(i) - 1);
        break;
      case TP::INT64:
        for (int64_t i = 0; i < count; ++i)
          tensor.add_int64_data(i - 7);
        break;
      case TP::UINT32:
      case TP::UINT64:
        for (int64_t i = 0; i < count; ++i)
          tensor.add_uint64_data(4294967295u - i);
        break;
      case TP::INT32:
        for (int64_t i = 0; i < count; ++i)
          tensor.add_int32_data(static_cast<int32_t>(i * -1000000));
        break;
      default: {
        bool isSigned = type == TP::INT8 || type == TP::INT16;
        uint64_t entries = bits < 8 && bits != 6 ? (count * bits + 7) / 8
                                                 : static_cast<uint64_t>(count);
        uint64_t range = uint64_t(1) << (bits == 6 ? 6 : std::max(bits, 8u));
        for (uint64_t i = 0; i < entries; ++i) {
          auto v = static_cast<int32_t>((i * 4099 + 0xfff3) % range);
          tensor.add_int32_data(isSigned ? v - static_cast<int32_t>(range / 2)
                                         : v);
        }
      }
      }
      check(tensorModel(tensor));
    }
}

TEST_F(RoundTrip, Strings) {
  for (std::vector<std::string> strings :
       {std::vector<std::string>{},
        {""},
        {"one"},
        {"a", std::string("\0\xff\"\\\n", 5), "", "a"}}) {
    pb::TensorProto tensor;
    tensor.set_data_type(TP::STRING);
    tensor.add_dims(static_cast<int64_t>(strings.size()));
    for (const std::string &s : strings)
      tensor.add_string_data(s);
    check(tensorModel(tensor));
  }
}

TEST_F(RoundTrip, OddFields) {
  // No type on the attribute, as in IR version 1; no opset either.
  pb::ModelProto model = matmulModel();
  model.set_ir_version(1);
  model.clear_opset_import();
  pb::NodeProto *node = model.mutable_graph()->add_node();
  node->set_op_type("Softmax");
  node->add_input("y");
  node->add_output("z");
  node->set_domain("ai.onnx");
  pb::AttributeProto *attr = node->add_attribute();
  attr->set_name("axis");
  attr->set_i(1);
  check(model);

  // An attribute that the standard does not have; shapes of -1; no types;
  // unnamed graph; two declarations that disagree; an input that is an output.
  model = matmulModel();
  addInt(model.mutable_graph()->mutable_node(0), "extra", 1);
  model.mutable_graph()->clear_name();
  setType(model.mutable_graph()->add_input(), "i", TP::INT8, {2});
  model.mutable_graph()
      ->mutable_input(1)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->add_dim()
      ->set_dim_value(-1);
  setType(model.mutable_graph()->add_output(), "i", TP::INT8, {2, 3});
  setType(model.mutable_graph()->add_value_info(), "w", TP::FLOAT, {5, 4});
  setType(model.mutable_graph()->add_value_info(), "y", TP::FLOAT, {7, 5});
  model.mutable_graph()->add_input()->set_name("untyped");
  auto *sequence = model.mutable_graph()->add_input();
  sequence->set_name("sequence");
  sequence->mutable_type()
      ->mutable_sequence_type()
      ->mutable_elem_type()
      ->mutable_tensor_type()
      ->set_elem_type(1);
  check(model);

  // Fields of a newer schema, at every level.
  std::string unknown = "\xfa\x3e\x03new"; // field 1007, length 3
  model = matmulModel();
  model.mutable_unknown_fields()->append(unknown);
  model.mutable_graph()->mutable_unknown_fields()->append(unknown);
  model.mutable_graph()->mutable_node(0)->mutable_unknown_fields()->append(
      unknown);
  model.mutable_graph()
      ->mutable_initializer(0)
      ->mutable_unknown_fields()
      ->append(unknown);
  model.mutable_graph()->mutable_input(0)->mutable_unknown_fields()->append(
      unknown);
  addInt(addNode(model.mutable_graph(), "Softmax", {"y"}, {"z"}), "axis", 1)
      ->mutable_unknown_fields()
      ->append(unknown);
  check(model);
}

TEST_F(RoundTrip, SparseInitializer) {
  pb::ModelProto model = matmulModel();
  pb::SparseTensorProto *sparse =
      model.mutable_graph()->add_sparse_initializer();
  sparse->mutable_values()->set_name("s");
  sparse->mutable_values()->set_data_type(TP::FLOAT);
  sparse->mutable_values()->add_dims(1);
  sparse->mutable_values()->add_float_data(2.0f);
  sparse->mutable_indices()->set_data_type(TP::INT64);
  sparse->mutable_indices()->add_dims(1);
  sparse->mutable_indices()->add_int64_data(3);
  sparse->add_dims(5);
  addNode(model.mutable_graph(), "Add", {"y", "s"}, {"z"});
  check(model);
}

// The payload of a raw initializer is the string that protobuf parsed: it must
// be usable without its own copy, and aligned for its elements.
TEST_F(RoundTrip, PayloadIsReadable) {
  OwningOpRef<ModuleOp> module =
      import(matmulModel().SerializeAsString(), context);
  ASSERT_TRUE(module);
  unsigned seen = 0;
  module->walk([&](compress::onnx::InitializerOp op) {
    ++seen;
    auto resource = dyn_cast<DenseF32ResourceElementsAttr>(op.getValue());
    ASSERT_TRUE(resource);
    ArrayRef<float> data = *resource.tryGetAsArrayRef();
    ASSERT_EQ(data.size(), 20u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data.data()) % alignof(float), 0u);
    EXPECT_EQ(data[0], -1.0f);
    auto floats = compress::onnx::getConstantFloats(op.getResult());
    ASSERT_TRUE(floats);
    EXPECT_EQ((*floats)[5], 0.25);
  });
  EXPECT_EQ(seen, 1u);
}

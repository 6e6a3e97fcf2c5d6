//===- NamesTest.cpp - names of values that passes made -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TestModels.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace test;

namespace {

/// The nodes of a graph in one line: "Relu(x)->y Add(y,x)->z | out=z".
std::string nodesOf(const std::string &bytes) {
  pb::ModelProto model;
  if (!model.ParseFromString(bytes))
    return "unreadable";
  std::string text;
  for (const pb::NodeProto &node : model.graph().node()) {
    text += node.op_type() + "(";
    for (int i = 0; i < node.input_size(); ++i)
      text += (i ? "," : "") + node.input(i);
    text += ")->";
    for (int i = 0; i < node.output_size(); ++i)
      text += (i ? "," : "") + node.output(i);
    text += " ";
  }
  text += "|";
  for (const pb::ValueInfoProto &output : model.graph().output())
    text += " " + output.name();
  return text;
}

class Names : public ::testing::Test {
protected:
  Names() {
    context.loadDialect<compress::onnx::ONNXDialect, func::FuncDialect>();
  }
  std::string nodes(const std::string &body, const std::string &results,
                    std::vector<std::string> *errors = nullptr) {
    std::string text =
        "module attributes {onnx.opset_imports = [{version = 18 : i64}]} {\n"
        "func.func @g(%x: tensor<2xf32> {onnx.name = \"x\"}) -> (" +
        results + ") {\n" + body + "}}\n";
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    return module ? nodesOf(exported(*module, errors)) : "";
  }
  MLIRContext context;
};

constexpr const char *unary = " : (tensor<2xf32>) -> tensor<2xf32>\n";

} // namespace

TEST_F(Names, FreshOnes) {
  std::string body = std::string("%0 = onnx.Relu(%x)") + unary +
                     "%1 = onnx.Relu(%0)" + unary +
                     "return %1 : tensor<2xf32>\n";
  EXPECT_EQ(nodes(body, "tensor<2xf32>"),
            "Relu(x)->Relu_output Relu(Relu_output)->Relu_output_1 | "
            "Relu_output_1");
}

TEST_F(Names, OutputsKeepTheirs) {
  // The name of a graph output wins over one that a value was imported with.
  std::string body =
      std::string("%0 = onnx.Relu(%x) {onnx.outputs = [\"y\"]}") + unary +
      "%1 = onnx.Neg(%0)" + unary + "return %1 : tensor<2xf32>\n";
  EXPECT_EQ(nodes(body, "tensor<2xf32> {onnx.name = \"y\"}"),
            "Relu(x)->y_1 Neg(y_1)->y | y");
}

TEST_F(Names, TwoNamesForOneValue) {
  std::string body = std::string("%0 = onnx.Relu(%x)") + unary +
                     "return %0, %0, %x : tensor<2xf32>, tensor<2xf32>, "
                     "tensor<2xf32>\n";
  EXPECT_EQ(nodes(body, "tensor<2xf32> {onnx.name = \"a\"}, tensor<2xf32> "
                        "{onnx.name = \"b\"}, tensor<2xf32> {onnx.name = "
                        "\"c\"}"),
            "Relu(x)->a Identity(a)->b Identity(x)->c | a b c");
}

TEST_F(Names, ClonedOps) {
  std::string op =
      std::string("onnx.Relu(%x) {onnx.outputs = [\"r\"]}") + unary;
  std::string body = "%0 = " + op + "%1 = " + op +
                     "return %0, %1 : tensor<2xf32>, tensor<2xf32>\n";
  EXPECT_EQ(nodes(body, "tensor<2xf32>, tensor<2xf32>"),
            "Relu(x)->r Relu(x)->r_1 | r r_1");
}

TEST_F(Names, OptionalValues) {
  std::string body =
      std::string("%n = onnx.NoValue : none\n"
                  "%0 = onnx.Clip(%x, %n, %x) : (tensor<2xf32>, none, "
                  "tensor<2xf32>) -> tensor<2xf32>\n"
                  "return %0 : tensor<2xf32>\n");
  EXPECT_EQ(nodes(body, "tensor<2xf32>"), "Clip(x,,x)->Clip_output | "
                                          "Clip_output");
}

// When a pass replaces a value that a subgraph uses, the subgraph still finds
// it under the name that it knows.
TEST_F(Names, Captures) {
  std::string bytes = richModel().SerializeAsString();
  OwningOpRef<ModuleOp> module = import(bytes, context);
  ASSERT_TRUE(module);
  compress::onnx::CustomOp choose, mix;
  module->walk([&](compress::onnx::CustomOp op) {
    if (op.getOpType() == "If")
      choose = op;
    if (op.getOpType() == "Mix")
      mix = op;
  });
  ASSERT_TRUE(choose && mix);
  ASSERT_EQ(choose.getInputs().size(), 2u);
  ASSERT_EQ(choose.getInputs()[1], mix->getResult(0));

  // The old value, which is still there, gets another name.
  choose->setOperand(1, mix->getOperand(0));
  std::string text = nodesOf(exported(*module));
  EXPECT_NE(text.find("Clip(p,,limit)->m Mix(m)->m_1,unused If(cond)->r"),
            std::string::npos)
      << text;
}

TEST_F(Names, OtherDialects) {
  std::vector<std::string> errors;
  context.allowUnregisteredDialects();
  std::string body =
      "%0 = \"other.op\"(%x) : (tensor<2xf32>) -> tensor<2xf32>\n"
      "return %0 : tensor<2xf32>\n";
  nodes(body, "tensor<2xf32>", &errors);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0],
            "cannot export to ONNX: 'other.op' is not an ONNX operator");
}

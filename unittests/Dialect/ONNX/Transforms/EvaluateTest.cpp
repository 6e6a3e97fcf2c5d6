//===- EvaluateTest.cpp - Operators on host tensors -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Transforms/ConstantFold/ConstantFold.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

namespace {
class EvaluateTest : public ::testing::Test {
protected:
  EvaluateTest() { context.loadDialect<func::FuncDialect, ONNXDialect>(); }

  /// Evaluates the last operation of a function body on its constants.
  FailureOr<SmallVector<HostTensor>> run(const std::string &body) {
    module = parseSourceString<ModuleOp>(
        "func.func @f() {\n" + body + "\n  return\n}", &context);
    if (!module)
      return failure();
    auto function = *module->getOps<func::FuncOp>().begin();
    Operation *op = function.getBody().front().getTerminator()->getPrevNode();
    SmallVector<HostTensor> inputs;
    for (Value operand : op->getOperands())
      inputs.push_back(*getConstant(operand));
    return evaluate(Node(op), inputs);
  }

  static std::vector<double> values(const HostTensor &tensor) {
    std::vector<double> result;
    for (int64_t i = 0; i < tensor.getNumElements(); ++i)
      result.push_back(tensor.getDouble(i));
    return result;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

TEST_F(EvaluateTest, IntegerDivision) {
  // Towards zero; by zero it is left to run time.
  auto quotient = run(R"(
    %a = onnx.Initializer "a" = dense<[7, -7]> : tensor<2xi64>
    %b = onnx.Initializer "b" = dense<2> : tensor<i64>
    %0 = onnx.Div(%a, %b) : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>)");
  ASSERT_TRUE(succeeded(quotient));
  EXPECT_EQ(values((*quotient)[0]), (std::vector<double>{3, -3}));
  EXPECT_TRUE(failed(run(R"(
    %a = onnx.Initializer "a" = dense<[7, -7]> : tensor<2xi64>
    %b = onnx.Initializer "b" = dense<0> : tensor<i64>
    %0 = onnx.Div(%a, %b) : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>)")));
}

TEST_F(EvaluateTest, UnsignedWraps) {
  auto sum = run(R"(
    %a = onnx.Initializer "a" = dense<[250, 1]> : tensor<2xui8>
    %b = onnx.Initializer "b" = dense<10> : tensor<1xui8>
    %0 = onnx.Add(%a, %b) : (tensor<2xui8>, tensor<1xui8>) -> tensor<2xui8>)");
  ASSERT_TRUE(succeeded(sum));
  EXPECT_EQ(values((*sum)[0]), (std::vector<double>{4, 11}));
}

TEST_F(EvaluateTest, CastTruncates) {
  auto cast = run(R"(
    %a = onnx.Initializer "a" = dense<[1.9, -1.9]> : tensor<2xf32>
    %0 = onnx.Cast(%a) {to = 7 : i64} : (tensor<2xf32>) -> tensor<2xi64>)");
  ASSERT_TRUE(succeeded(cast));
  EXPECT_EQ(values((*cast)[0]), (std::vector<double>{1, -1}));
}

TEST_F(EvaluateTest, Broadcasting) {
  auto sum = run(R"(
    %a = onnx.Initializer "a" = dense<[[1.0], [2.0]]> : tensor<2x1xf32>
    %b = onnx.Initializer "b" = dense<[10.0, 20.0]> : tensor<2xf32>
    %0 = onnx.Add(%a, %b) : (tensor<2x1xf32>, tensor<2xf32>) -> tensor<2x2xf32>)");
  ASSERT_TRUE(succeeded(sum));
  EXPECT_EQ(values((*sum)[0]), (std::vector<double>{11, 21, 12, 22}));
}

TEST_F(EvaluateTest, GatherChecksIndices) {
  EXPECT_TRUE(failed(run(R"(
    %a = onnx.Initializer "a" = dense<[1.0, 2.0]> : tensor<2xf32>
    %i = onnx.Initializer "i" = dense<2> : tensor<i64>
    %0 = onnx.Gather(%a, %i) : (tensor<2xf32>, tensor<i64>) -> tensor<f32>)")));
}
} // namespace

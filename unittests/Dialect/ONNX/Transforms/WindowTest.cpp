//===- WindowTest.cpp - Geometry of convolutions and pooling --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/Window.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace compress::onnx;

namespace {
class WindowTest : public ::testing::Test {
protected:
  WindowTest() { context.loadDialect<func::FuncDialect, ONNXDialect>(); }

  /// The window of a pooling operator with these attributes.
  FailureOr<Window> get(const std::string &attributes) {
    module = parseSourceString<ModuleOp>(
        "func.func @f(%x: tensor<1x1x9x9xf32>) {\n"
        "  %0 = onnx.AveragePool(%x) {" +
            attributes +
            "} : (tensor<1x1x9x9xf32>) -> tensor<*xf32>\n  return\n}",
        // The verifier would refuse what is tested here.
        ParserConfig(&context, /*verifyAfterParse=*/false));
    if (!module)
      return failure();
    Operation *op = nullptr;
    module->walk([&](AveragePoolOp pool) { op = pool; });
    return Window::get(Node(op), 2, {}, reason);
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::string reason;
};

TEST_F(WindowTest, SamePadding) {
  // The odd element goes to the end for SAME_UPPER, to the front for LOWER.
  auto upper = get("auto_pad = \"SAME_UPPER\", kernel_shape = array<i64: 4, "
                   "3>, strides = array<i64: 1, 2>");
  ASSERT_TRUE(succeeded(upper));
  EXPECT_EQ(upper->getPads(0, 9), std::make_pair(int64_t(1), int64_t(2)));
  EXPECT_FALSE(upper->padsDependOnSize(0));
  EXPECT_TRUE(upper->padsDependOnSize(1));
  EXPECT_EQ(upper->getOutputSize(0, 9), 9);
  EXPECT_EQ(upper->getOutputSize(1, 8), 4);
  EXPECT_EQ(upper->getPads(1, 8), std::make_pair(int64_t(0), int64_t(1)));
  auto lower =
      get("auto_pad = \"SAME_LOWER\", kernel_shape = array<i64: 4, 3>");
  ASSERT_TRUE(succeeded(lower));
  EXPECT_EQ(lower->getPads(0, 9), std::make_pair(int64_t(2), int64_t(1)));
}

TEST_F(WindowTest, CeilMode) {
  auto window =
      get("ceil_mode = 1 : i64, kernel_shape = array<i64: 2, 2>, "
          "pads = array<i64: 0, 1, 0, 1>, strides = array<i64: 2, 4>");
  ASSERT_TRUE(succeeded(window));
  EXPECT_EQ(window->getOutputSize(0, 9), 5);
  // A third window would start in the padding at the end.
  EXPECT_EQ(window->getOutputSize(1, 7), 2);
}

TEST_F(WindowTest, Errors) {
  EXPECT_TRUE(failed(get("strides = array<i64: 1, 1>")));
  EXPECT_EQ(reason, "attribute 'kernel_shape' is missing");
  EXPECT_TRUE(failed(get("kernel_shape = array<i64: 2, 2>, strides = "
                         "array<i64: 0, 1>")));
  EXPECT_EQ(reason, "attribute 'strides' has the value 0, expected at least 1");
  EXPECT_TRUE(failed(
      get("kernel_shape = array<i64: 2, 2>, dilations = array<i64: 1>")));
  EXPECT_EQ(reason, "attribute 'dilations' has 1 values, expected 2");
  EXPECT_TRUE(
      failed(get("kernel_shape = array<i64: 2, 2>, auto_pad = \"ODD\"")));
  EXPECT_EQ(reason, "unknown auto_pad 'ODD'");
}
} // namespace

//===- DepthsTest.cpp - The method `depths` ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Method/Method.h"
#include "mlir/AsmParser/AsmParser.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace mlir;
using namespace compress;

namespace {

class DepthsTest : public ::testing::Test {
protected:
  DepthsTest() {
    context.loadDialect<CompressDialect>();
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    std::vector<float> values(48 * 70);
    for (float &value : values)
      value = normal(engine);
    weight =
        HostTensor::fromFloats({48, 70}, Float32Type::get(&context), values);
    for (int64_t i = 0; i < 70; ++i)
      moments.push_back(std::exp(1.5 * normal(engine)));
  }

  /// Weights [48, 70] (outputs, inputs); blocks that hang over, too.
  static std::string depths(StringRef block, StringRef widths) {
    std::string text = "sum<[";
    for (char width : widths)
      text += (text.size() > 5 ? ", sparse<block<" : "sparse<block<") +
              block.str() + ">, nnz = ?, of = quant<i" + width +
              ", group = [1, *, *], scale = f16>>";
    return text + "]>";
  }
  WeightRequest makeRequest(StringRef encoding, MethodOptions options) {
    WeightRequest request;
    request.site = "w";
    request.weight = weight;
    request.type = cast<CompressedTensorType>(parseType(
        ("!compress.tensor<48x70xf32, " + encoding + ">").str(), &context));
    request.role.operand = 1;
    request.role.activation = 0;
    request.role.outputAxes = {0};
    request.role.reductionAxes = {1};
    request.secondMoments = moments;
    request.options = std::move(options);
    return request;
  }
  llvm::Expected<WeightResult> run(StringRef method, StringRef encoding,
                                   MethodOptions options) {
    return llvm::cantFail(lookupMethod(method))
        ->quantizeWeight(makeRequest(encoding, std::move(options)));
  }
  std::string errorOf(StringRef encoding, MethodOptions options) {
    auto result = run("depths", encoding, std::move(options));
    return result ? "" : llvm::toString(result.takeError());
  }

  /// Whole bytes of every leaf, per weight.
  static double getStoredBits(const WeightResult &result) {
    double bytes = 0;
    for (const HostTensor &leaf : result.leaves)
      bytes += leaf.getBytes().size();
    return bytes * 8 / double(result.type.getShape()[0]) /
           double(result.type.getShape()[1]);
  }

  MLIRContext context;
  HostTensor weight;
  std::vector<double> moments;
};

TEST_F(DepthsTest, MeetsAnyBudget) {
  for (const char *block : {"48x1", "16x1", "20x3", "1x70", "1x32", "7x9"}) {
    double last = std::numeric_limits<double>::infinity();
    for (double bits : {1.3, 2.17, 2.9, 3.27, 4.4, 6.0}) {
      SCOPED_TRACE(block + std::string(" ") + std::to_string(bits));
      WeightResult result = llvm::cantFail(run(
          "depths", depths(block, "23456"), {{"bits", std::to_string(bits)}}));
      // Less is left than one step of one group takes, or all is at the
      // greatest depth.
      EXPECT_LE(getStoredBits(result), bits);
      if (bits < 6)
        EXPECT_GT(getStoredBits(result), bits - 0.35);
      EXPECT_LE(result.error.absolute, last);
      last = result.error.absolute;
      ASSERT_TRUE(isRefined(result.type));
      // A group is in at most one term, so what is decoded is rounded once.
      auto sum = cast<SumAttr>(result.type.getEncoding());
      int64_t groups = 0;
      for (EncodingAttrInterface term : sum.getOf())
        groups += cast<SparseAttr>(term).getNnz();
      EXPECT_LE(groups, result.leaves.back().getNumElements());
    }
  }
}

TEST_F(DepthsTest, IsBetterThanOneDepthOfTheSameSize) {
  for (int64_t width = 2; width <= 5; ++width) {
    std::string code = "quant<i" + std::to_string(width) + ", group = ";
    for (const char *group : {"[*, 1]", "[1, *]", "[1, 35]", "[16, 1]"}) {
      SCOPED_TRACE(code + group);
      WeightResult uniform = llvm::cantFail(
          run("rtn", code + group + ", scale = f16>", {{"range", "mse"}}));
      WeightResult mixed = llvm::cantFail(
          run("depths", depths("48x1", "2345678"),
              {{"bits", std::to_string(getStoredBits(uniform))}}));
      EXPECT_LE(getStoredBits(mixed), getStoredBits(uniform));
      EXPECT_LT(mixed.error.absolute, 0.8 * uniform.error.absolute);
    }
  }
}

TEST_F(DepthsTest, WhatMattersGetsMoreBits) {
  llvm::fill(moments, 1.0);
  for (int64_t i = 0; i < 70; i += 7)
    moments[i] = 1000;
  WeightResult result =
      llvm::cantFail(run("depths", depths("48x1", "28"), {{"bits", "3.25"}}));
  // The leaves of the second term end with its mask.
  const HostTensor &mask = result.leaves.back();
  for (int64_t i = 0; i < 70; ++i)
    EXPECT_EQ(mask.getBits(i), uint64_t(i % 7 == 0)) << i;
}

TEST_F(DepthsTest, NothingButZeros) {
  weight = HostTensor::allocate({48, 70}, Float32Type::get(&context));
  WeightResult result =
      llvm::cantFail(run("depths", depths("48x1", "23"), {{"bits", "3"}}));
  EXPECT_EQ(result.error.absolute, 0);
  // Which groups have which depth, and no codes.
  EXPECT_LT(getStoredBits(result), 0.1);
}

TEST_F(DepthsTest, Errors) {
  EXPECT_EQ(errorOf(depths("1x2", "2345"), {{"bits", "1"}}),
            "site 'w': method 'depths': which of 1680 groups has which of 4 "
            "depths alone takes more than 100/100 bits a weight; use larger "
            "groups");
  EXPECT_EQ(errorOf(depths("1x70", "23"), {{"bits", "much"}}),
            "site 'w': method 'depths': option 'bits' is a number above 0 and "
            "at most 32, found 'much'");
  EXPECT_EQ(errorOf(depths("1x70", "23"), {{"depth", "1"}}),
            "site 'w': method 'depths' has no option 'depth'; known is bits");
  for (const std::string &encoding :
       {std::string("f16"), depths("1x70", "33"),
        std::string("sum<[sparse<block<1x70>, nnz = 3, of = quant<i4, group = "
                    "[1, *, *], scale = f16>>]>"),
        std::string("sum<[sparse<block<1x70>, nnz = ?, of = quant<i4, group = "
                    "[1, *, 35], scale = f16>>]>"),
        std::string("sum<[sparse<block<1x70>, nnz = ?, of = f16>]>")})
    EXPECT_NE(errorOf(encoding, {}).find("cannot fill the encoding"),
              std::string::npos)
        << encoding;
}
} // namespace

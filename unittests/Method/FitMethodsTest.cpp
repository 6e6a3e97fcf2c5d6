//===- FitMethodsTest.cpp - Properties of kmeans and svd --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Method/Method.h"
#include "mlir/AsmParser/AsmParser.h"
#include "gtest/gtest.h"
#include <random>

using namespace mlir;
using namespace compress;

namespace {

class FitMethodsTest : public ::testing::Test {
protected:
  FitMethodsTest() {
    DialectRegistry registry;
    registry.insert<CompressDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    std::vector<float> values(12 * 40);
    for (float &value : values)
      value = normal(engine);
    weight =
        HostTensor::fromFloats({12, 40}, Float32Type::get(&context), values);
    // A few inputs matter much.
    for (int64_t i = 0; i < 40; ++i)
      moments.push_back(i % 8 == 0 ? 50 : 0.5);
  }

  /// Weights [12, 40] (outputs, inputs).
  WeightRequest makeRequest(StringRef encoding, MethodOptions options = {}) {
    WeightRequest request;
    request.site = "w";
    request.weight = weight;
    request.type = cast<CompressedTensorType>(parseType(
        ("!compress.tensor<12x40xf32, " + encoding + ">").str(), &context));
    request.role.operand = 1;
    request.role.activation = 0;
    request.role.outputAxes = {0};
    request.role.reductionAxes = {1};
    request.options = options;
    return request;
  }

  static WeightResult run(StringRef method, const WeightRequest &request) {
    return llvm::cantFail(
        llvm::cantFail(lookupMethod(method))->quantizeWeight(request));
  }

  static std::string errorOf(StringRef method, const WeightRequest &request) {
    auto result = llvm::cantFail(lookupMethod(method))->quantizeWeight(request);
    return result ? "" : llvm::toString(result.takeError());
  }

  /// The weighted error of leaves that were chosen without statistics.
  double measure(WeightRequest request, const WeightResult &result) {
    request.secondMoments = moments;
    return llvm::cantFail(
               measureLayerError(request, result.type, result.leaves))
        .absolute;
  }

  MLIRContext context;
  HostTensor weight;
  std::vector<double> moments;
};

const char lowRank[] =
    "factored<\"o i = o r, r i\", sizes = {r = 4}, of = [f32, f32]>";

TEST_F(FitMethodsTest, StatisticsLowerTheLayerError) {
  for (auto [method, encoding] :
       {std::pair<const char *, const char *>{"kmeans",
                                              "codebook<6, of = f32>"},
        {"kmeans", "codebook<16, of = f16, vec = [2, 1]>"},
        {"kmeans", "codebook<8, of = f32, vec = [1, 2], stages = 2>"},
        {"kmeans", "codebook<3, of = f32, group = [1, *]>"},
        {"svd", lowRank},
        {"svd", "factored<\"(a b) i = a r, b i r\", sizes = {a = 3, b = 4, r = "
                "2}, of = [f32, f32]>"}}) {
    SCOPED_TRACE(encoding);
    WeightRequest request = makeRequest(encoding);
    double blind = measure(request, run(method, request));
    request.secondMoments = moments;
    WeightResult aware = run(method, request);
    EXPECT_LT(aware.error.absolute, 0.9 * blind);
    // And again the same.
    WeightResult again = run(method, request);
    for (auto [a, b] : llvm::zip_equal(aware.leaves, again.leaves))
      EXPECT_EQ(a.getBytes(), b.getBytes());
  }
}

TEST_F(FitMethodsTest, ScalingCanBeTurnedOff) {
  WeightRequest request = makeRequest(lowRank, {{"scaled", "none"}});
  WeightResult blind = run("svd", makeRequest(lowRank));
  request.secondMoments = moments;
  WeightResult off = run("svd", request);
  for (auto [a, b] : llvm::zip_equal(blind.leaves, off.leaves))
    EXPECT_EQ(a.getBytes(), b.getBytes());
}

TEST_F(FitMethodsTest, BadOptions) {
  EXPECT_EQ(errorOf("kmeans", makeRequest("codebook<4, of = f32>",
                                          {{"iterations", "0"}})),
            "site 'w': method 'kmeans': option 'iterations' is a number from 1 "
            "to 10000, found '0'");
  EXPECT_EQ(
      errorOf("kmeans", makeRequest("codebook<4, of = f32>", {{"k", "4"}})),
      "site 'w': method 'kmeans' has no option 'k'; known are iterations, "
      "seed");
  EXPECT_EQ(errorOf("svd", makeRequest(lowRank, {{"scaled", "yes"}})),
            "site 'w': method 'svd': option 'scaled' is act or none, found "
            "'yes'");
  EXPECT_EQ(errorOf("svd", makeRequest(lowRank, {{"seed", "-1"}})),
            "site 'w': method 'svd': option 'seed' is a number of 32 bits, "
            "found '-1'");
  EXPECT_NE(errorOf("svd", makeRequest("codebook<4, of = f32>"))
                .find("method 'svd' cannot fill the encoding"),
            std::string::npos);
}
} // namespace

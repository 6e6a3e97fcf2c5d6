//===- MagnitudeTest.cpp - The method `magnitude` ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Method/Method.h"
#include "mlir/AsmParser/AsmParser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace compress;

namespace {

class MagnitudeTest : public ::testing::Test {
protected:
  MagnitudeTest() { context.loadDialect<CompressDialect>(); }

  /// Weights of 2 outputs and 4 inputs.
  WeightRequest makeRequest(StringRef encoding, MethodOptions options = {}) {
    WeightRequest request;
    request.site = "w";
    request.weight = HostTensor::fromFloats({2, 4}, Float32Type::get(&context),
                                            {1, -2, 3, -4, 0.5f, 6, -0.25f, 0});
    request.type = cast<CompressedTensorType>(parseType(
        ("!compress.tensor<2x4xf32, sparse<" + encoding + ", of = f32>>").str(),
        &context));
    request.role.operand = 1;
    request.role.activation = 0;
    request.role.outputAxes = {0};
    request.role.reductionAxes = {1};
    request.secondMoments = moments;
    request.options = std::move(options);
    return request;
  }

  llvm::Expected<WeightResult> run(StringRef encoding,
                                   MethodOptions options = {}) {
    return llvm::cantFail(lookupMethod("magnitude"))
        ->quantizeWeight(makeRequest(encoding, std::move(options)));
  }

  std::vector<float> decode(StringRef encoding, MethodOptions options = {}) {
    WeightResult result = llvm::cantFail(run(encoding, std::move(options)));
    return llvm::cantFail(decodeTensor({result.type, result.leaves}))
        .toFloats();
  }

  std::string errorOf(StringRef encoding, MethodOptions options) {
    auto result = run(encoding, std::move(options));
    return result ? "" : llvm::toString(result.takeError());
  }

  MLIRContext context;
  std::vector<double> moments;
};

using Floats = std::vector<float>;

TEST_F(MagnitudeTest, KeepsTheLargestWeights) {
  EXPECT_EQ(decode("bitmask, nnz = 3"), (Floats{0, 0, 3, -4, 0, 6, 0, 0}));
  EXPECT_EQ(decode("nm<1:2>"), (Floats{0, -2, 0, -4, 0, 6, -0.25f, 0}));
  EXPECT_EQ(decode("csr<i8>, nnz = ?"),
            (Floats{1, -2, 3, -4, 0.5f, 6, -0.25f, 0}));
  EXPECT_NEAR(llvm::cantFail(run("bitmask, nnz = 7")).error.absolute, 0, 0);
  EXPECT_NEAR(llvm::cantFail(run("bitmask, nnz = 6")).error.absolute, 0.0625,
              1e-9);
}

TEST_F(MagnitudeTest, DensityIsTheShareThatIsKept) {
  WeightResult result =
      llvm::cantFail(run("bitmask, nnz = ?", {{"density", "0.375"}}));
  EXPECT_EQ(cast<SparseAttr>(result.type.getEncoding()).getNnz(), 3);
  EXPECT_EQ(decode("bitmask, nnz = ?", {{"density", "0.375"}}),
            (Floats{0, 0, 3, -4, 0, 6, 0, 0}));
  EXPECT_EQ(decode("channels<1>, nnz = ?", {{"density", "0.5"}}),
            (Floats{0, -2, 0, -4, 0, 6, 0, 0}));
  EXPECT_EQ(decode("block<1x2>, nnz = ?", {{"density", "0.25"}}),
            (Floats{0, 0, 0, 0, 0.5f, 6, 0, 0}));
  EXPECT_EQ(decode("csr<i8>, nnz = ?", {{"density", "0"}}), Floats(8, 0));
}

TEST_F(MagnitudeTest, SecondMomentsWeigh) {
  MethodOptions wanda{{"importance", "second-moment"}};
  // Without statistics the weights decide.
  EXPECT_EQ(decode("nm<2:4>", wanda), (Floats{0, 0, 3, -4, 0.5f, 6, 0, 0}));
  moments = {100, 1, 0.01, 1};
  EXPECT_EQ(decode("nm<2:4>", wanda), (Floats{1, 0, 0, -4, 0.5f, 6, 0, 0}));
  EXPECT_EQ(decode("bitmask, nnz = 2", wanda),
            (Floats{1, 0, 0, 0, 0, 6, 0, 0}));
  // Not asked for, they do not.
  EXPECT_EQ(decode("nm<2:4>"), (Floats{0, 0, 3, -4, 0.5f, 6, 0, 0}));
  const Method &method = *llvm::cantFail(lookupMethod("magnitude"));
  EXPECT_EQ(method.getRung(wanda), Rung::ForwardStatistics);
  EXPECT_EQ(method.getRung({}), Rung::DataFree);
}

TEST_F(MagnitudeTest, Errors) {
  EXPECT_EQ(errorOf("bitmask, nnz = ?", {{"density", "1.5"}}),
            "site 'w': method 'magnitude': option 'density' is a number from 0 "
            "to 1, found '1.5'");
  EXPECT_EQ(errorOf("bitmask, nnz = ?", {{"importance", "hessian"}}),
            "site 'w': method 'magnitude': option 'importance' is weight or "
            "second-moment, found 'hessian'");
  EXPECT_EQ(errorOf("bitmask, nnz = ?", {{"ratio", "1"}}),
            "site 'w': method 'magnitude' has no option 'ratio'; known are "
            "importance, density");
  EXPECT_EQ(errorOf("nm<2:4>", {{"density", "0.5"}}),
            "site 'w': method 'magnitude': option 'density' is for encodings "
            "with nnz = ?; this one says how much it keeps");
  WeightRequest request = makeRequest("nm<2:4>");
  request.type = cast<CompressedTensorType>(
      parseType("!compress.tensor<2x4xf32, f16>", &context));
  auto result =
      llvm::cantFail(lookupMethod("magnitude"))->quantizeWeight(request);
  EXPECT_EQ(llvm::toString(result.takeError()),
            "site 'w': method 'magnitude' cannot fill the encoding "
            "#compress.dense<f16>");
}

} // namespace

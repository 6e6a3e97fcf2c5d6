//===- MethodTest.cpp - Properties of the methods ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Method/Method.h"
#include "mlir/AsmParser/AsmParser.h"
#include "gtest/gtest.h"
#include <cmath>
#include <limits>
#include <random>

using namespace mlir;
using namespace compress;

namespace {

class MethodTest : public ::testing::Test {
protected:
  MethodTest() {
    DialectRegistry registry;
    registry.insert<CompressDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  CompressedTensorType parse(StringRef encoding, StringRef shape = "12x40") {
    return cast<CompressedTensorType>(parseType(
        ("!compress.tensor<" + shape + "xf32, " + encoding + ">").str(),
        &context));
  }

  /// Weights [12, 40] (outputs, inputs) with a few outliers.
  HostTensor makeWeight(unsigned seed) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal(0.01f, 0.3f);
    std::vector<float> values(12 * 40);
    for (float &value : values)
      value = normal(engine);
    values[7] = 4;
    values[100] = -6;
    return HostTensor::fromFloats({12, 40}, Float32Type::get(&context), values);
  }

  WeightRequest makeRequest(CompressedTensorType type, HostTensor weight,
                            MethodOptions options = {}) {
    WeightRequest request;
    request.site = "w";
    request.weight = weight;
    request.type = type;
    request.role.operand = 1;
    request.role.activation = 0;
    request.role.outputAxes = {0};
    request.role.reductionAxes = {1};
    request.options = options;
    return request;
  }

  WeightResult quantize(StringRef method, const WeightRequest &request) {
    return llvm::cantFail(
        llvm::cantFail(lookupMethod(method))->quantizeWeight(request));
  }

  std::string errorOf(StringRef method, const WeightRequest &request) {
    auto result = llvm::cantFail(lookupMethod(method))->quantizeWeight(request);
    return result ? "" : llvm::toString(result.takeError());
  }

  HostTensor decode(CompressedTensorType type, ArrayRef<HostTensor> leaves) {
    return llvm::cantFail(type.getEncoding().decodeHost(type, leaves));
  }

  MLIRContext context;
};

/// Encodings of every kind that rtn fills.
const char *const encodings[] = {
    "quant<i8, group = [1, *], scale = f32>",
    "quant<i8, group = [*, *], scale = f32>",
    "quant<i4, group = [1, 32], scale = f16>",
    "quant<i4, group = [5, 7], scale = f32>",
    "quant<ui4, group = [1, 16], scale = f16, zero = ui4>",
    "quant<i3, group = [1, *], scale = f32, zero = i3>",
    "quant<ui8, group = [1, *], scale = f32, zero = f16>",
    "quant<i2, group = [1, 8], scale = f32>",
    "quant<i16, group = [*, 1], scale = f32>",
    "quant<i8, group = [1, 32], scale = f8E8M0FNU>",
    "quant<f8E4M3FN, group = [1, *], scale = f32>",
    "quant<f8E5M2, group = [1, *], scale = f32>",
    "quant<f6E2M3FN, group = [1, 32], scale = f8E8M0FNU>",
    "quant<f4E2M1FN, group = [1, 32], scale = f8E8M0FNU>",
    "quant<f4E2M1FN, group = [1, 16], scale = quant<f8E4M3FN, group = [*, *], "
    "scale = f32>>",
    "quant<i4, group = [1, 8], scale = quant<ui6, group = [1, 5], scale = "
    "f16>>",
};

TEST_F(MethodTest, RoundToNearestIsWithinHalfAScale) {
  HostTensor weight = makeWeight(1);
  for (StringRef encoding : {"quant<i8, group = [1, *], scale = f32>",
                             "quant<i4, group = [1, *], scale = f32>",
                             "quant<i2, group = [1, *], scale = f32>",
                             "quant<ui4, group = [1, *], scale = f32, zero = "
                             "f32>"}) {
    CompressedTensorType type = parse(encoding);
    WeightResult result = quantize("rtn", makeRequest(type, weight));
    HostTensor decoded = decode(type, result.leaves);
    for (int64_t i = 0; i < weight.getNumElements(); ++i) {
      double scale = result.leaves[1].getDouble(i / 40);
      EXPECT_LE(std::fabs(weight.getDouble(i) - decoded.getDouble(i)),
                scale * 0.5 * (1 + 1e-5))
          << encoding.str() << " element " << i;
    }
  }
}

TEST_F(MethodTest, EveryEncodingIsFilled) {
  HostTensor weight = makeWeight(2);
  for (StringRef encoding : encodings) {
    CompressedTensorType type = parse(encoding);
    for (const char *range : {"absmax", "percentile", "mse"}) {
      WeightResult result =
          quantize("rtn", makeRequest(type, weight, {{"range", range}}));
      auto leafTypes = type.getLeafTypes();
      ASSERT_EQ(result.leaves.size(), leafTypes.size());
      for (auto [leaf, leafType] : llvm::zip(result.leaves, leafTypes)) {
        EXPECT_EQ(leaf.getShape(), leafType.getShape());
        EXPECT_EQ(leaf.getElementType(), leafType.getElementType());
      }
      EXPECT_GT(result.error.absolute, 0) << encoding.str();
      EXPECT_LT(result.error.relative, 0.6) << encoding.str();
    }
  }
}

TEST_F(MethodTest, LeastErrorIsNeverWorseThanAbsMax) {
  std::vector<double> moments(40);
  for (int i = 0; i < 40; ++i)
    moments[i] = i % 7 == 0 ? 20 : 0.1;
  for (unsigned seed = 0; seed < 4; ++seed)
    for (StringRef encoding : encodings)
      for (bool weighted : {false, true}) {
        CompressedTensorType type = parse(encoding);
        WeightRequest request = makeRequest(type, makeWeight(seed));
        if (weighted)
          request.secondMoments = moments;
        double absmax = quantize("rtn", request).error.absolute;
        request.options = {{"range", "mse"}};
        double mse = quantize("rtn", request).error.absolute;
        EXPECT_LE(mse, absmax * (1 + 1e-5)) << encoding.str();
      }
  // With outliers and few codes it has to win clearly.
  CompressedTensorType type = parse("quant<i3, group = [1, *], scale = f32>");
  WeightRequest request = makeRequest(type, makeWeight(0));
  double absmax = quantize("rtn", request).error.absolute;
  request.options = {{"range", "mse"}};
  EXPECT_LT(quantize("rtn", request).error.absolute, 0.9 * absmax);
  // The scale rule of OCP MX clips values above 6/8 of a power of two.
  HostTensor high = HostTensor::fromFloats({1, 4}, Float32Type::get(&context),
                                           {7.9f, 4, 2, 1});
  type = parse("quant<f4E2M1FN, group = [1, 32], scale = f8E8M0FNU>", "1x4");
  request = makeRequest(type, high);
  EXPECT_NEAR(quantize("rtn", request).error.absolute, 1.9 * 1.9, 1e-4);
  request.options = {{"range", "mse"}};
  EXPECT_NEAR(quantize("rtn", request).error.absolute, 0.01, 1e-4);
}

TEST_F(MethodTest, PercentileCutsOutliers) {
  std::vector<float> values(100);
  for (int i = 0; i < 100; ++i)
    values[i] = float(i + 1) / 100;
  values[99] = 50;
  HostTensor weight =
      HostTensor::fromFloats({1, 100}, Float32Type::get(&context), values);
  CompressedTensorType type =
      parse("quant<i8, group = [1, *], scale = f32>", "1x100");
  auto scale = [&](const char *percentile) {
    return quantize("rtn", makeRequest(type, weight,
                                       {{"range", "percentile"},
                                        {"percentile", percentile}}))
        .leaves[1]
        .getDouble(0);
  };
  EXPECT_NEAR(scale("100") * 127, 50, 1e-4);
  // Numpy's default interpolation between 0.98, 0.99 and 50.
  EXPECT_NEAR(scale("98") * 127, 0.9802, 1e-4);
}

TEST_F(MethodTest, ErrorIsThatOfTheOutput) {
  HostTensor weight = makeWeight(3);
  CompressedTensorType type = parse("quant<i4, group = [1, *], scale = f32>");
  std::vector<double> moments(40, 1);
  moments[5] = 9;
  WeightRequest request = makeRequest(type, weight);
  request.secondMoments = moments;
  WeightResult result = quantize("rtn", request);
  HostTensor decoded = decode(type, result.leaves);
  double error = 0, energy = 0;
  for (int64_t i = 0; i < 12 * 40; ++i) {
    double difference = weight.getDouble(i) - decoded.getDouble(i);
    error += difference * difference * moments[i % 40];
    energy += weight.getDouble(i) * weight.getDouble(i) * moments[i % 40];
  }
  EXPECT_NEAR(result.error.absolute, error, 1e-9);
  EXPECT_NEAR(result.error.relative, error / energy, 1e-9);
}

TEST_F(MethodTest, ImportanceOfGroupedConvolution) {
  // Two groups of two outputs, each with three input channels.
  WeightRequest request;
  request.weight = HostTensor::allocate({4, 3, 2}, Float32Type::get(&context));
  request.role.outputAxes = {0};
  request.role.reductionAxes = {1, 2};
  std::vector<double> moments = {1, 2, 3, 4, 5, 6};
  request.secondMoments = moments;
  std::vector<float> expected = {1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3,
                                 4, 4, 5, 5, 6, 6, 4, 4, 5, 5, 6, 6};
  EXPECT_EQ(getImportance(request), expected);
  moments.pop_back();
  request.secondMoments = moments;
  EXPECT_TRUE(getImportance(request).empty());
}

TEST_F(MethodTest, DegenerateWeights) {
  Type f32 = Float32Type::get(&context);
  for (StringRef encoding : encodings) {
    CompressedTensorType type = parse(encoding);
    for (float value : {0.0f, 1e-30f, -2.5f}) {
      std::vector<float> values(12 * 40, value);
      for (const char *range : {"absmax", "percentile", "mse"}) {
        WeightRequest request =
            makeRequest(type, HostTensor::fromFloats({12, 40}, f32, values),
                        {{"range", range}});
        WeightResult result = quantize("rtn", request);
        EXPECT_TRUE(std::isfinite(result.error.absolute));
        if (value == 0)
          EXPECT_EQ(result.error.relative, 0) << encoding.str();
      }
    }
  }
}

TEST_F(MethodTest, RefusesValuesThatAreNotFinite) {
  CompressedTensorType type = parse("quant<i8, group = [1, *], scale = f32>");
  HostTensor weight = makeWeight(1);
  weight.setDouble(41, NAN);
  EXPECT_EQ(errorOf("rtn", makeRequest(type, weight)),
            "site 'w': element 41 of the weight is NaN");
  weight.setDouble(41, std::numeric_limits<double>::infinity());
  EXPECT_EQ(errorOf("rtn", makeRequest(type, weight)),
            "site 'w': element 41 of the weight is infinite");
  weight.setDouble(41, 1e6);
  EXPECT_EQ(errorOf("cast", makeRequest(parse("f16"), weight)),
            "site 'w': the encoding cannot hold element 41, which is "
            "1000000.00");
}

TEST_F(MethodTest, CastRoundsToNearest) {
  CompressedTensorType type = parse("bf16");
  HostTensor weight = makeWeight(5);
  HostTensor decoded =
      decode(type, quantize("cast", makeRequest(type, weight)).leaves);
  for (int64_t i = 0; i < weight.getNumElements(); ++i)
    EXPECT_LE(std::fabs(weight.getDouble(i) - decoded.getDouble(i)),
              std::fabs(weight.getDouble(i)) / 256);
}

TEST_F(MethodTest, ActivationParameters) {
  TensorStatistics statistics(0);
  std::vector<float> values(10000);
  std::mt19937 engine(1);
  std::normal_distribution<float> normal(0.5f, 1);
  for (float &value : values)
    value = normal(engine);
  values[0] = 60;
  llvm::cantFail(statistics.update(values.data(), {10000}, {1}));

  const Method &rtn = *llvm::cantFail(lookupMethod("rtn"));
  auto type = cast<CompressedTensorType>(
      parseType("!compress.tensor<?x64xf32, quant<ui8, group = [*, *], scale = "
                "f32, zero = ui8>>",
                &context));
  auto rangeOf = [&](MethodOptions options) {
    auto leaves =
        llvm::cantFail(rtn.activationParameters(statistics, type, options));
    double scale = leaves[0].getDouble(0);
    auto zero = double(leaves[1].getBits(0));
    return std::pair((0 - zero) * scale, (255 - zero) * scale);
  };
  auto [lo, hi] = rangeOf({});
  EXPECT_NEAR(lo, statistics.getMin(), (hi - lo) / 255);
  EXPECT_NEAR(hi, 60, (hi - lo) / 255);
  auto [percentileLo, percentileHi] = rangeOf({{"range", "percentile"}});
  EXPECT_NEAR(percentileHi, 0.5 + 3.1, 0.3);
  EXPECT_NEAR(percentileLo, 0.5 - 3.1, 0.3);
  auto [mseLo, mseHi] = rangeOf({{"activation-range", "mse"}});
  EXPECT_LT(mseHi, 60);
  EXPECT_GT(mseHi, 2);
  EXPECT_LE(mseLo, 0);

  auto perToken = cast<CompressedTensorType>(
      parseType("!compress.tensor<?x64xf32, quant<ui8, group = [1, *], scale = "
                "f32, zero = ui8>>",
                &context));
  EXPECT_EQ(llvm::toString(
                rtn.activationParameters(statistics, perToken, {}).takeError()),
            "static activation parameters are per tensor only");
  EXPECT_EQ(
      llvm::toString(
          rtn.activationParameters(TensorStatistics(), type, {}).takeError()),
      "no values of the activation were observed");
}

TEST_F(MethodTest, RegistryAndOptions) {
  EXPECT_EQ(llvm::toString(lookupMethod("gptqq").takeError()),
            "unknown method 'gptqq'; known are adaquant, cast, depths, fit, "
            "kmeans, magnitude, obs, rate, rtn, svd");
  EXPECT_EQ(getMethods().size(), 10u);
  WeightRequest request =
      makeRequest(parse("quant<i8, group = [1, *], scale = f32>"),
                  makeWeight(1), {{"range", "magic"}});
  EXPECT_EQ(errorOf("rtn", request),
            "site 'w': method 'rtn': option 'range' is absmax, percentile or "
            "mse, found 'magic'");
  request.options = {{"percentile", "40"}};
  EXPECT_EQ(errorOf("rtn", request),
            "site 'w': method 'rtn': option 'percentile' is a number above 50 "
            "and at most 100, found '40'");
  request.options = {{"bits", "4"}};
  EXPECT_EQ(errorOf("rtn", request),
            "site 'w': method 'rtn' has no option 'bits'; known are range, "
            "activation-range, percentile");
  request.options = {};
  EXPECT_TRUE(StringRef(errorOf("cast", request))
                  .starts_with("site 'w': method 'cast' cannot fill the "
                               "encoding #compress.quant<i8"));
}

} // namespace

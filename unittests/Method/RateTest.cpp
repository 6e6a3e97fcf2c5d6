//===- RateTest.cpp - The method `rate` -------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LayerTestUtils.h"

using namespace mlir;
using namespace compress;

namespace {

class RateTest : public test::LayerTest {
protected:
  static constexpr const char *wide =
      "coded<rans, block = 4096, bytes = [?, ?], of = quant<i8, group = [*, "
      "*], scale = f32>>";
  static constexpr const char *window =
      "coded<rans, block = 4096, bytes = [?, ?], of = quant<i6, group = [*, *, "
      "*, *], scale = f32>>";

  llvm::Expected<WeightResult> run(StringRef method, WeightRequest request,
                                   double bits = 0) {
    if (bits > 0)
      request.options["bits"] = std::to_string(bits);
    return llvm::cantFail(lookupMethod(method))->quantizeWeight(request);
  }
  static double getStoredBits(const WeightResult &result) {
    double bytes = 0;
    for (const HostTensor &leaf : result.leaves)
      bytes += double(leaf.getBytes().size());
    return bytes * 8 / double(result.type.getNumElements());
  }
  /// || X^T (w - w') ||^2 of a matrix [outputs, inputs].
  static double measure(const WeightRequest &request,
                        const WeightResult &result, const LayerInputs &inputs) {
    HostTensor decoded =
        llvm::cantFail(decodeTensor({result.type, result.leaves}));
    int64_t channels = request.weight.getShape()[1];
    double sum = 0;
    for (int64_t o = 0; o < request.weight.getShape()[0]; ++o)
      for (int64_t r = 0; r < inputs.rows; ++r) {
        double error = 0;
        for (int64_t c = 0; c < channels; ++c)
          error += (request.weight.getDouble(o * channels + c) -
                    decoded.getDouble(o * channels + c)) *
                   inputs.values[c * inputs.rows + r];
        sum += error * error;
      }
    return sum;
  }
};

TEST_F(RateTest, FillsTheBitsThatItMayUse) {
  WeightRequest request = makeRequest({wide, {90, 120}, {0}, {1}});
  LayerInputs inputs = makeInputs(120, 300, 30);
  for (bool sampled : {false, true}) {
    request.inputs = sampled ? &inputs : nullptr;
    double last = std::numeric_limits<double>::infinity();
    for (double bits : {1.0, 1.7, 2.5, 3.3, 5.0}) {
      SCOPED_TRACE(bits);
      WeightResult result = llvm::cantFail(run("rate", request, bits));
      ASSERT_TRUE(isRefined(result.type));
      EXPECT_LE(getStoredBits(result), bits);
      EXPECT_GT(getStoredBits(result), bits - 0.1);
      double error =
          sampled ? measure(request, result, inputs) : result.error.absolute;
      EXPECT_LT(error, last);
      last = error;
    }
  }
}

TEST_F(RateTest, BeatsNearestCodesInAsManyBits) {
  // Normally distributed weights in codes of the largest magnitude, coded. The
  // more bits, the less is there to gain.
  for (auto [width, factor] : {std::pair<int, double>{3, 0.9}, {4, 1}}) {
    std::string encoding =
        "coded<rans, block = 4096, bytes = [?, ?], of = quant<i" +
        std::to_string(width) + ", group = [*, *], scale = f32>>";
    WeightRequest request =
        makeRequest({encoding.c_str(), {120, 120}, {0}, {1}});
    WeightResult nearest = llvm::cantFail(run("fit", request));
    double bits = getStoredBits(nearest);
    WeightResult own = llvm::cantFail(run("rate", request, bits + 1e-5));
    EXPECT_LE(getStoredBits(own), bits + 1e-5);
    EXPECT_LT(own.error.absolute, factor * nearest.error.absolute) << width;
  }
}

TEST_F(RateTest, ErrorsMakeUpForEachOtherOnSamples) {
  WeightRequest request = makeRequest({wide, {64, 80}, {0}, {1}});
  LayerInputs inputs = makeInputs(80, 400, 20),
              unseen = makeInputs(80, 200, 20);
  for (double bits : {1.5, 3.0}) {
    request.inputs = nullptr;
    WeightResult alone = llvm::cantFail(run("rate", request, bits));
    request.inputs = &inputs;
    WeightResult together = llvm::cantFail(run("rate", request, bits));
    EXPECT_LT(measure(request, together, unseen),
              0.6 * measure(request, alone, unseen));
  }
}

TEST_F(RateTest, Convolutions) {
  for (auto [shape, channels] :
       {std::pair<SmallVector<int64_t>, int64_t>{{24, 16, 3, 3}, 16},
        {{24, 8, 3, 3}, 24},
        {{96, 1, 5, 5}, 96}}) {
    WeightRequest request = makeRequest({window, shape, {0}, {1, 2, 3}});
    LayerInputs inputs = makeInputs(channels, 200, 4);
    request.inputs = &inputs;
    WeightResult result = llvm::cantFail(run("rate", request, 3));
    EXPECT_LE(getStoredBits(result), 3);
    EXPECT_LT(result.error.relative, 0.5);
  }
}

TEST_F(RateTest, SaysWhatItCannot) {
  WeightRequest request = makeRequest({wide, {8, 12}, {0}, {1}});
  auto few = run("rate", request, 2);
  ASSERT_FALSE(bool(few));
  EXPECT_NE(llvm::toString(few.takeError()).find("tables alone take"),
            std::string::npos);
  auto none = run("rate", request);
  ASSERT_FALSE(bool(none));
  EXPECT_NE(llvm::toString(none.takeError()).find("needs the option 'bits'"),
            std::string::npos);
  // Zeros are exact, whatever they take.
  request.weight = HostTensor::fromFloats({8, 12}, Float32Type::get(&context),
                                          std::vector<float>(96, 0));
  EXPECT_EQ(llvm::cantFail(run("rate", request, 2)).error.absolute, 0);
}

} // namespace

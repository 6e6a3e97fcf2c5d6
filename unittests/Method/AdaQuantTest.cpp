//===- AdaQuantTest.cpp - The method `adaquant` -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LayerTestUtils.h"

using namespace mlir;
using namespace compress;

namespace {

struct Layout : test::Layout {
  /// Sets of inputs of a grouped convolution.
  int64_t sets = 1;
};

class AdaQuantTest : public test::LayerTest {
protected:
  LayerInputs makeInputs(int64_t channels, int64_t rows) {
    return LayerTest::makeInputs(channels, rows,
                                 std::max<int64_t>(channels / 4, 1));
  }

  static WeightResult run(StringRef method, const WeightRequest &request) {
    return llvm::cantFail(
        llvm::cantFail(lookupMethod(method))->quantizeWeight(request));
  }

  /// The squared error of the outputs, computed in the plain way: each output
  /// and each position of a window apart.
  static double measure(const Layout &layout, const WeightRequest &request,
                        const WeightResult &result, const LayerInputs &inputs) {
    HostTensor decoded =
        llvm::cantFail(decodeTensor({result.type, result.leaves}));
    ArrayRef<int64_t> shape = layout.shape;
    int64_t axis = layout.reductionAxes[0], out = layout.outputAxes[0];
    SmallVector<int64_t> strides(shape.size(), 1);
    for (int64_t dim = int64_t(shape.size()) - 2; dim >= 0; --dim)
      strides[dim] = strides[dim + 1] * shape[dim + 1];
    double sum = 0;
    for (int64_t i = 0; i < decoded.getNumElements(); ++i) {
      if (i / strides[axis] % shape[axis])
        continue;
      int64_t set = i / strides[out] % shape[out] * layout.sets / shape[out];
      for (int64_t r = 0; r < inputs.rows; ++r) {
        double error = 0;
        for (int64_t c = 0; c < shape[axis]; ++c) {
          int64_t at = i + c * strides[axis];
          error += (request.weight.getDouble(at) - decoded.getDouble(at)) *
                   inputs.values[(set * shape[axis] + c) * inputs.rows + r];
        }
        sum += error * error;
      }
    }
    return sum;
  }
};

const Layout layouts[] = {
    {{"quant<i4, group = [1, *], scale = f32>", {12, 40}, {0}, {1}}},
    {{"quant<i3, group = [1, 16], scale = f16>", {12, 40}, {0}, {1}}},
    {{"quant<ui2, group = [16, 1], scale = f16, zero = ui2>",
      {40, 12},
      {1},
      {0}}},
    {{"quant<i4, group = [*, *], scale = f32>", {9, 33}, {0}, {1}}},
    {{"quant<i8, group = [1, *], scale = f32>", {7, 21}, {0}, {1}}},
    {{"quant<i4, group = [1, *, *, *], scale = f32>",
      {6, 16, 3, 3},
      {0},
      {1, 2, 3}}},
    {{"quant<i4, group = [1, *, *, *], scale = f32>",
      {8, 10, 3, 2},
      {0},
      {1, 2, 3}},
     4},
    {{"quant<i4, group = [1, *, *, *], scale = f32>",
      {8, 1, 3, 3},
      {0},
      {1, 2, 3}},
     8},
};

TEST_F(AdaQuantTest, LowersTheErrorOfTheOutput) {
  for (const Layout &layout : layouts) {
    SCOPED_TRACE(layout.encoding + std::string(" ") +
                 std::to_string(layout.shape[0]));
    WeightRequest request = makeRequest(layout);
    int64_t channels = layout.shape[layout.reductionAxes[0]] * layout.sets;
    LayerInputs inputs = makeInputs(channels, 256),
                unseen = makeInputs(channels, 200);
    WeightResult nearest = run("rtn", request);
    request.options["range"] = "mse";
    WeightResult best = run("rtn", request);
    request.options.clear();
    request.inputs = &inputs;
    WeightResult own = run("adaquant", request);
    // Alone, a channel can only be rounded to the nearest code.
    double factor = layout.shape[layout.reductionAxes[0]] > 1 ? 0.85 : 1.001;
    for (const LayerInputs *samples : {&inputs, &unseen}) {
      double error = measure(layout, request, own, *samples);
      EXPECT_LT(error, factor * measure(layout, request, nearest, *samples));
      EXPECT_LT(error, factor * measure(layout, request, best, *samples));
    }
    // And again the same.
    WeightResult again = run("adaquant", request);
    for (auto [a, b] : llvm::zip_equal(own.leaves, again.leaves))
      EXPECT_EQ(a.getBytes(), b.getBytes());
    // Codes that rounding gives, too.
    auto quant = cast<QuantAttr>(request.type.getEncoding());
    auto [least, most] = quant.getCodeRange();
    HostTensor codes = own.leaves[0].bitcast(quant.getCodeType());
    for (int64_t i = 0; i < codes.getNumElements(); ++i) {
      EXPECT_GE(codes.getDouble(i), least);
      EXPECT_LE(codes.getDouble(i), most);
    }
  }
}

TEST_F(AdaQuantTest, WithoutSamplesItRounds) {
  for (const Layout &layout : layouts) {
    WeightRequest request = makeRequest(layout);
    LayerInputs none, other = makeInputs(5, 8);
    request.options["range"] = "mse";
    WeightResult best = run("rtn", request);
    request.options.clear();
    for (const LayerInputs *inputs :
         std::initializer_list<const LayerInputs *>{nullptr, &none, &other}) {
      if (inputs == &other && layout.shape[layout.reductionAxes[0]] == 1)
        continue;
      request.inputs = inputs;
      WeightResult own = run("adaquant", request);
      for (auto [a, b] : llvm::zip_equal(own.leaves, best.leaves))
        EXPECT_EQ(a.getBytes(), b.getBytes());
    }
  }
}

TEST_F(AdaQuantTest, DeadInputsAndZeroWeights) {
  const Layout &layout = layouts[0];
  WeightRequest request = makeRequest(layout);
  LayerInputs inputs = makeInputs(40, 16);
  std::fill(inputs.values.begin(), inputs.values.begin() + 16 * 20, 0.0f);
  request.inputs = &inputs;
  EXPECT_LT(run("adaquant", request).error.relative, 0.1);
  request.options["damping"] = "0";
  EXPECT_LT(run("adaquant", request).error.relative, 1);
  request.weight =
      HostTensor::allocate(layout.shape, Float32Type::get(&context));
  EXPECT_EQ(run("adaquant", request).error.absolute, 0);
}

TEST_F(AdaQuantTest, Errors) {
  auto errorOf = [&](MethodOptions options) {
    WeightRequest request = makeRequest(layouts[0]);
    request.options = std::move(options);
    auto result =
        llvm::cantFail(lookupMethod("adaquant"))->quantizeWeight(request);
    return result ? "" : llvm::toString(result.takeError());
  };
  EXPECT_EQ(errorOf({{"rounds", "0"}}),
            "site 'w': method 'adaquant': option 'rounds' is a number from 1 "
            "to 1000, found '0'");
  EXPECT_EQ(errorOf({{"damping", "-1"}}),
            "site 'w': method 'adaquant': option 'damping' is auto or a "
            "number from 0 to 1000, found '-1'");
  EXPECT_EQ(errorOf({{"steps", "3"}}),
            "site 'w': method 'adaquant' has no option 'steps'; known are "
            "damping, rounds");
  EXPECT_EQ(llvm::cantFail(lookupMethod("adaquant"))->getRung({}),
            Rung::ForwardStatistics);
}
} // namespace

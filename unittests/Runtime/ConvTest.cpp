//===- ConvTest.cpp - compress_rt_conv_f32 and _q8 --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "RuntimeTestUtils.h"

#include <cmath>

using namespace compress::runtime;
using namespace compress::runtime::test;

namespace {

using Sizes = std::vector<int64_t>;

struct Case {
  int64_t N, IC, OC, group;
  Sizes in, kernel;
  Sizes stride = {}, dilation = {}, padBegin = {},
        padEnd = {}; // empty: 1, 1, 0, 0
  bool channelsLast = false;
  int64_t slack = 0;
};

int64_t get(const Sizes &s, size_t d, int64_t otherwise) {
  return d < s.size() ? s[d] : otherwise;
}

Sizes outputSizes(const Case &c) {
  Sizes out;
  for (size_t d = 0; d < c.in.size(); ++d)
    out.push_back((c.in[d] + get(c.padBegin, d, 0) + get(c.padEnd, d, 0) -
                   ((c.kernel[d] - 1) * get(c.dilation, d, 1) + 1)) /
                      get(c.stride, d, 1) +
                  1);
  return out;
}

Sizes concat(Sizes a, const Sizes &b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<int> order(const Case &c) {
  std::vector<int> o;
  if (c.channelsLast) {
    o = {0};
    for (size_t d = 0; d < c.in.size(); ++d)
      o.push_back(2 + static_cast<int>(d));
    o.push_back(1);
  }
  return o;
}

/// The sum for one output element, in double, and the sum of magnitudes.
template <typename T, typename W>
std::pair<double, double> naive(const Case &c, Tensor<T> &x, Tensor<W> &w,
                                const Sizes &at, double zero) {
  size_t spatial = c.in.size();
  int64_t icGroup = c.IC / c.group, g = at[1] / (c.OC / c.group);
  double sum = 0, scale = 0;
  Tensor<char> taps(concat({icGroup}, c.kernel));
  taps.forEach([&](const Sizes &k) {
    Sizes xi = {at[0], g * icGroup + k[0]}, wi = {at[1], k[0]};
    for (size_t d = 0; d < spatial; ++d) {
      int64_t i = at[2 + d] * get(c.stride, d, 1) +
                  k[1 + d] * get(c.dilation, d, 1) - get(c.padBegin, d, 0);
      if (i < 0 || i >= c.in[d])
        return;
      xi.push_back(i);
      wi.push_back(k[1 + d]);
    }
    double product = (double(x.at(xi)) - zero) * double(w.at(wi));
    sum += product;
    scale += std::fabs(product);
  });
  return {sum, scale};
}

#define CONV_PARAMETERS(c)                                                     \
  (c).group, relu, static_cast<int64_t>((c).in.size()), get((c).stride, 0, 1), \
      get((c).stride, 1, 1), get((c).stride, 2, 1), get((c).dilation, 0, 1),   \
      get((c).dilation, 1, 1), get((c).dilation, 2, 1),                        \
      get((c).padBegin, 0, 0), get((c).padBegin, 1, 0),                        \
      get((c).padBegin, 2, 0), get((c).padEnd, 0, 0), get((c).padEnd, 1, 0),   \
      get((c).padEnd, 2, 0)

const Case cases[] = {
    {1, 1, 1, 1, {5}, {3}},
    {2, 3, 4, 1, {17}, {3}, {2}, {2}, {1}, {2}},
    {2, 6, 6, 6, {9}, {2}},
    {1, 1, 1, 1, {1, 1}, {1, 1}},
    {1, 3, 16, 1, {20, 20}, {3, 3}, {}, {}, {1, 1}, {1, 1}},
    {2, 3, 5, 1, {13, 11}, {3, 5}, {2, 1}, {}, {1, 2}, {0, 1}},
    {1, 16, 32, 1, {14, 14}, {1, 1}},
    {2, 17, 33, 1, {7, 9}, {1, 1}, {2, 2}},
    {1, 32, 32, 32, {12, 12}, {3, 3}, {}, {}, {1, 1}, {1, 1}},
    {1, 9, 18, 9, {8, 8}, {3, 3}, {2, 2}, {}, {1, 1}, {1, 1}},
    {1, 8, 12, 4, {10, 10}, {3, 3}, {}, {}, {1, 1}, {1, 1}},
    {1, 4, 6, 2, {10, 12}, {3, 2}, {1, 2}, {2, 3}, {2, 0}, {1, 3}},
    {1, 16, 16, 1, {12, 12}, {3, 3}, {}, {2, 2}, {2, 2}, {2, 2}},
    {1, 16, 24, 1, {10, 10}, {3, 3}, {}, {}, {1, 1}, {1, 1}, true},
    {1, 12, 7, 1, {6, 5}, {3, 3}, {}, {}, {1, 1}, {1, 1}, false, 3},
    {1, 2, 3, 1, {5, 6, 7}, {3, 2, 3}, {1, 2, 2}, {}, {1, 0, 1}, {1, 1, 0}},
    {2, 8, 8, 8, {4, 5, 6}, {3, 3, 3}, {}, {}, {1, 1, 1}, {1, 1, 1}},
    {1, 4, 8, 1, {3, 300}, {1, 3}, {}, {}, {0, 1}, {0, 1}},
    {1, 2, 2, 1, {6, 6}, {3, 3}, {}, {}, {-1, -1}, {0, 0}},
    {1, 2, 2, 1, {3, 3}, {1, 1}, {}, {}, {4, 4}, {4, 4}},
};

class Conv : public testing::TestWithParam<Case> {
protected:
  void check(Tensor<float> &x, Tensor<float> &w, Tensor<float> &bias,
             Tensor<float> &y, bool relu) {
    int mismatches = 0;
    y.forEach([&](const Sizes &i) {
      auto [sum, scale] = naive(GetParam(), x, w, i, 0);
      if (bias.sizes[0])
        sum += bias.at({i[1]});
      if (relu && sum < 0)
        sum = 0;
      if (std::fabs(sum - y.at(i)) > 1e-5 * (scale + 1) && ++mismatches < 4)
        ADD_FAILURE() << "got " << y.at(i) << ", expected " << sum;
    });
    EXPECT_EQ(mismatches, 0);
  }
};

TEST_P(Conv, MatchesNaive) {
  const Case &c = GetParam();
  Harness harness;
  int64_t slot = 0;
  for (bool withBias : {false, true})
    for (bool relu : {false, true}) {
      Tensor<float> x(concat({c.N, c.IC}, c.in), order(c), c.slack);
      Tensor<float> w(concat({c.OC, c.IC / c.group}, c.kernel));
      Tensor<float> y(concat({c.N, c.OC}, outputSizes(c)), order(c), c.slack);
      Tensor<float> bias({withBias ? c.OC : 0});
      bias.fill(3);
      // Other weights at the same address: they are not constant.
      for (unsigned round = 0; round < 2; ++round) {
        x.fill(1 + round);
        w.fill(5 + round);
        y.fill(4, 5, 6);
        ASSERT_EQ(harness.run([&](void *ctx) {
          _mlir_ciface_compress_rt_conv_f32(ctx, slot, x.ref(), w.ref(),
                                            bias.ref(), y.ref(),
                                            CONV_PARAMETERS(c));
        }),
                  COMPRESS_OK)
            << harness.model->lastError();
        check(x, w, bias, y, relu);
      }
      ++slot;
    }
}

TEST_P(Conv, PortableMatchesNaive) {
  const Case &c = GetParam();
  Tensor<float> x(concat({c.N, c.IC}, c.in), order(c), c.slack);
  Tensor<float> w(concat({c.OC, c.IC / c.group}, c.kernel));
  Tensor<float> y(concat({c.N, c.OC}, outputSizes(c)), order(c), c.slack);
  Tensor<float> bias({c.OC});
  x.fill(1);
  w.fill(2);
  bias.fill(3);
  ConvF32 p = {};
  ConvShape &s = p.shape;
  s.spatial = static_cast<int>(c.in.size());
  s.N = c.N, s.IC = c.IC, s.OC = c.OC, s.group = c.group;
  Sizes out = outputSizes(c);
  for (int d = 0; d < s.spatial; ++d) {
    s.in[d] = c.in[d], s.kernel[d] = c.kernel[d], s.out[d] = out[d];
    s.stride[d] = get(c.stride, d, 1), s.dilation[d] = get(c.dilation, d, 1);
    s.padBegin[d] = get(c.padBegin, d, 0), s.padEnd[d] = get(c.padEnd, d, 0);
  }
  for (int d = 0; d < s.spatial + 2; ++d)
    s.x[d] = x.strides[d], s.w[d] = w.strides[d], s.y[d] = y.strides[d];
  Sizes zero(s.spatial + 2, 0);
  p.X = &x.at(zero), p.W = &w.at(zero), p.Y = &y.at(zero),
  p.bias = &bias.at({0});
  p.biasStride = 1;
  convPortable(p);
  check(x, w, bias, y, false);
}

/// Integers: the result must be exact up to the final float operations.
TEST_P(Conv, Q8MatchesNaive) {
  const Case &c = GetParam();
  Harness harness;
  int64_t slot = 0;
  for (bool isUnsigned : {false, true})
    for (int32_t zero : {0, isUnsigned ? 119 : -7}) {
      bool relu = zero != 0, perChannel = zero != 0;
      Tensor<uint8_t> xu(concat({c.N, c.IC}, c.in), order(c), c.slack);
      Tensor<int8_t> xs(concat({c.N, c.IC}, c.in), order(c), c.slack);
      Tensor<int8_t> w(concat({c.OC, c.IC / c.group}, c.kernel));
      Tensor<float> y(concat({c.N, c.OC}, outputSizes(c)), order(c), c.slack);
      Tensor<float> bias({zero ? c.OC : 0}), xScale({1});
      Tensor<float> wScale({perChannel ? c.OC : 1});
      Tensor<int32_t> xZero({1});
      xu.fill(1, 0, 255.99);
      xs.fill(2, -128, 127.99);
      w.fill(3, -127, 127.99);
      bias.fill(4);
      xScale.fill(5, 0.01, 0.02);
      wScale.fill(6, 0.01, 0.02);
      xZero.at({0}) = zero;
      ASSERT_EQ(harness.run([&](void *ctx) {
        _mlir_ciface_compress_rt_conv_q8(
            ctx, slot, isUnsigned ? xu.ref() : xs.ref(), xScale.ref(),
            xZero.ref(), w.ref(), wScale.ref(), bias.ref(), y.ref(), isUnsigned,
            CONV_PARAMETERS(c));
      }),
                COMPRESS_OK)
          << harness.model->lastError();
      ++slot;
      int mismatches = 0;
      y.forEach([&](const Sizes &i) {
        double sum =
            (isUnsigned ? naive(c, xu, w, i, zero) : naive(c, xs, w, i, zero))
                .first;
        float scale = xScale.at({0}) * wScale.at({perChannel ? i[1] : 0});
        float want = static_cast<float>(sum) * scale;
        if (zero)
          want += bias.at({i[1]});
        if (relu && want < 0)
          want = 0;
        // One rounding more or less: the compiler may fuse multiply and add.
        if (std::fabs(want - y.at(i)) > 2e-7f * (std::fabs(want) + 1) &&
            ++mismatches < 4)
          ADD_FAILURE() << "got " << y.at(i) << ", expected " << want;
      });
      EXPECT_EQ(mismatches, 0);
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Conv, testing::ValuesIn(cases));

TEST(ConvErrors, EndTheRun) {
  Harness harness;
  Tensor<float> x({1, 4, 8, 8}), w({6, 2, 3, 3}), y({1, 6, 6, 6}), none({0});
  auto call = [&](int64_t group, int64_t spatial, int64_t stride,
                  Tensor<float> &out) {
    return harness.run([&](void *ctx) {
      _mlir_ciface_compress_rt_conv_f32(ctx, 0, x.ref(), w.ref(), none.ref(),
                                        out.ref(), group, 0, spatial, stride, 1,
                                        1, 1, 1, 1, 0, 0, 0, 0, 0, 0);
    });
  };
  Tensor<float> wrong({1, 6, 5, 6});
  EXPECT_EQ(call(2, 2, 1, y), COMPRESS_OK);
  EXPECT_EQ(call(1, 2, 1, y), COMPRESS_ERROR_SHAPE);
  EXPECT_EQ(call(0, 2, 1, y), COMPRESS_ERROR_SHAPE);
  EXPECT_EQ(call(2, 3, 1, y), COMPRESS_ERROR_SHAPE);
  EXPECT_EQ(call(2, 2, 0, y), COMPRESS_ERROR_SHAPE);
  EXPECT_EQ(call(2, 2, 1, wrong), COMPRESS_ERROR_SHAPE);
  EXPECT_NE(std::string(harness.model->lastError()).find("should be 6"),
            std::string::npos);
}

} // namespace

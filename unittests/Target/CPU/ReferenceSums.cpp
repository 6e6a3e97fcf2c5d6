//===- ReferenceSums.cpp - What products and convolutions mean --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReferenceSums.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::test;

ReferenceSums::ReferenceSums(std::vector<int64_t> extents, Init init,
                             const Array &start)
    : shape(std::move(extents)) {
  int64_t size = 1, inner = 1;
  for (int64_t extent : shape)
    size *= extent;
  for (int64_t extent : ArrayRef(shape).drop_front(2))
    inner *= extent;
  for (int64_t i = 0; i < size; ++i) {
    double value = 0;
    if (init != Init::Zero)
      value = start.values[init == Init::Bias ? i / inner % shape[1] : i];
    values.push_back(value);
    magnitudes.push_back(std::fabs(value));
  }
}

void ReferenceSums::add(const Array &term) {
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] += term.values[i];
    magnitudes[i] += std::fabs(term.values[i]);
  }
}

void ReferenceSums::expectNear(const Array &found, double factor,
                               StringRef what) const {
  ASSERT_EQ(found.shape, shape) << what.str();
  for (size_t i = 0; i < values.size(); ++i) {
    double bound = factor * magnitudes[i] + 1e-30;
    if (std::fabs(found.values[i] - values[i]) <= bound)
      continue;
    std::string position;
    size_t rest = i;
    for (size_t axis = shape.size(); axis--; rest /= shape[axis])
      position = std::to_string(rest % shape[axis]) +
                 (position.empty() ? "" : ", ") + position;
    FAIL() << what.str() << " at " << position << ": found " << found.values[i]
           << ", expected " << values[i] << ", bound " << bound;
  }
}

double compress::test::getRoundingFactor(int64_t k) {
  return double(k + 6) * std::ldexp(1.0, -24);
}

ReferenceSums compress::test::multiply(const Array &x, const Array &w,
                                       bool transposed, Init init,
                                       const Array &start) {
  int64_t m = x.shape[0], k = x.shape[1], n = w.shape[transposed ? 0 : 1];
  ReferenceSums sums({m, n}, init, start);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j)
      for (int64_t l = 0; l < k; ++l) {
        double product = double(x.values[i * k + l]) *
                         w.values[transposed ? j * k + l : l * n + j];
        sums.values[i * n + j] += product;
        sums.magnitudes[i * n + j] += std::fabs(product);
      }
  return sums;
}

ReferenceSums
compress::test::convolve(const Array &images, const Array &filters,
                         ArrayRef<int64_t> strides, ArrayRef<int64_t> dilations,
                         ArrayRef<int64_t> low, ArrayRef<int64_t> out,
                         Init init, const Array &start) {
  int64_t channels = images.shape[1], numFilters = filters.shape[0];
  int64_t summed = filters.shape[1],
          perGroup = numFilters / (channels / summed);
  int64_t rank = out.size(), pixels = 1, taps = 1, size = 1;
  std::vector<int64_t> shape{images.shape[0], numFilters};
  ArrayRef<int64_t> image = ArrayRef(images.shape).drop_front(2),
                    kernel = ArrayRef(filters.shape).drop_front(2);
  for (int64_t d = 0; d < rank; ++d) {
    shape.push_back(out[d]);
    pixels *= out[d];
    taps *= kernel[d];
    size *= image[d];
  }
  ReferenceSums sums(shape, init, start);
  for (size_t i = 0; i < sums.values.size(); ++i) {
    int64_t pixel = i % pixels, f = i / pixels % numFilters,
            n = i / pixels / numFilters;
    for (int64_t tap = 0; tap < taps; ++tap) {
      int64_t position = 0, p = pixel, t = tap, stride = 1;
      bool isInside = true;
      for (int64_t d = rank - 1; d >= 0; --d) {
        int64_t at =
            p % out[d] * strides[d] + t % kernel[d] * dilations[d] - low[d];
        isInside &= at >= 0 && at < image[d];
        position += at * stride;
        stride *= image[d];
        p /= out[d];
        t /= kernel[d];
      }
      if (!isInside)
        continue;
      for (int64_t c = 0; c < summed; ++c) {
        int64_t channel = f / perGroup * summed + c;
        double product =
            double(images.values[(n * channels + channel) * size + position]) *
            filters.values[(f * summed + c) * taps + tap];
        sums.values[i] += product;
        sums.magnitudes[i] += std::fabs(product);
      }
    }
  }
  return sums;
}

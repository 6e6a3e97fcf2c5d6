//===- SecondMomentsTest.cpp ------------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Numeric/SecondMoments.h"
#include "gtest/gtest.h"
#include <cmath>
#include <limits>
#include <random>

using namespace compress;

namespace {

std::vector<float> makeSamples(int64_t channels, int64_t rows) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> samples(channels * rows);
  for (float &value : samples)
    value = normal(random);
  return samples;
}

// Sums of products of floats in doubles: 53 bits each, in any order.
TEST(SecondMomentsTest, AreSumsOfProducts) {
  for (auto [channels, rows] : {std::pair<int64_t, int64_t>{1, 1},
                                {3, 7},
                                {17, 511},
                                {5, 512},
                                {9, 1500},
                                {4, 0}}) {
    std::vector<float> x = makeSamples(channels, rows);
    std::vector<double> moments = getSecondMoments(x, channels, rows);
    ASSERT_EQ(int64_t(moments.size()), channels * channels);
    for (int64_t a = 0; a < channels; ++a)
      for (int64_t b = 0; b < channels; ++b) {
        double sum = 0, size = 0;
        for (int64_t r = 0; r < rows; ++r) {
          double product = double(x[a * rows + r]) * x[b * rows + r];
          sum += product;
          size += std::fabs(product);
        }
        EXPECT_NEAR(moments[a * channels + b], sum,
                    double(rows) * size * 0x1p-53)
            << channels << " x " << rows << ": " << a << ", " << b;
      }
  }
}

TEST(SecondMomentsTest, CholeskyFactor) {
  for (int64_t size : {0, 1, 2, 13, 70}) {
    std::vector<float> x = makeSamples(size, 3 * size + 1);
    std::vector<double> matrix = getSecondMoments(x, size, 3 * size + 1);
    std::vector<double> factor = matrix;
    ASSERT_TRUE(factorizeCholesky(factor, size));
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = 0; j < size; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < size; ++k)
          sum += factor[i * size + k] * factor[j * size + k];
        // N. Higham, Accuracy and Stability of Numerical Algorithms, 10.1: the
        // error is below (n + 1) u / (1 - ...) |L||L^T|, which diagonals bound.
        EXPECT_NEAR(sum, matrix[i * size + j],
                    4 * double(size + 1) * 0x1p-53 *
                        std::sqrt(matrix[i * size + i] * matrix[j * size + j]));
        if (j > i)
          EXPECT_EQ(factor[i * size + j], 0);
      }
  }
}

TEST(SecondMomentsTest, NoFactor) {
  std::vector<double> indefinite{1, 2, 2, 1};
  EXPECT_FALSE(factorizeCholesky(indefinite, 2));
  std::vector<double> singular{0, 0, 0, 0};
  EXPECT_FALSE(factorizeCholesky(singular, 2));
  for (double value : {std::numeric_limits<double>::quiet_NaN(),
                       std::numeric_limits<double>::infinity()}) {
    std::vector<double> off{1, 0, value, 1};
    EXPECT_FALSE(factorizeCholesky(off, 2));
    std::vector<double> on{1, 0, 0, value};
    EXPECT_FALSE(factorizeCholesky(on, 2));
  }
}

} // namespace

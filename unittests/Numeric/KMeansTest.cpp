//===- KMeansTest.cpp - Clustering ------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Numeric/KMeans.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <random>

using namespace compress;

static std::vector<double> makeNormal(size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double &value : values)
    value = normal(engine);
  return values;
}

static double measure(const std::vector<double> &points, int64_t dim,
                      const std::vector<double> &weights,
                      const std::vector<double> &centers, int64_t stages,
                      const std::vector<uint32_t> &indices) {
  size_t n = points.size() / dim, table = centers.size() / stages;
  double error = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    double value = points[i];
    for (int64_t s = 0; s < stages; ++s)
      value -= centers[s * table + indices[s * n + i / dim] * dim + i % dim];
    error += (weights.empty() ? 1 : weights[i]) * value * value;
  }
  return error;
}

/// The least error over all ways to cut the sorted points into `count` runs.
static double bruteForce(std::vector<std::pair<double, double>> points,
                         size_t count) {
  std::sort(points.begin(), points.end());
  auto search = [&](auto &self, size_t begin, size_t left) -> double {
    double best = begin == points.size() ? 0 : INFINITY;
    for (size_t end = begin + 1; left && end <= points.size(); ++end) {
      double w = 0, sum = 0, error = 0;
      for (size_t i = begin; i < end; ++i) {
        w += points[i].second;
        sum += points[i].second * points[i].first;
      }
      for (size_t i = begin; i < end; ++i)
        error += points[i].second * std::pow(points[i].first - sum / w, 2);
      best = std::min(best, error + self(self, end, left - 1));
    }
    return best;
  };
  return search(search, 0, count);
}

TEST(KMeansTest, ScalarsAreOptimal) {
  std::mt19937 engine(1);
  for (unsigned seed = 0; seed < 40; ++seed) {
    size_t n = 1 + engine() % 12;
    std::vector<double> values = makeNormal(n, seed), weights;
    if (seed % 3 == 0)
      for (double &value : values)
        value = std::round(2 * value); // equal values
    for (size_t i = 0; i < n; ++i)
      weights.push_back(seed % 2 ? 1 : 0.1 + engine() % 8);
    for (int64_t k = 1; k <= 5; ++k) {
      std::vector<double> centers = clusterScalars(values, weights, k);
      ASSERT_EQ(centers.size(), size_t(k));
      EXPECT_TRUE(std::is_sorted(centers.begin(), centers.end()));
      double error = measure(values, 1, weights, centers, 1,
                             assignNearest(values, 1, weights, centers));
      std::vector<std::pair<double, double>> points;
      for (size_t i = 0; i < n; ++i)
        points.push_back({values[i], weights[i]});
      EXPECT_NEAR(error, bruteForce(points, k), 1e-10);
    }
  }
}

TEST(KMeansTest, ScalarsNeverWorseWithMoreCenters) {
  // Sizes that take each way: exact, thinned out, and from quantiles.
  for (auto [n, counts] :
       {std::pair<size_t, std::vector<int64_t>>{5000, {2, 16, 256}},
        {60000, {4, 16, 256, 4096}}}) {
    std::vector<double> values = makeNormal(n, 3);
    double last = INFINITY;
    for (int64_t k : counts) {
      std::vector<double> centers = clusterScalars(values, {}, k);
      double error = measure(values, 1, {}, centers, 1,
                             assignNearest(values, 1, {}, centers));
      EXPECT_LT(error, last);
      // Panter and Dite: sqrt(3) pi / 2 / k^2 for a normal distribution.
      if (k >= 16) {
        EXPECT_LT(error / n, 1.02 * 2.72 / double(k * k));
      }
      last = error;
    }
  }
}

TEST(KMeansTest, ThinningIsNearOptimal) {
  std::vector<double> values = makeNormal(30000, 4);
  // 30000 distinct values and 200 centers fit the exact program; 300 copies of
  // an outlier and more values take the thinned one.
  std::vector<double> centers = clusterScalars(values, {}, 200);
  double exact =
      measure(values, 1, {}, centers, 1, assignNearest(values, 1, {}, centers));
  std::vector<double> thinned = clusterScalars(values, {}, 600);
  std::vector<double> more = values;
  for (int i = 0; i < 300; ++i)
    more.push_back(1000);
  centers = clusterScalars(more, {}, 601);
  double error =
      measure(more, 1, {}, centers, 1, assignNearest(more, 1, {}, centers));
  double same =
      measure(values, 1, {}, thinned, 1, assignNearest(values, 1, {}, thinned));
  EXPECT_LT(error, 1.05 * same);
  EXPECT_LT(same, exact / 4);
}

TEST(KMeansTest, DegenerateInputs) {
  EXPECT_EQ(clusterScalars({}, {}, 3), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(clusterScalars({2, 2, 2}, {}, 2), (std::vector<double>{2, 2}));
  EXPECT_EQ(clusterScalars({3, 1}, {}, 4), (std::vector<double>{1, 3, 3, 3}));
  EXPECT_EQ(clusterScalars({1, NAN, INFINITY, 3}, {}, 2),
            (std::vector<double>{1, 3}));
  EXPECT_EQ(clusterScalars({1, 2, 9}, {0, 0, 0}, 3),
            (std::vector<double>{1, 2, 9}));
  EXPECT_EQ(clusterScalars({1e300, -1e300, 0}, {}, 3),
            (std::vector<double>{-1e300, 0, 1e300}));
  EXPECT_EQ(clusterVectors({}, 2, {}, 2), (std::vector<double>{0, 0, 0, 0}));
  EXPECT_EQ(clusterVectors({1, 2, 1, 2}, 2, {}, 2),
            (std::vector<double>{1, 2, 1, 2}));
  EXPECT_EQ(clusterAdditive({}, 1, {}, 2, 2),
            (std::vector<double>{0, 0, 0, 0}));
}

TEST(KMeansTest, NearestBreaksTiesByIndex) {
  EXPECT_EQ(assignNearest({0, 0.9, -5, 7, NAN}, 1, {}, {1, -1, 1, NAN}),
            (std::vector<uint32_t>{0, 0, 1, 0, 0}));
  EXPECT_EQ(assignNearest({0}, 1, {}, {-1, 1}), (std::vector<uint32_t>{0}));
  EXPECT_EQ(assignNearest({INFINITY, -INFINITY}, 1, {}, {3, 5, -2}),
            (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(assignNearest({0, 0, 2, 2}, 2, {}, {1, 1, -1, -1}),
            (std::vector<uint32_t>{0, 0}));
  // Only the second coordinate counts.
  EXPECT_EQ(assignNearest({0, 5}, 2, {0, 1}, {0, 0, 9, 5}),
            (std::vector<uint32_t>{1}));
}

TEST(KMeansTest, VectorsFindSeparatedClusters) {
  const int64_t dim = 4, k = 7;
  std::vector<double> truth = makeNormal(k * dim, 5), points;
  for (double &value : truth)
    value *= 10;
  std::vector<double> noise = makeNormal(700 * dim, 6);
  for (int64_t i = 0; i < 700; ++i)
    for (int64_t j = 0; j < dim; ++j)
      points.push_back(truth[i % k * dim + j] + 0.01 * noise[i * dim + j]);
  std::vector<double> centers = clusterVectors(points, dim, {}, k);
  double error = measure(points, dim, {}, centers, 1,
                         assignNearest(points, dim, {}, centers));
  EXPECT_LT(error, 1.1e-4 * points.size());
  EXPECT_EQ(centers, clusterVectors(points, dim, {}, k));
}

TEST(KMeansTest, ImportanceMovesCenters) {
  std::vector<double> points = makeNormal(4000, 7), weights;
  std::mt19937 engine(8);
  for (size_t i = 0; i < points.size(); ++i)
    weights.push_back(i % 2 ? 0.01 : 1);
  for (int64_t dim : {1, 2, 4}) {
    std::vector<double> plain = clusterVectors(points, dim, {}, 8);
    std::vector<double> aware = clusterVectors(points, dim, weights, 8);
    EXPECT_LE(measure(points, dim, weights, aware, 1,
                      assignNearest(points, dim, weights, aware)),
              measure(points, dim, weights, plain, 1,
                      assignNearest(points, dim, weights, plain)));
  }
}

TEST(KMeansTest, StagesLowerTheError) {
  std::vector<double> points = makeNormal(4000, 9);
  double last = INFINITY;
  for (int64_t stages : {1, 2, 3}) {
    std::vector<double> centers = clusterAdditive(points, 4, {}, 16, stages);
    EXPECT_EQ(centers.size(), size_t(16 * 4 * stages));
    double error = measure(points, 4, {}, centers, stages,
                           assignAdditive(points, 4, {}, centers, stages));
    EXPECT_LT(error, 0.75 * last);
    last = error;
  }
  // Rounds of assignment never hurt.
  std::vector<double> centers = clusterAdditive(points, 4, {}, 16, 3);
  EXPECT_LE(measure(points, 4, {}, centers, 3,
                    assignAdditive(points, 4, {}, centers, 3)),
            measure(points, 4, {}, centers, 3,
                    assignAdditive(points, 4, {}, centers, 3, 0)));
}

TEST(KMeansTest, AdditiveRecoversSums) {
  // Coarse and fine grids: every sum is exact with two tables of four.
  std::vector<double> points;
  for (int i = 0; i < 64; ++i)
    points.push_back((i % 4) * 16 + (i / 4 % 4));
  std::vector<double> centers = clusterAdditive(points, 1, {}, 4, 2);
  EXPECT_NEAR(measure(points, 1, {}, centers, 2,
                      assignAdditive(points, 1, {}, centers, 2)),
              0, 1e-12);
}

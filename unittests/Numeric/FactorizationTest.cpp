//===- FactorizationTest.cpp - Fitting factors ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Numeric/Factorization.h"
#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"
#include <cmath>
#include <map>
#include <random>

using namespace compress;

namespace {
struct Problem {
  Einsum einsum;
  std::vector<int64_t> sizes;
};
} // namespace

static Problem makeProblem(const char *equation,
                           const std::map<std::string, int64_t> &sizes) {
  Problem problem{llvm::cantFail(Einsum::parse(equation)), {}};
  for (const std::string &name : problem.einsum.names)
    problem.sizes.push_back(sizes.at(name));
  return problem;
}

static std::vector<double> makeNormal(size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double &value : values)
    value = normal(engine);
  return values;
}

static int64_t volume(const Problem &problem, llvm::ArrayRef<unsigned> names) {
  int64_t product = 1;
  for (unsigned name : names)
    product *= problem.sizes[name];
  return product;
}

static std::vector<std::vector<double>> makeFactors(const Problem &problem,
                                                    unsigned seed) {
  std::vector<std::vector<double>> factors;
  for (const auto &names : problem.einsum.factors)
    factors.push_back(makeNormal(volume(problem, names), seed++));
  return factors;
}

/// The einsum by a loop over all names.
static std::vector<double>
naive(const Problem &problem, const std::vector<std::vector<double>> &factors) {
  llvm::SmallVector<unsigned> result = problem.einsum.getResultNames();
  std::vector<double> values(volume(problem, result), 0);
  std::vector<int64_t> at(problem.sizes.size(), 0);
  if (llvm::is_contained(problem.sizes, 0))
    return values;
  auto offset = [&](llvm::ArrayRef<unsigned> names) {
    int64_t position = 0;
    for (unsigned name : names)
      position = position * problem.sizes[name] + at[name];
    return position;
  };
  while (true) {
    double product = 1;
    for (auto [names, factor] : llvm::zip(problem.einsum.factors, factors))
      product *= factor[offset(names)];
    values[offset(result)] += product;
    size_t name = 0;
    while (name < at.size() && ++at[name] == problem.sizes[name])
      at[name++] = 0;
    if (name == at.size())
      return values;
  }
}

static Factorization fit(const Problem &problem,
                         const std::vector<double> &tensor,
                         const FactorizationOptions &options = {}) {
  llvm::Expected<Factorization> result =
      fitFactors(problem.einsum, problem.sizes, tensor, options);
  EXPECT_TRUE(bool(result));
  EXPECT_EQ(result->factors.size(), problem.einsum.factors.size());
  // The error is what a loop over all elements says it is.
  std::vector<double> model = naive(problem, result->factors);
  double error = 0;
  for (auto [a, b] : llvm::zip(tensor, model))
    error += (a - b) * (a - b);
  EXPECT_NEAR(result->error, error, 1e-9 * (result->norm + 1));
  return std::move(*result);
}

TEST(FactorizationTest, RecoversTensorsOfTheForm) {
  const std::pair<const char *, std::map<std::string, int64_t>> forms[] = {
      {"i j = i r, r j", {{"i", 9}, {"j", 7}, {"r", 3}}},
      {"i j = r j, i r", {{"i", 9}, {"j", 7}, {"r", 9}}},
      {"i j = i r s, r j s", {{"i", 9}, {"j", 7}, {"r", 2}, {"s", 3}}},
      {"i j = i r, r, r j", {{"i", 8}, {"j", 6}, {"r", 4}}},
      {"(a b) (c d) = a c, b d", {{"a", 3}, {"b", 4}, {"c", 5}, {"d", 2}}},
      {"(a b) (c d) = r a c, r b d",
       {{"a", 3}, {"b", 4}, {"c", 5}, {"d", 2}, {"r", 2}}},
      {"(a b c) = a, b, c", {{"a", 3}, {"b", 4}, {"c", 5}}},
      {"(a b c) (d e f) = a d r, r b e s, s c f",
       {{"a", 3},
        {"b", 2},
        {"c", 3},
        {"d", 2},
        {"e", 3},
        {"f", 2},
        {"r", 3},
        {"s", 2}}},
      {"i j k l = i r, r j s, s k t, t l",
       {{"i", 4}, {"j", 5}, {"k", 3}, {"l", 6}, {"r", 3}, {"s", 4}, {"t", 2}}},
      {"o i h w = o p, p q h w, i q",
       {{"o", 8}, {"i", 6}, {"h", 3}, {"w", 3}, {"p", 3}, {"q", 2}}},
      {"i j k = p q r, i p, j q, k r",
       {{"i", 5}, {"j", 6}, {"k", 7}, {"p", 2}, {"q", 3}, {"r", 4}}},
      {"i j k = i r, j r, k r", {{"i", 6}, {"j", 5}, {"k", 7}, {"r", 3}}},
      {"i j k = r, i r, j r, k r", {{"i", 6}, {"j", 5}, {"k", 7}, {"r", 2}}},
      {"b i j = b i r, b r j", {{"b", 3}, {"i", 5}, {"j", 6}, {"r", 2}}},
      {"i j k = a i b, b j c, c k a",
       {{"i", 5}, {"j", 5}, {"k", 5}, {"a", 2}, {"b", 2}, {"c", 2}}},
      {"j i = i j", {{"i", 4}, {"j", 5}}},
      {"i j = i r d, r e j",
       {{"i", 6}, {"j", 5}, {"r", 2}, {"d", 3}, {"e", 2}}},
      {"i = i", {{"i", 4}}},
      {"= r, r", {{"r", 3}}},
  };
  unsigned seed = 0;
  for (const auto &[equation, sizes] : forms) {
    SCOPED_TRACE(equation);
    Problem problem = makeProblem(equation, sizes);
    std::vector<double> tensor =
        naive(problem, makeFactors(problem, seed += 10));
    Factorization result = fit(problem, tensor);
    EXPECT_LE(result.error, 1e-6 * result.norm);
    // And the library's own contraction agrees with the loop.
    std::vector<double> model =
        contractFactors(problem.einsum, problem.sizes, result.factors);
    for (auto [a, b] : llvm::zip(model, naive(problem, result.factors)))
      EXPECT_NEAR(a, b, 1e-9);
  }
}

TEST(FactorizationTest, ErrorNeverIncreases) {
  const std::pair<const char *, std::map<std::string, int64_t>> forms[] = {
      {"i j k l = i r, r j s, s k t, t l",
       {{"i", 4}, {"j", 5}, {"k", 3}, {"l", 6}, {"r", 2}, {"s", 3}, {"t", 2}}},
      {"o i h w = o p, p q h w, i q",
       {{"o", 8}, {"i", 6}, {"h", 3}, {"w", 3}, {"p", 3}, {"q", 2}}},
      {"i j k = i r, j r, k r", {{"i", 6}, {"j", 5}, {"k", 7}, {"r", 9}}},
      {"i j k = a i b, b j c, c k a",
       {{"i", 5}, {"j", 5}, {"k", 5}, {"a", 2}, {"b", 2}, {"c", 2}}},
      {"(a b) (c d) = a c r, b d r, r",
       {{"a", 3}, {"b", 4}, {"c", 5}, {"d", 2}, {"r", 2}}},
      {"i j k = i j, j k, i k", {{"i", 4}, {"j", 5}, {"k", 6}}},
  };
  for (const auto &[equation, sizes] : forms) {
    SCOPED_TRACE(equation);
    Problem problem = makeProblem(equation, sizes);
    std::vector<double> tensor =
        makeNormal(volume(problem, problem.einsum.getResultNames()), 17);
    Factorization result = fit(problem, tensor);
    for (size_t i = 1; i < result.trace.size(); ++i)
      EXPECT_LE(result.trace[i], result.trace[i - 1] + 1e-9 * result.norm);
    if (!result.trace.empty()) {
      EXPECT_NEAR(result.trace.back(), result.error, 1e-8 * result.norm);
    }
    EXPECT_LT(result.error, result.norm);
    // Sweeps improve on the initial split, and the result is reproducible.
    FactorizationOptions fewer;
    fewer.maxSweeps = 1;
    fewer.restarts = 0;
    EXPECT_LE(result.error, fit(problem, tensor, fewer).error * (1 + 1e-9));
    EXPECT_EQ(result.factors, fit(problem, tensor).factors);
  }
}

TEST(FactorizationTest, TwoFactorsAreOptimal) {
  // Eckart and Young: the error is the tail of the spectrum.
  const int64_t rows = 20, cols = 14;
  std::vector<double> tensor = makeNormal(rows * cols, 21);
  SingularValues full = truncatedSVD(tensor, rows, cols, cols);
  for (int64_t rank : {1, 5, 14, 17}) {
    Factorization result = fit(
        makeProblem("i j = i r, r j", {{"i", rows}, {"j", cols}, {"r", rank}}),
        tensor);
    double tail = 0;
    for (int64_t k = rank; k < cols; ++k)
      tail += full.values[k] * full.values[k];
    EXPECT_NEAR(result.error, tail, 1e-9 * result.norm);
    // Both sides carry the square root of the singular values, sorted.
    for (int64_t k = 0; k < std::min(rank, cols); ++k) {
      double left = 0, right = 0;
      for (int64_t i = 0; i < rows; ++i)
        left += std::pow(result.factors[0][i * rank + k], 2);
      for (int64_t j = 0; j < cols; ++j)
        right += std::pow(result.factors[1][k * cols + j], 2);
      EXPECT_NEAR(left, full.values[k], 1e-9 * full.values[0]);
      EXPECT_NEAR(right, full.values[k], 1e-9 * full.values[0]);
    }
  }
}

TEST(FactorizationTest, SingularValuesStandAlone) {
  std::vector<double> tensor = makeNormal(8 * 6, 22);
  SingularValues full = truncatedSVD(tensor, 8, 6, 6);
  Factorization result = fit(
      makeProblem("i j = i r, r, r j", {{"i", 8}, {"j", 6}, {"r", 4}}), tensor);
  double tail =
      full.values[4] * full.values[4] + full.values[5] * full.values[5];
  EXPECT_NEAR(result.error, tail, 1e-9 * result.norm);
  for (int64_t k = 0; k < 4; ++k)
    EXPECT_NEAR(std::abs(result.factors[1][k]), full.values[k], 1e-9);
}

TEST(FactorizationTest, KroneckerIsTheNearest) {
  // Van Loan and Pitsianis: the error is the tail of the rearranged matrix.
  const int64_t a = 3, b = 4, c = 5, d = 2;
  std::vector<double> tensor = makeNormal(a * b * c * d, 23), rearranged;
  for (int64_t ia = 0; ia < a; ++ia)
    for (int64_t ic = 0; ic < c; ++ic)
      for (int64_t ib = 0; ib < b; ++ib)
        for (int64_t id = 0; id < d; ++id)
          rearranged.push_back(tensor[(ia * b + ib) * (c * d) + ic * d + id]);
  SingularValues svd = truncatedSVD(rearranged, a * c, b * d, b * d);
  std::map<std::string, int64_t> sizes{
      {"a", a}, {"b", b}, {"c", c}, {"d", d}, {"r", 3}};
  double tail = 0;
  for (size_t k = 1; k < svd.values.size(); ++k)
    tail += svd.values[k] * svd.values[k];
  Factorization one = fit(makeProblem("(a b) (c d) = a c, b d", sizes), tensor);
  EXPECT_NEAR(one.error, tail, 1e-9 * one.norm);
  Factorization three =
      fit(makeProblem("(a b) (c d) = a c r, b d r", sizes), tensor);
  EXPECT_NEAR(three.error,
              tail - std::pow(svd.values[1], 2) - std::pow(svd.values[2], 2),
              1e-9 * one.norm);
}

TEST(FactorizationTest, TensorTrainIsQuasiOptimal) {
  // Oseledets: at most the sum of the tails of all unfoldings.
  std::map<std::string, int64_t> sizes{
      {"i", 4}, {"j", 5}, {"k", 6}, {"r", 2}, {"s", 3}};
  std::vector<double> tensor = makeNormal(4 * 5 * 6, 24);
  SingularValues first = truncatedSVD(tensor, 4, 30, 4);
  SingularValues second = truncatedSVD(tensor, 20, 6, 6);
  double tails = 0;
  for (size_t k = 2; k < 4; ++k)
    tails += first.values[k] * first.values[k];
  for (size_t k = 3; k < 6; ++k)
    tails += second.values[k] * second.values[k];
  FactorizationOptions splitOnly;
  splitOnly.maxSweeps = 0;
  Problem problem = makeProblem("i j k = i r, r j s, s k", sizes);
  Factorization split = fit(problem, tensor, splitOnly);
  EXPECT_LE(split.error, tails * (1 + 1e-9));
  EXPECT_LE(fit(problem, tensor).error, split.error * (1 + 1e-9));
}

TEST(FactorizationTest, PrefixesOfSortedNamesAreGood) {
  // A chain fitted at rank 4 and cut to 2 is about as good as one fitted at 2
  // without sweeps.
  std::map<std::string, int64_t> sizes{
      {"i", 8}, {"j", 8}, {"k", 8}, {"r", 4}, {"s", 4}};
  std::vector<double> noise = makeNormal(512, 25), tensor(512);
  for (int64_t i = 0; i < 8; ++i)
    for (int64_t j = 0; j < 8; ++j)
      for (int64_t k = 0; k < 8; ++k)
        tensor[(i * 8 + j) * 8 + k] =
            1.0 / (1 + i + j + k) + 0.01 * noise[(i * 8 + j) * 8 + k];
  Problem problem = makeProblem("i j k = i r, r j s, s k", sizes);
  Factorization full = fit(problem, tensor);
  Problem half = problem;
  half.sizes[*half.einsum.lookup("r")] = half.sizes[*half.einsum.lookup("s")] =
      2;
  std::vector<std::vector<double>> cut(3);
  for (int64_t i = 0; i < 8; ++i)
    for (int64_t r = 0; r < 2; ++r)
      cut[0].push_back(full.factors[0][i * 4 + r]);
  for (int64_t r = 0; r < 2; ++r)
    for (int64_t j = 0; j < 8; ++j)
      for (int64_t s = 0; s < 2; ++s)
        cut[1].push_back(full.factors[1][(r * 8 + j) * 4 + s]);
  cut[2].assign(full.factors[2].begin(), full.factors[2].begin() + 16);
  double error = 0;
  for (auto [a, b] : llvm::zip(tensor, naive(half, cut)))
    error += (a - b) * (a - b);
  EXPECT_LE(error, 1.5 * fit(half, tensor).error);
}

TEST(FactorizationTest, ImportanceLowersTheWeightedError) {
  std::vector<double> tensor = makeNormal(30 * 20, 26);
  std::vector<std::vector<double>> importance(2);
  for (int64_t j = 0; j < 20; ++j)
    importance[1].push_back(j % 5 == 0 ? 100 : j == 3 ? 0 : 1);
  Problem problem =
      makeProblem("i j = i r, r j", {{"i", 30}, {"j", 20}, {"r", 6}});
  FactorizationOptions options;
  options.importance = importance;
  auto measure = [&](const Factorization &result) {
    std::vector<double> model = naive(problem, result.factors);
    double error = 0;
    for (size_t i = 0; i < tensor.size(); ++i)
      error += importance[1][i % 20] * std::pow(tensor[i] - model[i], 2);
    return error;
  };
  Factorization aware = fit(problem, tensor, options);
  EXPECT_LT(measure(aware), 0.8 * measure(fit(problem, tensor)));
}

TEST(FactorizationTest, RefineMakesUpForFrozenFactors) {
  // With a random left factor the best right one is least squares: the
  // residual is orthogonal to the left factor.
  Problem problem =
      makeProblem("i j = i r, r j", {{"i", 12}, {"j", 7}, {"r", 5}});
  std::vector<double> tensor = makeNormal(12 * 7, 31);
  std::vector<std::vector<double>> factors = makeFactors(problem, 32);
  llvm::Expected<Factorization> refined = refineFactors(
      problem.einsum, problem.sizes, tensor, factors, {true, false}, {});
  ASSERT_TRUE(bool(refined));
  EXPECT_EQ(refined->factors[0], factors[0]);
  std::vector<double> model = naive(problem, refined->factors);
  for (int64_t r = 0; r < 5; ++r)
    for (int64_t j = 0; j < 7; ++j) {
      double product = 0;
      for (int64_t i = 0; i < 12; ++i)
        product +=
            factors[0][i * 5 + r] * (tensor[i * 7 + j] - model[i * 7 + j]);
      EXPECT_NEAR(product, 0, 1e-9);
    }
  // Names that only one factor has are summed over, frozen or not.
  Problem dangling = makeProblem(
      "i j = i r d, r e j", {{"i", 6}, {"j", 5}, {"r", 5}, {"d", 3}, {"e", 2}});
  tensor = makeNormal(30, 33);
  factors = makeFactors(dangling, 34);
  refined = refineFactors(dangling.einsum, dangling.sizes, tensor, factors,
                          {true, false}, {});
  ASSERT_TRUE(bool(refined));
  model = naive(dangling, refined->factors);
  double error = 0;
  for (auto [a, b] : llvm::zip(tensor, model))
    error += (a - b) * (a - b);
  EXPECT_NEAR(refined->error, error, 1e-9);
  EXPECT_LT(error, 0.8 * refined->norm);
  refined = refineFactors(problem.einsum, problem.sizes, tensor, factors,
                          {true, false}, {});
  EXPECT_EQ(llvm::toString(refined.takeError()),
            "factorization of 84 values, found 30");
}

TEST(FactorizationTest, RandomizedMatchesTheSpectrum) {
  // Rank 8 of 300 x 280 with slowly falling singular values.
  const int64_t rows = 300, cols = 280, rank = 8;
  std::vector<double> tensor(rows * cols, 0);
  double total = 0, captured = 0;
  for (int64_t k = 0; k < 40; ++k) {
    // Discrete cosine vectors are orthonormal.
    double value = 10.0 / (1 + k);
    total += value * value;
    captured += k < rank ? value * value : 0;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j)
        tensor[i * cols + j] += value * std::sqrt(2.0 / rows) *
                                std::cos(M_PI * (i + 0.5) * (k + 1) / rows) *
                                std::sqrt(2.0 / cols) *
                                std::cos(M_PI * (j + 0.5) * (k + 1) / cols);
  }
  SingularValues svd = truncatedSVD(tensor, rows, cols, rank);
  for (int64_t k = 0; k < rank; ++k)
    EXPECT_NEAR(svd.values[k], 10.0 / (1 + k), 0.02 * svd.values[k]);
  Factorization result = fit(
      makeProblem("i j = i r, r j", {{"i", rows}, {"j", cols}, {"r", rank}}),
      tensor);
  EXPECT_LT(result.error, 1.02 * (total - captured));
}

TEST(FactorizationTest, DegenerateInputs) {
  std::map<std::string, int64_t> sizes{{"i", 3}, {"j", 0}, {"r", 2}};
  Factorization empty = fit(makeProblem("i j = i r, r j", sizes), {});
  EXPECT_EQ(empty.factors[0].size(), 6u);
  EXPECT_EQ(empty.error, 0);
  sizes = {{"i", 3}, {"j", 2}, {"r", 0}};
  Problem none = makeProblem("i j = i r, r j", sizes);
  llvm::Expected<Factorization> zero =
      fitFactors(none.einsum, none.sizes, {1, 2, 3, 4, 5, 6}, {});
  ASSERT_TRUE(bool(zero));
  EXPECT_EQ(zero->error, 91);
  sizes["r"] = 2;
  Problem problem = makeProblem("i j = i r, r j", sizes);
  EXPECT_EQ(fit(problem, {0, 0, 0, 0, 0, 0}).error, 0);
  // Far from 1.
  Factorization large =
      fit(problem, {1e140, 2e140, 3e140, 4e140, 5e140, 6e140});
  EXPECT_NEAR(large.factors[0][0] * large.factors[1][0] +
                  large.factors[0][1] * large.factors[1][2],
              1e140, 1e130);
  auto getError = [&](std::vector<double> tensor) {
    return llvm::toString(
        fitFactors(problem.einsum, problem.sizes, tensor, {}).takeError());
  };
  EXPECT_EQ(getError({1, 2}), "factorization of 6 values, found 2");
  EXPECT_EQ(getError({1, 2, NAN, 4, 5, 6}),
            "cannot factorize a tensor with values that are not finite");
}

//===- SearchTest.cpp - Properties of the searches --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/Search.h"
#include "llvm/ADT/StringExtras.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <random>

using namespace compress;

static const Search &get(llvm::StringRef name) {
  return *llvm::cantFail(lookupSearch(name));
}

/// Any instance: levels in no order, dominated ones, equal bytes.
static std::vector<SiteChoices> makeRandom(std::mt19937 &engine) {
  auto number = [&](unsigned limit) { return engine() % limit; };
  std::vector<SiteChoices> sites(1 + number(5));
  for (size_t s = 0; s < sites.size(); ++s) {
    sites[s].site = "w" + std::to_string(s);
    sites[s].choices.resize(1 + number(4));
    for (size_t c = 0; c < sites[s].choices.size(); ++c)
      sites[s].choices[c] = {"l" + std::to_string(c), 1 + number(50),
                             double(number(1000)) / 100};
  }
  return sites;
}

/// Convex trade-offs whose steps cost the same bytes: greedy is optimal.
static std::vector<SiteChoices> makeConvex(std::mt19937 &engine) {
  std::vector<SiteChoices> sites(1 + engine() % 4);
  for (size_t s = 0; s < sites.size(); ++s) {
    std::vector<double> gains(1 + engine() % 4);
    for (double &gain : gains)
      gain = double(engine() % 20);
    std::sort(gains.begin(), gains.end());
    double error = 0;
    uint64_t bytes = 10 * (gains.size() + 1);
    sites[s].site = "w" + std::to_string(s);
    sites[s].choices.push_back({"best", bytes, error});
    for (double gain : gains) {
      error += gain;
      bytes -= 10;
      sites[s].choices.push_back({"l" + std::to_string(bytes), bytes, error});
    }
  }
  return sites;
}

/// The least error under the budget by trying everything; nothing if none fits.
static std::optional<double> bruteForce(llvm::ArrayRef<SiteChoices> sites,
                                        uint64_t budget) {
  std::optional<double> best;
  std::vector<unsigned> choices(sites.size(), 0);
  while (true) {
    Assignment candidate = makeAssignment(sites, choices);
    if (candidate.bytes <= budget && (!best || candidate.error < *best))
      best = candidate.error;
    size_t s = 0;
    for (; s < sites.size(); ++s) {
      if (++choices[s] < sites[s].choices.size())
        break;
      choices[s] = 0;
    }
    if (s == sites.size())
      return best;
  }
}

TEST(Greedy, NeverExceedsTheBudgetAndIsMonotone) {
  std::mt19937 engine(1);
  for (int round = 0; round < 300; ++round) {
    std::vector<SiteChoices> sites = makeRandom(engine);
    double previous = 1e9;
    for (uint64_t bytes = 0; bytes <= 260; ++bytes) {
      auto result = get("greedy").solve(sites, {bytes});
      std::optional<double> best = bruteForce(sites, bytes);
      ASSERT_EQ(bool(result), best.has_value());
      if (!result) {
        llvm::consumeError(result.takeError());
        continue;
      }
      EXPECT_LE(result->bytes, bytes);
      EXPECT_LE(result->error, previous + 1e-9);
      EXPECT_GE(result->error, *best - 1e-9);
      Assignment again = makeAssignment(sites, result->choices);
      EXPECT_EQ(again.bytes, result->bytes);
      previous = result->error;
    }
    // Without a limit, nothing is given away.
    auto free = llvm::cantFail(get("greedy").solve(sites, {}));
    EXPECT_NEAR(free.error, *bruteForce(sites, 1000), 1e-9);
  }
}

TEST(Greedy, IsOptimalOnConvexInstances) {
  std::mt19937 engine(2);
  for (int round = 0; round < 200; ++round) {
    std::vector<SiteChoices> sites = makeConvex(engine);
    for (uint64_t bytes = 0; bytes <= 200; bytes += 5) {
      auto result = get("greedy").solve(sites, {bytes});
      std::optional<double> best = bruteForce(sites, bytes);
      ASSERT_EQ(bool(result), best.has_value());
      if (result)
        EXPECT_NEAR(result->error, *best, 1e-9);
      else
        llvm::consumeError(result.takeError());
    }
  }
}

TEST(Uniform, PicksTheBestLevelThatFits) {
  std::vector<SiteChoices> sites = {
      {"a", {{"f32", 40, 0}, {"int8", 10, 1}, {"int4", 5, 3}}},
      {"b", {{"int4", 10, 2}, {"f32", 80, 0}, {"int8", 20, 1}}}};
  auto levelAt = [&](uint64_t bytes) {
    Assignment result = llvm::cantFail(get("uniform").solve(sites, {bytes}));
    EXPECT_LE(result.bytes, bytes);
    std::string level = sites[0].choices[result.choices[0]].level;
    EXPECT_EQ(level, sites[1].choices[result.choices[1]].level);
    return level;
  };
  EXPECT_EQ(levelAt(120), "f32");
  EXPECT_EQ(levelAt(119), "int8");
  EXPECT_EQ(levelAt(30), "int8");
  EXPECT_EQ(levelAt(29), "int4");
  EXPECT_EQ(llvm::toString(get("uniform").solve(sites, {14}).takeError()),
            "infeasible: the budget for weights is 14 bytes, best is 15 bytes "
            "with the level 'int4'");
}

TEST(Search, SaysWhatIsWrong) {
  std::vector<SiteChoices> sites = {{"a", {{"int8", 10, 1}}}};
  EXPECT_EQ(llvm::toString(get("greedy").solve(sites, {9}).takeError()),
            "infeasible: the budget for weights is 9 bytes, best is 10 bytes "
            "with the smallest level everywhere");
  sites.push_back({"b", {}});
  EXPECT_EQ(llvm::toString(get("greedy").solve(sites, {}).takeError()),
            "site 'b' has no level to choose from");
  EXPECT_EQ(llvm::toString(lookupSearch("magic").takeError()),
            "unknown search 'magic'; known are greedy, uniform");
  EXPECT_TRUE(llvm::cantFail(get("uniform").solve({}, {0})).choices.empty());
}

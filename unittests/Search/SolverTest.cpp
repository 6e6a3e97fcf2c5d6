//===- SolverTest.cpp - Searches against brute force ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Instances.h"
#include "gtest/gtest.h"
#include <ctime>

using namespace compress;

static constexpr double tolerance = 1e-9;

/// Solves with each search; the exact ones equal brute force, the others are
/// feasible and not better, and bounds hold.
static void checkAll(const Problem &problem,
                     const std::vector<Assignment> &all) {
  std::optional<double> best = getBest(problem, all);
  for (const Search *search : getSearches()) {
    auto found = search->solve(problem);
    if (!found) {
      std::string message = llvm::toString(found.takeError());
      if (search->isExact()) {
        EXPECT_FALSE(best.has_value())
            << search->getName().str() << ": " << message;
      }
      continue;
    }
    ASSERT_TRUE(best.has_value()) << search->getName().str();
    EXPECT_TRUE(meetsLimits(problem, *found)) << search->getName().str();
    EXPECT_TRUE(isAllowed(problem, found->choices));
    EXPECT_GE(found->get(problem.objective), *best - tolerance);
    EXPECT_LE(found->bound, *best + tolerance);
    if (search->isExact()) {
      EXPECT_NEAR(found->get(problem.objective), *best, tolerance)
          << search->getName().str();
    }
  }
}

TEST(Exact, EqualsBruteForceWithOneLimit) {
  std::mt19937 engine(1);
  for (int round = 0; round < 40; ++round) {
    Problem problem = makeRandom(engine, false);
    std::vector<Assignment> all = enumerateAll(problem);
    for (double bytes = 0; bytes <= 260; bytes += 13) {
      problem.setLimit(0, bytes);
      checkAll(problem, all);
    }
  }
}

TEST(Exact, EqualsBruteForceWithCouplingAndTwoLimits) {
  std::mt19937 engine(2);
  int feasible = 0;
  for (int round = 0; round < 120; ++round) {
    Problem problem = makeRandom(engine, true);
    std::vector<Assignment> all = enumerateAll(problem);
    for (double share : {0.3, 0.5, 0.7}) {
      double sites = problem.sites.size();
      problem.setLimit(0, std::floor(50 * sites * share));
      problem.setLimit(1, 9e-3 * sites * (1.1 - share));
      checkAll(problem, all);
      feasible += getBest(problem, all).has_value();
    }
  }
  // Most instances say something.
  EXPECT_GT(feasible, 140);
}

TEST(Exact, AnyQuantityIsTheObjective) {
  std::mt19937 engine(3);
  for (int round = 0; round < 100; ++round) {
    Problem problem = makeRandom(engine, true);
    std::vector<Assignment> all = enumerateAll(problem);
    double sites = problem.sites.size();
    // The fewest bytes within an error and a time.
    problem.objective = 0;
    problem.setLimit(errorQuantity, 5 * sites);
    problem.setLimit(1, 5e-3 * sites);
    checkAll(problem, all);
    // Three limits, all that there is.
    problem.setLimit(0, 30 * sites);
    checkAll(problem, all);
  }
}

TEST(Exact, LimitOnTheLargest) {
  std::mt19937 engine(4);
  for (int round = 0; round < 100; ++round) {
    Problem problem = makeRandom(engine, true);
    problem.costs[1].isLargest = true;
    std::vector<Assignment> all = enumerateAll(problem);
    for (double peak : {2e-3, 5e-3, 8e-3}) {
      problem.setLimit(0, 30 * double(problem.sites.size()));
      problem.setLimit(1, peak);
      checkAll(problem, all);
    }
  }
}

TEST(Greedy, IsMonotoneAndFindsAllThatIsFeasible) {
  std::mt19937 engine(5);
  for (int round = 0; round < 200; ++round) {
    Problem problem = makeRandom(engine, false);
    std::vector<Assignment> all = enumerateAll(problem);
    double previous = 1e9;
    for (double bytes = 0; bytes <= 260; bytes += 2) {
      problem.setLimit(0, bytes);
      auto found = getSearch("greedy").solve(problem);
      ASSERT_EQ(bool(found), getBest(problem, all).has_value());
      if (!found) {
        llvm::consumeError(found.takeError());
        continue;
      }
      EXPECT_LE(found->error, previous + tolerance);
      previous = found->error;
    }
    // Without a limit, nothing is given away.
    problem.limits.clear();
    EXPECT_NEAR(llvm::cantFail(getSearch("greedy").solve(problem)).error,
                *getBest(problem, all), tolerance);
  }
}

TEST(Exact, IsMonotoneInTheLimit) {
  std::mt19937 engine(6);
  for (const char *name : {"dp", "ilp"}) {
    Problem problem = makeLarge(engine, 12, 8);
    double whole = 0;
    for (const SiteChoices &site : problem.sites)
      whole += site.choices.back().costs[0];
    double previous = 1e9;
    for (int percent = 10; percent <= 100; percent += 5) {
      problem.setLimit(0, std::floor(whole * percent / 100));
      Assignment found = llvm::cantFail(getSearch(name).solve(problem));
      EXPECT_LE(found.error, previous * (1 + 1e-9)) << name;
      previous = found.error;
    }
  }
}

TEST(Frontier, IsNotDominated) {
  std::mt19937 engine(7);
  for (int round = 0; round < 50; ++round) {
    Problem problem = makeRandom(engine, true);
    std::vector<Assignment> all = enumerateAll(problem);
    std::vector<double> limits;
    for (double bytes = 5; bytes <= 260; bytes += 5)
      limits.push_back(bytes);
    auto frontier = solveFrontier(getSearch("dp"), problem, 0, limits);
    if (!frontier) {
      llvm::consumeError(frontier.takeError());
      EXPECT_TRUE(all.empty());
      continue;
    }
    for (size_t i = 0; i < frontier->size(); ++i) {
      const Assignment &point = (*frontier)[i];
      if (i) {
        EXPECT_GT(point.costs[0], (*frontier)[i - 1].costs[0]);
        EXPECT_LT(point.error, (*frontier)[i - 1].error);
      }
      for (const Assignment &other : all)
        EXPECT_FALSE(other.costs[0] <= point.costs[0] &&
                     other.error < point.error - tolerance);
    }
  }
}

/// 50 sites x 40 levels: exact in well under 5 s. With one limit the two exact
/// searches, which share little, agree; two that both bind are for `ilp`.
TEST(Exact, SolvesFiftySitesWithFortyLevels) {
  std::mt19937 engine(8);
  Problem problem = makeLarge(engine, 50, 40);
  double bytes = 0, seconds = 0, slowest = 0;
  for (const SiteChoices &site : problem.sites) {
    bytes += site.choices.back().costs[0];
    seconds += site.choices.back().costs[1];
  }
  auto solve = [&](const char *name) {
    // Nothing of the machine's load: what it takes is reported, not judged.
    std::clock_t begin = std::clock();
    Assignment found = llvm::cantFail(getSearch(name).solve(problem));
    double time = double(std::clock() - begin) / CLOCKS_PER_SEC;
    slowest = std::max(slowest, time);
    return found;
  };
  for (double share : {0.08, 0.12, 0.3, 0.6}) {
    problem.limits.clear();
    problem.setLimit(0, std::floor(bytes * share));
    for (bool two : {false, true}) {
      if (two)
        problem.setLimit(1, seconds * 0.4);
      Assignment best = solve("ilp"), near = solve("lagrange");
      if (!two)
        EXPECT_NEAR(solve("dp").error / best.error, 1, 1e-6);
      EXPECT_GE(near.error, best.error * (1 - 1e-9));
      EXPECT_LE(near.bound, best.error * (1 + 1e-9));
      EXPECT_LE(near.error, best.error * 1.15) << share << " " << two;
    }
  }
  RecordProperty("slowest_cpu_seconds", std::to_string(slowest));
}

TEST(Exact, SaysWhenMemoryIsNotEnough) {
  std::mt19937 engine(9);
  Problem problem = makeLarge(engine, 50, 40);
  problem.setLimit(0, 1e7);
  SolveOptions options;
  options.maxStates = 100;
  auto found = getSearch("dp").solve(problem, options);
  ASSERT_FALSE(bool(found));
  EXPECT_TRUE(llvm::StringRef(llvm::toString(found.takeError()))
                  .starts_with("dp: more than 100 partial assignments"));
}

TEST(Random, DependsOnTheSeedOnly) {
  std::mt19937 engine(10);
  Problem problem = makeLarge(engine, 20, 10);
  problem.setLimit(0, 1e6);
  SolveOptions one, two;
  two.seed = 1;
  auto solve = [&](const SolveOptions &options) {
    return llvm::cantFail(getSearch("random").solve(problem, options)).choices;
  };
  EXPECT_EQ(solve(one), solve(one));
  EXPECT_NE(solve(one), solve(two));
}

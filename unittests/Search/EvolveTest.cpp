//===- EvolveTest.cpp - Refinement by running candidates --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/Evolve.h"
#include "Instances.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace compress;

/// An error that is no sum: pairs of neighbours that are both coarse cost more.
static double getTrueError(const Problem &problem, const Assignment &found) {
  double sum = found.error;
  for (size_t s = 1; s < found.choices.size(); ++s)
    sum += 20 *
           std::sqrt(problem.sites[s - 1].choices[found.choices[s - 1]].error *
                     problem.sites[s].choices[found.choices[s]].error);
  return sum;
}

TEST(Evolve, ImprovesWithinTheLimitsAndIsNeverWorse) {
  std::mt19937 engine(1);
  int better = 0;
  for (int round = 0; round < 20; ++round) {
    Problem problem = makeLarge(engine, 12, 6);
    double whole = 0, seconds = 0;
    for (const SiteChoices &site : problem.sites) {
      whole += site.choices.back().costs[0];
      seconds += site.choices.back().costs[1];
    }
    problem.setLimit(0, whole * 0.15);
    problem.setLimit(1, seconds * 0.7);
    if (round % 2)
      problem.couplings.push_back({{2, 5, 7}, {}});
    auto seed = getSearch("ilp").solve(problem);
    if (!seed) {
      llvm::consumeError(seed.takeError());
      continue;
    }
    size_t runs = 0;
    EvolveOptions options;
    options.seed = round;
    options.numSamples = 32;
    // Samples agree up to noise that depends on them.
    auto fitness =
        [&](const Assignment &candidate,
            llvm::ArrayRef<size_t> samples) -> llvm::Expected<double> {
      EXPECT_TRUE(meetsLimits(problem, candidate));
      EXPECT_TRUE(isAllowed(problem, candidate.choices));
      runs += samples.size();
      double noise = 0;
      for (size_t sample : samples)
        noise += std::sin(double(sample)) / double(samples.size());
      return getTrueError(problem, candidate) * (1 + 0.01 * noise);
    };
    EvolveResult result =
        llvm::cantFail(evolve(problem, *seed, fitness, options));
    EXPECT_LE(result.fitness, result.seedFitness);
    EXPECT_LE(getTrueError(problem, result.best),
              getTrueError(problem, *seed) * (1 + 1e-12));
    better += result.fitness < result.seedFitness * 0.98;
    EvolveResult again =
        llvm::cantFail(evolve(problem, *seed, fitness, options));
    EXPECT_EQ(again.best.choices, result.best.choices);
    // Most candidates saw few samples.
    EXPECT_LT(result.numSampleRuns,
              options.numSamples * options.generations * options.offspring / 3);
  }
  EXPECT_GE(better, 10);
}

TEST(Evolve, KeepsTheSeedWhenNothingIsBetter) {
  std::mt19937 engine(2);
  Problem problem = makeLarge(engine, 8, 5);
  problem.setLimit(0, 2e6);
  Assignment seed = llvm::cantFail(getSearch("dp").solve(problem));
  auto fitness = [&](const Assignment &candidate,
                     llvm::ArrayRef<size_t>) -> llvm::Expected<double> {
    return candidate.choices == seed.choices ? 1 : std::nan("");
  };
  EvolveOptions options;
  options.numSamples = 4;
  EvolveResult result = llvm::cantFail(evolve(problem, seed, fitness, options));
  EXPECT_EQ(result.best.choices, seed.choices);
  auto failing = [&](const Assignment &,
                     llvm::ArrayRef<size_t>) -> llvm::Expected<double> {
    return llvm::createStringError("no");
  };
  EXPECT_EQ(llvm::toString(evolve(problem, seed, failing, options).takeError()),
            "no");
}

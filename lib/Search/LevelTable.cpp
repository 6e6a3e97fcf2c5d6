//===- LevelTable.cpp - What each level costs at each site ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/LevelTable.h"
#include <cstdio>
#include <cstdlib>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Results of jobs
//===----------------------------------------------------------------------===//

/// Bytes and errors, exactly, and why the level is excluded.
static std::string writeChoice(double bytes, double error, double weightError,
                               StringRef excluded) {
  char numbers[96];
  std::snprintf(numbers, sizeof numbers, "%a %a %a ", bytes, error,
                weightError);
  return numbers + excluded.str();
}

static void readChoice(StringRef text, Choice &choice) {
  auto takeNumber = [&] {
    auto [number, rest] = text.split(' ');
    text = rest;
    return std::strtod(number.str().c_str(), nullptr);
  };
  choice.costs = {takeNumber()};
  choice.error = takeNumber();
  choice.weightError = takeNumber();
  choice.excluded = text.str();
}

/// All that the table depends on.
static std::string getInputs(ArrayRef<Site> sites, ArrayRef<Level> levels,
                             const LevelDatabase &database) {
  std::string all;
  for (const Site &site : sites)
    all += database.getKey(site, levels.front());
  for (const Level &level : levels)
    all += level.getSpelling().str() + "\n";
  return hashHex(all);
}

//===----------------------------------------------------------------------===//
// Table
//===----------------------------------------------------------------------===//

llvm::Expected<Problem>
compress::buildLevelTable(ArrayRef<Site> sites, ArrayRef<Level> levels,
                          const LevelDatabase &database,
                          const ProgressCallback &progress, JobPool *pool) {
  Problem problem;
  problem.costs = {{"bytes"}};
  problem.sites.resize(sites.size());
  if (sites.empty() || levels.empty())
    return problem;
  for (auto [site, row] : llvm::zip_equal(sites, problem.sites)) {
    row.site = site.name;
    row.isElementwise = site.isElementwise();
    row.choices.resize(levels.size());
    // Said once and at once, not level by level.
    for (const Level &level : levels)
      if (level.needsStatistics())
        if (auto error =
                measureActivationError(site, level, database.getStatistics());
            !error)
          return error.takeError();
  }
  JobPool alone;
  if (!pool)
    pool = &alone;
  auto results = pool->run(
      sites.front().type.getContext(), sites.size() * levels.size(),
      pool->isAlone() ? "" : getInputs(sites, levels, database),
      [&](size_t i) {
        const Site &site = sites[i / levels.size()];
        const Level &level = levels[i % levels.size()];
        double whole = site.getBytes();
        if (std::string reason = level.whyNotOffered(site); !reason.empty())
          return writeChoice(whole, 0, 0, reason);
        if (level.isNone())
          return writeChoice(whole, 0, 0, "");
        auto summary = database.getSummary(site, level);
        if (!summary)
          return writeChoice(whole, 0, 0, llvm::toString(summary.takeError()));
        return writeChoice(summary->bytes,
                           summary->error.relative + summary->activationError,
                           summary->error.relative, "");
      },
      progress);
  if (!results)
    return results.takeError();
  for (auto [i, result] : llvm::enumerate(*results)) {
    Choice &choice =
        problem.sites[i / levels.size()].choices[i % levels.size()];
    choice.level = levels[i % levels.size()].getSpelling().str();
    readChoice(result, choice);
  }
  for (const SiteChoices &row : problem.sites)
    if (llvm::none_of(row.choices,
                      [](const Choice &c) { return c.excluded.empty(); }))
      return llvm::createStringError(Twine(row.choices.front().excluded));
  return problem;
}

Plan compress::makePlan(ArrayRef<Site> sites, const Problem &problem,
                        const Assignment &assignment) {
  Plan plan;
  std::optional<Quantity> bytes = problem.lookupCost("bytes");
  std::optional<Quantity> seconds = problem.lookupCost("seconds");
  std::optional<Quantity> predicted = problem.lookupCost(kPredictedSeconds);
  std::vector<std::string> reasons = explain(problem, assignment);
  for (auto [site, row, index, reason] :
       llvm::zip_equal(sites, problem.sites, assignment.choices, reasons)) {
    const Choice &choice = row.choices[index];
    PlanEntry &entry = plan.sites.emplace_back();
    entry.name = site.name;
    entry.level = choice.level;
    entry.op = site.getOpName();
    entry.node = site.getNodeName();
    entry.shape = site.type.getShape().vec();
    entry.bytesBefore = site.getBytes();
    if (bytes) {
      double size = choice.costs[*bytes];
      entry.bits = size * 8 / double(site.getNumElements());
      entry.bytesAfter = uint64_t(size);
    }
    entry.error = choice.error;
    if (seconds)
      entry.seconds = choice.costs[*seconds];
    if (predicted)
      entry.predictedSeconds = choice.costs[*predicted];
    entry.reason = reason;
  }
  return plan;
}

//===- LevelTable.cpp - What each level costs at each site ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/LevelTable.h"
#include "mlir/IR/Threading.h"
#include <atomic>

using namespace mlir;
using namespace compress;

llvm::Expected<Problem>
compress::buildLevelTable(ArrayRef<Site> sites, ArrayRef<Level> levels,
                          const LevelDatabase &database,
                          const ProgressCallback &progress) {
  Problem problem;
  problem.costs = {{"bytes"}};
  problem.sites.resize(sites.size());
  if (sites.empty() || levels.empty())
    return problem;
  for (auto [site, row] : llvm::zip_equal(sites, problem.sites)) {
    row.site = site.name;
    row.choices.resize(levels.size());
    // Said once and at once, not level by level.
    for (const Level &level : levels)
      if (level.needsStatistics())
        if (auto error =
                measureActivationError(site, level, database.getStatistics());
            !error)
          return error.takeError();
  }
  size_t total = sites.size() * levels.size();
  std::atomic<size_t> done(0);
  MLIRContext *context = sites.front().type.getContext();
  parallelFor(context, 0, total, [&](size_t i) {
    const Site &site = sites[i / levels.size()];
    const Level &level = levels[i % levels.size()];
    Choice &choice =
        problem.sites[i / levels.size()].choices[i % levels.size()];
    choice.level = level.getSpelling().str();
    choice.costs = {double(site.getBytes())};
    if (!level.isNone()) {
      auto summary = database.getSummary(site, level);
      if (summary) {
        choice.costs = {double(summary->bytes)};
        choice.error = summary->error.relative + summary->activationError;
      } else {
        choice.excluded = llvm::toString(summary.takeError());
      }
    }
    if (progress)
      progress(++done, total);
  });
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

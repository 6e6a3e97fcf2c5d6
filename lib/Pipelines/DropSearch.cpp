//===- DropSearch.cpp - Limits on what the model loses ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DropSearch.h"
#include "compress/Search/LevelTable.h"
#include "compress/Support/Format.h"
#include "compress/Support/ProgressBar.h"
#include <map>

using namespace mlir;
using namespace compress;

namespace {
/// Finds the plan of least cost whose measured drop is acceptable.
class DropSearch {
public:
  DropSearch(const PlanRequest &request, const PlanSubject &subject,
             Problem table)
      : request(request), subject(subject), table(std::move(table)),
        cost(*this->table.lookupCost(request.objective)) {
    this->table.objective = errorQuantity;
  }

  llvm::Expected<Assignment> run(std::vector<std::string> &notes);

private:
  /// The plan under a budget when its drop is acceptable.
  llvm::Expected<bool> attempt(std::optional<double> limit);
  llvm::Expected<Assignment> solve(std::optional<double> limit) {
    Problem limited = table;
    if (limit)
      limited.setLimit(cost, *limit);
    return request.search->solve(limited, {request.seed});
  }

  const PlanRequest &request;
  const PlanSubject &subject;
  Problem table;
  Quantity cost;
  std::map<std::vector<unsigned>, double> measured;
  /// Of the last attempt.
  Assignment last;
  double lastDrop = 0;
};
} // namespace

llvm::Expected<bool> DropSearch::attempt(std::optional<double> limit) {
  auto assignment = solve(limit);
  if (!assignment)
    return assignment.takeError();
  last = std::move(*assignment);
  auto known = measured.find(last.choices);
  if (known == measured.end()) {
    auto drop = subject.measureDrop(makePlan(subject.sites.sites, table, last));
    if (!drop)
      return drop.takeError();
    known = measured.emplace(last.choices, *drop).first;
  }
  lastDrop = known->second;
  return lastDrop <= *request.maxDrop;
}

llvm::Expected<Assignment> DropSearch::run(std::vector<std::string> &notes) {
  constexpr int maxSteps = 8;
  ProgressBar bar("search", maxSteps + 2);
  // The most faithful plan first: if it is not good enough, none is.
  auto good = attempt(std::nullopt);
  if (!good)
    return good.takeError();
  if (!*good)
    return llvm::createStringError(
        "--max-drop: the best plan" +
        Twine(table.limits.empty() ? "" : " within the other limits") +
        " loses " + formatPercent(lastDrop) + ", more than " +
        formatPercent(*request.maxDrop) + "; add levels to --levels" +
        (table.limits.empty() ? "" : " or allow more"));
  bar.update(1);
  Assignment best = last;
  double bestDrop = lastDrop;

  double low = 0;
  for (const SiteChoices &site : table.sites) {
    double least = std::numeric_limits<double>::infinity();
    for (const Choice &choice : site.choices)
      if (choice.excluded.empty())
        least = std::min(least, choice.costs[cost]);
    low += least;
  }
  // `low` is a budget that is known or taken to be too small.
  for (int step = 0; step < maxSteps + 1 && best.get(cost) > low; ++step) {
    double budget = step ? low + (best.get(cost) - low) / 2 : low;
    // Not every search reaches the sum of the smallest choices.
    if (auto feasible = solve(budget); !feasible) {
      llvm::consumeError(feasible.takeError());
      low = budget;
      continue;
    }
    auto good = attempt(budget);
    if (!good)
      return good.takeError();
    if (*good && last.get(cost) < best.get(cost)) {
      best = last;
      bestDrop = lastDrop;
    } else if (!*good) {
      low = budget;
    } else {
      break;
    }
    bar.update(step + 2, table.format(cost, best.get(cost)));
  }
  notes.push_back("--max-drop: " + std::to_string(measured.size()) +
                  " plans were measured; the chosen one loses " +
                  formatPercent(bestDrop));
  return best;
}

llvm::Expected<Assignment>
compress::solveWithinDrop(const PlanRequest &request,
                          const PlanSubject &subject, Problem table,
                          std::vector<std::string> &notes) {
  return DropSearch(request, subject, std::move(table)).run(notes);
}

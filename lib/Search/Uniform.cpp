//===- Uniform.cpp - The search `uniform` -----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/Search.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <tuple>

using namespace compress;
using llvm::StringRef;
using llvm::Twine;

namespace {

class UniformSearch : public Search {
public:
  StringRef getName() const override { return "uniform"; }
  StringRef getSummary() const override {
    return "the one level with the least error that meets the limits";
  }

protected:
  llvm::Expected<std::optional<Assignment>>
  find(const Problem &problem, const NormalForm &normal,
       const SolveOptions &options) const override;
};

/// The choices of all sites with this level; nothing when one of them cannot
/// have it. Sites that may choose from one level only (pinned ones) keep that.
std::optional<std::vector<unsigned>> select(const Problem &problem,
                                            StringRef level) {
  std::vector<unsigned> choices;
  for (const SiteChoices &site : problem.sites) {
    std::optional<unsigned> chosen, only;
    unsigned allowed = 0;
    for (auto [index, choice] : llvm::enumerate(site.choices)) {
      if (!choice.excluded.empty())
        continue;
      ++allowed;
      only = index;
      if (choice.level == level)
        chosen = index;
    }
    if (!chosen && allowed == 1)
      chosen = only;
    if (!chosen)
      return std::nullopt;
    choices.push_back(*chosen);
  }
  return choices;
}

} // namespace

llvm::Expected<std::optional<Assignment>>
UniformSearch::find(const Problem &problem, const NormalForm &,
                    const SolveOptions &) const {
  // In the order of their first mention.
  std::vector<StringRef> levels;
  for (const SiteChoices &site : problem.sites)
    for (const Choice &choice : site.choices)
      if (!llvm::is_contained(levels, choice.level))
        levels.push_back(choice.level);
  if (levels.empty())
    return makeAssignment(problem, {});

  std::optional<Assignment> best, nearest;
  std::string nearestLevel;
  bool fitsAll = false;
  for (StringRef level : levels) {
    auto choices = select(problem, level);
    if (!choices || !isAllowed(problem, *choices))
      continue;
    fitsAll = true;
    Assignment candidate = makeAssignment(problem, std::move(*choices));
    if (meetsLimits(problem, candidate)) {
      if (!best || std::make_tuple(candidate.get(problem.objective),
                                   candidate.error, candidate.costs) <
                       std::make_tuple(best->get(problem.objective),
                                       best->error, best->costs))
        best = std::move(candidate);
      continue;
    }
    Quantity first = problem.limits.front().quantity;
    if (!nearest || candidate.get(first) < nearest->get(first)) {
      nearest = std::move(candidate);
      nearestLevel = level.str();
    }
  }
  if (!fitsAll)
    return llvm::createStringError("no level fits every site");
  if (best)
    return best;
  Limit limit = problem.limits.front();
  return llvm::createStringError(
      "infeasible: at most " + problem.format(limit.quantity, limit.atMost) +
      " asked for, best is " +
      problem.format(limit.quantity, nearest->get(limit.quantity)) +
      " with the level '" + nearestLevel + "'");
}

std::unique_ptr<Search> compress::createUniformSearch() {
  return std::make_unique<UniformSearch>();
}

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
using llvm::ArrayRef;
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
/// have it. Sites that may choose from one level only (pinned ones) keep that,
/// and what is no weight takes what uses least of `quantity`: this level or
/// one without an error.
std::optional<std::vector<unsigned>>
select(const Problem &problem, StringRef level, Quantity quantity) {
  std::vector<unsigned> choices;
  for (const SiteChoices &site : problem.sites) {
    std::optional<unsigned> chosen, only;
    unsigned allowed = 0;
    for (auto [index, choice] : llvm::enumerate(site.choices)) {
      if (!choice.excluded.empty())
        continue;
      ++allowed;
      only = index;
      if (choice.level != level && !(site.isElementwise && choice.error == 0))
        continue;
      if (!chosen || problem.get(choice, quantity) <
                         problem.get(site.choices[*chosen], quantity))
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

/// With all that constants of elementwise operations may choose, the best.
std::optional<Assignment> findBest(const Problem &problem, StringRef level,
                                   ArrayRef<unsigned> selected) {
  Problem restricted = problem;
  for (auto [site, chosen] : llvm::zip_equal(restricted.sites, selected))
    for (auto [index, choice] : llvm::enumerate(site.choices))
      if (index != chosen &&
          !(site.isElementwise && (choice.level == level || choice.error == 0)))
        choice.excluded = "the plan has the level " + level.str();
  auto best = createDynamicProgramSearch()->solve(restricted, {});
  if (!best) {
    llvm::consumeError(best.takeError());
    return std::nullopt;
  }
  return std::move(*best);
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
  bool hasConstants = llvm::any_of(
      problem.sites, [](const SiteChoices &s) { return s.isElementwise; });
  Quantity scarce =
      problem.limits.empty() ? errorQuantity : problem.limits.front().quantity;
  for (StringRef level : levels) {
    auto choices = select(problem, level, scarce);
    if (!choices || !isAllowed(problem, *choices))
      continue;
    fitsAll = true;
    Assignment candidate = makeAssignment(problem, *choices);
    if (hasConstants)
      if (auto best = findBest(problem, level, *choices))
        candidate = std::move(*best);
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

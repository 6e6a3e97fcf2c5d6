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
    return "the one level with the least error that meets the budget";
  }

protected:
  llvm::Expected<Assignment> find(ArrayRef<SiteChoices> sites,
                                  const Budget &budget) const override;
};

/// The choices of all sites with this level; nothing when a site lacks it.
std::optional<std::vector<unsigned>> select(ArrayRef<SiteChoices> sites,
                                            StringRef level) {
  std::vector<unsigned> choices;
  for (const SiteChoices &site : sites) {
    auto it = llvm::find_if(site.choices,
                            [&](const Choice &c) { return c.level == level; });
    if (it == site.choices.end())
      return std::nullopt;
    choices.push_back(it - site.choices.begin());
  }
  return choices;
}

} // namespace

llvm::Expected<Assignment> UniformSearch::find(ArrayRef<SiteChoices> sites,
                                               const Budget &budget) const {
  if (sites.empty())
    return Assignment();
  std::optional<Assignment> best, smallest;
  std::string smallestLevel;
  for (const Choice &choice : sites.front().choices) {
    auto choices = select(sites, choice.level);
    if (!choices)
      continue;
    Assignment candidate = makeAssignment(sites, std::move(*choices));
    if (!smallest || candidate.bytes < smallest->bytes) {
      smallest = candidate;
      smallestLevel = choice.level;
    }
    if (budget.bytes && candidate.bytes > *budget.bytes)
      continue;
    if (!best || std::tie(candidate.error, candidate.bytes) <
                     std::tie(best->error, best->bytes))
      best = std::move(candidate);
  }
  if (!smallest)
    return llvm::createStringError("no level fits every site");
  if (!best)
    return makeInfeasible(budget, smallest->bytes,
                          "with the level '" + Twine(smallestLevel) + "'");
  return *best;
}

std::unique_ptr<Search> compress::createUniformSearch() {
  return std::make_unique<UniformSearch>();
}

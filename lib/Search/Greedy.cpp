//===- Greedy.cpp - The search `greedy` -------------------------*- C++ -*-===//
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

namespace {

class GreedySearch : public Search {
public:
  StringRef getName() const override { return "greedy"; }
  StringRef getSummary() const override {
    return "per site, by error taken away per byte";
  }

protected:
  llvm::Expected<Assignment> find(ArrayRef<SiteChoices> sites,
                                  const Budget &budget) const override;
};

/// From one point of a site's hull to the next.
struct Upgrade {
  unsigned site, choice;
  /// Position among the site's upgrades.
  unsigned step;
  uint64_t bytes;
  /// Error taken away per byte.
  double gain;
};

double getGain(const Choice &from, const Choice &to) {
  return (from.error - to.error) / double(to.bytes - from.bytes);
}

/// The lower convex hull of (bytes, error), from the fewest bytes to the least
/// error: along it, no step gains more per byte than the one before.
std::vector<unsigned> getHull(ArrayRef<Choice> choices) {
  std::vector<unsigned> order(choices.size());
  for (unsigned i = 0; i < order.size(); ++i)
    order[i] = i;
  llvm::sort(order, [&](unsigned a, unsigned b) {
    return std::tie(choices[a].bytes, choices[a].error, a) <
           std::tie(choices[b].bytes, choices[b].error, b);
  });
  auto gain = [&](unsigned from, unsigned to) {
    return getGain(choices[from], choices[to]);
  };
  std::vector<unsigned> hull;
  for (unsigned next : order) {
    // More bytes must buy less error.
    if (!hull.empty() && (choices[next].error >= choices[hull.back()].error ||
                          choices[next].bytes == choices[hull.back()].bytes))
      continue;
    while (hull.size() >= 2 &&
           gain(hull.back(), next) > gain(hull[hull.size() - 2], hull.back()))
      hull.pop_back();
    hull.push_back(next);
  }
  return hull;
}

} // namespace

llvm::Expected<Assignment> GreedySearch::find(ArrayRef<SiteChoices> sites,
                                              const Budget &budget) const {
  std::vector<unsigned> choices;
  std::vector<Upgrade> upgrades;
  uint64_t bytes = 0;
  for (auto [index, site] : llvm::enumerate(sites)) {
    std::vector<unsigned> hull = getHull(site.choices);
    choices.push_back(hull.front());
    bytes += site.choices[hull.front()].bytes;
    for (unsigned step = 1; step < hull.size(); ++step) {
      const Choice &from = site.choices[hull[step - 1]];
      const Choice &to = site.choices[hull[step]];
      upgrades.push_back({unsigned(index), hull[step], step,
                          to.bytes - from.bytes, getGain(from, to)});
    }
  }
  if (budget.bytes && bytes > *budget.bytes)
    return makeInfeasible(budget, bytes, "with the smallest level everywhere");

  llvm::sort(upgrades, [](const Upgrade &a, const Upgrade &b) {
    return std::tie(b.gain, a.site, a.step) < std::tie(a.gain, b.site, b.step);
  });
  // What follows a step that does not fit builds on it. Passing it over and
  // taking cheaper steps of other sites keeps the error monotone in the
  // budget: all that fits later gains less per byte than the step that a
  // larger budget would have bought.
  std::vector<bool> stopped(sites.size(), false);
  for (const Upgrade &upgrade : upgrades) {
    if (stopped[upgrade.site])
      continue;
    if (budget.bytes && upgrade.bytes > *budget.bytes - bytes) {
      stopped[upgrade.site] = true;
      continue;
    }
    choices[upgrade.site] = upgrade.choice;
    bytes += upgrade.bytes;
  }
  return makeAssignment(sites, std::move(choices));
}

std::unique_ptr<Search> compress::createGreedySearch() {
  return std::make_unique<GreedySearch>();
}

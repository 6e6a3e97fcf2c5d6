//===- Greedy.cpp - The search `greedy` -------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/Search.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <tuple>

using namespace compress;
using llvm::ArrayRef;
using llvm::StringRef;

namespace {

class GreedySearch : public Search {
public:
  StringRef getName() const override { return "greedy"; }
  StringRef getSummary() const override {
    return "per site, by error taken away per byte (or other limit)";
  }

protected:
  llvm::Expected<std::optional<Assignment>>
  find(const Problem &problem, const NormalForm &normal,
       const SolveOptions &options) const override;
};

/// From one point of a variable's hull to the next.
struct Upgrade {
  unsigned variable, option;
  /// Position among the variable's upgrades.
  unsigned step;
  /// Objective taken away per use.
  double gain;
};

/// Options with what they use of all limits together, in shares of them.
struct Point {
  unsigned option;
  double use, objective;
};

double getGain(const Point &from, const Point &to) {
  return (from.objective - to.objective) / (to.use - from.use);
}

/// The lower convex hull of (use, objective), from the least use to the least
/// objective: along it, no step gains more per use than the one before.
std::vector<Point> getHull(std::vector<Point> points) {
  llvm::sort(points, [&](const Point &a, const Point &b) {
    return std::tie(a.use, a.objective, a.option) <
           std::tie(b.use, b.objective, b.option);
  });
  std::vector<Point> hull;
  for (const Point &next : points) {
    // More use must buy less of the objective.
    if (!hull.empty() && (next.objective >= hull.back().objective ||
                          next.use == hull.back().use))
      continue;
    while (hull.size() >= 2 && getGain(hull.back(), next) >
                                   getGain(hull[hull.size() - 2], hull.back()))
      hull.pop_back();
    hull.push_back(next);
  }
  return hull;
}

} // namespace

llvm::Expected<std::optional<Assignment>>
GreedySearch::find(const Problem &problem, const NormalForm &normal,
                   const SolveOptions &) const {
  std::vector<unsigned> options;
  std::vector<Upgrade> upgrades;
  for (auto [index, variable] : llvm::enumerate(normal.variables)) {
    std::vector<Point> points;
    for (auto [o, option] : llvm::enumerate(variable.options)) {
      double use = 0;
      if (normal.limits.size() == 1)
        use = option.uses[0];
      else
        for (auto [part, limit] : llvm::zip_equal(option.uses, normal.limits))
          use += part / std::max(std::fabs(limit), 1e-300);
      points.push_back({unsigned(o), use, option.objective});
    }
    std::vector<Point> hull = getHull(std::move(points));
    options.push_back(hull.front().option);
    for (unsigned step = 1; step < hull.size(); ++step)
      upgrades.push_back({unsigned(index), hull[step].option, step,
                          getGain(hull[step - 1], hull[step])});
  }
  // With several limits, the least use of all need not be within each.
  if (!normal.isFeasible(options))
    return std::nullopt;

  llvm::sort(upgrades, [](const Upgrade &a, const Upgrade &b) {
    return std::tie(b.gain, a.variable, a.step) <
           std::tie(a.gain, b.variable, b.step);
  });
  std::vector<double> used(normal.limits.size(), 0);
  for (auto [variable, option] : llvm::zip_equal(normal.variables, options))
    for (auto [sum, use] : llvm::zip_equal(used, variable.options[option].uses))
      sum += use;
  // What follows a step that does not fit builds on it. Passing it over and
  // taking cheaper steps of others keeps the objective monotone in a single
  // limit: all that fits later gains less per use than the step that a larger
  // limit would have bought.
  std::vector<bool> stopped(options.size(), false);
  for (const Upgrade &upgrade : upgrades) {
    if (stopped[upgrade.variable])
      continue;
    const std::vector<Option> &all = normal.variables[upgrade.variable].options;
    const Option &from = all[options[upgrade.variable]];
    const Option &to = all[upgrade.option];
    bool fits = true;
    for (auto [sum, before, after, limit] :
         llvm::zip_equal(used, from.uses, to.uses, normal.limits))
      fits &= isWithin(sum - before + after, limit);
    if (!fits) {
      stopped[upgrade.variable] = true;
      continue;
    }
    for (auto [sum, before, after] : llvm::zip_equal(used, from.uses, to.uses))
      sum += after - before;
    options[upgrade.variable] = upgrade.option;
  }
  if (!normal.isFeasible(options))
    return std::nullopt;
  return normal.getAssignment(problem, options);
}

std::unique_ptr<Search> compress::createGreedySearch() {
  return std::make_unique<GreedySearch>();
}

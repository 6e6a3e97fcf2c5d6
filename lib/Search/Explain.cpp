//===- Explain.cpp - Why a site has its level -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Relaxation.h"
#include "compress/Support/Format.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <cmath>

using namespace compress;
using llvm::StringRef;

namespace {
/// What one limit says about the choices of a site.
struct Context {
  const Problem &problem;
  Quantity quantity;
  /// Objective that one unit of the quantity is worth; 0 without a limit.
  double price;

  std::string formatAmount(double amount) const {
    return problem.getName(quantity) == "bytes"
               ? formatBytes(uint64_t(std::fabs(amount)))
               : problem.format(quantity, std::fabs(amount));
  }
  /// What rates are given per.
  std::pair<std::string, double> getUnit() const {
    StringRef name = problem.getName(quantity);
    if (name == "bytes")
      return {"KiB", 1024};
    if (name == "memory")
      return {"KiB of memory", 1024};
    if (name == "seconds")
      return {"ms", 1e-3};
    if (name == "flops")
      return {"MFLOP", 1e6};
    if (name == "bops")
      return {"GBOP", 1e9};
    if (name == "joules")
      return {"uJ", 1e-6};
    return {"unit of " + name.str(), 1};
  }
  double getUse(const Choice &choice) const {
    return problem.get(choice, quantity);
  }
  double getObjective(const Choice &choice) const {
    return problem.get(choice, problem.objective);
  }
};
} // namespace

static std::string formatSmall(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

static std::string explainSite(const Context &context, const SiteChoices &site,
                               unsigned chosen, StringRef coupled) {
  const Choice &now = site.choices[chosen];
  StringRef objective = context.problem.getName(context.problem.objective);
  // The nearest levels on both sides: less use for the least objective, and
  // less objective for the least use.
  const Choice *cheaper = nullptr, *better = nullptr;
  unsigned allowed = 0;
  std::string excluded;
  for (const Choice &choice : site.choices) {
    if (!choice.excluded.empty() || std::isinf(context.getObjective(choice))) {
      if (excluded.empty())
        excluded = choice.excluded;
      continue;
    }
    ++allowed;
    double use = context.getUse(choice) - context.getUse(now);
    double change = context.getObjective(choice) - context.getObjective(now);
    if (use < 0 && (!cheaper || context.getObjective(choice) <
                                    context.getObjective(*cheaper)))
      cheaper = &choice;
    if (change < 0 &&
        (!better || context.getUse(choice) < context.getUse(*better)))
      better = &choice;
  }
  if (allowed == 1)
    return "the only level that it may have" +
           (excluded.empty() ? "" : ": " + excluded);

  std::string text;
  auto add = [&](const std::string &part) {
    text += (text.empty() ? "" : "; ") + part;
  };
  auto [unit, size] = context.getUnit();
  auto getRate = [&, unit = unit, size = size](double change, double use) {
    return formatSmall(std::fabs(change / use) * size) + " per " + unit;
  };
  std::string worth;
  if (context.price > 0)
    worth = "the limit makes a " + unit + " worth " +
            formatSmall(context.price * size);
  if (cheaper) {
    double use = context.getUse(now) - context.getUse(*cheaper);
    double change = context.getObjective(*cheaper) - context.getObjective(now);
    if (change > 0)
      add(cheaper->level + " would save " + context.formatAmount(use) +
          " but add " + formatSmall(change) + " of " + objective.str() + ", " +
          getRate(change, use));
    else
      add(cheaper->level + " would be no worse, but not fit other limits");
  }
  if (better) {
    double use = context.getUse(*better) - context.getUse(now);
    double change = context.getObjective(now) - context.getObjective(*better);
    if (use > 0)
      add(better->level + " would take away " + formatSmall(change) + " of " +
          objective.str() + " but cost " + context.formatAmount(use) + ", " +
          getRate(change, use));
  }
  if (!cheaper && !better)
    add("nothing is better or takes less");
  else if (!better)
    add("nothing has less " + objective.str());
  else if (!cheaper)
    add("nothing takes less");
  if (!worth.empty() && (cheaper || better))
    add(worth);
  if (site.isElementwise && !excluded.empty())
    add("not every level is offered: " + excluded);
  if (!coupled.empty())
    add("chosen together with " + coupled.str());
  return text;
}

std::vector<std::string> compress::explain(const Problem &problem,
                                           const Assignment &assignment) {
  Context context{problem, errorQuantity, 0};
  if (!problem.costs.empty())
    context.quantity = 0;
  if (auto normal = NormalForm::create(problem)) {
    // The limit that costs most.
    Relaxation relaxation = relax(*normal);
    double most = 0;
    size_t sum = 0;
    for (const Limit &limit : problem.limits) {
      if (limit.quantity >= 0 && problem.costs[limit.quantity].isLargest)
        continue;
      double price =
          sum < relaxation.prices.size() ? relaxation.prices[sum] : 0;
      ++sum;
      if (price * std::fabs(limit.atMost) <= most)
        continue;
      most = price * std::fabs(limit.atMost);
      context.quantity = limit.quantity;
      context.price = price;
    }
  } else {
    llvm::consumeError(normal.takeError());
  }
  std::vector<std::string> reasons;
  for (auto [index, site] : llvm::enumerate(problem.sites)) {
    std::string coupled;
    for (const Coupling &coupling : problem.couplings)
      if (llvm::is_contained(coupling.sites, index))
        for (unsigned other : coupling.sites)
          if (other != index)
            coupled +=
                (coupled.empty() ? "" : ", ") + problem.sites[other].site;
    reasons.push_back(
        explainSite(context, site, assignment.choices[index], coupled));
  }
  return reasons;
}

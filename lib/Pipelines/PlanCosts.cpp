//===- PlanCosts.cpp - What plans cost besides bytes ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PlanCosts.h"
#include "compress/Search/LevelTable.h"
#include "compress/Support/Format.h"
#include "compress/Support/ProgressBar.h"
#include <cmath>
#include <map>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Size
//===----------------------------------------------------------------------===//

llvm::Expected<std::optional<uint64_t>>
compress::getSiteBudget(const PlanRequest &request,
                        const PlanSubject &subject) {
  std::optional<uint64_t> budget;
  if (request.maxSize) {
    uint64_t limit = request.maxSize->getBytes(subject.bytes);
    // What is no site keeps its size.
    uint64_t rest =
        subject.bytes - std::min(subject.bytes, subject.sites.getBytes());
    if (limit < rest)
      return llvm::createStringError(
          "--max-size: " + request.maxSize->spelling + " is " +
          formatBytes(limit) +
          ", but constants that cannot be compressed take " +
          formatBytes(rest));
    budget = limit - rest;
  }
  if (request.maxBits) {
    double elements = 0;
    for (const Site &site : subject.sites.sites)
      elements += double(site.getNumElements());
    auto bytes = uint64_t(std::min(elements * *request.maxBits / 8, 1e18));
    budget = std::min(budget.value_or(UINT64_MAX), bytes);
  }
  return budget;
}

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

llvm::Error compress::addWorkCosts(const PlanRequest &request,
                                   const PlanSubject &subject,
                                   Problem &problem) {
  struct Column {
    const char *name, *option;
    const std::optional<CostLimit> &limit;
    double SiteWork::*get;
    Quantity quantity = 0;
    double whole = 0;
  };
  std::vector<Column> columns;
  auto add = [&](const char *name, const char *option,
                 const std::optional<CostLimit> &limit, double SiteWork::*get) {
    if (!limit && request.objective != name)
      return;
    columns.push_back(
        {name, option, limit, get, Quantity(problem.costs.size())});
    problem.costs.push_back({name});
  };
  add("flops", "--max-flops", request.maxFlops, &SiteWork::flops);
  add("bops", "--max-bops", request.maxBops, &SiteWork::bops);
  add("joules", "--max-energy", request.maxEnergy, &SiteWork::joules);
  if (columns.empty())
    return llvm::Error::success();
  Level none = llvm::cantFail(Level::parse("f32"));
  ProgressBar bar("work", problem.sites.size());
  for (auto [index, site, row] :
       llvm::enumerate(subject.sites.sites, problem.sites)) {
    auto asFloat = subject.measureWork(site, none);
    if (!asFloat)
      return atOption(columns.front().option, asFloat.takeError());
    for (Column &column : columns)
      column.whole += (*asFloat).*column.get;
    for (auto [choice, level] : llvm::zip_equal(row.choices, request.levels)) {
      SiteWork work = *asFloat;
      if (choice.excluded.empty() && !level.isNone()) {
        auto own = subject.measureWork(site, level);
        if (own)
          work = *own;
        else
          choice.excluded = llvm::toString(own.takeError());
      }
      for (const Column &column : columns)
        choice.costs.push_back(work.*column.get);
    }
    bar.update(index + 1);
  }
  for (const Column &column : columns)
    if (column.limit)
      problem.setLimit(column.quantity, column.limit->get(column.whole));
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

std::optional<Assignment> compress::makeUniform(const Problem &problem,
                                                size_t level) {
  std::vector<unsigned> choices;
  for (const SiteChoices &site : problem.sites) {
    std::optional<unsigned> chosen;
    for (auto [index, choice] : llvm::enumerate(site.choices))
      if (choice.excluded.empty() && (!chosen || index == level))
        chosen = index;
    if (!chosen)
      return std::nullopt;
    choices.push_back(*chosen);
  }
  if (!isAllowed(problem, choices))
    return std::nullopt;
  Assignment assignment = makeAssignment(problem, std::move(choices));
  if (!meetsLimits(problem, assignment))
    return std::nullopt;
  return assignment;
}

llvm::Expected<Assignment> compress::solveWithinMemory(
    const PlanRequest &request, const PlanSubject &subject, Problem &problem,
    llvm::function_ref<llvm::Expected<Assignment>(Problem &)> solve,
    std::vector<std::string> &notes) {
  constexpr int maxAttempts = 6;
  auto whole = subject.measureMemory(nullptr);
  if (!whole)
    return whole.takeError();
  double limit = double(request.maxMemory->getBytes(*whole));
  Quantity bytes = *problem.lookupCost("bytes");
  Quantity memory = problem.costs.size();
  problem.costs.push_back({"memory"});
  for (SiteChoices &row : problem.sites)
    for (Choice &choice : row.choices)
      choice.costs.push_back(choice.costs[bytes]);
  double rest = double(*whole) - double(subject.sites.getBytes());

  double best = double(*whole);
  std::map<std::vector<unsigned>, double> measured;
  auto check = [&](const Assignment &found) -> llvm::Expected<bool> {
    auto known = measured.find(found.choices);
    if (known == measured.end()) {
      Plan plan = makePlan(subject.sites.sites, problem, found);
      auto taken = subject.measureMemory(&plan);
      if (!taken)
        return taken.takeError();
      known = measured.emplace(found.choices, double(*taken)).first;
    }
    best = std::min(best, known->second);
    if (known->second > limit)
      return false;
    notes.push_back(
        "--max-memory: a run takes " + formatBytes(uint64_t(known->second)) +
        ", of float " + formatBytes(*whole) + "; " +
        std::to_string(measured.size()) +
        (measured.size() == 1 ? " plan was" : " plans were") + " measured");
    return true;
  };
  auto infeasible = [&] {
    return llvm::createStringError(
        "--max-memory: infeasible: at most " + formatBytes(uint64_t(limit)) +
        " asked for, best is " + formatBytes(uint64_t(best)) + " (measured)");
  };
  double allowed = limit - rest;
  for (int attempt = 0; attempt < maxAttempts; ++attempt) {
    problem.setLimit(memory, allowed);
    auto found = solve(problem);
    if (!found) {
      // Limits that nothing meets even without this one are the user's.
      if (attempt > 0 || allowed > 0) {
        Problem without = problem;
        without.removeLimit(memory);
        auto any = request.search->solve(without, {request.seed});
        if (!any) {
          llvm::consumeError(found.takeError());
          return any.takeError();
        }
      }
      llvm::consumeError(found.takeError());
      break;
    }
    auto good = check(*found);
    if (!good)
      return good.takeError();
    if (*good)
      return found;
    double excess = measured[found->choices] - limit;
    allowed = std::min(allowed - excess,
                       found->get(memory) * (1 - 1e-6) - excess / 2);
  }
  // What the target prepares from a level's weights is in no sum.
  problem.removeLimit(memory);
  std::vector<Assignment> candidates;
  for (size_t level = 0; level < request.levels.size(); ++level)
    if (auto uniform = makeUniform(problem, level))
      candidates.push_back(std::move(*uniform));
  llvm::sort(candidates, [](const Assignment &a, const Assignment &b) {
    return std::tie(a.error, a.choices) < std::tie(b.error, b.choices);
  });
  for (const Assignment &candidate : candidates) {
    auto good = check(candidate);
    if (!good)
      return good.takeError();
    if (*good) {
      problem.setLimit(memory, candidate.get(memory));
      return candidate;
    }
  }
  return infeasible();
}

//===- LatencySearch.cpp - Limits on the time -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LatencySearch.h"
#include "PlanCosts.h"
#include "compress/Search/LevelTable.h"
#include "compress/Support/Format.h"
#include "compress/Support/ProgressBar.h"

using namespace mlir;
using namespace compress;

/// Levels that are predicted to take so much longer than another one need not
/// be timed. Predictions are nearer than this (docs/CostModel.md).
static constexpr double kSafeFactor = 3;

/// Whether another level of the site is no larger, no less accurate and
/// predicted to be much faster.
static bool isBeaten(const Problem &problem, const SiteChoices &row,
                     const Choice &choice, Quantity predicted) {
  std::optional<Quantity> bytes = problem.lookupCost("bytes");
  return llvm::any_of(row.choices, [&](const Choice &other) {
    return other.excluded.empty() && other.error <= choice.error &&
           (!bytes || other.costs[*bytes] <= choice.costs[*bytes]) &&
           other.costs[predicted] * kSafeFactor < choice.costs[predicted];
  });
}

/// What predictions of a site are multiplied by to be times of this machine.
static double getPredictedScale(const SiteChoices &row, ArrayRef<Level> levels,
                                Quantity predicted, double asFloat) {
  for (auto [choice, level] : llvm::zip_equal(row.choices, levels))
    if (level.isNone() && choice.costs[predicted] > 0)
      return asFloat / choice.costs[predicted];
  return 1;
}

llvm::Expected<double> LatencySearch::getShrinkable(const Site &site,
                                                    const SiteChoices &row,
                                                    double asFloat) {
  double seconds = 0;
  for (auto [choice, level] : llvm::zip_equal(row.choices, request.levels))
    if (level.removesInputs() && choice.excluded.empty()) {
      auto group = subject.timeGroup(site, level, /*isFloat=*/true);
      if (!group)
        return group.takeError();
      seconds = std::max(seconds, group->value_or(asFloat) - asFloat);
    }
  return seconds;
}

llvm::Expected<bool> LatencySearch::timeRemoval(const Site &site,
                                                const Level &level,
                                                const SiteChoices &row,
                                                double whole, Choice &choice) {
  auto after = subject.timeGroup(site, level, /*isFloat=*/false);
  if (!after)
    return after.takeError();
  if (*after) {
    // Groups of other removals at this site may be larger.
    auto own = subject.timeGroup(site, level, /*isFloat=*/true);
    if (!own)
      return own.takeError();
    choice.costs.back() = whole - std::min(whole, **own) + **after;
    return true;
  }
  // Gathering what is left takes longer than it saves.
  if (llvm::any_of(llvm::zip_equal(row.choices, request.levels),
                   [](const auto &other) {
                     return std::get<0>(other).excluded.empty() &&
                            !std::get<1>(other).removesInputs();
                   }))
    choice.excluded = subject.untimed.empty()
                          ? "its inputs are computed for others too"
                          : "what computes its inputs cannot be timed here";
  return false;
}

llvm::Error LatencySearch::addSeconds(Problem &problem) {
  auto timed = subject.timePlan(nullptr);
  if (!timed)
    return timed.takeError();
  whole = *timed;
  limit = request.maxLatency ? request.maxLatency->getSeconds(whole)
                             : std::numeric_limits<double>::infinity();
  seconds = problem.costs.size();
  problem.costs.push_back({"seconds"});
  Level none = llvm::cantFail(Level::parse("f32"));
  double sites = 0, again = 0;
  std::optional<Quantity> predicted = problem.lookupCost(kPredictedSeconds);
  size_t numTimed = 0, numPredicted = 0;
  ProgressBar bar("time", problem.sites.size());
  for (auto [index, site, row] :
       llvm::enumerate(subject.sites.sites, problem.sites)) {
    auto asFloat = subject.timeSite(site, none);
    if (!asFloat)
      return asFloat.takeError();
    sites += *asFloat;
    auto before = getShrinkable(site, row, *asFloat);
    if (!before)
      return before.takeError();
    sites += *before;
    again += *before;
    for (auto [choice, level] : llvm::zip_equal(row.choices, request.levels)) {
      choice.costs.push_back(*before + *asFloat);
      if (!choice.excluded.empty() || level.isNone())
        continue;
      if (level.removesInputs()) {
        auto isKnown =
            timeRemoval(site, level, row, *before + *asFloat, choice);
        if (!isKnown)
          return isKnown.takeError();
        if (*isKnown) {
          ++numTimed;
          continue;
        }
      } else if (predicted && isBeaten(problem, row, choice, *predicted)) {
        // Nobody will choose it, so its time need not be known well.
        double scale =
            getPredictedScale(row, request.levels, *predicted, *asFloat);
        choice.costs.back() = *before + choice.costs[*predicted] * scale;
        ++numPredicted;
        continue;
      }
      if (!choice.excluded.empty())
        continue;
      ++numTimed;
      auto time = subject.timeSite(site, level);
      if (!time)
        choice.excluded = llvm::toString(time.takeError());
      else
        choice.costs.back() = *before + *time;
    }
    bar.update(index + 1);
  }
  bar.finish();
  rest = whole - sites;
  if (request.maxLatency)
    problem.setLimit(seconds, limit - rest);
  if (subject.untimed.empty())
    notes.push_back(
        "--max-latency: the float model takes " + formatDuration(whole) +
        ", of which its sites, timed alone, " + formatDuration(sites - again));
  else
    notes.push_back(
        "--max-latency: times are predicted from nominal figures, not "
        "measured, since nothing can be run: " +
        subject.untimed + "; the sites of the float model take " +
        formatDuration(whole));
  if (numPredicted && subject.untimed.empty())
    notes.push_back("--max-latency: " + std::to_string(numTimed) +
                    " times of levels at sites were measured; " +
                    std::to_string(numPredicted) +
                    " are predicted to be far slower than a better level");
  return llvm::Error::success();
}

llvm::Expected<double> LatencySearch::time(const Problem &problem,
                                           const Assignment &assignment) {
  auto known = timed.find(assignment.choices);
  if (known != timed.end())
    return known->second;
  Plan plan = makePlan(subject.sites.sites, problem, assignment);
  auto time = subject.timePlan(&plan);
  if (!time)
    return time.takeError();
  return timed[assignment.choices] = *time;
}

llvm::Expected<bool> LatencySearch::check(const Problem &problem,
                                          const Assignment &found) {
  auto measured = time(problem, found);
  if (!measured)
    return measured.takeError();
  best = std::min(best, *measured);
  if (*measured > limit)
    return false;
  if (!subject.untimed.empty()) {
    notes.push_back("--max-latency: predicted " + formatDuration(*measured) +
                    ", not measured");
    return true;
  }
  notes.push_back("--max-latency: predicted " +
                  formatDuration(found.get(seconds) + rest) + ", measured " +
                  formatDuration(*measured) + "; " +
                  std::to_string(timed.size()) +
                  (timed.size() == 1 ? " plan was" : " plans were") + " timed");
  return true;
}

llvm::Error LatencySearch::getInfeasible() const {
  char speed[48];
  std::snprintf(speed, sizeof speed, " (%s, %.2fx as fast as float)",
                subject.untimed.empty() ? "measured" : "predicted",
                whole / best);
  return llvm::createStringError(
      "infeasible: at most " + formatDuration(limit) + " asked for, best is " +
      formatDuration(best) + speed);
}

/// How often a limit on a sum of times is corrected.
static constexpr int kMaxAttempts = 6;

llvm::Expected<Assignment> LatencySearch::run(
    Problem &problem,
    llvm::function_ref<llvm::Expected<Assignment>(const Problem &)> solve) {
  best = std::numeric_limits<double>::infinity();
  double allowed = limit - rest;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    problem.setLimit(seconds, allowed);
    auto found = solve(problem);
    if (!found)
      return found;
    auto good = check(problem, *found);
    if (!good)
      return good.takeError();
    if (*good)
      return found;
    double excess = timed[found->choices] - limit;
    allowed = std::min(allowed - excess,
                       found->get(seconds) * (1 - 1e-6) - excess / 2);
  }
  return getInfeasible();
}

llvm::Expected<Assignment> LatencySearch::run(Problem &problem) {
  best = std::numeric_limits<double>::infinity();
  double allowed = limit - rest;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    problem.setLimit(seconds, allowed);
    auto found = request.search->solve(problem, {request.seed});
    if (!found) {
      llvm::consumeError(found.takeError());
      break;
    }
    auto good = check(problem, *found);
    if (!good)
      return good.takeError();
    if (*good)
      return *found;
    // Sums predict differences well: what is too much comes off, and the next
    // answer is another one.
    double excess = timed[found->choices] - limit;
    allowed = std::min(allowed - excess,
                       found->get(seconds) * (1 - 1e-6) - excess / 2);
  }
  // The fastest by the sum, and each level alone: what neighbours share makes
  // uniform plans faster than their sum. Other limits are kept.
  Problem fast = problem;
  fast.removeLimit(seconds);
  fast.objective = seconds;
  auto fastest = request.search->solve(fast, {request.seed});
  if (!fastest)
    return fastest.takeError();
  std::vector<Assignment> candidates = {std::move(*fastest)};
  fast.objective = problem.objective;
  for (size_t level = 0; level < request.levels.size(); ++level)
    if (auto uniform = makeUniform(fast, level))
      candidates.push_back(std::move(*uniform));
  llvm::sort(candidates, [](const Assignment &a, const Assignment &b) {
    return std::tie(a.error, a.choices) < std::tie(b.error, b.choices);
  });
  for (const Assignment &candidate : candidates) {
    auto good = check(problem, candidate);
    if (!good)
      return good.takeError();
    if (*good) {
      problem.setLimit(seconds, candidate.get(seconds));
      return candidate;
    }
  }
  return getInfeasible();
}

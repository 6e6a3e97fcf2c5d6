//===- ChoosePlan.cpp - From a request to a plan ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChoosePlan.h"
#include "DropSearch.h"
#include "LatencySearch.h"
#include "PlanCosts.h"
#include "RemovalCredit.h"
#include "StitchedSearch.h"
#include "compress/Search/LevelTable.h"
#include "compress/Search/SharedOperands.h"
#include "compress/Support/Format.h"
#include "compress/Support/ProgressBar.h"
#include <cmath>
#include <map>
#include <mutex>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

/// "int8 3, int4-g32 2", most frequent first.
static std::string countLevels(const Plan &plan) {
  std::map<std::string, unsigned> counts;
  for (const PlanEntry &entry : plan.sites)
    ++counts[entry.level];
  std::vector<std::pair<std::string, unsigned>> sorted(counts.begin(),
                                                       counts.end());
  llvm::sort(sorted, [](const auto &a, const auto &b) {
    return std::tie(b.second, a.first) < std::tie(a.second, b.first);
  });
  std::string text;
  for (const auto &[level, count] : sorted)
    text += (text.empty() ? "" : ", ") + level + " " + std::to_string(count);
  return text;
}

namespace {
/// What was found for one more limit on the time.
struct LatencyPoint {
  double limit;
  Problem problem;
  Assignment assignment;
};
} // namespace

/// The chosen plan, more points of the frontier, and the baselines of each.
/// `seed` is what refinement began with, if it found something better.
static llvm::Expected<std::vector<Alternative>>
getAlternatives(const PlanRequest &request, const PlanSubject &subject,
                Problem problem, const Assignment &chosen,
                const std::optional<Assignment> &seed,
                ArrayRef<LatencyPoint> latencies) {
  Quantity bytes = *problem.lookupCost("bytes");
  uint64_t rest =
      subject.bytes - std::min(subject.bytes, subject.sites.getBytes());
  std::vector<Alternative> points;
  auto add = [&](std::string search, uint64_t limit,
                 const Assignment &assignment) -> SearchPoint & {
    Alternative &alternative = points.emplace_back();
    alternative.plan = makePlan(subject.sites.sites, problem, assignment);
    SearchPoint &point = alternative.point;
    point.search = std::move(search);
    point.limitBytes = limit;
    point.bytes = rest + uint64_t(assignment.get(bytes));
    point.predictedError = std::sqrt(assignment.error);
    point.levels = countLevels(alternative.plan);
    for (auto [kind, total] : llvm::zip_equal(problem.costs, assignment.costs))
      point.costs.emplace_back(kind.name, total);
    return point;
  };
  auto addBaselines = [&](uint64_t limit) {
    for (uint64_t i = 0; i < request.numBaselines; ++i) {
      const Search *search =
          llvm::cantFail(lookupSearch(i ? "random" : "uniform"));
      if (search == request.search)
        continue;
      SolveOptions options;
      options.seed = request.seed + i;
      // What a baseline cannot do is no error.
      auto found = search->solve(problem, options);
      if (found)
        add(i ? "random " + std::to_string(options.seed) : "uniform", limit,
            *found);
      else
        llvm::consumeError(found.takeError());
    }
  };

  // By bytes; the chosen one has the limits that it was found with.
  Problem limited = problem;
  std::vector<uint64_t> limits;
  for (const SizeLimit &size : request.frontier)
    limits.push_back(size.getBytes(subject.bytes));
  llvm::sort(limits);
  limits.erase(llvm::unique(limits), limits.end());
  uint64_t chosenBytes = rest + uint64_t(chosen.get(bytes));
  bool added = false;
  auto addChosen = [&] {
    added = true;
    problem = limited;
    add(request.search->getName().str(),
        request.maxSize ? request.maxSize->getBytes(subject.bytes) : 0, chosen)
        .isChosen = true;
    uint64_t limit = points.back().point.limitBytes;
    if (seed && request.numBaselines > 0)
      add("not refined", limit, *seed);
    addBaselines(limit);
  };
  for (uint64_t limit : limits) {
    if (!added && chosenBytes <= limit)
      addChosen();
    if (limit < rest)
      continue;
    problem = limited;
    problem.setLimit(bytes, double(limit - rest));
    auto found = request.search->solve(problem, {request.seed});
    if (!found) {
      llvm::consumeError(found.takeError());
      continue;
    }
    if (found->choices == chosen.choices)
      continue;
    add(request.search->getName().str(), limit, *found);
    addBaselines(limit);
  }
  if (!added)
    addChosen();
  for (const LatencyPoint &point : latencies) {
    problem = point.problem;
    add(request.search->getName().str(), 0, point.assignment).limitSeconds =
        point.limit;
    size_t first = points.size();
    addBaselines(0);
    for (size_t i = first; i < points.size(); ++i)
      points[i].point.limitSeconds = point.limit;
  }
  return points;
}

/// Adds the cost `kPredictedSeconds`, if the target predicts all that may be
/// chosen.
static llvm::Error addPredictedSeconds(const PlanRequest &request,
                                       const PlanSubject &subject,
                                       Problem &problem) {
  if (!subject.predictSite)
    return llvm::Error::success();
  std::vector<std::vector<double>> times(problem.sites.size());
  for (auto [site, row, column] :
       llvm::zip_equal(subject.sites.sites, problem.sites, times))
    for (auto [choice, level] : llvm::zip_equal(row.choices, request.levels)) {
      double &time = column.emplace_back(0);
      if (!choice.excluded.empty())
        continue;
      auto seconds = subject.predictSite(site, level);
      if (!seconds)
        return seconds.takeError();
      if (!*seconds)
        return llvm::Error::success();
      time = **seconds;
    }
  problem.costs.push_back({kPredictedSeconds.str()});
  for (auto [row, column] : llvm::zip_equal(problem.sites, times))
    for (auto [choice, time] : llvm::zip_equal(row.choices, column))
      choice.costs.push_back(time);
  return llvm::Error::success();
}

llvm::Expected<PlanChoice>
compress::choosePlan(PlanRequest request, const PlanSubject &subject,
                     std::vector<std::string> &notes) {
  PlanChoice choice;
  if (request.level) {
    choice.plan = Plan::uniform(subject.sites.sites, *request.level);
    return choice;
  }
  if (request.plan) {
    if (llvm::Error error = request.plan->verify(subject.sites))
      return std::move(error);
    choice.plan = *request.plan;
    return choice;
  }

  addExactLevels(request.levels, subject.sites.sites);
  auto budget = getSiteBudget(request, subject);
  if (!budget)
    return budget.takeError();
  ProgressBar bar("levels", subject.sites.sites.size() * request.levels.size());
  std::mutex mutex;
  auto table = buildLevelTable(
      subject.sites.sites, request.levels, subject.database,
      [&](size_t done, size_t) {
        std::lock_guard<std::mutex> lock(mutex);
        bar.update(done);
      },
      subject.pool);
  bar.finish();
  if (!table)
    return table.takeError();
  bool isHelper = subject.pool && !subject.pool->isFirst();
  bool isWeighed = subject.stitch && !request.layerErrors;
  if (isHelper && !isWeighed)
    return choice;
  if (llvm::Error error = table->apply(request.rules))
    return atOption("--site", std::move(error));
  for (const std::string &pattern : request.same)
    if (llvm::Error error = table->couple(pattern))
      return atOption("--same", std::move(error));
  if (llvm::Error error =
          coupleSharedOperands(*table, subject.sites.sites, request.levels,
                               {request.sameSiblings, request.rules}, notes))
    return std::move(error);
  if (*budget)
    table->setLimit(*table->lookupCost("bytes"), double(**budget));
  StitchedModel *stitched = nullptr;
  if (isWeighed || (subject.stitch && request.refine)) {
    auto model = subject.stitch();
    if (model) {
      stitched = *model;
    } else {
      std::string reason = llvm::toString(model.takeError());
      if (request.refine)
        return atOption("--refine", llvm::createStringError(reason));
      notes.push_back("errors of layers are taken as they are: " + reason);
    }
  }
  if (stitched && isWeighed)
    if (llvm::Error error = weighErrors(request, subject, *table, *stitched))
      return std::move(error);
  if (isHelper)
    return choice;
  if (llvm::Error error = addPredictedSeconds(request, subject, *table))
    return std::move(error);
  LatencySearch latency(request, subject, notes);
  if (request.maxLatency || request.objective == "seconds" ||
      !request.frontierLatency.empty())
    if (llvm::Error error = latency.addSeconds(*table))
      return atOption("--max-latency", std::move(error));
  if (llvm::Error error = addWorkCosts(request, subject, *table))
    return std::move(error);
  // Errors are squared, as they add up.
  if (request.maxError)
    table->setLimit(errorQuantity, *request.maxError * *request.maxError);
  Quantity objective = request.objective == "error"
                           ? errorQuantity
                           : *table->lookupCost(request.objective);
  if (!request.maxDrop)
    table->objective = objective;
  auto solve = [&](Problem &problem) -> llvm::Expected<Assignment> {
    if (request.maxDrop) {
      auto smallest = [&](const Problem &limited) {
        return solveWithinDrop(request, subject, limited, notes);
      };
      return request.maxLatency ? latency.run(problem, smallest)
                                : smallest(problem);
    }
    if (request.maxLatency) {
      auto found = latency.run(problem);
      if (!found)
        return atOption("--max-latency", found.takeError());
      return found;
    }
    auto found = request.search->solve(problem, {request.seed});
    if (!found)
      return atOption(request.getLimitOption(), found.takeError());
    return found;
  };
  // What shrinks with removed inputs counts where bytes do, but for searches
  // that measure what they find.
  Problem plain = *table;
  bool countsBytes =
      *budget || request.objective == "bytes" || !request.frontier.empty();
  bool isCredited = false;
  if (countsBytes && !request.maxDrop && !request.maxMemory)
    if (auto credited = creditRemovals(subject, request.levels, *table)) {
      *table = std::move(*credited);
      isCredited = true;
    }
  auto found = request.maxMemory
                   ? solveWithinMemory(request, subject, *table, solve, notes)
                   : solve(*table);
  // That excludes levels, so what is found without it may be better. Times
  // exclude these levels anyway.
  if (isCredited && (!found || !request.maxLatency)) {
    auto other = solve(plain);
    if (other && (!found || other->get(objective) < found->get(objective))) {
      if (!found)
        llvm::consumeError(found.takeError());
      found = std::move(other);
      *table = std::move(plain);
      isCredited = false;
    } else if (!other) {
      llvm::consumeError(other.takeError());
    }
  }
  if (!found)
    return found.takeError();
  // From here on, the least error at the least cost that was found. Baselines
  // get no more of it either, and may be worse.
  if (objective != errorQuantity) {
    table->objective = errorQuantity;
    table->setLimit(objective, found->get(objective));
    table->removeLimit(errorQuantity);
  }
  std::optional<Assignment> seed;
  if (request.refine) {
    seed = *found;
    found = refine(request, subject, *table, *found, *stitched, notes);
    if (!found)
      return atOption("--refine", found.takeError());
    if (found->choices == seed->choices)
      seed.reset();
  }
  // A family of plans, one for each speed. What cannot be is not an error.
  std::vector<LatencyPoint> family;
  for (const LatencyLimit &speed : request.frontierLatency) {
    Problem problem = *table;
    double limit = latency.setLimit(speed);
    auto fast = latency.run(problem);
    if (fast)
      family.push_back({limit, std::move(problem), std::move(*fast)});
    else
      notes.push_back("--frontier-latency " + speed.spelling + ": " +
                      llvm::toString(fast.takeError()));
  }
  choice.plan = makePlan(subject.sites.sites, *table, *found);
  auto alternatives = getAlternatives(request, subject, std::move(*table),
                                      *found, seed, family);
  if (!alternatives)
    return alternatives.takeError();
  choice.alternatives = std::move(*alternatives);
  if (isCredited)
    for (Alternative &alternative : choice.alternatives)
      restoreSizes(alternative.plan, subject, plain);
  return choice;
}

//===- ChoosePlan.cpp - From a request to a plan ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChoosePlan.h"
#include "PlanCosts.h"
#include "compress/Search/Evolve.h"
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
// Limits on what the model loses
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// Limits on the time
//===----------------------------------------------------------------------===//

namespace {
/// Keeps a limit on the time of the whole model. Sites are timed alone, which
/// leaves out what they share (caches, fused operations), so what is found is
/// timed as a whole and the limit on the sum corrected until it is kept.
class LatencySearch {
public:
  LatencySearch(const PlanRequest &request, const PlanSubject &subject,
                std::vector<std::string> &notes)
      : request(request), subject(subject), notes(notes) {}

  /// Adds the cost "seconds" and its limit.
  llvm::Error addSeconds(Problem &problem);
  /// Another limit for `run`.
  double setLimit(const LatencyLimit &latency) {
    return limit = latency.getSeconds(whole);
  }
  /// Corrects the limit of `problem`, which is that of the answer at the end.
  llvm::Expected<Assignment> run(Problem &problem);
  /// The same where `solve` keeps another limit that is measured, too: what it
  /// cannot find within the time is an error.
  llvm::Expected<Assignment>
  run(Problem &problem,
      llvm::function_ref<llvm::Expected<Assignment>(const Problem &)> solve);

private:
  /// Whether the plan keeps the limit when it is timed.
  llvm::Expected<bool> check(const Problem &problem, const Assignment &found);
  llvm::Error getInfeasible() const;
  llvm::Expected<double> time(const Problem &problem,
                              const Assignment &assignment);

  const PlanRequest &request;
  const PlanSubject &subject;
  std::vector<std::string> &notes;
  Quantity seconds = 0;
  /// The limit, the time of the float model, and of what is no site.
  double limit = 0, whole = 0, rest = 0;
  std::map<std::vector<unsigned>, double> timed;
  /// The least time of what was checked.
  double best = std::numeric_limits<double>::infinity();
};
} // namespace

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
  double sites = 0;
  std::optional<Quantity> predicted = problem.lookupCost(kPredictedSeconds);
  size_t numTimed = 0, numPredicted = 0;
  ProgressBar bar("time", problem.sites.size());
  for (auto [index, site, row] :
       llvm::enumerate(subject.sites.sites, problem.sites)) {
    auto asFloat = subject.timeSite(site, none);
    if (!asFloat)
      return asFloat.takeError();
    sites += *asFloat;
    for (auto [choice, level] : llvm::zip_equal(row.choices, request.levels)) {
      choice.costs.push_back(*asFloat);
      if (!choice.excluded.empty() || level.isNone())
        continue;
      if (predicted && isBeaten(problem, row, choice, *predicted)) {
        // Nobody will choose it, so its time need not be known well.
        double scale =
            getPredictedScale(row, request.levels, *predicted, *asFloat);
        choice.costs.back() = choice.costs[*predicted] * scale;
        ++numPredicted;
        continue;
      }
      ++numTimed;
      auto time = subject.timeSite(site, level);
      if (!time)
        choice.excluded = llvm::toString(time.takeError());
      else
        choice.costs.back() = *time;
    }
    bar.update(index + 1);
  }
  bar.finish();
  rest = whole - sites;
  if (request.maxLatency)
    problem.setLimit(seconds, limit - rest);
  notes.push_back(
      "--max-latency: the float model takes " + formatDuration(whole) +
      ", of which its sites, timed alone, " + formatDuration(sites));
  if (numPredicted)
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
  notes.push_back("--max-latency: predicted " +
                  formatDuration(found.get(seconds) + rest) + ", measured " +
                  formatDuration(*measured) + "; " +
                  std::to_string(timed.size()) +
                  (timed.size() == 1 ? " plan was" : " plans were") + " timed");
  return true;
}

llvm::Error LatencySearch::getInfeasible() const {
  char speed[48];
  std::snprintf(speed, sizeof speed, " (measured, %.2fx as fast as float)",
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

//===----------------------------------------------------------------------===//
// Errors of the whole model
//===----------------------------------------------------------------------===//

/// Multiplies the errors of each site by what an error there does to the
/// outputs: the site alone is run at a level with an error of about 1 %, or, if
/// asked for, at each level. After that, sums of errors predict the squared
/// relative output error.
static llvm::Error weighErrors(const PlanRequest &request, Problem &problem,
                               StitchedModel &model) {
  constexpr size_t maxSamples = 8;
  constexpr double wanted = 0.01;
  // A site that does nothing here may do something elsewhere.
  constexpr double least = 1e-9;
  std::vector<size_t> samples(std::min(maxSamples, model.getNumSamples()));
  for (size_t i = 0; i < samples.size(); ++i)
    samples[i] = i * model.getNumSamples() / samples.size();
  Level none = llvm::cantFail(Level::parse("f32"));
  std::vector<const Level *> levels(problem.sites.size(), &none);
  ProgressBar bar("weigh", problem.sites.size());
  for (auto [index, row] : llvm::enumerate(problem.sites)) {
    std::vector<double> errors(row.choices.size(), 0);
    std::optional<size_t> nearest;
    auto getDistance = [&](size_t i) {
      return std::fabs(std::log(errors[i] / wanted));
    };
    for (size_t i = 0; i < errors.size(); ++i) {
      if (!row.choices[i].excluded.empty() || request.levels[i].isNone())
        continue;
      errors[i] = row.choices[i].weightError;
      if (errors[i] > 0 && (!nearest || getDistance(i) < getDistance(*nearest)))
        nearest = i;
    }
    const Level *&level = levels[index];
    auto weigh = [&](size_t i) -> llvm::Expected<double> {
      level = &request.levels[i];
      auto output = model.getError(levels, samples);
      level = &none;
      if (!output)
        return output.takeError();
      return std::isfinite(*output) ? std::max(*output / errors[i], least) : 1;
    };
    bar.update(index + 1);
    if (!nearest)
      continue;
    auto typical = weigh(*nearest);
    if (!typical)
      return typical.takeError();
    for (auto [i, choice] : llvm::enumerate(row.choices)) {
      double weight = *typical;
      if (request.weighLevels && errors[i] > 0 && i != *nearest) {
        auto own = weigh(i);
        if (!own)
          return own.takeError();
        weight = *own;
      }
      choice.error *= weight;
    }
  }
  return llvm::Error::success();
}

/// Looks for plans that are better when they are run.
static llvm::Expected<Assignment>
refine(const PlanRequest &request, const PlanSubject &subject,
       const Problem &problem, const Assignment &seed, StitchedModel &model,
       std::vector<std::string> &notes) {
  EvolveOptions options;
  options.seed = request.seed;
  options.generations = request.refine;
  options.numSamples = model.getNumSamples();
  ProgressBar bar("refine", request.refine);
  auto result = evolve(
      problem, seed,
      [&](const Assignment &candidate, ArrayRef<size_t> samples) {
        std::vector<const Level *> levels;
        for (unsigned choice : candidate.choices)
          levels.push_back(&request.levels[choice]);
        if (request.quality)
          return model.getDrop(levels, samples, *request.quality,
                               *subject.calibration);
        return model.getError(levels, samples);
      },
      options, [&](unsigned generation) { bar.update(generation); });
  if (!result)
    return result.takeError();
  char text[200];
  auto show = [&](double fitness) {
    return request.quality ? fitness : std::sqrt(fitness);
  };
  std::snprintf(text, sizeof text,
                "--refine: %s on calibration data %.3g before, %.3g "
                "after; %zu candidates, %zu runs",
                request.quality
                    ? ("drop of " + request.quality->getName()).str().c_str()
                    : "output error",
                show(result->seedFitness), show(result->fitness),
                result->numEvaluations, result->numSampleRuns);
  notes.push_back(text);
  return std::move(result->best);
}

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
compress::choosePlan(const PlanRequest &request, const PlanSubject &subject,
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
  if (subject.pool && !subject.pool->isFirst())
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
  if (subject.stitch && (request.refine || !request.layerErrors)) {
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
  if (stitched && !request.layerErrors)
    if (llvm::Error error = weighErrors(request, *table, *stitched))
      return std::move(error);
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
        return DropSearch(request, subject, limited).run(notes);
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
  auto found = request.maxMemory
                   ? solveWithinMemory(request, subject, *table, solve, notes)
                   : solve(*table);
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
  return choice;
}

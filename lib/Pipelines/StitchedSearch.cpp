//===- StitchedSearch.cpp - What runs of the model tell a search *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StitchedSearch.h"
#include "compress/Search/Evolve.h"
#include "compress/Support/ContentCache.h"
#include "compress/Support/ProgressBar.h"
#include <cmath>
#include <mutex>

using namespace mlir;
using namespace compress;

/// What the errors of each choice of a site are multiplied by: what one of
/// them, or each, does to the outputs when the site alone has that level.
static llvm::Expected<std::vector<double>> weighSite(const PlanRequest &request,
                                                     const Problem &problem,
                                                     size_t site,
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
  const SiteChoices &row = problem.sites[site];
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
  auto weigh = [&](size_t i) -> llvm::Expected<double> {
    levels[site] = &request.levels[i];
    auto output = model.getError(levels, samples);
    if (!output)
      return output.takeError();
    return std::isfinite(*output) ? std::max(*output / errors[i], least) : 1;
  };
  std::vector<double> weights(errors.size(), 1);
  if (!nearest)
    return weights;
  auto typical = weigh(*nearest);
  if (!typical)
    return typical.takeError();
  for (size_t i = 0; i < errors.size(); ++i) {
    weights[i] = *typical;
    if (request.weighLevels && errors[i] > 0 && i != *nearest) {
      auto own = weigh(i);
      if (!own)
        return own.takeError();
      weights[i] = *own;
    }
  }
  return weights;
}

/// What processes that share this work must agree in.
static std::string getInputs(const PlanRequest &request,
                             const Problem &problem) {
  std::string all = request.weighLevels ? "by level\n" : "by site\n";
  for (const SiteChoices &row : problem.sites)
    for (const Choice &choice : row.choices) {
      char number[48];
      std::snprintf(number, sizeof number, "%a", choice.weightError);
      all += row.site + " " + choice.level + " " + number + " " +
             choice.excluded + "\n";
    }
  return hashHex(all);
}

llvm::Error compress::weighErrors(const PlanRequest &request,
                                  const PlanSubject &subject, Problem &problem,
                                  StitchedModel &model) {
  if (problem.sites.empty())
    return llvm::Error::success();
  ProgressBar bar("weigh", problem.sites.size());
  JobPool own;
  JobPool &pool = subject.pool ? *subject.pool : own;
  // Numbers as text, or '!' and why there are none. The model runs one plan at
  // a time, on all threads.
  std::mutex mutex;
  auto results = pool.run(
      subject.sites.sites.front().type.getContext(), problem.sites.size(),
      pool.isAlone() ? "" : getInputs(request, problem),
      [&](size_t site) {
        std::lock_guard<std::mutex> lock(mutex);
        auto weights = weighSite(request, problem, site, model);
        if (!weights)
          return "!" + llvm::toString(weights.takeError());
        std::string text;
        for (double weight : *weights) {
          char number[48];
          std::snprintf(number, sizeof number, "%a ", weight);
          text += number;
        }
        return text;
      },
      [&](size_t done, size_t) {
        std::lock_guard<std::mutex> lock(mutex);
        bar.update(done);
      });
  if (!results)
    return results.takeError();
  for (auto [row, result] : llvm::zip_equal(problem.sites, *results)) {
    if (StringRef(result).starts_with("!"))
      return llvm::createStringError(StringRef(result).drop_front());
    const char *text = result.c_str();
    for (Choice &choice : row.choices) {
      char *end;
      choice.error *= std::strtod(text, &end);
      text = end;
    }
  }
  return llvm::Error::success();
}

llvm::Expected<Assignment>
compress::refine(const PlanRequest &request, const PlanSubject &subject,
                 const Problem &problem, const Assignment &seed,
                 StitchedModel &model, std::vector<std::string> &notes) {
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

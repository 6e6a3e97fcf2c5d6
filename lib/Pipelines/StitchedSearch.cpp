//===- StitchedSearch.cpp - What runs of the model tell a search *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StitchedSearch.h"
#include "compress/Search/Evolve.h"
#include "compress/Support/ProgressBar.h"
#include <cmath>

using namespace mlir;
using namespace compress;

llvm::Error compress::weighErrors(const PlanRequest &request, Problem &problem,
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

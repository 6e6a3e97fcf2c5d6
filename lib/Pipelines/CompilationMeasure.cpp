//===- CompilationMeasure.cpp - Running what was compiled -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"
#include "compress/Support/Format.h"
#include "compress/Support/ProgressBar.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace compress;

llvm::Expected<CompiledModel>
Compilation::compileModule(Module module, const Target &target,
                           ArrayRef<TargetOptions> machines, bool remarks) {
  StringRef name = llvm::sys::path::stem(options.model);
  auto model =
      CompiledModel::compile(module.get(), name, target, machines, remarks);
  if (!model)
    return diagnostics.takeError(llvm::toString(model.takeError()));
  return model;
}

llvm::Expected<JITModel *> Compilation::getFloatModel() {
  if (!floatModel) {
    auto compiled = compileModule(clone(floatModule), target, options.machines);
    if (!compiled)
      return compiled.takeError();
    auto model = JITModel::create(std::move(*compiled), options.threads);
    if (!model)
      return inModel(model.takeError());
    floatModel.emplace(std::move(*model));
  }
  return &*floatModel;
}

llvm::Expected<JITModel> Compilation::makeModel(const Plan &candidate) {
  Module copy = clone(floatModule);
  auto applied = applyPlan(getMain(*copy), candidate, getApplyOptions());
  if (!applied)
    return applied.takeError();
  auto compiled = compileModule(std::move(copy), target, options.machines);
  if (!compiled)
    return compiled.takeError();
  return JITModel::create(std::move(*compiled), options.threads);
}

llvm::Expected<double> Compilation::measureDrop(const Plan &candidate) {
  auto reference = getFloatModel();
  if (!reference)
    return reference.takeError();
  auto model = makeModel(candidate);
  if (!model)
    return model.takeError();
  auto result = evaluate(**reference, *model, *evaluation);
  if (!result)
    return result.takeError();
  return result->getDrop();
}

llvm::Expected<std::vector<NpyArray>> Compilation::getTimedSample() {
  if (evaluation)
    return evaluation->samples.getSample(0);
  if (data)
    return data->getSample(0);
  return makeRandomInputs(inputs, options.seed);
}

llvm::Expected<double> Compilation::timeSite(const Site &site,
                                             const Level &level) {
  if (!siteTimer) {
    auto sample = getTimedSample();
    if (!sample)
      return sample.takeError();
    auto timer = SiteTimer::create(
        *floatModule, *sample, database,
        {&target, options.machines.front(), options.threads, options.seed});
    if (!timer)
      return timer.takeError();
    siteTimer.emplace(std::move(*timer));
  }
  return siteTimer->getSeconds(site, level);
}

llvm::Expected<double> Compilation::timePlan(const Plan *candidate) {
  auto sample = getTimedSample();
  if (!sample)
    return sample.takeError();
  auto reference = getFloatModel();
  if (!reference)
    return reference.takeError();
  SmallVector<JITModel *> models{*reference};
  std::optional<JITModel> model;
  if (candidate) {
    auto made = makeModel(*candidate);
    if (!made)
      return made.takeError();
    model.emplace(std::move(*made));
    models.push_back(&*model);
  }
  auto latencies = compress::measureLatencies(models, *sample);
  if (!latencies)
    return latencies.takeError();
  double whole = latencies->front().median;
  if (!candidate)
    floatSeconds = whole;
  // Machines change their speed. A share of the float model's time is that of
  // its time now, so the plan's is told as if the model still took as long as
  // when the limit was set.
  bool isShare = options.maxLatency && options.maxLatency->isFraction;
  double scale = isShare && floatSeconds ? *floatSeconds / whole : 1;
  return latencies->back().median * scale;
}

llvm::Error Compilation::measureLatencies(JITModel &floatModel,
                                          JITModel &model) {
  auto sample = getTimedSample();
  if (!sample)
    return sample.takeError();
  SmallVector<JITModel *> models{&model};
  if (&floatModel != &model)
    models.push_back(&floatModel);
  auto latencies = compress::measureLatencies(models, *sample);
  if (!latencies)
    return latencies.takeError();
  report.latencyAfter = latencies->front();
  if (isFloat || models.size() > 1)
    report.latencyBefore = latencies->back();
  // Float is timed again, since machines change their speed.
  if (options.maxLatency && report.latencyBefore) {
    double limit = options.maxLatency->getSeconds(report.latencyBefore->median);
    double time = report.latencyAfter->median;
    report.notes.push_back(
        "--max-latency: " + formatDuration(limit) + " asked for, " +
        formatDuration(time) + " in the end" +
        (time > limit * 1.05 ? ": slower than promised, the machine was busy"
                             : ""));
  }
  for (auto [input, array] : llvm::zip_equal(inputs, *sample))
    report.latencyInputs += (report.latencyInputs.empty() ? "" : ", ") +
                            input.name + " " + describe(array);
  return llvm::Error::success();
}

std::pair<std::optional<EvaluationData>, int64_t>
Compilation::getComparedSamples() {
  // Without evaluation data, calibration data tells how far the outputs are.
  constexpr int64_t maxCalibrationSamples = 64;
  if (evaluation || !data || isFloat || !options.compare)
    return {evaluation, INT64_MAX};
  return {EvaluationData{options.data, *data, std::nullopt, 1},
          maxCalibrationSamples};
}

llvm::Error Compilation::evaluateStitched(StitchedModel &model) {
  auto [samples, maxSamples] = getComparedSamples();
  if (!samples)
    return llvm::Error::success();
  auto reference = getFloatModel();
  if (!reference)
    return reference.takeError();
  ProgressBar bar("compare", alternatives.size());
  for (auto [index, alternative] : llvm::enumerate(alternatives)) {
    std::vector<Level> levels;
    for (const PlanEntry &entry : alternative.plan.sites) {
      auto level = Level::parse(entry.level);
      if (!level)
        return level.takeError();
      levels.push_back(std::move(*level));
    }
    if (alternative.point.isChosen ||
        llvm::any_of(levels, [](const Level &l) { return l.hasActivation(); }))
      continue;
    std::vector<const Level *> pointers;
    for (const Level &level : levels)
      pointers.push_back(&level);
    auto loaded = model.load(pointers);
    if (!loaded)
      return loaded.takeError();
    auto result = evaluate(**reference, **loaded, *samples, maxSamples);
    if (!result)
      return result.takeError();
    alternative.point.evaluation = std::move(*result);
    bar.update(index + 1);
  }
  return llvm::Error::success();
}

/// Runs what the search did not choose, to compare with.
llvm::Error Compilation::compareAlternatives() {
  auto [samples, maxSamples] = getComparedSamples();
  ProgressBar bar("compare", alternatives.size());
  bool runs = options.compare && report.latencyAfter && samples;
  for (auto [index, alternative] : llvm::enumerate(alternatives)) {
    SearchPoint point = alternative.point;
    if (point.isChosen) {
      point.evaluation = report.evaluation;
      if (report.latencyAfter)
        point.seconds = report.latencyAfter->median;
    } else if (runs && !point.evaluation) {
      auto reference = getFloatModel();
      if (!reference)
        return reference.takeError();
      auto model = makeModel(alternative.plan);
      if (!model)
        return model.takeError();
      auto result = evaluate(**reference, *model, *samples, maxSamples);
      if (!result)
        return result.takeError();
      point.evaluation = std::move(*result);
      auto sample = getTimedSample();
      if (!sample)
        return sample.takeError();
      auto latencies = compress::measureLatencies({&*model}, *sample, 0.1);
      if (!latencies)
        return latencies.takeError();
      point.seconds = latencies->front().median;
    }
    report.points.push_back(std::move(point));
    bar.update(index + 1);
  }
  return llvm::Error::success();
}

llvm::Error Compilation::measure() {
  auto model = JITModel::create(std::move(*compiled), options.threads);
  compiled.reset();
  if (!model) {
    const TargetOptions &machine = options.machines.front();
    if (machine.triple.empty() && machine.cpu.empty() &&
        machine.features.empty())
      return inModel(model.takeError());
    // Compiled for another machine, which is no error.
    report.notes.push_back("not run here: " +
                           llvm::toString(model.takeError()));
    return llvm::Error::success();
  }
  JITModel *reference = &*model;
  if (!isFloat && options.compare) {
    auto compiledFloat = getFloatModel();
    if (!compiledFloat)
      return compiledFloat.takeError();
    reference = *compiledFloat;
  }

  auto [samples, maxSamples] = getComparedSamples();
  if (samples) {
    int64_t total = std::min(samples->samples.size(), maxSamples);
    ProgressBar bar("evaluate", total);
    auto result = evaluate(*reference, *model, *samples, total,
                           [&](int64_t done, int64_t) { bar.update(done); });
    if (!result)
      return result.takeError();
    report.evaluation = std::move(*result);
    report.evaluationFile = llvm::sys::path::filename(samples->path);
    if (!options.compare && !isFloat) {
      report.evaluation->reference.reset();
      report.evaluation->outputs.clear();
    }
  }
  if (llvm::Error error = measureLatencies(*reference, *model)) {
    std::string reason = llvm::toString(std::move(error));
    if (evaluation || data)
      return inModel(llvm::createStringError(Twine(reason)));
    // Invented inputs need not suit the model.
    report.notes.push_back("latency was not measured, since made-up inputs "
                           "failed (give --data): " +
                           reason);
  }
  return llvm::Error::success();
}

//===- CompilationMeasure.cpp - Running what was compiled -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"
#include "QualityCommand.h"
#include "compress/Support/Format.h"
#include "compress/Support/ProgressBar.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/TargetParser/Host.h"

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
  auto applied = applyTo(copy, candidate, getApplyOptions());
  if (!applied)
    return applied.takeError();
  auto compiled = compileModule(std::move(copy), target, options.machines);
  if (!compiled)
    return compiled.takeError();
  return JITModel::create(std::move(*compiled), options.threads);
}

llvm::Expected<double> Compilation::measureByCommand(const Plan *candidate) {
  if (!candidate && commandOfFloat)
    return *commandOfFloat;
  llvm::SmallString<128> folder;
  if (std::error_code code =
          llvm::sys::fs::createUniqueDirectory("compress-quality", folder))
    return llvm::createStringError("no temporary folder: " + code.message());
  llvm::scope_exit remove([&] { llvm::sys::fs::remove_directories(folder); });
  Module copy = clone(floatModule);
  if (candidate) {
    auto applied = applyTo(copy, *candidate, getApplyOptions());
    if (!applied)
      return applied.takeError();
  }
  if (llvm::Error error =
          writeONNX(clone(copy), (folder + "/model.onnx").str()))
    return std::move(error);
  auto model = compileModule(std::move(copy), target, options.machines);
  if (!model)
    return model.takeError();
  if (llvm::Error error = model->writeArtifacts(folder))
    return std::move(error);
  auto value =
      runQualityCommand(options.qualityCommand, folder, options.qualityTimeout);
  if (!value)
    return atOption("--quality-command", value.takeError());
  if (!candidate)
    commandOfFloat = *value;
  return *value;
}

llvm::Error Compilation::measureResultByCommand() {
  QualityResult quality;
  quality.measure = "quality command";
  quality.format = "%.6g";
  if (options.compare) {
    auto ofFloat = measureByCommand(nullptr);
    if (!ofFloat)
      return ofFloat.takeError();
    quality.reference = *ofFloat;
  }
  // In a folder of its own, so that what the program leaves is no artifact.
  llvm::SmallString<128> folder;
  if (std::error_code code =
          llvm::sys::fs::createUniqueDirectory("compress-quality", folder))
    return llvm::createStringError("no temporary folder: " + code.message());
  llvm::scope_exit remove([&] { llvm::sys::fs::remove_directories(folder); });
  std::error_code code;
  for (llvm::sys::fs::directory_iterator it(output.getStaging(), code), end;
       it != end && !code; it.increment(code)) {
    llvm::SmallString<128> link(folder), file(it->path());
    llvm::sys::path::append(link, llvm::sys::path::filename(it->path()));
    if ((code = llvm::sys::fs::make_absolute(file)))
      break;
    code = llvm::sys::fs::create_link(file, link);
  }
  if (code)
    return llvm::createStringError(folder + ": " + code.message());
  auto own =
      runQualityCommand(options.qualityCommand, folder, options.qualityTimeout);
  if (!own)
    return atOption("--quality-command", own.takeError());
  quality.model = *own;
  if (quality.reference)
    quality.drop = *quality.reference - quality.model;
  if (!report.evaluation)
    report.evaluation.emplace();
  report.evaluation->quality = std::move(quality);
  return llvm::Error::success();
}

llvm::Expected<double> Compilation::measureDrop(const Plan &candidate) {
  if (!options.qualityCommand.empty()) {
    auto ofFloat = measureByCommand(nullptr);
    if (!ofFloat)
      return ofFloat.takeError();
    auto own = measureByCommand(&candidate);
    if (!own)
      return own.takeError();
    return *ofFloat - *own;
  }
  auto reference = getFloatModel();
  if (!reference)
    return reference.takeError();
  auto model = makeModel(candidate);
  if (!model)
    return model.takeError();
  auto result =
      evaluate(**reference, *model, *evaluation, INT64_MAX, request.quality);
  if (!result)
    return result.takeError();
  return result->getDrop();
}

std::pair<std::optional<EvaluationData>, int64_t>
Compilation::getComparedSamples(bool isOfFloat) {
  // Without evaluation data, calibration data tells how far the outputs are.
  constexpr int64_t maxCalibrationSamples = 64;
  if (evaluation || !data || isOfFloat || !options.compare)
    return {evaluation, INT64_MAX};
  EvaluationData samples;
  samples.path = options.data;
  samples.samples = *data;
  return {std::move(samples), maxCalibrationSamples};
}

llvm::Error Compilation::evaluateStitched(StitchedModel &model) {
  auto [samples, maxSamples] = getComparedSamples(/*isOfFloat=*/false);
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
    auto result =
        evaluate(**reference, **loaded, *samples, maxSamples, request.quality);
    if (!result)
      return result.takeError();
    alternative.point.evaluation = std::move(*result);
    bar.update(index + 1);
  }
  return llvm::Error::success();
}

/// Runs what the search did not choose, to compare with.
llvm::Error Compilation::compareAlternatives() {
  auto [samples, maxSamples] = getComparedSamples(/*isOfFloat=*/false);
  ProgressBar bar("compare", alternatives.size());
  bool runs = options.compare && report.latencyAfter;
  for (auto [index, alternative] : llvm::enumerate(alternatives)) {
    SearchPoint point = alternative.point;
    if (point.isChosen) {
      point.evaluation = report.evaluation;
      if (report.latencyAfter)
        point.seconds = report.latencyAfter->median;
    } else if (runs && ((samples && !point.evaluation) || point.limitSeconds)) {
      auto reference = getFloatModel();
      if (!reference)
        return reference.takeError();
      auto model = makeModel(alternative.plan);
      if (!model)
        return model.takeError();
      auto result =
          evaluate(**reference, *model, *samples, maxSamples, request.quality);
      if (!result)
        return result.takeError();
      point.evaluation = std::move(*result);
      auto seconds = timeModels({&*model}, 0.1);
      if (!seconds)
        return seconds.takeError();
      point.seconds = seconds->front();
    }
    report.points.push_back(std::move(point));
    bar.update(index + 1);
  }
  return llvm::Error::success();
}

llvm::Error Compilation::measure() {
  if (llvm::Error error = target.checkDevice()) {
    // Compiled for a machine with one, which is no error.
    report.notes.push_back("not run here: " + llvm::toString(std::move(error)));
    compiled.reset();
    return llvm::Error::success();
  }
  auto model = JITModel::create(std::move(*compiled), options.threads);
  compiled.reset();
  if (!model) {
    const TargetOptions &machine = options.machines.front();
    TargetOptions resolved = machine;
    bool isHere = machine.triple.empty() && machine.cpu.empty() &&
                  machine.features.empty();
    // A target may stand for another machine unasked.
    if (llvm::Error error = target.resolve(resolved))
      return error;
    if (isHere && resolved.triple == llvm::sys::getProcessTriple())
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

  auto [samples, maxSamples] = getComparedSamples(isFloat);
  if (samples) {
    int64_t total = std::min(samples->samples.size(), maxSamples);
    ProgressBar bar("evaluate", total);
    auto result = evaluate(*reference, *model, *samples, total, request.quality,
                           [&](int64_t done, int64_t) { bar.update(done); });
    if (!result)
      return result.takeError();
    report.evaluation = std::move(*result);
    report.evaluationFile = llvm::sys::path::filename(samples->path);
    report.judgesCalibration = !evaluation;
    if (!options.compare && !isFloat) {
      report.evaluation->reference.reset();
      report.evaluation->outputs.clear();
      report.evaluation->quality.reset();
    }
  }
  if (!options.qualityCommand.empty())
    if (llvm::Error error = measureResultByCommand())
      return error;
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

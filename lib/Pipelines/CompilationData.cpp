//===- CompilationData.cpp - What is read and observed ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"
#include "compress/Calibration/Observe.h"
#include "compress/Support/ProgressBar.h"
#include "llvm/Support/Path.h"
#include <cmath>
#include <numeric>
#include <random>

using namespace mlir;
using namespace compress;

/// Splits the data at random, for the same seed alike.
llvm::Error Compilation::holdOut() {
  auto all = EvaluationData::load(options.data, inputs);
  if (!all)
    return atFile(options.data, all.takeError());
  int64_t total = all->samples.size();
  if (total < 2)
    return atFile(options.data,
                  llvm::createStringError("--holdout: one sample cannot be "
                                          "split"));
  int64_t count = std::clamp<int64_t>(
      int64_t(std::ceil(double(total) * options.holdout)), 1, total - 1);
  std::vector<int64_t> order(total);
  std::iota(order.begin(), order.end(), 0);
  // The standard's shuffle is not the same everywhere.
  std::mt19937_64 random(options.seed);
  for (int64_t i = total - 1; i > 0; --i)
    std::swap(order[i], order[random() % uint64_t(i + 1)]);
  std::vector<int64_t> held(order.begin(), order.begin() + count);
  std::vector<int64_t> rest(order.begin() + count, order.end());
  llvm::sort(held);
  llvm::sort(rest);
  auto judged = all->select(held);
  if (!judged)
    return judged.takeError();
  evaluation = std::move(*judged);
  auto kept = all->select(rest);
  if (!kept)
    return kept.takeError();
  labelledData = std::move(*kept);
  data = labelledData->samples;
  report.heldOut = std::move(held);
  return llvm::Error::success();
}

llvm::Error Compilation::readData() {
  auto specs = getInputSpecs(getMain(*floatModule));
  if (!specs)
    return inModel(specs.takeError());
  inputs = std::move(*specs);
  if (options.holdout > 0) {
    if (llvm::Error error = holdOut())
      return error;
  } else if (!options.data.empty()) {
    if (request.quality && options.refine) {
      auto labelled = EvaluationData::load(options.data, inputs);
      if (!labelled)
        return atFile(options.data, labelled.takeError());
      labelledData = std::move(*labelled);
      data = labelledData->samples;
    } else {
      auto samples = CalibrationData::load(options.data, inputs);
      if (!samples)
        return atFile(options.data, samples.takeError());
      data = std::move(*samples);
    }
  }
  if (!options.eval.empty()) {
    auto samples = EvaluationData::load(options.eval, inputs);
    if (!samples)
      return atFile(options.eval, samples.takeError());
    evaluation = std::move(*samples);
  }
  // Shapes that the model has not are wrong whether they are needed or not.
  if (!options.shape.empty() || !options.timeAt.empty())
    if (auto samples = getTimedSamples(); !samples)
      return samples.takeError();
  return llvm::Error::success();
}

/// On the CPU target, which is exact enough and fast, wherever the result is to
/// run.
llvm::Expected<JITModel> Compilation::makeObserved(Module observed) {
  auto cpu = TargetRegistry::get().lookup("cpu");
  if (!cpu)
    return cpu.takeError();
  auto compiled = compileModule(std::move(observed), **cpu, TargetOptions());
  if (!compiled)
    return compiled.takeError();
  auto model = JITModel::create(std::move(*compiled), options.threads);
  if (!model)
    return inModel(model.takeError());
  return model;
}

llvm::Error Compilation::runObserved(JITModel &model, Statistics &seen,
                                     StringRef title) {
  ObserverSink sink(seen);
  model.setObserver([&](int64_t id, CompressDType dtype,
                        ArrayRef<int64_t> shape, ArrayRef<int64_t> strides,
                        const void *values) {
    sink.observe(id, dtype, shape, strides, values);
  });
  ProgressBar bar(title, data->size());
  for (int64_t i = 0; i < data->size(); ++i) {
    auto outputs = model.run(data->getSample(i));
    llvm::Error error = sink.takeError();
    if (!outputs)
      error = llvm::joinErrors(outputs.takeError(), std::move(error));
    if (error)
      return llvm::createStringError(options.data + ": sample " + Twine(i) +
                                     ": " + llvm::toString(std::move(error)));
    bar.update(i + 1);
  }
  return llvm::Error::success();
}

llvm::Error Compilation::calibrate() {
  if (!data || request.isFloat())
    return llvm::Error::success();
  Module observed = clone(floatModule);
  SiteList list = findSites(getMain(*observed));
  if (list.sites.empty())
    return llvm::Error::success();
  statistics = insertObservers(list.sites, options.seed);
  auto model = makeObserved(std::move(observed));
  if (!model)
    return model.takeError();
  if (llvm::Error error = runObserved(*model, *statistics, "calibrate"))
    return error;
  noteExperts();
  report.calibrationFile = llvm::sys::path::filename(options.data);
  report.calibrationSamples = data->size();
  return llvm::Error::success();
}

void Compilation::noteExperts() {
  for (const onnx::ExpertLayer &layer : experts) {
    // Inputs are zero for tokens of others.
    std::string shares;
    double sum = 0;
    for (const std::string &weight : layer.weights) {
      const TensorStatistics *seen = statistics->lookup(weight);
      if (!seen || seen->getNumReservoirRows() == 0)
        return;
      int64_t channels = seen->getNumChannels(), routed = 0;
      ArrayRef<float> rows = seen->getReservoir();
      for (int64_t r = 0, e = seen->getNumReservoirRows(); r < e; ++r)
        routed += llvm::any_of(rows.slice(r * channels, channels),
                               [](float x) { return x != 0; });
      double share = double(routed) / double(seen->getNumReservoirRows());
      sum += share;
      char text[16];
      std::snprintf(text, sizeof text, "%s%.0f %%", shares.empty() ? "" : ", ",
                    share * 100);
      shares += text;
    }
    std::string note = "experts of '" + layer.node + "': asked for by " +
                       shares + " of the tokens";
    if (options.expertThreshold > 0) {
      char text[160];
      std::snprintf(text, sizeof text,
                    "; %.2f experts a token instead of %lld, %.1f %% fewer "
                    "activated parameters of experts",
                    sum, (long long)layer.numChosen,
                    100 * (1 - sum / double(layer.numChosen)));
      note += text;
    }
    report.notes.push_back(std::move(note));
  }
}

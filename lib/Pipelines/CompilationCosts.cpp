//===- CompilationCosts.cpp - Time, work and memory -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"
#include "compress/Support/Format.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

llvm::Expected<MutableArrayRef<TimedSample>> Compilation::getTimedSamples() {
  if (!timedSamples.empty())
    return MutableArrayRef<TimedSample>(timedSamples);
  std::vector<NpyArray> sample;
  if (evaluation) {
    sample = evaluation->samples.getSample(0);
  } else if (data) {
    sample = data->getSample(0);
  } else {
    auto made = makeRandomInputs(inputs, options.seed);
    if (!made)
      return made.takeError();
    sample = std::move(*made);
  }
  FunctionOpInterface main = getMain(*floatModule);
  if (!options.shape.empty()) {
    auto point = ShapePoint::parse(options.shape, /*isWeighted=*/false);
    if (!point)
      return atOption("--shape", point.takeError());
    auto resized = resizeSample(main, sample, *point);
    if (!resized)
      return atOption("--shape", resized.takeError());
    sample = std::move(*resized);
  }
  double sum = 0;
  std::vector<TimedSample> samples;
  for (const std::string &text : options.timeAt) {
    auto point = ShapePoint::parse(text, /*isWeighted=*/true);
    if (!point)
      return atOption("--time-at", point.takeError());
    auto resized = resizeSample(main, sample, *point);
    if (!resized)
      return atOption("--time-at", resized.takeError());
    TimedSample &timed = samples.emplace_back();
    timed.shape = StringRef(text).rsplit(':').first.str();
    timed.weight = point->weight;
    timed.inputs = std::move(*resized);
    sum += point->weight;
  }
  if (samples.empty()) {
    TimedSample &timed = samples.emplace_back();
    timed.weight = sum = 1;
    timed.inputs = std::move(sample);
  }
  for (TimedSample &timed : samples)
    timed.weight /= sum;
  timedSamples = std::move(samples);
  return MutableArrayRef<TimedSample>(timedSamples);
}

//===----------------------------------------------------------------------===//
// Time
//===----------------------------------------------------------------------===//

llvm::Expected<SiteTimer *> Compilation::getTimer(TimedSample &sample) {
  if (!sample.timer) {
    auto timer = SiteTimer::create(
        *floatModule, sample.inputs, database,
        {&target, options.machines.front(), options.threads, options.seed});
    if (!timer)
      return timer.takeError();
    sample.timer.emplace(std::move(*timer));
  }
  return &*sample.timer;
}

const std::string &Compilation::getUntimedReason() {
  if (untimedReason)
    return *untimedReason;
  untimedReason.emplace();
  TargetOptions machine = options.machines.front();
  if (llvm::Error error = target.checkDevice()) {
    *untimedReason = llvm::toString(std::move(error));
  } else if (llvm::Error error = target.resolve(machine)) {
    // Compiling says so.
    llvm::consumeError(std::move(error));
  } else {
    llvm::Triple triple(machine.triple), own(llvm::sys::getProcessTriple());
    if (triple.getArch() != own.getArch() || triple.getOS() != own.getOS())
      *untimedReason = "it is compiled for " + machine.triple;
  }
  return *untimedReason;
}

llvm::Expected<double> Compilation::predictOrFail(const Site &site,
                                                  const Level &level) {
  auto seconds = predictSite(site, level);
  if (!seconds)
    return seconds.takeError();
  if (*seconds)
    return **seconds;
  return llvm::createStringError(
      "target '" + target.getName() + "' predicts no time for site '" +
      site.name + "' at '" + level.getSpelling().str() +
      "', and nothing can be timed: " + getUntimedReason());
}

llvm::Expected<std::optional<double>> Compilation::sumOverSamples(
    llvm::function_ref<llvm::Expected<std::optional<double>>(SiteTimer &)>
        getSeconds) {
  auto samples = getTimedSamples();
  if (!samples)
    return samples.takeError();
  double seconds = 0;
  for (TimedSample &sample : *samples) {
    auto timer = getTimer(sample);
    if (!timer)
      return timer.takeError();
    auto own = getSeconds(**timer);
    if (!own || !*own)
      return own;
    seconds += sample.weight * **own;
  }
  return seconds;
}

llvm::Expected<double> Compilation::timeSite(const Site &site,
                                             const Level &level) {
  if (!getUntimedReason().empty())
    return predictOrFail(site, level);
  auto seconds = sumOverSamples(
      [&](SiteTimer &timer) -> llvm::Expected<std::optional<double>> {
        return timer.getSeconds(site, level);
      });
  if (!seconds)
    return seconds.takeError();
  return **seconds;
}

llvm::Expected<std::optional<double>>
Compilation::timeGroup(const Site &site, const Level &removal, bool isFloat) {
  if (!getUntimedReason().empty())
    return std::nullopt;
  return sumOverSamples([&](SiteTimer &timer) {
    return timer.getGroupSeconds(site, removal, isFloat);
  });
}

llvm::Expected<std::optional<double>>
Compilation::predictSite(const Site &site, const Level &level) {
  auto samples = getTimedSamples();
  if (!samples)
    return samples.takeError();
  for (TimedSample &sample : *samples)
    if (auto timer = getTimer(sample); !timer) {
      // Shapes that depend on data, say: the times stay unknown.
      llvm::consumeError(timer.takeError());
      return std::nullopt;
    }
  return sumOverSamples(
      [&](SiteTimer &timer) { return timer.predictSeconds(site, level); });
}

llvm::Error Compilation::predictSites(MutableArrayRef<SiteResult> results) {
  SiteList list = findSites(getMain(*floatModule));
  Level none = llvm::cantFail(Level::parse("f32"));
  double before = 0, after = 0;
  for (SiteResult &result : results) {
    const Site *site = list.lookup(result.name);
    auto level = Level::parse(result.level);
    if (!site || !level) {
      if (!level)
        llvm::consumeError(level.takeError());
      return llvm::Error::success();
    }
    auto asFloat = predictSite(*site, none);
    if (!asFloat)
      return asFloat.takeError();
    auto seconds = predictSite(*site, *level);
    if (!seconds)
      return seconds.takeError();
    if (!*asFloat || !*seconds)
      return llvm::Error::success();
    result.predictedSeconds = *seconds;
    before += **asFloat;
    after += **seconds;
  }
  if (!results.empty())
    report.predictedSeconds = {before, after};
  return llvm::Error::success();
}

llvm::Expected<std::vector<double>>
Compilation::timeModels(ArrayRef<JITModel *> models, double seconds) {
  auto samples = getTimedSamples();
  if (!samples)
    return samples.takeError();
  std::vector<double> means(models.size(), 0);
  for (const TimedSample &sample : *samples) {
    auto latencies = compress::measureLatencies(models, sample.inputs, seconds);
    if (!latencies)
      return latencies.takeError();
    for (auto [mean, latency] : llvm::zip_equal(means, *latencies))
      mean += sample.weight * latency.median;
  }
  return means;
}

llvm::Expected<double> Compilation::timePlan(const Plan *candidate) {
  if (!getUntimedReason().empty()) {
    double sum = 0;
    SiteList list = findSites(getMain(*floatModule));
    for (const Site &site : list.sites) {
      Level level = llvm::cantFail(Level::parse("f32"));
      if (candidate)
        for (const PlanEntry &entry : candidate->sites)
          if (entry.name == site.name) {
            auto own = Level::parse(entry.level);
            if (!own)
              return own.takeError();
            level = *own;
          }
      auto seconds = predictOrFail(site, level);
      if (!seconds)
        return seconds.takeError();
      sum += *seconds;
    }
    return sum;
  }
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
  auto times = timeModels(models, /*seconds=*/0.5);
  if (!times)
    return times.takeError();
  double whole = times->front();
  if (!candidate)
    floatSeconds = whole;
  // Machines change their speed. A share of the float model's time is that of
  // its time now, so the plan's is told as if the model still took as long as
  // when the limit was set.
  auto isShare = [](const LatencyLimit &limit) { return limit.isFraction; };
  bool hasShare = (options.maxLatency && isShare(*options.maxLatency)) ||
                  llvm::any_of(options.frontierLatency, isShare);
  double scale = hasShare && floatSeconds ? *floatSeconds / whole : 1;
  return times->back() * scale;
}

llvm::Error Compilation::measureLatencies(JITModel &floatModel,
                                          JITModel &model) {
  auto samples = getTimedSamples();
  if (!samples)
    return samples.takeError();
  SmallVector<JITModel *> models{&model};
  if (&floatModel != &model)
    models.push_back(&floatModel);
  Latency before, after;
  bool hasFloat = isFloat || models.size() > 1;
  auto addTo = [](Latency &sum, const Latency &part, double weight) {
    sum.median += weight * part.median;
    sum.min += weight * part.min;
    sum.runs = sum.runs ? std::min(sum.runs, part.runs) : part.runs;
  };
  for (const TimedSample &sample : *samples) {
    auto latencies = compress::measureLatencies(models, sample.inputs);
    if (!latencies)
      return latencies.takeError();
    addTo(after, latencies->front(), sample.weight);
    addTo(before, latencies->back(), sample.weight);
    if (samples->size() > 1) {
      Report::ShapeLatency &row = report.shapeLatencies.emplace_back();
      row.shape = sample.shape;
      row.weight = sample.weight;
      row.after = latencies->front();
      if (hasFloat)
        row.before = latencies->back();
    }
  }
  report.latencyAfter = after;
  if (hasFloat)
    report.latencyBefore = before;
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
  if (samples->size() > 1) {
    report.latencyInputs =
        "weighted mean of " + std::to_string(samples->size()) + " shapes";
  } else {
    for (auto [input, array] : llvm::zip_equal(inputs, samples->front().inputs))
      report.latencyInputs += (report.latencyInputs.empty() ? "" : ", ") +
                              input.name + " " + describe(array);
  }
  auto memory = measureMemory(model);
  if (!memory)
    return memory.takeError();
  report.memoryAfter = *memory;
  if (hasFloat) {
    auto memoryOfFloat = measureMemory(floatModel);
    if (!memoryOfFloat)
      return memoryOfFloat.takeError();
    report.memoryBefore = *memoryOfFloat;
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Work and memory
//===----------------------------------------------------------------------===//

llvm::Expected<SiteWork> Compilation::measureWork(const Site &site,
                                                  const Level &level,
                                                  CompressedTensorType stored) {
  auto samples = getTimedSamples();
  if (!samples)
    return samples.takeError();
  SiteWork work;
  for (TimedSample &sample : *samples) {
    if (!sample.shaped) {
      auto shaped = ShapedModel::create(*floatModule, sample.inputs);
      if (!shaped)
        return shaped.takeError();
      sample.shaped.emplace(std::move(*shaped));
    }
    const Site *own = sample.shaped->sites.lookup(site.name);
    if (!own)
      return llvm::createStringError("site '" + Twine(site.name) +
                                     "' has no known shapes");
    auto part = compress::measureWork(*own, level, stored, energy);
    if (!part)
      return part.takeError();
    work += *part * sample.weight;
  }
  return work;
}

void Compilation::countWork(MutableArrayRef<SiteResult> results) {
  SiteList list = findSites(getMain(*floatModule));
  Level none = llvm::cantFail(Level::parse("f32"));
  SiteWork before, after;
  for (SiteResult &result : results) {
    const Site *site = list.lookup(result.name);
    auto level = Level::parse(result.level);
    if (!site || !level) {
      if (!level)
        llvm::consumeError(level.takeError());
      return;
    }
    auto asFloat = measureWork(*site, none, {});
    auto own = measureWork(*site, *level, result.type);
    // Sizes that depend on the data are not known; that is no error.
    if (!asFloat || !own) {
      if (!asFloat)
        llvm::consumeError(asFloat.takeError());
      if (!own)
        llvm::consumeError(own.takeError());
      return;
    }
    before += *asFloat;
    after += *own;
    result.flops = own->flops;
    result.bops = own->bops;
    result.joules = own->joules;
  }
  report.workBefore = before;
  report.workAfter = after;
}

llvm::Expected<uint64_t> Compilation::measureMemory(JITModel &model) {
  auto samples = getTimedSamples();
  if (!samples)
    return samples.takeError();
  // The first run prepares weights; the largest shape decides.
  uint64_t most = 0;
  for (const TimedSample &sample : *samples)
    for (int i = 0; i < 2; ++i) {
      auto outputs = model.run(sample.inputs);
      if (!outputs)
        return outputs.takeError();
      if (i)
        most = std::max(most, model.getMemoryBytes());
    }
  return most;
}

llvm::Expected<uint64_t> Compilation::measureMemory(const Plan *candidate) {
  if (!candidate) {
    auto model = getFloatModel();
    if (!model)
      return model.takeError();
    return measureMemory(**model);
  }
  auto model = makeModel(*candidate);
  if (!model)
    return model.takeError();
  return measureMemory(*model);
}

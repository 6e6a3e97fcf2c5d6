//===- Evaluate.cpp - How good and how fast a model is ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Pipelines/Evaluate.h"
#include "compress/Support/Format.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

/// An integer array as int64; nothing for other types.
static std::optional<llvm::Expected<NpyArray>> toInt64(const NpyArray &array) {
  auto convert = [&](auto values) -> llvm::Expected<NpyArray> {
    auto result = NpyArray::allocate(COMPRESS_DTYPE_I64, array.shape);
    if (result)
      llvm::copy(values, reinterpret_cast<int64_t *>(result->mutableData()));
    return result;
  };
  switch (array.dtype) {
  case COMPRESS_DTYPE_I64:
    return convert(array.as<int64_t>());
  case COMPRESS_DTYPE_I32:
    return convert(array.as<int32_t>());
  case COMPRESS_DTYPE_I16:
    return convert(array.as<int16_t>());
  case COMPRESS_DTYPE_I8:
    return convert(array.as<int8_t>());
  case COMPRESS_DTYPE_U32:
    return convert(array.as<uint32_t>());
  case COMPRESS_DTYPE_U16:
    return convert(array.as<uint16_t>());
  case COMPRESS_DTYPE_U8:
    return convert(array.as<uint8_t>());
  default:
    return std::nullopt;
  }
}

llvm::Expected<EvaluationData>
EvaluationData::load(StringRef path, ArrayRef<InputSpec> inputs) {
  auto samples = CalibrationData::load(path, inputs);
  if (!samples)
    return samples.takeError();
  EvaluationData data;
  data.path = path.str();
  data.samples = std::move(*samples);
  for (const InputSpec &input : inputs)
    if (!input.shape.empty() && input.shape[0] > 1)
      data.rowsPerSample = input.shape[0];
  for (const auto &[name, array] : data.samples.getExtras()) {
    auto fail = [&, &name = name](const Twine &message) {
      return llvm::createStringError(path + ": array '" + name +
                                     "': " + message);
    };
    if (name != "labels" && name != "targets")
      return fail(
          "is neither an input of the model nor 'labels' nor 'targets'");
    int64_t rows = data.samples.size() * data.rowsPerSample;
    if (array.shape.empty() || array.shape[0] != rows)
      return fail("there are " + Twine(rows) + " samples, but the " + name +
                  " are " + describe(array));
    if (name == "targets") {
      if (!toFloats(array))
        return fail("targets are floats, not " + describe(array));
      data.targets = array;
      continue;
    }
    auto labels = toInt64(array);
    if (!labels)
      return fail("labels are integers, not " + describe(array));
    if (!*labels)
      return labels->takeError();
    data.labels = std::move(**labels);
  }
  return data;
}

/// The rows of sample `index`.
static std::optional<NpyArray> getRows(const std::optional<NpyArray> &all,
                                       int64_t index, int64_t rows) {
  if (!all)
    return std::nullopt;
  NpyArray part = *all;
  size_t bytes = part.data.size() / part.shape[0] * rows;
  part.data = part.data.slice(index * bytes, bytes);
  part.shape[0] = rows;
  return part;
}

std::optional<NpyArray> EvaluationData::getLabels(int64_t index) const {
  return getRows(labels, index, rowsPerSample);
}

std::optional<NpyArray> EvaluationData::getTargets(int64_t index) const {
  return getRows(targets, index, rowsPerSample);
}

llvm::Expected<EvaluationData>
EvaluationData::select(ArrayRef<int64_t> indices) const {
  EvaluationData chosen;
  chosen.path = path;
  chosen.samples = samples.select(indices);
  chosen.rowsPerSample = rowsPerSample;
  auto gather = [&](const std::optional<NpyArray> &all,
                    std::optional<NpyArray> &part) -> llvm::Error {
    if (!all)
      return llvm::Error::success();
    SmallVector<int64_t> shape(all->shape.begin(), all->shape.end());
    shape[0] = rowsPerSample * int64_t(indices.size());
    auto array = NpyArray::allocate(all->dtype, shape);
    if (!array)
      return array.takeError();
    char *to = array->mutableData();
    for (int64_t index : indices)
      to = llvm::copy(getRows(all, index, rowsPerSample)->data, to);
    part = std::move(*array);
    return llvm::Error::success();
  };
  if (llvm::Error error = gather(labels, chosen.labels))
    return std::move(error);
  if (llvm::Error error = gather(targets, chosen.targets))
    return std::move(error);
  return chosen;
}

//===----------------------------------------------------------------------===//
// Measures
//===----------------------------------------------------------------------===//

double Score::getPerplexity() const {
  return labels ? std::exp(crossEntropy / labels) : 0;
}

double Evaluation::getDrop() const {
  if (quality)
    return quality->drop;
  if (reference && model) {
    if (!isPerToken)
      return reference->getAccuracy() - model->getAccuracy();
    return model->getPerplexity() / reference->getPerplexity() - 1;
  }
  double worst = 0;
  for (const OutputError &output : outputs)
    // A NaN is worse than anything.
    worst = std::isnan(output.relative) ? INFINITY
                                        : std::max(worst, output.relative);
  return worst;
}

/// Adds the agreement of logits [rows, classes] with labels [rows].
static void addScore(Score &score, ArrayRef<float> logits,
                     ArrayRef<int64_t> labels) {
  size_t classes = logits.size() / labels.size();
  for (auto [row, label] : llvm::enumerate(labels)) {
    if (label < 0)
      continue;
    ArrayRef<float> values = logits.slice(row * classes, classes);
    ++score.labels;
    score.correct += llvm::max_element(values) - values.begin() == label;
    score.crossEntropy += getLogSum(values) - values[label];
  }
}

namespace {
/// Sums behind an `OutputError`.
struct ErrorSums {
  double reference = 0, model = 0, product = 0, difference = 0, largest = 0;
  bool seen = false;

  void add(ArrayRef<float> expected, ArrayRef<float> actual) {
    seen = true;
    for (auto [x, y] : llvm::zip_equal(expected, actual)) {
      double delta = static_cast<double>(y) - x;
      reference += static_cast<double>(x) * x;
      model += static_cast<double>(y) * y;
      product += static_cast<double>(x) * y;
      difference += delta * delta;
      largest = std::max(largest, std::fabs(delta));
    }
  }

  OutputError get(StringRef name) const {
    OutputError error;
    error.name = name.str();
    error.maxAbsolute = largest;
    error.relative = difference == 0 ? 0 : std::sqrt(difference / reference);
    // Equal vectors, zeros too, point the same way.
    error.cosine = difference == 0 ? 1 : product / std::sqrt(reference * model);
    return error;
  }
};

/// One evaluation in progress.
class Evaluator {
public:
  Evaluator(JITModel &reference, JITModel &model, const EvaluationData &data,
            const QualityMeasure *measure)
      : reference(reference), model(model), data(data),
        meter(measure ? measure->createMeter() : nullptr),
        sums(model.getInfo().num_outputs) {}

  llvm::Error addSample(int64_t index);
  llvm::Expected<Evaluation> finish(int64_t samples);

private:
  llvm::Error addLabels(int64_t index, ArrayRef<NpyArray> expected,
                        ArrayRef<NpyArray> actual);

  JITModel &reference, &model;
  const EvaluationData &data;
  std::unique_ptr<QualityMeter> meter;
  std::vector<ErrorSums> sums;
  Score referenceScore, modelScore;
  int labelled = -1;
};
} // namespace

llvm::Error Evaluator::addLabels(int64_t index, ArrayRef<NpyArray> expected,
                                 ArrayRef<NpyArray> actual) {
  NpyArray labels = *data.getLabels(index);
  auto rows = getLabelledRows({expected, actual, &labels, nullptr});
  if (!rows)
    return rows.takeError();
  labelled = int(rows->output);
  addScore(referenceScore, rows->reference, rows->labels);
  addScore(modelScore, rows->outputs, rows->labels);
  return llvm::Error::success();
}

llvm::Error Evaluator::addSample(int64_t index) {
  std::vector<NpyArray> inputs = data.samples.getSample(index);
  auto actual = model.run(inputs);
  if (!actual)
    return actual.takeError();
  std::vector<NpyArray> expected = *actual;
  if (&reference != &model) {
    auto outputs = reference.run(inputs);
    if (!outputs)
      return outputs.takeError();
    expected = std::move(*outputs);
  }
  for (auto [sum, before, after] : llvm::zip_equal(sums, expected, *actual)) {
    if (before.shape != after.shape)
      return llvm::createStringError("the compressed model's output is " +
                                     describe(after) + ", the float model's " +
                                     describe(before));
    auto values = toFloats(after);
    if (values)
      sum.add(*toFloats(before), *values);
  }
  if (meter) {
    std::optional<NpyArray> labels = data.getLabels(index),
                            targets = data.getTargets(index);
    if (llvm::Error error =
            meter->add({expected, *actual, labels ? &*labels : nullptr,
                        targets ? &*targets : nullptr}))
      return error;
  }
  return data.labels ? addLabels(index, expected, *actual)
                     : llvm::Error::success();
}

llvm::Expected<Evaluation> Evaluator::finish(int64_t samples) {
  Evaluation result;
  result.samples = samples;
  const CompressModelInfo &info = model.getInfo();
  for (auto [i, sum] : llvm::enumerate(sums))
    if (sum.seen)
      result.outputs.push_back(sum.get(info.outputs[i].name));
  if (labelled >= 0) {
    result.labelledOutput = info.outputs[labelled].name;
    result.isPerToken = data.labels->shape.size() > 1;
    result.reference = referenceScore;
    result.model = modelScore;
  }
  if (meter) {
    auto quality = meter->finish();
    if (!quality)
      return quality.takeError();
    result.quality = std::move(*quality);
  }
  return result;
}

llvm::Expected<Evaluation>
compress::evaluate(JITModel &reference, JITModel &model,
                   const EvaluationData &data, int64_t maxSamples,
                   const QualityMeasure *measure,
                   llvm::function_ref<void(int64_t, int64_t)> progress) {
  Evaluator evaluator(reference, model, data, measure);
  int64_t samples = std::min(data.samples.size(), maxSamples);
  for (int64_t i = 0; i < samples; ++i) {
    if (llvm::Error error = evaluator.addSample(i))
      return llvm::createStringError(data.path + ": sample " + Twine(i) + ": " +
                                     llvm::toString(std::move(error)));
    if (progress)
      progress(i + 1, samples);
  }
  auto result = evaluator.finish(samples);
  if (!result)
    return llvm::createStringError(data.path + ": " +
                                   llvm::toString(result.takeError()));
  if (result->quality)
    result->quality->measure = measure->getName().str();
  return result;
}

//===----------------------------------------------------------------------===//
// Latency
//===----------------------------------------------------------------------===//

llvm::Expected<std::vector<Latency>>
compress::measureLatencies(ArrayRef<JITModel *> models,
                           ArrayRef<NpyArray> inputs, double seconds) {
  using Clock = std::chrono::steady_clock;
  auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  auto run = [&](JITModel &model) -> llvm::Expected<double> {
    Clock::time_point begin = Clock::now();
    auto outputs = model.run(inputs);
    double time = since(begin);
    if (!outputs)
      return outputs.takeError();
    return time;
  };
  // The first runs prepare weights, start threads and fill caches.
  for (JITModel *model : models) {
    Clock::time_point begin = Clock::now();
    for (int i = 0; i < 2 || (i < 50 && since(begin) < seconds / 2); ++i)
      if (auto time = run(*model); !time)
        return time.takeError();
  }
  // Turns are long enough for weights to get into the caches again.
  constexpr double turn = 0.03;
  constexpr size_t minRuns = 5, maxRuns = 5000;
  std::vector<std::vector<double>> times(models.size());
  Clock::time_point begin = Clock::now();
  while (times.front().size() < minRuns ||
         (times.front().size() < maxRuns &&
          since(begin) < seconds * models.size()))
    for (auto [model, list] : llvm::zip_equal(models, times)) {
      if (models.size() > 1)
        if (auto time = run(*model); !time)
          return time.takeError();
      Clock::time_point turnBegin = Clock::now();
      do {
        auto time = run(*model);
        if (!time)
          return time.takeError();
        list.push_back(*time);
      } while (since(turnBegin) < turn);
    }
  std::vector<Latency> latencies;
  for (std::vector<double> &list : times) {
    llvm::sort(list);
    size_t n = list.size();
    latencies.push_back(
        {n % 2 ? list[n / 2] : (list[n / 2 - 1] + list[n / 2]) / 2,
         list.front(), static_cast<int64_t>(n)});
  }
  return latencies;
}

llvm::Expected<std::vector<NpyArray>>
compress::makeRandomInputs(ArrayRef<InputSpec> inputs, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<NpyArray> arrays;
  for (const InputSpec &input : inputs) {
    SmallVector<int64_t> shape;
    for (int64_t dim : input.shape)
      shape.push_back(dim < 0 ? 1 : dim);
    auto array = NpyArray::allocate(input.dtype, shape);
    if (!array)
      return array.takeError();
    int64_t count = array->size();
    if (input.dtype == COMPRESS_DTYPE_F32)
      std::generate_n(reinterpret_cast<float *>(array->mutableData()), count,
                      [&] { return normal(random); });
    else if (input.dtype == COMPRESS_DTYPE_F64)
      std::generate_n(reinterpret_cast<double *>(array->mutableData()), count,
                      [&] { return normal(random); });
    arrays.push_back(std::move(*array));
  }
  return arrays;
}

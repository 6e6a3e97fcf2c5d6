//===- Evaluate.cpp - How good and how fast a model is ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Pipelines/Evaluate.h"
#include "compress/Support/Format.h"
#include "llvm/ADT/APFloat.h"
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
    if (name != "labels")
      return fail("is neither an input of the model nor 'labels'");
    auto labels = toInt64(array);
    if (!labels)
      return fail("labels are integers, not " + describe(array));
    if (!*labels)
      return labels->takeError();
    int64_t rows = data.samples.size() * data.rowsPerSample;
    if (array.shape.empty() || array.shape[0] != rows)
      return fail("there are " + Twine(rows) + " samples, but the labels are " +
                  describe(array));
    data.labels = std::move(**labels);
  }
  return data;
}

//===----------------------------------------------------------------------===//
// Measures
//===----------------------------------------------------------------------===//

double Score::getPerplexity() const {
  return labels ? std::exp(crossEntropy / labels) : 0;
}

double Evaluation::getDrop() const {
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

/// The values of a float array; nothing for other types.
static std::optional<std::vector<float>> toFloats(const NpyArray &array) {
  auto halves = [&](const llvm::fltSemantics &semantics) {
    std::vector<float> values;
    values.reserve(array.size());
    for (uint16_t bits : array.as<uint16_t>()) {
      llvm::APFloat value(semantics, llvm::APInt(16, bits));
      bool exact;
      value.convert(llvm::APFloat::IEEEsingle(),
                    llvm::APFloat::rmNearestTiesToEven, &exact);
      values.push_back(value.convertToFloat());
    }
    return values;
  };
  switch (array.dtype) {
  case COMPRESS_DTYPE_F32: {
    ArrayRef<float> values = array.as<float>();
    return std::vector<float>(values.begin(), values.end());
  }
  case COMPRESS_DTYPE_F64: {
    ArrayRef<double> values = array.as<double>();
    return std::vector<float>(values.begin(), values.end());
  }
  case COMPRESS_DTYPE_F16:
    return halves(llvm::APFloat::IEEEhalf());
  case COMPRESS_DTYPE_BF16:
    return halves(llvm::APFloat::BFloat());
  default:
    return std::nullopt;
  }
}

/// Adds the agreement of logits [rows, classes] with labels [rows].
static llvm::Error addScore(Score &score, ArrayRef<float> logits,
                            ArrayRef<int64_t> labels) {
  size_t classes = logits.size() / labels.size();
  for (auto [row, label] : llvm::enumerate(labels)) {
    if (label < 0)
      continue;
    if (static_cast<size_t>(label) >= classes)
      return llvm::createStringError("label " + Twine(label) +
                                     " is not one of the model's " +
                                     Twine(classes) + " classes");
    ArrayRef<float> values = logits.slice(row * classes, classes);
    const float *top = llvm::max_element(values);
    double sum = 0;
    for (float value : values)
      sum += std::exp(static_cast<double>(value) - *top);
    ++score.labels;
    score.correct += top - values.begin() == label;
    score.crossEntropy += std::log(sum) + *top - values[label];
  }
  return llvm::Error::success();
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
  Evaluator(JITModel &reference, JITModel &model, const EvaluationData &data)
      : reference(reference), model(model), data(data),
        sums(model.getInfo().num_outputs) {}

  llvm::Error addSample(int64_t index);
  Evaluation finish(int64_t samples);

private:
  llvm::Error addLabels(int64_t index, ArrayRef<NpyArray> expected,
                        ArrayRef<NpyArray> actual);

  JITModel &reference, &model;
  const EvaluationData &data;
  std::vector<ErrorSums> sums;
  Score referenceScore, modelScore;
  int labelled = -1;
};
} // namespace

llvm::Error Evaluator::addLabels(int64_t index, ArrayRef<NpyArray> expected,
                                 ArrayRef<NpyArray> actual) {
  NpyArray labels = *data.labels;
  int64_t count = labels.size() / data.samples.size();
  labels.shape[0] = data.rowsPerSample;
  ArrayRef<int64_t> values = labels.as<int64_t>().slice(index * count, count);
  if (labelled < 0) {
    // Classes lie along the last axis of an output, labels along the others.
    std::string shapes;
    for (auto [i, output] : llvm::enumerate(actual)) {
      ArrayRef<int64_t> shape = output.shape;
      shapes += (i ? ", " : "") + describe(output);
      if (labelled < 0 && !shape.empty() && shape.back() > 0 &&
          shape.drop_back() == ArrayRef<int64_t>(labels.shape) &&
          toFloats(output))
        labelled = i;
    }
    if (labelled < 0)
      return llvm::createStringError(
          "labels of shape " + formatShape(labels.shape) +
          " fit no output: they take the shape of an output without its last "
          "axis, and the outputs are " +
          shapes);
  }
  if (llvm::Error error =
          addScore(referenceScore, *toFloats(expected[labelled]), values))
    return error;
  return addScore(modelScore, *toFloats(actual[labelled]), values);
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
  return data.labels ? addLabels(index, expected, *actual)
                     : llvm::Error::success();
}

Evaluation Evaluator::finish(int64_t samples) {
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
  return result;
}

llvm::Expected<Evaluation>
compress::evaluate(JITModel &reference, JITModel &model,
                   const EvaluationData &data, int64_t maxSamples,
                   llvm::function_ref<void(int64_t, int64_t)> progress) {
  Evaluator evaluator(reference, model, data);
  int64_t samples = std::min(data.samples.size(), maxSamples);
  for (int64_t i = 0; i < samples; ++i) {
    if (llvm::Error error = evaluator.addSample(i))
      return llvm::createStringError(data.path + ": sample " + Twine(i) + ": " +
                                     llvm::toString(std::move(error)));
    if (progress)
      progress(i + 1, samples);
  }
  return evaluator.finish(samples);
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

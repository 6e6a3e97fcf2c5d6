//===- Quality.cpp - Measures of quality by name ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Quality/Quality.h"
#include "compress/Support/Format.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>
#include <map>
#include <mutex>

using namespace compress;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

QualityMeter::~QualityMeter() = default;
QualityMeasure::~QualityMeasure() = default;

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

std::optional<std::vector<float>> compress::toFloats(const NpyArray &array) {
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

void LabelledRows::forEach(
    llvm::function_ref<void(int64_t, llvm::ArrayRef<float>,
                            llvm::ArrayRef<float>)>
        visit) const {
  for (auto [row, label] : llvm::enumerate(labels))
    if (label >= 0)
      visit(label,
            llvm::ArrayRef(reference).slice(row * numClasses, numClasses),
            llvm::ArrayRef(outputs).slice(row * numClasses, numClasses));
}

bool compress::isRight(llvm::ArrayRef<float> logits, int64_t label) {
  return llvm::max_element(logits) - logits.begin() == label;
}

llvm::Expected<LabelledRows>
compress::getLabelledRows(const QualitySample &sample) {
  if (!sample.labels)
    return llvm::createStringError("there are no labels");
  const NpyArray &labels = *sample.labels;
  // Classes lie along the last axis of an output, labels along the others.
  std::string shapes;
  for (auto [i, output] : llvm::enumerate(sample.outputs)) {
    ArrayRef<int64_t> shape = output.shape;
    shapes += (i ? ", " : "") + describe(output);
    if (shape.empty() || shape.back() <= 0 ||
        shape.drop_back() != ArrayRef<int64_t>(labels.shape))
      continue;
    auto values = toFloats(output);
    if (!values)
      continue;
    const NpyArray &reference = sample.reference[i];
    if (reference.shape != output.shape)
      return llvm::createStringError("the compressed model's output is " +
                                     describe(output) + ", the float model's " +
                                     describe(reference));
    LabelledRows rows;
    rows.outputs = std::move(*values);
    rows.reference = *toFloats(reference);
    rows.labels = labels.as<int64_t>();
    rows.numClasses = shape.back();
    rows.output = i;
    rows.isPerToken = labels.shape.size() > 1;
    for (int64_t label : rows.labels)
      if (label >= shape.back())
        return llvm::createStringError("label " + Twine(label) +
                                       " is not one of the model's " +
                                       Twine(shape.back()) + " classes");
    return rows;
  }
  return llvm::createStringError(
      "labels of shape " + formatShape(labels.shape) +
      " fit no output: they take the shape of an output without its last "
      "axis, and the outputs are " +
      shapes);
}

llvm::Error compress::forEachFloatOutput(
    const QualitySample &sample,
    llvm::function_ref<void(size_t, const NpyArray &, ArrayRef<float>,
                            ArrayRef<float>)>
        visit) {
  bool found = false;
  for (auto [index, before, after] :
       llvm::enumerate(sample.reference, sample.outputs)) {
    if (before.shape != after.shape)
      return llvm::createStringError("the compressed model's output is " +
                                     describe(after) + ", the float model's " +
                                     describe(before));
    auto values = toFloats(after);
    if (!values)
      continue;
    found = true;
    visit(index, after, *toFloats(before), *values);
  }
  if (!found)
    return llvm::createStringError("the model has no output of floats");
  return llvm::Error::success();
}

double compress::getLogSum(ArrayRef<float> row) {
  float top = *llvm::max_element(row);
  double sum = 0;
  for (float value : row)
    sum += std::exp(double(value) - top);
  return std::log(sum) + top;
}

//===----------------------------------------------------------------------===//
// Registry
//===----------------------------------------------------------------------===//

namespace {
struct Registry {
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<QualityMeasure>> measures;
};
} // namespace

static Registry &getRegistry() {
  static Registry registry;
  return registry;
}

void compress::registerQualityMeasure(std::unique_ptr<QualityMeasure> measure) {
  Registry &registry = getRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  std::string name = measure->getName().str();
  registry.measures[name] = std::move(measure);
}

void compress::registerAllQualityMeasures() {
  static std::once_flag once;
  std::call_once(once, [] {
    registerQualityMeasure(createAccuracyMeasure());
    registerQualityMeasure(createAgreementMeasure());
    registerQualityMeasure(createAUCMeasure());
    registerQualityMeasure(createCosineMeasure());
    registerQualityMeasure(createDivergenceMeasure());
    registerQualityMeasure(createOutputErrorMeasure());
    registerQualityMeasure(createPerplexityMeasure());
    registerQualityMeasure(createPSNRMeasure());
    registerQualityMeasure(createWorstClassMeasure());
  });
}

llvm::Expected<const QualityMeasure *>
compress::lookupQualityMeasure(StringRef name) {
  registerAllQualityMeasures();
  Registry &registry = getRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  auto it = registry.measures.find(name.str());
  if (it != registry.measures.end())
    return it->second.get();
  llvm::SmallVector<StringRef> known;
  for (const auto &entry : registry.measures)
    known.push_back(entry.first);
  return llvm::createStringError("unknown quality measure '" + name +
                                 "'; known are " + llvm::join(known, ", "));
}

std::vector<const QualityMeasure *> compress::getQualityMeasures() {
  registerAllQualityMeasures();
  Registry &registry = getRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  std::vector<const QualityMeasure *> measures;
  for (const auto &entry : registry.measures)
    measures.push_back(entry.second.get());
  return measures;
}

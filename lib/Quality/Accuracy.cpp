//===- Accuracy.cpp - Share of right classes --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Quality/Quality.h"
#include "llvm/ADT/STLExtras.h"

using namespace compress;

namespace {
class Meter : public QualityMeter {
public:
  llvm::Error add(const QualitySample &sample) override {
    auto rows = getLabelledRows(sample);
    if (!rows)
      return rows.takeError();
    size_t n = rows->numClasses;
    for (size_t row = 0; row < rows->labels.size(); ++row) {
      int64_t label = rows->labels[row];
      if (label < 0)
        continue;
      ++count;
      auto isRight = [&](llvm::ArrayRef<float> all) {
        llvm::ArrayRef<float> values = all.slice(row * n, n);
        return llvm::max_element(values) - values.begin() == label;
      };
      reference += isRight(rows->reference);
      model += isRight(rows->outputs);
    }
    return llvm::Error::success();
  }

  llvm::Expected<QualityResult> finish() override {
    if (!count)
      return llvm::createStringError("there are no labels");
    QualityResult result;
    result.reference = double(reference) / count;
    result.model = double(model) / count;
    result.drop = *result.reference - result.model;
    return result;
  }

private:
  int64_t count = 0, reference = 0, model = 0;
};

class AccuracyMeasure : public QualityMeasure {
public:
  llvm::StringRef getName() const override { return "accuracy"; }
  llvm::StringRef getSummary() const override {
    return "share of labels that the largest logit meets; drop in points (1% "
           "is one point)";
  }
  bool needsLabels() const override { return true; }
  std::unique_ptr<QualityMeter> createMeter() const override {
    return std::make_unique<Meter>();
  }
};
} // namespace

std::unique_ptr<QualityMeasure> compress::createAccuracyMeasure() {
  return std::make_unique<AccuracyMeasure>();
}

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
    rows->forEach([&](int64_t label, llvm::ArrayRef<float> before,
                      llvm::ArrayRef<float> after) {
      ++count;
      reference += isRight(before, label);
      model += isRight(after, label);
    });
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

//===- WorstClass.cpp - The class that is recognized least ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Quality/Quality.h"
#include "llvm/ADT/STLExtras.h"

using namespace compress;

namespace {
/// Recall of each class: a mean over all samples can hide that a rare class is
/// lost.
class Meter : public QualityMeter {
public:
  llvm::Error add(const QualitySample &sample) override {
    auto rows = getLabelledRows(sample);
    if (!rows)
      return rows.takeError();
    classes.resize(std::max(classes.size(), rows->numClasses));
    rows->forEach([&](int64_t label, llvm::ArrayRef<float> before,
                      llvm::ArrayRef<float> after) {
      Class &own = classes[label];
      ++own.count;
      own.reference += isRight(before, label);
      own.model += isRight(after, label);
    });
    return llvm::Error::success();
  }

  llvm::Expected<QualityResult> finish() override {
    QualityResult result;
    double reference = 2, model = 2;
    for (auto [number, own] : llvm::enumerate(classes)) {
      if (!own.count)
        continue;
      double before = double(own.reference) / own.count;
      double after = double(own.model) / own.count;
      reference = std::min(reference, before);
      model = std::min(model, after);
      result.details.emplace_back("class " + std::to_string(number), after);
    }
    if (result.details.empty())
      return llvm::createStringError("there are no labels");
    result.reference = reference;
    result.model = model;
    result.drop = reference - model;
    return result;
  }

private:
  struct Class {
    int64_t count = 0, reference = 0, model = 0;
  };
  std::vector<Class> classes;
};

class WorstClassMeasure : public QualityMeasure {
public:
  llvm::StringRef getName() const override { return "worst-class"; }
  llvm::StringRef getSummary() const override {
    return "least share of right labels among classes; drop in points";
  }
  bool needsLabels() const override { return true; }
  std::unique_ptr<QualityMeter> createMeter() const override {
    return std::make_unique<Meter>();
  }
};
} // namespace

std::unique_ptr<QualityMeasure> compress::createWorstClassMeasure() {
  return std::make_unique<WorstClassMeasure>();
}

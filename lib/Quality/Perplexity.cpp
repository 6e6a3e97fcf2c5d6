//===- Perplexity.cpp - How surprised a model is by labels ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Quality/Quality.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

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
      reference += getLogSum(before) - before[label];
      model += getLogSum(after) - after[label];
    });
    return llvm::Error::success();
  }

  llvm::Expected<QualityResult> finish() override {
    if (!count)
      return llvm::createStringError("there are no labels");
    QualityResult result;
    result.reference = std::exp(reference / double(count));
    result.model = std::exp(model / double(count));
    result.drop = result.model / *result.reference - 1;
    return result;
  }

private:
  int64_t count = 0;
  double reference = 0, model = 0;
};

class PerplexityMeasure : public QualityMeasure {
public:
  llvm::StringRef getName() const override { return "perplexity"; }
  llvm::StringRef getSummary() const override {
    return "exponential of the mean cross entropy of labels; drop is its "
           "relative rise";
  }
  bool needsLabels() const override { return true; }
  std::unique_ptr<QualityMeter> createMeter() const override {
    return std::make_unique<Meter>();
  }
};
} // namespace

std::unique_ptr<QualityMeasure> compress::createPerplexityMeasure() {
  return std::make_unique<PerplexityMeasure>();
}

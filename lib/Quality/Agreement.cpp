//===- Agreement.cpp - Same class as the float model ------------*- C++ -*-===//
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
    return forEachFloatOutput(sample, [&](size_t, const NpyArray &array,
                                          llvm::ArrayRef<float> reference,
                                          llvm::ArrayRef<float> values) {
      if (array.shape.empty() || values.empty())
        return;
      size_t n = array.shape.back();
      for (size_t row = 0; row < values.size(); row += n) {
        auto getClass = [&](llvm::ArrayRef<float> all) {
          llvm::ArrayRef<float> logits = all.slice(row, n);
          return llvm::max_element(logits) - logits.begin();
        };
        ++count;
        same += getClass(reference) == getClass(values);
      }
    });
  }

  llvm::Expected<QualityResult> finish() override {
    QualityResult result;
    result.model = count ? double(same) / count : 1;
    result.drop = 1 - result.model;
    return result;
  }

private:
  int64_t count = 0, same = 0;
};

class AgreementMeasure : public QualityMeasure {
public:
  llvm::StringRef getName() const override { return "top1"; }
  llvm::StringRef getSummary() const override {
    return "share of rows where both models choose the same class; drop is the "
           "rest";
  }
  std::unique_ptr<QualityMeter> createMeter() const override {
    return std::make_unique<Meter>();
  }
};
} // namespace

std::unique_ptr<QualityMeasure> compress::createAgreementMeasure() {
  return std::make_unique<AgreementMeasure>();
}

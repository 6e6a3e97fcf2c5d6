//===- Cosine.cpp - Direction of the outputs --------------------*- C++ -*-===//
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
    return forEachFloatOutput(sample, [&](size_t output, const NpyArray &,
                                          llvm::ArrayRef<float> reference,
                                          llvm::ArrayRef<float> values) {
      sums.resize(std::max(sums.size(), output + 1));
      Sums &own = sums[output];
      own.isSeen = true;
      for (auto [x, y] : llvm::zip_equal(reference, values)) {
        own.xy += double(x) * y;
        own.xx += double(x) * x;
        own.yy += double(y) * y;
      }
    });
  }

  /// Of the output that turned most.
  llvm::Expected<QualityResult> finish() override {
    QualityResult result;
    result.model = 1;
    result.format = "%.6f";
    for (const Sums &own : sums) {
      if (!own.isSeen || (own.xx == 0 && own.yy == 0))
        continue;
      double cosine = own.xy / std::sqrt(own.xx * own.yy);
      result.model =
          std::isfinite(cosine) ? std::min(result.model, cosine) : -1;
    }
    result.drop = 1 - result.model;
    return result;
  }

private:
  struct Sums {
    bool isSeen = false;
    double xy = 0, xx = 0, yy = 0;
  };
  std::vector<Sums> sums;
};

class CosineMeasure : public QualityMeasure {
public:
  llvm::StringRef getName() const override { return "cosine"; }
  llvm::StringRef getSummary() const override {
    return "cosine of the angle to the outputs of the float model; drop is 1 - "
           "cosine";
  }
  std::unique_ptr<QualityMeter> createMeter() const override {
    return std::make_unique<Meter>();
  }
};
} // namespace

std::unique_ptr<QualityMeasure> compress::createCosineMeasure() {
  return std::make_unique<CosineMeasure>();
}

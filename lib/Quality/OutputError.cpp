//===- OutputError.cpp - Relative error of the outputs ----------*- C++ -*-===//
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
      for (auto [x, y] : llvm::zip_equal(reference, values)) {
        double difference = double(y) - x;
        sums[output].first += difference * difference;
        sums[output].second += double(x) * x;
      }
    });
  }

  /// Of the worst output.
  llvm::Expected<QualityResult> finish() override {
    QualityResult result;
    for (auto [noise, energy] : sums) {
      double error = noise == 0 ? 0 : std::sqrt(noise / energy);
      // A NaN is worse than anything.
      result.model =
          std::isnan(error) ? INFINITY : std::max(result.model, error);
    }
    result.drop = result.model;
    return result;
  }

private:
  std::vector<std::pair<double, double>> sums;
};

class OutputErrorMeasure : public QualityMeasure {
public:
  llvm::StringRef getName() const override { return "error"; }
  llvm::StringRef getSummary() const override {
    return "relative error of the outputs, in the Euclidean norm; the drop is "
           "the same";
  }
  std::unique_ptr<QualityMeter> createMeter() const override {
    return std::make_unique<Meter>();
  }
};
} // namespace

std::unique_ptr<QualityMeasure> compress::createOutputErrorMeasure() {
  return std::make_unique<OutputErrorMeasure>();
}

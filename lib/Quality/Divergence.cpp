//===- Divergence.cpp - Kullback-Leibler divergence -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Quality/Quality.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace compress;

namespace {
/// Softmax along the last axis of each output; the mean over rows, the sum over
/// outputs. Softmax outputs of a model are their own logarithms' softmax only
/// up to a constant, so logits are expected.
class Meter : public QualityMeter {
public:
  llvm::Error add(const QualitySample &sample) override {
    return forEachFloatOutput(sample, [&](size_t output, const NpyArray &array,
                                          llvm::ArrayRef<float> reference,
                                          llvm::ArrayRef<float> values) {
      if (array.shape.empty() || values.empty())
        return;
      size_t n = array.shape.back();
      sums.resize(std::max(sums.size(), output + 1));
      for (size_t row = 0; row < values.size(); row += n) {
        llvm::ArrayRef<float> p = reference.slice(row, n),
                              q = values.slice(row, n);
        double logP = getLogSum(p), logQ = getLogSum(q), sum = 0;
        for (auto [x, y] : llvm::zip_equal(p, q)) {
          double share = std::exp(x - logP);
          if (share > 0)
            sum += share * ((x - logP) - (y - logQ));
        }
        ++sums[output].first;
        // Not below zero but for rounding.
        sums[output].second += std::isnan(sum) ? INFINITY : std::max(sum, 0.0);
      }
    });
  }

  llvm::Expected<QualityResult> finish() override {
    QualityResult result;
    for (auto [count, sum] : sums)
      if (count)
        result.model += sum / double(count);
    result.drop = result.model;
    return result;
  }

private:
  std::vector<std::pair<int64_t, double>> sums;
};

class DivergenceMeasure : public QualityMeasure {
public:
  llvm::StringRef getName() const override { return "kl"; }
  llvm::StringRef getSummary() const override {
    return "mean Kullback-Leibler divergence of softmax outputs from those of "
           "the float model, in nats; the drop is the same";
  }
  std::unique_ptr<QualityMeter> createMeter() const override {
    return std::make_unique<Meter>();
  }
};
} // namespace

std::unique_ptr<QualityMeasure> compress::createDivergenceMeasure() {
  return std::make_unique<DivergenceMeasure>();
}

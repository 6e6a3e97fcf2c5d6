//===- PSNR.cpp - Peak signal to noise ratio --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Quality/Quality.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace compress;

namespace {
/// The peak is the range of values of targets or of the float model.
class Meter : public QualityMeter {
public:
  llvm::Error add(const QualitySample &sample) override {
    const NpyArray *targets = sample.targets;
    bool matched = false;
    if (llvm::Error error =
            forEachFloatOutput(sample, [&](size_t, const NpyArray &array,
                                           llvm::ArrayRef<float> ofFloat,
                                           llvm::ArrayRef<float> values) {
              if (matched || (targets && targets->shape != array.shape))
                return;
              matched = true;
              std::vector<float> wanted =
                  targets ? *toFloats(*targets) : ofFloat.vec();
              for (auto [x, before, after] :
                   llvm::zip_equal(wanted, ofFloat, values)) {
                low = std::min<double>(low, x);
                high = std::max<double>(high, x);
                reference += (double(before) - x) * (double(before) - x);
                model += (double(after) - x) * (double(after) - x);
                ++count;
              }
            }))
      return error;
    hasTargets = targets;
    if (!matched)
      return llvm::createStringError("the targets have the shape of no output");
    return llvm::Error::success();
  }

  llvm::Expected<QualityResult> finish() override {
    QualityResult result;
    result.format = "%.2f dB";
    double peak = count ? high - low : 0;
    auto getRatio = [&](double noise) -> double {
      // What is equal has no noise to compare with; nobody sees 200 dB.
      constexpr double most = 200;
      if (noise == 0)
        return most;
      if (std::isnan(noise))
        return -INFINITY;
      return std::min(most,
                      10 * std::log10(peak * peak * double(count) / noise));
    };
    result.model = getRatio(model);
    if (hasTargets) {
      result.reference = getRatio(reference);
      result.drop = *result.reference - result.model;
    } else {
      result.drop = model == 0 ? 0 : std::pow(10, -result.model / 20);
    }
    if (std::isnan(result.drop))
      result.drop = INFINITY;
    return result;
  }

private:
  bool hasTargets = false;
  int64_t count = 0;
  double low = INFINITY, high = -INFINITY, reference = 0, model = 0;
};

class PSNRMeasure : public QualityMeasure {
public:
  llvm::StringRef getName() const override { return "psnr"; }
  llvm::StringRef getSummary() const override {
    return "peak signal to noise ratio in dB against the array targets, drop "
           "in dB; without targets against the float model, where a drop of 1% "
           "means 40 dB";
  }
  std::unique_ptr<QualityMeter> createMeter() const override {
    return std::make_unique<Meter>();
  }
};
} // namespace

std::unique_ptr<QualityMeasure> compress::createPSNRMeasure() {
  return std::make_unique<PSNRMeasure>();
}

//===- RoundToNearest.cpp - The method `rtn` --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RangeSearch.h"
#include "compress/Method/Method.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>
#include <optional>

using namespace mlir;
using namespace compress;

namespace {

enum class RangeEstimator { AbsMax, Percentile, LeastError };

struct Options {
  RangeEstimator weights = RangeEstimator::AbsMax;
  RangeEstimator activations = RangeEstimator::AbsMax;
  double percentile = 99.9;
};

std::optional<RangeEstimator> parseEstimator(StringRef text) {
  return llvm::StringSwitch<std::optional<RangeEstimator>>(text)
      .Case("absmax", RangeEstimator::AbsMax)
      .Case("percentile", RangeEstimator::Percentile)
      .Case("mse", RangeEstimator::LeastError)
      .Default(std::nullopt);
}

llvm::Expected<Options> parseOptions(const MethodOptions &options) {
  Options result;
  std::optional<RangeEstimator> weights, activations;
  for (const auto &[name, value] : options) {
    if (name == "range" || name == "activation-range") {
      auto estimator = parseEstimator(value);
      if (!estimator)
        return llvm::createStringError(
            "method 'rtn': option '" + Twine(name) +
            "' is absmax, percentile or mse, found '" + value + "'");
      (name == "range" ? weights : activations) = estimator;
    } else if (name == "percentile") {
      if (StringRef(value).getAsDouble(result.percentile) ||
          !(result.percentile > 50 && result.percentile <= 100))
        return llvm::createStringError(
            "method 'rtn': option 'percentile' is a number above 50 and at "
            "most 100, found '" +
            Twine(value) + "'");
    } else {
      return llvm::createStringError("method 'rtn' has no option '" +
                                     Twine(name) +
                                     "'; known are range, activation-range, "
                                     "percentile");
    }
  }
  result.weights = weights.value_or(RangeEstimator::AbsMax);
  result.activations = activations.value_or(result.weights);
  return result;
}

/// Rounds to the nearest code, after choosing each group's range by itself.
class RoundToNearestMethod : public Method {
public:
  StringRef getName() const override { return "rtn"; }
  StringRef getSummary() const override {
    return "rounds each value to the nearest code of its group's range";
  }
  StringRef getOptionsHelp() const override {
    return "range=absmax|percentile|mse (mse weighs by the calibration data "
           "when there is some), activation-range=..., percentile=99.9";
  }
  llvm::Error verifyOptions(const MethodOptions &options) const override {
    return parseOptions(options).takeError();
  }
  // Statistics sharpen `mse` but nothing needs them.
  Rung getRung(const MethodOptions &) const override { return Rung::DataFree; }
  bool supports(EncodingAttrInterface encoding) const override {
    return isa<QuantAttr, DenseAttr>(encoding);
  }

  llvm::Expected<SmallVector<HostTensor>>
  activationParameters(const TensorStatistics &statistics,
                       CompressedTensorType type,
                       const MethodOptions &options) const override;

protected:
  llvm::Expected<SmallVector<HostTensor>>
  encode(const WeightRequest &request) const override;
};

} // namespace

llvm::Expected<SmallVector<HostTensor>>
RoundToNearestMethod::encode(const WeightRequest &request) const {
  EncodingAttrInterface encoding = request.type.getEncoding();
  auto quant = dyn_cast<QuantAttr>(encoding);
  if (!quant)
    return encoding.encodeHost(request.type, request.weight, {});
  auto options = parseOptions(request.options);
  if (!options)
    return options.takeError();
  std::vector<float> values = request.weight.toFloats();
  Ranges ranges;
  switch (options->weights) {
  case RangeEstimator::AbsMax:
    ranges = findAbsMaxRanges(request.type, values);
    break;
  case RangeEstimator::Percentile:
    ranges = findPercentileRanges(request.type, values, options->percentile);
    break;
  case RangeEstimator::LeastError: {
    auto found =
        findLeastErrorRanges(request.type, values, getImportance(request));
    if (!found)
      return found.takeError();
    ranges = std::move(*found);
    break;
  }
  }
  auto parameters =
      quant.parametersFromRanges(request.type, ranges.lo, ranges.hi);
  if (!parameters)
    return parameters.takeError();
  return quant.encodeHost(request.type, request.weight, *parameters);
}

llvm::Expected<SmallVector<HostTensor>>
RoundToNearestMethod::activationParameters(const TensorStatistics &statistics,
                                           CompressedTensorType type,
                                           const MethodOptions &raw) const {
  auto options = parseOptions(raw);
  if (!options)
    return options.takeError();
  auto quant = dyn_cast<QuantAttr>(type.getEncoding());
  if (!quant)
    return SmallVector<HostTensor>();
  for (int64_t size : quant.getGroupGrid(type.getShape()))
    if (size != 1)
      return llvm::createStringError(
          "static activation parameters are per tensor only");
  if (!statistics.getCount())
    return llvm::createStringError("no values of the activation were observed");

  const Histogram &histogram = statistics.getHistogram();
  float lo = std::min(statistics.getMin(), 0.0f);
  float hi = std::max(statistics.getMax(), 0.0f);
  if (options->activations == RangeEstimator::Percentile) {
    double q = options->percentile / 100;
    float low = histogram.quantile(1 - q), high = histogram.quantile(q);
    lo = std::clamp(low, lo, 0.0f);
    hi = std::clamp(high, 0.0f, hi);
  } else if (options->activations == RangeEstimator::LeastError) {
    // The bins are a tensor whose elements matter by their counts.
    std::vector<float> values{lo, hi}, counts{1, 1};
    for (auto [bin, count] : llvm::enumerate(histogram.getCounts()))
      if (count) {
        values.push_back(
            std::clamp<float>(histogram.getBinCenter(bin), lo, hi));
        counts.push_back(count);
      }
    auto bins = QuantAttr::get(type.getContext(), quant.getCodeType(),
                               {ShapedType::kDynamic}, quant.getScale(),
                               quant.getZero());
    auto found = findLeastErrorRanges(
        CompressedTensorType::get(type.getContext(), {int64_t(values.size())},
                                  Float32Type::get(type.getContext()), bins),
        values, counts);
    if (!found)
      return found.takeError();
    lo = found->lo[0];
    hi = found->hi[0];
  }
  return quant.parametersFromRanges(type, lo, hi);
}

std::unique_ptr<Method> compress::createRoundToNearestMethod() {
  return std::make_unique<RoundToNearestMethod>();
}

//===- SVD.cpp - The method `svd` -------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Fit.h"
#include "compress/Method/Method.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace compress;

namespace {

struct Options {
  /// Weigh the error by the second moments of the input (ASVD; SVD-LLM with a
  /// diagonal covariance).
  bool scaled = true;
  FactorizationOptions fit;
};

llvm::Expected<Options> parseOptions(const MethodOptions &options) {
  Options result;
  for (const auto &[name, value] : options) {
    if (name == "scaled") {
      if (value != "act" && value != "none")
        return llvm::createStringError(
            "method 'svd': option 'scaled' is act or none, found '" +
            Twine(value) + "'");
      result.scaled = value == "act";
    } else if (name == "iterations") {
      if (StringRef(value).getAsInteger(10, result.fit.maxSweeps) ||
          result.fit.maxSweeps > 10000)
        return llvm::createStringError(
            "method 'svd': option 'iterations' is a number from 0 to 10000, "
            "found '" +
            Twine(value) + "'");
    } else if (name == "seed") {
      if (StringRef(value).getAsInteger(10, result.fit.seed))
        return llvm::createStringError(
            "method 'svd': option 'seed' is a number of 32 bits, found '" +
            Twine(value) + "'");
    } else {
      return llvm::createStringError("method 'svd' has no option '" +
                                     Twine(name) +
                                     "'; known are scaled, iterations, seed");
    }
  }
  return result;
}

/// Truncated singular value decompositions, and alternating least squares where
/// the form is no matrix product.
class SVDMethod : public Method {
public:
  StringRef getName() const override { return "svd"; }
  StringRef getSummary() const override {
    return "fits the factors of least squared error, weighed by the "
           "calibration "
           "data when there is some";
  }
  StringRef getOptionsHelp() const override {
    return "scaled=act|none (weigh by the second moments of the input), "
           "iterations=100 (sweeps of least squares, where needed), seed=0";
  }
  llvm::Error verifyOptions(const MethodOptions &options) const override {
    return parseOptions(options).takeError();
  }
  Rung getRung(const MethodOptions &) const override { return Rung::DataFree; }
  bool supports(EncodingAttrInterface encoding) const override {
    return isa<FactoredAttr>(encoding);
  }

protected:
  llvm::Expected<SmallVector<HostTensor>>
  encode(const WeightRequest &request) const override;
};

} // namespace

llvm::Expected<SmallVector<HostTensor>>
SVDMethod::encode(const WeightRequest &request) const {
  auto options = parseOptions(request.options);
  if (!options)
    return options.takeError();
  // One moment for each input channel. With grouped convolution they are those
  // of all groups, which no weight of one axis can tell apart.
  std::vector<std::vector<double>> importance;
  ArrayRef<int64_t> shape = request.weight.getShape();
  if (options->scaled && !request.role.reductionAxes.empty()) {
    int64_t axis = request.role.reductionAxes[0];
    if (int64_t(request.secondMoments.size()) == shape[axis]) {
      importance.resize(shape.size());
      importance[axis] = request.secondMoments.vec();
      options->fit.importance = importance;
    }
  }
  return fitFactored(request.type, request.weight, options->fit);
}

std::unique_ptr<Method> compress::createSVDMethod() {
  return std::make_unique<SVDMethod>();
}

//===- KMeans.cpp - The method `kmeans` -------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Fit.h"
#include "compress/Method/Method.h"

using namespace mlir;
using namespace compress;

namespace {

llvm::Expected<KMeansOptions> parseOptions(const MethodOptions &options) {
  KMeansOptions result;
  for (const auto &[name, value] : options) {
    if (name == "iterations") {
      if (StringRef(value).getAsInteger(10, result.iterations) ||
          result.iterations < 1 || result.iterations > 10000)
        return llvm::createStringError(
            "method 'kmeans': option 'iterations' is a number from 1 to "
            "10000, found '" +
            Twine(value) + "'");
    } else if (name == "seed") {
      if (StringRef(value).getAsInteger(10, result.seed))
        return llvm::createStringError(
            "method 'kmeans': option 'seed' is a number of 32 bits, found '" +
            Twine(value) + "'");
    } else {
      return llvm::createStringError("method 'kmeans' has no option '" +
                                     Twine(name) +
                                     "'; known are iterations, seed");
    }
  }
  return result;
}

/// Clusters values or vectors; each counts by the second moment of the input
/// that it is multiplied with (SqueezeLLM, with activations for the Hessian).
class KMeansMethod : public Method {
public:
  StringRef getName() const override { return "kmeans"; }
  StringRef getSummary() const override {
    return "fits codebooks by clustering, weighed by the calibration data when "
           "there is some";
  }
  StringRef getOptionsHelp() const override {
    return "iterations=30 (of vectors; scalars are clustered optimally), "
           "seed=0";
  }
  llvm::Error verifyOptions(const MethodOptions &options) const override {
    return parseOptions(options).takeError();
  }
  // Statistics sharpen it but nothing needs them.
  Rung getRung(const MethodOptions &) const override { return Rung::DataFree; }
  bool supports(EncodingAttrInterface encoding) const override {
    return isa<CodebookAttr>(encoding);
  }

protected:
  llvm::Expected<SmallVector<HostTensor>>
  encode(const WeightRequest &request) const override {
    auto options = parseOptions(request.options);
    if (!options)
      return options.takeError();
    return fitCodebook(request.type, request.weight, getImportance(request),
                       *options);
  }
};

} // namespace

std::unique_ptr<Method> compress::createKMeansMethod() {
  return std::make_unique<KMeansMethod>();
}

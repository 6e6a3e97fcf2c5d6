//===- Fit.cpp - The method `fit` -------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Method/Method.h"

using namespace mlir;
using namespace compress;

namespace {

/// What every encoding does by itself, nested ones too: nearest codes under the
/// largest magnitude, k-means, largest magnitudes, truncated decompositions,
/// residuals for sums.
class FitMethod : public Method {
public:
  StringRef getName() const override { return "fit"; }
  StringRef getSummary() const override {
    return "the data-free default of any encoding and of what it nests: "
           "nearest codes, k-means, largest magnitudes, truncated "
           "decompositions, residuals";
  }
  llvm::Error verifyOptions(const MethodOptions &options) const override {
    if (options.empty())
      return llvm::Error::success();
    return llvm::createStringError("method 'fit' has no option '" +
                                   Twine(options.begin()->first) + "'");
  }
  Rung getRung(const MethodOptions &) const override { return Rung::DataFree; }
  bool supports(EncodingAttrInterface) const override { return true; }

protected:
  llvm::Expected<SmallVector<HostTensor>>
  encode(const WeightRequest &request) const override {
    return request.type.getEncoding().encodeHost(request.type, request.weight,
                                                 {});
  }
};

} // namespace

std::unique_ptr<Method> compress::createFitMethod() {
  return std::make_unique<FitMethod>();
}

//===- Cast.cpp - The method `cast` -----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Method/Method.h"

using namespace mlir;
using namespace compress;

namespace {

/// Stores each value in another float type, to nearest even.
class CastMethod : public Method {
public:
  StringRef getName() const override { return "cast"; }
  StringRef getSummary() const override {
    return "stores each value in a narrower type, rounded to nearest even";
  }
  llvm::Error verifyOptions(const MethodOptions &options) const override {
    if (options.empty())
      return llvm::Error::success();
    return llvm::createStringError("method 'cast' has no option '" +
                                   Twine(options.begin()->first) + "'");
  }
  Rung getRung(const MethodOptions &) const override { return Rung::DataFree; }
  bool supports(EncodingAttrInterface encoding) const override {
    return isa<DenseAttr>(encoding);
  }

protected:
  llvm::Expected<SmallVector<HostTensor>>
  encode(const WeightRequest &request) const override {
    return request.type.getEncoding().encodeHost(request.type, request.weight,
                                                 {});
  }
};

} // namespace

std::unique_ptr<Method> compress::createCastMethod() {
  return std::make_unique<CastMethod>();
}

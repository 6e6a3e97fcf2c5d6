//===- Magnitude.cpp - The method `magnitude` -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Method/Method.h"
#include <cmath>
#include <optional>

using namespace mlir;
using namespace compress;

namespace {

struct Options {
  bool useSecondMoments = false;
  std::optional<double> density;
};

llvm::Expected<Options> parseOptions(const MethodOptions &options) {
  Options result;
  for (const auto &[name, value] : options) {
    if (name == "importance") {
      if (value != "weight" && value != "second-moment")
        return llvm::createStringError(
            "method 'magnitude': option 'importance' is weight or "
            "second-moment, found '" +
            Twine(value) + "'");
      result.useSecondMoments = value == "second-moment";
    } else if (name == "density") {
      double density;
      if (StringRef(value).getAsDouble(density) ||
          !(density >= 0 && density <= 1))
        return llvm::createStringError("method 'magnitude': option 'density' "
                                       "is a number from 0 to 1, found '" +
                                       Twine(value) + "'");
      result.density = density;
    } else {
      return llvm::createStringError("method 'magnitude' has no option '" +
                                     Twine(name) +
                                     "'; known are importance, density");
    }
  }
  return result;
}

/// Keeps the weights of largest magnitude, or of largest magnitude times the
/// root mean square of the input they meet: the Wanda score (Sun et al., "A
/// Simple and Effective Pruning Approach for Large Language Models", 2023).
class MagnitudeMethod : public Method {
public:
  StringRef getName() const override { return "magnitude"; }
  StringRef getSummary() const override {
    return "keeps the largest weights, blocks or channels";
  }
  StringRef getOptionsHelp() const override {
    return "importance=weight|second-moment (Wanda: |w| * sqrt(E[x^2]) when "
           "there is calibration data), density=0..1 (the share to keep where "
           "the encoding says nnz = ?; without it all that is not zero)";
  }
  llvm::Error verifyOptions(const MethodOptions &options) const override {
    return parseOptions(options).takeError();
  }
  // Where there are no statistics the weights alone decide.
  Rung getRung(const MethodOptions &options) const override {
    auto parsed = parseOptions(options);
    if (!parsed) {
      llvm::consumeError(parsed.takeError());
      return Rung::DataFree;
    }
    return parsed->useSecondMoments ? Rung::ForwardStatistics : Rung::DataFree;
  }
  bool supports(EncodingAttrInterface encoding) const override {
    return isa<SparseAttr>(encoding);
  }

protected:
  llvm::Expected<SmallVector<HostTensor>>
  encode(const WeightRequest &request) const override;
};

} // namespace

llvm::Expected<SmallVector<HostTensor>>
MagnitudeMethod::encode(const WeightRequest &request) const {
  auto options = parseOptions(request.options);
  if (!options)
    return options.takeError();
  auto sparse = cast<SparseAttr>(request.type.getEncoding());
  if (options->density &&
      (!sparse.hasCount() || !ShapedType::isDynamic(sparse.getNnz())))
    return llvm::createStringError(
        "method 'magnitude': option 'density' is for encodings with nnz = ?; "
        "this one says how much it keeps");
  std::vector<float> importance;
  if (options->useSecondMoments)
    importance = getImportance(request);
  std::vector<double> scores(request.weight.getNumElements());
  for (size_t i = 0; i < scores.size(); ++i) {
    scores[i] = std::fabs(request.weight.getDouble(i));
    if (!importance.empty())
      scores[i] *= std::sqrt(double(importance[i]));
  }
  return sparse.encodeHost(
      request.type, request.weight,
      sparse.choosePositions(request.type, scores, options->density));
}

std::unique_ptr<Method> compress::createMagnitudeMethod() {
  return std::make_unique<MagnitudeMethod>();
}

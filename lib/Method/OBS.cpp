//===- OBS.cpp - The method `obs` -------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Removes inputs of a layer as ZipLM does (see RemoveStructures.h): the second
// moments of sampled inputs say what a removal costs and how the remaining
// weights make up for it. Positions of a convolution's window are vectors of
// their own, as in `adaquant`.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Method/Method.h"
#include "compress/Numeric/RemoveStructures.h"
#include "compress/Numeric/SecondMoments.h"

using namespace mlir;
using namespace compress;

namespace {

struct Options {
  int64_t structure = 1;
  bool update = true;
  double damping = 0.01;
};

llvm::Expected<Options> parseOptions(const MethodOptions &options) {
  Options result;
  for (const auto &[name, value] : options) {
    bool isBad = false;
    if (name == "structure") {
      isBad = StringRef(value).getAsInteger(10, result.structure) ||
              result.structure < 1;
    } else if (name == "update") {
      isBad = value != "yes" && value != "no";
      result.update = value == "yes";
    } else if (name == "damping") {
      isBad = StringRef(value).getAsDouble(result.damping) ||
              !(result.damping > 0 && result.damping <= 1000);
    } else {
      return llvm::createStringError("method 'obs' has no option '" +
                                     Twine(name) +
                                     "'; known are damping, structure, update");
    }
    if (isBad)
      return llvm::createStringError("method 'obs': option '" + Twine(name) +
                                     "' cannot be '" + value + "'");
  }
  return result;
}

class OBSMethod : public Method {
public:
  StringRef getName() const override { return "obs"; }
  StringRef getSummary() const override {
    return "removes the inputs that cost the layer's output least, and changes "
           "the other weights to make up for them";
  }
  StringRef getOptionsHelp() const override {
    return "structure=1 (neighbouring inputs that go together), update=yes|no "
           "(no: the others stay as they are), damping=0.01 (added to the "
           "second moments, in shares of their mean)";
  }
  llvm::Error verifyOptions(const MethodOptions &options) const override {
    return parseOptions(options).takeError();
  }
  // Where there are no statistics the weights alone decide.
  Rung getRung(const MethodOptions &) const override {
    return Rung::ForwardStatistics;
  }
  bool usesInputs() const override { return true; }
  /// As values that are not sparse get them.
  llvm::Expected<SmallVector<HostTensor>>
  activationParameters(const TensorStatistics &statistics,
                       CompressedTensorType type,
                       const MethodOptions &) const override {
    auto nearest = lookupMethod("rtn");
    if (!nearest)
      return nearest.takeError();
    return (*nearest)->activationParameters(statistics, type, {});
  }
  bool supports(EncodingAttrInterface encoding) const override {
    auto sparse = dyn_cast<SparseAttr>(encoding);
    return sparse && sparse.getPattern() == SparsePattern::Channels &&
           !ShapedType::isDynamic(sparse.getNnz());
  }

protected:
  llvm::Expected<SmallVector<HostTensor>>
  encode(const WeightRequest &request) const override;
};

} // namespace

/// [channels, channels]: of the samples if there are any, else what is known of
/// each channel alone.
static std::vector<double> getHessian(const WeightRequest &request,
                                      int64_t channels, double damping) {
  std::vector<double> hessian(channels * channels, 0.0);
  const LayerInputs *inputs = request.inputs;
  if (inputs && inputs->rows > 0 && inputs->channels == channels) {
    hessian = getSecondMoments(inputs->values, channels, inputs->rows);
  } else {
    bool isKnown = int64_t(request.secondMoments.size()) == channels;
    for (int64_t c = 0; c < channels; ++c)
      hessian[c * channels + c] = isKnown ? request.secondMoments[c] : 1;
  }
  double mean = 0;
  for (int64_t c = 0; c < channels; ++c)
    mean += hessian[c * channels + c] / double(channels);
  double ridge = mean > 0 ? damping * mean : 1;
  for (int64_t c = 0; c < channels; ++c)
    hessian[c * channels + c] += ridge;
  return hessian;
}

llvm::Expected<SmallVector<HostTensor>>
OBSMethod::encode(const WeightRequest &request) const {
  auto options = parseOptions(request.options);
  if (!options)
    return options.takeError();
  auto sparse = cast<SparseAttr>(request.type.getEncoding());
  ArrayRef<int64_t> shape = request.weight.getShape();
  int64_t axis = sparse.getAxis(shape.size());
  if (request.role.reductionAxes.empty() ||
      request.role.reductionAxes[0] != axis)
    return llvm::createStringError(
        "method 'obs' removes inputs; channels of axis " + Twine(axis) +
        " are none");
  int64_t channels = shape[axis];
  // Grouped convolutions have inputs of several sets, each with a removal of
  // its own, which no one axis says.
  for (auto [name, count] :
       {std::pair("samples", request.inputs && request.inputs->rows
                                 ? request.inputs->channels
                                 : channels),
        std::pair("moments", request.secondMoments.empty()
                                 ? channels
                                 : int64_t(request.secondMoments.size()))})
    if (count != channels)
      return llvm::createStringError(
          "method 'obs': %s have %lld channels, the weight %lld", name,
          (long long)count, (long long)channels);
  if (channels % options->structure || sparse.getNnz() % options->structure)
    return llvm::createStringError("method 'obs': what is kept of the inputs "
                                   "is no whole structures");

  auto layout = InputChannels::get(shape, request.role, channels);
  if (!layout)
    return llvm::createStringError("method 'obs': the weight has no inputs");
  std::vector<int64_t> firsts;
  for (int64_t i = 0, e = request.weight.getNumElements(); i < e; ++i)
    if (layout->isFirst(i))
      firsts.push_back(i);
  std::vector<double> weights(firsts.size() * channels);
  for (auto [v, first] : llvm::enumerate(firsts))
    for (int64_t c = 0; c < channels; ++c)
      weights[v * channels + c] =
          request.weight.getDouble(first + c * layout->stride);
  std::vector<int64_t> kept =
      removeStructures(getHessian(request, channels, options->damping),
                       channels, weights, options->structure,
                       sparse.getNnz() / options->structure, options->update);
  if (int64_t(kept.size()) != sparse.getNnz())
    return llvm::createStringError(
        "method 'obs': the second moments of the inputs are not positive "
        "definite; more damping helps");

  HostTensor updated =
      HostTensor::allocate(shape, request.weight.getElementType());
  std::vector<double> scores(updated.getNumElements(), 0.0);
  for (auto [v, first] : llvm::enumerate(firsts))
    for (int64_t c : kept) {
      int64_t element = first + c * layout->stride;
      updated.setDouble(element, weights[v * channels + c]);
      scores[element] = 1;
    }
  return sparse.encodeHost(request.type, updated,
                           sparse.choosePositions(request.type, scores));
}

std::unique_ptr<Method> compress::createOBSMethod() {
  return std::make_unique<OBSMethod>();
}

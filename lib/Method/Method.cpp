//===- Method.cpp - Which values go into an encoding ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Method/Method.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <mutex>

using namespace mlir;
using namespace compress;

Method::~Method() = default;

StringRef compress::stringifyRung(Rung rung) {
  switch (rung) {
  case Rung::DataFree:
    return "data-free";
  case Rung::ForwardStatistics:
    return "forward statistics";
  case Rung::Gradients:
    return "gradients";
  case Rung::FineTuning:
    return "fine-tuning";
  }
  llvm_unreachable("unknown rung");
}

/// Errors of the dialect do not know the site.
static llvm::Error atSite(StringRef site, llvm::Error error) {
  return llvm::createStringError("site '" + site +
                                 "': " + llvm::toString(std::move(error)));
}

llvm::Expected<WeightResult>
Method::quantizeWeight(const WeightRequest &request) const {
  if (!supports(request.type.getEncoding())) {
    std::string text;
    llvm::raw_string_ostream os(text);
    os << "site '" << request.site << "': method '" << getName()
       << "' cannot fill the encoding " << request.type.getEncoding();
    return llvm::createStringError(Twine(text));
  }
  if (llvm::Error error = verifyOptions(request.options))
    return atSite(request.site, std::move(error));
  const HostTensor &weight = request.weight;
  for (int64_t i = 0, e = weight.getNumElements(); i < e; ++i) {
    double value = weight.getDouble(i);
    if (!std::isfinite(value))
      return llvm::createStringError("site '" + request.site + "': element " +
                                     Twine(i) + " of the weight is " +
                                     (std::isnan(value) ? "NaN" : "infinite"));
  }
  auto leaves = encode(request);
  if (!leaves)
    return atSite(request.site, leaves.takeError());
  CompressedTensorType type = refineType(request.type, *leaves);
  auto error = measureLayerError(request, type, *leaves);
  if (!error)
    return atSite(request.site, error.takeError());
  return WeightResult{type, std::move(*leaves), *error};
}

llvm::Expected<SmallVector<HostTensor>>
Method::activationParameters(const TensorStatistics &, CompressedTensorType,
                             const MethodOptions &) const {
  return llvm::createStringError("method '" + getName() +
                                 "' does not choose activation parameters");
}

std::optional<InputChannels> InputChannels::get(ArrayRef<int64_t> shape,
                                                const WeightOperand &role,
                                                int64_t numChannels) {
  if (role.reductionAxes.empty())
    return std::nullopt;
  auto getStride = [&](int64_t axis) {
    int64_t stride = 1;
    for (int64_t size : shape.drop_front(axis + 1))
      stride *= size;
    return stride;
  };
  InputChannels result;
  int64_t axis = role.reductionAxes[0];
  result.channels = shape[axis];
  result.stride = getStride(axis);
  if (result.channels == 0 || numChannels == 0 || numChannels % result.channels)
    return std::nullopt;
  result.sets = numChannels / result.channels;
  if (result.sets == 1)
    return result;
  if (role.outputAxes.empty() || shape[role.outputAxes[0]] % result.sets)
    return std::nullopt;
  result.outputs = shape[role.outputAxes[0]];
  result.outStride = getStride(role.outputAxes[0]);
  return result;
}

std::vector<float> compress::getImportance(const WeightRequest &request) {
  ArrayRef<double> moments = request.secondMoments;
  auto channels = InputChannels::get(request.weight.getShape(), request.role,
                                     moments.size());
  if (!channels)
    return {};
  std::vector<float> importance(request.weight.getNumElements());
  for (auto [i, value] : llvm::enumerate(importance))
    value = moments[channels->getChannel(i)];
  return importance;
}

llvm::Expected<LayerError>
compress::measureLayerError(const WeightRequest &request,
                            CompressedTensorType type,
                            ArrayRef<HostTensor> leaves) {
  auto decoded = decodeTensor({type, SmallVector<HostTensor>(leaves)});
  if (!decoded)
    return decoded.takeError();
  std::vector<float> importance = getImportance(request);
  double error = 0, energy = 0;
  for (int64_t i = 0, e = decoded->getNumElements(); i < e; ++i) {
    double value = request.weight.getDouble(i);
    if (!std::isfinite(decoded->getDouble(i)))
      return llvm::createStringError("the encoding cannot hold element " +
                                     Twine(i) + ", which is " +
                                     llvm::formatv("{0}", value).str());
    double difference = value - decoded->getDouble(i);
    double scale = importance.empty() ? 1.0 : importance[i];
    error += difference * difference * scale;
    energy += value * value * scale;
  }
  LayerError result;
  result.absolute = error;
  if (energy > 0)
    result.relative = error / energy;
  else if (error > 0)
    result.relative = 1;
  return result;
}

//===----------------------------------------------------------------------===//
// Registry
//===----------------------------------------------------------------------===//

namespace {
struct Registry {
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<Method>> methods;
};
} // namespace

static Registry &getRegistry() {
  static Registry registry;
  return registry;
}

void compress::registerMethod(std::unique_ptr<Method> method) {
  Registry &registry = getRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  std::string name = method->getName().str();
  registry.methods[name] = std::move(method);
}

void compress::registerAllMethods() {
  static std::once_flag once;
  std::call_once(once, [] {
    registerMethod(createRoundToNearestMethod());
    registerMethod(createCastMethod());
    registerMethod(createMagnitudeMethod());
    registerMethod(createFitMethod());
    registerMethod(createKMeansMethod());
    registerMethod(createSVDMethod());
    registerMethod(createDepthsMethod());
    registerMethod(createAdaQuantMethod());
    registerMethod(createOBSMethod());
    registerMethod(createRateMethod());
  });
}

llvm::Expected<const Method *> compress::lookupMethod(StringRef name) {
  registerAllMethods();
  Registry &registry = getRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  auto it = registry.methods.find(name.str());
  if (it != registry.methods.end())
    return it->second.get();
  SmallVector<StringRef> known;
  for (const auto &entry : registry.methods)
    known.push_back(entry.first);
  return llvm::createStringError("unknown method '" + name + "'; known are " +
                                 llvm::join(known, ", "));
}

SmallVector<const Method *> compress::getMethods() {
  registerAllMethods();
  Registry &registry = getRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  SmallVector<const Method *> methods;
  for (const auto &entry : registry.methods)
    methods.push_back(entry.second.get());
  return methods;
}

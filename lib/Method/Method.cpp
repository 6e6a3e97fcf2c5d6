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

std::vector<float> compress::getImportance(const WeightRequest &request) {
  ArrayRef<int64_t> shape = request.weight.getShape();
  ArrayRef<double> moments = request.secondMoments;
  if (moments.empty() || request.role.reductionAxes.empty())
    return {};
  int64_t axis = request.role.reductionAxes[0];
  if (shape[axis] == 0 || moments.size() % shape[axis])
    return {};
  // Grouped convolution: output channels are split into as many runs as there
  // are sets of input channels.
  int64_t sets = moments.size() / shape[axis];
  int64_t outAxis =
      request.role.outputAxes.empty() ? -1 : request.role.outputAxes[0];
  if (sets > 1 && (outAxis < 0 || shape[outAxis] % sets))
    return {};
  int64_t outputsPerSet = sets > 1 ? shape[outAxis] / sets : 1;

  std::vector<float> importance(request.weight.getNumElements());
  SmallVector<int64_t> position(shape.size(), 0);
  for (float &value : importance) {
    int64_t set = sets > 1 ? position[outAxis] / outputsPerSet : 0;
    value = moments[set * shape[axis] + position[axis]];
    for (int64_t dim = int64_t(shape.size()) - 1; dim >= 0; --dim) {
      if (++position[dim] < shape[dim])
        break;
      position[dim] = 0;
    }
  }
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

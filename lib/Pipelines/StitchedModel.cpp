//===- StitchedModel.cpp - A model whose weights are inputs -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StitchedModel.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <cmath>

using namespace mlir;
using namespace compress;

/// A site's tensor as an array; only f32 ones.
static llvm::Expected<NpyArray> toArray(const HostTensor &tensor) {
  if (!tensor.getElementType().isF32())
    return llvm::createStringError("weights of other types than f32 cannot be "
                                   "exchanged while the model runs");
  auto array = NpyArray::allocate(COMPRESS_DTYPE_F32, tensor.getShape());
  if (array)
    llvm::copy(tensor.getBytes(), array->mutableData());
  return array;
}

llvm::Expected<StitchedModel>
StitchedModel::create(ModuleOp model, ArrayRef<Site> sites,
                      const CalibrationData &samples, size_t maxSamples,
                      const LevelDatabase &database, const Target &target,
                      const TargetOptions &machine, int threads) {
  StitchedModel stitched;
  stitched.sites = sites;
  stitched.database = &database;
  stitched.weights.resize(sites.size());
  OwningOpRef<ModuleOp> module = cast<ModuleOp>(model->clone());
  auto main = *module->getOps<func::FuncOp>().begin();
  unsigned numInputs = main.getNumArguments();
  SiteList own = findSites(main);
  Builder builder(model.getContext());
  for (const Site &site : sites) {
    const Site *copy = own.lookup(site.name);
    if (!copy)
      return llvm::createStringError("site '" + Twine(site.name) +
                                     "' is not in the copy of the model");
    unsigned index = main.getNumArguments();
    auto name = builder.getNamedAttr(
        "onnx.name", builder.getStringAttr("weight of " + site.name));
    if (failed(main.insertArgument(index, site.type,
                                   builder.getDictionaryAttr(name),
                                   copy->weight.getLoc())))
      return llvm::createStringError("an input could not be added");
    Value weight = copy->weight;
    weight.replaceAllUsesWith(main.getArgument(index));
    weight.getDefiningOp()->erase();
  }
  auto compiled = CompiledModel::compile(*module, "stitched", target, machine);
  if (!compiled)
    return compiled.takeError();
  auto jit = JITModel::create(std::move(*compiled), threads);
  if (!jit)
    return jit.takeError();
  stitched.jit.emplace(std::move(*jit));

  std::vector<NpyArray> floats;
  for (const Site &site : sites) {
    auto tensor = HostTensor::fromAttr(site.elements);
    if (!tensor)
      return tensor.takeError();
    auto array = toArray(*tensor);
    if (!array)
      return array.takeError();
    floats.push_back(std::move(*array));
  }
  // Spread over the data.
  size_t total = samples.size(), count = std::min(total, maxSamples);
  for (size_t i = 0; i < count; ++i) {
    std::vector<NpyArray> sample = samples.getSample(i * total / count);
    if (sample.size() != numInputs)
      return llvm::createStringError("the model has other inputs");
    std::vector<NpyArray> all = sample;
    all.insert(all.end(), floats.begin(), floats.end());
    auto outputs = stitched.jit->run(all);
    if (!outputs)
      return outputs.takeError();
    stitched.inputs.push_back(std::move(sample));
    stitched.indices.push_back(i * total / count);
    stitched.outputs.push_back(std::move(*outputs));
  }
  for (auto [known, array] : llvm::zip_equal(stitched.weights, floats))
    known["f32"] = array;
  return stitched;
}

llvm::Expected<NpyArray> StitchedModel::getWeight(size_t site,
                                                  const Level &level) {
  StringRef key = level.isNone() ? StringRef("f32") : level.getSpelling();
  auto &known = weights[site];
  if (auto it = known.find(key); it != known.end())
    return it->second;
  auto encoded = database->encode(sites[site], level);
  if (!encoded)
    return encoded.takeError();
  auto decoded =
      decodeTensor({encoded->type, std::move(encoded->weight.leaves)});
  if (!decoded)
    return decoded.takeError();
  auto array = toArray(*decoded);
  if (!array)
    return array.takeError();
  constexpr size_t maxBytes = size_t(2) << 30;
  if (weightBytes > maxBytes) {
    weightBytes = 0;
    for (auto &map : weights) {
      NpyArray whole = map["f32"];
      map.clear();
      map["f32"] = whole;
    }
  }
  weightBytes += array->data.size();
  weights[site][key] = *array;
  return array;
}

llvm::Expected<JITModel *> StitchedModel::load(ArrayRef<const Level *> levels) {
  std::vector<NpyArray> decoded;
  for (auto [site, level] : llvm::enumerate(levels)) {
    auto weight = getWeight(site, *level);
    if (!weight)
      return weight.takeError();
    decoded.push_back(std::move(*weight));
  }
  jit->setLastInputs(std::move(decoded));
  return &*jit;
}

llvm::Expected<double> StitchedModel::getError(ArrayRef<const Level *> levels,
                                               ArrayRef<size_t> samples) {
  auto loaded = load(levels);
  if (!loaded)
    return loaded.takeError();
  std::vector<double> noise, energy;
  for (size_t sample : samples) {
    auto result = (*loaded)->run(inputs[sample]);
    if (!result)
      return result.takeError();
    noise.resize(result->size(), 0);
    energy.resize(result->size(), 0);
    for (auto [index, before, after] :
         llvm::enumerate(outputs[sample], *result)) {
      // What is no float (indices) does not count.
      if (after.dtype != COMPRESS_DTYPE_F32 || before.shape != after.shape)
        continue;
      for (auto [x, y] :
           llvm::zip_equal(before.as<float>(), after.as<float>())) {
        double difference = double(y) - x;
        noise[index] += difference * difference;
        energy[index] += double(x) * x;
      }
    }
  }
  double sum = 0;
  for (auto [part, whole] : llvm::zip_equal(noise, energy))
    if (part > 0)
      sum += whole > 0 ? part / whole : 1;
  return sum;
}

llvm::Expected<double> StitchedModel::getDrop(ArrayRef<const Level *> levels,
                                              ArrayRef<size_t> samples,
                                              const QualityMeasure &measure,
                                              const EvaluationData &labelled) {
  auto loaded = load(levels);
  if (!loaded)
    return loaded.takeError();
  std::unique_ptr<QualityMeter> meter = measure.createMeter();
  for (size_t sample : samples) {
    auto result = (*loaded)->run(inputs[sample]);
    if (!result)
      return result.takeError();
    std::optional<NpyArray> labels = labelled.getLabels(indices[sample]),
                            targets = labelled.getTargets(indices[sample]);
    if (llvm::Error error =
            meter->add({outputs[sample], *result, labels ? &*labels : nullptr,
                        targets ? &*targets : nullptr}))
      return std::move(error);
  }
  auto quality = meter->finish();
  if (!quality)
    return quality.takeError();
  return quality->drop;
}

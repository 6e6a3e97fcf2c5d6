//===- Reestimation.cpp - Statistics of outputs, estimated again *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Reestimation.h"
#include "BiasCorrection.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/ScaleAlong.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringSet.h"
#include <cmath>

using namespace mlir;
using namespace compress;

/// Near enough, in standard deviations.
static constexpr double tolerance = 0.001;
/// More than that is no rounding error to make up for.
static constexpr double maxFactor = 4;
/// Each run corrects all places at once, and is right for those behind which
/// everything was; so a chain needs one for each, at most.
static constexpr unsigned maxRuns = 64;

/// A f32 result of known rank.
static RankedTensorType getFloats(Operation *op) {
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  return type && type.getElementType().isF32() ? type : RankedTensorType();
}

Reestimation::Places::Places(FunctionOpInterface main) {
  for (const Site &site : findSites(main).sites)
    for (auto [index, use] : llvm::enumerate(site.uses)) {
      RankedTensorType type = getFloats(use.op);
      if (!type || use.role.reductionAxes.empty() ||
          !cast<CompressibleOpInterface>(use.op).getBias(use.role))
        continue;
      Place place;
      place.name = site.name + " " + std::to_string(index);
      place.site = site.name;
      place.op = use.op;
      place.axis = use.isMatrixProduct() ? type.getRank() - 1
                                         : use.role.activationChannelAxis;
      place.role = use.role;
      places.push_back(std::move(place));
    }
  for (auto [index, norm] : llvm::enumerate(onnx::findBatchNorms(main))) {
    RankedTensorType type = getFloats(norm.op);
    if (!type || type.getRank() < 2)
      continue;
    Place place;
    place.name = "normalization " + std::to_string(index);
    place.op = norm.op;
    place.axis = 1;
    place.norm = norm;
    places.push_back(std::move(place));
  }
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

/// A copy of a model whose outputs at all places are corrected by inputs, and
/// then observed.
class Reestimation::Watched {
public:
  static llvm::Expected<Watched> create(ModuleOp model, const Places &places,
                                        const ObservedRuns &runs);
  llvm::Expected<llvm::StringMap<Moments>> run(const Places &places);

private:
  explicit Watched(JITModel jit, const ObservedRuns &runs)
      : jit(std::move(jit)), runs(runs) {}
  JITModel jit;
  const ObservedRuns &runs;
};

/// So many channels a place has; nothing where it is not known.
static int64_t getNumChannels(const RankedTensorType &type, int64_t axis) {
  return axis < type.getRank() ? type.getDimSize(axis) : ShapedType::kDynamic;
}

llvm::Expected<Reestimation::Watched>
Reestimation::Watched::create(ModuleOp model, const Places &places,
                              const ObservedRuns &runs) {
  IRMapping mapping;
  OwningOpRef<ModuleOp> copy =
      cast<ModuleOp>(model.getOperation()->clone(mapping));
  auto main = *copy->getOps<func::FuncOp>().begin();
  OpBuilder builder(model.getContext());
  for (auto [id, place] : llvm::enumerate(places.places)) {
    Value value = mapping.lookup(place.op->getResult(0));
    Location loc = value.getLoc();
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> shape(type.getRank() - place.axis, 1);
    shape.front() = getNumChannels(type, place.axis);
    Value inputs[2];
    for (unsigned i : {0, 1}) {
      StringRef what = i == 0 ? "factors" : "offsets";
      auto name = builder.getNamedAttr(
          "onnx.name",
          builder.getStringAttr(Twine(what) + " of " + place.name));
      unsigned index = main.getNumArguments();
      if (failed(main.insertArgument(
              index, RankedTensorType::get(shape, type.getElementType()),
              builder.getDictionaryAttr(name), loc)))
        return llvm::createStringError("an input could not be added");
      inputs[i] = main.getArgument(index);
    }
    builder.setInsertionPointAfterValue(value);
    Operation *scaled = onnx::MulOp::create(builder, loc, TypeRange(type),
                                            ValueRange{value, inputs[0]},
                                            ArrayRef<NamedAttribute>());
    Operation *shifted =
        onnx::AddOp::create(builder, loc, TypeRange(type),
                            ValueRange{scaled->getResult(0), inputs[1]},
                            ArrayRef<NamedAttribute>());
    auto observer =
        ObserveOp::create(builder, loc, type, shifted->getResult(0), id);
    value.replaceAllUsesExcept(observer.getResult(), scaled);
  }
  auto jit = runs.compile(std::move(copy));
  if (!jit)
    return jit.takeError();
  return Watched(std::move(*jit), runs);
}

llvm::Expected<llvm::StringMap<Reestimation::Moments>>
Reestimation::Watched::run(const Places &places) {
  Statistics statistics;
  std::vector<NpyArray> inputs;
  for (const Places::Place &place : places.places) {
    statistics.add(place.name, place.axis);
    auto type = cast<RankedTensorType>(place.op->getResult(0).getType());
    SmallVector<int64_t> shape(type.getRank() - place.axis, 1);
    shape.front() = place.factors.size();
    for (const std::vector<double> &values : {place.factors, place.offsets}) {
      auto array = NpyArray::allocate(COMPRESS_DTYPE_F32, shape);
      if (!array)
        return array.takeError();
      auto *data = reinterpret_cast<float *>(array->mutableData());
      llvm::copy(values, data);
      inputs.push_back(std::move(*array));
    }
  }
  jit.setLastInputs(std::move(inputs));
  if (llvm::Error error = runs.run(jit, statistics))
    return std::move(error);
  llvm::StringMap<Moments> result;
  for (auto [id, place] : llvm::enumerate(places.places)) {
    Moments &moments = result[place.name];
    moments.means = statistics.get(id).getMeans();
    moments.variances = statistics.get(id).getSecondMoments();
    for (auto [mean, variance] :
         llvm::zip_equal(moments.means, moments.variances))
      variance = std::max(variance - mean * mean, 0.0);
  }
  return result;
}

/// Starts with no correction; drops places whose channels are not known.
template <typename Place> static void setIdentity(std::vector<Place> &places) {
  llvm::erase_if(places, [](Place &place) {
    int64_t channels = getNumChannels(getFloats(place.op), place.axis);
    if (ShapedType::isDynamic(channels) || channels == 0)
      return true;
    place.factors.assign(channels, 1);
    place.offsets.assign(channels, 0);
    return false;
  });
}

llvm::Expected<Reestimation> Reestimation::create(ModuleOp floatModel,
                                                  const ObservedRuns &runs) {
  Reestimation result;
  Places places(*floatModel.getOps<func::FuncOp>().begin());
  setIdentity(places.places);
  if (places.places.empty())
    return result;
  auto watched = Watched::create(floatModel, places, runs);
  if (!watched)
    return watched.takeError();
  auto moments = watched->run(places);
  if (!moments)
    return moments.takeError();
  result.floatMoments = std::move(*moments);
  return result;
}

//===----------------------------------------------------------------------===//
// Corrections
//===----------------------------------------------------------------------===//

/// The constant that a layer's weight is decoded from; null where it is float.
static ConstantOp getStored(Operation *op, const WeightOperand &role) {
  auto decode = op->getOperand(role.operand).getDefiningOp<DecodeOp>();
  return decode ? decode.getOperand().getDefiningOp<ConstantOp>()
                : ConstantOp();
}

/// A layer's weight with its outputs multiplied.
static llvm::Expected<EncodedTensor> scaleOutputs(ConstantOp stored,
                                                  const WeightOperand &role,
                                                  ArrayRef<double> factors) {
  if (!stored->hasOneUse() || !(*stored->user_begin())->hasOneUse())
    return llvm::createStringError("its weight has other uses");
  return scaleAlong(
      {cast<CompressedTensorType>(stored.getType()), stored.getLeaves()},
      role.outputAxes[0], factors);
}

static void replaceStored(ConstantOp stored, const EncodedTensor &by) {
  OpBuilder builder(stored);
  StringRef name;
  if (auto site = stored->getAttrOfType<StringAttr>("compress.site"))
    name = site.getValue();
  auto replaced =
      ConstantOp::create(builder, stored.getLoc(), by.type, by.leaves, name);
  replaced->setDiscardableAttrs(stored->getDiscardableAttrDictionary());
  stored.replaceAllUsesWith(replaced.getResult());
  stored.erase();
}

/// Puts factors and offsets of a layer's output into its weight and its bias;
/// returns the bytes that are new.
static llvm::Expected<uint64_t> foldIntoLayer(Operation *op, StringRef site,
                                              const WeightOperand &role,
                                              ArrayRef<double> factors,
                                              ArrayRef<double> offsets) {
  if (llvm::any_of(factors, [](double factor) { return factor != 1; })) {
    ConstantOp stored = getStored(op, role);
    auto scaled = scaleOutputs(stored, role, factors);
    if (!scaled)
      return scaled.takeError();
    replaceStored(stored, *scaled);
  }
  Value bias = *cast<CompressibleOpInterface>(op).getBias(role);
  std::vector<double> values(factors.size(), 0);
  if (bias) {
    values = getBiasValues(bias);
    if (values.size() != factors.size())
      return llvm::createStringError("its bias cannot be read");
    // One that is added later was not in what got the factor.
    if (llvm::is_contained(op->getOperands(), bias))
      for (auto [value, factor] : llvm::zip_equal(values, factors))
        value *= factor;
  }
  for (auto [value, offset] : llvm::zip_equal(values, offsets))
    value += offset;
  return setBiasValues(op, role, site, values);
}

/// The statistics with which s (g (x - m) / d + b) + o is g (x - m') / d' + b.
static void foldIntoNorm(onnx::BatchNorm &norm, ArrayRef<double> factors,
                         ArrayRef<double> offsets) {
  SmallVector<double> means = norm.means, variances = norm.variances;
  for (size_t i = 0; i < means.size(); ++i) {
    // What is the same for all inputs stays.
    if (norm.scales[i] == 0)
      continue;
    double old = std::sqrt(norm.variances[i] + norm.epsilon);
    double factor = factors[i];
    variances[i] = std::max(old * old / (factor * factor) - norm.epsilon, 0.0);
    means[i] += old * (norm.biases[i] - factor * norm.biases[i] - offsets[i]) /
                (norm.scales[i] * factor);
  }
  norm.setStatistics(means, variances);
}

llvm::Expected<Reestimation::Result>
Reestimation::apply(ModuleOp model, Places &places,
                    const ObservedRuns &runs) const {
  Result result;
  setIdentity(places.places);
  // What the float model has too, of layers that are compressed.
  llvm::StringSet<> unscaled;
  llvm::erase_if(places.places, [&](const Places::Place &place) {
    auto known = floatMoments.find(place.name);
    if (known == floatMoments.end() ||
        known->second.means.size() != place.factors.size())
      return true;
    if (place.norm)
      return place.norm->means.size() != place.factors.size();
    ConstantOp stored = getStored(place.op, *place.role);
    if (!stored)
      return true;
    // Whether the weight takes factors at all.
    auto scaled = scaleOutputs(stored, *place.role, place.factors);
    if (!scaled) {
      unscaled.insert(place.name);
      result.kept.push_back({place.site, llvm::toString(scaled.takeError())});
    }
    return false;
  });
  if (places.places.empty())
    return result;
  auto watched = Watched::create(model, places, runs);
  if (!watched)
    return watched.takeError();
  for (result.numRuns = 1;; ++result.numRuns) {
    auto measured = watched->run(places);
    if (!measured)
      return measured.takeError();
    result.meansAfter = result.deviationsAfter = 0;
    std::vector<Places::Place> next = places.places;
    for (Places::Place &place : next) {
      const Moments &found = (*measured)[place.name];
      const Moments &wanted = floatMoments.find(place.name)->second;
      double least = 0;
      for (double variance : wanted.variances)
        least += 1e-6 * variance / double(wanted.variances.size());
      least = std::max(least, 1e-30);
      for (size_t i = 0; i < found.means.size(); ++i) {
        double want = wanted.variances[i], have = found.variances[i],
               factor = 1;
        // Channels that hardly vary in one of the models keep their variance.
        if (want > least && have > least && !unscaled.contains(place.name)) {
          factor = std::sqrt(want / have);
          result.deviationsAfter =
              std::max(result.deviationsAfter, std::fabs(1 / factor - 1));
        }
        result.meansAfter = std::max(
            result.meansAfter, std::fabs(found.means[i] - wanted.means[i]) /
                                   std::sqrt(std::max(want, least)));
        double before = place.factors[i];
        place.factors[i] =
            std::clamp(before * factor, 1 / maxFactor, maxFactor);
        // The mean of what is multiplied, then that of the product.
        double mean = (found.means[i] - place.offsets[i]) / before;
        place.offsets[i] = wanted.means[i] - place.factors[i] * mean;
      }
    }
    if (result.numRuns == 1) {
      result.meansBefore = result.meansAfter;
      result.deviationsBefore = result.deviationsAfter;
    }
    if (result.numRuns == maxRuns ||
        std::max(result.meansAfter, result.deviationsAfter) < tolerance)
      break;
    places.places = std::move(next);
  }
  for (Places::Place &place : places.places) {
    ++(place.norm ? result.numNorms : result.numLayers);
    if (place.norm) {
      foldIntoNorm(*place.norm, place.factors, place.offsets);
      continue;
    }
    auto added = foldIntoLayer(place.op, place.site, *place.role, place.factors,
                               place.offsets);
    if (!added)
      return llvm::createStringError("site '" + Twine(place.site) +
                                     "': " + llvm::toString(added.takeError()));
    result.bytes += *added;
  }
  result.numScaled = result.numLayers - result.kept.size();
  return result;
}

void Reestimation::Result::addNotes(std::vector<std::string> &notes) const {
  char text[320];
  std::snprintf(text, sizeof text,
                "--reestimate: outputs of %u compressed layers, variances of "
                "%u, and %u normalizations in %u runs over the data: means "
                "differed by up to %.3f standard deviations, now %.3f; "
                "standard deviations by up to %.1f %%, now %.1f %%",
                numLayers, numScaled, numNorms, numRuns, meansBefore,
                meansAfter, 100 * deviationsBefore, 100 * deviationsAfter);
  notes.push_back(text);
  for (const auto &[site, reason] : kept)
    notes.push_back("site '" + site +
                    "': variances of its outputs are not corrected: " + reason);
}

//===- Apply.cpp - From a plan to encoded weights ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Plan/Apply.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Threading.h"
#include <atomic>

using namespace mlir;
using namespace compress;

uint64_t compress::getStorageBytes(CompressedTensorType type) {
  uint64_t bytes = 0;
  for (RankedTensorType leaf : type.getLeafTypes())
    bytes += HostTensor::getByteSize(leaf.getShape(), leaf.getElementType());
  return bytes;
}

static llvm::Error atSite(const Site &site, llvm::Error error) {
  std::string message = llvm::toString(std::move(error));
  if (StringRef(message).starts_with("site '"))
    return llvm::createStringError(Twine(message));
  return llvm::createStringError("site '" + Twine(site.name) + "': " + message);
}

llvm::Expected<EncodedSite> compress::encodeSite(const Site &site,
                                                 const Level &level,
                                                 const Statistics *statistics) {
  auto type = level.getWeightType(site.type, site.getRole());
  if (!type)
    return atSite(site, type.takeError());
  auto weight = HostTensor::fromAttr(site.elements);
  if (!weight)
    return atSite(site, weight.takeError());
  std::vector<double> moments;
  if (statistics)
    moments = statistics->getSecondMoments(site.name);
  WeightRequest request;
  request.site = site.name;
  request.weight = *weight;
  request.type = *type;
  request.role = site.getRole();
  request.secondMoments = moments;
  request.options = level.getOptions();
  LayerInputs inputs;
  if (statistics && level.getMethod().usesInputs()) {
    inputs = gatherInputs(site, *statistics, INT64_MAX);
    request.inputs = &inputs;
  }
  auto result = level.getMethod().quantizeWeight(request);
  if (!result)
    return atSite(site, result.takeError());
  if (statistics) {
    auto decoded = decodeTensor({result->type, result->leaves});
    if (!decoded)
      return atSite(site, decoded.takeError());
    // Weights that are not changed have no error, whatever is sampled.
    if (auto error = measureOutputError(site, *weight, *decoded, *statistics);
        error && (error->absolute > 0) == (result->error.absolute > 0))
      result->error = *error;
  }
  return EncodedSite{result->type, std::move(*result)};
}

Plan ApplyReport::toPlan(StringRef model) const {
  Plan plan;
  plan.model = model.str();
  for (const SiteResult &site : sites) {
    PlanEntry &entry = plan.sites.emplace_back();
    entry.name = site.name;
    entry.level = site.level;
    entry.op = site.op;
    entry.node = site.node;
    entry.shape = site.shape;
    entry.bits = site.bits;
    entry.bytesBefore = site.bytesBefore;
    entry.bytesAfter = site.bytesAfter;
    entry.error = site.error.relative;
    entry.seconds = site.seconds;
    entry.predictedSeconds = site.predictedSeconds;
    entry.flops = site.flops;
    entry.bops = site.bops;
    entry.joules = site.joules;
    entry.reason = site.reason;
  }
  return plan;
}

namespace {

/// A use whose activation is to be encoded.
struct EncodedUse {
  SiteUse use;
  CompressedTensorType type;
  /// Leaves of the parameters; empty when they are computed at run time.
  SmallVector<HostTensor> parameters;
};

/// Everything that is decided about a site before the IR changes.
struct Decision {
  const Site *site;
  const Level *level = nullptr;
  EncodedSite encoded;
  std::vector<EncodedUse> activations;
};

} // namespace

static llvm::Error decideActivations(Decision &decision,
                                     const Statistics *statistics) {
  const Site &site = *decision.site;
  const Level &level = *decision.level;
  for (auto [index, use] : llvm::enumerate(site.uses)) {
    auto type = level.getActivationType(use);
    if (!type)
      return atSite(site, type.takeError());
    if (!*type)
      continue;
    EncodedUse &encoded = decision.activations.emplace_back();
    encoded.use = use;
    encoded.type = *type;
    if (!level.needsStatistics())
      continue;
    const TensorStatistics *seen =
        statistics ? statistics->lookup(site.name, index) : nullptr;
    if (!seen)
      return atSite(site, llvm::createStringError(
                              "level '" + level.getSpelling() +
                              "' needs statistics of its activation; give "
                              "calibration data"));
    auto parameters = level.getMethod().activationParameters(
        *seen, *type, level.getOptions());
    if (!parameters)
      return atSite(site, parameters.takeError());
    encoded.parameters = std::move(*parameters);
  }
  return llvm::Error::success();
}

/// Parameter leaves as the operands of `compress.encode`.
static SmallVector<Value> buildParameters(OpBuilder &builder, Location loc,
                                          const EncodedUse &use) {
  SmallVector<Value> values;
  if (use.parameters.empty())
    return values;
  SmallVector<Component> components = use.type.getComponents();
  unsigned count = use.type.getEncoding().getNumParameters();
  ArrayRef<HostTensor> leaves = use.parameters;
  for (const Component &component :
       ArrayRef<Component>(components).take_back(count)) {
    unsigned size = getNumLeaves(component.type);
    if (auto nested = dyn_cast<CompressedTensorType>(component.type)) {
      values.push_back(
          ConstantOp::create(builder, loc, nested, leaves.take_front(size)));
    } else {
      auto type = cast<RankedTensorType>(component.type);
      const HostTensor &leaf = leaves.front();
      SmallVector<Attribute> elements;
      for (int64_t i = 0, e = leaf.getNumElements(); i < e; ++i) {
        APInt bits(leaf.getBitWidth(), leaf.getBits(i));
        if (auto real = dyn_cast<FloatType>(type.getElementType()))
          elements.push_back(
              FloatAttr::get(real, APFloat(real.getFloatSemantics(), bits)));
        else
          elements.push_back(IntegerAttr::get(type.getElementType(), bits));
      }
      values.push_back(arith::ConstantOp::create(
          builder, loc, DenseElementsAttr::get(type, elements)));
    }
    leaves = leaves.drop_front(size);
  }
  return values;
}

/// Writes one decision to the IR. `activations` shares what several uses of
/// one value would compute alike.
static void applyDecision(
    Decision &decision,
    llvm::DenseMap<std::pair<Value, Type>,
                   SmallVector<std::pair<const Level *, Value>>> &activations) {
  const Site &site = *decision.site;
  Operation *constant = site.weight.getDefiningOp();
  OpBuilder builder(constant);
  Location loc = constant->getLoc();
  // The uses are looked at before the weight is replaced.
  for (EncodedUse &encoded : decision.activations) {
    Operation *op = encoded.use.op;
    Value source = encoded.use.getActivation();
    auto &known = activations[{source, encoded.type}];
    auto it = llvm::find_if(known, [&](const auto &entry) {
      return entry.first->getSpelling() == decision.level->getSpelling();
    });
    Value decoded;
    if (it != known.end()) {
      decoded = it->second;
    } else {
      OpBuilder after(op->getContext());
      after.setInsertionPointAfterValue(source);
      SmallVector<Value> parameters =
          buildParameters(after, op->getLoc(), encoded);
      Value code = EncodeOp::create(after, op->getLoc(), encoded.type, source,
                                    parameters);
      decoded = DecodeOp::create(after, op->getLoc(), code);
      known.push_back({decision.level, decoded});
    }
    op->setOperand(encoded.use.role.activation, decoded);
  }

  auto stored = ConstantOp::create(builder, loc, decision.encoded.type,
                                   decision.encoded.weight.leaves, site.name);
  stored->setAttr("compress.site", builder.getStringAttr(site.name));
  stored->setAttr("compress.level",
                  builder.getStringAttr(decision.level->getSpelling()));
  Value decoded = DecodeOp::create(builder, loc, stored);
  Value(site.weight).replaceAllUsesWith(decoded);
  constant->erase();
}

llvm::Expected<ApplyReport> compress::applyPlan(FunctionOpInterface function,
                                                const Plan &plan,
                                                const ApplyOptions &options) {
  SiteList list = findSites(function, options.sites);
  if (llvm::Error error = plan.verify(list))
    return std::move(error);

  // Levels by spelling; entries of one level share it.
  std::map<std::string, Level> levels;
  std::vector<Decision> decisions;
  for (const Site &site : list.sites) {
    Decision &decision = decisions.emplace_back();
    decision.site = &site;
    const PlanEntry *entry = plan.lookup(site.name);
    if (!entry)
      continue;
    auto it = levels.find(entry->level);
    if (it == levels.end()) {
      auto level = Level::parse(entry->level);
      if (!level)
        return atSite(site, level.takeError());
      it = levels.emplace(entry->level, std::move(*level)).first;
    }
    if (!it->second.isNone())
      decision.level = &it->second;
  }

  std::vector<std::string> errors(decisions.size());
  std::atomic<size_t> done(0);
  parallelFor(function->getContext(), 0, decisions.size(), [&](size_t i) {
    Decision &decision = decisions[i];
    if (decision.level) {
      auto encoded =
          options.encode
              ? options.encode(*decision.site, *decision.level)
              : encodeSite(*decision.site, *decision.level, options.statistics);
      if (!encoded)
        errors[i] = llvm::toString(encoded.takeError());
      else
        decision.encoded = std::move(*encoded);
      if (errors[i].empty())
        if (llvm::Error error = decideActivations(decision, options.statistics))
          errors[i] = llvm::toString(std::move(error));
    }
    if (options.progress)
      options.progress(++done, decisions.size());
  });
  // The first in program order, whichever thread was first.
  for (const std::string &error : errors)
    if (!error.empty())
      return llvm::createStringError(Twine(error));

  ApplyReport report;
  for (const Decision &decision : decisions) {
    const Site &site = *decision.site;
    SiteResult &result = report.sites.emplace_back();
    result.name = site.name;
    result.op = site.getOpName();
    result.node = site.getNodeName();
    result.shape = site.type.getShape().vec();
    result.bytesBefore = site.getBytes();
    if (const PlanEntry *entry = plan.lookup(site.name)) {
      result.seconds = entry->seconds;
      result.reason = entry->reason;
    }
    if (decision.level) {
      result.type = decision.encoded.type;
      result.level = decision.level->getSpelling().str();
      result.bits = decision.encoded.type.getBitsPerElement();
      result.bytesAfter = getStorageBytes(decision.encoded.type);
      result.error = decision.encoded.weight.error;
    } else {
      result.level = "f32";
      result.bits = HostTensor::getWidth(site.type.getElementType());
      result.bytesAfter = result.bytesBefore;
    }
  }
  report.excluded = list.excluded;

  llvm::DenseMap<std::pair<Value, Type>,
                 SmallVector<std::pair<const Level *, Value>>>
      activations;
  for (Decision &decision : decisions)
    if (decision.level) {
      applyDecision(decision, activations);
      decision.encoded.weight.leaves.clear();
    }
  return report;
}

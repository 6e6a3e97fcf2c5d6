//===- BiasCorrection.cpp - Means of outputs, kept by biases ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BiasCorrection.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Method/Method.h"
#include <cmath>

using namespace mlir;
using namespace compress;

/// A bias is f32 values, one for each channel.
static bool isBias(Value value, int64_t channels) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.hasStaticShape() && type.getElementType().isF32() &&
         type.getNumElements() == channels && type.getRank() > 0 &&
         type.getShape().back() == channels &&
         value.getDefiningOp<onnx::InitializerOp>();
}

static int64_t getNumChannels(const SiteUse &use) {
  auto type = dyn_cast<RankedTensorType>(
      use.op->getOperand(use.role.operand).getType());
  return type && use.role.outputAxes.size() == 1
             ? type.getDimSize(use.role.outputAxes[0])
             : 0;
}

std::optional<std::pair<Operation *, unsigned>>
BiasCorrection::findBias(const SiteUse &use) {
  Operation *op = use.op;
  int64_t channels = getNumChannels(use);
  if (channels == 0 || use.role.operand != 1)
    return std::nullopt;
  if (isa<onnx::ConvOp, onnx::GemmOp>(op)) {
    for (StringRef name : {"alpha", "beta"})
      if (auto factor = op->getAttrOfType<FloatAttr>(name);
          factor && factor.getValueAsDouble() != 1)
        return std::nullopt;
    if (op->getNumOperands() == 2 ||
        (op->getNumOperands() == 3 && isBias(op->getOperand(2), channels)))
      return std::pair(op, 2u);
    return std::nullopt;
  }
  if (!isa<onnx::MatMulOp>(op) || !op->getResult(0).hasOneUse())
    return std::nullopt;
  OpOperand &use0 = *op->getResult(0).use_begin();
  Operation *sum = use0.getOwner();
  if (!isa<onnx::AddOp>(sum) || sum->getNumOperands() != 2 ||
      sum->hasAttr("broadcast"))
    return std::nullopt;
  unsigned other = 1 - use0.getOperandNumber();
  if (!isBias(sum->getOperand(other), channels))
    return std::nullopt;
  return std::pair(sum, other);
}

BiasCorrection::BiasCorrection(FunctionOpInterface main,
                               const Statistics &statistics) {
  for (const Site &site : findSites(main).sites) {
    auto weight = HostTensor::fromAttr(site.elements);
    if (!weight) {
      llvm::consumeError(weight.takeError());
      continue;
    }
    for (auto [index, use] : llvm::enumerate(site.uses)) {
      const TensorStatistics *seen = statistics.lookup(site.name, index);
      auto bias = findBias(use);
      if (!bias || !seen || seen->getNumChannels() == 0 ||
          use.role.reductionAxes.empty())
        continue;
      layers.push_back({site.name, use.op, use.role, *weight, seen->getMeans(),
                        bias->first, bias->second});
    }
  }
}

/// What the mean of each output lacks; nothing where the means do not fit.
static std::optional<std::vector<double>> getShift(const HostTensor &weight,
                                                   const HostTensor &decoded,
                                                   const WeightOperand &role,
                                                   ArrayRef<double> means) {
  ArrayRef<int64_t> shape = weight.getShape();
  auto layout = InputChannels::get(shape, role, means.size());
  if (!layout)
    return std::nullopt;
  int64_t outAxis = role.outputAxes[0], outputs = shape[outAxis];
  int64_t outStride = 1;
  for (int64_t size : shape.drop_front(outAxis + 1))
    outStride *= size;
  std::vector<double> shift(outputs, 0);
  for (int64_t i = 0, e = weight.getNumElements(); i < e; ++i)
    shift[i / outStride % outputs] +=
        (weight.getDouble(i) - decoded.getDouble(i)) *
        means[layout->getChannel(i)];
  if (llvm::any_of(shift, [](double s) { return !std::isfinite(s); }))
    return std::nullopt;
  return shift;
}

llvm::Expected<BiasCorrection::Result> BiasCorrection::apply() {
  Result result;
  for (Layer &layer : layers) {
    auto decode =
        layer.op->getOperand(layer.role.operand).getDefiningOp<DecodeOp>();
    auto constant = decode ? decode->getOperand(0).getDefiningOp<ConstantOp>()
                           : ConstantOp();
    if (!constant)
      continue;
    ++result.numLayers;
    auto decoded = decodeTensor(
        {cast<CompressedTensorType>(constant.getType()), constant.getLeaves()});
    if (!decoded)
      return decoded.takeError();
    auto shift = getShift(layer.weight, *decoded, layer.role, layer.means);
    if (!shift)
      continue;
    bool isNew = layer.biasOp->getNumOperands() == layer.biasOperand;
    OpBuilder builder(layer.biasOp);
    SmallVector<int64_t> shape{int64_t(shift->size())};
    std::string name = layer.site + ".bias";
    onnx::InitializerOp old;
    if (!isNew) {
      old = layer.biasOp->getOperand(layer.biasOperand)
                .getDefiningOp<onnx::InitializerOp>();
      shape = SmallVector<int64_t>(
          cast<RankedTensorType>(old.getType()).getShape());
      auto values = HostTensor::fromAttr(old.getValue());
      if (!values)
        return values.takeError();
      for (auto [i, value] : llvm::enumerate(*shift))
        value += values->getDouble(i);
      name = old.getName().str();
      if (!old->hasOneUse())
        name += ".of." + layer.site;
    }
    HostTensor bias =
        HostTensor::allocate(shape, Float32Type::get(builder.getContext()));
    for (auto [i, value] : llvm::enumerate(*shift))
      bias.setDouble(i, value);
    ElementsAttr elements = bias.toResource(name);
    Value corrected = onnx::InitializerOp::create(
        builder, layer.biasOp->getLoc(), elements.getType(),
        builder.getStringAttr(name), elements, DictionaryAttr());
    if (isNew) {
      layer.biasOp->insertOperands(layer.biasOperand, corrected);
      result.bytes += bias.getBytes().size();
    } else {
      layer.biasOp->setOperand(layer.biasOperand, corrected);
      if (old->use_empty())
        old->erase();
      else
        result.bytes += bias.getBytes().size();
    }
    ++result.numCorrected;
  }
  return result;
}

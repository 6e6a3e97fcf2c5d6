//===- BiasCorrection.cpp - Means of outputs, kept by biases ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BiasCorrection.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Method/Method.h"
#include <cmath>

using namespace mlir;
using namespace compress;

std::vector<double> compress::getBiasValues(Value bias) {
  std::vector<double> values;
  auto tensor = HostTensor::fromAttr(getConstantElements(bias));
  if (!tensor) {
    llvm::consumeError(tensor.takeError());
    return values;
  }
  for (int64_t i = 0, e = tensor->getNumElements(); i < e; ++i)
    values.push_back(tensor->getDouble(i));
  return values;
}

llvm::Expected<uint64_t> compress::setBiasValues(Operation *layer,
                                                 const WeightOperand &role,
                                                 StringRef site,
                                                 ArrayRef<double> values) {
  auto op = cast<CompressibleOpInterface>(layer);
  std::optional<Value> old = op.getBias(role);
  if (!old)
    return llvm::createStringError("site '" + Twine(site) + "' has no bias");
  SmallVector<int64_t> shape{int64_t(values.size())};
  std::string name = (site + ".bias").str();
  bool isKept = !*old;
  if (*old) {
    shape =
        SmallVector<int64_t>(cast<RankedTensorType>(old->getType()).getShape());
    isKept = !old->hasOneUse();
    if (auto given = old->getDefiningOp()->getAttrOfType<StringAttr>("name"))
      name = isKept ? (given.getValue() + ".of." + site).str() : given.str();
  }
  HostTensor bias =
      HostTensor::allocate(shape, Float32Type::get(layer->getContext()));
  for (auto [i, value] : llvm::enumerate(values))
    bias.setDouble(i, value);
  op.setBias(role, bias.toResource(name), name);
  return isKept ? bias.getBytes().size() : 0;
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
      if (!cast<CompressibleOpInterface>(use.op).getBias(use.role) || !seen ||
          seen->getNumChannels() == 0 || use.role.reductionAxes.empty())
        continue;
      layers.push_back(
          {site.name, use.op, use.role, *weight, seen->getMeans()});
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
    std::optional<Value> old =
        cast<CompressibleOpInterface>(layer.op).getBias(layer.role);
    if (!old)
      continue;
    if (*old) {
      std::vector<double> before = getBiasValues(*old);
      if (before.size() != shift->size())
        continue;
      for (auto [value, offset] : llvm::zip_equal(*shift, before))
        value += offset;
    }
    auto added = setBiasValues(layer.op, layer.role, layer.site, *shift);
    if (!added)
      return added.takeError();
    result.bytes += *added;
    ++result.numCorrected;
  }
  return result;
}

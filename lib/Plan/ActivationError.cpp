//===- ActivationError.cpp - What rounded activations cost ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Plan/LevelDatabase.h"
#include <cmath>
#include <random>

using namespace mlir;
using namespace compress;

namespace {
/// Sampled vectors along the channel axis, row-major.
struct Rows {
  std::vector<float> values;
  int64_t channels = 0;
  int64_t size() const { return channels ? values.size() / channels : 0; }
};
} // namespace

/// What calibration sampled, or normally distributed values.
static Rows getRows(const Site &site, const TensorStatistics *seen) {
  Rows rows;
  if (seen && seen->getNumReservoirRows() > 0) {
    rows.values = seen->getReservoir().vec();
    rows.channels = seen->getNumChannels();
    return rows;
  }
  constexpr int64_t count = 64;
  rows.channels = site.type.getDimSize(site.getRole().reductionAxes[0]);
  std::mt19937_64 engine(0);
  std::normal_distribution<float> normal;
  rows.values.resize(count * rows.channels);
  for (float &value : rows.values)
    value = normal(engine);
  return rows;
}

/// The activation's encoding for a list of rows: grouped per row where the
/// activation is per token, else over all.
static CompressedTensorType getRowsType(QuantAttr quant, const SiteUse &use,
                                        const Rows &rows) {
  ArrayRef<int64_t> group = quant.getGroup();
  int64_t axis = use.role.activationChannelAxis;
  if (axis < 0)
    axis += group.size();
  int64_t perRow = 1;
  for (auto [dim, size] : llvm::enumerate(group))
    if (int64_t(dim) != axis && size != 1)
      perRow = ShapedType::kDynamic;
  int64_t along = axis >= 0 && axis < int64_t(group.size())
                      ? group[axis]
                      : ShapedType::kDynamic;
  MLIRContext *context = quant.getContext();
  auto encoding = QuantAttr::get(context, quant.getCodeType(), {perRow, along},
                                 quant.getScale(), quant.getZero());
  return CompressedTensorType::get(context, {rows.size(), rows.channels},
                                   Float32Type::get(context), encoding);
}

llvm::Expected<double>
compress::measureActivationError(const Site &site, const Level &level,
                                 const Statistics *statistics) {
  if (!level.hasActivation() || site.getRole().reductionAxes.empty())
    return 0.0;
  auto weight = HostTensor::fromAttr(site.elements);
  if (!weight)
    return weight.takeError();
  std::vector<double> noise, energy;
  for (auto [index, use] : llvm::enumerate(site.uses)) {
    auto type = level.getActivationType(use);
    if (!type)
      return type.takeError();
    if (!*type)
      continue;
    const TensorStatistics *seen =
        statistics ? statistics->lookup(site.name, index) : nullptr;
    if (level.needsStatistics() && !seen)
      return llvm::createStringError("site '" + Twine(site.name) +
                                     "': level '" + level.getSpelling() +
                                     "' needs statistics of its activation; "
                                     "give calibration data");
    // Other encodings of activations are not rounded to a grid.
    auto quant = dyn_cast<QuantAttr>((*type).getEncoding());
    if (!quant)
      continue;
    Rows rows = getRows(site, seen);
    if (rows.size() == 0)
      continue;
    CompressedTensorType rowsType = getRowsType(quant, use, rows);
    SmallVector<HostTensor> parameters;
    if (level.needsStatistics()) {
      auto chosen = level.getMethod().activationParameters(*seen, rowsType,
                                                           level.getOptions());
      if (!chosen)
        return chosen.takeError();
      parameters = std::move(*chosen);
    }
    auto leaves = rowsType.getEncoding().encodeHost(
        rowsType,
        HostTensor::fromFloats(rowsType.getShape(),
                               Float32Type::get(quant.getContext()),
                               rows.values),
        parameters);
    if (!leaves)
      return leaves.takeError();
    auto decoded = decodeTensor({rowsType, std::move(*leaves)});
    if (!decoded)
      return decoded.takeError();
    noise.resize(std::max<size_t>(noise.size(), rows.channels), 0);
    energy.resize(noise.size(), 0);
    for (auto [i, value] : llvm::enumerate(rows.values)) {
      double difference = value - decoded->getDouble(i);
      noise[i % rows.channels] += difference * difference;
      energy[i % rows.channels] += double(value) * value;
    }
  }
  if (noise.empty())
    return 0.0;

  // Both sums over the weights, w^2 times what its channel has.
  WeightRequest request;
  request.site = site.name;
  request.weight = *weight;
  request.role = site.getRole();
  auto weigh = [&](ArrayRef<double> perChannel) {
    request.secondMoments = perChannel;
    std::vector<float> importance = getImportance(request);
    double sum = 0;
    for (auto [i, scale] : llvm::enumerate(importance)) {
      double value = weight->getDouble(i);
      sum += value * value * scale;
    }
    return sum;
  };
  double whole = weigh(energy);
  return whole > 0 ? weigh(noise) / whole : 0.0;
}

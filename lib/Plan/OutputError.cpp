//===- OutputError.cpp - Error of a layer on sampled inputs -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Method/OutputIndex.h"
#include "compress/Plan/Apply.h"
#include <cmath>

using namespace mlir;
using namespace compress;

// Rows of an activation that was sampled sparsely count more.
LayerInputs compress::gatherInputs(const Site &site,
                                   const Statistics &statistics,
                                   int64_t maxRows) {
  LayerInputs inputs;
  std::vector<std::pair<const float *, float>> rows;
  for (unsigned use = 0; use < site.uses.size(); ++use) {
    const TensorStatistics *seen = statistics.lookup(site.name, use);
    if (!seen || seen->getNumReservoirRows() == 0)
      continue;
    int64_t channels = seen->getNumChannels();
    if (inputs.channels && inputs.channels != channels)
      return {};
    inputs.channels = channels;
    int64_t sampled = seen->getNumReservoirRows();
    int64_t kept = std::min(sampled, maxRows);
    double total = double(seen->getCount()) / double(channels);
    inputs.total += total;
    for (int64_t i = 0; i < kept; ++i)
      rows.emplace_back(seen->getReservoir().data() +
                            i * sampled / kept * channels,
                        float(std::sqrt(total / double(kept))));
  }
  inputs.rows = rows.size();
  inputs.values.resize(inputs.channels * inputs.rows);
  for (int64_t i = 0; i < inputs.rows; ++i)
    for (int64_t c = 0; c < inputs.channels; ++c)
      inputs.values[c * inputs.rows + i] = rows[i].first[c] * rows[i].second;
  return inputs;
}

std::optional<LayerError>
compress::measureOutputError(const Site &site, const HostTensor &weight,
                             const HostTensor &decoded,
                             const Statistics &statistics) {
  // What a measurement may take; more rows than these say little more.
  constexpr double maxMultiplyAdds = 2e9;
  constexpr int64_t maxRows = 256;
  const WeightOperand &role = site.getRole();
  if (role.activation < 0 || role.reductionAxes.empty())
    return std::nullopt;
  int64_t elements = site.getNumElements();
  if (elements == 0)
    return std::nullopt;
  LayerInputs inputs = gatherInputs(
      site, statistics,
      std::clamp<int64_t>(int64_t(maxMultiplyAdds / double(elements)), 16,
                          maxRows));
  auto layout = InputChannels::get(site.type.getShape(), role, inputs.channels);
  if (inputs.rows == 0 || !layout)
    return std::nullopt;

  double error = 0, energy = 0;
  std::vector<float> difference(inputs.rows), whole(inputs.rows);
  for (const auto &firsts :
       getOutputVectors(site.type.getShape(), role, *layout, elements)) {
    std::fill(difference.begin(), difference.end(), 0.0f);
    std::fill(whole.begin(), whole.end(), 0.0f);
    for (auto [position, first] : llvm::enumerate(firsts)) {
      int64_t firstChannel = layout->getChannel(first);
      int64_t offset =
          getRowOffset(int64_t(position), int64_t(firsts.size()), inputs.rows);
      for (int64_t c = 0; c < layout->channels; ++c) {
        int64_t element = first + c * layout->stride;
        double w = weight.getDouble(element);
        auto d = float(w - decoded.getDouble(element));
        auto f = float(w);
        const float *x =
            inputs.values.data() + (firstChannel + c) * inputs.rows;
        auto add = [&](int64_t from, int64_t to, int64_t count) {
          for (int64_t i = 0; i < count; ++i) {
            difference[to + i] += d * x[from + i];
            whole[to + i] += f * x[from + i];
          }
        };
        add(offset, 0, inputs.rows - offset);
        add(0, inputs.rows - offset, offset);
      }
    }
    for (int64_t i = 0; i < inputs.rows; ++i) {
      error += double(difference[i]) * difference[i];
      energy += double(whole[i]) * whole[i];
    }
  }
  // Sums of channels that are all but alike may cancel within rounding.
  if (!std::isfinite(error) || !std::isfinite(energy))
    return std::nullopt;
  LayerError result;
  result.absolute = error / inputs.total;
  result.relative = energy > 0 ? error / energy : error > 0 ? 1 : 0;
  return result;
}

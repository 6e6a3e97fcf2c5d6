//===- RateChoice.cpp - Codes that make up for errors -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RateChoice.h"
#include "compress/Method/OutputIndex.h"
#include "compress/Numeric/SecondMoments.h"
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace compress;

std::optional<RateFeedback> RateFeedback::create(const WeightRequest &request) {
  constexpr int64_t largest = 1024;
  const LayerInputs *inputs = request.inputs;
  if (!inputs || inputs->rows == 0)
    return std::nullopt;
  ArrayRef<int64_t> shape = request.weight.getShape();
  auto layout = InputChannels::get(shape, request.role, inputs->channels);
  if (!layout)
    return std::nullopt;
  int64_t channels = layout->channels, rows = inputs->rows;
  auto vectors = getOutputVectors(shape, request.role, *layout,
                                  request.weight.getNumElements());
  if (vectors.empty())
    return std::nullopt;
  int64_t positions = vectors.front().size(), size = positions * channels;
  if (size > largest)
    return std::nullopt;

  RateFeedback feedback;
  feedback.sets.resize(layout->sets);
  std::vector<std::vector<int64_t>> orders;
  for (int64_t s = 0; s < layout->sets; ++s) {
    const float *x = inputs->values.data() + s * channels * rows;
    std::vector<double> moments =
        getSecondMoments(ArrayRef(x, channels * rows), channels, rows);
    for (double &moment : moments)
      moment /= inputs->total;
    std::vector<double> sums(channels, 0);
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t r = 0; r < rows; ++r)
        sums[c] += x[c * rows + r];
    double trace = 0;
    for (int64_t c = 0; c < channels; ++c)
      trace += moments[c * channels + c];
    // The fewer samples for so many inputs, the less they are believed.
    double ridge =
        (0.02 + 0.3 * double(size) / double(rows)) * trace / double(channels);
    if (!(ridge > 0) || !std::isfinite(ridge))
      return std::nullopt;
    // Those that matter most are chosen first, which is last in the factor.
    std::vector<int64_t> order(size);
    std::iota(order.begin(), order.end(), 0);
    llvm::sort(order, [&](int64_t a, int64_t b) {
      int64_t c = a % channels, d = b % channels;
      return std::tie(moments[c * channels + c], a) <
             std::tie(moments[d * channels + d], b);
    });
    std::vector<double> matrix(size * size, 0);
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = 0; j <= i; ++j) {
        int64_t a = order[i], b = order[j];
        int64_t c = a % channels, d = b % channels;
        // Positions of a window have only their means in common.
        matrix[i * size + j] =
            a / channels == b / channels
                ? moments[c * channels + d]
                : sums[c] * sums[d] / (inputs->total * double(rows));
        if (i == j)
          matrix[i * size + j] += ridge;
      }
    if (!factorizeCholesky(matrix, size))
      return std::nullopt;
    Set &set = feedback.sets[s];
    set.size = size;
    set.factor.assign(matrix.begin(), matrix.end());
    orders.push_back(std::move(order));
  }
  double squares = 0, count = 0;
  for (const auto &firsts : vectors) {
    int64_t s = layout->getSet(firsts.front());
    Set &set = feedback.sets[s];
    std::vector<int64_t> &elements = set.elements.emplace_back();
    for (int64_t i = 0; i < size; ++i) {
      int64_t at = orders[s][i];
      elements.push_back(firsts[at / channels] +
                         at % channels * layout->stride);
      squares += double(set.get(i, i)) * set.get(i, i);
    }
    count += double(size);
  }
  feedback.mean = squares / count;
  return feedback;
}

/// Lengths that a coder with these counts gives to codes, those that did not
/// occur included, and the sum over all that did.
std::pair<std::vector<float>, double>
compress::getLengths(ArrayRef<int64_t> counts, double total) {
  // Of a rare symbol, as counts of a coder are small integers.
  constexpr double least = 1.0 / 4096;
  std::vector<float> lengths;
  double bits = 0;
  for (int64_t count : counts) {
    double share = std::max(double(count) / total, least);
    lengths.push_back(float(-std::log2(share)));
    bits += double(count) * lengths.back();
  }
  return {std::move(lengths), bits};
}

/// The code nearest to `exact`, or a shorter one nearer to zero.
int compress::chooseCode(float exact, int most, float weight, float price,
                         ArrayRef<float> lengths) {
  int nearest = int(std::lround(std::clamp(exact, float(-most), float(most))));
  if (nearest == 0 || price == 0)
    return nearest;
  auto getCost = [&](int code) {
    float off = exact - float(code);
    return weight * off * off + price * lengths[code + most];
  };
  int best = nearest;
  float least = getCost(nearest);
  for (int code : {nearest > 0 ? nearest - 1 : nearest + 1, 0}) {
    float cost = getCost(code);
    if (cost < least) {
      least = cost;
      best = code;
    }
  }
  return best;
}

RateChoice RateFeedback::choose(ArrayRef<float> values, int most, double step,
                                double price,
                                std::vector<float> lengths) const {
  constexpr int rounds = 2;
  RateChoice choice;
  choice.step = step;
  choice.scale = float(step);
  choice.codes.resize(values.size());
  auto lambda = float(price * mean);
  auto inverse = float(1 / step);
  for (int round = 0; round < rounds; ++round) {
    choice.error = 0;
    std::vector<int64_t> counts(lengths.size(), 0);
    for (const Set &set : sets) {
      // In steps. What errors so far ask of each input, outputs side by side.
      int64_t outputs = set.elements.size();
      std::vector<float> asked(set.size * outputs, 0), errors(outputs);
      for (int64_t i = set.size; i-- > 0;) {
        float pivot = set.get(i, i), weight = pivot * pivot;
        double sum = 0;
        for (int64_t o = 0; o < outputs; ++o) {
          int64_t element = set.elements[o][i];
          float own = values[element] * inverse;
          float exact = own + asked[i * outputs + o] / pivot;
          int code = chooseCode(exact, most, weight, lambda, lengths);
          choice.codes[element] = code;
          ++counts[code + most];
          errors[o] = own - float(code);
          sum += double(exact - float(code)) * (exact - float(code));
        }
        choice.error += sum * weight;
        for (int64_t j = 0; j < i; ++j) {
          float factor = set.get(i, j);
          float *row = asked.data() + j * outputs;
          for (int64_t o = 0; o < outputs; ++o)
            row[o] += factor * errors[o];
        }
      }
    }
    std::tie(lengths, choice.bits) = getLengths(counts, double(values.size()));
  }
  choice.error *= step * step;
  return choice;
}

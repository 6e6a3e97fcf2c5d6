//===- AdaQuant.cpp - The method `adaquant` ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Layer-wise calibration as in I. Hubara et al., "Improving Post Training
// Neural Quantization: Layer-wise Calibration and Integer Programming" (ICML
// 2021): codes and scales of one layer minimize the error of its output on
// calibration samples. The problem is quadratic in either, so it is descended
// exactly, one code or one scale at a time, instead of by gradient steps:
//
//   || X^T (w - w') ||^2 + damping * mean ||x_c||^2 * || w - w' ||^2
//
// for the weights w of each output, with samples X [channels, rows]. The second
// term keeps codes near where few samples say nothing; by default the damping
// is the one that does best on a quarter of the samples when the others are
// fitted. The samples of one position of a convolution's window say nothing of
// the next: each position takes the rows in another order, so that errors that
// the means of inputs make add up over the window, and others do not.
//
//===----------------------------------------------------------------------===//

#include "RangeSearch.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "compress/Method/Method.h"
#include "compress/Method/OutputIndex.h"
#include <cmath>
#include <optional>

using namespace mlir;
using namespace compress;

namespace {

struct AdaQuantOptions {
  unsigned rounds = 4;
  /// Nothing: chosen.
  std::optional<double> damping;
};

llvm::Expected<AdaQuantOptions> parseOptions(const MethodOptions &options) {
  AdaQuantOptions result;
  for (const auto &[name, value] : options) {
    if (name == "rounds") {
      if (StringRef(value).getAsInteger(10, result.rounds) ||
          result.rounds < 1 || result.rounds > 1000)
        return llvm::createStringError(
            "method 'adaquant': option 'rounds' is a number from 1 to 1000, "
            "found '" +
            Twine(value) + "'");
    } else if (name == "damping") {
      if (value == "auto")
        continue;
      double damping;
      if (StringRef(value).getAsDouble(damping) ||
          !(damping >= 0 && damping <= 1000))
        return llvm::createStringError(
            "method 'adaquant': option 'damping' is auto or a number from 0 to "
            "1000, found '" +
            Twine(value) + "'");
      result.damping = damping;
    } else {
      return llvm::createStringError("method 'adaquant' has no option '" +
                                     Twine(name) +
                                     "'; known are damping, rounds");
    }
  }
  return result;
}

/// One layer: codes and scales, and what they do to the outputs.
class Layer {
public:
  Layer(const WeightRequest &request, const LayerInputs &inputs, double damping,
        MutableArrayRef<HostTensor> leaves);

  /// Whether the inputs fit the weight.
  bool isValid() const { return valid; }
  /// Changes codes until none lowers the error, at most so often each; returns
  /// whether any did.
  bool descendCodes(unsigned sweeps);
  bool descendScales();
  void write();
  /// The squared error of the outputs on the samples.
  double measure() const;

private:
  /// The weights of one output: of each position of a window, from `firsts` on,
  /// `stride` apart.
  struct Vector {
    SmallVector<int64_t, 1> firsts;
    int64_t set;
  };
  double getWeight(int64_t i) const { return weight[i]; }
  double getDifference(int64_t i) const {
    return weight[i] - (codes[i] - zeros[i]) * scales[groups[i]];
  }
  const float *getInput(const Vector &vector, int64_t position,
                        int64_t channel) const {
    const std::vector<float> &values =
        position ? rotated[position - 1] : inputs.values;
    return values.data() + (vector.set * channels + channel) * inputs.rows;
  }
  MutableArrayRef<float> getResidual(size_t vector) {
    return MutableArrayRef<float>(residuals).slice(vector * inputs.rows,
                                                   inputs.rows);
  }

  const LayerInputs &inputs;
  MutableArrayRef<HostTensor> leaves;
  bool valid = false;
  double least, most;
  int64_t channels = 0, stride = 1;
  std::vector<Vector> vectors;
  std::vector<float> weight, codes, zeros;
  std::vector<double> scales;
  std::vector<int64_t> groups;
  /// The inputs for positions after the first.
  std::vector<std::vector<float>> rotated;
  /// X^T (w - w') of each vector, one after another.
  std::vector<float> residuals;
  /// ||x_c||^2 of each channel of the inputs, and the damping of each set.
  std::vector<double> energies, ridges;
};

/// See the head of the file. Without samples: rounding to nearest in the ranges
/// of least error.
class AdaQuantMethod : public Method {
public:
  StringRef getName() const override { return "adaquant"; }
  StringRef getSummary() const override {
    return "chooses codes and scales for the least error of the layer's output "
           "on calibration samples";
  }
  StringRef getOptionsHelp() const override {
    return "rounds=4 (of codes, then scales), damping=auto|0.1 (how much the "
           "weights themselves count beside the samples; auto: what does best "
           "on samples that are left out)";
  }
  llvm::Error verifyOptions(const MethodOptions &options) const override {
    return parseOptions(options).takeError();
  }
  Rung getRung(const MethodOptions &) const override {
    return Rung::ForwardStatistics;
  }
  bool usesInputs() const override { return true; }
  bool supports(EncodingAttrInterface encoding) const override {
    auto quant = dyn_cast<QuantAttr>(encoding);
    return quant && isa<IntegerType>(quant.getCodeType()) &&
           isa<DenseAttr>(quant.getScale()) &&
           (!quant.getZero() || isa<DenseAttr>(quant.getZero()));
  }
  /// Ranges of least error, as `rtn(range=mse)` chooses them.
  llvm::Expected<SmallVector<HostTensor>>
  activationParameters(const TensorStatistics &statistics,
                       CompressedTensorType type,
                       const MethodOptions &) const override {
    auto nearest = lookupMethod("rtn");
    if (!nearest)
      return nearest.takeError();
    return (*nearest)->activationParameters(statistics, type,
                                            {{"range", "mse"}});
  }

protected:
  llvm::Expected<SmallVector<HostTensor>>
  encode(const WeightRequest &request) const override;
};

} // namespace

static double dot(const float *a, const float *b, int64_t count) {
  // Partial sums in float are exact enough for a step that is checked by what
  // it does to the error, and become vectors.
  constexpr int64_t lanes = 16;
  float sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int64_t k = 0; k < lanes; ++k)
      sums[k] += a[i + k] * b[i + k];
  double sum = 0;
  for (; i < count; ++i)
    sum += double(a[i]) * b[i];
  for (float part : sums)
    sum += part;
  return sum;
}

Layer::Layer(const WeightRequest &request, const LayerInputs &inputs,
             double damping, MutableArrayRef<HostTensor> leaves)
    : inputs(inputs), leaves(leaves), weight(request.weight.toFloats()) {
  auto quant = cast<QuantAttr>(request.type.getEncoding());
  // Leaves are signless; what they mean is in the encoding.
  codes = leaves[0].bitcast(quant.getCodeType()).toFloats();
  std::tie(least, most) = quant.getCodeRange();
  ArrayRef<int64_t> shape = request.weight.getShape();
  auto layout = InputChannels::get(shape, request.role, inputs.channels);
  if (!layout || weight.empty() || inputs.rows == 0)
    return;
  channels = layout->channels;
  stride = layout->stride;
  int64_t sets = layout->sets;
  size_t positions = 1;
  for (auto &firsts :
       getOutputVectors(shape, request.role, *layout, int64_t(weight.size()))) {
    positions = std::max(positions, firsts.size());
    int64_t set = layout->getSet(firsts.front());
    vectors.push_back({std::move(firsts), set});
  }
  for (size_t position = 1; position < positions; ++position) {
    std::vector<float> &values = rotated.emplace_back(inputs.values.size());
    int64_t by =
        getRowOffset(int64_t(position), int64_t(positions), inputs.rows);
    for (int64_t c = 0; c < inputs.channels; ++c) {
      const float *row = inputs.values.data() + c * inputs.rows;
      std::rotate_copy(row, row + by, row + inputs.rows,
                       values.data() + c * inputs.rows);
    }
  }

  SmallVector<int64_t> grid = quant.getGroupGrid(shape);
  GroupIndexer indexer(shape, quant.getGroup(), grid);
  for (size_t i = 0; i < weight.size(); ++i)
    groups.push_back(indexer.next());
  for (int64_t i = 0, e = leaves[1].getNumElements(); i < e; ++i)
    scales.push_back(leaves[1].getDouble(i));
  zeros.assign(weight.size(), 0);
  if (auto zero = dyn_cast_or_null<DenseAttr>(quant.getZero())) {
    HostTensor stored = leaves[2].bitcast(zero.getStorageType());
    for (size_t i = 0; i < weight.size(); ++i)
      zeros[i] = stored.getDouble(groups[i]);
  }

  for (int64_t c = 0; c < inputs.channels; ++c) {
    const float *x = inputs.values.data() + c * inputs.rows;
    energies.push_back(dot(x, x, inputs.rows));
  }
  for (int64_t set = 0; set < sets; ++set) {
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c)
      sum += energies[set * channels + c];
    ridges.push_back(damping * sum / double(channels));
  }
  residuals.assign(vectors.size() * inputs.rows, 0);
  for (auto [v, vector] : llvm::enumerate(vectors)) {
    MutableArrayRef<float> residual = getResidual(v);
    for (auto [position, first] : llvm::enumerate(vector.firsts))
      for (int64_t c = 0; c < channels; ++c) {
        auto difference = float(getDifference(first + c * stride));
        const float *x = getInput(vector, position, c);
        for (int64_t r = 0; r < inputs.rows; ++r)
          residual[r] += difference * x[r];
      }
  }
  valid = llvm::all_of(energies, [](double e) { return std::isfinite(e); });
}

bool Layer::descendCodes(unsigned sweeps) {
  bool changed = false;
  for (auto [v, vector] : llvm::enumerate(vectors)) {
    MutableArrayRef<float> residual = getResidual(v);
    double ridge = ridges[vector.set];
    for (unsigned sweep = 0; sweep < sweeps; ++sweep) {
      bool again = false;
      for (int64_t k = 0, e = channels * vector.firsts.size(); k < e; ++k) {
        int64_t position = k / channels, c = k % channels;
        int64_t i = vector.firsts[position] + c * stride;
        double scale = scales[groups[i]];
        double curvature = energies[vector.set * channels + c] + ridge;
        if (!(scale > 0) || !(curvature > 0))
          continue;
        const float *x = getInput(vector, position, c);
        double slope =
            dot(x, residual.data(), inputs.rows) + ridge * getDifference(i);
        // The nearest whole step is the best one; a tie is no gain.
        double step = std::round(slope / (scale * curvature) * (1 - 1e-6));
        step = std::clamp(double(codes[i]) + step, least, most) - codes[i];
        if (step == 0)
          continue;
        codes[i] += float(step);
        auto change = float(step * scale);
        for (int64_t r = 0; r < inputs.rows; ++r)
          residual[r] -= change * x[r];
        again = true;
      }
      changed |= again;
      if (!again)
        break;
    }
  }
  return changed;
}

bool Layer::descendScales() {
  // Along each group's codes; groups of one vector do not see each other's
  // steps, so each is taken at once.
  size_t count = scales.size();
  std::vector<std::vector<size_t>> members(count);
  for (auto [v, vector] : llvm::enumerate(vectors))
    for (int64_t first : vector.firsts)
      for (int64_t c = 0; c < channels; ++c) {
        std::vector<size_t> &group = members[groups[first + c * stride]];
        if (group.empty() || group.back() != v)
          group.push_back(v);
      }
  bool changed = false;
  std::vector<float> outputs;
  for (size_t g = 0; g < count; ++g) {
    outputs.assign(members[g].size() * inputs.rows, 0);
    double slope = 0, curvature = 0;
    for (auto [k, v] : llvm::enumerate(members[g])) {
      float *output = outputs.data() + k * inputs.rows;
      const Vector &vector = vectors[v];
      double ridge = ridges[vector.set];
      for (int64_t m = 0, e = channels * vector.firsts.size(); m < e; ++m) {
        int64_t position = m / channels, c = m % channels;
        int64_t i = vector.firsts[position] + c * stride;
        if (groups[i] != int64_t(g))
          continue;
        float unit = codes[i] - zeros[i];
        const float *x = getInput(vector, position, c);
        for (int64_t r = 0; r < inputs.rows; ++r)
          output[r] += unit * x[r];
        slope += ridge * unit * getDifference(i);
        curvature += ridge * unit * unit;
      }
      slope += dot(output, getResidual(v).data(), inputs.rows);
      curvature += dot(output, output, inputs.rows);
    }
    if (!(curvature > 0))
      continue;
    // As it can be stored.
    leaves[1].setDouble(g, scales[g] + slope / curvature);
    double stored = leaves[1].getDouble(g), step = stored - scales[g];
    if (!(stored > 0) || !std::isfinite(stored) ||
        !(step * (step * curvature - 2 * slope) < 0)) {
      leaves[1].setDouble(g, scales[g]);
      continue;
    }
    scales[g] = stored;
    changed = true;
    for (auto [k, v] : llvm::enumerate(members[g])) {
      MutableArrayRef<float> residual = getResidual(v);
      const float *output = outputs.data() + k * inputs.rows;
      for (int64_t r = 0; r < inputs.rows; ++r)
        residual[r] -= float(step) * output[r];
    }
  }
  return changed;
}

double Layer::measure() const {
  double sum = 0;
  for (float residual : residuals)
    sum += double(residual) * residual;
  return sum;
}

void Layer::write() {
  for (auto [i, code] : llvm::enumerate(codes))
    leaves[0].setBits(i, uint64_t(int64_t(code)) &
                             (~uint64_t(0) >> (64 - leaves[0].getBitWidth())));
}

static LayerInputs selectRows(const LayerInputs &inputs,
                              function_ref<bool(int64_t)> isSelected) {
  LayerInputs result;
  result.channels = inputs.channels;
  result.total = inputs.total;
  std::vector<int64_t> rows;
  for (int64_t r = 0; r < inputs.rows; ++r)
    if (isSelected(r))
      rows.push_back(r);
  result.rows = rows.size();
  for (int64_t c = 0; c < inputs.channels; ++c)
    for (int64_t r : rows)
      result.values.push_back(inputs.values[c * inputs.rows + r]);
  return result;
}

llvm::Expected<SmallVector<HostTensor>>
AdaQuantMethod::encode(const WeightRequest &request) const {
  auto options = parseOptions(request.options);
  if (!options)
    return options.takeError();
  auto quant = cast<QuantAttr>(request.type.getEncoding());
  auto ranges = findLeastErrorRanges(request.type, request.weight.toFloats(),
                                     getImportance(request));
  if (!ranges)
    return ranges.takeError();
  auto parameters =
      quant.parametersFromRanges(request.type, ranges->lo, ranges->hi);
  if (!parameters)
    return parameters.takeError();
  auto nearest = quant.encodeHost(request.type, request.weight, *parameters);
  if (!nearest || !request.inputs)
    return nearest;
  auto fit = [&](const LayerInputs &inputs, double damping,
                 unsigned rounds) -> SmallVector<HostTensor> {
    // Writable, and nobody else's.
    SmallVector<HostTensor> leaves;
    for (const HostTensor &leaf : *nearest) {
      HostTensor copy =
          HostTensor::allocate(leaf.getShape(), leaf.getElementType());
      llvm::copy(leaf.getBytes(), copy.getMutableBytes().begin());
      leaves.push_back(std::move(copy));
    }
    Layer layer(request, inputs, damping, leaves);
    if (!layer.isValid())
      return {};
    constexpr unsigned sweeps = 8;
    for (unsigned round = 0; round < rounds; ++round) {
      bool changed = layer.descendCodes(sweeps);
      changed |= layer.descendScales();
      if (!changed)
        break;
    }
    layer.write();
    return leaves;
  };
  double damping = 0.1;
  if (options->damping) {
    damping = *options->damping;
  } else {
    constexpr int64_t part = 4;
    constexpr double candidates[] = {0.03, 0.1, 0.5, 2, 8};
    LayerInputs fitted = selectRows(
        *request.inputs, [](int64_t r) { return r % part != part - 1; });
    LayerInputs left = selectRows(
        *request.inputs, [](int64_t r) { return r % part == part - 1; });
    double least = std::numeric_limits<double>::infinity();
    for (double candidate : candidates) {
      if (left.rows == 0)
        break;
      SmallVector<HostTensor> leaves =
          fit(fitted, candidate, std::min(options->rounds, 2u));
      if (leaves.empty())
        return nearest;
      double error = Layer(request, left, candidate, leaves).measure();
      // Errors have one least; rounding to nearest is the end of the list.
      if (!(error < least))
        break;
      least = error;
      damping = candidate;
    }
  }
  SmallVector<HostTensor> leaves =
      fit(*request.inputs, damping, options->rounds);
  if (leaves.empty())
    return nearest;
  return leaves;
}

std::unique_ptr<Method> compress::createAdaQuantMethod() {
  return std::make_unique<AdaQuantMethod>();
}

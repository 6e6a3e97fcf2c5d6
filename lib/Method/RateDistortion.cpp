//===- RateDistortion.cpp - The method `rate` -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Entropy-constrained scalar quantization (P. Chou, T. Lookabaugh, R. Gray,
// 1989), as video coders choose their codes: under a code of variable length
// the nearest code is not the best one. Each code minimizes
//
//   importance * (w - w')^2 + price * bits of the code
//
// with the lengths that the codes chosen so far have. One step size serves the
// whole weight: where each bit is worth the same, so is each step. The step is
// the one that fills the bits that are asked for; a few prices relative to it
// are tried, and that of the least error is taken.
//
// With samples of the layer's inputs, the error is that of its outputs,
// e^T H e for each output. With H = L L^T it is a sum of squares, one for each
// input, of its own error and those of inputs already rounded. Codes are chosen
// in this order, each making up for the errors so far (GPTQ, E. Frantar et al.,
// 2022; that this is Babai's nearest plane: J. Chen et al., 2025).
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Method/Method.h"
#include "compress/Method/OutputIndex.h"
#include "compress/Support/EntropyCoding.h"
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace compress;

namespace {

/// Options of the level, checked.
llvm::Expected<double> parseBits(const MethodOptions &options) {
  double bits = 0;
  for (const auto &[name, value] : options) {
    if (name != "bits")
      return llvm::createStringError("method 'rate' has no option '" +
                                     Twine(name) + "'; known is bits");
    if (StringRef(value).getAsDouble(bits) || !(bits > 0 && bits <= 16))
      return llvm::createStringError("method 'rate': option 'bits' is a number "
                                     "above 0 and at most 16, found '" +
                                     Twine(value) + "'");
  }
  return bits;
}

/// Codes of one step size, and what they cost.
struct Choice {
  double step = 0;
  std::vector<int> codes;
  /// Of the code alone.
  double bits = 0;
  double error = 0;
  /// What the codes are multiplied by: the best one, which is not the step
  /// where codes near zero are preferred.
  float scale = 0;
};

class Quantizer {
public:
  Quantizer(std::vector<float> values, std::vector<float> importance,
            int mostCode)
      : values(std::move(values)), importance(std::move(importance)),
        most(mostCode) {
    for (float value : this->values)
      largest = std::max(largest, std::fabs(value));
    double sum = 0;
    for (float weight : this->importance)
      sum += weight;
    mean = this->importance.empty() ? 1 : sum / double(this->values.size());
  }

  float getLargest() const { return largest; }
  ArrayRef<float> getValues() const { return values; }
  Choice choose(double step, double price) const;

private:
  float getImportance(size_t i) const {
    return importance.empty() ? 1 : importance[i];
  }

  std::vector<float> values, importance;
  int most;
  float largest = 0;
  double mean = 1;
};

} // namespace

namespace {

/// Outputs that are computed from the same inputs, and how errors meet there.
struct FeedbackSet {
  /// Of each output the elements, in the order of `factor`.
  std::vector<std::vector<int64_t>> elements;
  /// Lower triangular, by rows.
  std::vector<float> factor;
  int64_t size = 0;

  float get(int64_t i, int64_t j) const { return factor[i * size + j]; }
};

/// Codes that make up for each other's errors.
class Feedback {
public:
  /// Nothing where the samples do not fit the weight or it is too large.
  static std::optional<Feedback> create(const WeightRequest &request);
  Choice choose(ArrayRef<float> values, int most, double step, double price,
                std::vector<float> lengths) const;

private:
  std::vector<FeedbackSet> sets;
  /// The mean of all squared pivots.
  double mean = 0;
};

} // namespace

/// The Cholesky factor in place, of the lower triangle; whether there is one.
static bool factorize(std::vector<double> &matrix, int64_t size) {
  for (int64_t i = 0; i < size; ++i) {
    double *row = matrix.data() + i * size;
    for (int64_t j = 0; j <= i; ++j) {
      const double *other = matrix.data() + j * size;
      double sum = row[j];
      for (int64_t k = 0; k < j; ++k)
        sum -= row[k] * other[k];
      if (j < i) {
        row[j] = sum / other[j];
      } else {
        if (!(sum > 0) || !std::isfinite(sum))
          return false;
        row[i] = std::sqrt(sum);
      }
    }
  }
  return true;
}

std::optional<Feedback> Feedback::create(const WeightRequest &request) {
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

  Feedback feedback;
  feedback.sets.resize(layout->sets);
  std::vector<std::vector<int64_t>> orders;
  for (int64_t s = 0; s < layout->sets; ++s) {
    const float *x = inputs->values.data() + s * channels * rows;
    std::vector<double> moments(channels * channels), sums(channels, 0);
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t r = 0; r < rows; ++r)
        sums[c] += x[c * rows + r];
      for (int64_t d = 0; d <= c; ++d) {
        float lanes[16] = {};
        int64_t r = 0;
        for (; r + 16 <= rows; r += 16)
          for (int k = 0; k < 16; ++k)
            lanes[k] += x[c * rows + r + k] * x[d * rows + r + k];
        double sum = 0;
        for (; r < rows; ++r)
          sum += double(x[c * rows + r]) * x[d * rows + r];
        for (float lane : lanes)
          sum += lane;
        moments[c * channels + d] = moments[d * channels + c] =
            sum / inputs->total;
      }
    }
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
    if (!factorize(matrix, size))
      return std::nullopt;
    FeedbackSet &set = feedback.sets[s];
    set.size = size;
    set.factor.assign(matrix.begin(), matrix.end());
    orders.push_back(std::move(order));
  }
  double squares = 0, count = 0;
  for (const auto &firsts : vectors) {
    int64_t s = layout->getSet(firsts.front());
    FeedbackSet &set = feedback.sets[s];
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
static std::pair<std::vector<float>, double>
getLengths(ArrayRef<int64_t> counts, double total) {
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
static int chooseCode(float exact, int most, float weight, float price,
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

Choice Feedback::choose(ArrayRef<float> values, int most, double step,
                        double price, std::vector<float> lengths) const {
  constexpr int rounds = 2;
  Choice choice;
  choice.step = step;
  choice.scale = float(step);
  choice.codes.resize(values.size());
  auto lambda = float(price * mean);
  auto inverse = float(1 / step);
  for (int round = 0; round < rounds; ++round) {
    choice.error = 0;
    std::vector<int64_t> counts(lengths.size(), 0);
    for (const FeedbackSet &set : sets) {
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

Choice Quantizer::choose(double step, double price) const {
  constexpr int rounds = 3;
  Choice choice;
  choice.step = step;
  choice.codes.resize(values.size());
  auto lambda = float(price * mean);
  auto scale = float(step);
  auto inverse = float(1 / step);
  std::vector<float> lengths(2 * most + 1, 0);
  for (int round = 0; round < rounds; ++round) {
    std::vector<int64_t> counts(lengths.size(), 0);
    for (size_t i = 0; i < values.size(); ++i) {
      int code = chooseCode(values[i] * inverse, most, getImportance(i),
                            round > 0 ? lambda : 0, lengths);
      choice.codes[i] = code;
      ++counts[code + most];
    }
    std::tie(lengths, choice.bits) = getLengths(counts, double(values.size()));
  }
  double along = 0, energy = 0, whole = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    double weight = getImportance(i), code = choice.codes[i];
    along += weight * code * values[i];
    energy += weight * code * code;
    whole += weight * double(values[i]) * values[i];
  }
  choice.scale = energy > 0 ? float(along / energy) : scale;
  if (!(choice.scale > 0))
    choice.scale = scale;
  choice.error = whole - 2 * choice.scale * along +
                 double(choice.scale) * choice.scale * energy;
  return choice;
}

namespace {

/// See the head of the file.
class RateMethod : public Method {
public:
  StringRef getName() const override { return "rate"; }
  StringRef getSummary() const override {
    return "chooses a step size and codes for the least error in so many bits "
           "of a lossless code, which prefers codes that are frequent";
  }
  StringRef getOptionsHelp() const override {
    return "bits=3 (a weight, all that is stored counted)";
  }
  llvm::Error verifyOptions(const MethodOptions &options) const override {
    return parseBits(options).takeError();
  }
  bool usesInputs() const override { return true; }
  // Statistics sharpen the error but nothing needs them.
  Rung getRung(const MethodOptions &) const override { return Rung::DataFree; }
  bool supports(EncodingAttrInterface encoding) const override {
    auto coded = dyn_cast<CodedAttr>(encoding);
    if (!coded || coded.getCoder() != Coder::RANS)
      return false;
    auto quant = dyn_cast<QuantAttr>(coded.getOf());
    if (!quant || quant.getZero() || !isa<DenseAttr>(quant.getScale()))
      return false;
    auto code = dyn_cast<IntegerType>(quant.getCodeType());
    return code && !code.isUnsigned() && code.getWidth() >= 2 &&
           code.getWidth() <= 8 &&
           llvm::all_of(quant.getGroup(), ShapedType::isDynamic);
  }

protected:
  llvm::Expected<SmallVector<HostTensor>>
  encode(const WeightRequest &request) const override;
};

} // namespace

/// The tensor that these codes make, coded.
static llvm::Expected<EncodedTensor> makeTensor(const WeightRequest &request,
                                                const Choice &choice) {
  auto coded = cast<CodedAttr>(request.type.getEncoding());
  auto inner = coded.getInnerType(request.type);
  EncodedTensor tensor{inner, {}};
  for (RankedTensorType leaf : inner.getLeafTypes())
    tensor.leaves.push_back(
        HostTensor::allocate(leaf.getShape(), leaf.getElementType()));
  HostTensor &codes = tensor.leaves[0];
  for (auto [i, code] : llvm::enumerate(choice.codes))
    codes.setBits(int64_t(i), uint64_t(int64_t(code)) &
                                  (~uint64_t(0) >> (64 - codes.getBitWidth())));
  tensor.leaves[1].setDouble(0, choice.scale);
  return castTensor(tensor, request.type);
}

llvm::Expected<SmallVector<HostTensor>>
RateMethod::encode(const WeightRequest &request) const {
  auto bits = parseBits(request.options);
  if (!bits)
    return bits.takeError();
  auto coded = cast<CodedAttr>(request.type.getEncoding());
  int64_t elements = request.weight.getNumElements();
  Quantizer quantizer(
      request.weight.toFloats(), getImportance(request),
      int(cast<QuantAttr>(coded.getOf()).getCodeRange().second));
  if (elements == 0 || quantizer.getLargest() == 0)
    return coded.encodeHost(request.type, request.weight, {});
  if (*bits == 0)
    return llvm::createStringError("method 'rate' needs the option 'bits'");

  // What is stored besides the codes: tables, the states that blocks begin
  // with, the scale.
  StreamFormat format;
  format.coder = EntropyCoder::RANS;
  format.block = coded.getBlock();
  format.element.width =
      cast<QuantAttr>(coded.getOf()).getCodeType().getIntOrFloatBitWidth();
  auto layout = StreamLayout::get(format, elements);
  if (!layout)
    return layout.takeError();
  double fixed =
      8 * (double(layout->headerBytes) + 4 * double(layout->numBlocks) + 8 + 4);
  double budget = *bits * double(elements) - fixed;
  if (budget <= 0)
    return llvm::createStringError(
        "method 'rate': tables alone take %.2f bits a weight",
        fixed / double(elements));

  // More bits for smaller steps, until most codes are the largest one. A last
  // exact look follows, since counts of the coder are rounded.
  constexpr double prices[] = {0.03, 0.06, 0.1, 0.15, 0.22};
  constexpr int doublings = 16, halvings = 8, attempts = 8;
  std::optional<Choice> best;
  double bestPrice = 0;
  for (double price : prices) {
    std::optional<Choice> fitting;
    auto fits = [&](double step) {
      Choice choice = quantizer.choose(step, price);
      if (choice.bits > budget)
        return false;
      if (!fitting || choice.error < fitting->error)
        fitting = std::move(choice);
      return true;
    };
    double high = quantizer.getLargest() * 2.0, low = high;
    int i = 0;
    for (; i < doublings && fits(low); ++i)
      low /= 2;
    high = 2 * low;
    for (int k = 0; k < halvings && i < doublings; ++k) {
      double middle = std::sqrt(low * high);
      (fits(middle) ? high : low) = middle;
    }
    if (fitting && (!best || fitting->error < best->error)) {
      best = std::move(fitting);
      bestPrice = price;
    }
  }
  int most = int(cast<QuantAttr>(coded.getOf()).getCodeRange().second);
  std::optional<Feedback> feedback;
  if (best)
    feedback = Feedback::create(request);
  auto withFeedback = [&](double step) {
    std::vector<int64_t> counts(2 * most + 1, 0);
    for (int code : best->codes)
      ++counts[code + most];
    return feedback->choose(quantizer.getValues(), most, step, bestPrice,
                            getLengths(counts, double(elements)).first);
  };
  // A step twice as large takes a bit less of each weight.
  for (int i = 0; feedback && i < attempts; ++i) {
    double excess = (best->bits - budget) / double(elements);
    if (i > 0 && excess <= 0 && excess > -0.01)
      break;
    double step = best->step * (i ? std::exp2(excess + 0.003) : 1);
    best = withFeedback(step);
  }
  for (int i = 0; best && i < attempts; ++i) {
    auto tensor = makeTensor(request, *best);
    if (!tensor)
      return tensor.takeError();
    int64_t bytes = 0;
    for (const HostTensor &leaf : tensor->leaves)
      bytes += leaf.getBytes().size();
    double excess = double(8 * bytes) / double(elements) - *bits;
    if (excess <= 0)
      return std::move(tensor->leaves);
    double step = best->step * std::exp2(excess + 0.001 * (1 << i));
    best = feedback ? withFeedback(step) : quantizer.choose(step, bestPrice);
  }
  return llvm::createStringError(
      "method 'rate': no codes fit into %.2f bits a weight", *bits);
}

std::unique_ptr<Method> compress::createRateMethod() {
  return std::make_unique<RateMethod>();
}

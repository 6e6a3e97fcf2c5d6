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

#include "RateChoice.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Support/EntropyCoding.h"
#include <cmath>

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
  RateChoice choose(double step, double price) const;

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

RateChoice Quantizer::choose(double step, double price) const {
  constexpr int rounds = 3;
  RateChoice choice;
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
                                                const RateChoice &choice) {
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
  std::optional<RateChoice> best;
  double bestPrice = 0;
  for (double price : prices) {
    std::optional<RateChoice> fitting;
    auto fits = [&](double step) {
      RateChoice choice = quantizer.choose(step, price);
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
  std::optional<RateFeedback> feedback;
  if (best)
    feedback = RateFeedback::create(request);
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

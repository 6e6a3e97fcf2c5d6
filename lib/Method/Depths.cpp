//===- Depths.cpp - The method `depths` -------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Bit depths for the groups of one tensor under a limit on its stored size, as
// S. I. Young, "Foundations of Large Language Model Compression, Part 1: Weight
// Quantization" (CVXQ) poses it: the sum of the errors that groups make, each a
// function of its depth, is minimized subject to the sum of their bits. The
// relaxed problem is solved by its dual: at a price of a bit, each group takes
// the depth of the lower convex hull of its errors that is best for it, and the
// price is the one at which the budget is met. Errors are measured, not
// modelled.
//
//===----------------------------------------------------------------------===//

#include "RangeSearch.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "compress/Method/Method.h"
#include <cmath>

using namespace mlir;
using namespace compress;

namespace {

/// One term of the sum: the groups of one depth.
struct Depth {
  SparseAttr sparse;
  QuantAttr quant;
  /// All groups rounded to this depth, and what that costs each of them.
  Ranges ranges;
  std::vector<double> errors;
  int64_t bitsPerGroup = 0;
};

/// A step of one group to a greater depth, along its hull.
struct Step {
  /// Error taken away per bit.
  double gain;
  int64_t group;
  int from, to;
  int64_t bits;
};

llvm::Expected<double> parseBits(const MethodOptions &options) {
  std::optional<double> bits;
  for (const auto &[name, value] : options) {
    double number;
    if (name != "bits")
      return llvm::createStringError("method 'depths' has no option '" +
                                     Twine(name) + "'; known is bits");
    if (StringRef(value).getAsDouble(number) || !(number > 0 && number <= 32))
      return llvm::createStringError("method 'depths': option 'bits' is a "
                                     "number above 0 and at most 32, found '" +
                                     Twine(value) + "'");
    bits = number;
  }
  return bits.value_or(4);
}

/// The blocks of a tensor one after another; what hangs over is 0.
class Blocks {
public:
  Blocks(ArrayRef<int64_t> shape, ArrayRef<int64_t> block)
      : grid(getGroupGrid(shape, block)), count(countElements(grid)),
        size(countElements(block)), positions(countElements(shape)) {
    SmallVector<int64_t> place(shape.size(), 0);
    for (int64_t &position : positions) {
      int64_t index = 0, inside = 0;
      for (auto [at, dim, length] : llvm::zip_equal(place, grid, block)) {
        index = index * dim + at / length;
        inside = inside * length + at % length;
      }
      position = index * size + inside;
      for (int64_t dim = int64_t(shape.size()) - 1; dim >= 0; --dim) {
        if (++place[dim] < shape[dim])
          break;
        place[dim] = 0;
      }
    }
  }
  std::vector<float> gather(ArrayRef<float> values) const {
    std::vector<float> blocks(count * size, 0.0f);
    for (auto [position, value] : llvm::zip_equal(positions, values))
      blocks[position] = value;
    return blocks;
  }

  SmallVector<int64_t> grid;
  int64_t count, size;
  /// Of each element of the tensor, in the blocks.
  std::vector<int64_t> positions;
};

class DepthsMethod : public Method {
public:
  StringRef getName() const override { return "depths"; }
  StringRef getSummary() const override {
    return "chooses a bit depth for each group of a weight under a limit on "
           "its size (CVXQ), weighed by the calibration data when there is "
           "some";
  }
  StringRef getOptionsHelp() const override {
    return "bits=4 (stored bits a weight at most: codes, scales and which "
           "group has which depth; any fraction)";
  }
  llvm::Error verifyOptions(const MethodOptions &options) const override {
    return parseBits(options).takeError();
  }
  // Statistics sharpen it but nothing needs them.
  Rung getRung(const MethodOptions &) const override { return Rung::DataFree; }
  bool supports(EncodingAttrInterface encoding) const override;

protected:
  llvm::Expected<SmallVector<HostTensor>>
  encode(const WeightRequest &request) const override;
};

} // namespace

/// The terms, where each is blocks of the same shape in integer codes with a
/// scale of their own. Empty otherwise.
static SmallVector<Depth> getDepths(EncodingAttrInterface encoding) {
  auto sum = dyn_cast<SumAttr>(encoding);
  if (!sum)
    return {};
  SmallVector<Depth> depths;
  for (EncodingAttrInterface term : sum.getOf()) {
    auto sparse = dyn_cast<SparseAttr>(term);
    if (!sparse || sparse.getPattern() != SparsePattern::Block ||
        !ShapedType::isDynamic(sparse.getNnz()))
      return {};
    auto quant = dyn_cast<QuantAttr>(sparse.getOf());
    if (!quant || !isa<IntegerType>(quant.getCodeType()) ||
        !isa<DenseAttr>(quant.getScale()) ||
        (quant.getZero() && !isa<DenseAttr>(quant.getZero())))
      return {};
    ArrayRef<int64_t> group = quant.getGroup();
    if (group.empty() || group.front() != 1 ||
        llvm::any_of(llvm::zip_equal(group.drop_front(), sparse.getArguments()),
                     [](auto pair) {
                       auto [size, block] = pair;
                       return !ShapedType::isDynamic(size) && size < block;
                     }))
      return {};
    // Of two alike, one would do.
    if (llvm::any_of(depths,
                     [&](const Depth &d) { return d.sparse == sparse; }))
      return {};
    if (!depths.empty() &&
        sparse.getArguments() != depths.front().sparse.getArguments())
      return {};
    Depth &depth = depths.emplace_back();
    depth.sparse = sparse;
    depth.quant = quant;
  }
  llvm::sort(depths, [](const Depth &a, const Depth &b) {
    return a.quant.getCodeWidth() < b.quant.getCodeWidth();
  });
  return depths;
}

bool DepthsMethod::supports(EncodingAttrInterface encoding) const {
  return !getDepths(encoding).empty();
}

/// The type of so many blocks in a row.
static CompressedTensorType getBlocksType(const Depth &depth, Type element,
                                          int64_t count) {
  SmallVector<int64_t> shape{count};
  llvm::append_range(shape, depth.sparse.getArguments());
  return CompressedTensorType::get(element.getContext(), shape, element,
                                   depth.quant);
}

static llvm::Expected<SmallVector<HostTensor>>
encodeBlocks(const Depth &depth, CompressedTensorType type,
             ArrayRef<float> values, ArrayRef<float> lo, ArrayRef<float> hi) {
  auto parameters = depth.quant.parametersFromRanges(type, lo, hi);
  if (!parameters)
    return parameters.takeError();
  return depth.quant.encodeHost(
      type,
      HostTensor::fromFloats(type.getShape(), type.getElementType(), values),
      *parameters);
}

static llvm::Error measure(Depth &depth, Type element, const Blocks &blocks,
                           ArrayRef<float> values, ArrayRef<float> weights) {
  CompressedTensorType type = getBlocksType(depth, element, blocks.count);
  auto ranges = findLeastErrorRanges(type, values, weights);
  if (!ranges)
    return ranges.takeError();
  depth.ranges = std::move(*ranges);
  auto leaves =
      encodeBlocks(depth, type, values, depth.ranges.lo, depth.ranges.hi);
  if (!leaves)
    return leaves.takeError();
  auto decoded = decodeTensor({type, std::move(*leaves)});
  if (!decoded)
    return decoded.takeError();
  depth.errors.assign(blocks.count, 0);
  for (int64_t i = 0, e = decoded->getNumElements(); i < e; ++i) {
    double difference = values[i] - decoded->getDouble(i);
    depth.errors[i / blocks.size] += difference * difference * weights[i];
  }
  for (RankedTensorType leaf : type.getLeafTypes())
    depth.bitsPerGroup += leaf.getNumElements() / blocks.count *
                          HostTensor::getWidth(leaf.getElementType());
  return llvm::Error::success();
}

/// The steps from nothing to the greatest depth that pays, along the lower
/// convex hull of (bits, error): each is worth less per bit than the one
/// before.
static void addSteps(ArrayRef<Depth> depths, int64_t group, double whole,
                     std::vector<Step> &steps) {
  int now = -1;
  auto getBits = [&](int d) { return d < 0 ? 0 : depths[d].bitsPerGroup; };
  auto getError = [&](int d) {
    return d < 0 ? whole : depths[d].errors[group];
  };
  while (true) {
    std::optional<Step> best;
    for (int next = now + 1, end = depths.size(); next < end; ++next) {
      int64_t bits = getBits(next) - getBits(now);
      double taken = getError(now) - getError(next);
      if (bits > 0 && taken > 0 && (!best || taken / double(bits) > best->gain))
        best = Step{taken / double(bits), group, now, next, bits};
    }
    if (!best)
      return;
    steps.push_back(*best);
    now = best->to;
  }
}

llvm::Expected<SmallVector<HostTensor>>
DepthsMethod::encode(const WeightRequest &request) const {
  auto bits = parseBits(request.options);
  if (!bits)
    return bits.takeError();
  Type element = request.type.getElementType();
  SmallVector<Depth> depths = getDepths(request.type.getEncoding());
  Blocks blocks(request.type.getShape(), depths.front().sparse.getArguments());

  std::vector<float> values = blocks.gather(request.weight.toFloats());
  std::vector<float> importance = getImportance(request);
  if (importance.empty())
    importance.assign(request.weight.getNumElements(), 1.0f);
  std::vector<float> weights = blocks.gather(importance);
  for (Depth &depth : depths)
    if (blocks.count > 0)
      if (llvm::Error error = measure(depth, element, blocks, values, weights))
        return std::move(error);

  // What is stored whatever is chosen: which blocks each term has. And each
  // leaf is rounded up to bytes.
  int64_t numLeaves = request.type.getLeafTypes().size();
  int64_t terms = depths.size();
  double fixed = double(terms * blocks.count + 7 * numLeaves);
  double budget = *bits * double(request.weight.getNumElements()) - fixed;
  if (budget < 0)
    return llvm::createStringError(
        "method 'depths': which of " + Twine(blocks.count) +
        " groups has which of " + Twine(terms) +
        " depths alone takes more than " + Twine(int64_t(*bits * 100)) +
        "/100 bits a weight; use larger groups");

  std::vector<Step> steps;
  for (int64_t group = 0; group < blocks.count; ++group) {
    double whole = 0;
    for (int64_t i = group * blocks.size; i < (group + 1) * blocks.size; ++i)
      whole += double(values[i]) * values[i] * weights[i];
    addSteps(depths, group, whole, steps);
  }
  // The dual price falls from step to step; where it no longer pays for what
  // is left, smaller steps fill the rest.
  llvm::sort(steps, [](const Step &a, const Step &b) {
    return std::tie(b.gain, a.group, a.from) <
           std::tie(a.gain, b.group, b.from);
  });
  std::vector<int> chosen(blocks.count, -1);
  for (const Step &step : steps)
    if (chosen[step.group] == step.from && double(step.bits) <= budget) {
      budget -= double(step.bits);
      chosen[step.group] = step.to;
    }

  // In the order of the type's terms.
  SmallVector<HostTensor> leaves;
  for (EncodingAttrInterface term :
       cast<SumAttr>(request.type.getEncoding()).getOf()) {
    int d =
        llvm::find_if(
            depths, [&](const Depth &depth) { return depth.sparse == term; }) -
        depths.begin();
    const Depth &depth = depths[d];
    HostTensor mask = HostTensor::allocate(
        blocks.grid, IntegerType::get(element.getContext(), 1));
    std::vector<float> kept, lo, hi;
    for (int64_t group = 0; group < blocks.count; ++group)
      if (chosen[group] == d) {
        mask.setBits(group, 1);
        kept.insert(kept.end(), values.begin() + group * blocks.size,
                    values.begin() + (group + 1) * blocks.size);
        lo.push_back(depth.ranges.lo[group]);
        hi.push_back(depth.ranges.hi[group]);
      }
    auto own = encodeBlocks(depth, getBlocksType(depth, element, lo.size()),
                            kept, lo, hi);
    if (!own)
      return own.takeError();
    llvm::append_range(leaves, *own);
    leaves.push_back(std::move(mask));
  }
  return leaves;
}

std::unique_ptr<Method> compress::createDepthsMethod() {
  return std::make_unique<DepthsMethod>();
}

//===- MultiplyAdds.cpp - The work of multiplying with a weight -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What `EncodingAttrInterface::countMultiplyAdds` says for each encoding.
//
//===----------------------------------------------------------------------===//

#include "FactoredLayout.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace compress;
using Counts = llvm::SmallVectorImpl<MultiplyAdds>;

std::optional<WeightWork> compress::getWorkByShapes(Operation *op,
                                                    const WeightOperand &role) {
  WeightWork work;
  work.role = role;
  if (role.activation < 0) {
    work.inputs = work.outputs = 0;
    return work;
  }
  auto isKnown = [](Type type) {
    auto ranked = dyn_cast<RankedTensorType>(type);
    return ranked && ranked.hasStaticShape();
  };
  Type weight = op->getOperand(role.operand).getType();
  Type activation = op->getOperand(role.activation).getType();
  Type result = op->getNumResults() ? op->getResult(0).getType() : Type();
  if (!isKnown(weight) || !isKnown(activation) || !result || !isKnown(result))
    return std::nullopt;
  auto activationType = cast<RankedTensorType>(activation);
  double channels = 1, outputs = 1;
  if (role.activationChannelAxis >= 0)
    channels = activationType.getDimSize(role.activationChannelAxis);
  for (int64_t axis : role.outputAxes)
    outputs *= cast<RankedTensorType>(weight).getDimSize(axis);
  auto divide = [](double a, double b) { return b > 0 ? a / b : 0; };
  work.inputs = divide(activationType.getNumElements(), channels);
  work.outputs =
      divide(cast<RankedTensorType>(result).getNumElements(), outputs);
  return work;
}

void compress::countDecodedMultiplyAdds(CompressedTensorType type,
                                        const WeightWork &work,
                                        Counts &counts) {
  counts.push_back(
      {double(type.getNumElements()) * work.outputs, type.getElementType()});
}

void compress::countMultiplyAdds(const Component &component,
                                 const WeightWork &work, Counts &counts) {
  if (auto nested = dyn_cast<CompressedTensorType>(component.type)) {
    nested.getEncoding().countMultiplyAdds(nested, work, counts);
    return;
  }
  auto dense = cast<RankedTensorType>(component.type);
  counts.push_back(
      {double(dense.getNumElements()) * work.outputs, dense.getElementType()});
}

//===----------------------------------------------------------------------===//
// One component stands for the tensor
//===----------------------------------------------------------------------===//

void DenseAttr::countMultiplyAdds(CompressedTensorType type,
                                  const WeightWork &work,
                                  Counts &counts) const {
  compress::countMultiplyAdds(getComponents(type).front(), work, counts);
}

void QuantAttr::countMultiplyAdds(CompressedTensorType type,
                                  const WeightWork &work,
                                  Counts &counts) const {
  compress::countMultiplyAdds(getComponents(type).front(), work, counts);
}

/// Only values that are stored.
void SparseAttr::countMultiplyAdds(CompressedTensorType type,
                                   const WeightWork &work,
                                   Counts &counts) const {
  compress::countMultiplyAdds(getComponents(type).front(), work, counts);
}

void ScaledAttr::countMultiplyAdds(CompressedTensorType type,
                                   const WeightWork &work,
                                   Counts &counts) const {
  getOf().countMultiplyAdds(
      CompressedTensorType::get(type.getContext(), type.getShape(),
                                type.getElementType(), getOf()),
      work, counts);
}

void PermutedAttr::countMultiplyAdds(CompressedTensorType type,
                                     const WeightWork &work,
                                     Counts &counts) const {
  compress::countMultiplyAdds(getComponents(type).front(), work, counts);
}

void CodedAttr::countMultiplyAdds(CompressedTensorType type,
                                  const WeightWork &work,
                                  Counts &counts) const {
  getOf().countMultiplyAdds(
      CompressedTensorType::get(type.getContext(), type.getShape(),
                                type.getElementType(), getOf()),
      work, counts);
}

//===----------------------------------------------------------------------===//
// Others
//===----------------------------------------------------------------------===//

void SumAttr::countMultiplyAdds(CompressedTensorType type,
                                const WeightWork &work, Counts &counts) const {
  for (const Component &term : getComponents(type))
    compress::countMultiplyAdds(term, work, counts);
}

/// The butterflies on the activation (or the result) are additions, half a
/// multiply-add each.
void RotatedAttr::countMultiplyAdds(CompressedTensorType type,
                                    const WeightWork &work,
                                    Counts &counts) const {
  compress::countMultiplyAdds(getComponents(type).front(), work, counts);
  double additions =
      double(type.getDimSize(getAxis())) * llvm::Log2_64(getBlock());
  bool onInputs = llvm::is_contained(work.role.reductionAxes, getAxis());
  counts.push_back({additions / 2 * (onInputs ? work.inputs : work.outputs),
                    type.getElementType()});
}

namespace {
/// Finds the order in which an activation meets factors. Windows of
/// convolutions stay as they are until the factor that has them comes, so all
/// before that happens to pixels of the input.
class FactorOrder {
public:
  struct Item {
    NameSet names = 0;
    /// Whether the activation is in it, and the windows that it has met.
    bool moves = false;
    NameSet met = 0;
    /// The factor that it is; -1 for the activation and products.
    int factor = -1;
  };
  /// Multiply-adds, with a factor if one of both is one.
  struct Step {
    double count;
    int factor;
  };

  FactorOrder(ArrayRef<int64_t> sizes, NameSet outputs, NameSet windows,
              const WeightWork &work)
      : sizes(sizes), outputs(outputs), windows(windows), work(work) {}

  void search(SmallVector<Item> items, double cost, SmallVector<Step> &steps,
              bool greedy) {
    if (items.size() == 1) {
      if (cost < bestCost) {
        bestCost = cost;
        best = steps;
      }
      return;
    }
    std::optional<std::pair<size_t, size_t>> only;
    double least = std::numeric_limits<double>::infinity();
    for (size_t a = 0; greedy && a < items.size(); ++a)
      for (size_t b = a + 1; b < items.size(); ++b)
        if (double own = combine(items, a, b).second.count; own < least) {
          least = own;
          only = {a, b};
        }
    for (size_t a = 0; a < items.size(); ++a)
      for (size_t b = a + 1; b < items.size(); ++b) {
        if (only && *only != std::pair(a, b))
          continue;
        auto [product, step] = combine(items, a, b);
        if (cost + step.count >= bestCost)
          continue;
        SmallVector<Item> next(items);
        next[a] = product;
        next.erase(next.begin() + b);
        steps.push_back(step);
        search(std::move(next), cost + step.count, steps, greedy);
        steps.pop_back();
      }
  }

  SmallVector<Step> best;

private:
  std::pair<Item, Step> combine(ArrayRef<Item> items, size_t a,
                                size_t b) const {
    Item product;
    product.moves = items[a].moves || items[b].moves;
    product.met = items[a].met | items[b].met;
    NameSet all = items[a].names | items[b].names, needed = outputs;
    // Only the activation can sum over them.
    if (!product.moves)
      needed |= windows;
    for (size_t i = 0; i < items.size(); ++i)
      if (i != a && i != b)
        needed |= items[i].names;
    product.names = all & needed;
    Step step{1, -1};
    for (auto [name, size] : llvm::enumerate(sizes))
      if (all >> name & 1)
        step.count *= double(size);
    if (product.moves)
      step.count *= product.met == windows ? work.outputs : work.inputs;
    if ((items[a].factor < 0) != (items[b].factor < 0))
      step.factor = std::max(items[a].factor, items[b].factor);
    return {product, step};
  }

  ArrayRef<int64_t> sizes;
  NameSet outputs, windows;
  const WeightWork &work;
  double bestCost = std::numeric_limits<double>::infinity();
};
} // namespace

/// The factors meet the activation in the cheapest order, or each other, which
/// decodes them.
void FactoredAttr::countMultiplyAdds(CompressedTensorType type,
                                     const WeightWork &work,
                                     Counts &counts) const {
  FactoredLayout layout = FactoredLayout::get(*this, type.getShape());
  const Einsum &einsum = layout.einsum;
  NameSet windows = 0, outputs = 0;
  SmallVector<FactorOrder::Item> items(1);
  items[0].moves = true;
  for (auto [axis, names] : llvm::enumerate(einsum.dims)) {
    auto place = llvm::find(work.role.reductionAxes, int64_t(axis));
    NameSet &set = place == work.role.reductionAxes.end()     ? outputs
                   : place == work.role.reductionAxes.begin() ? items[0].names
                                                              : windows;
    set |= makeNameSet(names);
  }
  for (auto [number, names] : llvm::enumerate(einsum.factors)) {
    FactorOrder::Item &item = items.emplace_back();
    item.names = makeNameSet(names);
    item.met = item.names & windows;
    item.factor = int(number);
  }
  constexpr size_t mostForAllOrders = 6;
  FactorOrder order(layout.used, outputs, windows, work);
  SmallVector<FactorOrder::Step> steps;
  order.search(items, 0, steps, items.size() > mostForAllOrders);

  SmallVector<Component> factors = getComponents(type);
  Type computed = getComputeType(type.getElementType());
  for (const FactorOrder::Step &step : order.best) {
    if (step.factor < 0) {
      counts.push_back({step.count, computed});
      continue;
    }
    // Of a factor, what is stored.
    const Component &factor = factors[step.factor];
    SmallVector<MultiplyAdds> own;
    compress::countMultiplyAdds(factor, {work.role, 1, 1}, own);
    double elements = cast<ShapedType>(factor.type).getNumElements();
    for (const MultiplyAdds &part : own)
      counts.push_back(
          {elements > 0 ? step.count * part.count / elements : 0, part.type});
  }
}

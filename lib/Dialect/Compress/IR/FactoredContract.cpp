//===- FactoredContract.cpp - Contraction with factors ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A contraction with a factored operand is an einsum of the other operand (the
// activation) and the factors. It is computed pairwise in the order that takes
// the fewest operations, which may well be to multiply the factors first: then
// the operand is better decoded.
//
// Axes of the activation that are indexed by more than one loop (windows of a
// convolution) stay as they are until they meet the factor that has the loops
// of the kernel. So the Tucker form of a convolution becomes a 1x1 convolution,
// a small one and another 1x1.
//
//===----------------------------------------------------------------------===//

#include "ContractRules.h"
#include "FactoredLayout.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace compress;

namespace {
/// Labels number the indices of the einsum: the loops of the contraction, then
/// the names of the equation that are not loops, then windows.
using LabelSet = uint64_t;

LabelSet bit(unsigned label) { return LabelSet(1) << label; }

LabelSet makeSet(ArrayRef<unsigned> labels) {
  LabelSet set = 0;
  for (unsigned label : labels)
    set |= bit(label);
  return set;
}

/// An axis of the activation that an expression of several loops indexes.
struct Window {
  unsigned label;
  int64_t axis;
  AffineExpr expr;
  /// Its loops, and those among them that the factors have.
  LabelSet loops = 0, kernel = 0;
};

struct Step {
  unsigned lhs, rhs;
  LabelSet all, result;
};

class Chain {
public:
  Chain(ContractOp op, unsigned operand, CompressedTensorType type)
      : op(op), operand(operand), type(type),
        encoding(cast<FactoredAttr>(type.getEncoding())),
        layout(FactoredLayout::get(encoding, type.getShape())),
        numLoops(op.getNumLoops()) {}

  /// Names everything; fails where the contraction is no such einsum.
  LogicalResult analyze();
  /// Finds the cheapest order; fails if that is to rebuild the operand.
  LogicalResult plan();
  FailureOr<Value> emit(RewriterBase &b);
  /// Whether the axes of the activation stay as they are.
  bool takesActivationAsIs() const {
    return windows.empty() &&
           llvm::all_of(splits, [](ArrayRef<unsigned> s) { return s.empty(); });
  }

private:
  /// What takes part in a step: its labels by axis.
  struct Item {
    SmallVector<unsigned> labels;
    Value value;
    bool hasActivation = false;
  };
  struct State {
    LabelSet labels;
    unsigned number;
  };

  unsigned getNameLabel(unsigned name) const { return numLoops + name; }
  std::optional<Step> combine(ArrayRef<State> states, size_t a, size_t b) const;
  void search(SmallVector<State> states, double cost, SmallVector<Step> &steps,
              bool greedy);
  double getVolume(LabelSet set) const;
  LabelSet getWindowSet() const;

  Value expand(RewriterBase &b, Value value, AffineMap map);
  OpFoldResult getSize(RewriterBase &b, unsigned label);
  SmallVector<unsigned> arrange(const Step &step, const Item &activation,
                                const Item &factor) const;
  Value emitStep(RewriterBase &b, const Step &step, const Item &lhs,
                 const Item &rhs, ArrayRef<unsigned> result, Value init);

  ContractOp op;
  unsigned operand;
  CompressedTensorType type;
  FactoredAttr encoding;
  FactoredLayout layout;
  unsigned numLoops;
  /// Extent of each label, kDynamic where unknown.
  SmallVector<int64_t> extents;
  /// The labels that a loop is split into; empty for others.
  SmallVector<SmallVector<unsigned>> splits;
  SmallVector<Window> windows;
  /// The activation, then the factors, then what steps make.
  SmallVector<Item> items;
  SmallVector<unsigned> outputs;
  SmallVector<Step> best;
  double bestCost = std::numeric_limits<double>::infinity();
};
} // namespace

//===----------------------------------------------------------------------===//
// Analysis
//===----------------------------------------------------------------------===//

LogicalResult Chain::analyze() {
  const Einsum &einsum = layout.einsum;
  if (numLoops + einsum.names.size() + op.getMap(1 - operand).getNumResults() >
      64)
    return failure();
  extents.assign(numLoops + einsum.names.size(), ShapedType::kDynamic);
  splits.resize(numLoops);

  // Each axis of the weight is one loop.
  SmallVector<unsigned> labelOfName(einsum.names.size());
  LabelSet ownLoops = 0;
  for (auto [name, size] : llvm::enumerate(layout.used)) {
    labelOfName[name] = getNameLabel(name);
    extents[getNameLabel(name)] = size;
  }
  for (auto [axis, names] : llvm::enumerate(einsum.dims)) {
    std::optional<unsigned> loop = findLoop(op, operand, axis);
    if (!loop || ownLoops & bit(*loop))
      return failure();
    ownLoops |= bit(*loop);
    extents[*loop] = type.getDimSize(axis);
    if (names.size() == 1)
      labelOfName[names[0]] = *loop;
    else
      for (unsigned name : names)
        splits[*loop].push_back(labelOfName[name]);
  }

  // The activation, with labels of windows past those of names.
  Item &activation = items.emplace_back();
  activation.value = op->getOperand(1 - operand);
  activation.hasActivation = true;
  auto activationType = cast<ShapedType>(activation.value.getType());
  for (auto [axis, expr] :
       llvm::enumerate(op.getMap(1 - operand).getResults())) {
    int64_t size = activationType.getDimSize(axis);
    if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
      unsigned loop = dim.getPosition();
      if (splits[loop].empty()) {
        activation.labels.push_back(loop);
      } else if (ShapedType::isDynamic(size)) {
        return failure();
      } else {
        llvm::append_range(activation.labels, splits[loop]);
      }
      if (ShapedType::isDynamic(extents[loop]))
        extents[loop] = size;
      continue;
    }
    Window &window = windows.emplace_back();
    window.label = extents.size();
    window.axis = axis;
    window.expr = expr;
    for (unsigned loop = 0; loop < numLoops; ++loop)
      if (expr.isFunctionOfDim(loop)) {
        if (!splits[loop].empty())
          return failure();
        window.loops |= bit(loop);
      }
    window.kernel = window.loops & ownLoops;
    extents.push_back(size);
    activation.labels.push_back(window.label);
  }
  for (ArrayRef<unsigned> names : einsum.factors) {
    Item &factor = items.emplace_back();
    for (unsigned name : names)
      factor.labels.push_back(labelOfName[name]);
  }

  auto resultType = cast<ShapedType>(op.getInit().getType());
  for (auto [axis, expr] : llvm::enumerate(op.getMap(2).getResults())) {
    unsigned loop = cast<AffineDimExpr>(expr).getPosition();
    int64_t size = resultType.getDimSize(axis);
    if (ShapedType::isDynamic(extents[loop]))
      extents[loop] = size;
    if (splits[loop].empty())
      outputs.push_back(loop);
    else if (ShapedType::isDynamic(size))
      return failure();
    else
      llvm::append_range(outputs, splits[loop]);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

/// Extents that are not known (a batch, say) are taken to be large, so that
/// work that is done once does not decide.
static constexpr double dynamicExtent = 512;

double Chain::getVolume(LabelSet set) const {
  double volume = 1;
  for (; set; set &= set - 1) {
    int64_t extent = extents[llvm::countr_zero(set)];
    volume *= ShapedType::isDynamic(extent) ? dynamicExtent : double(extent);
  }
  return volume;
}

LabelSet Chain::getWindowSet() const {
  LabelSet set = 0;
  for (const Window &window : windows)
    set |= bit(window.label);
  return set;
}

/// The step that contracts two of the operands at hand, if it is possible.
std::optional<Step> Chain::combine(ArrayRef<State> states, size_t a,
                                   size_t b) const {
  LabelSet lhs = states[a].labels, rhs = states[b].labels;
  LabelSet all = lhs | rhs, needed = makeSet(outputs) | getWindowSet();
  for (size_t i = 0; i < states.size(); ++i)
    if (i != a && i != b)
      needed |= states[i].labels;
  for (const Window &window : windows) {
    if (!(all & bit(window.label))) {
      // Where it is still to come, its loops are needed.
      for (const State &state : states)
        if (state.labels & bit(window.label))
          needed |= window.loops;
      continue;
    }
    LabelSet partner = lhs & bit(window.label) ? rhs : lhs;
    if ((window.kernel & partner) == window.kernel) {
      all = (all & ~bit(window.label)) | window.loops;
      continue;
    }
    if (window.kernel & partner)
      return std::nullopt;
    needed |= window.loops;
  }
  return Step{states[a].number, states[b].number, all, all & needed};
}

void Chain::search(SmallVector<State> states, double cost,
                   SmallVector<Step> &steps, bool greedy) {
  if (states.size() == 1) {
    if (states[0].labels == makeSet(outputs) && cost < bestCost) {
      bestCost = cost;
      best = steps;
    }
    return;
  }
  std::optional<std::pair<size_t, size_t>> only;
  if (greedy) {
    double least = std::numeric_limits<double>::infinity();
    for (size_t a = 0; a < states.size(); ++a)
      for (size_t b = a + 1; b < states.size(); ++b)
        if (auto step = combine(states, a, b);
            step && getVolume(step->all) < least) {
          least = getVolume(step->all);
          only = {a, b};
        }
    if (!only)
      return;
  }
  for (size_t a = 0; a < states.size(); ++a)
    for (size_t b = a + 1; b < states.size(); ++b) {
      if (only && *only != std::pair(a, b))
        continue;
      std::optional<Step> step = combine(states, a, b);
      if (!step)
        continue;
      double total = cost + 2 * getVolume(step->all);
      if (total >= bestCost)
        continue;
      SmallVector<State> next(states);
      next[a] = {step->result, unsigned(items.size() + steps.size())};
      next.erase(next.begin() + b);
      steps.push_back(*step);
      search(std::move(next), total, steps, greedy);
      steps.pop_back();
    }
}

LogicalResult Chain::plan() {
  SmallVector<State> states;
  for (auto [number, item] : llvm::enumerate(items))
    states.push_back({makeSet(item.labels), unsigned(number)});
  SmallVector<Step> steps;
  search(states, 0, steps, /*greedy=*/items.size() > 6);
  if (best.empty())
    return failure();
  // The activation is item 0. If it only meets the product of all factors, that
  // is decoding.
  bool rebuilds = best.back().lhs == 0 || best.back().rhs == 0;
  return success(!rebuilds || best.size() == 1);
}

//===----------------------------------------------------------------------===//
// Emission
//===----------------------------------------------------------------------===//

/// Splits the axes of a dense value whose loops are split.
Value Chain::expand(RewriterBase &b, Value value, AffineMap map) {
  auto source = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape;
  SmallVector<ReassociationIndices> groups;
  for (auto [axis, expr] : llvm::enumerate(map.getResults())) {
    ReassociationIndices &group = groups.emplace_back();
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (!dim || splits[dim.getPosition()].empty()) {
      group.push_back(shape.size());
      shape.push_back(source.getDimSize(axis));
      continue;
    }
    for (unsigned label : splits[dim.getPosition()]) {
      group.push_back(shape.size());
      shape.push_back(extents[label]);
    }
  }
  if (shape.size() == groups.size())
    return value;
  return tensor::ExpandShapeOp::create(
      b, op.getLoc(), RankedTensorType::get(shape, source.getElementType()),
      value, groups);
}

/// The extent of a label, read from the activation or the result if dynamic.
OpFoldResult Chain::getSize(RewriterBase &b, unsigned label) {
  if (!ShapedType::isDynamic(extents[label]))
    return b.getIndexAttr(extents[label]);
  for (const Window &window : windows)
    if (window.label == label)
      return tensor::getMixedSize(b, op.getLoc(), op->getOperand(1 - operand),
                                  window.axis);
  for (unsigned number : {2u, 1 - operand})
    for (auto [axis, expr] : llvm::enumerate(op.getMap(number).getResults()))
      if (auto dim = dyn_cast<AffineDimExpr>(expr))
        if (dim.getPosition() == label)
          return tensor::getMixedSize(b, op.getLoc(), op->getOperand(number),
                                      axis);
  llvm_unreachable(
      "every dynamic loop runs along the activation or the result");
}

Value Chain::emitStep(RewriterBase &b, const Step &step, const Item &lhs,
                      const Item &rhs, ArrayRef<unsigned> result, Value init) {
  SmallVector<unsigned> loops(result);
  for (unsigned label = 0; label < extents.size(); ++label)
    if (step.all & bit(label) && !llvm::is_contained(loops, label))
      loops.push_back(label);
  auto dimOf = [&](unsigned label) {
    return b.getAffineDimExpr(llvm::find(loops, label) - loops.begin());
  };
  auto mapOf = [&](ArrayRef<unsigned> labels) {
    SmallVector<AffineExpr> exprs;
    for (unsigned label : labels) {
      const Window *window = llvm::find_if(
          windows, [&](const Window &w) { return w.label == label; });
      if (window == windows.end() || step.all & bit(label)) {
        exprs.push_back(dimOf(label));
        continue;
      }
      // The window is taken apart here.
      SmallVector<AffineExpr> replacements;
      for (unsigned loop = 0; loop < numLoops; ++loop)
        replacements.push_back(dimOf(loop));
      exprs.push_back(window->expr.replaceDims(replacements));
    }
    return AffineMap::get(loops.size(), 0, exprs, b.getContext());
  };
  Location loc = op.getLoc();
  if (!init) {
    SmallVector<OpFoldResult> sizes;
    for (unsigned label : result)
      sizes.push_back(getSize(b, label));
    Type element = type.getElementType();
    Value zero =
        arith::ConstantOp::create(b, loc, b.getFloatAttr(element, 0.0));
    Value empty = tensor::EmptyOp::create(b, loc, sizes, element);
    init = linalg::FillOp::create(b, loc, zero, empty).getResult(0);
  }
  SmallVector<Attribute> iterators;
  for (size_t i = 0; i < loops.size(); ++i)
    iterators.push_back(
        b.getStringAttr(i < result.size() ? "parallel" : "reduction"));
  AffineMap maps[] = {mapOf(lhs.labels), mapOf(rhs.labels), mapOf(result)};
  return ContractOp::create(b, loc, init.getType(), lhs.value, rhs.value, init,
                            b.getAffineMapArrayAttr(maps),
                            b.getArrayAttr(iterators))
      .getResult();
}

/// The order of the axes of a step's result: that of the activation, new axes
/// in the place of what is summed over, so that channels stay where they were;
/// a window gives way to the loops of its output.
SmallVector<unsigned> Chain::arrange(const Step &step, const Item &activation,
                                     const Item &factor) const {
  SmallVector<unsigned> result;
  auto keep = [&](unsigned label) {
    if (step.result & bit(label) && !llvm::is_contained(result, label))
      result.push_back(label);
  };
  auto keepNew = [&] {
    for (unsigned label : factor.labels)
      if (!llvm::is_contained(activation.labels, label) &&
          llvm::none_of(windows, [&](const Window &window) {
            return window.loops & bit(label);
          }))
        keep(label);
  };
  for (unsigned label : activation.labels) {
    const Window *window = llvm::find_if(
        windows, [&](const Window &w) { return w.label == label; });
    if (step.result & bit(label)) {
      keep(label);
    } else if (window == windows.end()) {
      keepNew();
    } else {
      for (unsigned loop = 0; loop < numLoops; ++loop)
        if (window->loops & bit(loop))
          keep(loop);
    }
  }
  keepNew();
  for (unsigned label : factor.labels)
    keep(label);
  return result;
}

FailureOr<Value> Chain::emit(RewriterBase &b) {
  Location loc = op.getLoc();
  auto parts = UnpackOp::create(b, loc, op->getOperand(operand));
  SmallVector<Component> components = encoding.getComponents(type);
  for (auto [number, component] : llvm::enumerate(components)) {
    Value value = parts.getResult(number);
    ArrayRef<unsigned> names = layout.einsum.factors[number];
    bool isCut = llvm::any_of(names, [&](unsigned name) {
      return layout.used[name] != layout.stored[name];
    });
    if (isCut) {
      auto dense = buildDecodeComponent(b, loc, value, component);
      if (failed(dense))
        return failure();
      SmallVector<OpFoldResult> offsets(names.size(), b.getIndexAttr(0));
      SmallVector<OpFoldResult> strides(names.size(), b.getIndexAttr(1)), sizes;
      for (unsigned name : names)
        sizes.push_back(b.getIndexAttr(layout.used[name]));
      // Slices of nothing do not verify.
      if (llvm::any_of(names, [&](unsigned n) { return !layout.used[n]; }))
        value = tensor::EmptyOp::create(b, loc, sizes,
                                        getElementTypeOrSelf(dense->getType()));
      else
        value = tensor::ExtractSliceOp::create(b, loc, *dense, offsets, sizes,
                                               strides);
    } else {
      value = packDense(b, loc, value, component);
    }
    items[1 + number].value = value;
  }
  if (isa<RankedTensorType>(items[0].value.getType()))
    items[0].value = expand(b, items[0].value, op.getMap(1 - operand));

  for (const Step &step : best) {
    bool isLast = &step == &best.back();
    SmallVector<unsigned> result;
    if (isLast)
      result = outputs;
    const Item *lhs = &items[step.lhs], *rhs = &items[step.rhs];
    // The activation keeps its side.
    if ((operand == 0 ? lhs : rhs)->hasActivation)
      std::swap(lhs, rhs);
    if (!isLast)
      result =
          operand == 0 ? arrange(step, *rhs, *lhs) : arrange(step, *lhs, *rhs);
    Value init;
    if (isLast)
      init = expand(b, op.getInit(), op.getMap(2));
    Item made;
    made.value = emitStep(b, step, *lhs, *rhs, result, init);
    made.labels = result;
    made.hasActivation = lhs->hasActivation || rhs->hasActivation;
    items.push_back(std::move(made));
  }

  Value value = items.back().value;
  SmallVector<ReassociationIndices> groups;
  int64_t next = 0;
  for (AffineExpr expr : op.getMap(2).getResults()) {
    size_t parts = splits[cast<AffineDimExpr>(expr).getPosition()].size();
    ReassociationIndices &group = groups.emplace_back();
    for (size_t i = 0; i < std::max<size_t>(parts, 1); ++i)
      group.push_back(next++);
  }
  if (next != int64_t(groups.size()))
    value = tensor::CollapseShapeOp::create(b, loc, op.getInit().getType(),
                                            value, groups);
  return value;
}

FailureOr<Value> FactoredAttr::rewriteContract(RewriterBase &rewriter,
                                               Operation *op,
                                               unsigned operand) const {
  auto contract = cast<ContractOp>(op);
  CompressedTensorType type = getRewritableType(contract, operand);
  if (!type || !type.hasStaticShape())
    return failure();
  Chain chain(contract, operand, type);
  if (failed(chain.analyze()) || failed(chain.plan()))
    return failure();
  // A compressed activation cannot be reshaped nor, in windows, measured.
  if (isa<CompressedTensorType>(contract->getOperand(1 - operand).getType()) &&
      !chain.takesActivationAsIs())
    return failure();
  return chain.emit(rewriter);
}

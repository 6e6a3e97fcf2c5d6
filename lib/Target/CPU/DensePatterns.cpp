//===- DensePatterns.cpp - Dense f32 contractions on the CPU ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matrix products and convolutions go to the runtime (oneDNN, or its portable
// loops). A compressed operand is decoded first.
//
//===----------------------------------------------------------------------===//

#include "compress/Target/CPU/CPUTarget.h"
#include "compress/Target/Contraction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace compress;

static Value decoded(OpBuilder &b, Location loc, Value operand) {
  if (isa<CompressedTensorType>(operand.getType()))
    return DecodeOp::create(b, loc, operand);
  return operand;
}

static Value emptyBias(OpBuilder &b, Location loc) {
  return arith::ConstantOp::create(
      b, loc,
      DenseElementsAttr::get(RankedTensorType::get({0}, b.getF32Type()),
                             ArrayRef<float>()));
}

static Value i64(OpBuilder &b, Location loc, int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
}

/// Groups adjacent axes: `groups[i]` lists the axes that become axis i; an
/// empty group becomes an axis of extent one.
static Value regroup(OpBuilder &b, Location loc, Value value,
                     ArrayRef<SmallVector<int64_t>> groups) {
  // Collapse first, then insert unit axes.
  SmallVector<ReassociationIndices> collapse;
  for (const SmallVector<int64_t> &group : groups)
    if (!group.empty())
      collapse.emplace_back(group.begin(), group.end());
  auto type = cast<RankedTensorType>(value.getType());
  if (int64_t(collapse.size()) < type.getRank())
    value = tensor::CollapseShapeOp::create(b, loc, value, collapse);
  if (collapse.size() == groups.size())
    return value;
  SmallVector<ReassociationIndices> expand;
  SmallVector<int64_t> shape;
  SmallVector<OpFoldResult> sizes;
  SmallVector<OpFoldResult> current = tensor::getMixedSizes(b, loc, value);
  auto collapsed = cast<RankedTensorType>(value.getType());
  ReassociationIndices pending;
  unsigned source = 0;
  for (auto [i, group] : llvm::enumerate(groups)) {
    pending.push_back(i);
    if (group.empty()) {
      shape.push_back(1);
      sizes.push_back(b.getIndexAttr(1));
      continue;
    }
    shape.push_back(collapsed.getDimSize(source));
    sizes.push_back(current[source++]);
    expand.push_back(pending);
    pending.clear();
  }
  if (expand.empty())
    expand.push_back({});
  llvm::append_range(expand.back(), pending);
  if (collapsed.getRank() == 0)
    expand.clear();
  return tensor::ExpandShapeOp::create(
      b, loc, RankedTensorType::get(shape, collapsed.getElementType()), value,
      expand, sizes);
}

/// The inverse of `regroup`, back to the shape of `like`.
static Value ungroup(OpBuilder &b, Location loc, Value value, Value like,
                     ArrayRef<SmallVector<int64_t>> groups) {
  auto type = cast<RankedTensorType>(like.getType());
  // Drop unit axes of empty groups.
  SmallVector<ReassociationIndices> collapse;
  bool hasEmpty = false;
  ReassociationIndices pending;
  for (auto [i, group] : llvm::enumerate(groups)) {
    pending.push_back(i);
    if (group.empty()) {
      hasEmpty = true;
      continue;
    }
    collapse.push_back(pending);
    pending.clear();
  }
  if (hasEmpty) {
    if (!collapse.empty())
      llvm::append_range(collapse.back(), pending);
    value = tensor::CollapseShapeOp::create(b, loc, value, collapse);
  }
  auto grouped = cast<RankedTensorType>(value.getType());
  if (grouped.getRank() == type.getRank())
    return value.getType() == type
               ? value
               : Value(tensor::CastOp::create(b, loc, type, value));
  SmallVector<ReassociationIndices> expand;
  for (const SmallVector<int64_t> &group : groups)
    if (!group.empty())
      expand.emplace_back(group.begin(), group.end());
  return tensor::ExpandShapeOp::create(b, loc, type, value, expand,
                                       tensor::getMixedSizes(b, loc, like));
}

/// `result + init`, for an init that no bias stands for.
static Value addInit(OpBuilder &b, Location loc, Value result, Value init) {
  auto add = linalg::AddOp::create(b, loc, ValueRange{result, init},
                                   ValueRange{result});
  return add.getResult(0);
}

namespace {
struct DenseMatmul : public OpRewritePattern<ContractOp> {
  using OpRewritePattern::OpRewritePattern;

  /// Groups the axes of an operand as [batch..., first, second] or with the
  /// last two in the order found; `permutation` brings them into that order.
  static bool group(AffineMap map, ArrayRef<unsigned> batch,
                    ArrayRef<unsigned> first, ArrayRef<unsigned> second,
                    SmallVector<SmallVector<int64_t>> &groups,
                    SmallVector<int64_t> &permutation) {
    SmallVector<unsigned> order;
    for (AffineExpr expr : map.getResults())
      order.push_back(cast<AffineDimExpr>(expr).getPosition());
    SmallVector<SmallVector<unsigned>> wanted;
    for (unsigned d : batch)
      wanted.push_back({d});
    wanted.emplace_back(first.begin(), first.end());
    wanted.emplace_back(second.begin(), second.end());
    // Find each wanted group as a run of axes.
    struct Run {
      int64_t start;
      unsigned index;
    };
    SmallVector<Run> runs;
    for (auto [index, group] : llvm::enumerate(wanted)) {
      if (group.empty()) {
        runs.push_back({int64_t(order.size()), unsigned(index)});
        continue;
      }
      auto *it = llvm::find(order, group[0]);
      int64_t start = it - order.begin();
      if (start + group.size() > order.size() ||
          ArrayRef(order).slice(start, group.size()) != ArrayRef(group))
        return false;
      runs.push_back({start, unsigned(index)});
    }
    llvm::sort(runs, [](const Run &a, const Run &b) {
      return std::tie(a.start, a.index) < std::tie(b.start, b.index);
    });
    permutation.resize(wanted.size());
    for (auto [position, run] : llvm::enumerate(runs)) {
      SmallVector<int64_t> axes;
      for (size_t i = 0; i < wanted[run.index].size(); ++i)
        axes.push_back(run.start + i);
      groups.push_back(axes);
      permutation[run.index] = position;
    }
    return true;
  }

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto shape = matchMatmul(op);
    Type f32 = rewriter.getF32Type();
    auto elementOf = [](Value v) { return getElementTypeOrSelf(v.getType()); };
    if (!shape || elementOf(op.getLhs()) != f32 ||
        elementOf(op.getRhs()) != f32 || elementOf(op.getInit()) != f32)
      return rewriter.notifyMatchFailure(op, "not an f32 matrix product");
    // Factors are multiplied one after another; if that costs more, they come
    // back decoded.
    for (Value operand : {op.getLhs(), op.getRhs()})
      if (auto type = dyn_cast<CompressedTensorType>(operand.getType());
          type && isa<FactoredAttr>(type.getEncoding()))
        return rewriter.notifyMatchFailure(op, "a factored operand");
    if (shape->batch.size() > 4)
      return rewriter.notifyMatchFailure(op, "more than 4 batch axes");
    // The result as [batch, m, n]: swap the factors when n comes first.
    bool swap = false;
    if (!shape->m.empty() && !shape->n.empty()) {
      for (AffineExpr expr : op.getMap(2).getResults()) {
        unsigned d = cast<AffineDimExpr>(expr).getPosition();
        if (d == shape->m[0])
          break;
        if (d == shape->n[0]) {
          swap = true;
          break;
        }
      }
    }
    Value operands[] = {op.getLhs(), op.getRhs()};
    AffineMap maps[] = {op.getMap(0), op.getMap(1)};
    if (swap) {
      std::swap(operands[0], operands[1]);
      std::swap(maps[0], maps[1]);
      std::swap(shape->m, shape->n);
    }
    SmallVector<SmallVector<int64_t>> groups[3];
    SmallVector<int64_t> permutations[3];
    if (!group(maps[0], shape->batch, shape->m, shape->k, groups[0],
               permutations[0]) ||
        !group(maps[1], shape->batch, shape->k, shape->n, groups[1],
               permutations[1]) ||
        !group(op.getMap(2), shape->batch, shape->m, shape->n, groups[2],
               permutations[2]))
      return rewriter.notifyMatchFailure(op, "axes cannot be grouped");

    Location loc = op.getLoc();
    bool isZero = false;
    Value bias;
    if (shape->n.size() == 1) {
      for (auto [axis, expr] : llvm::enumerate(op.getMap(2).getResults()))
        if (expr == rewriter.getAffineDimExpr(shape->n[0]))
          bias = matchBias(op, axis, isZero);
    } else {
      matchBias(op, 0, isZero);
    }
    Value lhs =
        regroup(rewriter, loc, decoded(rewriter, loc, operands[0]), groups[0]);
    Value rhs =
        regroup(rewriter, loc, decoded(rewriter, loc, operands[1]), groups[1]);
    Value like = regroup(rewriter, loc, op.getInit(), groups[2]);
    Value out = tensor::EmptyOp::create(
        rewriter, loc, tensor::getMixedSizes(rewriter, loc, like), f32);
    auto kernel = KernelOp::create(
        rewriter, loc, out.getType(), "compress_rt_matmul_f32",
        ValueRange{lhs, rhs, bias ? bias : emptyBias(rewriter, loc)},
        ValueRange{i64(rewriter, loc, 0)}, out, /*stateful=*/true,
        /*side_effect=*/false);
    // The runtime takes strides, so an axis order is only a view.
    SmallVector<Attribute> orders;
    for (ArrayRef<int64_t> order :
         {ArrayRef<int64_t>(permutations[0]),
          ArrayRef<int64_t>(permutations[1]), ArrayRef<int64_t>(),
          ArrayRef<int64_t>(permutations[2])})
      orders.push_back(rewriter.getDenseI64ArrayAttr(order));
    kernel->setAttr("permutations", rewriter.getArrayAttr(orders));
    Value result =
        ungroup(rewriter, loc, kernel.getResult(0), op.getInit(), groups[2]);
    if (!bias && !isZero)
      result = addInit(rewriter, loc, result, op.getInit());
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct DenseConv : public OpRewritePattern<ContractOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto shape = matchConv(op);
    Type f32 = rewriter.getF32Type();
    auto elementOf = [](Value v) { return getElementTypeOrSelf(v.getType()); };
    if (!shape || elementOf(op.getLhs()) != f32 ||
        elementOf(op.getRhs()) != f32 || elementOf(op.getInit()) != f32)
      return rewriter.notifyMatchFailure(op, "not an f32 convolution");
    unsigned spatial = shape->out.size();
    if (spatial > 3 || shape->n < 0)
      return rewriter.notifyMatchFailure(op, "more than 3 spatial axes");
    // Grouped filters must be stored group first to be seen as [g*f, c, k..].
    AffineMap filterMap = op.getMap(1);
    if (shape->group >= 0 && shape->f >= 0 &&
        filterMap.getResult(0) == rewriter.getAffineDimExpr(shape->f))
      return rewriter.notifyMatchFailure(op, "filter is not group first");
    int64_t groupCount = 1;
    if (shape->group >= 0) {
      groupCount = getLoopExtents(op)[shape->group];
      if (ShapedType::isDynamic(groupCount))
        return rewriter.notifyMatchFailure(op, "dynamic group count");
    }

    Location loc = op.getLoc();
    bool isZero = false;
    Value bias;
    bool grouped = shape->group >= 0 && shape->f >= 0;
    if (!grouped)
      bias = matchBias(op, 1, isZero);
    else
      matchBias(op, 1, isZero);

    // [n, g?, c?, s..] -> [n, gc, s..]; [g?, f?, c?, k..] -> [gf, c, k..];
    // [n, g?, f?, o..] -> [n, gf, o..].
    auto axes = [&](int64_t first, int64_t count) {
      SmallVector<int64_t> list;
      for (int64_t i = 0; i < count; ++i)
        list.push_back(first + i);
      return list;
    };
    auto makeGroups = [&](ArrayRef<int64_t> counts) {
      SmallVector<SmallVector<int64_t>> groups;
      int64_t next = 0;
      for (int64_t count : counts) {
        groups.push_back(axes(next, count));
        next += count;
      }
      for (unsigned i = 0; i < spatial; ++i)
        groups.push_back(axes(next++, 1));
      return groups;
    };
    int64_t g = shape->group >= 0, f = shape->f >= 0, c = shape->c >= 0;
    auto lhsGroups = makeGroups({1, g + c});
    auto rhsGroups = makeGroups({g + f, c});
    auto outGroups = makeGroups({1, g + f});

    SmallVector<int64_t> padsBegin(spatial, 0), padsEnd(spatial, 0);
    Value source = op.getLhs();
    foldPad(source, lhsGroups.size(), spatial, padsBegin, padsEnd);
    Value lhs =
        regroup(rewriter, loc, decoded(rewriter, loc, source), lhsGroups);
    Value rhs =
        regroup(rewriter, loc, decoded(rewriter, loc, op.getRhs()), rhsGroups);
    Value like = regroup(rewriter, loc, op.getInit(), outGroups);
    Value out = tensor::EmptyOp::create(
        rewriter, loc, tensor::getMixedSizes(rewriter, loc, like), f32);
    SmallVector<Value> scalars;
    auto scalar = [&](int64_t v) { scalars.push_back(i64(rewriter, loc, v)); };
    scalar(groupCount);
    scalar(0); // no activation
    scalar(spatial);
    auto triple = [&](ArrayRef<int64_t> values, int64_t fill) {
      for (unsigned i = 0; i < 3; ++i)
        scalar(i < spatial ? values[i] : fill);
    };
    triple(shape->strides, 1);
    triple(shape->dilations, 1);
    triple(padsBegin, 0);
    triple(padsEnd, 0);
    auto kernel = KernelOp::create(
        rewriter, loc, out.getType(), "compress_rt_conv_f32",
        ValueRange{lhs, rhs, bias ? bias : emptyBias(rewriter, loc)}, scalars,
        out, /*stateful=*/true, /*side_effect=*/false);
    Value result =
        ungroup(rewriter, loc, kernel.getResult(0), op.getInit(), outGroups);
    if (!bias && !isZero)
      result = addInit(rewriter, loc, result, op.getInit());
    rewriter.replaceOp(op, result);
    return success();
  }

  /// Takes a static zero padding of the spatial axes into the kernel's own.
  static void foldPad(Value &source, unsigned, unsigned spatial,
                      SmallVectorImpl<int64_t> &begin,
                      SmallVectorImpl<int64_t> &end) {
    auto pad = source.getDefiningOp<tensor::PadOp>();
    if (!pad || !pad.getConstantPaddingValue() ||
        !matchPattern(pad.getConstantPaddingValue(), m_AnyZeroFloat()))
      return;
    ArrayRef<int64_t> low = pad.getStaticLow(), high = pad.getStaticHigh();
    if (llvm::any_of(low, ShapedType::isDynamic) ||
        llvm::any_of(high, ShapedType::isDynamic))
      return;
    unsigned plain = low.size() - spatial;
    for (unsigned i = 0; i < plain; ++i)
      if (low[i] || high[i])
        return;
    for (unsigned i = 0; i < spatial; ++i)
      if (low[plain + i] < 0 || high[plain + i] < 0)
        return;
    for (unsigned i = 0; i < spatial; ++i) {
      begin[i] = low[plain + i];
      end[i] = high[plain + i];
    }
    source = pad.getSource();
  }
};
} // namespace

void compress::populateCPUDensePatterns(RewritePatternSet &patterns,
                                        const TargetOptions &) {
  patterns.add<DenseMatmul, DenseConv>(patterns.getContext());
}

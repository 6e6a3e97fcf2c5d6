//===- DensePatterns.cpp - Dense f32 contractions on the CPU ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matrix products go to the runtime (oneDNN, or its portable loops). A
// compressed operand is decoded first.
//
//===----------------------------------------------------------------------===//

#include "DenseClaims.h"
#include "compress/Dialect/Compress/IR/ChannelBlocks.h"
#include "compress/Target/CPU/CPUTarget.h"
#include "compress/Target/Contraction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

Value compress::cpu::decoded(OpBuilder &b, Location loc, Value operand) {
  if (isa<CompressedTensorType>(operand.getType()))
    return DecodeOp::create(b, loc, operand);
  return operand;
}

Value compress::cpu::emptyBias(OpBuilder &b, Location loc) {
  return arith::ConstantOp::create(
      b, loc,
      DenseElementsAttr::get(RankedTensorType::get({0}, b.getF32Type()),
                             ArrayRef<float>()));
}

Value compress::cpu::i64(OpBuilder &b, Location loc, int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
}

Value compress::cpu::regroup(OpBuilder &b, Location loc, Value value,
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

Value compress::cpu::ungroup(OpBuilder &b, Location loc, Value value,
                             Value like,
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

Value compress::cpu::addInit(OpBuilder &b, Location loc, Value result,
                             Value init) {
  auto add = linalg::AddOp::create(b, loc, ValueRange{result, init},
                                   ValueRange{result});
  return add.getResult(0);
}

/// Rows up to which products read weights longer than they compute.
static constexpr int64_t kFewRows = 8;

/// Whether a product with each term costs less than one with the decoded sum:
/// if at most one term is a full matrix, or if the terms are read in fewer
/// bytes and that is what counts.
/// `rows` are the loops of the other operand.
static bool paysToSplit(SumAttr sum, ArrayRef<unsigned> rows,
                        ArrayRef<int64_t> extents) {
  auto isFull = [](EncodingAttrInterface term) {
    return !isa<FactoredAttr, SparseAttr>(term);
  };
  if (llvm::count_if(sum.getOf(), isFull) <= 1)
    return true;
  unsigned bits = 0;
  for (EncodingAttrInterface term : sum.getOf()) {
    auto quant = dyn_cast<QuantAttr>(term);
    if (isFull(term) && (!quant || quant.getCodeWidth() > 8))
      return false;
    bits += quant ? quant.getCodeWidth() : 0;
  }
  int64_t count = 1;
  for (unsigned loop : rows) {
    if (ShapedType::isDynamic(extents[loop]))
      return false;
    count *= extents[loop];
  }
  return count <= kFewRows && bits <= 16;
}

/// Whether the rule of a constant's encoding leaves codes that other patterns
/// may claim.
static bool wrapsCodes(Value operand) {
  auto type = dyn_cast<CompressedTensorType>(operand.getType());
  if (!type || !operand.getDefiningOp<ConstantOp>())
    return false;
  if (hasChannelsOfCodes(type))
    return true;
  EncodingAttrInterface encoding = type.getEncoding();
  while (true) {
    EncodingAttrInterface inner;
    if (auto scaled = dyn_cast<ScaledAttr>(encoding))
      inner = scaled.getOf();
    else if (auto permuted = dyn_cast<PermutedAttr>(encoding))
      inner = permuted.getOf();
    else if (auto rotated = dyn_cast<RotatedAttr>(encoding))
      inner = rotated.getOf();
    else
      break;
    encoding = inner;
  }
  return encoding != type.getEncoding() &&
         isa<QuantAttr, CodebookAttr, SparseAttr, FactoredAttr, SumAttr>(
             encoding);
}

namespace {
struct DenseMatmul : public OpRewritePattern<ContractOp> {
  /// `isLast`: no rule comes after this pattern, so it decodes what it would
  /// else leave to one.
  DenseMatmul(MLIRContext *context, bool isLast)
      : OpRewritePattern(context), isLast(isLast) {}

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
    // Factors are multiplied one after another, unless that costs more.
    for (bool isLhs : {true, false}) {
      if (isLast)
        break;
      Value operand = isLhs ? op.getLhs() : op.getRhs();
      if (wrapsCodes(operand))
        return rewriter.notifyMatchFailure(op, "a rule uncovers codes");
      if (auto type = dyn_cast<CompressedTensorType>(operand.getType())) {
        if (isa<FactoredAttr>(type.getEncoding()))
          return rewriter.notifyMatchFailure(op, "a factored operand");
        auto sum = dyn_cast<SumAttr>(type.getEncoding());
        if (sum &&
            paysToSplit(sum, isLhs ? shape->n : shape->m, getLoopExtents(op)))
          return rewriter.notifyMatchFailure(op, "a sum of cheap terms");
      }
    }
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

  bool isLast;
};
} // namespace

void compress::populateCPUFallbackPatterns(RewritePatternSet &patterns,
                                           const TargetOptions &) {
  patterns.add<DenseMatmul>(patterns.getContext(), /*isLast=*/true);
}

void compress::populateCPUDensePatterns(RewritePatternSet &patterns,
                                        const TargetOptions &options) {
  patterns.add<DenseMatmul>(patterns.getContext(), /*isLast=*/false);
  populateDenseConvPatterns(patterns);
  populateFloatConvPatterns(patterns, options);
  populateAttentionPatterns(patterns, options);
}

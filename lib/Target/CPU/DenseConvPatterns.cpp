//===- DenseConvPatterns.cpp - Convolutions of the runtime ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Convolutions that no generated kernel takes go to the runtime (oneDNN, or its
// portable loops). A compressed operand is decoded first.
//
//===----------------------------------------------------------------------===//

#include "DenseClaims.h"
#include "compress/Target/Contraction.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

namespace {
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
    source = peelPad(source, spatial, padsBegin, padsEnd);
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
};
} // namespace

void compress::cpu::populateDenseConvPatterns(RewritePatternSet &patterns) {
  patterns.add<DenseConv>(patterns.getContext());
}

//===- MergeConcats.cpp - Concatenations that grow in place -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSMERGECONCATS
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// Slices that fill an empty tensor one after the other up to `last`, first to
/// last; empty if something else uses what is between them.
static SmallVector<tensor::InsertSliceOp> getChain(tensor::InsertSliceOp last) {
  SmallVector<tensor::InsertSliceOp> chain;
  for (tensor::InsertSliceOp op = last; op;
       op = op.getDest().getDefiningOp<tensor::InsertSliceOp>()) {
    if ((op != last && !op->hasOneUse()) ||
        op->getBlock() != last->getBlock() ||
        op.getSourceType().getRank() != op.getType().getRank())
      return {};
    chain.push_back(op);
    if (op.getDest().getDefiningOp<tensor::EmptyOp>())
      return SmallVector<tensor::InsertSliceOp>(llvm::reverse(chain));
  }
  return {};
}

namespace {
/// The first part of a concatenation is one itself: it is built where it will
/// stay, and others read it there.
struct GrowInPlace : public OpRewritePattern<tensor::InsertSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::InsertSliceOp op,
                                PatternRewriter &rewriter) const override {
    auto inner = op.getSource().getDefiningOp<tensor::InsertSliceOp>();
    auto areOnes = [](ArrayRef<OpFoldResult> values) {
      return llvm::all_of(values, isOneInteger);
    };
    if (!inner || !op.getDest().getDefiningOp<tensor::EmptyOp>() ||
        inner->getBlock() != op->getBlock() ||
        !op.getSourceType().hasStaticShape() ||
        !op.getType().hasStaticShape() ||
        op.getSourceType().getRank() != op.getType().getRank() ||
        !llvm::all_of(op.getMixedOffsets(), isZeroInteger) ||
        !areOnes(op.getMixedStrides()))
      return rewriter.notifyMatchFailure(op, "no concatenation at the start");
    SmallVector<tensor::InsertSliceOp> chain = getChain(inner);
    if (chain.empty())
      return rewriter.notifyMatchFailure(op, "parts have other users");
    rewriter.setInsertionPoint(chain.front());
    Value whole =
        tensor::EmptyOp::create(rewriter, op.getLoc(), op.getType().getShape(),
                                op.getType().getElementType());
    for (tensor::InsertSliceOp part : chain) {
      rewriter.setInsertionPoint(part);
      whole = tensor::InsertSliceOp::create(
          rewriter, part.getLoc(), part.getSource(), whole,
          part.getMixedOffsets(), part.getMixedSizes(), part.getMixedStrides());
    }
    rewriter.setInsertionPointAfter(inner);
    Value seen = tensor::ExtractSliceOp::create(
        rewriter, inner.getLoc(), inner.getType(), whole, op.getMixedOffsets(),
        op.getMixedSizes(), op.getMixedStrides());
    rewriter.replaceOp(op, whole);
    rewriter.replaceOp(inner, seen);
    return success();
  }
};

struct MergeConcats
    : public compress::impl::CompressMergeConcatsBase<MergeConcats> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<GrowInPlace>(&getContext());
    FrozenRewritePatternSet frozen(std::move(patterns));
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal() && !function->hasAttr(kGeneratedAttr) &&
          failed(applyPatternsGreedily(function, frozen)))
        return signalPassFailure();
  }
};
} // namespace

//===- PropagateLayout.cpp - Keep channels last between kernels -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Upstream's data layout propagation moves `linalg.pack` and `linalg.unpack`,
// not permutations alone, and does not know pooling windows.
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSPROPAGATELAYOUT
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// The transposition from a kernel's layout that gives `value`, or null.
static linalg::TransposeOp getMoved(Value value) {
  auto op = value.getDefiningOp<linalg::TransposeOp>();
  return op && op->hasAttr(kLayoutAttr) ? op : linalg::TransposeOp();
}

template <typename T>
static SmallVector<T> permute(ArrayRef<T> list, ArrayRef<int64_t> order) {
  SmallVector<T> result;
  for (int64_t i : order)
    result.push_back(list[i]);
  return result;
}

/// `value` with its axes in `order`.
static Value transpose(OpBuilder &b, Location loc, Value value,
                       ArrayRef<int64_t> order) {
  Value init = tensor::EmptyOp::create(
      b, loc,
      permute<OpFoldResult>(tensor::getMixedSizes(b, loc, value), order),
      getElementTypeOrSelf(value.getType()));
  return linalg::TransposeOp::create(b, loc, value, init, order)->getResult(0);
}

/// `value` in the layout before a transposition by `order`, by the shortest
/// way.
static Value undo(OpBuilder &b, Location loc, Value value,
                  ArrayRef<int64_t> order) {
  if (auto moved = getMoved(value); moved && moved.getPermutation() == order)
    return moved.getInput();
  SmallVector<int64_t> inverse = invertPermutationVector(order);
  if (value.getDefiningOp<tensor::EmptyOp>())
    return tensor::EmptyOp::create(
        b, loc,
        permute<OpFoldResult>(tensor::getMixedSizes(b, loc, value), inverse),
        getElementTypeOrSelf(value.getType()));
  if (auto fill = value.getDefiningOp<linalg::FillOp>()) {
    Value init = tensor::EmptyOp::create(
        b, loc,
        permute<OpFoldResult>(tensor::getMixedSizes(b, loc, value), inverse),
        getElementTypeOrSelf(value.getType()));
    return linalg::FillOp::create(b, loc, fill.value(), init).getResult(0);
  }
  return transpose(b, loc, value, inverse);
}

/// Transposes `value` like `order` and marks that as movable.
static Value redo(OpBuilder &b, Location loc, Value value,
                  ArrayRef<int64_t> order) {
  Value result = transpose(b, loc, value, order);
  result.getDefiningOp()->setAttr(kLayoutAttr, b.getUnitAttr());
  return result;
}

namespace {
/// A transposition of what was transposed from a kernel's layout.
struct Cancel : public OpRewritePattern<linalg::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::TransposeOp op,
                                PatternRewriter &rewriter) const override {
    auto moved = getMoved(op.getInput());
    if (!moved)
      return failure();
    SmallVector<int64_t> order =
        permute<int64_t>(moved.getPermutation(), op.getPermutation());
    if (isIdentityPermutation(order))
      rewriter.replaceOp(op, moved.getInput());
    else
      rewriter.replaceOp(
          op, transpose(rewriter, op.getLoc(), moved.getInput(), order));
    return success();
  }
};

/// Channels alone stay where they are.
struct DropUnitSpatial : public OpRewritePattern<linalg::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::TransposeOp op,
                                PatternRewriter &rewriter) const override {
    auto from = cast<RankedTensorType>(op.getInput().getType());
    auto to = cast<RankedTensorType>(op->getResult(0).getType());
    int64_t rank = from.getRank();
    if (!op->hasAttr(kLayoutAttr) || rank < 3 || op.getPermutation()[0] != 0)
      return failure();
    // At most one axis after the first is more than a unit.
    if (llvm::count(from.getShape().drop_front(), 1) < rank - 2)
      return failure();
    SmallVector<ReassociationIndices> groups{
        {0}, llvm::to_vector<2>(llvm::seq<int64_t>(1, rank))};
    auto sizes = permute<OpFoldResult>(
        tensor::getMixedSizes(rewriter, op.getLoc(), op.getInput()),
        op.getPermutation());
    Value flat = tensor::CollapseShapeOp::create(rewriter, op.getLoc(),
                                                 op.getInput(), groups);
    rewriter.replaceOpWithNewOp<tensor::ExpandShapeOp>(op, to, flat, groups,
                                                       sizes);
    return success();
  }
};

struct ThroughGeneric : public OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  /// Whether axis i of the result runs with axis i of the operand.
  static bool isAligned(AffineMap operand, AffineMap result) {
    if (operand.getNumResults() != result.getNumResults())
      return false;
    for (auto [x, y] :
         llvm::zip_equal(operand.getResults(), result.getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(y);
      if (!dim || !x.isFunctionOfDim(dim.getPosition()))
        return false;
    }
    return true;
  }

  LogicalResult matchAndRewrite(linalg::GenericOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getNumDpsInits() != 1 || op.getNumResults() != 1)
      return failure();
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    AffineMap &out = maps.back();
    // The first transposed input decides about the result.
    SmallVector<int64_t> order;
    bool moves = false;
    for (auto [i, input] : llvm::enumerate(op.getInputs()))
      if (auto moved = getMoved(input)) {
        order.assign(moved.getPermutation().begin(),
                     moved.getPermutation().end());
        moves = isAligned(maps[i], out);
        if (moves)
          break;
      }
    if (order.empty())
      return failure();
    auto reorder = [&](AffineMap map, ArrayRef<int64_t> permutation) {
      return AffineMap::get(
          map.getNumDims(), 0,
          permute<AffineExpr>(map.getResults(),
                              invertPermutationVector(permutation)),
          op.getContext());
    };
    SmallVector<Value> inputs(op.getInputs());
    for (auto [i, input] : llvm::enumerate(inputs))
      if (auto moved = getMoved(input)) {
        maps[i] = reorder(maps[i], moved.getPermutation());
        input = moved.getInput();
      }
    Value init = op.getOutputs()[0];
    if (moves) {
      bool isRead = !op.getBlock()->getArguments().back().use_empty();
      if (isRead || init.getDefiningOp<tensor::EmptyOp>()) {
        init = undo(rewriter, op.getLoc(), init, order);
      } else {
        init = tensor::EmptyOp::create(
            rewriter, op.getLoc(),
            permute<OpFoldResult>(
                tensor::getMixedSizes(rewriter, op.getLoc(), init),
                invertPermutationVector(order)),
            getElementTypeOrSelf(init.getType()));
      }
      out = reorder(out, order);
    }
    auto moved = linalg::GenericOp::create(
        rewriter, op.getLoc(), TypeRange(init.getType()), inputs,
        ValueRange(init), rewriter.getAffineMapArrayAttr(maps),
        op.getIteratorTypesAttr(), /*doc=*/nullptr, /*library_call=*/nullptr);
    rewriter.inlineRegionBefore(op.getRegion(), moved.getRegion(),
                                moved.getRegion().begin());
    moved = interchange(rewriter, moved);
    Value result = moved.getResult(0);
    rewriter.replaceOp(op, moves ? redo(rewriter, op.getLoc(), result, order)
                                 : result);
    return success();
  }

  /// Loops in the order of the first operand's memory: the last axis, which
  /// neighbouring elements share, innermost even of the sums.
  static linalg::GenericOp interchange(PatternRewriter &rewriter,
                                       linalg::GenericOp op) {
    AffineMap out = op.getIndexingMapsArray().back();
    unsigned loops = op.getNumLoops();
    if (!out.isProjectedPermutation() || out.getNumResults() == 0)
      return op;
    auto iterators = op.getIteratorTypesArray();
    SmallVector<unsigned> order;
    for (AffineExpr expr : out.getResults().drop_back())
      order.push_back(cast<AffineDimExpr>(expr).getPosition());
    for (unsigned d = 0; d < loops; ++d)
      if (iterators[d] != utils::IteratorType::parallel)
        order.push_back(d);
    order.push_back(cast<AffineDimExpr>(out.getResults().back()).getPosition());
    if (order.size() != loops ||
        llvm::equal(order, llvm::seq<unsigned>(0, loops)))
      return op;
    FailureOr<linalg::GenericOp> result =
        linalg::interchangeGenericOp(rewriter, op, order);
    return succeeded(result) ? *result : op;
  }
};

struct ThroughPad : public OpRewritePattern<tensor::PadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::PadOp op,
                                PatternRewriter &rewriter) const override {
    auto moved = getMoved(op.getSource());
    Value with = op.getConstantPaddingValue();
    if (!moved || !with)
      return failure();
    ArrayRef<int64_t> order = moved.getPermutation();
    SmallVector<int64_t> inverse = invertPermutationVector(order);
    Value padded = tensor::PadOp::create(
        rewriter, op.getLoc(), Type(), moved.getInput(),
        permute<OpFoldResult>(op.getMixedLowPad(), inverse),
        permute<OpFoldResult>(op.getMixedHighPad(), inverse), with);
    Value result = redo(rewriter, op.getLoc(), padded, order);
    if (result.getType() != op.getType())
      result =
          tensor::CastOp::create(rewriter, op.getLoc(), op.getType(), result);
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct ThroughInsertSlice : public OpRewritePattern<tensor::InsertSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::InsertSliceOp op,
                                PatternRewriter &rewriter) const override {
    auto source = getMoved(op.getSource()), dest = getMoved(op.getDest());
    if (op.getSourceType().getRank() != op.getDestType().getRank())
      return rewriter.notifyMatchFailure(op, "rank-reducing");
    if (!dest && !(source && op.getDest().getDefiningOp<tensor::EmptyOp>()))
      return rewriter.notifyMatchFailure(op, "nothing to gain");
    SmallVector<int64_t> order((source ? source : dest).getPermutation());
    SmallVector<int64_t> inverse = invertPermutationVector(order);
    Location loc = op.getLoc();
    Value from = undo(rewriter, loc, op.getSource(), order);
    Value into = undo(rewriter, loc, op.getDest(), order);
    Value result = tensor::InsertSliceOp::create(
        rewriter, loc, from, into,
        permute<OpFoldResult>(op.getMixedOffsets(), inverse),
        permute<OpFoldResult>(op.getMixedSizes(), inverse),
        permute<OpFoldResult>(op.getMixedStrides(), inverse));
    rewriter.replaceOp(op, redo(rewriter, loc, result, order));
    return success();
  }
};

struct ThroughExtractSlice : public OpRewritePattern<tensor::ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::ExtractSliceOp op,
                                PatternRewriter &rewriter) const override {
    auto moved = getMoved(op.getSource());
    if (!moved || op.getSourceType().getRank() != op.getType().getRank())
      return failure();
    ArrayRef<int64_t> order = moved.getPermutation();
    SmallVector<int64_t> inverse = invertPermutationVector(order);
    Value slice = tensor::ExtractSliceOp::create(
        rewriter, op.getLoc(), moved.getInput(),
        permute<OpFoldResult>(op.getMixedOffsets(), inverse),
        permute<OpFoldResult>(op.getMixedSizes(), inverse),
        permute<OpFoldResult>(op.getMixedStrides(), inverse));
    Value result = redo(rewriter, op.getLoc(), slice, order);
    if (result.getType() != op.getType())
      result =
          tensor::CastOp::create(rewriter, op.getLoc(), op.getType(), result);
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct PropagateLayout
    : public compress::impl::CompressPropagateLayoutBase<PropagateLayout> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<Cancel, DropUnitSpatial, ThroughGeneric, ThroughPad,
                 ThroughInsertSlice, ThroughExtractSlice>(&getContext());
    FrozenRewritePatternSet frozen(std::move(patterns));
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || function->hasAttr(kGeneratedAttr))
        continue;
      if (failed(applyPatternsGreedily(function, frozen)))
        return signalPassFailure();
      // What is left stays: an ordinary transposition.
      function.walk(
          [](linalg::TransposeOp op) { op->removeAttr(kLayoutAttr); });
    }
  }
};
} // namespace

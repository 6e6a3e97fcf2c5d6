//===- TileGather.cpp - Claims of lookups in encoded tables -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Nothing to multiply: a lookup decodes the elements that it needs, and no
// others.
//
//===----------------------------------------------------------------------===//

#include "../Elements/Operands.h"
#include "TileKernel.h"
#include "TilePatterns.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;
using namespace compress::sme;

/// Elements of one task.
static constexpr int64_t kElements = 4096;

namespace {
struct TileGather : public OpRewritePattern<GatherOp> {
  TileGather(MLIRContext *context, bool isLast)
      : OpRewritePattern(context, /*benefit=*/10), isLast(isLast) {}

  LogicalResult matchAndRewrite(GatherOp op,
                                PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getResult().getType());
    auto table = cast<ShapedType>(op.getTable().getType());
    auto indices = cast<RankedTensorType>(op.getIndices().getType());
    int64_t axis = op.getAxis(), count = indices.getRank();
    if (!type.getElementType().isF32())
      return leave(rewriter, op, isLast, "its elements are not f32");
    if (!table.hasStaticShape() || table.getDimSize(axis) == 0 ||
        table.getDimSize(axis) > INT32_MAX)
      return leave(rewriter, op, isLast, "a table of unknown size");
    unsigned width = indices.getElementType().isIndex()
                         ? 64
                         : indices.getElementTypeBitWidth();
    if (width < 8 || width > 64)
      return leave(rewriter, op, isLast, "indices of this type");

    rewriter.setInsertionPoint(op);
    Location loc = op.getLoc();
    SmallVector<OpFoldResult> sizes;
    for (int64_t d = 0; d < type.getRank(); ++d)
      sizes.push_back(
          d >= axis && d < axis + count
              ? tensor::getMixedSize(rewriter, loc, op.getIndices(), d - axis)
              : OpFoldResult(rewriter.getIndexAttr(type.getDimSize(d))));
    Value result;
    std::string reason;
    {
      TileKernel k(rewriter, loc, op->getParentOfType<ModuleOp>(), type);
      LazyTensorBuilder lazy(k);
      auto rows = readOperand(k, lazy, op.getTable(), isLast);
      reason = lazy.reason;
      if (succeeded(rows)) {
        emit(op, k, *rows, width);
        Value total = arith::ConstantIndexOp::create(rewriter, loc, 1);
        for (OpFoldResult size : sizes)
          total = arith::MulIOp::create(
              rewriter, loc, total,
              getValueOrCreateConstantIndexOp(rewriter, loc, size));
        Value tasks = arith::CeilDivUIOp::create(
            rewriter, loc, total,
            arith::ConstantIndexOp::create(rewriter, loc, kElements));
        result = k.finish(tasks, /*isParallel=*/true, sizes);
      }
    }
    if (!result)
      return leave(rewriter, op, isLast, reason);
    rewriter.replaceOp(op, result);
    return success();
  }

private:
  static void emit(GatherOp op, TileKernel &k, const Element &rows,
                   unsigned width) {
    auto type = cast<RankedTensorType>(op.getResult().getType());
    int64_t axis = op.getAxis();
    int64_t count = cast<ShapedType>(op.getIndices().getType()).getRank();
    int64_t extent = cast<ShapedType>(op.getTable().getType()).getDimSize(axis);
    unsigned buffer = k.addInput(op.getIndices());
    SmallVector<Value> extents;
    Value total = k.index(1);
    for (int64_t d = 0; d < type.getRank(); ++d) {
      extents.push_back(d >= axis && d < axis + count
                            ? k.size(op.getIndices(), d - axis)
                            : k.index(type.getDimSize(d)));
      total = k.mul(total, extents.back());
    }
    Value first = k.mul(k.getTask(), kElements);
    Value elements = k.minimum(k.sub(total, first), k.index(kElements));
    k.loop(elements, [&](Value i) {
      SmallVector<Value> position = k.delinearize(k.add(first, i), extents);
      ValueRange all(position), sizes(extents);
      Value at = k.linearize(all.slice(axis, count), sizes.slice(axis, count));
      SmallVector<Value> where(all.take_front(axis));
      where.push_back(loadIndex(k, buffer, at, width, extent));
      llvm::append_range(where, all.drop_front(axis + count));
      k.storeResult(rows(where), position);
    });
  }

  bool isLast;
};
} // namespace

void compress::sme::populateTileGather(RewritePatternSet &patterns,
                                       bool isLast) {
  patterns.add<TileGather>(patterns.getContext(), isLast);
}

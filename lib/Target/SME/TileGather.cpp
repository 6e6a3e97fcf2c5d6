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

#include "../Elements/Lookup.h"
#include "../Elements/Operands.h"
#include "TileKernel.h"
#include "TilePatterns.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"

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
    std::string reason;
    auto lookup = Lookup::match(op, reason);
    if (failed(lookup))
      return leave(rewriter, op, isLast, reason);
    rewriter.setInsertionPoint(op);
    Location loc = op.getLoc();
    SmallVector<OpFoldResult> sizes = lookup->getSizes(rewriter);
    Value result;
    {
      TileKernel k(rewriter, loc, op->getParentOfType<ModuleOp>(),
                   lookup->getType());
      LazyTensorBuilder lazy(k);
      auto table = readOperand(k, lazy, op.getTable(), isLast);
      reason = lazy.reason;
      if (succeeded(table)) {
        emit(*lookup, k, *table);
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
  static void emit(const Lookup &lookup, TileKernel &k, const Element &table) {
    Element element = lookup.read(k, table);
    SmallVector<Value> extents = lookup.getExtents(k);
    Value total = k.index(1);
    for (Value extent : extents)
      total = k.mul(total, extent);
    Value first = k.mul(k.getTask(), kElements);
    Value elements = k.minimum(k.sub(total, first), k.index(kElements));
    k.loop(elements, [&](Value i) {
      SmallVector<Value> position = k.delinearize(k.add(first, i), extents);
      k.storeResult(element(position), position);
    });
  }

  bool isLast;
};
} // namespace

void compress::sme::populateTileGather(RewritePatternSet &patterns,
                                       bool isLast) {
  patterns.add<TileGather>(patterns.getContext(), isLast);
}

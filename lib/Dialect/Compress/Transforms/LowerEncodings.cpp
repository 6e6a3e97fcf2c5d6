//===- LowerEncodings.cpp - Compressed values to components -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "compress/Dialect/Compress/Transforms/ConstantComponents.h"
#include "compress/Dialect/Compress/Transforms/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSLOWERENCODINGS
#include "compress/Dialect/Compress/Transforms/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// The components of a compressed value, or failure when they are not in reach.
static FailureOr<SmallVector<Value>> getComponents(OpBuilder &builder,
                                                   Value value) {
  if (auto pack = value.getDefiningOp<PackOp>())
    return SmallVector<Value>(pack.getComponents());
  return failure();
}

namespace {
struct LowerConstant : public OpRewritePattern<ConstantOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConstantOp op,
                                PatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<PackOp>(op, op.getType(),
                                        materializeComponents(rewriter, op));
    return success();
  }
};

struct LowerEncode : public OpRewritePattern<EncodeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(EncodeOp op,
                                PatternRewriter &rewriter) const override {
    auto components = op.getType().getEncoding().buildEncode(
        rewriter, op.getLoc(), op.getType(), op.getSource(),
        op.getParameters());
    if (failed(components))
      return rewriter.notifyMatchFailure(op, "encoding cannot be emitted");
    rewriter.replaceOpWithNewOp<PackOp>(op, op.getType(), *components);
    return success();
  }
};

struct LowerDecode : public OpRewritePattern<DecodeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DecodeOp op,
                                PatternRewriter &rewriter) const override {
    auto components = getComponents(rewriter, op.getSource());
    if (failed(components))
      return failure();
    CompressedTensorType type = op.getSource().getType();
    auto value = type.getEncoding().buildDecode(rewriter, op.getLoc(), type,
                                                *components);
    if (failed(value))
      return failure();
    rewriter.replaceOp(op, *value);
    return success();
  }
};

struct LowerCast : public OpRewritePattern<CastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CastOp op,
                                PatternRewriter &rewriter) const override {
    // What the compiler knows it re-encodes; see canonicalization.
    if (op.getSource().getDefiningOp<ConstantOp>())
      return failure();
    // What is inside of coded streams is there without decoding values.
    CompressedTensorType source = op.getSource().getType();
    auto coded = dyn_cast<CodedAttr>(source.getEncoding());
    if (coded && coded.getInnerType(source) == op.getType()) {
      auto streams = getComponents(rewriter, op.getSource());
      if (failed(streams))
        return failure();
      auto inner = coded.buildInflate(rewriter, op.getLoc(), source, *streams);
      if (failed(inner))
        return failure();
      if (isa<CompressedTensorType>(inner->getType()))
        rewriter.replaceOp(op, *inner);
      else
        rewriter.replaceOpWithNewOp<PackOp>(op, op.getType(), *inner);
      return success();
    }
    Value dense = DecodeOp::create(rewriter, op.getLoc(), op.getSource());
    rewriter.replaceOpWithNewOp<EncodeOp>(op, op.getType(), dense,
                                          ValueRange());
    return success();
  }
};

struct LowerGather : public OpRewritePattern<GatherOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(GatherOp op,
                                PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Type elementType = op.getResult().getType().getElementType();
    Value table = op.getTable();
    FailureOr<Value> rows = failure();
    if (auto type = dyn_cast<CompressedTensorType>(table.getType())) {
      auto components = getComponents(rewriter, table);
      if (failed(components))
        return failure();
      rows = type.getEncoding().buildGather(rewriter, loc, type, *components,
                                            op.getIndices(), op.getAxis());
    } else {
      rows = buildGatherRows(
          rewriter, loc, table, elementType, op.getIndices(), op.getAxis(),
          [&](OpBuilder &b, Location loc, ValueRange position) -> Value {
            return tensor::ExtractOp::create(b, loc, table, position);
          });
    }
    if (failed(rows))
      return failure();
    if (rows->getType() != op.getType())
      rows = tensor::CastOp::create(rewriter, loc, op.getType(), *rows)
                 .getResult();
    rewriter.replaceOp(op, *rows);
    return success();
  }
};

struct LowerEncodings
    : public compress::impl::CompressLowerEncodingsBase<LowerEncodings> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns
        .add<LowerConstant, LowerEncode, LowerDecode, LowerCast, LowerGather>(
            &getContext());
    CastOp::getCanonicalizationPatterns(patterns, &getContext());
    GreedyRewriteConfig config;
    config.enableFolding();
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns),
                                     config))) {
      getOperation()->emitError("lowering of encodings does not converge");
      return signalPassFailure();
    }
    WalkResult left = getOperation()->walk([](Operation *op) {
      auto isCompressed = [](Type type) {
        return isa<CompressedTensorType>(type);
      };
      bool leaks = llvm::any_of(op->getResultTypes(), isCompressed);
      for (Region &region : op->getRegions())
        for (Block &block : region)
          leaks |= llvm::any_of(block.getArgumentTypes(), isCompressed);
      if (!leaks)
        return WalkResult::advance();
      op->emitOpError("holds a compressed value that cannot be taken apart "
                      "here; pass its components instead");
      return WalkResult::interrupt();
    });
    if (left.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace

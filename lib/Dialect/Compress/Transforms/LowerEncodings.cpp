//===- LowerEncodings.cpp - Compressed values to components -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "compress/Dialect/Compress/Transforms/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSLOWERENCODINGS
#include "compress/Dialect/Compress/Transforms/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// A leaf of sub-byte width is kept as packed bytes; this emits the tensor of
/// its elements, each cut out of the one to three bytes that hold it.
static Value unpackLeaf(OpBuilder &builder, Location loc,
                        const HostTensor &leaf, RankedTensorType type,
                        StringRef name) {
  MLIRContext *context = builder.getContext();
  unsigned width = leaf.getBitWidth();
  int64_t numBytes = leaf.getBytes().size();
  // The blob of the constant lives as long as the context, so its bytes can be
  // seen under another type without a copy.
  HostTensor bytes =
      HostTensor::borrow({numBytes}, builder.getI8Type(), leaf.getBytes());
  Value packed =
      arith::ConstantOp::create(builder, loc, bytes.toResource(name));
  unsigned rank = type.getRank();
  auto codeType = builder.getIntegerType(width);
  Value init = tensor::EmptyOp::create(builder, loc, type.getShape(), codeType);
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  AffineExpr flat = getAffineConstantExpr(0, context);
  int64_t stride = 1;
  for (int64_t d = int64_t(rank) - 1; d >= 0; --d) {
    flat = flat + getAffineDimExpr(d, context) * stride;
    stride *= type.getDimSize(d);
  }
  // Aligned widths never straddle a byte.
  unsigned reads = 8 % width == 0 ? 1 : (width + 7 + 7) / 8;
  auto generic = linalg::GenericOp::create(
      builder, loc, init.getType(), ValueRange(), init,
      builder.getMultiDimIdentityMap(rank), iterators,
      [&](OpBuilder &b, Location loc, ValueRange) {
        SmallVector<OpFoldResult> position;
        for (unsigned d = 0; d < rank; ++d)
          position.push_back(linalg::IndexOp::create(b, loc, d).getResult());
        auto at = [&](AffineExpr expr) -> Value {
          return affine::AffineApplyOp::create(
              b, loc, AffineMap::get(rank, 0, expr, context),
              llvm::map_to_vector(
                  position, [](OpFoldResult r) { return cast<Value>(r); }));
        };
        AffineExpr bit = flat * int64_t(width);
        Type i32 = b.getI32Type();
        Value word = nullptr;
        Value first = at(bit.floorDiv(8));
        Value last = arith::ConstantIndexOp::create(b, loc, numBytes - 1);
        for (unsigned i = 0; i < reads; ++i) {
          Value index = first;
          if (i > 0) {
            index = arith::AddIOp::create(
                b, loc, first, arith::ConstantIndexOp::create(b, loc, i));
            // Past the end lie bits that no element needs.
            index = arith::MinUIOp::create(b, loc, index, last);
          }
          Value byte = tensor::ExtractOp::create(b, loc, packed, index);
          byte = arith::ExtUIOp::create(b, loc, i32, byte);
          if (i == 0) {
            word = byte;
            continue;
          }
          Value shift =
              arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(8 * i));
          byte = arith::ShLIOp::create(b, loc, byte, shift);
          word = arith::OrIOp::create(b, loc, word, byte);
        }
        Value shift = arith::IndexCastUIOp::create(b, loc, i32, at(bit % 8));
        word = arith::ShRUIOp::create(b, loc, word, shift);
        Value code = arith::TruncIOp::create(b, loc, codeType, word);
        linalg::YieldOp::create(b, loc, code);
      });
  Value codes = generic.getResult(0);
  if (isa<IntegerType>(type.getElementType()))
    return codes;
  return buildElementwise(builder, loc, type.getElementType(), codes,
                          [&](OpBuilder &b, Location loc, ValueRange in) {
                            return arith::BitcastOp::create(
                                b, loc, type.getElementType(), in[0]);
                          });
}

/// Materializes one component from its leaves, consuming them.
static Value materialize(OpBuilder &builder, Location loc, Type type,
                         ArrayAttr attrs, ArrayRef<HostTensor> leaves,
                         unsigned &next) {
  if (auto nested = dyn_cast<CompressedTensorType>(type)) {
    SmallVector<Attribute> own;
    for (unsigned i = 0, e = nested.getLeafTypes().size(); i < e; ++i)
      own.push_back(attrs[next++]);
    return ConstantOp::create(builder, loc, nested, builder.getArrayAttr(own));
  }
  unsigned index = next++;
  auto leafType = cast<RankedTensorType>(type);
  if (leaves[index].getBitWidth() % 8 == 0)
    return arith::ConstantOp::create(builder, loc,
                                     cast<TypedAttr>(attrs[index]));
  std::string name = "packed";
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attrs[index]))
    name = resource.getRawHandle().getKey().str() + ".packed";
  return unpackLeaf(builder, loc, leaves[index], leafType, name);
}

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
    SmallVector<HostTensor> leaves = op.getLeaves();
    SmallVector<Value> components;
    unsigned next = 0;
    for (const Component &component : op.getType().getComponents())
      components.push_back(materialize(rewriter, op.getLoc(), component.type,
                                       op.getComponents(), leaves, next));
    rewriter.replaceOpWithNewOp<PackOp>(op, op.getType(), components);
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

//===- WidenCodes.cpp - Narrow codes as 8-bit ones --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Integer dot products take bytes. Activations of fewer than 8 bits are clamped
// to what their codes can hold and get the same codes in 8 bits; so do filters
// that are multiplied with codes, which would otherwise be decoded to floats.
// (Matrix products unpack narrow weights themselves.) The values are the same.
//
//===----------------------------------------------------------------------===//

#include "EncodeChains.h"
#include "compress/Target/CPU/CPUTarget.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Codes of 2 to 7 bits.
static QuantAttr getNarrow(CompressedTensorType type) {
  auto quant = dyn_cast<QuantAttr>(type.getEncoding());
  return quant && !quant.isFloatCode() && quant.getCodeWidth() > 1 &&
                 quant.getCodeWidth() < 8
             ? quant
             : QuantAttr();
}

/// The only element of a constant.
static std::optional<HostTensor> matchOne(Value value) {
  ElementsAttr attr;
  if (!matchPattern(value, m_Constant(&attr)) || attr.getNumElements() != 1)
    return std::nullopt;
  auto tensor = HostTensor::fromAttr(attr);
  if (tensor)
    return std::move(*tensor);
  llvm::consumeError(tensor.takeError());
  return std::nullopt;
}

/// Static unsigned codes per tensor, with a zero point of the same type.
static bool isNarrowActivation(EncodeOp op) {
  QuantAttr quant = getNarrow(op.getType());
  if (!quant || quant.isSignedCode() || op.getParameters().size() != 2 ||
      !getElementTypeOrSelf(op.getSource().getType()).isF32())
    return false;
  auto scale = dyn_cast<DenseAttr>(quant.getScale());
  auto zero = dyn_cast_or_null<DenseAttr>(quant.getZero());
  return scale && scale.getStorageType().isF32() && zero &&
         zero.getStorageType() == quant.getCodeType() &&
         matchOne(op.getParameters()[0]) && matchOne(op.getParameters()[1]);
}

/// Whether a contraction's operand is codes of 8 bits, or will be. Images are
/// decoded, padded and given a unit axis on the way; another kernel may have
/// made the codes.
static bool isOfCodes(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto type = dyn_cast<CompressedTensorType>(value.getType())) {
      auto codes = dyn_cast<QuantAttr>(type.getEncoding());
      auto encode = dyn_cast<EncodeOp>(op);
      return (codes && !codes.isFloatCode() && codes.getCodeWidth() == 8) ||
             (encode && isNarrowActivation(encode));
    }
    if (!isa<tensor::PadOp, tensor::ExpandShapeOp, DecodeOp>(op))
      break;
    value = op->getOperand(0);
  }
  return false;
}

namespace {

class WidenActivation : public OpRewritePattern<EncodeOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(EncodeOp op,
                                PatternRewriter &rewriter) const override {
    if (!isNarrowActivation(op))
      return rewriter.notifyMatchFailure(op, "no narrow static activation");
    QuantAttr quant = getNarrow(op.getType());
    double scale = matchOne(op.getParameters()[0])->getDouble(0);
    // The leaf is signless.
    auto zero = int64_t(matchOne(op.getParameters()[1])->getBits(0));
    auto most = float((quant.getCodeRange().second - double(zero)) * scale);
    if (!(scale > 1e-30) || !std::isfinite(most))
      return rewriter.notifyMatchFailure(op, "no usual scale");
    Location loc = op.getLoc();
    auto source = cast<RankedTensorType>(op.getSource().getType());
    Value bound = arith::ConstantOp::create(rewriter, loc,
                                            rewriter.getF32FloatAttr(most));
    Value empty = tensor::EmptyOp::create(
        rewriter, loc, tensor::getMixedSizes(rewriter, loc, op.getSource()),
        source.getElementType());
    SmallVector<AffineMap> maps(
        2, rewriter.getMultiDimIdentityMap(source.getRank()));
    SmallVector<utils::IteratorType> loops(source.getRank(),
                                           utils::IteratorType::parallel);
    // The lowest code is 0 in either type. NaN becomes the largest.
    Value clamped =
        linalg::GenericOp::create(
            rewriter, loc, source, op.getSource(), empty, maps, loops,
            [&](OpBuilder &b, Location loc, ValueRange in) {
              Value least = arith::MinNumFOp::create(b, loc, in[0], bound);
              linalg::YieldOp::create(b, loc, least);
            })
            .getResult(0);
    Type code =
        IntegerType::get(rewriter.getContext(), 8, IntegerType::Unsigned);
    auto wide = QuantAttr::get(rewriter.getContext(), code, quant.getGroup(),
                               quant.getScale(),
                               DenseAttr::get(rewriter.getContext(), code));
    auto parameter = cast<RankedTensorType>(op.getParameters()[1].getType());
    Value wideZero = arith::ConstantOp::create(
        rewriter, loc,
        DenseElementsAttr::get(parameter.clone(rewriter.getI8Type()),
                               APInt(8, zero)));
    auto type = CompressedTensorType::get(rewriter.getContext(),
                                          op.getType().getShape(),
                                          op.getType().getElementType(), wide);
    rewriter.replaceOpWithNewOp<EncodeOp>(
        op, type, clamped, ValueRange{op.getParameters()[0], wideZero});
    return success();
  }
};

class WidenFilter : public OpRewritePattern<ConstantOp> {
public:
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConstantOp op,
                                PatternRewriter &rewriter) const override {
    auto old = cast<CompressedTensorType>(op.getType());
    QuantAttr quant = getNarrow(old);
    if (!quant || !quant.isSignedCode() || quant.getZero() ||
        !isa<DenseAttr>(quant.getScale()) || old.getRank() < 3)
      return rewriter.notifyMatchFailure(op, "no narrow symmetric filter");
    // One scale for each channel of the output, as the kernels take it.
    for (auto [axis, group] : llvm::enumerate(quant.getGroup()))
      if (ShapedType::isDynamic(group) ? axis == 0 : group != 1 || axis != 0)
        return rewriter.notifyMatchFailure(op, "no scale per channel");
    for (Operation *user : op->getUsers()) {
      auto contract = dyn_cast<ContractOp>(user);
      if (!contract || contract.getRhs() != op.getResult() ||
          !isOfCodes(contract.getLhs()))
        return rewriter.notifyMatchFailure(op, "not multiplied with codes");
    }
    MLIRContext *context = rewriter.getContext();
    SmallVector<HostTensor> leaves = op.getLeaves();
    leaves[0] = leaves[0].convert(IntegerType::get(context, 8));
    auto wide = QuantAttr::get(context, IntegerType::get(context, 8),
                               quant.getGroup(), quant.getScale(), {});
    auto type = CompressedTensorType::get(context, old.getShape(),
                                          old.getElementType(), wide);
    std::string name = "filter";
    if (auto site = op->getAttrOfType<StringAttr>("compress.site"))
      name = site.getValue().str();
    auto created =
        ConstantOp::create(rewriter, op.getLoc(), type, leaves, name);
    for (NamedAttribute attr : op->getDiscardableAttrs())
      created->setDiscardableAttr(attr.getName(), attr.getValue());
    rewriter.replaceOp(op, created);
    return success();
  }
};

} // namespace

void compress::populateCPUWidenPatterns(RewritePatternSet &patterns) {
  patterns.add<WidenActivation, WidenFilter>(patterns.getContext());
}

//===- QuantizedConvPatterns.cpp - Claims of convolutions -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which quantized convolutions generated kernels run.
//
//===----------------------------------------------------------------------===//

#include "QuantizedClaims.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

//===----------------------------------------------------------------------===//
// Matching
//===----------------------------------------------------------------------===//

namespace {
/// A convolution of an activation that is quantized as one tensor.
struct EncodedConv {
  ConvShape shape;
  SmallVector<int64_t> extents; // of all loops
  ConstantOp constant;
  Activation activation;
  /// What the images are packed to.
  QuantizeImages images;
};
} // namespace

/// Matches all but what is between channels and filters.
static std::optional<EncodedConv> matchEncodedConv(ContractOp op,
                                                   const KernelISA &isa) {
  std::optional<ConvShape> shape = matchConv(op);
  auto constant = op.getRhs().getDefiningOp<ConstantOp>();
  if (!shape || shape->n < 0 || !constant ||
      !constant.getType().getElementType().isF32() ||
      !getElementTypeOrSelf(op.getInit().getType()).isF32())
    return std::nullopt;
  unsigned spatial = shape->out.size();

  // pad(unit axis(decode(encode(pad(x))))), any of them absent.
  SmallVector<int64_t> low(spatial, 0), high(spatial, 0);
  Value value = op.getLhs();
  if (!isa_and_present<CompressedTensorType>(value.getType())) {
    value = peelUnitAxis(peelPad(value, spatial, low, high));
    auto decode = peelPad(value, spatial, low, high).getDefiningOp<DecodeOp>();
    if (!decode)
      return std::nullopt;
    value = decode.getSource();
  }
  auto activation = matchActivation(value);
  if (!activation || !isPerTensor(*activation))
    return std::nullopt;
  activation->source = peelPad(activation->source, spatial, low, high);
  auto input = cast<RankedTensorType>(activation->source.getType());
  if (input.getRank() != 2 + int64_t(spatial))
    return std::nullopt;
  for (int64_t d = 1; d < input.getRank(); ++d)
    if (input.isDynamicDim(d) || input.getDimSize(d) == 0)
      return std::nullopt;
  SmallVector<int64_t> extents = getLoopExtents(op);
  for (unsigned d : shape->out)
    if (ShapedType::isDynamic(extents[d]) || extents[d] == 0)
      return std::nullopt;
  QuantizeImages images{&isa,
                        input.getDimSize(1),
                        SmallVector<int64_t>(input.getShape().drop_front(2)),
                        low,
                        high,
                        activation->range,
                        activation->statics};
  return EncodedConv{*shape, extents, constant, *activation, images};
}

/// Describes the window in packed images by byte strides.
static void setWindow(DotConv &conv, const EncodedConv &match) {
  const ConvShape &shape = match.shape;
  unsigned spatial = shape.out.size();
  int64_t channels = match.images.channels;
  SmallVector<int64_t> padded = match.images.getPadded(), strides(spatial);
  int64_t stride = channels;
  for (int64_t d = int64_t(spatial) - 1; d >= 0; --d) {
    strides[d] = stride;
    stride *= padded[d];
  }
  conv.imageBytes = match.images.getImageBytes();
  for (unsigned d = 0; d < spatial; ++d) {
    conv.axis.outer.push_back(
        {match.extents[shape.kernel[d]], shape.dilations[d] * strides[d]});
    // Axes that lie without a gap become one.
    int64_t size = match.extents[shape.out[d]],
            step = shape.strides[d] * strides[d];
    if (!conv.outSizes.empty() && conv.outStrides.back() == size * step) {
      conv.outSizes.back() *= size;
      conv.outStrides.back() = step;
    } else {
      conv.outSizes.push_back(size);
      conv.outStrides.push_back(step);
    }
  }
}

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

/// Packs the images and calls the product that `generate` makes for how the
/// result starts.
static Value
emitConv(PatternRewriter &rewriter, ContractOp op, const EncodedConv &match,
         DotConv &conv, ArrayRef<HostTensor> weights,
         llvm::function_ref<std::string(ModuleOp, const DotConv &)> generate) {
  auto module = op->getParentOfType<ModuleOp>();
  Emitter e{rewriter, op.getLoc()};
  Value bias;
  conv.init = matchInit(op, 1, bias);
  Value x = e.asImages(match.activation.source);
  OpFoldResult batch = e.size(x, 0);
  SmallVector<Value> ins = e.quantize(
      generateQuantizeImages(module, match.images), x, match.activation,
      e.scaled(batch, conv.imageBytes, kSlackBytes), e.constantSize(1),
      !match.activation.statics);
  std::string site = getPackedName(match.constant);
  const char *suffixes[] = {"", ".sums", ".scales"};
  for (auto [weight, suffix] : llvm::zip_equal(weights, suffixes))
    ins.push_back(e.constant(weight, site + suffix));
  if (bias)
    ins.push_back(bias);
  Value out = conv.init == InitKind::Accumulate
                  ? e.asImages(op.getInit())
                  : e.empty({batch, e.constantSize(conv.filters),
                             e.constantSize(conv.getNumPixels())},
                            rewriter.getF32Type());
  Value result = e.kernel(generate(module, conv), ins, out)[0];
  return e.fromImages(result, op.getInit());
}

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

namespace {
struct IntegerConv : public OpRewritePattern<ContractOp> {
  IntegerConv(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/2),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto match = matchEncodedConv(op, isa);
    if (!match || match->shape.group >= 0 || match->shape.f < 0 ||
        match->shape.c < 0)
      return rewriter.notifyMatchFailure(op, "no plain quantized convolution");
    // Weights with the channel innermost, as in the packed images.
    SmallVector<unsigned> sumLoops(match->shape.kernel);
    sumLoops.push_back(match->shape.c);
    auto weight =
        getWeightMatrix(match->constant, op.getMap(1),
                        {unsigned(match->shape.f)}, sumLoops, match->extents);
    if (!weight || !isChannelInt8(*weight) || weight->getK() > kMaxDotLength)
      return rewriter.notifyMatchFailure(op, "no 8-bit filter");

    DotConv conv;
    conv.isa = &isa;
    conv.filters = weight->getN();
    setWindow(conv, *match);
    conv.axis.run = match->images.channels;
    conv.axis.tileSteps = isa.getTileSteps();
    auto [extent, stride] = conv.axis.outer.back();
    if (extent == 1 || stride == match->images.channels) {
      conv.axis.run *= extent;
      conv.axis.outer.pop_back();
    }
    if (grows(match->constant, Panels(isa, conv.filters).getPaddedColumns() *
                                   (conv.axis.getPaddedExtent() + 8)))
      return rewriter.notifyMatchFailure(op, "the weight would grow");
    rewriter.replaceOp(op, emitConv(rewriter, op, *match, conv,
                                    {packDotWeights(*weight, isa, conv.axis),
                                     packColumnSums(*weight, isa),
                                     packColumnScales(*weight, isa)},
                                    generateDotConv));
    return success();
  }

  const KernelISA &isa;
};

struct DepthwiseConv : public OpRewritePattern<ContractOp> {
  DepthwiseConv(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/2),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto match = matchEncodedConv(op, isa);
    if (!match || match->shape.group < 0 || match->shape.f >= 0 ||
        (match->shape.c >= 0 && match->extents[match->shape.c] != 1))
      return rewriter.notifyMatchFailure(op, "no depthwise convolution");
    SmallVector<unsigned> sumLoops(match->shape.kernel);
    if (match->shape.c >= 0)
      sumLoops.push_back(match->shape.c);
    auto weight = getWeightMatrix(match->constant, op.getMap(1),
                                  {unsigned(match->shape.group)}, sumLoops,
                                  match->extents);
    if (!weight || !isChannelInt8(*weight) ||
        weight->getN() != match->images.channels ||
        weight->getK() > kMaxDepthwiseTaps)
      return rewriter.notifyMatchFailure(op, "no small 8-bit filter");
    DotConv conv;
    conv.isa = &isa;
    conv.filters = weight->getN();
    setWindow(conv, *match);
    conv.axis.run = 1;
    rewriter.replaceOp(op, emitConv(rewriter, op, *match, conv,
                                    {packDepthwiseWeights(*weight, isa),
                                     packColumnSums(*weight, isa),
                                     packColumnScales(*weight, isa)},
                                    generateDepthwiseConv));
    return success();
  }

  const KernelISA &isa;
};
} // namespace

void compress::cpu::populateQuantizedConvPatterns(
    RewritePatternSet &patterns, const TargetOptions &options) {
  patterns.add<IntegerConv, DepthwiseConv>(patterns.getContext(), options);
}

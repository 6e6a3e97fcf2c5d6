//===- CodeConvPatterns.cpp - Claims of chains of codes ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Convolutions of unsigned 8-bit activations with static parameters. They take
// along what follows them up to the next encoding (EncodeChains.h). Others are
// left to QuantizedConvPatterns.cpp.
//
//===----------------------------------------------------------------------===//

#include "ChannelsLast.h"
#include "EncodeChains.h"
#include "FloatClaims.h"
#include "KernelConvCodes.h"
#include "QuantizedClaims.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// The panels of `emitDotTile`: i8 [step, column, 4] over runs of the window.
static HostTensor packWindows(const CodeConv &conv,
                              const WeightMatrix &weight) {
  Panels panels(*conv.isa, conv.filters);
  int64_t extent = conv.getPackedExtent(), stride = conv.getRunBytes();
  DotAxis runs = conv.getRuns();
  auto result =
      HostTensor::allocate({extent * panels.getPaddedColumns()},
                           IntegerType::get(weight.encoding.getContext(), 8));
  int8_t *out = result.getMutableData<int8_t>().data();
  for (int64_t p = 0; p < panels.getCount(); ++p) {
    int64_t first = p * panels.getFullColumns();
    int64_t width = p < panels.numFull
                        ? panels.getFullColumns()
                        : int64_t(panels.tailVectors) * panels.lanes;
    for (int64_t k = 0; k < extent; k += 4)
      for (int64_t column = 0; column < width; ++column)
        for (int64_t byte = 0; byte < 4; ++byte, ++out) {
          int64_t n = first + column, run = (k + byte) / stride,
                  within = (k + byte) % stride;
          if (n < conv.filters && run < runs.getNumRuns() && within < runs.run)
            *out = int8_t(weight.getCode(n, run * runs.run + within));
        }
  }
  return result;
}

/// The channels of `op`, which multiplies `value` by one constant each or adds
/// it: (values, whether it multiplies).
static std::optional<std::pair<std::vector<float>, bool>>
matchChannelwise(linalg::GenericOp op, Value value) {
  if (!op || op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 ||
      op.getNumParallelLoops() != op.getNumLoops() ||
      op.getResultTypes() != TypeRange(value.getType()) ||
      !op.getBlock()->getArguments().back().use_empty() ||
      op.getBlock()->getOperations().size() != 2)
    return std::nullopt;
  Operation &inner = op.getBlock()->front();
  bool multiplies = isa<arith::MulFOp>(inner);
  Block &body = *op.getBlock();
  if (!(multiplies || isa<arith::AddFOp>(inner)) ||
      body.getTerminator()->getOperand(0) != inner.getResult(0) ||
      !llvm::is_contained(inner.getOperands(), body.getArgument(0)) ||
      !llvm::is_contained(inner.getOperands(), body.getArgument(1)))
    return std::nullopt;
  unsigned which = op.getDpsInputOperand(0)->get() == value ? 0 : 1;
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  if (op.getDpsInputOperand(which)->get() != value ||
      !maps[which].isIdentity() || !maps[2].isIdentity())
    return std::nullopt;
  // One number for each channel; other axes of the constant are units.
  unsigned axes = 0;
  for (AffineExpr expr : maps[1 - which].getResults()) {
    if (expr == getAffineDimExpr(1, op.getContext()))
      ++axes;
    else if (expr != getAffineConstantExpr(0, op.getContext()))
      return std::nullopt;
  }
  ElementsAttr attr;
  if (axes != 1 ||
      !matchPattern(op.getDpsInputOperand(1 - which)->get(),
                    m_Constant(&attr)) ||
      !attr.getElementType().isF32())
    return std::nullopt;
  auto tensor = HostTensor::fromAttr(attr);
  if (!tensor) {
    llvm::consumeError(tensor.takeError());
    return std::nullopt;
  }
  return std::pair(tensor->toFloats(), multiplies);
}

/// Folds what follows `op` channel by channel into factors and biases; returns
/// the last operation.
static Operation *foldChannelwise(Operation *op, MutableArrayRef<float> factors,
                                  MutableArrayRef<float> biases) {
  while (op->getResult(0).hasOneUse()) {
    auto next =
        dyn_cast<linalg::GenericOp>(*op->getResult(0).getUsers().begin());
    auto match = matchChannelwise(next, op->getResult(0));
    if (!match || match->first.size() != biases.size())
      break;
    for (auto [i, value] : llvm::enumerate(match->first)) {
      if (match->second) {
        factors[i] *= value;
        biases[i] *= value;
      } else {
        biases[i] += value;
      }
    }
    op = next;
  }
  return op;
}

namespace {
struct CodeConvPattern : public OpRewritePattern<ContractOp> {
  CodeConvPattern(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/4),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<ConvShape> shape = matchConv(op);
    auto constant = op.getRhs().getDefiningOp<ConstantOp>();
    if (!shape || shape->n < 0 || shape->out.size() > 2 || !constant ||
        !constant.getType().getElementType().isF32() ||
        !getElementTypeOrSelf(op.getInit().getType()).isF32())
      return rewriter.notifyMatchFailure(op, "no convolution with a constant");
    unsigned spatial = shape->out.size();
    SmallVector<int64_t> extents = getLoopExtents(op);
    for (auto [d, extent] : llvm::enumerate(extents))
      if (int(d) != shape->n && (ShapedType::isDynamic(extent) || extent == 0))
        return rewriter.notifyMatchFailure(op, "dynamic or empty shape");
    bool isPlain = shape->group < 0 && shape->f >= 0 && shape->c >= 0;
    bool isDepthwise = shape->group >= 0 && shape->f < 0 &&
                       (shape->c < 0 || extents[shape->c] == 1);
    if (!isPlain && !isDepthwise)
      return rewriter.notifyMatchFailure(op, "groups of channels");

    CodeConv conv = describe(*shape, extents);
    conv.isDepthwise = isDepthwise;
    auto peel = [&](Value value) {
      return peelPad(value, spatial,
                     MutableArrayRef(conv.padLow).take_back(spatial),
                     MutableArrayRef(conv.padHigh).take_back(spatial));
    };
    // pad(unit axis(decode(encode(x)))), any of the first absent.
    Value encoded = op.getLhs();
    if (!isa_and_present<CompressedTensorType>(encoded.getType())) {
      // Zero has a code, so padding before and after encoding are the same.
      Value value = peelUnitAxis(peel(encoded));
      auto decode = peel(value).getDefiningOp<DecodeOp>();
      if (!decode)
        return rewriter.notifyMatchFailure(op, "no encoded activation");
      encoded = decode.getSource();
    }
    // encode(pad(x)) is the same as the padding of encode(x).
    std::optional<StaticEncoding> inner;
    Value source;
    if (auto encode = encoded.getDefiningOp<EncodeOp>()) {
      source = peel(encode.getSource());
      if (source != encode.getSource() &&
          !(inner =
                matchStaticEncoding(encode.getType(), encode.getParameters())))
        return rewriter.notifyMatchFailure(op, "a dynamic activation");
    }
    auto type = cast<ShapedType>(inner ? source.getType() : encoded.getType());
    if (!type.getElementType().isF32() ||
        type.getShape().size() != 2 + spatial ||
        type.getShape()[1] != conv.channels)
      return rewriter.notifyMatchFailure(op, "an activation of another shape");
    for (unsigned i = 0; i < spatial; ++i) {
      int64_t size = type.getShape()[2 + i];
      if (ShapedType::isDynamic(size) || size == 0)
        return rewriter.notifyMatchFailure(op, "dynamic or empty image");
      conv.sizes[2 - spatial + i] = size;
    }
    if (!conv.isSupported())
      return rewriter.notifyMatchFailure(op, "rows too long to copy");

    // Weights with the channel innermost, as in images.
    SmallVector<unsigned> sumLoops(shape->kernel);
    if (shape->c >= 0)
      sumLoops.push_back(shape->c);
    unsigned filterLoop = isDepthwise ? shape->group : shape->f;
    auto weight = getWeightMatrix(constant, op.getMap(1), {filterLoop},
                                  sumLoops, extents);
    if (!weight || !isChannelInt8(*weight) || weight->getK() > kMaxDotLength)
      return rewriter.notifyMatchFailure(op, "no 8-bit filter");
    int64_t padded = Panels(isa, conv.filters).getPaddedColumns();
    if (grows(constant, padded * (conv.getPackedExtent() + 12)))
      return rewriter.notifyMatchFailure(op, "the weight would grow");
    Value bias;
    InitKind init = matchInit(op, 1, bias);
    std::optional<SmallVector<float>> biases = getBiases(conv, init, bias);
    if (!biases)
      return rewriter.notifyMatchFailure(op, "the bias is not constant");
    if (inner)
      encoded = emitEncode(rewriter, source, *inner);
    auto input = getStaticCodes(rewriter, isa, encoded);
    if (!input)
      return rewriter.notifyMatchFailure(op, "no static unsigned activation");

    SmallVector<float> channelFactors(conv.filters, 1.0f);
    EpilogueMatch match =
        matchFloatEpilogue(foldChannelwise(op, channelFactors, *biases));
    conv.epilogue = match.epilogue;
    conv.epilogue.hasBias = true;
    Value last = match.last->getResult(0);
    auto output = hoistEncode(rewriter, last);
    conv.storesCodes = output.has_value();
    conv.storesFloats = !output || hasOtherUsers(last, *output);

    // The addend may come later than the contraction.
    rewriter.setInsertionPointAfter(match.last);
    Location loc = op.getLoc();
    Emitter e{rewriter, loc};
    std::string site = getPackedName(constant);
    Value images = toChannelsLast(rewriter, loc, input->codes);
    SmallVector<Value> ins{
        images, e.constant(isDepthwise ? packDepthwiseWeights(*weight, isa)
                                       : packWindows(conv, *weight),
                           site)};
    appendTables(e, *weight, channelFactors, *biases, input->encoding, output,
                 site, ins);
    if (match.addend)
      ins.push_back(toChannelsLast(rewriter, loc, match.addend));
    SmallVector<OpFoldResult> sizes{e.size(images, 0)};
    for (unsigned d = 2 - spatial; d < 2; ++d)
      sizes.push_back(rewriter.getIndexAttr(conv.outSizes[d]));
    sizes.push_back(rewriter.getIndexAttr(conv.filters));
    SmallVector<Value> outs;
    if (conv.storesFloats)
      outs.push_back(e.empty(sizes, rewriter.getF32Type()));
    if (conv.storesCodes)
      outs.push_back(e.empty(sizes, rewriter.getI8Type()));
    SmallVector<Value> results = e.kernel(
        generateCodeConv(op->getParentOfType<ModuleOp>(), conv), ins, outs);
    if (output)
      replaceEncodes(rewriter, last, *output,
                     toChannelsFirst(rewriter, loc, results.back()));
    if (conv.storesFloats) {
      Value result = e.castTo(toChannelsFirst(rewriter, loc, results[0]),
                              cast<RankedTensorType>(last.getType()));
      rewriter.replaceAllUsesWith(last, result);
    }
    // What was taken along is dead now, but not ours to erase in a walk.
    rewriter.replaceOp(op, op.getInit());
    return success();
  }

  CodeConv describe(const ConvShape &shape, ArrayRef<int64_t> extents) const {
    CodeConv conv;
    auto extentOf = [&](int loop) { return loop < 0 ? 1 : extents[loop]; };
    conv.isa = &isa;
    conv.channels = extentOf(shape.group) * extentOf(shape.c);
    conv.filters = extentOf(shape.group) * extentOf(shape.f);
    conv.rank = shape.out.size();
    for (unsigned d = 0; d < 2; ++d) {
      conv.kernel[d] = conv.strides[d] = conv.dilations[d] = 1;
      conv.padLow[d] = conv.padHigh[d] = 0;
      conv.sizes[d] = conv.outSizes[d] = 1;
    }
    for (unsigned i = 0; i < conv.rank; ++i) {
      unsigned d = 2 - conv.rank + i;
      conv.kernel[d] = extents[shape.kernel[i]];
      conv.outSizes[d] = extents[shape.out[i]];
      conv.strides[d] = shape.strides[i];
      conv.dilations[d] = shape.dilations[i];
    }
    return conv;
  }

  /// The bias of each filter; nothing where it is not known.
  static std::optional<SmallVector<float>>
  getBiases(const CodeConv &conv, InitKind init, Value bias) {
    if (init == InitKind::Zero)
      return SmallVector<float>(conv.filters, 0.0f);
    ElementsAttr attr;
    if (init != InitKind::Bias || !matchPattern(bias, m_Constant(&attr)))
      return std::nullopt;
    auto tensor = HostTensor::fromAttr(attr);
    if (!tensor) {
      llvm::consumeError(tensor.takeError());
      return std::nullopt;
    }
    std::vector<float> values = tensor->toFloats();
    if (int64_t(values.size()) != conv.filters)
      return std::nullopt;
    return SmallVector<float>(values.begin(), values.end());
  }

  /// Corrections, factors, biases and parameters.
  void appendTables(Emitter &e, const WeightMatrix &weight,
                    ArrayRef<float> channelFactors, ArrayRef<float> biases,
                    const StaticEncoding &input,
                    const std::optional<StaticEncoding> &output,
                    const std::string &site,
                    SmallVectorImpl<Value> &ins) const {
    MLIRContext *context = e.b.getContext();
    Type f32 = Float32Type::get(context);
    HostTensor corrections = packColumnSums(weight, isa);
    for (int32_t &sum : corrections.getMutableData<int32_t>())
      sum = int32_t(uint32_t(sum) * uint32_t(input.zero));
    HostTensor factors = packColumnScales(weight, isa);
    for (auto [factor, other] :
         llvm::zip_first(channelFactors, factors.getMutableData<float>()))
      other *= input.scale * factor;
    auto padded =
        HostTensor::allocate({int64_t(factors.getData<float>().size())}, f32);
    llvm::copy(biases, padded.getMutableData<float>().begin());
    auto parameters = HostTensor::allocate({3}, f32);
    auto values = parameters.getMutableData<float>();
    values[0] = input.zero;
    values[1] = output ? 1.0f / output->scale : 0.0f;
    values[2] = output ? output->zero : 0;
    ins.append({e.constant(corrections, site + ".corrections"),
                e.constant(factors, site + ".factors"),
                e.constant(padded, site + ".biases"),
                e.constant(parameters, site + ".parameters")});
  }

  const KernelISA &isa;
};
} // namespace

void compress::cpu::populateCodeConvPatterns(RewritePatternSet &patterns,
                                             const TargetOptions &options) {
  patterns.add<CodeConvPattern>(patterns.getContext(), options);
}

//===- CodeConvPatterns.cpp - Claims of chains of codes ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Convolutions of activations of up to 8 bits in one or two spatial axes, with
// channels in groups or not. They take along what follows them up to the next
// encoding (EncodeChains.h). Unsigned activations with constant parameters come
// as codes from the kernel before; others are encoded here. What is left goes
// to QuantizedConvPatterns.cpp.
//
//===----------------------------------------------------------------------===//

#include "ChannelsLast.h"
#include "EncodeChains.h"
#include "FloatClaims.h"
#include "KernelConvCodes.h"
#include "KernelQuantize.h"
#include "QuantizedClaims.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Packed filters of up to so many bytes may be padded by any amount: the
/// convolutions of floats keep four times the codes.
static constexpr int64_t kSmallFilterBytes = 256 * 1024;

//===----------------------------------------------------------------------===//
// Filters
//===----------------------------------------------------------------------===//

/// How many of its own groups of `channels` by `filters` a kernel takes for
/// one, with zeros where they do not meet: vectors want more columns, and tile
/// registers more inputs, than small groups have.
static int64_t chooseMerge(const KernelISA &isa, int64_t groups,
                           int64_t channels, int64_t filters, int64_t taps) {
  int64_t best = 1, least = std::numeric_limits<int64_t>::max();
  for (int64_t merged = 1; merged <= groups; ++merged) {
    int64_t inputs = merged * channels * taps;
    if (groups % merged || inputs > kMaxDotLength)
      continue;
    int64_t work = groups / merged *
                   Panels(isa, merged * filters).getPaddedColumns() *
                   int64_t(llvm::alignTo(inputs, isa.hasDotTiles ? 64 : 4));
    // Of equal ones, that with the fewest results.
    if (work <= least) {
      best = merged;
      least = work;
    }
  }
  return best;
}

/// The panels of `emitDotTile`, group by group: i8 [step, column, 4] over runs
/// of the window. `inner` channels and as many filters of the weight belong
/// together, of each group of the kernel.
static HostTensor packWindows(const CodeConv &conv, const WeightMatrix &weight,
                              int64_t inner) {
  Panels panels(*conv.isa, conv.getGroupFilters());
  int64_t extent = conv.getPackedExtent(), stride = conv.getRunBytes();
  DotAxis runs = conv.getRuns();
  int64_t channels = conv.getGroupChannels(),
          together = conv.getGroupFilters() / (channels / inner);
  auto result =
      HostTensor::allocate({conv.groups * extent * panels.getPaddedColumns()},
                           IntegerType::get(weight.encoding.getContext(), 8));
  int8_t *out = result.getMutableData<int8_t>().data();
  for (int64_t g = 0; g < conv.groups; ++g)
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
            if (n >= conv.getGroupFilters() || run >= runs.getNumRuns() ||
                within >= runs.run)
              continue;
            int64_t position = run * runs.run + within,
                    tap = position / channels, c = position % channels;
            if (c / inner == n / together)
              *out = int8_t(weight.getCode(g * conv.getGroupFilters() + n,
                                           tap * inner + c % inner));
          }
    }
  return result;
}

/// `table`, padded group by group instead of at its end.
template <typename T>
static HostTensor padGroups(const CodeConv &conv, ArrayRef<T> table,
                            Type element) {
  int64_t size = conv.getGroupFilters(),
          padded = Panels(*conv.isa, size).getPaddedColumns();
  auto result = HostTensor::allocate({conv.groups * padded}, element);
  auto out = result.getMutableData<T>();
  for (int64_t g = 0; g < conv.groups; ++g)
    llvm::copy(table.slice(g * size, size), out.begin() + g * padded);
  return result;
}

namespace {
/// A constant filter of codes.
struct Filter {
  ConstantOp constant;
  WeightMatrix weight;
};
} // namespace

/// Filters with the channel innermost, as in images. Those of groups may be
/// [g * f, c, k..], decoded and seen as [g, f, c, k..].
static std::optional<Filter> matchFilter(ContractOp op, const ConvShape &shape,
                                         ArrayRef<int64_t> extents) {
  SmallVector<unsigned> filterLoops, sumLoops(shape.kernel);
  for (int loop : {shape.group, shape.f})
    if (loop >= 0)
      filterLoops.push_back(loop);
  if (shape.c >= 0)
    sumLoops.push_back(shape.c);
  AffineMap map = op.getMap(1);
  SmallVector<int64_t> sizes(extents);
  auto constant = op.getRhs().getDefiningOp<ConstantOp>();
  auto expand = op.getRhs().getDefiningOp<tensor::ExpandShapeOp>();
  if (expand && filterLoops.size() == 2) {
    auto decode = expand.getSrc().getDefiningOp<DecodeOp>();
    SmallVector<ReassociationIndices> axes = expand.getReassociationIndices();
    auto isLoop = [&](unsigned axis, int loop) {
      return map.getResult(axis) == getAffineDimExpr(loop, op.getContext());
    };
    if (!decode || axes.size() + 1 != map.getNumResults() ||
        axes[0].size() != 2 || !isLoop(0, shape.group) || !isLoop(1, shape.f))
      return std::nullopt;
    constant = decode.getSource().getDefiningOp<ConstantOp>();
    // Both loops as one.
    SmallVector<AffineExpr> results(map.getResults().drop_front());
    results[0] = getAffineDimExpr(sizes.size(), op.getContext());
    filterLoops = {unsigned(sizes.size())};
    sizes.push_back(extents[shape.group] * extents[shape.f]);
    map = AffineMap::get(sizes.size(), 0, results, op.getContext());
  }
  if (!constant || !constant.getType().getElementType().isF32())
    return std::nullopt;
  auto weight = getWeightMatrix(constant, map, filterLoops, sumLoops, sizes);
  if (!weight || !isChannelInt8(*weight))
    return std::nullopt;
  return Filter{constant, std::move(*weight)};
}

//===----------------------------------------------------------------------===//
// What follows
//===----------------------------------------------------------------------===//

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

/// The one-dimensional constant of `size` elements that `value` is a view of.
static std::optional<SmallVector<float>> matchConstants(Value value,
                                                        int64_t size) {
  while (isa_and_present<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(
      value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  ElementsAttr attr;
  if (!matchPattern(value, m_Constant(&attr)) ||
      !attr.getElementType().isF32() || attr.getNumElements() != size)
    return std::nullopt;
  auto tensor = HostTensor::fromAttr(attr);
  if (!tensor) {
    llvm::consumeError(tensor.takeError());
    return std::nullopt;
  }
  std::vector<float> values = tensor->toFloats();
  return SmallVector<float>(values.begin(), values.end());
}

/// The bias of each filter; nothing where it is not known.
static std::optional<SmallVector<float>>
matchBiases(const CodeConv &conv, ContractOp op, bool hasGroups) {
  Value bias;
  InitKind init = matchInit(op, 1, bias);
  if (init == InitKind::Zero)
    return SmallVector<float>(conv.filters, 0.0f);
  if (hasGroups) {
    auto broadcast = op.getInit().getDefiningOp<linalg::BroadcastOp>();
    if (!broadcast || broadcast.getInput().getType().getRank() != 2 ||
        llvm::is_contained(broadcast.getDimensions(), 1) ||
        llvm::is_contained(broadcast.getDimensions(), 2))
      return std::nullopt;
    bias = broadcast.getInput();
  } else if (init != InitKind::Bias) {
    return std::nullopt;
  }
  return matchConstants(bias, conv.filters);
}

/// Sees the result [n, g, f, spatial...] of `op` as [n, g * f, spatial...]:
/// what does so already, or a new operation, from which others get their view.
static Operation *mergeGroups(PatternRewriter &rewriter, ContractOp op) {
  Value result = op.getResult();
  auto type = cast<RankedTensorType>(result.getType());
  SmallVector<ReassociationIndices> axes{{0}, {1, 2}};
  for (int64_t axis = 3; axis < type.getRank(); ++axis)
    axes.push_back({axis});
  if (result.hasOneUse())
    if (auto collapse =
            dyn_cast<tensor::CollapseShapeOp>(*result.getUsers().begin());
        collapse && collapse.getReassociationIndices() == axes)
      return collapse;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfter(op);
  auto merged =
      tensor::CollapseShapeOp::create(rewriter, op.getLoc(), result, axes);
  Value split = tensor::ExpandShapeOp::create(
      rewriter, op.getLoc(), type, merged, axes,
      tensor::getMixedSizes(rewriter, op.getLoc(), op.getInit()));
  rewriter.replaceAllUsesExcept(result, split, merged);
  return merged;
}

//===----------------------------------------------------------------------===//
// What comes before
//===----------------------------------------------------------------------===//

namespace {
/// An encoded activation, and what is around its encoding.
struct Images {
  Value encoded;
  /// What is encoded, without padding. Null where only codes are known.
  Value source;
  /// Where scale and zero point are constants of unsigned codes.
  std::optional<StaticEncoding> constant;
  /// Where not.
  std::optional<Activation> activation;

  /// The images as they are before padding.
  Value getInner() const { return source ? source : encoded; }
};
} // namespace

/// Whether each image of the activation has a scale of its own.
static bool isPerImage(const Activation &activation) {
  auto shape = cast<ShapedType>(activation.source.getType()).getShape();
  ArrayRef<int64_t> group = activation.encoding.getGroup();
  return group[0] == 1 &&
         llvm::all_of(llvm::zip_equal(group.drop_front(), shape.drop_front()),
                      [](auto pair) {
                        return isWhole(std::get<0>(pair), std::get<1>(pair));
                      });
}

/// Recognizes pad(group axis(pad(decode(encode(pad(x)))))), any of them but the
/// encoding absent; sets padding and scales of `conv`. Zero has a code, so
/// padding before and after encoding are the same.
static std::optional<Images> matchImages(Value value, CodeConv &conv) {
  auto peel = [&](Value value) {
    return peelPad(value, conv.rank,
                   MutableArrayRef(conv.padLow).take_back(conv.rank),
                   MutableArrayRef(conv.padHigh).take_back(conv.rank));
  };
  Images images;
  images.encoded = value;
  if (!isa<CompressedTensorType>(value.getType())) {
    value = peelUnitAxis(peelGroups(peel(value), conv.rank));
    auto decode = peel(value).getDefiningOp<DecodeOp>();
    if (!decode)
      return std::nullopt;
    images.encoded = decode.getSource();
  }
  auto encode = images.encoded.getDefiningOp<EncodeOp>();
  if (!encode)
    return images;
  Value inner = peel(encode.getSource());
  images.constant =
      matchStaticEncoding(encode.getType(), encode.getParameters());
  if (images.constant) {
    if (inner != encode.getSource())
      images.source = inner;
    return images;
  }
  images.activation = matchActivation(images.encoded);
  if (!images.activation)
    images.activation = matchNarrowActivation(images.encoded, 7);
  if (!images.activation || images.activation->range.floatZero)
    return std::nullopt;
  if (isPerTensor(*images.activation))
    conv.scales = CodeConv::Scales::Tensor;
  else if (isPerImage(*images.activation))
    conv.scales = CodeConv::Scales::Image;
  else
    return std::nullopt;
  images.source = inner;
  return images;
}

/// Encodes images with channels last; returns codes, scales and zero points.
static SmallVector<Value> emitQuantize(Emitter &e, ModuleOp module,
                                       const CodeConv &conv,
                                       const Images &images) {
  Value x = toChannelsLast(e.b, e.loc, images.source);
  auto type = cast<RankedTensorType>(x.getType());
  int64_t rank = type.getRank(), length = 1;
  for (int64_t size : type.getShape().drop_front())
    length *= size;
  const Activation &activation = *images.activation;
  bool perImage = conv.scales == CodeConv::Scales::Image;
  std::string name =
      generateQuantizeInPlace(module, {conv.isa, length, perImage,
                                       activation.range, activation.statics});
  ReassociationIndices image = axisRange(1, rank);
  Value rows = tensor::CollapseShapeOp::create(
      e.b, e.loc, x, ArrayRef<ReassociationIndices>{{0}, image});
  OpFoldResult count = e.size(rows, 0);
  SmallVector<Value> results = e.quantizeInPlace(
      name, rows, activation, perImage ? count : e.constantSize(1));
  results[0] = tensor::ExpandShapeOp::create(
      e.b, e.loc, type.clone(e.b.getI8Type()), results[0],
      ArrayRef<ReassociationIndices>{{0}, image},
      tensor::getMixedSizes(e.b, e.loc, x));
  return results;
}

//===----------------------------------------------------------------------===//
// The pattern
//===----------------------------------------------------------------------===//

namespace {
struct CodeConvPattern : public OpRewritePattern<ContractOp> {
  CodeConvPattern(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/4),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<ConvShape> shape = matchConv(op);
    if (!shape || shape->n < 0 || shape->out.size() > 2 ||
        !getElementTypeOrSelf(op.getInit().getType()).isF32())
      return rewriter.notifyMatchFailure(op, "no convolution of f32");
    unsigned spatial = shape->out.size();
    SmallVector<int64_t> extents = getLoopExtents(op);
    for (auto [d, extent] : llvm::enumerate(extents))
      if (int(d) != shape->n && (ShapedType::isDynamic(extent) || extent == 0))
        return rewriter.notifyMatchFailure(op, "dynamic or empty shape");
    if (shape->group < 0 && (shape->f < 0 || shape->c < 0))
      return rewriter.notifyMatchFailure(op, "no channels or filters");
    bool hasGroups = shape->group >= 0 && shape->f >= 0;
    std::optional<Filter> filter = matchFilter(op, *shape, extents);
    if (!filter)
      return rewriter.notifyMatchFailure(op, "no constant 8-bit filter");
    const WeightMatrix &weight = filter->weight;

    CodeConv conv = describe(*shape, extents);
    int64_t inner = conv.getGroupChannels();
    if (!conv.isDepthwise)
      conv.groups /=
          chooseMerge(isa, conv.groups, inner, conv.getGroupFilters(),
                      conv.kernel[0] * conv.kernel[1]);
    if (conv.getGroupChannels() * conv.kernel[0] * conv.kernel[1] >
        kMaxDotLength)
      return rewriter.notifyMatchFailure(op, "sums may overflow");
    std::optional<Images> images = matchImages(op.getLhs(), conv);
    if (!images)
      return rewriter.notifyMatchFailure(op, "no activation of codes");
    auto type = cast<ShapedType>(images->getInner().getType());
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
    int64_t packed = conv.groups *
                     Panels(isa, conv.getGroupFilters()).getPaddedColumns() *
                     (conv.getPackedExtent() + 12);
    if (packed > kSmallFilterBytes && grows(filter->constant, packed))
      return rewriter.notifyMatchFailure(op, "the weight would grow");
    std::optional<SmallVector<float>> biases = matchBiases(conv, op, hasGroups);
    if (!biases)
      return rewriter.notifyMatchFailure(op, "the bias is not constant");
    std::optional<StaticCodes> input;
    if (!images->activation) {
      Value encoded = images->encoded;
      if (images->source)
        encoded = emitEncode(rewriter, images->source, *images->constant);
      input = getStaticCodes(rewriter, isa, encoded);
      if (!input)
        return rewriter.notifyMatchFailure(op, "no static unsigned activation");
    }

    Operation *first = hasGroups ? mergeGroups(rewriter, op) : op;
    SmallVector<float> channelFactors(conv.filters, 1.0f);
    EpilogueMatch match =
        matchFloatEpilogue(foldChannelwise(first, channelFactors, *biases));
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
    auto module = op->getParentOfType<ModuleOp>();
    std::string site = getPackedName(filter->constant);
    SmallVector<Value> encoded;
    if (input)
      encoded.push_back(toChannelsLast(rewriter, loc, input->codes));
    else
      encoded = emitQuantize(e, module, conv, *images);
    SmallVector<Value> ins{encoded[0],
                           e.constant(conv.isDepthwise
                                          ? packDepthwiseWeights(weight, isa)
                                          : packWindows(conv, weight, inner),
                                      site)};
    appendTables(e, conv, weight, channelFactors, *biases, input, output, site,
                 ins);
    ins.append(encoded.begin() + 1, encoded.end());
    if (match.addend)
      ins.push_back(toChannelsLast(rewriter, loc, match.addend));
    SmallVector<OpFoldResult> sizes{e.size(encoded[0], 0)};
    for (unsigned d = 2 - spatial; d < 2; ++d)
      sizes.push_back(rewriter.getIndexAttr(conv.outSizes[d]));
    sizes.push_back(rewriter.getIndexAttr(conv.filters));
    SmallVector<Value> outs;
    if (conv.storesFloats)
      outs.push_back(e.empty(sizes, rewriter.getF32Type()));
    if (conv.storesCodes)
      outs.push_back(e.empty(sizes, rewriter.getI8Type()));
    SmallVector<Value> results =
        e.kernel(generateCodeConv(module, conv), ins, outs);
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
    conv.isDepthwise =
        shape.group >= 0 && extentOf(shape.f) == 1 && extentOf(shape.c) == 1;
    conv.groups = conv.isDepthwise ? 1 : extentOf(shape.group);
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

  /// Corrections, factors, biases and parameters; of dynamic codes the sums of
  /// columns and their scales.
  void appendTables(Emitter &e, const CodeConv &conv,
                    const WeightMatrix &weight, ArrayRef<float> channelFactors,
                    ArrayRef<float> biases,
                    const std::optional<StaticCodes> &input,
                    const std::optional<StaticEncoding> &output,
                    const std::string &site,
                    SmallVectorImpl<Value> &ins) const {
    MLIRContext *context = e.b.getContext();
    Type f32 = Float32Type::get(context);
    float scale = input ? input->encoding.scale : 1.0f;
    int64_t zero = input ? input->encoding.zero : 0;
    HostTensor sums = packColumnSums(weight, isa);
    if (input)
      for (int32_t &sum : sums.getMutableData<int32_t>())
        sum = int32_t(uint32_t(sum) * uint32_t(zero));
    HostTensor factors = packColumnScales(weight, isa);
    for (auto [factor, other] :
         llvm::zip_first(channelFactors, factors.getMutableData<float>()))
      other *= scale * factor;
    auto parameters = HostTensor::allocate({3}, f32);
    auto values = parameters.getMutableData<float>();
    values[0] = zero;
    values[1] = output ? 1.0f / output->scale : 0.0f;
    values[2] = output ? output->zero : 0;
    ins.append(
        {e.constant(padGroups<int32_t>(conv, sums.getData<int32_t>(),
                                       IntegerType::get(context, 32)),
                    site + ".corrections"),
         e.constant(padGroups<float>(conv, factors.getData<float>(), f32),
                    site + ".factors"),
         e.constant(padGroups<float>(conv, biases, f32), site + ".biases"),
         e.constant(parameters, site + ".parameters")});
  }

  const KernelISA &isa;
};
} // namespace

void compress::cpu::populateCodeConvPatterns(RewritePatternSet &patterns,
                                             const TargetOptions &options) {
  patterns.add<CodeConvPattern>(patterns.getContext(), options);
}

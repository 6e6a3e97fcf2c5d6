//===- FloatConvPatterns.cpp - Claims of f32 convolutions -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which f32 convolutions generated kernels run, and what they take along: zero
// padding before, bias, addition and clamping after. Kernels see channels last;
// the transpositions around them bear `compress.layout`, so that
// `compress-propagate-layout` can move them out of the way.
//
//===----------------------------------------------------------------------===//

#include "ChannelsLast.h"
#include "DenseClaims.h"
#include "FloatClaims.h"
#include "KernelConvFloat.h"
#include "compress/Target/Contraction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

//===----------------------------------------------------------------------===//
// What surrounds a convolution
//===----------------------------------------------------------------------===//

/// The operation that alone uses `value`; what is dead does not count.
static Operation *getOnlyUser(Value value) {
  OpOperand *found = nullptr;
  for (OpOperand &use : value.getUses()) {
    if (isOpTriviallyDead(use.getOwner()))
      continue;
    if (found)
      return nullptr;
    found = &use;
  }
  return found ? found->getOwner() : nullptr;
}

/// An elementwise operation without broadcasts that ignores what its result
/// held.
static linalg::GenericOp asElementwise(Operation *op) {
  auto generic = dyn_cast_or_null<linalg::GenericOp>(op);
  if (!generic || generic.getNumResults() != 1 ||
      generic.getNumParallelLoops() != generic.getNumLoops() ||
      !llvm::all_of(generic.getIndexingMapsArray(),
                    [](AffineMap map) { return map.isIdentity(); }) ||
      !generic.getBlock()->getArguments().back().use_empty())
    return {};
  return generic;
}

/// Recognizes `value = max(min(x, high), low)` and the like; bounds that are
/// there already stay the inner ones.
static bool matchClamp(Value value, Value x, FloatEpilogue &epilogue) {
  if (value == x)
    return true;
  Operation *op = value.getDefiningOp();
  bool isLow = isa_and_present<arith::MaximumFOp>(op);
  if (!isLow && !isa_and_present<arith::MinimumFOp>(op))
    return false;
  for (unsigned i = 0; i < 2; ++i) {
    FloatAttr bound;
    if (!matchPattern(op->getOperand(i), m_Constant(&bound)))
      continue;
    float limit = bound.getValueAsDouble();
    if (std::isnan(limit) || !matchClamp(op->getOperand(1 - i), x, epilogue))
      return false;
    // The kernel applies `low` first.
    if (isLow ? bool(epilogue.low) : bool(epilogue.high))
      return false;
    if (isLow && epilogue.high && *epilogue.high < limit)
      return false;
    (isLow ? epilogue.low : epilogue.high) = limit;
    return true;
  }
  return false;
}

/// Takes the operation after `value` into the epilogue if it fits; returns its
/// result, or null.
static Value matchNext(Value value, FloatEpilogue &epilogue, Value &addend) {
  linalg::GenericOp generic = asElementwise(getOnlyUser(value));
  if (!generic || generic.getResult(0).getType() != value.getType())
    return {};
  Block &body = *generic.getBlock();
  Value yielded = body.getTerminator()->getOperand(0);
  if (generic.getNumDpsInputs() == 1) {
    FloatEpilogue next = epilogue;
    if (!matchClamp(yielded, body.getArgument(0), next))
      return {};
    epilogue = next;
    return generic.getResult(0);
  }
  auto add = yielded.getDefiningOp<arith::AddFOp>();
  if (generic.getNumDpsInputs() != 2 || epilogue.hasAddend || epilogue.low ||
      epilogue.high || !add)
    return {};
  Value x = body.getArgument(0), y = body.getArgument(1);
  if (!(add.getLhs() == x && add.getRhs() == y) &&
      !(add.getLhs() == y && add.getRhs() == x))
    return {};
  Value first = generic.getDpsInputOperand(0)->get(),
        second = generic.getDpsInputOperand(1)->get();
  if (first.getType() != second.getType())
    return {};
  addend = first == value ? second : first;
  epilogue.hasAddend = true;
  return generic.getResult(0);
}

/// The bias of a result with separate axes for groups and filters.
static Value matchGroupedBias(PatternRewriter &rewriter, ContractOp op) {
  auto broadcast = op.getInit().getDefiningOp<linalg::BroadcastOp>();
  if (!broadcast || broadcast.getInput().getType().getRank() != 2 ||
      llvm::is_contained(broadcast.getDimensions(), 1) ||
      llvm::is_contained(broadcast.getDimensions(), 2))
    return {};
  return tensor::CollapseShapeOp::create(
      rewriter, op.getLoc(), broadcast.getInput(),
      ArrayRef<ReassociationIndices>{{0, 1}});
}

/// The compressed constant of f32 that a filter is, or is decoded from.
static Value matchEncodedFilter(Value filter) {
  while (
      isa_and_present<tensor::ExpandShapeOp, tensor::CollapseShapeOp, DecodeOp>(
          filter.getDefiningOp()))
    filter = filter.getDefiningOp()->getOperand(0);
  auto type = dyn_cast<CompressedTensorType>(filter.getType());
  return type && type.getElementType().isF32() &&
                 filter.getDefiningOp<ConstantOp>()
             ? filter
             : Value();
}

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

namespace {
struct GeneratedFloatConv : public OpRewritePattern<ContractOp> {
  GeneratedFloatConv(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/2),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto shape = matchConv(op);
    auto isF32 = [](Value v) {
      return mlir::isa<RankedTensorType>(v.getType()) &&
             getElementTypeOrSelf(v.getType()).isF32();
    };
    auto encoded = matchEncodedFilter(op.getRhs());
    if (!shape || !isF32(op.getLhs()) || !(encoded || isF32(op.getRhs())) ||
        !isF32(op.getInit()))
      return rewriter.notifyMatchFailure(op, "not an f32 convolution");
    unsigned spatial = shape->out.size();
    if (spatial > 2 || shape->n < 0)
      return rewriter.notifyMatchFailure(op, "more than 2 spatial axes");
    ElementsAttr constant;
    Value filter = op.getRhs();
    while (
        mlir::isa_and_present<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(
            filter.getDefiningOp()))
      filter = filter.getDefiningOp()->getOperand(0);
    if (!encoded && !matchPattern(filter, m_Constant(&constant)))
      return rewriter.notifyMatchFailure(op, "the filter is not constant");
    SmallVector<int64_t> extents = getLoopExtents(op);
    for (auto [d, extent] : llvm::enumerate(extents))
      if (int(d) != shape->n && (ShapedType::isDynamic(extent) || extent == 0))
        return rewriter.notifyMatchFailure(op, "dynamic or empty shape");
    if (shape->group >= 0 && shape->f >= 0 &&
        op.getMap(1).getResult(0) == rewriter.getAffineDimExpr(shape->f))
      return rewriter.notifyMatchFailure(op, "filter is not group first");

    FloatConv conv = describe(*shape, extents);
    Value input = op.getLhs();
    bool hasTwo = shape->group >= 0 && shape->c >= 0;
    if (shape->group < 0 && shape->c < 0)
      return rewriter.notifyMatchFailure(op, "no channels");
    auto peel = [&](Value value) {
      return hasTwo ? peelGroups(value, spatial) : value;
    };
    FloatConv padded = conv;
    auto peelPads = [&](Value value) {
      return peelPad(value, spatial,
                     MutableArrayRef(padded.padLow).take_back(spatial),
                     MutableArrayRef(padded.padHigh).take_back(spatial));
    };
    Value source = peelPads(peel(peelPads(input)));
    auto sourceType = mlir::cast<RankedTensorType>(source.getType());
    if (!setSizes(padded, sourceType) || !padded.isSupported()) {
      // Too much padding for the kernel stays outside.
      padded = conv;
      source = peel(input);
      sourceType = mlir::cast<RankedTensorType>(source.getType());
      if (!setSizes(padded, sourceType) || !padded.isSupported())
        return rewriter.notifyMatchFailure(op, "window or image unsupported");
    }
    conv = padded;
    HostTensor filters;
    if (!encoded) {
      auto read = HostTensor::fromAttr(constant);
      if (!read) {
        llvm::consumeError(read.takeError());
        return rewriter.notifyMatchFailure(op, "unreadable filter");
      }
      filters = *read;
    }

    Location loc = op.getLoc();
    bool isGrouped = shape->group >= 0 && shape->f >= 0;
    bool isZero = false;
    Value bias = matchBias(op, 1, isZero), addend;
    if (isGrouped)
      bias = isZero ? Value() : matchGroupedBias(rewriter, op);
    if (bias && !isF32(bias))
      return rewriter.notifyMatchFailure(op, "bias of another type");
    conv.epilogue.hasBias = bool(bias);
    Value last = op.getResult();
    bool usesInit = !bias && !isZero;
    if (usesInit) {
      addend = op.getInit();
      conv.epilogue.hasAddend = true;
    }
    // The result with one axis of channels, as operations after it see it.
    bool isWhole = !isGrouped;
    if (isGrouped && !usesInit)
      if (auto collapse =
              dyn_cast_or_null<tensor::CollapseShapeOp>(getOnlyUser(last));
          collapse &&
          collapse.getResultType().getRank() == 2 + int64_t(spatial) &&
          collapse.getReassociationIndices()[1].size() == 2) {
        last = collapse.getResult();
        isWhole = true;
      }
    while (isWhole) {
      Value next = matchNext(last, conv.epilogue, addend);
      if (!next)
        break;
      last = next;
    }

    // The addend may come later than the contraction.
    rewriter.setInsertionPointAfterValue(last);
    SmallVector<SmallVector<int64_t>> inGroups, outGroups;
    makeGroups(spatial, hasTwo, inGroups);
    makeGroups(spatial, isGrouped, outGroups);
    if (sourceType.getRank() == 3 + int64_t(spatial))
      source = regroup(rewriter, loc, source, inGroups);
    SmallVector<Value> ins{
        conv.isPlanar ? source : toChannelsLast(rewriter, loc, source)};
    auto module = op->getParentOfType<ModuleOp>();
    if (encoded)
      ins.push_back(packAtLoad(rewriter, loc, module, conv, encoded));
    else
      ins.push_back(arith::ConstantOp::create(
          rewriter, loc,
          packFloatConv(conv, filters.toFloats(), rewriter.getContext())
              .toResource(getName(constant))));
    if (bias)
      ins.push_back(bias);
    if (addend) {
      if (usesInit && isGrouped)
        addend = regroup(rewriter, loc, addend, outGroups);
      ins.push_back(toChannelsLast(rewriter, loc, addend));
    }
    SmallVector<OpFoldResult> sizes{
        tensor::getMixedSize(rewriter, loc, source, 0)};
    for (unsigned d = 2 - spatial; d < 2; ++d)
      sizes.push_back(rewriter.getIndexAttr(conv.outSizes[d]));
    sizes.push_back(rewriter.getIndexAttr(conv.groups * conv.filters));
    Value out =
        tensor::EmptyOp::create(rewriter, loc, sizes, rewriter.getF32Type());
    Value result =
        KernelOp::create(rewriter, loc, TypeRange(out.getType()),
                         generateFloatConv(module, conv), ins, ValueRange(),
                         out, /*stateful=*/false, /*side_effect=*/false)
            .getResult(0);
    result = toChannelsFirst(rewriter, loc, result);
    if (!isWhole)
      result = ungroup(rewriter, loc, result, op.getInit(), outGroups);
    else if (result.getType() != last.getType())
      result = tensor::CastOp::create(rewriter, loc, last.getType(), result);
    if (last == op.getResult()) {
      rewriter.replaceOp(op, result);
      return success();
    }
    // What was taken along is dead now, but not ours to erase in a walk.
    rewriter.replaceAllUsesWith(last, result);
    rewriter.replaceOp(op, op.getInit());
    return success();
  }

  FloatConv describe(const ConvShape &shape, ArrayRef<int64_t> extents) const {
    FloatConv conv;
    auto extentOf = [&](int loop) { return loop < 0 ? 1 : extents[loop]; };
    conv.isa = &isa;
    conv.groups = extentOf(shape.group);
    conv.channels = extentOf(shape.c);
    conv.filters = extentOf(shape.f);
    // Colour planes are read where they lie.
    conv.isPlanar = conv.groups == 1 && conv.channels <= 4;
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

  /// Takes the image sizes from the input; false when unknown.
  static bool setSizes(FloatConv &conv, RankedTensorType type) {
    ArrayRef<int64_t> sizes = type.getShape().take_back(conv.rank);
    for (unsigned i = 0; i < conv.rank; ++i) {
      if (ShapedType::isDynamic(sizes[i]) || sizes[i] == 0)
        return false;
      conv.sizes[2 - conv.rank + i] = sizes[i];
    }
    return true;
  }

  /// [n, (first, second), spatial...], the two as one axis.
  static void makeGroups(unsigned spatial, bool hasTwo,
                         SmallVector<SmallVector<int64_t>> &groups) {
    groups = {{0}, {1}};
    if (hasTwo)
      groups[1].push_back(2);
    for (unsigned i = 0; i < spatial; ++i)
      groups.push_back({int64_t(2 + hasTwo + i)});
  }

  /// Decodes and packs filters; of constants, which `compress-prepare-at-load`
  /// does once.
  static Value packAtLoad(PatternRewriter &rewriter, Location loc,
                          ModuleOp module, const FloatConv &conv,
                          Value encoded) {
    Value filters = DecodeOp::create(rewriter, loc, encoded);
    auto type = mlir::cast<RankedTensorType>(filters.getType());
    if (type.getRank() > 1)
      filters = tensor::CollapseShapeOp::create(
          rewriter, loc, filters,
          ArrayRef<ReassociationIndices>{
              llvm::to_vector<2>(llvm::seq<int64_t>(0, type.getRank()))});
    Value out = tensor::EmptyOp::create(rewriter, loc,
                                        ArrayRef<int64_t>{conv.getPackedSize()},
                                        rewriter.getF32Type());
    return KernelOp::create(rewriter, loc, TypeRange(out.getType()),
                            generatePackConv(module, conv), filters,
                            ValueRange(), out, /*stateful=*/false,
                            /*side_effect=*/false)
        .getResult(0);
  }

  static StringRef getName(ElementsAttr constant) {
    auto resource = dyn_cast<DenseResourceElementsAttr>(constant);
    return resource ? resource.getRawHandle().getKey() : "filter";
  }

  const KernelISA &isa;
};
} // namespace

void compress::cpu::populateFloatConvPatterns(RewritePatternSet &patterns,
                                              const TargetOptions &options) {
  patterns.add<GeneratedFloatConv>(patterns.getContext(), options);
}

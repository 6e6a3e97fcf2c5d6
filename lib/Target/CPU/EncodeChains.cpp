//===- EncodeChains.cpp - Codes from one kernel to the next -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EncodeChains.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

//===----------------------------------------------------------------------===//
// Uses
//===----------------------------------------------------------------------===//

/// Whether nothing that matters comes of `op`. Claims leave dead code behind,
/// and questions for sizes are redirected to what takes a value's place.
static bool isDead(Operation *op) {
  return isa<tensor::DimOp>(op) ||
         (isMemoryEffectFree(op) && !op->hasTrait<OpTrait::IsTerminator>() &&
          llvm::all_of(op->getUsers(), isDead));
}

/// Asks `other`, of the same shape, for sizes of `value`.
static void redirectSizes(PatternRewriter &rewriter, Value value, Value other) {
  SmallVector<Operation *> users(value.getUsers());
  for (Operation *user : users)
    if (isa<tensor::DimOp>(user) &&
        user->getBlock() == other.getParentBlock() &&
        other.getDefiningOp()->isBeforeInBlock(user))
      rewriter.modifyOpInPlace(user, [&] { user->setOperand(0, other); });
}

/// The operands that are `value`, without dead code and questions for sizes.
static SmallVector<OpOperand *> getLiveUses(Value value) {
  SmallVector<OpOperand *> uses;
  for (OpOperand &use : value.getUses())
    if (!isDead(use.getOwner()))
      uses.push_back(&use);
  return uses;
}

static std::optional<StaticEncoding> matchEncode(Operation *op) {
  auto encode = dyn_cast<EncodeOp>(op);
  if (!encode || !getElementTypeOrSelf(encode.getSource().getType()).isF32())
    return std::nullopt;
  return matchStaticEncoding(encode.getType(), encode.getParameters());
}

//===----------------------------------------------------------------------===//
// Encodings
//===----------------------------------------------------------------------===//

std::optional<StaticEncoding>
compress::cpu::matchStaticEncoding(CompressedTensorType type,
                                   ValueRange parameters) {
  auto quant = dyn_cast<QuantAttr>(type.getEncoding());
  if (!quant || quant.isFloatCode() || quant.getCodeWidth() != 8 ||
      quant.isSignedCode() || parameters.empty() ||
      parameters.size() != (quant.getZero() ? 2 : 1) ||
      quant.getCodeRange().second != 255)
    return std::nullopt;
  for (auto [group, size] : llvm::zip_equal(quant.getGroup(), type.getShape()))
    if (!ShapedType::isDynamic(group) &&
        (ShapedType::isDynamic(size) || group < size))
      return std::nullopt;
  auto matchOne = [](Value value, Type element) -> std::optional<HostTensor> {
    ElementsAttr attr;
    if (getElementTypeOrSelf(value.getType()) != element ||
        !matchPattern(value, m_Constant(&attr)) || attr.getNumElements() != 1)
      return std::nullopt;
    auto tensor = HostTensor::fromAttr(attr);
    if (!tensor) {
      llvm::consumeError(tensor.takeError());
      return std::nullopt;
    }
    return std::move(*tensor);
  };
  MLIRContext *context = type.getContext();
  auto scale = matchOne(parameters[0], Float32Type::get(context));
  if (!scale)
    return std::nullopt;
  StaticEncoding result{type, float(scale->getDouble(0)), 0};
  // The reciprocal must be a normal number, too.
  if (!(result.scale > 1e-30f && result.scale < 1e30f))
    return std::nullopt;
  if (quant.getZero()) {
    auto zero = matchOne(parameters[1], IntegerType::get(context, 8));
    if (!zero)
      return std::nullopt;
    result.zero = uint8_t(zero->getInt(0));
  }
  return result;
}

/// `codes` as a tensor of this encoding.
static Value emitPack(OpBuilder &b, Location loc, CompressedTensorType type,
                      const StaticEncoding &encoding, Value codes) {
  SmallVector<RankedTensorType> leaves = type.getLeafTypes();
  if (codes.getType() != leaves[0])
    codes = tensor::CastOp::create(b, loc, leaves[0], codes);
  SmallVector<Value> components{codes};
  components.push_back(arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(leaves[1], encoding.scale)));
  if (leaves.size() > 2)
    components.push_back(arith::ConstantOp::create(
        b, loc, DenseElementsAttr::get(leaves[2], APInt(8, encoding.zero))));
  return PackOp::create(b, loc, type, components);
}

/// An elementwise operation that computes codes.
static Value emitCodes(OpBuilder &b, Location loc, const KernelISA &isa,
                       Value source, const StaticEncoding &encoding) {
  auto type = cast<RankedTensorType>(source.getType());
  Value init = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, source), b.getI8Type());
  AffineMap map = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> loops(type.getRank(),
                                         utils::IteratorType::parallel);
  // Not if the significand is all ones.
  bool usesInverse =
      (llvm::bit_cast<uint32_t>(encoding.scale) & 0x7fffff) != 0x7fffff &&
      encoding.scale > 1e-18f && encoding.scale < 1e18f;
  auto body = [&](OpBuilder &b, Location loc, ValueRange args) {
    auto constant = [&](float value) -> Value {
      return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
    };
    Value x = args[0], scale = constant(encoding.scale), quotient;
    if (isa.hasFMA && usesInverse) {
      // As in KernelQuantize.cpp.
      Value inverse = constant(1.0f / encoding.scale);
      Value negated = constant(-encoding.scale);
      Value least = constant(-1e9f * encoding.scale);
      Value isLess =
          arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, least);
      x = arith::SelectOp::create(b, loc, isLess, least, x);
      quotient = arith::MulFOp::create(b, loc, x, inverse);
      for (unsigned i = 0; i < 2; ++i) {
        Value rest = math::FmaOp::create(b, loc, quotient, negated, x);
        quotient = math::FmaOp::create(b, loc, rest, inverse, quotient);
      }
    } else {
      quotient = arith::DivFOp::create(b, loc, x, scale);
    }
    Value code = math::RoundEvenOp::create(b, loc, quotient);
    if (encoding.zero)
      code = arith::AddFOp::create(b, loc, code, constant(encoding.zero));
    // Ordered comparisons with NaN fail, so it becomes the largest code.
    auto select = [&](arith::CmpFPredicate predicate, float bound) {
      Value limit = constant(bound);
      Value keeps = arith::CmpFOp::create(b, loc, predicate, code, limit);
      code = arith::SelectOp::create(b, loc, keeps, code, limit);
    };
    select(arith::CmpFPredicate::OLT, 255);
    select(arith::CmpFPredicate::OGT, 0);
    Value wide = arith::FPToSIOp::create(b, loc, b.getI32Type(), code);
    Value byte = arith::TruncIOp::create(b, loc, b.getI8Type(), wide);
    linalg::YieldOp::create(b, loc, byte);
  };
  return linalg::GenericOp::create(b, loc, init.getType(), source, init,
                                   ArrayRef<AffineMap>{map, map}, loops, body)
      .getResult(0);
}

std::optional<StaticCodes>
compress::cpu::getStaticCodes(PatternRewriter &rewriter, const KernelISA &isa,
                              Value value) {
  Operation *op = value.getDefiningOp();
  if (auto pack = dyn_cast_or_null<PackOp>(op)) {
    ValueRange components = pack.getComponents();
    auto encoding =
        matchStaticEncoding(pack.getType(), components.drop_front());
    if (!encoding ||
        !getElementTypeOrSelf(components[0].getType()).isInteger(8))
      return std::nullopt;
    return StaticCodes{*encoding, components[0]};
  }
  auto encoding = op ? matchEncode(op) : std::nullopt;
  if (!encoding)
    return std::nullopt;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfter(op);
  Value codes = emitCodes(rewriter, op->getLoc(), isa,
                          cast<EncodeOp>(op).getSource(), *encoding);
  rewriter.replaceAllUsesWith(
      value,
      emitPack(rewriter, op->getLoc(), encoding->type, *encoding, codes));
  return StaticCodes{*encoding, codes};
}

//===----------------------------------------------------------------------===//
// Moving
//===----------------------------------------------------------------------===//

namespace {
/// The maximum of a window, with the padding before it.
struct MaxPool {
  tensor::PadOp pad;
  linalg::GenericOp pool;
};
} // namespace

static bool isLowest(Value value) {
  FloatAttr attr;
  return value && matchPattern(value, m_Constant(&attr)) &&
         attr.getValue().isInfinity() && attr.getValue().isNegative();
}

/// Whether at most the number of images is not known.
static bool hasStaticImages(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getRank() > 0 &&
         llvm::none_of(type.getShape().drop_front(), ShapedType::isDynamic);
}

static std::optional<MaxPool> matchMaxPool(OpOperand *use) {
  MaxPool result;
  result.pad = dyn_cast<tensor::PadOp>(use->getOwner());
  if (result.pad) {
    if (!isLowest(result.pad.getConstantPaddingValue()))
      return std::nullopt;
    SmallVector<OpOperand *> next = getLiveUses(result.pad);
    if (next.size() != 1)
      return std::nullopt;
    use = next[0];
  }
  result.pool = dyn_cast<linalg::GenericOp>(use->getOwner());
  linalg::GenericOp pool = result.pool;
  if (!pool || !pool.isDpsInput(use) || use->getOperandNumber() != 0 ||
      pool.getNumDpsInputs() != 2 || pool.getNumDpsInits() != 1)
    return std::nullopt;
  auto fill = pool.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
  Block &body = *pool.getBlock();
  auto maximum =
      body.getTerminator()->getOperand(0).getDefiningOp<arith::MaximumFOp>();
  if (!fill || !isLowest(fill.value()) || !maximum ||
      !body.getArgument(1).use_empty() || !hasStaticImages(pool.getResult(0)))
    return std::nullopt;
  auto isBatch = [&](unsigned operand) {
    AffineMap map = pool.getIndexingMapsArray()[operand];
    return map.getNumResults() > 0 &&
           map.getResult(0) == getAffineDimExpr(0, pool.getContext());
  };
  if (!isBatch(0) || !isBatch(2))
    return std::nullopt;
  Value x = body.getArgument(0), y = body.getArgument(2);
  if (!(maximum.getLhs() == x && maximum.getRhs() == y) &&
      !(maximum.getLhs() == y && maximum.getRhs() == x))
    return std::nullopt;
  return result;
}

EncodeOp compress::cpu::emitEncode(PatternRewriter &rewriter, Value value,
                                   const StaticEncoding &encoding) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfterValue(value);
  auto shape = cast<RankedTensorType>(value.getType()).getShape();
  auto type = CompressedTensorType::get(rewriter.getContext(), shape,
                                        rewriter.getF32Type(),
                                        encoding.type.getEncoding());
  Location loc = value.getLoc();
  SmallVector<Value> parameters;
  SmallVector<RankedTensorType> leaves = type.getLeafTypes();
  parameters.push_back(arith::ConstantOp::create(
      rewriter, loc, DenseElementsAttr::get(leaves[1], encoding.scale)));
  if (leaves.size() > 2)
    parameters.push_back(arith::ConstantOp::create(
        rewriter, loc,
        DenseElementsAttr::get(leaves[2], APInt(8, encoding.zero))));
  return EncodeOp::create(rewriter, loc, type, value, parameters);
}

static Value emitUnpack(PatternRewriter &rewriter, Location loc, Value value) {
  return UnpackOp::create(rewriter, loc, value).getResult(0);
}

/// The sizes of `value`; images are as many as in `other`.
static SmallVector<OpFoldResult> getSizes(OpBuilder &b, Location loc,
                                          Value value, Value other) {
  SmallVector<OpFoldResult> sizes;
  for (auto [axis, size] :
       llvm::enumerate(cast<RankedTensorType>(value.getType()).getShape()))
    sizes.push_back(ShapedType::isDynamic(size)
                        ? tensor::getMixedSize(b, loc, other, axis)
                        : OpFoldResult(b.getIndexAttr(size)));
  return sizes;
}

static Value emitMaxPool(PatternRewriter &rewriter, const MaxPool &match,
                         Value codes) {
  linalg::GenericOp pool = match.pool;
  Location loc = pool.getLoc();
  Type i8 = rewriter.getI8Type();
  Value zero =
      arith::ConstantOp::create(rewriter, loc, rewriter.getI8IntegerAttr(0));
  if (tensor::PadOp pad = match.pad) {
    codes = tensor::PadOp::create(
        rewriter, loc, cast<RankedTensorType>(pad.getType()).clone(i8), codes,
        pad.getMixedLowPad(), pad.getMixedHighPad(), zero);
    redirectSizes(rewriter, pad, codes);
  }
  Value init = tensor::EmptyOp::create(
      rewriter, loc, getSizes(rewriter, loc, pool.getResult(0), codes), i8);
  init = linalg::FillOp::create(rewriter, loc, zero, init).getResult(0);
  Value window = pool.getDpsInputOperand(1)->get();
  return linalg::GenericOp::create(
             rewriter, loc, init.getType(), ValueRange{codes, window}, init,
             pool.getIndexingMapsArray(), pool.getIteratorTypesArray(),
             [](OpBuilder &b, Location loc, ValueRange args) {
               Value result = arith::MaxUIOp::create(b, loc, args[2], args[0]);
               linalg::YieldOp::create(b, loc, result);
             })
      .getResult(0);
}

static int64_t countOfImage(RankedTensorType type) {
  int64_t count = 1;
  for (int64_t size : type.getShape().drop_front())
    count *= size;
  return count;
}

/// The slices that make up a whole tensor, first to last, when nothing else
/// uses what is between them.
static SmallVector<tensor::InsertSliceOp> matchConcat(OpOperand *use) {
  SmallVector<tensor::InsertSliceOp> slices;
  auto op = dyn_cast<tensor::InsertSliceOp>(use->getOwner());
  if (!op || use != &op.getSourceMutable())
    return {};
  // To the end of the chain, and back from there.
  while (true) {
    SmallVector<OpOperand *> next = getLiveUses(op);
    auto after = next.size() == 1
                     ? dyn_cast<tensor::InsertSliceOp>(next[0]->getOwner())
                     : tensor::InsertSliceOp();
    if (!after || next[0] != &after.getDestMutable())
      break;
    op = after;
  }
  int64_t covered = 0;
  while (true) {
    slices.push_back(op);
    auto sourceType = op.getSourceType();
    if (sourceType.getRank() != op.getType().getRank() ||
        !hasStaticImages(op.getSource()) || !hasStaticImages(op) ||
        sourceType.getDimSize(0) != op.getType().getDimSize(0) ||
        !isZeroInteger(op.getMixedOffsets()[0]))
      return {};
    covered += countOfImage(sourceType);
    Value dest = op.getDest();
    if (dest.getDefiningOp<tensor::EmptyOp>())
      break;
    auto before = dest.getDefiningOp<tensor::InsertSliceOp>();
    if (!before || getLiveUses(before).size() != 1)
      return {};
    op = before;
  }
  // Slices of a concatenation do not overlap, so they cover it if they are as
  // large.
  if (covered != countOfImage(slices[0].getType()))
    return {};
  return SmallVector<tensor::InsertSliceOp>(llvm::reverse(slices));
}

std::optional<StaticEncoding>
compress::cpu::hoistEncode(PatternRewriter &rewriter, Value value) {
  SmallVector<OpOperand *> uses = getLiveUses(value);
  for (OpOperand *use : uses)
    if (auto encoding = matchEncode(use->getOwner()))
      return encoding;
  if (uses.size() != 1)
    return std::nullopt;
  OpBuilder::InsertionGuard guard(rewriter);
  if (auto match = matchMaxPool(uses[0])) {
    Value result = match->pool.getResult(0);
    auto encoding = hoistEncode(rewriter, result);
    if (!encoding || hasOtherUsers(result, *encoding))
      return std::nullopt;
    Value encoded = emitEncode(rewriter, value, *encoding);
    rewriter.setInsertionPointAfter(match->pool);
    Value codes = emitMaxPool(
        rewriter, *match, emitUnpack(rewriter, match->pool.getLoc(), encoded));
    replaceEncodes(rewriter, result, *encoding, codes);
    return encoding;
  }
  SmallVector<tensor::InsertSliceOp> slices = matchConcat(uses[0]);
  if (slices.empty())
    return std::nullopt;
  Value result = slices.back();
  auto encoding = hoistEncode(rewriter, result);
  if (!encoding || hasOtherUsers(result, *encoding))
    return std::nullopt;
  Location loc = slices.back().getLoc();
  rewriter.setInsertionPointAfter(slices.back());
  SmallVector<Value> parts;
  for (tensor::InsertSliceOp slice : slices)
    parts.push_back(emitUnpack(
        rewriter, loc, emitEncode(rewriter, slice.getSource(), *encoding)));
  Value codes = tensor::EmptyOp::create(
      rewriter, loc, getSizes(rewriter, loc, result, parts[0]),
      rewriter.getI8Type());
  for (auto [slice, part] : llvm::zip_equal(slices, parts)) {
    codes = tensor::InsertSliceOp::create(
        rewriter, loc, part, codes, slice.getMixedOffsets(),
        getSizes(rewriter, loc, part, part), slice.getMixedStrides());
    redirectSizes(rewriter, slice, codes);
  }
  replaceEncodes(rewriter, result, *encoding, codes);
  return encoding;
}

void compress::cpu::replaceEncodes(PatternRewriter &rewriter, Value value,
                                   const StaticEncoding &encoding,
                                   Value codes) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfterValue(codes);
  SmallVector<Operation *> users(value.getUsers());
  for (Operation *user : users) {
    auto other = matchEncode(user);
    if (!other || !(*other == encoding))
      continue;
    rewriter.replaceAllUsesWith(
        user->getResult(0),
        emitPack(rewriter, user->getLoc(), other->type, encoding, codes));
  }
  if (!hasOtherUsers(value, encoding))
    redirectSizes(rewriter, value, codes);
}

bool compress::cpu::hasOtherUsers(Value value, const StaticEncoding &encoding) {
  return llvm::any_of(getLiveUses(value), [&](OpOperand *use) {
    auto other = matchEncode(use->getOwner());
    return !other || !(*other == encoding);
  });
}

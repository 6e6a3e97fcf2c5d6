//===- AttentionPatterns.cpp - Claims of attention --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Recognizes softmax(Q K^T * scale + mask) V as importers write it: a product,
// elementwise operations, the four steps of a softmax along the last axis,
// another product. Heads that were moved in front by transpositions are read
// and written where they lie.
//
//===----------------------------------------------------------------------===//

#include "DenseClaims.h"
#include "KernelAttention.h"
#include "QuantizedClaims.h"
#include "compress/Target/Contraction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

//===----------------------------------------------------------------------===//
// Parts
//===----------------------------------------------------------------------===//

/// The operations that use `value`; what is dead does not count.
static SmallVector<Operation *> getUsers(Value value) {
  llvm::SetVector<Operation *> users;
  for (Operation *user : value.getUsers())
    if (!isOpTriviallyDead(user) && !isa<tensor::DimOp>(user))
      users.insert(user);
  return users.takeVector();
}

static Operation *getOnlyUser(Value value) {
  SmallVector<Operation *> users = getUsers(value);
  return users.size() == 1 ? users[0] : nullptr;
}

/// What a scalar operation computes from two values, the first of which is
/// `first` where the order matters.
template <typename OpTy>
static bool isOf(Value result, Value first, Value second,
                 bool isCommutative = false) {
  auto op = result.getDefiningOp<OpTy>();
  return op && ((op->getOperand(0) == first && op->getOperand(1) == second) ||
                (isCommutative && op->getOperand(0) == second &&
                 op->getOperand(1) == first));
}

/// The result in the body of a generic operation.
static Value getYielded(linalg::GenericOp op) {
  return op.getBlock()->getTerminator()->getOperand(0);
}

static bool isFilledWith(Value value, float number) {
  auto fill = value.getDefiningOp<linalg::FillOp>();
  FloatAttr constant;
  return fill && matchPattern(fill.getInputs()[0], m_Constant(&constant)) &&
         constant.getValue().bitwiseIsEqual(APFloat(number));
}

/// The operation that takes all of `value` along the last axis with `OpTy`.
template <typename OpTy>
static linalg::GenericOp matchReduction(Operation *op, Value value,
                                        float neutral) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  unsigned rank = cast<RankedTensorType>(value.getType()).getRank();
  if (!generic || generic.getNumDpsInputs() != 1 ||
      generic.getNumResults() != 1 || generic.getNumLoops() != rank ||
      generic.getDpsInputOperand(0)->get() != value ||
      generic.getNumParallelLoops() != rank - 1)
    return {};
  SmallVector<AffineMap> maps = generic.getIndexingMapsArray();
  AffineMap identity =
      AffineMap::getMultiDimIdentityMap(rank, op->getContext());
  if (!maps[0].isIdentity() || maps[1] != identity.dropResult(rank - 1) ||
      !isFilledWith(generic.getDpsInits()[0], neutral))
    return {};
  Block &body = *generic.getBlock();
  return isOf<OpTy>(getYielded(generic), body.getArgument(1),
                    body.getArgument(0), /*isCommutative=*/true)
             ? generic
             : linalg::GenericOp();
}

/// An elementwise operation on `value` and `reduced`, a value for each row.
static linalg::GenericOp matchRowwise(Operation *op, Value value,
                                      Value reduced) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  unsigned rank = cast<RankedTensorType>(value.getType()).getRank();
  if (!generic || generic.getNumDpsInputs() != 2 ||
      generic.getNumResults() != 1 || generic.getNumParallelLoops() != rank ||
      generic.getNumLoops() != rank ||
      generic.getDpsInputOperand(0)->get() != value ||
      generic.getDpsInputOperand(1)->get() != reduced)
    return {};
  SmallVector<AffineMap> maps = generic.getIndexingMapsArray();
  AffineMap identity =
      AffineMap::getMultiDimIdentityMap(rank, op->getContext());
  return maps[0].isIdentity() && maps[2].isIdentity() &&
                 maps[1] == identity.dropResult(rank - 1)
             ? generic
             : linalg::GenericOp();
}

/// The softmax of `scores` along the last axis, or null.
static Value matchSoftmax(Value scores) {
  SmallVector<Operation *> users = getUsers(scores);
  if (users.size() != 2)
    return {};
  for (unsigned first : {0, 1}) {
    auto largest = matchReduction<arith::MaximumFOp>(
        users[first], scores, -std::numeric_limits<float>::infinity());
    if (!largest || getOnlyUser(largest.getResult(0)) != users[1 - first])
      continue;
    auto exp = matchRowwise(users[1 - first], scores, largest.getResult(0));
    auto body = exp ? getYielded(exp).getDefiningOp<math::ExpOp>() : nullptr;
    if (!body ||
        !isOf<arith::SubFOp>(body.getOperand(), exp.getBlock()->getArgument(0),
                             exp.getBlock()->getArgument(1)))
      return {};
    Value powers = exp.getResult(0);
    SmallVector<Operation *> next = getUsers(powers);
    if (next.size() != 2)
      return {};
    for (unsigned second : {0, 1}) {
      auto sum = matchReduction<arith::AddFOp>(next[second], powers, 0.0f);
      if (!sum || getOnlyUser(sum.getResult(0)) != next[1 - second])
        continue;
      auto div = matchRowwise(next[1 - second], powers, sum.getResult(0));
      if (div &&
          isOf<arith::DivFOp>(getYielded(div), div.getBlock()->getArgument(0),
                              div.getBlock()->getArgument(1)))
        return div.getResult(0);
    }
    return {};
  }
  return {};
}

/// Strides of a row-major tensor, of which all but the first extent are known.
static std::optional<SmallVector<int64_t>> getStrides(RankedTensorType type) {
  SmallVector<int64_t> strides(type.getRank());
  int64_t stride = 1;
  for (int64_t axis = type.getRank() - 1; axis >= 0; --axis) {
    strides[axis] = stride;
    if (axis && type.isDynamicDim(axis))
      return std::nullopt;
    stride *= type.getDimSize(axis);
  }
  return strides;
}

namespace {
/// A tensor and how far apart its elements are along each loop.
struct Strided {
  Value tensor;
  SmallVector<int64_t> strides;
};

/// What elementwise operations do to scores before the softmax.
struct Scores {
  Value last;
  float scale = 1;
  std::optional<Strided> mask;
};
} // namespace

/// An operand whose axes run over the loops that `map` says; 0 where it does
/// not depend on a loop. Sees through a transposition.
static std::optional<Strided> matchStrided(Value value, AffineMap map,
                                           bool peels) {
  // Of the source.
  auto axes =
      llvm::to_vector(llvm::seq<int64_t>(0, int64_t(map.getNumResults())));
  if (auto transpose = value.getDefiningOp<linalg::TransposeOp>();
      transpose && peels) {
    axes.assign(transpose.getPermutation().begin(),
                transpose.getPermutation().end());
    value = transpose.getInput();
  }
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.getElementType().isF32())
    return std::nullopt;
  auto strides = getStrides(type);
  if (!strides)
    return std::nullopt;
  Strided result{value, SmallVector<int64_t>(map.getNumDims(), 0)};
  for (auto [expr, axis] : llvm::zip_equal(map.getResults(), axes)) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      result.strides[dim.getPosition()] += (*strides)[axis];
    else if (!isa<AffineConstantExpr>(expr) ||
             cast<AffineConstantExpr>(expr).getValue() != 0)
      return std::nullopt;
  }
  return result;
}

/// Follows `scores` through a multiplication or division by a constant and one
/// addition, in this order.
static Scores matchScores(Value scores) {
  Scores result;
  result.last = scores;
  while (auto generic =
             dyn_cast_or_null<linalg::GenericOp>(getOnlyUser(result.last))) {
    unsigned rank = cast<RankedTensorType>(scores.getType()).getRank();
    if (generic.getNumResults() != 1 || generic.getNumLoops() != rank ||
        generic.getNumParallelLoops() != rank ||
        generic.getResult(0).getType() != scores.getType() ||
        !generic.getIndexingMapsArray().back().isIdentity())
      break;
    Value yielded = getYielded(generic);
    Block &body = *generic.getBlock();
    SmallVector<AffineMap> maps = generic.getIndexingMapsArray();
    if (generic.getNumDpsInputs() == 1 && maps[0].isIdentity()) {
      Operation *op = yielded.getDefiningOp();
      bool isDivision = isa_and_present<arith::DivFOp>(op);
      FloatAttr factor;
      if (result.mask || (!isDivision && !isa_and_present<arith::MulFOp>(op)))
        break;
      Value x = body.getArgument(0);
      unsigned constant = op->getOperand(0) == x ? 1 : 0;
      if (op->getOperand(1 - constant) != x || (isDivision && constant == 0) ||
          !matchPattern(op->getOperand(constant), m_Constant(&factor)))
        break;
      float number = factor.getValue().convertToFloat();
      result.scale = isDivision ? result.scale / number : result.scale * number;
    } else if (generic.getNumDpsInputs() == 2 && !result.mask) {
      unsigned mask = generic.getDpsInputOperand(0)->get() == result.last;
      if (generic.getDpsInputOperand(1 - mask)->get() != result.last ||
          !maps[1 - mask].isIdentity() ||
          !isOf<arith::AddFOp>(yielded, body.getArgument(0),
                               body.getArgument(1), /*isCommutative=*/true))
        break;
      auto strided = matchStrided(generic.getDpsInputOperand(mask)->get(),
                                  maps[mask], /*peels=*/false);
      if (!strided || strided->strides.back() > 1)
        break;
      result.mask = std::move(*strided);
    } else {
      break;
    }
    result.last = generic.getResult(0);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// The pattern
//===----------------------------------------------------------------------===//

namespace {
struct AttentionProduct : public OpRewritePattern<ContractOp> {
  AttentionProduct(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/6),
        isa(selectKernelISA(options)) {}

  /// The axes of a product of two activations, with one loop for each of m, n
  /// and k and the result [batch..., m, n].
  static std::optional<MatmulShape> matchProduct(ContractOp op) {
    auto shape = matchMatmul(op);
    bool isZero = false;
    matchBias(op, 0, isZero);
    for (Value value : op->getOperands()) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type || !type.getElementType().isF32())
        return std::nullopt;
    }
    if (!shape || !isZero || shape->m.size() != 1 || shape->n.size() != 1 ||
        shape->k.size() != 1 || shape->batch.empty())
      return std::nullopt;
    SmallVector<AffineExpr> wanted;
    for (unsigned loop : shape->batch)
      wanted.push_back(getAffineDimExpr(loop, op.getContext()));
    wanted.push_back(getAffineDimExpr(shape->m[0], op.getContext()));
    wanted.push_back(getAffineDimExpr(shape->n[0], op.getContext()));
    if (op.getMap(2).getResults() != ArrayRef(wanted))
      return std::nullopt;
    return shape;
  }

  static AttentionOperand makeOperand(const Strided &strided,
                                      ArrayRef<unsigned> batch, unsigned row,
                                      unsigned column) {
    AttentionOperand operand;
    for (unsigned loop : batch)
      operand.batch.push_back(strided.strides[loop]);
    operand.row = strided.strides[row];
    operand.column = strided.strides[column];
    return operand;
  }

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto first = matchProduct(op);
    if (!first)
      return rewriter.notifyMatchFailure(op, "no batched product");
    Scores scores = matchScores(op.getResult());
    Value softmax = matchSoftmax(scores.last);
    auto product =
        softmax ? dyn_cast_or_null<ContractOp>(getOnlyUser(softmax)) : nullptr;
    if (!product || product.getLhs() != softmax ||
        product.getRhs() == softmax || product->getBlock() != op->getBlock())
      return rewriter.notifyMatchFailure(op, "no softmax and product follow");
    auto second = matchProduct(product);
    unsigned rank = op.getMap(2).getNumResults();
    if (!second || second->batch.size() != first->batch.size() ||
        !product.getMap(0).getResults().drop_back().equals(
            product.getMap(2).getResults().drop_back()) ||
        product.getMap(0).getResult(rank - 1) !=
            rewriter.getAffineDimExpr(second->k[0]))
      return rewriter.notifyMatchFailure(op, "the second product has its axes "
                                             "in another order");
    SmallVector<int64_t> extents = getLoopExtents(op),
                         others = getLoopExtents(product);
    Attention attention;
    attention.isa = &isa;
    for (unsigned loop : first->batch)
      attention.batch.push_back(extents[loop]);
    attention.rows = extents[first->m[0]];
    attention.columns = extents[first->n[0]];
    attention.depth = extents[first->k[0]];
    attention.width = others[second->n[0]];
    attention.scale = scores.scale;
    SmallVector<int64_t> known(attention.batch.begin() + 1,
                               attention.batch.end());
    known.append(
        {attention.rows, attention.columns, attention.depth, attention.width});
    for (int64_t extent : known)
      if (ShapedType::isDynamic(extent) || extent == 0)
        return rewriter.notifyMatchFailure(
            op, "only the first axis may be dynamic, none empty");
    if (attention.batch[0] == 0)
      return rewriter.notifyMatchFailure(op, "an empty axis");

    auto q = matchStrided(op.getLhs(), op.getMap(0), /*peels=*/true);
    if (!q)
      return rewriter.notifyMatchFailure(op, "queries of unknown strides");
    attention.q = makeOperand(*q, first->batch, first->m[0], first->k[0]);
    // As they are where their transposition cannot be undone.
    auto matchPackable = [&](Value value, AffineMap map,
                             ArrayRef<unsigned> batch, unsigned row,
                             unsigned column, AttentionOperand &operand) {
      std::optional<Strided> strided;
      for (bool peels : {true, false}) {
        strided = matchStrided(value, map, peels);
        if (!strided)
          continue;
        operand = makeOperand(*strided, batch, row, column);
        if (operand.row == 1 || operand.column == 1)
          return strided;
      }
      return std::optional<Strided>();
    };
    auto k = matchPackable(op.getRhs(), op.getMap(1), first->batch, first->n[0],
                           first->k[0], attention.k);
    auto v = matchPackable(product.getRhs(), product.getMap(1), second->batch,
                           second->k[0], second->n[0], attention.v);
    if (!k || !v)
      return rewriter.notifyMatchFailure(op, "keys or values of no contiguous "
                                             "axis");
    if (scores.mask) {
      SmallVector<unsigned> batch =
          llvm::to_vector(llvm::seq<unsigned>(0, first->batch.size()));
      attention.mask = makeOperand(*scores.mask, batch, rank - 2, rank - 1);
    }
    // The result as a transposition of it sees it.
    Value last = product.getResult();
    AffineMap identity = rewriter.getMultiDimIdentityMap(rank);
    SmallVector<unsigned> loops = llvm::to_vector(llvm::seq<unsigned>(0, rank));
    auto setOut = [&](RankedTensorType type, AffineMap map) {
      auto strides = getStrides(type);
      if (!strides)
        return false;
      Strided strided{{}, SmallVector<int64_t>(rank)};
      for (auto [axis, expr] : llvm::enumerate(map.getResults()))
        strided.strides[cast<AffineDimExpr>(expr).getPosition()] =
            (*strides)[axis];
      attention.out = makeOperand(strided, ArrayRef(loops).drop_back(2),
                                  rank - 2, rank - 1);
      return attention.out.column == 1;
    };
    auto transpose = dyn_cast_or_null<linalg::TransposeOp>(getOnlyUser(last));
    if (transpose && transpose.getPermutation()[0] == 0 &&
        setOut(cast<RankedTensorType>(transpose.getResult()[0].getType()),
               AffineMap::getPermutationMap(transpose.getPermutation(),
                                            op.getContext())))
      last = transpose.getResult()[0];
    else if (!setOut(cast<RankedTensorType>(last.getType()), identity))
      return rewriter.notifyMatchFailure(op, "results of unknown strides");
    if (!attention.isSupported())
      return rewriter.notifyMatchFailure(op, "keys and values of a head do not "
                                             "fit the cache");

    rewriter.setInsertionPointAfterValue(last);
    Emitter e{rewriter, op.getLoc()};
    auto flatten = [&](Value value) {
      int64_t valueRank = cast<RankedTensorType>(value.getType()).getRank();
      if (valueRank == 1)
        return value;
      if (valueRank == 0)
        return Value(tensor::ExpandShapeOp::create(
            rewriter, op.getLoc(),
            RankedTensorType::get({1}, rewriter.getF32Type()), value,
            ArrayRef<ReassociationIndices>{}));
      return Value(tensor::CollapseShapeOp::create(
          rewriter, op.getLoc(), value,
          ArrayRef<ReassociationIndices>{axisRange(0, valueRank)}));
    };
    SmallVector<Value> ins{flatten(q->tensor), flatten(k->tensor),
                           flatten(v->tensor)};
    if (scores.mask)
      ins.push_back(flatten(scores.mask->tensor));
    auto type = cast<RankedTensorType>(last.getType());
    SmallVector<OpFoldResult> sizes;
    int64_t inner = 1;
    for (int64_t extent : type.getShape().drop_front()) {
      inner *= extent;
      sizes.push_back(rewriter.getIndexAttr(extent));
    }
    sizes.insert(sizes.begin(), e.size(product.getInit(), 0));
    Value out = e.empty(e.scaled(sizes[0], inner, 0), rewriter.getF32Type());
    auto module = op->getParentOfType<ModuleOp>();
    Value result = e.kernel(generateAttention(module, attention), ins, out)[0];
    result = tensor::ExpandShapeOp::create(
        rewriter, op.getLoc(), type, result,
        ArrayRef<ReassociationIndices>{axisRange(0, type.getRank())}, sizes);
    // What was taken along is dead now, but not ours to erase in a walk.
    rewriter.replaceAllUsesWith(last, result);
    rewriter.replaceOp(op, op.getInit());
    return success();
  }

  const KernelISA &isa;
};

/// Contractions that another kernel took along.
struct DropDead : public OpRewritePattern<ContractOp> {
  DropDead(MLIRContext *context) : OpRewritePattern(context, /*benefit=*/9) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    if (llvm::any_of(op->getUsers(),
                     [](Operation *user) { return !isOpTriviallyDead(user); }))
      return rewriter.notifyMatchFailure(op, "it is used");
    rewriter.replaceOp(op, op.getInit());
    return success();
  }
};
} // namespace

void compress::cpu::populateAttentionPatterns(RewritePatternSet &patterns,
                                              const TargetOptions &options) {
  patterns.add<AttentionProduct>(patterns.getContext(), options);
  patterns.add<DropDead>(patterns.getContext());
}

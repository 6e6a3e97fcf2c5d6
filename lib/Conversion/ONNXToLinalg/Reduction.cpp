//===- Reduction.cpp - Reduce*, ArgMax, CumSum ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace compress;
using mlir::utils::IteratorType;

/// The axes to reduce: `noop` when there is nothing to reduce.
static FailureOr<SmallVector<int64_t>> reducedAxes(Lowering &l, bool &noop) {
  noop = false;
  int64_t rank = l.inType(0).getRank();
  auto given = l.attrOrInts("axes", 1);
  if (!given && l.in(1))
    return l.fail("axes that are not constant are not supported");
  SmallVector<int64_t> axes;
  if (!given || given->empty()) {
    noop = l.node.getInt("noop_with_empty_axes", 0);
    if (!noop)
      axes = llvm::to_vector(llvm::seq<int64_t>(rank));
    return axes;
  }
  for (int64_t value : *given) {
    FailureOr<int64_t> axis = l.axis(value, rank);
    if (failed(axis))
      return failure();
    if (!llvm::is_contained(axes, *axis))
      axes.push_back(*axis);
  }
  llvm::sort(axes);
  return axes;
}

/// Gives a result of `reduce` the shape that `keepdims` asks for.
static Value keepDims(Lowering &l, Value reduced, Value source,
                      ArrayRef<int64_t> axes, RankedTensorType type) {
  Sizes sizes = l.sizes(source), wanted;
  for (auto [i, size] : llvm::enumerate(sizes)) {
    if (!llvm::is_contained(axes, int64_t(i)))
      wanted.push_back(size);
    else if (type.getRank() == int64_t(sizes.size()))
      wanted.push_back(l.b.getIndexAttr(1));
  }
  return l.reshape(reduced, type, wanted);
}

namespace {
enum class Kind {
  Sum,
  Mean,
  Max,
  Min,
  Prod,
  L1,
  L2,
  LogSum,
  LogSumExp,
  SumSquare
};
} // namespace

/// One step of a reduction of numbers of source type `type`.
static Value combine(OpBuilder &b, Location loc, Kind kind, Value x, Value acc,
                     Type type) {
  bool isFloat = isa<FloatType>(type), isUnsigned = onnx::isUnsigned(type);
  auto add = [&](Value y) -> Value {
    if (isFloat)
      return arith::AddFOp::create(b, loc, acc, y);
    return arith::AddIOp::create(b, loc, acc, y);
  };
  auto mul = [&](Value a, Value c) -> Value {
    if (isFloat)
      return arith::MulFOp::create(b, loc, a, c);
    return arith::MulIOp::create(b, loc, a, c);
  };
  switch (kind) {
  case Kind::Max:
    if (isFloat)
      return arith::MaximumFOp::create(b, loc, acc, x);
    if (isUnsigned)
      return arith::MaxUIOp::create(b, loc, acc, x);
    return arith::MaxSIOp::create(b, loc, acc, x);
  case Kind::Min:
    if (isFloat)
      return arith::MinimumFOp::create(b, loc, acc, x);
    if (isUnsigned)
      return arith::MinUIOp::create(b, loc, acc, x);
    return arith::MinSIOp::create(b, loc, acc, x);
  case Kind::Prod:
    return mul(acc, x);
  case Kind::L1:
    if (isFloat)
      return add(math::AbsFOp::create(b, loc, x));
    if (!isUnsigned) {
      Value zero = scalarConstant(b, loc, type, 0);
      x = arith::MaxSIOp::create(b, loc, x,
                                 arith::SubIOp::create(b, loc, zero, x));
    }
    return add(x);
  case Kind::L2:
  case Kind::SumSquare:
    return add(mul(x, x));
  case Kind::LogSumExp:
    return add(math::ExpOp::create(b, loc, x));
  default:
    return add(x);
  }
}

static LogicalResult reduceAs(Lowering &l, Kind kind) {
  bool noop;
  FailureOr<SmallVector<int64_t>> axes = reducedAxes(l, noop);
  if (failed(axes))
    return failure();
  Type source = l.sourceElement(0);
  bool isFloat = isa<FloatType>(source);
  if (!isFloat && (kind == Kind::LogSum || kind == Kind::LogSumExp))
    return l.fail("integer operands are not supported");
  if (noop && (kind == Kind::Sum || kind == Kind::Mean || kind == Kind::Max ||
               kind == Kind::Min || kind == Kind::Prod))
    return l.replace(l.in(0));
  Value x = l.in(0);
  Type type = source;
  if (isFloat && source.getIntOrFloatBitWidth() < 32) {
    type = l.b.getF32Type();
    x = l.convertFloat(x, type);
  }
  auto xType = cast<RankedTensorType>(x.getType());
  int64_t rank = xType.getRank();
  Sizes sizes = l.sizes(x);

  // The largest exponent is factored out of log-sum-exp.
  Value max;
  AffineMap kept = l.keptMap(rank, *axes);
  if (kind == Kind::LogSumExp) {
    Value raw =
        l.reduce(x, *axes, lowestConstant(l.b, l.loc, type),
                 [&](OpBuilder &b, Location loc, ValueRange args) {
                   return combine(b, loc, Kind::Max, args[0], args[1], type);
                 });
    // All -inf: nothing to factor out.
    Sizes rawSizes = l.sizes(raw);
    max = l.mapped(
        rawSizes, type, raw, l.identityMap(rawSizes.size()),
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          Value zero = scalarConstant(b, loc, type, 0);
          Value magnitude = math::AbsFOp::create(b, loc, args[0]);
          Value infinite =
              arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                    magnitude, highestConstant(b, loc, type));
          return arith::SelectOp::create(b, loc, infinite, zero, args[0]);
        });
    x = l.mapped(sizes, type, {x, max}, {l.identityMap(rank), kept},
                 [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                   return arith::SubFOp::create(b, loc, args[0], args[1]);
                 });
  }
  Value init = kind == Kind::Max ? lowestConstant(l.b, l.loc, type)
               : kind == Kind::Min
                   ? highestConstant(l.b, l.loc, type)
                   : l.scalarInt(toSignless(type), kind == Kind::Prod ? 1 : 0);
  Value result = l.reduce(
      x, *axes, init, [&](OpBuilder &b, Location loc, ValueRange args) {
        return combine(b, loc, kind, args[0], args[1], type);
      });
  // What follows the sum.
  if (kind == Kind::Mean || kind == Kind::L2 || kind == Kind::LogSum ||
      kind == Kind::LogSumExp) {
    OpFoldResult count = l.b.getIndexAttr(1);
    if (kind == Kind::Mean)
      for (int64_t axis : *axes)
        count = l.mul(count, sizes[axis]);
    Value countValue = l.toValue(count);
    Sizes resultSizes = l.sizes(result);
    SmallVector<Value> inputs{result};
    AffineMap all = l.identityMap(resultSizes.size());
    SmallVector<AffineMap> maps{all};
    if (max) {
      inputs.push_back(max);
      maps.push_back(all);
    }
    result = l.mapped(
        resultSizes, toSignless(type), inputs, maps,
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          Value y = args[0];
          if (kind == Kind::Mean) {
            Value n =
                arith::IndexCastOp::create(b, loc, b.getI64Type(), countValue);
            Value divisor = castScalar(b, loc, n, b.getI64Type(), type);
            if (isFloat)
              return arith::DivFOp::create(b, loc, y, divisor);
            if (onnx::isUnsigned(type))
              return arith::DivUIOp::create(b, loc, y, divisor);
            return arith::DivSIOp::create(b, loc, y, divisor);
          }
          Type compute = isFloat ? type : Type(b.getF64Type());
          y = castScalar(b, loc, y, type, compute);
          if (kind == Kind::L2)
            y = math::SqrtOp::create(b, loc, y);
          else
            y = math::LogOp::create(b, loc, y);
          if (max)
            y = arith::AddFOp::create(b, loc, y, args[1]);
          return castScalar(b, loc, y, compute, type);
        });
  }
  auto shape = l.outType();
  result = keepDims(l, result, l.in(0), *axes,
                    RankedTensorType::get(shape.getShape(), toSignless(type)));
  if (isFloat)
    result = l.convertFloat(result, shape.getElementType());
  return l.replace(result);
}

template <Kind kind> static LogicalResult reduceOp(Lowering &l) {
  return reduceAs(l, kind);
}

/// Index of the largest (smallest) element along one axis.
static LogicalResult argReduce(Lowering &l) {
  bool isMax = l.node.getOpType() == "ArgMax";
  auto type = l.inType(0);
  Type source = l.sourceElement(0);
  int64_t rank = type.getRank();
  FailureOr<int64_t> axis = l.axis(l.node.getInt("axis", 0), rank);
  if (failed(axis))
    return failure();
  bool last = l.node.getInt("select_last_index", 0);
  Sizes sizes = l.sizes(l.in(0)), kept;
  SmallVector<IteratorType> iterators;
  for (int64_t i = 0; i < rank; ++i) {
    iterators.push_back(i == *axis ? IteratorType::reduction
                                   : IteratorType::parallel);
    if (i != *axis)
      kept.push_back(sizes[i]);
  }
  Value start = isMax ? lowestConstant(l.b, l.loc, source)
                      : highestConstant(l.b, l.loc, source);
  Type i64 = l.b.getI64Type();
  Value best = l.filled(kept, start);
  Value bestIndex = l.filled(kept, l.scalarInt(i64, 0));
  AffineMap keptMap = l.keptMap(rank, *axis);
  auto op = linalg::GenericOp::create(
      l.b, l.loc, TypeRange{best.getType(), bestIndex.getType()}, l.in(0),
      ValueRange{best, bestIndex},
      ArrayRef<AffineMap>{l.identityMap(rank), keptMap, keptMap}, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value x = args[0], held = args[1];
        Value better;
        if (isa<FloatType>(source)) {
          auto predicate = isMax ? (last ? arith::CmpFPredicate::OGE
                                         : arith::CmpFPredicate::OGT)
                                 : (last ? arith::CmpFPredicate::OLE
                                         : arith::CmpFPredicate::OLT);
          better = arith::CmpFOp::create(b, loc, predicate, x, held);
        } else {
          bool isUnsigned = onnx::isUnsigned(source);
          using P = arith::CmpIPredicate;
          auto predicate = isMax ? (last ? (isUnsigned ? P::uge : P::sge)
                                         : (isUnsigned ? P::ugt : P::sgt))
                                 : (last ? (isUnsigned ? P::ule : P::sle)
                                         : (isUnsigned ? P::ult : P::slt));
          better = arith::CmpIOp::create(b, loc, predicate, x, held);
        }
        Value position = arith::IndexCastOp::create(
            b, loc, i64, linalg::IndexOp::create(b, loc, *axis));
        Value value = arith::SelectOp::create(b, loc, better, x, held);
        Value index =
            arith::SelectOp::create(b, loc, better, position, args[2]);
        linalg::YieldOp::create(b, loc, ValueRange{value, index});
      });
  return l.replace(keepDims(l, op.getResult(1), l.in(0), *axis, l.outType()));
}

/// out[i] = sum of x[k] over k <= i (or <, or reversed): a masked reduction.
static LogicalResult cumulative(Lowering &l) {
  auto axisInput = l.constantInts(1);
  auto type = l.inType(0);
  int64_t rank = type.getRank();
  if (!axisInput || axisInput->size() != 1)
    return l.fail("an axis that is not constant is not supported");
  FailureOr<int64_t> axis = l.axis((*axisInput)[0], rank);
  if (failed(axis))
    return failure();
  bool product = l.node.getOpType() == "CumProd";
  bool exclusive = l.node.getInt("exclusive", 0);
  bool reverse = l.node.getInt("reverse", 0);
  Type element = type.getElementType();
  bool isFloat = isa<FloatType>(element);
  // Loops: the result's, then k along the axis.
  SmallVector<AffineExpr> in, out;
  for (int64_t i = 0; i < rank; ++i) {
    out.push_back(l.b.getAffineDimExpr(i));
    in.push_back(l.b.getAffineDimExpr(i == *axis ? rank : i));
  }
  SmallVector<IteratorType> iterators(rank, IteratorType::parallel);
  iterators.push_back(IteratorType::reduction);
  using P = arith::CmpIPredicate;
  P predicate =
      reverse ? (exclusive ? P::ugt : P::uge) : (exclusive ? P::ult : P::ule);
  Value neutral = l.scalarInt(element, product ? 1 : 0);
  MLIRContext *context = l.b.getContext();
  return l.replace(l.generic(
      l.in(0), l.filled(l.sizes(l.in(0)), neutral),
      {AffineMap::get(rank + 1, 0, in, context),
       AffineMap::get(rank + 1, 0, out, context)},
      iterators, [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value i = linalg::IndexOp::create(b, loc, *axis);
        Value k = linalg::IndexOp::create(b, loc, rank);
        Value counts = arith::CmpIOp::create(b, loc, predicate, k, i);
        Value x = arith::SelectOp::create(b, loc, counts, args[0], neutral);
        if (product)
          return isFloat
                     ? arith::MulFOp::create(b, loc, args[1], x).getResult()
                     : arith::MulIOp::create(b, loc, args[1], x).getResult();
        return isFloat ? arith::AddFOp::create(b, loc, args[1], x).getResult()
                       : arith::AddIOp::create(b, loc, args[1], x).getResult();
      }));
}

void compress::addReductionLowerings(LowerTable &table) {
  table["ReduceSum"] = reduceOp<Kind::Sum>;
  table["ReduceMean"] = reduceOp<Kind::Mean>;
  table["ReduceMax"] = reduceOp<Kind::Max>;
  table["ReduceMin"] = reduceOp<Kind::Min>;
  table["ReduceProd"] = reduceOp<Kind::Prod>;
  table["ReduceL1"] = reduceOp<Kind::L1>;
  table["ReduceL2"] = reduceOp<Kind::L2>;
  table["ReduceLogSum"] = reduceOp<Kind::LogSum>;
  table["ReduceLogSumExp"] = reduceOp<Kind::LogSumExp>;
  table["ReduceSumSquare"] = reduceOp<Kind::SumSquare>;
  table["ArgMax"] = argReduce;
  table["ArgMin"] = argReduce;
  table["CumSum"] = cumulative;
  table["CumProd"] = cumulative;
}

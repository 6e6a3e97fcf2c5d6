//===- Normalization.cpp - Softmax and normalizations -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace compress;
using mlir::utils::IteratorType;

static Value addTo(OpBuilder &b, Location loc, ValueRange args) {
  return arith::AddFOp::create(b, loc, args[1], args[0]);
}

static Value maxOf(OpBuilder &b, Location loc, ValueRange args) {
  return arith::MaximumFOp::create(b, loc, args[1], args[0]);
}

/// The input, in f32 when it is narrower: sums of 16-bit floats lose too much.
static FailureOr<Value> floatInput(Lowering &l) {
  auto type = dyn_cast<FloatType>(l.sourceElement(0));
  if (!type)
    return l.fail("integer operands are not supported");
  if (type.getWidth() >= 32)
    return l.in(0);
  return l.convertFloat(l.in(0), l.b.getF32Type());
}

static LogicalResult replaceRounded(Lowering &l, Value result) {
  return l.replace(l.convertFloat(result, l.outType().getElementType()));
}

/// The product of the sizes of `axes`, as a float scalar.
static Value countOf(Lowering &l, Value tensor, ArrayRef<int64_t> axes,
                     Type type) {
  OpFoldResult count = l.b.getIndexAttr(1);
  for (int64_t axis : axes)
    count = l.mul(count, l.dim(tensor, axis));
  if (auto constant = getConstantIntValue(count))
    return l.scalar(type, double(*constant));
  Value integer = arith::IndexCastOp::create(l.b, l.loc, l.b.getI64Type(),
                                             l.toValue(count));
  return arith::SIToFPOp::create(l.b, l.loc, type, integer);
}

//===----------------------------------------------------------------------===//
// Softmax
//===----------------------------------------------------------------------===//

/// Until opset 12 the input was seen as a matrix split at `axis`, so that all
/// axes from there on are normalized together.
static FailureOr<SmallVector<int64_t>> softmaxAxes(Lowering &l) {
  int64_t rank = l.inType(0).getRank();
  FailureOr<int64_t> axis =
      l.axis(l.node.getInt("axis", l.opset < 13 ? 1 : -1), rank);
  if (failed(axis))
    return failure();
  if (l.opset >= 13)
    return SmallVector<int64_t>{*axis};
  return llvm::to_vector(llvm::seq<int64_t>(*axis, rank));
}

static LogicalResult softmaxOf(Lowering &l, bool logarithm) {
  FailureOr<Value> x = floatInput(l);
  FailureOr<SmallVector<int64_t>> axes =
      succeeded(x) ? softmaxAxes(l)
                   : FailureOr<SmallVector<int64_t>>(failure());
  if (failed(axes))
    return failure();
  auto type = cast<RankedTensorType>(x->getType());
  Type element = type.getElementType();
  int64_t rank = type.getRank();
  AffineMap all = l.identityMap(rank), kept = l.keptMap(rank, *axes);
  Sizes sizes = l.sizes(*x);
  Value max = l.reduce(*x, *axes, lowestConstant(l.b, l.loc, element), maxOf);
  auto shifted = [](OpBuilder &b, Location loc, ValueRange args) -> Value {
    return arith::SubFOp::create(b, loc, args[0], args[1]);
  };
  if (logarithm) {
    Value centered = l.mapped(sizes, element, {*x, max}, {all, kept}, shifted);
    Value sum =
        l.reduce(centered, *axes, l.scalar(element, 0),
                 [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                   return arith::AddFOp::create(
                       b, loc, args[1], math::ExpOp::create(b, loc, args[0]));
                 });
    return replaceRounded(
        l, l.mapped(sizes, element, {centered, sum}, {all, kept},
                    [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                      return arith::SubFOp::create(
                          b, loc, args[0],
                          math::LogOp::create(b, loc, args[1]));
                    }));
  }
  Value exp =
      l.mapped(sizes, element, {*x, max}, {all, kept},
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 return math::ExpOp::create(b, loc, shifted(b, loc, args));
               });
  Value sum = l.reduce(exp, *axes, l.scalar(element, 0), addTo);
  return replaceRounded(
      l, l.mapped(sizes, element, {exp, sum}, {all, kept},
                  [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                    return arith::DivFOp::create(b, loc, args[0], args[1]);
                  }));
}

static LogicalResult softmax(Lowering &l) { return softmaxOf(l, false); }
static LogicalResult logSoftmax(Lowering &l) { return softmaxOf(l, true); }

//===----------------------------------------------------------------------===//
// Mean and variance over axes
//===----------------------------------------------------------------------===//

namespace {
/// Mean and 1 / sqrt(var + epsilon) over `axes`, without those axes.
struct Moments {
  Value mean, inverse;
};
} // namespace

static Value inverseRoot(OpBuilder &b, Location loc, Value sum, Value count,
                         double epsilon) {
  Type type = sum.getType();
  Value mean = arith::DivFOp::create(b, loc, sum, count);
  Value shifted = arith::AddFOp::create(b, loc, mean,
                                        scalarConstant(b, loc, type, epsilon));
  Value root = math::SqrtOp::create(b, loc, shifted);
  return arith::DivFOp::create(b, loc, scalarConstant(b, loc, type, 1), root);
}

static Moments momentsOf(Lowering &l, Value x, ArrayRef<int64_t> axes,
                         double epsilon) {
  auto type = cast<RankedTensorType>(x.getType());
  Type element = type.getElementType();
  int64_t rank = type.getRank();
  Value count = countOf(l, x, axes, element);
  Value zero = l.scalar(element, 0);
  Value sum = l.reduce(x, axes, zero, addTo);
  Sizes kept = l.sizes(sum);
  AffineMap all = l.identityMap(kept.size());
  Moments moments;
  moments.mean =
      l.mapped(kept, element, sum, all,
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 return arith::DivFOp::create(b, loc, args[0], count);
               });
  // Two passes: the squares of differences do not cancel.
  SmallVector<IteratorType> iterators;
  for (int64_t i = 0; i < rank; ++i)
    iterators.push_back(llvm::is_contained(axes, i) ? IteratorType::reduction
                                                    : IteratorType::parallel);
  AffineMap keptMap = l.keptMap(rank, axes);
  Value squares =
      l.generic({x, moments.mean}, l.filled(kept, zero),
                {l.identityMap(rank), keptMap, keptMap}, iterators,
                [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                  Value d = arith::SubFOp::create(b, loc, args[0], args[1]);
                  Value square = arith::MulFOp::create(b, loc, d, d);
                  return arith::AddFOp::create(b, loc, args[2], square);
                });
  moments.inverse =
      l.mapped(kept, element, squares, all,
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 return inverseRoot(b, loc, args[0], count, epsilon);
               });
  return moments;
}

/// `(x - mean) * inverse [* scale] [+ bias]`.
static Value normalize(Lowering &l, Value x, ArrayRef<int64_t> axes,
                       const Moments &moments, Value scale, AffineMap scaleMap,
                       Value bias, AffineMap biasMap) {
  auto type = cast<RankedTensorType>(x.getType());
  int64_t rank = type.getRank();
  AffineMap kept = l.keptMap(rank, axes);
  SmallVector<Value> inputs{x, moments.mean, moments.inverse};
  SmallVector<AffineMap> maps{l.identityMap(rank), kept, kept};
  if (scale) {
    inputs.push_back(scale);
    maps.push_back(scaleMap);
  }
  if (bias) {
    inputs.push_back(bias);
    maps.push_back(biasMap);
  }
  return l.mapped(l.sizes(x), type.getElementType(), inputs, maps,
                  [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                    Value y = arith::SubFOp::create(b, loc, args[0], args[1]);
                    y = arith::MulFOp::create(b, loc, y, args[2]);
                    unsigned next = 3;
                    if (scale)
                      y = arith::MulFOp::create(b, loc, y, args[next++]);
                    if (bias)
                      y = arith::AddFOp::create(b, loc, y, args[next]);
                    return y;
                  });
}

static LogicalResult layerNormalization(Lowering &l) {
  FailureOr<Value> x = floatInput(l);
  if (failed(x))
    return failure();
  auto type = cast<RankedTensorType>(x->getType());
  Type element = type.getElementType();
  int64_t rank = type.getRank();
  FailureOr<int64_t> axis = l.axis(l.node.getInt("axis", -1), rank);
  if (failed(axis))
    return failure();
  auto axes = llvm::to_vector(llvm::seq<int64_t>(*axis, rank));
  Moments moments = momentsOf(l, *x, axes, l.node.getFloat("epsilon", 1e-5));
  Value scale = l.convertFloat(l.in(1), element);
  Value bias = l.in(2) ? l.convertFloat(l.in(2), element) : Value();
  Value y =
      normalize(l, *x, axes, moments, scale,
                l.broadcastMap(l.inType(1).getShape(), type.getShape()), bias,
                bias ? l.broadcastMap(l.inType(2).getShape(), type.getShape())
                     : AffineMap());
  SmallVector<Value> results{l.convertFloat(y, l.outType().getElementType())};
  // Mean and inverse standard deviation keep the normalized axes as ones.
  for (unsigned i = 1; i < l.node.getNumOutputs(); ++i) {
    if (!l.isResultUsed(i)) {
      results.push_back(Value());
      continue;
    }
    Sizes sizes = l.sizes(*x);
    for (int64_t at : axes)
      sizes[at] = l.b.getIndexAttr(1);
    auto resultType = RankedTensorType::get(l.outType(i).getShape(), element);
    Value reshaped =
        l.reshape(i == 1 ? moments.mean : moments.inverse, resultType, sizes);
    results.push_back(l.convertFloat(reshaped, l.outType(i).getElementType()));
  }
  return l.replace(results);
}

static LogicalResult rmsNormalization(Lowering &l) {
  FailureOr<Value> x = floatInput(l);
  if (failed(x))
    return failure();
  auto type = cast<RankedTensorType>(x->getType());
  Type element = type.getElementType();
  int64_t rank = type.getRank();
  FailureOr<int64_t> axis = l.axis(l.node.getInt("axis", -1), rank);
  if (failed(axis))
    return failure();
  auto axes = llvm::to_vector(llvm::seq<int64_t>(*axis, rank));
  double epsilon = l.node.getFloat("epsilon", 1e-5);
  Value squares =
      l.reduce(*x, axes, l.scalar(element, 0),
               [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 Value square = arith::MulFOp::create(b, loc, args[0], args[0]);
                 return arith::AddFOp::create(b, loc, args[1], square);
               });
  Value count = countOf(l, *x, axes, element);
  Sizes kept = l.sizes(squares);
  Value inverse =
      l.mapped(kept, element, squares, l.identityMap(kept.size()),
               [&](OpBuilder &b, Location loc, ValueRange args) {
                 return inverseRoot(b, loc, args[0], count, epsilon);
               });
  Value scale = l.convertFloat(l.in(1), element);
  return replaceRounded(
      l, l.mapped(l.sizes(*x), element, {*x, inverse, scale},
                  {l.identityMap(rank), l.keptMap(rank, axes),
                   l.broadcastMap(l.inType(1).getShape(), type.getShape())},
                  [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                    Value y = arith::MulFOp::create(b, loc, args[0], args[1]);
                    return arith::MulFOp::create(b, loc, y, args[2]);
                  }));
}

/// A map that reads a vector along loop `loop`.
static AffineMap alongLoop(Lowering &l, int64_t rank, int64_t loop) {
  return AffineMap::get(rank, 0, l.b.getAffineDimExpr(loop));
}

static LogicalResult instanceNormalization(Lowering &l) {
  FailureOr<Value> x = floatInput(l);
  if (failed(x))
    return failure();
  auto type = cast<RankedTensorType>(x->getType());
  int64_t rank = type.getRank();
  if (rank < 3)
    return l.fail("the input must have a rank of at least 3");
  auto axes = llvm::to_vector(llvm::seq<int64_t>(2, rank));
  Moments moments = momentsOf(l, *x, axes, l.node.getFloat("epsilon", 1e-5));
  AffineMap channel = alongLoop(l, rank, 1);
  return replaceRounded(
      l, normalize(l, *x, axes, moments,
                   l.convertFloat(l.in(1), type.getElementType()), channel,
                   l.convertFloat(l.in(2), type.getElementType()), channel));
}

/// Scale and bias were one value per group in opset 18, per channel since 21.
static LogicalResult groupNormalization(Lowering &l) {
  FailureOr<Value> x = floatInput(l);
  if (failed(x))
    return failure();
  auto type = cast<RankedTensorType>(x->getType());
  Type element = type.getElementType();
  int64_t rank = type.getRank(), groups = l.node.getInt("num_groups", 0);
  if (rank < 3 || groups < 1 || type.isDynamicDim(1) ||
      type.getDimSize(1) % groups != 0)
    return l.fail("the channels cannot be divided into " + Twine(groups) +
                  " groups");
  int64_t perGroup = type.getDimSize(1) / groups;
  Sizes sizes = l.sizes(*x), split(sizes);
  SmallVector<int64_t> shape(type.getShape());
  shape[1] = perGroup;
  shape.insert(shape.begin() + 1, groups);
  split[1] = l.b.getIndexAttr(perGroup);
  split.insert(split.begin() + 1, OpFoldResult(l.b.getIndexAttr(groups)));
  Value grouped = l.reshape(*x, RankedTensorType::get(shape, element), split);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(2, rank + 1));
  Moments moments =
      momentsOf(l, grouped, axes, l.node.getFloat("epsilon", 1e-5));
  auto parameter = [&](unsigned i, AffineMap &map) -> Value {
    Value value = l.convertFloat(l.in(i), element);
    if (l.inType(i).getDimSize(0) == groups && groups != type.getDimSize(1)) {
      map = alongLoop(l, rank + 1, 1);
      return value;
    }
    map = AffineMap::get(rank + 1, 0,
                         {l.b.getAffineDimExpr(1), l.b.getAffineDimExpr(2)},
                         l.b.getContext());
    return l.reshape(value, RankedTensorType::get({groups, perGroup}, element),
                     {l.b.getIndexAttr(groups), l.b.getIndexAttr(perGroup)});
  };
  AffineMap scaleMap, biasMap;
  Value scale = parameter(1, scaleMap), bias = parameter(2, biasMap);
  Value y =
      normalize(l, grouped, axes, moments, scale, scaleMap, bias, biasMap);
  return replaceRounded(l, l.reshape(y, type, sizes));
}

static LogicalResult batchNormalization(Lowering &l) {
  if (l.node.getInt("training_mode", 0))
    return l.fail("training mode is not supported");
  if (!l.node.getInt("spatial", 1))
    return l.fail("spatial = 0 is not supported");
  for (unsigned i = 1; i < l.node.getNumOutputs(); ++i)
    if (l.isResultUsed(i))
      return l.fail("outputs of training mode are not supported");
  FailureOr<Value> x = floatInput(l);
  if (failed(x))
    return failure();
  auto type = cast<RankedTensorType>(x->getType());
  Type element = type.getElementType();
  int64_t rank = type.getRank();
  double epsilon = l.node.getFloat("epsilon", 1e-5);
  AffineMap channel = alongLoop(l, rank, rank > 1 ? 1 : 0);
  SmallVector<Value> inputs{*x};
  SmallVector<AffineMap> maps{l.identityMap(rank)};
  for (unsigned i = 1; i < 5; ++i) {
    inputs.push_back(l.convertFloat(l.in(i), element));
    maps.push_back(channel);
  }
  // y = x * a + b with a and b per channel, computed once.
  Sizes channels = l.sizes(inputs[1]);
  AffineMap one = l.identityMap(1);
  Value factor =
      l.mapped(channels, element, {inputs[1], inputs[4]}, {one, one},
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 Value shifted = arith::AddFOp::create(
                     b, loc, args[1], scalarConstant(b, loc, element, epsilon));
                 return arith::DivFOp::create(
                     b, loc, args[0], math::SqrtOp::create(b, loc, shifted));
               });
  Value offset = l.mapped(
      channels, element, {inputs[2], inputs[3], factor}, {one, one, one},
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value moved = arith::MulFOp::create(b, loc, args[1], args[2]);
        return arith::SubFOp::create(b, loc, args[0], moved);
      });
  SmallVector<Value> results{l.convertFloat(
      l.mapped(l.sizes(*x), element, {*x, factor, offset},
               {l.identityMap(rank), channel, channel},
               [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 Value y = arith::MulFOp::create(b, loc, args[0], args[1]);
                 return arith::AddFOp::create(b, loc, y, args[2]);
               }),
      l.outType().getElementType())};
  results.resize(l.node.getNumOutputs());
  return l.replace(results);
}

/// y = x / (bias + alpha / size * sum of squares over nearby channels)^beta
static LogicalResult lrn(Lowering &l) {
  FailureOr<Value> x = floatInput(l);
  if (failed(x))
    return failure();
  auto type = cast<RankedTensorType>(x->getType());
  Type element = type.getElementType();
  int64_t rank = type.getRank(), size = l.node.getInt("size", 0);
  if (size < 1 || rank < 2)
    return l.fail("attribute 'size' is " + Twine(size));
  double alpha = l.node.getFloat("alpha", 1e-4);
  double beta = l.node.getFloat("beta", 0.75);
  double bias = l.node.getFloat("bias", 1);
  Value zero = l.scalar(element, 0);
  SmallVector<OpFoldResult> low(rank, l.b.getIndexAttr(0)), high(low);
  low[1] = l.b.getIndexAttr((size - 1) / 2);
  high[1] = l.b.getIndexAttr(size - 1 - (size - 1) / 2);
  Value padded = l.pad(*x, low, high, zero);
  // Loops: the result's, then the window.
  SmallVector<AffineExpr> in, out;
  for (int64_t i = 0; i < rank; ++i) {
    AffineExpr d = l.b.getAffineDimExpr(i);
    out.push_back(d);
    in.push_back(i == 1 ? d + l.b.getAffineDimExpr(rank) : d);
  }
  SmallVector<IteratorType> iterators(rank, IteratorType::parallel);
  iterators.push_back(IteratorType::reduction);
  MLIRContext *context = l.b.getContext();
  Sizes sizes = l.sizes(*x);
  Value window = l.empty({l.b.getIndexAttr(size)}, element);
  Value squares = l.generic(
      {padded, window}, l.filled(sizes, zero),
      {AffineMap::get(rank + 1, 0, in, context),
       AffineMap::get(rank + 1, 0, l.b.getAffineDimExpr(rank)),
       AffineMap::get(rank + 1, 0, out, context)},
      iterators, [](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value square = arith::MulFOp::create(b, loc, args[0], args[0]);
        return arith::AddFOp::create(b, loc, args[2], square);
      });
  AffineMap all = l.identityMap(rank);
  return replaceRounded(
      l, l.mapped(sizes, element, {*x, squares}, {all, all},
                  [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                    auto constant = [&](double v) {
                      return scalarConstant(b, loc, element, v);
                    };
                    Value base = arith::AddFOp::create(
                        b, loc, constant(bias),
                        arith::MulFOp::create(b, loc, args[1],
                                              constant(alpha / size)));
                    Value power =
                        math::PowFOp::create(b, loc, base, constant(beta));
                    return arith::DivFOp::create(b, loc, args[0], power);
                  }));
}

static LogicalResult lpNormalization(Lowering &l) {
  FailureOr<Value> x = floatInput(l);
  if (failed(x))
    return failure();
  auto type = cast<RankedTensorType>(x->getType());
  Type element = type.getElementType();
  int64_t rank = type.getRank(), p = l.node.getInt("p", 2);
  FailureOr<int64_t> axis = l.axis(l.node.getInt("axis", -1), rank);
  if (failed(axis))
    return failure();
  if (p != 1 && p != 2)
    return l.fail("attribute 'p' is " + Twine(p) + ", expected 1 or 2");
  Value sum = l.reduce(
      *x, *axis, l.scalar(element, 0),
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value term =
            p == 1
                ? math::AbsFOp::create(b, loc, args[0]).getResult()
                : arith::MulFOp::create(b, loc, args[0], args[0]).getResult();
        return arith::AddFOp::create(b, loc, args[1], term);
      });
  return replaceRounded(
      l,
      l.mapped(l.sizes(*x), element, {*x, sum},
               {l.identityMap(rank), l.keptMap(rank, *axis)},
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 Value norm = args[1];
                 if (p == 2)
                   norm = math::SqrtOp::create(b, loc, norm);
                 // The zero vector stays zero.
                 Value zero = scalarConstant(b, loc, element, 0);
                 Value isZero = arith::CmpFOp::create(
                     b, loc, arith::CmpFPredicate::OEQ, norm, zero);
                 Value quotient = arith::DivFOp::create(b, loc, args[0], norm);
                 return arith::SelectOp::create(b, loc, isZero, zero, quotient);
               }));
}

static LogicalResult meanVarianceNormalization(Lowering &l) {
  FailureOr<Value> x = floatInput(l);
  if (failed(x))
    return failure();
  SmallVector<int64_t> axes;
  int64_t rank = cast<RankedTensorType>(x->getType()).getRank();
  for (int64_t value :
       l.node.findInts("axes").value_or(SmallVector<int64_t>{0, 2, 3})) {
    FailureOr<int64_t> axis = l.axis(value, rank);
    if (failed(axis))
      return failure();
    axes.push_back(*axis);
  }
  Moments moments = momentsOf(l, *x, axes, 1e-9);
  return replaceRounded(l, normalize(l, *x, axes, moments, Value(), AffineMap(),
                                     Value(), AffineMap()));
}

void compress::addNormalizationLowerings(LowerTable &table) {
  table["Softmax"] = softmax;
  table["LogSoftmax"] = logSoftmax;
  table["LayerNormalization"] = layerNormalization;
  table["RMSNormalization"] = rmsNormalization;
  table["InstanceNormalization"] = instanceNormalization;
  table["GroupNormalization"] = groupNormalization;
  table["BatchNormalization"] = batchNormalization;
  table["LRN"] = lrn;
  table["LpNormalization"] = lpNormalization;
  table["MeanVarianceNormalization"] = meanVarianceNormalization;
}

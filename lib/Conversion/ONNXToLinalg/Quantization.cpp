//===- Quantization.cpp - QuantizeLinear, QLinearConv, ... ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;

/// How scale and zero point are read next to the data: one for all, one per
/// index of an axis, or one per block along it.
static FailureOr<AffineMap> parameterMap(Lowering &l, unsigned input) {
  auto type = l.inType(0), parameter = l.inType(input);
  int64_t rank = type.getRank();
  MLIRContext *context = l.b.getContext();
  if (parameter.getRank() == 0)
    return AffineMap::get(rank, 0, context);
  int64_t blockSize = l.node.getInt("block_size", 0);
  if (parameter.getRank() == 1 && parameter.getDimSize(0) == 1 &&
      blockSize == 0)
    return AffineMap::get(rank, 0, l.b.getAffineConstantExpr(0));
  FailureOr<int64_t> axis = l.axis(l.node.getInt("axis", 1), rank);
  if (failed(axis))
    return failure();
  if (blockSize == 0) {
    if (parameter.getRank() != 1)
      return l.fail("scales of rank " + Twine(parameter.getRank()) +
                    " need 'block_size'");
    return AffineMap::get(rank, 0, l.b.getAffineDimExpr(*axis));
  }
  if (parameter.getRank() != rank)
    return l.fail("blocked scales must have the rank of the input");
  SmallVector<AffineExpr> exprs;
  for (int64_t i = 0; i < rank; ++i) {
    AffineExpr d = l.b.getAffineDimExpr(i);
    exprs.push_back(i == *axis ? d.floorDiv(blockSize) : d);
  }
  return AffineMap::get(rank, 0, exprs, context);
}

static LogicalResult quantizeLinear(Lowering &l) {
  Type to = l.resultSourceElement(0), from = l.sourceElement(0);
  if (to.getIntOrFloatBitWidth() > 16)
    return l.fail("results of more than 16 bits are not supported");
  FailureOr<AffineMap> map = parameterMap(l, 1);
  if (failed(map))
    return failure();
  SmallVector<Value> inputs{l.in(0), l.in(1)};
  SmallVector<AffineMap> maps{l.identityMap(l.inType(0).getRank()), *map};
  bool hasZero = l.in(2) && isa<IntegerType>(to);
  if (hasZero) {
    inputs.push_back(l.in(2));
    maps.push_back(*map);
  }
  Type scaleType = l.sourceElement(1);
  Type f32 = l.b.getF32Type();
  Type compute = isa<FloatType>(from) && from.isF64() ? from : f32;
  return l.replace(
      l.mapped(l.sizes(l.in(0)), toSignless(to), inputs, maps,
               [&](OpBuilder &b, Location loc, ValueRange args) {
                 Value x = castScalar(b, loc, args[0], from, compute);
                 Value scale = castScalar(b, loc, args[1], scaleType, compute);
                 Value quotient = arith::DivFOp::create(b, loc, x, scale);
                 return quantizeScalar(b, loc, quotient,
                                       hasZero ? args[2] : Value(), to);
               }));
}

static LogicalResult dequantizeLinear(Lowering &l) {
  Type from = l.sourceElement(0), to = l.resultSourceElement(0);
  FailureOr<AffineMap> map = parameterMap(l, 1);
  if (failed(map))
    return failure();
  SmallVector<Value> inputs{l.in(0), l.in(1)};
  SmallVector<AffineMap> maps{l.identityMap(l.inType(0).getRank()), *map};
  bool hasZero = l.in(2) && isa<IntegerType>(from);
  if (hasZero) {
    inputs.push_back(l.in(2));
    maps.push_back(*map);
  }
  Type scaleType = l.sourceElement(1);
  Type f32 = l.b.getF32Type(), i32 = l.b.getI32Type();
  return l.replace(l.mapped(
      l.sizes(l.in(0)), to, inputs, maps,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value x = args[0];
        if (isa<IntegerType>(from)) {
          // Without a zero point i32 goes straight to float.
          x = castScalar(b, loc, x, from, i32);
          if (hasZero)
            x = arith::SubIOp::create(b, loc, x,
                                      castScalar(b, loc, args[2], from, i32));
          x = castScalar(b, loc, x, i32, f32);
        } else {
          x = castScalar(b, loc, x, from, f32);
        }
        Value scale = castScalar(b, loc, args[1], scaleType, f32);
        return castScalar(b, loc, arith::MulFOp::create(b, loc, x, scale), f32,
                          to);
      }));
}

/// The one element of a scalar or one-element tensor.
static Value elementOf(Lowering &l, Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<Value> at(type.getRank(), l.index(0));
  return tensor::ExtractOp::create(l.b, l.loc, tensor, at);
}

static LogicalResult dynamicQuantizeLinear(Lowering &l) {
  Type f32 = l.b.getF32Type();
  int64_t rank = l.inType(0).getRank();
  auto axes = llvm::to_vector(llvm::seq<int64_t>(rank));
  // The range includes zero.
  Value zero = l.scalar(f32, 0);
  auto extreme = [&](bool max) {
    Value reduced =
        l.reduce(l.in(0), axes, zero,
                 [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                   if (max)
                     return arith::MaximumFOp::create(b, loc, args[1], args[0]);
                   return arith::MinimumFOp::create(b, loc, args[1], args[0]);
                 });
    return elementOf(l, reduced);
  };
  Value high = extreme(true), low = extreme(false);
  Value range = arith::SubFOp::create(l.b, l.loc, high, low);
  Value scale = arith::DivFOp::create(l.b, l.loc, range, l.scalar(f32, 255));
  // All zeros: any scale will do.
  Value isZero =
      arith::CmpFOp::create(l.b, l.loc, arith::CmpFPredicate::OEQ, scale, zero);
  scale = arith::SelectOp::create(l.b, l.loc, isZero, l.scalar(f32, 1), scale);
  Value negative = arith::NegFOp::create(l.b, l.loc, low);
  Value offset = arith::DivFOp::create(l.b, l.loc, negative, scale);
  Type u8 = l.resultSourceElement(0);
  Value zeroPoint = quantizeScalar(l.b, l.loc, offset, Value(), u8);
  Value codes = l.elementwise(
      l.outType(), l.in(0), [&](OpBuilder &b, Location loc, ValueRange args) {
        Value quotient = arith::DivFOp::create(b, loc, args[0], scale);
        return quantizeScalar(b, loc, quotient, zeroPoint, u8);
      });
  auto scalarTensor = [&](Value value) -> Value {
    return tensor::FromElementsOp::create(
        l.b, l.loc, RankedTensorType::get({}, value.getType()), value);
  };
  return l.replace({codes, scalarTensor(scale), scalarTensor(zeroPoint)});
}

//===----------------------------------------------------------------------===//
// Integer contractions
//===----------------------------------------------------------------------===//

static ProductRule integerRule(Lowering &l, unsigned lhs, unsigned rhs,
                               unsigned lhsZero, unsigned rhsZero) {
  ProductRule rule;
  rule.sumType = l.b.getI32Type();
  rule.lhsType = l.sourceElement(lhs);
  rule.rhsType = l.sourceElement(rhs);
  auto given = [&](unsigned index) -> Value {
    Value zero = l.in(index);
    if (!zero)
      return {};
    // A constant zero costs nothing.
    auto constant = l.constantInts(index);
    if (constant && llvm::all_of(*constant, [](int64_t z) { return z == 0; }))
      return {};
    return zero;
  };
  rule.lhsZero = given(lhsZero);
  rule.rhsZero = given(rhsZero);
  return rule;
}

static bool isScalarLike(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getRank() == 0 ||
         (type.getRank() == 1 && type.getDimSize(0) == 1);
}

static LogicalResult checkZeroPoints(Lowering &l, const ProductRule &rule) {
  if (rule.lhsZero && !isScalarLike(rule.lhsZero))
    return l.fail("zero points per row are not supported");
  if (rule.rhsZero && !isScalarLike(rule.rhsZero) &&
      cast<RankedTensorType>(rule.rhsZero.getType()).getRank() != 1)
    return l.fail("zero points of a rank above 1 are not supported");
  return success();
}

static LogicalResult matmulInteger(Lowering &l) {
  ProductRule rule = integerRule(l, 0, 1, 2, 3);
  if (failed(checkZeroPoints(l, rule)))
    return failure();
  return l.replace(matmul(l, l.in(0), l.in(1), l.outType(), rule));
}

static LogicalResult convInteger(Lowering &l) {
  ProductRule rule = integerRule(l, 0, 1, 2, 3);
  FailureOr<onnx::Window> window = getConvWindow(l, 1);
  if (failed(window) || failed(checkZeroPoints(l, rule)))
    return failure();
  // Padding counts as zero, which is the zero point.
  Value pad = rule.lhsZero ? elementOf(l, rule.lhsZero) : Value();
  Value result = convolve(l, l.in(0), l.in(1), Value(),
                          l.node.getInt("group", 1), *window, rule, pad);
  if (!result)
    return failure();
  return l.replace(result);
}

/// `saturate(round(sum * (lhsScale * rhsScale / outScale)) + outZero)`; the
/// weight's scale may be one value per index of `channelLoop`.
static Value requantize(Lowering &l, Value sum, Value lhsScale, Value rhsScale,
                        Value outScale, Value outZero, int64_t channelLoop) {
  auto type = cast<RankedTensorType>(sum.getType());
  int64_t rank = type.getRank();
  Type to = l.resultSourceElement(0), f32 = l.b.getF32Type();
  MLIRContext *context = l.b.getContext();
  AffineMap scalarMap = AffineMap::get(rank, 0, context);
  auto mapOf = [&](Value parameter) {
    auto parameterType = cast<RankedTensorType>(parameter.getType());
    if (parameterType.getRank() == 0)
      return scalarMap;
    return AffineMap::get(rank, 0,
                          isScalarLike(parameter)
                              ? l.b.getAffineConstantExpr(0)
                              : l.b.getAffineDimExpr(channelLoop));
  };
  SmallVector<Value> inputs{sum, lhsScale, rhsScale, outScale};
  SmallVector<AffineMap> maps{l.identityMap(rank), mapOf(lhsScale),
                              mapOf(rhsScale), mapOf(outScale)};
  if (outZero) {
    inputs.push_back(outZero);
    maps.push_back(mapOf(outZero));
  }
  return l.mapped(
      l.sizes(sum), toSignless(to), inputs, maps,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value x = arith::SIToFPOp::create(b, loc, f32, args[0]);
        Value product = arith::MulFOp::create(b, loc, args[1], args[2]);
        Value factor = arith::DivFOp::create(b, loc, product, args[3]);
        Value scaled = arith::MulFOp::create(b, loc, x, factor);
        return quantizeScalar(b, loc, scaled, outZero ? args[4] : Value(), to);
      });
}

static LogicalResult qlinearConv(Lowering &l) {
  ProductRule rule = integerRule(l, 0, 3, 2, 5);
  FailureOr<onnx::Window> window = getConvWindow(l, 3);
  if (failed(window) || failed(checkZeroPoints(l, rule)))
    return failure();
  Value pad = rule.lhsZero ? elementOf(l, rule.lhsZero) : Value();
  Value sum = convolve(l, l.in(0), l.in(3), l.in(8), l.node.getInt("group", 1),
                       *window, rule, pad);
  if (!sum)
    return failure();
  return l.replace(requantize(l, sum, l.in(1), l.in(4), l.in(6), l.in(7), 1));
}

static LogicalResult qlinearMatmul(Lowering &l) {
  ProductRule rule = integerRule(l, 0, 3, 2, 5);
  if (failed(checkZeroPoints(l, rule)))
    return failure();
  for (unsigned i : {1u, 6u, 7u})
    if (!isScalarLike(l.in(i)))
      return l.fail("scales or zero points per row are not supported");
  if (cast<RankedTensorType>(l.in(4).getType()).getRank() > 1)
    return l.fail("scales of a rank above 1 are not supported");
  auto type = RankedTensorType::get(l.outType().getShape(), rule.sumType);
  Value sum = matmul(l, l.in(0), l.in(3), type, rule);
  return l.replace(requantize(l, sum, l.in(1), l.in(4), l.in(6), l.in(7),
                              type.getRank() - 1));
}

void compress::addQuantizationLowerings(LowerTable &table) {
  table["QuantizeLinear"] = quantizeLinear;
  table["DequantizeLinear"] = dequantizeLinear;
  table["DynamicQuantizeLinear"] = dynamicQuantizeLinear;
  table["MatMulInteger"] = matmulInteger;
  table["ConvInteger"] = convInteger;
  table["QLinearConv"] = qlinearConv;
  table["QLinearMatMul"] = qlinearMatmul;
}

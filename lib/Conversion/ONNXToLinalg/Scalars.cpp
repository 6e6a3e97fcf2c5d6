//===- Scalars.cpp - Scalar constants and conversions -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "compress/Dialect/Compress/IR/Minifloat.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace compress;

Type compress::toSignless(Type elementType) {
  auto type = dyn_cast<IntegerType>(elementType);
  if (!type || type.isSignless())
    return elementType;
  return IntegerType::get(type.getContext(), type.getWidth());
}

Value compress::scalarConstant(OpBuilder &b, Location loc, Type type,
                               double value) {
  if (auto floatType = dyn_cast<FloatType>(type)) {
    APFloat number(value);
    bool losesInfo;
    number.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                   &losesInfo);
    return arith::ConstantOp::create(b, loc, FloatAttr::get(floatType, number));
  }
  return arith::ConstantOp::create(
      b, loc, b.getIntegerAttr(toSignless(type), int64_t(value)));
}

static Value extremeConstant(OpBuilder &b, Location loc, Type sourceType,
                             bool lowest) {
  if (auto floatType = dyn_cast<FloatType>(sourceType)) {
    const llvm::fltSemantics &semantics = floatType.getFloatSemantics();
    return arith::ConstantOp::create(
        b, loc, FloatAttr::get(floatType, APFloat::getInf(semantics, lowest)));
  }
  unsigned width = sourceType.getIntOrFloatBitWidth();
  bool isUnsigned = onnx::isUnsigned(sourceType);
  APInt value =
      isUnsigned ? (lowest ? APInt::getZero(width) : APInt::getMaxValue(width))
                 : (lowest ? APInt::getSignedMinValue(width)
                           : APInt::getSignedMaxValue(width));
  return arith::ConstantOp::create(
      b, loc, IntegerAttr::get(toSignless(sourceType), value));
}

Value compress::lowestConstant(OpBuilder &b, Location loc, Type sourceType) {
  return extremeConstant(b, loc, sourceType, true);
}

Value compress::highestConstant(OpBuilder &b, Location loc, Type sourceType) {
  return extremeConstant(b, loc, sourceType, false);
}

static Value castFloat(OpBuilder &b, Location loc, Value value, FloatType to) {
  unsigned from = value.getType().getIntOrFloatBitWidth();
  if (value.getType() == to)
    return value;
  if (from < to.getWidth())
    return arith::ExtFOp::create(b, loc, to, value);
  if (from == to.getWidth()) { // f16 <-> bf16
    value = arith::ExtFOp::create(b, loc, b.getF32Type(), value);
    return arith::TruncFOp::create(b, loc, to, value);
  }
  return arith::TruncFOp::create(b, loc, to, value);
}

/// From any float type, small ones included, to f32 or wider.
static Value decodeFloat(OpBuilder &b, Location loc, Value value) {
  auto type = cast<FloatType>(value.getType());
  if (!isMinifloat(type))
    return value;
  Value code = arith::BitcastOp::create(
      b, loc, b.getIntegerType(type.getWidth()), value);
  return buildDecodeMinifloat(b, loc, code, type);
}

static Value encodeFloat(OpBuilder &b, Location loc, Value value,
                         FloatType to) {
  if (!isMinifloat(to))
    return castFloat(b, loc, value, to);
  value = castFloat(b, loc, value, b.getF32Type());
  Value code = buildEncodeMinifloat(b, loc, value, Minifloat::get(to));
  return arith::BitcastOp::create(b, loc, to, code);
}

Value compress::castScalar(OpBuilder &b, Location loc, Value value, Type from,
                           Type to, bool saturate) {
  if (from == to)
    return value;
  bool fromUnsigned = onnx::isUnsigned(from);
  Type target = toSignless(to);
  if (isa<FloatType>(from)) {
    value = decodeFloat(b, loc, value);
    if (auto floatType = dyn_cast<FloatType>(to))
      return encodeFloat(b, loc, value, floatType);
    if (to.isInteger(1)) {
      Value zero = scalarConstant(b, loc, value.getType(), 0);
      return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, value,
                                   zero);
    }
    // Through i64, because values outside of the range are poison otherwise;
    // narrow types keep the low bits as common CPUs do.
    unsigned width = to.getIntOrFloatBitWidth();
    if (onnx::isUnsigned(to) && width == 64)
      return arith::FPToUIOp::create(b, loc, target, value);
    Value wide = arith::FPToSIOp::create(
        b, loc,
        width <= 32 && !onnx::isUnsigned(to) ? b.getI32Type() : b.getI64Type(),
        value);
    if (wide.getType() == target)
      return wide;
    return arith::TruncIOp::create(b, loc, target, wide);
  }
  if (auto floatType = dyn_cast<FloatType>(to)) {
    Type middle = isMinifloat(floatType) ? b.getF32Type() : to;
    value = fromUnsigned
                ? arith::UIToFPOp::create(b, loc, middle, value).getResult()
                : arith::SIToFPOp::create(b, loc, middle, value).getResult();
    return encodeFloat(b, loc, value, floatType);
  }
  if (to.isInteger(1)) {
    Value zero = scalarConstant(b, loc, from, 0);
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, value, zero);
  }
  unsigned fromWidth = from.getIntOrFloatBitWidth();
  unsigned toWidth = to.getIntOrFloatBitWidth();
  if (fromWidth == toWidth)
    return value;
  if (fromWidth > toWidth)
    return arith::TruncIOp::create(b, loc, target, value);
  return fromUnsigned
             ? arith::ExtUIOp::create(b, loc, target, value).getResult()
             : arith::ExtSIOp::create(b, loc, target, value).getResult();
}

Value compress::quantizeScalar(OpBuilder &b, Location loc, Value value,
                               Value zeroPoint, Type to) {
  if (auto floatType = dyn_cast<FloatType>(to))
    return encodeFloat(b, loc, value, floatType);
  // Rounded in the float type, then clamped there: exact for at most 16 bits.
  Type floatType = value.getType();
  if (floatType.getIntOrFloatBitWidth() < 32) {
    floatType = b.getF32Type();
    value = arith::ExtFOp::create(b, loc, floatType, value);
  }
  value = math::RoundEvenOp::create(b, loc, value);
  if (zeroPoint) {
    Value offset =
        onnx::isUnsigned(to)
            ? arith::UIToFPOp::create(b, loc, floatType, zeroPoint).getResult()
            : arith::SIToFPOp::create(b, loc, floatType, zeroPoint).getResult();
    value = arith::AddFOp::create(b, loc, value, offset);
  }
  unsigned width = to.getIntOrFloatBitWidth();
  bool isUnsigned = onnx::isUnsigned(to);
  double low = isUnsigned ? 0.0 : -double(int64_t(1) << (width - 1));
  double high = isUnsigned ? double((int64_t(1) << width) - 1)
                           : double((int64_t(1) << (width - 1)) - 1);
  value = arith::MaximumFOp::create(b, loc, value,
                                    scalarConstant(b, loc, floatType, low));
  value = arith::MinimumFOp::create(b, loc, value,
                                    scalarConstant(b, loc, floatType, high));
  Value wide = arith::FPToSIOp::create(b, loc, b.getI32Type(), value);
  return arith::TruncIOp::create(b, loc, toSignless(to), wide);
}

//===- Minifloat.cpp - Bit-exact small float conversions --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Minifloat.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/APFloat.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace compress;
using llvm::APFloat;
using llvm::APInt;

bool compress::isMinifloat(Type type) {
  auto floatType = dyn_cast<FloatType>(type);
  return floatType && floatType.getWidth() <= 8;
}

static float codeValue(FloatType type, unsigned code) {
  APFloat value(type.getFloatSemantics(), APInt(type.getWidth(), code));
  bool losesInfo;
  value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven,
                &losesInfo);
  return value.convertToFloat();
}

Minifloat Minifloat::get(FloatType type) {
  const llvm::fltSemantics &semantics = type.getFloatSemantics();
  Minifloat format;
  format.width = type.getWidth();
  format.isPowerOfTwo = isa<Float8E8M0FNUType>(type);
  // The precision counts the implicit bit.
  format.mantissaBits = APFloat::semanticsPrecision(semantics) - 1;
  format.exponentBits =
      format.width - format.mantissaBits - (format.isPowerOfTwo ? 0 : 1);
  format.bias = 1 - APFloat::semanticsMinExponent(semantics);
  if (format.isPowerOfTwo) {
    format.bias = 127;
    format.maxCode = 254;
  } else {
    format.maxCode =
        APFloat::getLargest(semantics).bitcastToAPInt().getZExtValue();
  }
  format.hasNegativeZero =
      !format.isPowerOfTwo && codeValue(type, 1u << (format.width - 1)) == 0;
  format.maxValue = codeValue(type, format.maxCode);
  format.maxExponent = std::ilogb(format.maxValue);
  return format;
}

std::vector<float> compress::getMinifloatTable(FloatType type) {
  std::vector<float> table(size_t(1) << type.getWidth());
  for (size_t code = 0; code < table.size(); ++code)
    table[code] = codeValue(type, code);
  return table;
}

static uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// The method, in both forms below: clamp the magnitude, find the spacing
// ("quantum") of representable numbers around it, round the quotient to an
// integer. Counting quanta from the smallest exponent makes that integer plus
// the exponent's offset the code itself, subnormals and carries included.

unsigned compress::encodeMinifloat(float value, const Minifloat &format) {
  uint32_t bits = bitsOf(value);
  uint32_t sign = bits >> 31;
  uint32_t magnitude = bits & 0x7fffffff;
  if (format.isPowerOfTwo) {
    uint32_t code = (magnitude + 0x400000) >> 23;
    return std::min(code, format.maxCode);
  }
  float clamped = magnitude > 0x7f800000
                      ? format.maxValue
                      : std::fmin(floatOf(magnitude), format.maxValue);
  int minExponent = 1 - format.bias;
  int exponent = std::max(int(bitsOf(clamped) >> 23) - 127, minExponent);
  // Multiplying by the inverse power of two is exact.
  float inverse =
      floatOf(uint32_t(127 - (exponent - int(format.mantissaBits))) << 23);
  int count = int(std::nearbyint(clamped * inverse));
  unsigned code =
      (unsigned(exponent - minExponent) << format.mantissaBits) + count;
  if (code == 0 && !format.hasNegativeZero)
    return 0;
  return code | (sign << (format.width - 1));
}

Value compress::buildEncodeMinifloat(OpBuilder &b, Location loc, Value value,
                                     const Minifloat &format) {
  auto i32 = b.getI32Type();
  auto f32 = b.getF32Type();
  auto intConst = [&](int64_t v) -> Value {
    return arith::ConstantOp::create(b, loc, b.getIntegerAttr(i32, v));
  };
  Value bits = arith::BitcastOp::create(b, loc, i32, value);
  Value magnitude = arith::AndIOp::create(b, loc, bits, intConst(0x7fffffff));
  auto codeType = b.getIntegerType(format.width);
  if (format.isPowerOfTwo) {
    Value rounded =
        arith::AddIOp::create(b, loc, magnitude, intConst(0x400000));
    Value code = arith::ShRUIOp::create(b, loc, rounded, intConst(23));
    code = arith::MinUIOp::create(b, loc, code, intConst(format.maxCode));
    return arith::TruncIOp::create(b, loc, codeType, code);
  }
  Value absolute = arith::BitcastOp::create(b, loc, f32, magnitude);
  Value max =
      arith::ConstantOp::create(b, loc, b.getF32FloatAttr(format.maxValue));
  // An ordered "less" is false for NaN, which therefore takes the maximum.
  Value less =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, absolute, max);
  Value clamped = arith::SelectOp::create(b, loc, less, absolute, max);
  Value clampedBits = arith::BitcastOp::create(b, loc, i32, clamped);
  Value biased = arith::ShRUIOp::create(b, loc, clampedBits, intConst(23));
  // All exponents below keep f32's bias of 127.
  int minBiased = 127 + 1 - format.bias;
  biased = arith::MaxSIOp::create(b, loc, biased, intConst(minBiased));
  Value inverseBits = arith::SubIOp::create(
      b, loc, intConst(254 + format.mantissaBits), biased);
  inverseBits = arith::ShLIOp::create(b, loc, inverseBits, intConst(23));
  Value inverse = arith::BitcastOp::create(b, loc, f32, inverseBits);
  Value scaled = arith::MulFOp::create(b, loc, clamped, inverse);
  // Adding and subtracting 1.5 * 2^23 rounds to nearest even without a libm
  // call; the quotient is far below 2^22.
  Value magic =
      arith::ConstantOp::create(b, loc, b.getF32FloatAttr(12582912.0f));
  Value shifted = arith::AddFOp::create(b, loc, scaled, magic);
  Value shiftedBits = arith::BitcastOp::create(b, loc, i32, shifted);
  Value count =
      arith::SubIOp::create(b, loc, shiftedBits, intConst(0x4b400000));
  Value offset = arith::SubIOp::create(b, loc, biased, intConst(minBiased));
  offset = arith::ShLIOp::create(b, loc, offset, intConst(format.mantissaBits));
  Value code = arith::AddIOp::create(b, loc, offset, count);
  Value sign = arith::ShRUIOp::create(b, loc, bits, intConst(31));
  sign = arith::ShLIOp::create(b, loc, sign, intConst(format.width - 1));
  Value signedCode = arith::OrIOp::create(b, loc, code, sign);
  if (format.hasNegativeZero) {
    code = signedCode;
  } else {
    Value isZero = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, code,
                                         intConst(0));
    code = arith::SelectOp::create(b, loc, isZero, code, signedCode);
  }
  return arith::TruncIOp::create(b, loc, codeType, code);
}

Value compress::buildDecodeMinifloat(OpBuilder &b, Location loc, Value code,
                                     FloatType type) {
  std::vector<float> table = getMinifloatTable(type);
  auto tableType =
      RankedTensorType::get({int64_t(table.size())}, b.getF32Type());
  Value values = arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(tableType, ArrayRef<float>(table)));
  Value index = arith::IndexCastUIOp::create(b, loc, b.getIndexType(), code);
  return tensor::ExtractOp::create(b, loc, values, index);
}

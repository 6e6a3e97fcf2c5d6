//===- QuantEncodingIR.cpp - The quant encoding as IR -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The arithmetic of QuantEncoding.cpp, operation for operation.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "compress/Dialect/Compress/IR/Minifloat.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cmath>

using namespace mlir;
using namespace compress;

static Type getZeroElementType(QuantAttr attr) {
  auto dense = dyn_cast<DenseAttr>(attr.getZero());
  if (dense && isa<IntegerType>(dense.getStorageType()))
    return IntegerType::get(attr.getContext(), 32);
  return Float32Type::get(attr.getContext());
}

namespace {
/// Emits scalar f32 arithmetic tersely.
struct Scalar {
  OpBuilder &b;
  Location loc;

  Value constant(float value) {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
  }
  Value integer(int64_t value) {
    return arith::ConstantOp::create(
        b, loc, b.getI32IntegerAttr(static_cast<int32_t>(value)));
  }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) {
    return arith::CmpFOp::create(b, loc, predicate, x, y);
  }
  Value select(Value condition, Value x, Value y) {
    return arith::SelectOp::create(b, loc, condition, x, y);
  }
  /// `x < y ? x : y`: `y` when `x` is NaN.
  Value min(Value x, Value y) {
    return select(compare(arith::CmpFPredicate::OLT, x, y), x, y);
  }
  Value max(Value x, Value y) {
    return select(compare(arith::CmpFPredicate::OGT, x, y), x, y);
  }
  Value bits(Value x) {
    return arith::BitcastOp::create(b, loc, b.getI32Type(), x);
  }
  Value fromBits(Value x) {
    return arith::BitcastOp::create(b, loc, b.getF32Type(), x);
  }
};
} // namespace

/// One decoded element: `scale` and `zero` (or null) are decoded parameters.
static Value buildDecodeScalar(OpBuilder &b, Location loc, QuantAttr attr,
                               Type elementType, Value code, Value scale,
                               Value zero) {
  Type f32 = b.getF32Type();
  Type compute = elementType.isF64() ? Type(b.getF64Type()) : f32;
  Value number;
  if (attr.isFloatCode()) {
    number = buildNumericCast(b, loc, code, attr.getCodeType(), compute);
  } else {
    Type i32 = b.getI32Type();
    Value wide = attr.isSignedCode()
                     ? Value(arith::ExtSIOp::create(b, loc, i32, code))
                     : Value(arith::ExtUIOp::create(b, loc, i32, code));
    bool intZero = zero && isa<IntegerType>(zero.getType());
    if (intZero)
      wide = arith::SubIOp::create(b, loc, wide, zero);
    number = arith::SIToFPOp::create(b, loc, compute, wide);
    if (zero && !intZero)
      number = arith::SubFOp::create(
          b, loc, number, buildNumericCast(b, loc, zero, f32, compute));
  }
  Value wideScale = buildNumericCast(b, loc, scale, f32, compute);
  Value value = arith::MulFOp::create(b, loc, number, wideScale);
  return buildNumericCast(b, loc, value, compute, elementType);
}

/// Codes and decoded parameters: scales as f32 and, if there are any, zeros.
static FailureOr<SmallVector<Value>>
buildDecodedParameters(OpBuilder &builder, Location loc, QuantAttr attr,
                       ValueRange components) {
  SmallVector<Value> values{components[0]};
  auto scales = buildDecodeComponent(builder, loc, components[1],
                                     builder.getF32Type(), attr.getScale());
  if (failed(scales))
    return failure();
  values.push_back(*scales);
  if (attr.getZero()) {
    auto zeros = buildDecodeComponent(builder, loc, components[2],
                                      getZeroElementType(attr), attr.getZero());
    if (failed(zeros))
      return failure();
    values.push_back(*zeros);
  }
  return values;
}

FailureOr<Value> QuantAttr::buildDecode(OpBuilder &builder, Location loc,
                                        CompressedTensorType type,
                                        ValueRange components) const {
  auto inputs = buildDecodedParameters(builder, loc, *this, components);
  if (failed(inputs))
    return failure();
  SmallVector<AffineMap> maps(
      inputs->size(), compress::getGroupMap(getGroup(), builder.getContext()));
  maps[0] = builder.getMultiDimIdentityMap(type.getRank());
  return buildElementwise(
      builder, loc, type.getElementType(), *inputs,
      [&](OpBuilder &b, Location loc, ValueRange in) {
        return buildDecodeScalar(b, loc, *this, type.getElementType(), in[0],
                                 in[1], in.size() > 2 ? in[2] : Value());
      },
      maps);
}

FailureOr<Value> QuantAttr::buildGather(OpBuilder &builder, Location loc,
                                        CompressedTensorType type,
                                        ValueRange components, Value indices,
                                        int64_t axis) const {
  auto values = buildDecodedParameters(builder, loc, *this, components);
  if (failed(values))
    return failure();
  return buildGatherRows(
      builder, loc, components[0], type.getElementType(), indices, axis,
      [&](OpBuilder &b, Location loc, ValueRange position) {
        SmallVector<Value> groupPosition =
            buildGroupPosition(b, loc, position, getGroup());
        Value code = tensor::ExtractOp::create(b, loc, (*values)[0], position);
        Value scale =
            tensor::ExtractOp::create(b, loc, (*values)[1], groupPosition);
        Value zero;
        if (getZero())
          zero = tensor::ExtractOp::create(b, loc, (*values)[2], groupPosition);
        return buildDecodeScalar(b, loc, *this, type.getElementType(), code,
                                 scale, zero);
      });
}

/// The smallest and largest value of every group, zero included: two tensors
/// over the group grid.
static std::pair<Value, Value> buildRanges(OpBuilder &b, Location loc,
                                           QuantAttr attr, Value value,
                                           ArrayRef<OpFoldResult> grid) {
  Scalar s{b, loc};
  Value empty = tensor::EmptyOp::create(b, loc, grid, b.getF32Type());
  Value zero =
      linalg::FillOp::create(b, loc, s.constant(0.0f), empty).getResult(0);
  unsigned rank = attr.getGroup().size();
  AffineMap groupMap = compress::getGroupMap(attr.getGroup(), b.getContext());
  SmallVector<AffineMap> maps{b.getMultiDimIdentityMap(rank), groupMap,
                              groupMap};
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::reduction);
  // An axis of group size one keeps its elements apart: a parallel loop.
  for (auto [axis, size] : llvm::enumerate(attr.getGroup()))
    if (size == 1)
      iterators[axis] = utils::IteratorType::parallel;
  auto generic = linalg::GenericOp::create(
      b, loc, TypeRange{zero.getType(), zero.getType()}, value,
      ValueRange{zero, zero}, maps, iterators,
      [&](OpBuilder &nested, Location loc, ValueRange args) {
        Scalar s{nested, loc};
        Value x = buildNumericCast(nested, loc, args[0], args[0].getType(),
                                   nested.getF32Type());
        linalg::YieldOp::create(
            nested, loc, ValueRange{s.min(x, args[1]), s.max(x, args[2])});
      });
  return {generic.getResult(0), generic.getResult(1)};
}

static bool isPowerOfTwoScale(QuantAttr attr) {
  auto dense = dyn_cast<DenseAttr>(attr.getScale());
  return dense && isa<Float8E8M0FNUType>(dense.getStorageType());
}

/// The scalar rule `chooseScale` of the host reference.
static Value buildScale(Scalar s, QuantAttr attr, Value lo, Value hi) {
  OpBuilder &b = s.b;
  auto [codeLo, codeHi] = attr.getCodeRange();
  Value one = s.constant(1.0f), zero = s.constant(0.0f);
  if (attr.getZero()) {
    Value span = arith::SubFOp::create(b, s.loc, hi, lo);
    Value scale = arith::DivFOp::create(b, s.loc, span,
                                        s.constant(float(codeHi - codeLo)));
    return s.select(s.compare(arith::CmpFPredicate::OEQ, scale, zero), one,
                    scale);
  }
  Value absmax = s.max(hi, arith::NegFOp::create(b, s.loc, lo));
  Value isZero = s.compare(arith::CmpFPredicate::OEQ, absmax, zero);
  Value scale;
  if (attr.isFloatCode() && isPowerOfTwoScale(attr)) {
    Minifloat format = Minifloat::get(cast<FloatType>(attr.getCodeType()));
    Value exponent =
        arith::ShRUIOp::create(b, s.loc, s.bits(absmax), s.integer(23));
    exponent = arith::SubIOp::create(b, s.loc, exponent,
                                     s.integer(format.maxExponent));
    exponent = arith::MaxSIOp::create(b, s.loc, exponent, s.integer(1));
    scale =
        s.fromBits(arith::ShLIOp::create(b, s.loc, exponent, s.integer(23)));
  } else {
    scale = arith::DivFOp::create(
        b, s.loc, absmax,
        s.constant(std::fmax(std::fabs(codeLo), std::fabs(codeHi))));
    if (isPowerOfTwoScale(attr)) {
      Value up =
          arith::AddIOp::create(b, s.loc, s.bits(scale), s.integer(0x7fffff));
      scale = s.fromBits(
          arith::AndIOp::create(b, s.loc, up, s.integer(0x7f800000)));
    }
  }
  return s.select(isZero, one, scale);
}

FailureOr<SmallVector<Value>>
QuantAttr::buildEncode(OpBuilder &builder, Location loc,
                       CompressedTensorType type, Value value,
                       ValueRange parameters) const {
  Type f32 = builder.getF32Type();
  ArrayRef<int64_t> shape = type.getShape();
  Type scaleType = getScaleComponentType(shape);
  Type zeroElement, zeroType;
  if (getZero()) {
    zeroElement = getZeroElementType(*this);
    zeroType = getZeroComponentType(shape);
  }
  SmallVector<Value> stored(parameters);
  Value scales;
  if (stored.empty()) {
    SmallVector<OpFoldResult> sizes =
        tensor::getMixedSizes(builder, loc, value);
    SmallVector<OpFoldResult> grid;
    for (auto [axis, dim] : llvm::enumerate(getGroupGrid(shape))) {
      if (!ShapedType::isDynamic(dim)) {
        grid.push_back(builder.getIndexAttr(dim));
        continue;
      }
      Value size = getValueOrCreateConstantIndexOp(builder, loc, sizes[axis]);
      Value group =
          arith::ConstantIndexOp::create(builder, loc, getGroup()[axis]);
      grid.push_back(
          arith::CeilDivUIOp::create(builder, loc, size, group).getResult());
    }
    auto [lo, hi] = buildRanges(builder, loc, *this, value, grid);
    Value chosen = buildElementwise(
        builder, loc, f32, {lo, hi},
        [&](OpBuilder &b, Location loc, ValueRange in) {
          return buildScale(Scalar{b, loc}, *this, in[0], in[1]);
        });
    auto encoded =
        buildEncodeComponent(builder, loc, chosen, scaleType, getScale());
    if (failed(encoded))
      return failure();
    stored.push_back(*encoded);
    auto effective =
        buildDecodeComponent(builder, loc, *encoded, f32, getScale());
    if (failed(effective))
      return failure();
    scales = *effective;
    if (getZero()) {
      auto [codeLo, codeHi] = getCodeRange();
      float first = codeLo, last = codeHi;
      bool round = isa<IntegerType>(zeroElement);
      Value chosenZeros = buildElementwise(
          builder, loc, zeroElement, {lo, scales},
          [&](OpBuilder &b, Location loc, ValueRange in) -> Value {
            Scalar s{b, loc};
            Value shift = arith::DivFOp::create(b, loc, in[0], in[1]);
            Value zero =
                arith::SubFOp::create(b, loc, s.constant(first), shift);
            zero = s.max(zero, s.constant(first));
            zero = s.min(zero, s.constant(last));
            if (!round)
              return zero;
            zero = math::RoundEvenOp::create(b, loc, zero);
            return arith::FPToSIOp::create(b, loc, zeroElement, zero);
          });
      auto encodedZeros =
          buildEncodeComponent(builder, loc, chosenZeros, zeroType, getZero());
      if (failed(encodedZeros))
        return failure();
      stored.push_back(*encodedZeros);
    }
  }
  if (!scales) {
    auto decoded =
        buildDecodeComponent(builder, loc, stored[0], f32, getScale());
    if (failed(decoded))
      return failure();
    scales = *decoded;
  }
  SmallVector<Value> inputs{value, scales};
  if (getZero()) {
    auto decoded =
        buildDecodeComponent(builder, loc, stored[1], zeroElement, getZero());
    if (failed(decoded))
      return failure();
    inputs.push_back(*decoded);
  }

  AffineMap groupMap = compress::getGroupMap(getGroup(), builder.getContext());
  SmallVector<AffineMap> maps(inputs.size(), groupMap);
  maps[0] = builder.getMultiDimIdentityMap(type.getRank());
  auto [codeLo, codeHi] = getCodeRange();
  float first = codeLo, last = codeHi;
  Type codeElement = type.getLeafTypes()[0].getElementType();
  Value codes = buildElementwise(
      builder, loc, codeElement, inputs,
      [&](OpBuilder &b, Location loc, ValueRange in) -> Value {
        Scalar s{b, loc};
        Value x = buildNumericCast(b, loc, in[0], in[0].getType(), f32);
        Value quotient = arith::DivFOp::create(b, loc, x, in[1]);
        if (isFloatCode())
          return buildNumericCast(b, loc, quotient, f32, getCodeType());
        Value code;
        if (getZero() && isa<FloatType>(zeroElement)) {
          Value shifted = arith::AddFOp::create(b, loc, quotient, in[2]);
          code = math::RoundEvenOp::create(b, loc, shifted);
        } else {
          code = math::RoundEvenOp::create(b, loc, quotient);
          if (getZero()) {
            Value zero = arith::SIToFPOp::create(b, loc, f32, in[2]);
            code = arith::AddFOp::create(b, loc, code, zero);
          }
        }
        code = s.min(code, s.constant(last));
        code = s.max(code, s.constant(first));
        Value integer = arith::FPToSIOp::create(b, loc, b.getI32Type(), code);
        return arith::TruncIOp::create(b, loc, codeElement, integer);
      },
      maps);
  SmallVector<Value> result{codes};
  llvm::append_range(result, stored);
  return result;
}

//===- EncodingIR.cpp - IR builders shared by encodings ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

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

Value compress::buildEmptyLike(OpBuilder &b, Location loc, Value like,
                               Type elementType) {
  return tensor::EmptyOp::create(b, loc, tensor::getMixedSizes(b, loc, like),
                                 elementType);
}

Value compress::buildElementwise(OpBuilder &b, Location loc,
                                 Type resultElementType, ValueRange inputs,
                                 BodyBuilder body, ArrayRef<AffineMap> maps) {
  Value init = buildEmptyLike(b, loc, inputs[0], resultElementType);
  unsigned rank = cast<RankedTensorType>(init.getType()).getRank();
  AffineMap identity = b.getMultiDimIdentityMap(rank);
  SmallVector<AffineMap> allMaps(maps);
  if (allMaps.empty())
    allMaps.assign(inputs.size(), identity);
  allMaps.push_back(identity);
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, init.getType(), inputs, init, allMaps, iterators,
             [&](OpBuilder &nested, Location loc, ValueRange args) {
               Value result = body(nested, loc, args.drop_back());
               linalg::YieldOp::create(nested, loc, result);
             })
      .getResult(0);
}

Value compress::buildGroupReduce(OpBuilder &b, Location loc, Value value,
                                 ArrayRef<int64_t> group, double start,
                                 BodyBuilder combine) {
  auto type = cast<RankedTensorType>(value.getType());
  unsigned rank = group.size();
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, value), grid;
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::reduction);
  for (auto [axis, dim] :
       llvm::enumerate(getGroupGrid(type.getShape(), group))) {
    // An axis of group size one keeps its elements apart: a parallel loop.
    if (group[axis] == 1)
      iterators[axis] = utils::IteratorType::parallel;
    if (!ShapedType::isDynamic(dim)) {
      grid.push_back(b.getIndexAttr(dim));
      continue;
    }
    Value size = getValueOrCreateConstantIndexOp(b, loc, sizes[axis]);
    Value block = arith::ConstantIndexOp::create(b, loc, group[axis]);
    grid.push_back(arith::CeilDivUIOp::create(b, loc, size, block).getResult());
  }
  Type element = type.getElementType();
  Value empty = tensor::EmptyOp::create(b, loc, grid, element);
  Value first =
      arith::ConstantOp::create(b, loc, b.getFloatAttr(element, start));
  Value init = linalg::FillOp::create(b, loc, first, empty).getResult(0);
  AffineMap maps[] = {b.getMultiDimIdentityMap(rank),
                      getGroupMap(group, b.getContext())};
  return linalg::GenericOp::create(
             b, loc, init.getType(), value, init, maps, iterators,
             [&](OpBuilder &nested, Location loc, ValueRange args) {
               linalg::YieldOp::create(nested, loc, combine(nested, loc, args));
             })
      .getResult(0);
}

SmallVector<Value> compress::buildGroupPosition(OpBuilder &b, Location loc,
                                                ValueRange position,
                                                ArrayRef<int64_t> group) {
  SmallVector<Value> result;
  for (auto [index, size] : llvm::zip_equal(position, group)) {
    if (ShapedType::isDynamic(size))
      result.push_back(arith::ConstantIndexOp::create(b, loc, 0));
    else if (size == 1)
      result.push_back(index);
    else
      result.push_back(arith::DivUIOp::create(
          b, loc, index, arith::ConstantIndexOp::create(b, loc, size)));
  }
  return result;
}

Value compress::buildGatherRows(OpBuilder &b, Location loc, Value table,
                                Type elementType, Value indices, int64_t axis,
                                BodyBuilder at, bool wrapNegative) {
  return buildLookup(b, loc, tensor::getMixedSizes(b, loc, table), elementType,
                     indices, axis, at, wrapNegative);
}

Value compress::buildLookup(OpBuilder &b, Location loc,
                            ArrayRef<OpFoldResult> tableSizes, Type elementType,
                            Value indices, int64_t axis, BodyBuilder at,
                            bool wrapNegative) {
  SmallVector<OpFoldResult> indexSizes = tensor::getMixedSizes(b, loc, indices);
  int64_t indexRank = indexSizes.size();
  SmallVector<OpFoldResult> sizes(tableSizes.take_front(axis));
  llvm::append_range(sizes, indexSizes);
  llvm::append_range(sizes, tableSizes.drop_front(axis + 1));
  unsigned rank = sizes.size();
  Value extent = getValueOrCreateConstantIndexOp(b, loc, tableSizes[axis]);
  Value init = tensor::EmptyOp::create(b, loc, sizes, elementType);
  SmallVector<AffineExpr> indexExprs;
  for (int64_t i = 0; i < indexRank; ++i)
    indexExprs.push_back(b.getAffineDimExpr(axis + i));
  AffineMap maps[] = {AffineMap::get(rank, 0, indexExprs, b.getContext()),
                      b.getMultiDimIdentityMap(rank)};
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, init.getType(), indices, init, maps, iterators,
             [&](OpBuilder &nested, Location loc, ValueRange args) {
               Value index = args[0];
               if (!index.getType().isIndex())
                 index = arith::IndexCastOp::create(
                     nested, loc, nested.getIndexType(), index);
               Value zero = arith::ConstantIndexOp::create(nested, loc, 0);
               if (wrapNegative) {
                 Value negative = arith::CmpIOp::create(
                     nested, loc, arith::CmpIPredicate::slt, index, zero);
                 Value wrapped =
                     arith::AddIOp::create(nested, loc, index, extent);
                 index = arith::SelectOp::create(nested, loc, negative, wrapped,
                                                 index);
               }
               // A table is never read outside, whatever the index.
               Value last = arith::SubIOp::create(
                   nested, loc, extent,
                   arith::ConstantIndexOp::create(nested, loc, 1));
               index = arith::MaxSIOp::create(nested, loc, index, zero);
               index = arith::MinSIOp::create(nested, loc, index, last);
               SmallVector<Value> position;
               for (int64_t d = 0, e = tableSizes.size(); d < e; ++d) {
                 if (d == axis)
                   position.push_back(index);
                 else
                   position.push_back(linalg::IndexOp::create(
                       nested, loc, d < axis ? d : d - 1 + indexRank));
               }
               linalg::YieldOp::create(nested, loc, at(nested, loc, position));
             })
      .getResult(0);
}

Value compress::buildEinsum(OpBuilder &b, Location loc, Value lhs,
                            ArrayRef<unsigned> lhsLabels, Value rhs,
                            ArrayRef<unsigned> rhsLabels,
                            ArrayRef<unsigned> resultLabels) {
  SmallVector<unsigned> loops(resultLabels);
  for (ArrayRef<unsigned> labels : {lhsLabels, rhsLabels})
    for (unsigned label : labels)
      if (!llvm::is_contained(loops, label))
        loops.push_back(label);
  auto mapOf = [&](ArrayRef<unsigned> labels) {
    SmallVector<AffineExpr> exprs;
    for (unsigned label : labels)
      exprs.push_back(
          b.getAffineDimExpr(llvm::find(loops, label) - loops.begin()));
    return AffineMap::get(loops.size(), 0, exprs, b.getContext());
  };
  SmallVector<OpFoldResult> sizes;
  for (unsigned label : resultLabels) {
    const auto *it = llvm::find(lhsLabels, label);
    if (it != lhsLabels.end())
      sizes.push_back(
          tensor::getMixedSize(b, loc, lhs, it - lhsLabels.begin()));
    else
      sizes.push_back(tensor::getMixedSize(
          b, loc, rhs, llvm::find(rhsLabels, label) - rhsLabels.begin()));
  }
  Type element = cast<RankedTensorType>(lhs.getType()).getElementType();
  Value zero = arith::ConstantOp::create(b, loc, b.getFloatAttr(element, 0.0));
  Value empty = tensor::EmptyOp::create(b, loc, sizes, element);
  // Fusion of elementwise operations overlooks outputs that are read, so
  // without a sum the zero is no output.
  bool sums = loops.size() > resultLabels.size();
  Value init =
      sums ? linalg::FillOp::create(b, loc, zero, empty).getResult(0) : empty;
  SmallVector<utils::IteratorType> iterators(loops.size(),
                                             utils::IteratorType::reduction);
  std::fill_n(iterators.begin(), resultLabels.size(),
              utils::IteratorType::parallel);
  AffineMap maps[] = {mapOf(lhsLabels), mapOf(rhsLabels), mapOf(resultLabels)};
  return linalg::GenericOp::create(
             b, loc, init.getType(), ValueRange{lhs, rhs}, init, maps,
             iterators,
             [&](OpBuilder &b, Location loc, ValueRange in) {
               Value product = arith::MulFOp::create(b, loc, in[0], in[1]);
               Value sum =
                   arith::AddFOp::create(b, loc, sums ? in[2] : zero, product);
               linalg::YieldOp::create(b, loc, sum);
             })
      .getResult(0);
}

static bool isUnsigned(Type type) {
  auto integer = cast<IntegerType>(type);
  return integer.isUnsigned() ||
         (integer.isSignless() && integer.getWidth() == 1);
}

static Value convertFloat(OpBuilder &b, Location loc, Value value, Type to) {
  unsigned from = value.getType().getIntOrFloatBitWidth();
  unsigned width = to.getIntOrFloatBitWidth();
  if (value.getType() == to)
    return value;
  if (from < width)
    return arith::ExtFOp::create(b, loc, to, value);
  if (from > width)
    return arith::TruncFOp::create(b, loc, to, value);
  // f16 <-> bf16.
  Value wide = arith::ExtFOp::create(b, loc, b.getF32Type(), value);
  return arith::TruncFOp::create(b, loc, to, wide);
}

static Value floatToInt(OpBuilder &b, Location loc, Value value, Type to) {
  unsigned width = to.getIntOrFloatBitWidth();
  bool isUns = isUnsigned(to);
  // The bounds must be exact in the type that they are compared in.
  Type compute = width > 24 ? Type(b.getF64Type()) : Type(b.getF32Type());
  if (value.getType().getIntOrFloatBitWidth() > 32)
    compute = b.getF64Type();
  value = convertFloat(b, loc, value, compute);
  Value rounded = math::RoundEvenOp::create(b, loc, value);
  double lo = isUns ? 0.0 : -std::ldexp(1.0, width - 1);
  double hi =
      isUns ? std::ldexp(1.0, width) - 1 : std::ldexp(1.0, width - 1) - 1;
  Value loValue =
      arith::ConstantOp::create(b, loc, b.getFloatAttr(compute, lo));
  Value hiValue =
      arith::ConstantOp::create(b, loc, b.getFloatAttr(compute, hi));
  Value below = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT,
                                      rounded, hiValue);
  Value upper = arith::SelectOp::create(b, loc, below, rounded, hiValue);
  Value above =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, upper, loValue);
  Value clamped = arith::SelectOp::create(b, loc, above, upper, loValue);
  // Narrow conversions go through i32, which every target has natively.
  Type wide = width <= 16 ? b.getI32Type() : b.getI64Type();
  if (width == 64)
    return isUns ? Value(arith::FPToUIOp::create(b, loc, wide, clamped))
                 : Value(arith::FPToSIOp::create(b, loc, wide, clamped));
  Value integer = arith::FPToSIOp::create(b, loc, wide, clamped);
  return arith::TruncIOp::create(b, loc, b.getIntegerType(width), integer);
}

static Value intToInt(OpBuilder &b, Location loc, Value value, Type from,
                      Type to) {
  unsigned fromWidth = from.getIntOrFloatBitWidth();
  unsigned width = to.getIntOrFloatBitWidth();
  Type i64 = b.getI64Type();
  Value wide = value;
  if (fromWidth < 64)
    wide = isUnsigned(from) ? Value(arith::ExtUIOp::create(b, loc, i64, value))
                            : Value(arith::ExtSIOp::create(b, loc, i64, value));
  if (width == 64)
    return wide;
  int64_t lo = isUnsigned(to) ? 0 : llvm::minIntN(width);
  int64_t hi =
      isUnsigned(to) ? int64_t(llvm::maxUIntN(width)) : llvm::maxIntN(width);
  auto constant = [&](int64_t v) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(v));
  };
  wide = arith::MaxSIOp::create(b, loc, wide, constant(lo));
  wide = arith::MinSIOp::create(b, loc, wide, constant(hi));
  return arith::TruncIOp::create(b, loc, b.getIntegerType(width), wide);
}

Value compress::buildNumericCast(OpBuilder &b, Location loc, Value value,
                                 Type from, Type to) {
  if (from == to)
    return value;
  if (isa<IntegerType>(from) && isa<IntegerType>(to))
    return intToInt(b, loc, value, from, to);
  if (isa<IntegerType>(from)) {
    unsigned width = from.getIntOrFloatBitWidth();
    Type compute = width > 24 ? Type(b.getF64Type()) : Type(b.getF32Type());
    Type wide = width < 32 ? b.getI32Type() : from;
    if (width < 32)
      value = isUnsigned(from)
                  ? Value(arith::ExtUIOp::create(b, loc, wide, value))
                  : Value(arith::ExtSIOp::create(b, loc, wide, value));
    bool asUnsigned = width >= 32 && isUnsigned(from);
    value = asUnsigned ? Value(arith::UIToFPOp::create(b, loc, compute, value))
                       : Value(arith::SIToFPOp::create(b, loc, compute, value));
  } else if (isMinifloat(from)) {
    Value code = arith::BitcastOp::create(
        b, loc, b.getIntegerType(from.getIntOrFloatBitWidth()), value);
    value = buildDecodeMinifloat(b, loc, code, cast<FloatType>(from));
  }
  // `value` is a float of at least 16 bits now.
  if (isa<IntegerType>(to))
    return floatToInt(b, loc, value, to);
  if (isMinifloat(to)) {
    value = convertFloat(b, loc, value, b.getF32Type());
    Value code = buildEncodeMinifloat(b, loc, value,
                                      Minifloat::get(cast<FloatType>(to)));
    return arith::BitcastOp::create(b, loc, to, code);
  }
  return convertFloat(b, loc, value, to);
}

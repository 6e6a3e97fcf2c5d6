//===- Shape.cpp - Reshape, Shape, Expand, Range, ... -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;
using mlir::utils::IteratorType;

static OpFoldResult numElements(Lowering &l, Value tensor) {
  OpFoldResult count = l.b.getIndexAttr(1);
  for (OpFoldResult size : l.sizes(tensor))
    count = l.mul(count, size);
  return count;
}

/// Quotient of sizes where the divisor is known to divide.
static OpFoldResult divide(Lowering &l, OpFoldResult x, OpFoldResult y) {
  auto cx = getConstantIntValue(x), cy = getConstantIntValue(y);
  if (cy && *cy == 1)
    return x;
  if (cx && cy && *cy != 0)
    return l.b.getIndexAttr(*cx / *cy);
  return arith::DivUIOp::create(l.b, l.loc, l.toValue(x), l.toValue(y))
      .getResult();
}

static LogicalResult reshape(Lowering &l) {
  auto from = l.inType(0), to = l.outType();
  Sizes fromSizes = l.sizes(l.in(0)), sizes;
  SmallVector<int64_t> unknown;
  for (int64_t i = 0; i < to.getRank(); ++i) {
    if (to.isDynamicDim(i))
      unknown.push_back(i);
    sizes.push_back(
        l.b.getIndexAttr(to.isDynamicDim(i) ? 1 : to.getDimSize(i)));
  }
  if (unknown.size() == 1) {
    // What is left of the elements. One dynamic size against another needs no
    // product: their static parts are known.
    int64_t at = unknown[0];
    SmallVector<int64_t> dynamic;
    int64_t staticFrom = 1, staticTo = 1;
    for (int64_t i = 0; i < from.getRank(); ++i) {
      if (from.isDynamicDim(i))
        dynamic.push_back(i);
      else
        staticFrom *= from.getDimSize(i);
    }
    for (int64_t i = 0; i < to.getRank(); ++i)
      if (!to.isDynamicDim(i))
        staticTo *= to.getDimSize(i);
    AffineExpr d = l.b.getAffineDimExpr(0);
    if (dynamic.size() == 1 && staticTo > 0)
      sizes[at] =
          l.apply((d * staticFrom).floorDiv(staticTo), fromSizes[dynamic[0]]);
    else
      sizes[at] = divide(l, numElements(l, l.in(0)),
                         l.b.getIndexAttr(std::max<int64_t>(staticTo, 1)));
  } else if (unknown.size() > 1) {
    // Read the shape: 0 copies a size of the input, -1 is what is left.
    auto wanted = l.node.findInts("shape");
    if (!wanted && !l.in(1))
      return l.fail("the shape is missing");
    bool allowZero = l.node.getInt("allowzero", 0);
    auto constants = l.attrOrInts("shape", 1);
    Value zero = l.index(0), minus = l.index(-1);
    OpFoldResult rest = numElements(l, l.in(0));
    std::optional<int64_t> inferred;
    for (int64_t i = 0; i < to.getRank(); ++i) {
      if (!to.isDynamicDim(i))
        continue;
      OpFoldResult copied =
          i < from.getRank() ? fromSizes[i] : OpFoldResult(l.b.getIndexAttr(0));
      if (constants) {
        int64_t size = (*constants)[i];
        if (size == -1)
          inferred = i;
        else
          sizes[i] = size == 0 && !allowZero
                         ? copied
                         : OpFoldResult(l.b.getIndexAttr(size));
        continue;
      }
      Value size = l.extractIndex(l.in(1), i);
      if (!allowZero) {
        Value isZero = arith::CmpIOp::create(
            l.b, l.loc, arith::CmpIPredicate::eq, size, zero);
        size = arith::SelectOp::create(l.b, l.loc, isZero, l.toValue(copied),
                                       size);
      }
      sizes[i] = size;
    }
    if (constants) {
      if (inferred) {
        OpFoldResult others = l.b.getIndexAttr(1);
        for (int64_t i = 0; i < to.getRank(); ++i)
          if (i != *inferred)
            others = l.mul(others, sizes[i]);
        sizes[*inferred] = divide(l, rest, others);
      }
    } else {
      // At most one of them is -1, which is known at run time only: divide by
      // the product of the magnitudes.
      OpFoldResult others = l.b.getIndexAttr(1);
      for (OpFoldResult size : sizes) {
        if (auto value = dyn_cast<Value>(size)) {
          Value isMinus = arith::CmpIOp::create(
              l.b, l.loc, arith::CmpIPredicate::eq, value, minus);
          size = arith::SelectOp::create(l.b, l.loc, isMinus, l.index(1), value)
                     .getResult();
        }
        others = l.mul(others, size);
      }
      Value quotient = l.toValue(divide(l, rest, others));
      for (OpFoldResult &size : sizes)
        if (auto value = dyn_cast<Value>(size)) {
          Value isMinus = arith::CmpIOp::create(
              l.b, l.loc, arith::CmpIPredicate::eq, value, minus);
          size = arith::SelectOp::create(l.b, l.loc, isMinus, quotient, value)
                     .getResult();
        }
    }
  }
  return l.replace(l.reshape(l.in(0), to, sizes));
}

static LogicalResult flatten(Lowering &l) {
  auto from = l.inType(0), to = l.outType();
  int64_t rank = from.getRank(), axis = l.node.getInt("axis", 1);
  if (axis < -rank || axis > rank)
    return l.fail("axis " + Twine(axis) + " is outside of rank " + Twine(rank));
  if (axis < 0)
    axis += rank;
  Sizes fromSizes = l.sizes(l.in(0));
  OpFoldResult first = l.b.getIndexAttr(1), second = first;
  for (int64_t i = 0; i < rank; ++i) {
    OpFoldResult &part = i < axis ? first : second;
    part = l.mul(part, fromSizes[i]);
  }
  // The groups are known here, so several dynamic sizes are no obstacle.
  if (axis > 0 && axis < rank) {
    SmallVector<ReassociationIndices> groups{
        llvm::to_vector<2>(llvm::seq<int64_t>(0, axis)),
        llvm::to_vector<2>(llvm::seq<int64_t>(axis, rank))};
    if (rank == 2)
      return l.replace(l.in(0));
    return l.replace(
        tensor::CollapseShapeOp::create(l.b, l.loc, l.in(0), groups)
            .getResult());
  }
  return l.replace(l.reshape(l.in(0), to, {first, second}));
}

/// Squeeze and Unsqueeze: the dynamic sizes keep their order.
static LogicalResult changeUnits(Lowering &l) {
  auto from = l.inType(0), to = l.outType();
  Sizes fromSizes = l.sizes(l.in(0)), sizes;
  SmallVector<bool> unit;
  bool squeeze = l.node.getOpType() == "Squeeze";
  const RankedTensorType &larger = squeeze ? from : to;
  unit.assign(larger.getRank(), false);
  auto axes = l.attrOrInts("axes", 1);
  if (!axes) {
    if (l.in(1) || !squeeze)
      return l.fail("axes that are not constant are not supported");
    for (int64_t i = 0; i < from.getRank(); ++i)
      unit[i] = from.getDimSize(i) == 1;
  } else {
    for (int64_t value : *axes) {
      FailureOr<int64_t> axis = l.axis(value, larger.getRank());
      if (failed(axis))
        return failure();
      unit[*axis] = true;
    }
  }
  if (squeeze) {
    for (int64_t i = 0; i < from.getRank(); ++i)
      if (!unit[i])
        sizes.push_back(fromSizes[i]);
  } else {
    for (int64_t i = 0, next = 0; i < to.getRank(); ++i)
      sizes.push_back(unit[i] || next >= from.getRank()
                          ? OpFoldResult(l.b.getIndexAttr(1))
                          : fromSizes[next++]);
  }
  // A dynamic size that is dropped is 1: say so, or shapes do not line up.
  Value source = l.in(0);
  if (squeeze) {
    SmallVector<int64_t> shape(from.getShape());
    for (int64_t i = 0; i < from.getRank(); ++i)
      if (unit[i])
        shape[i] = 1;
    source =
        l.castTo(source, RankedTensorType::get(shape, from.getElementType()));
  }
  return l.replace(l.reshape(source, to, sizes));
}

static LogicalResult shapeOf(Lowering &l) {
  int64_t rank = l.inType(0).getRank();
  auto clamp = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  int64_t start = clamp(l.node.getInt("start", 0));
  int64_t end = clamp(l.node.getInt("end", rank));
  Type i64 = l.b.getI64Type();
  if (start >= end)
    return l.replace(l.empty(OpFoldResult(l.b.getIndexAttr(0)), i64));
  auto type = l.inType(0);
  ArrayRef<int64_t> part = type.getShape().slice(start, end - start);
  if (llvm::none_of(part, ShapedType::isDynamic))
    return l.replace(l.constantInts({end - start}, i64, part));
  SmallVector<Value> values;
  for (int64_t i = start; i < end; ++i)
    values.push_back(arith::IndexCastOp::create(l.b, l.loc, i64,
                                                l.toValue(l.dim(l.in(0), i))));
  return l.replace(
      tensor::FromElementsOp::create(l.b, l.loc, values).getResult());
}

static LogicalResult sizeOf(Lowering &l) {
  Value count = arith::IndexCastOp::create(l.b, l.loc, l.b.getI64Type(),
                                           l.toValue(numElements(l, l.in(0))));
  return l.replace(
      tensor::FromElementsOp::create(l.b, l.loc, l.outType(), count)
          .getResult());
}

/// Sizes of a result whose shape is read from 1-D input `index`.
static Sizes sizesFromInput(Lowering &l, unsigned index) {
  Sizes sizes;
  auto type = l.outType();
  for (int64_t i = 0; i < type.getRank(); ++i)
    sizes.push_back(type.isDynamicDim(i)
                        ? OpFoldResult(l.extractIndex(l.in(index), i))
                        : OpFoldResult(l.b.getIndexAttr(type.getDimSize(i))));
  return sizes;
}

static Value broadcastTo(Lowering &l, Value value,
                         ArrayRef<OpFoldResult> sizes) {
  auto type = cast<RankedTensorType>(value.getType());
  return l.mapped(
      sizes, type.getElementType(), value,
      l.broadcastMap(type.getShape(), l.outType().getShape()),
      [](OpBuilder &, Location, ValueRange args) { return args[0]; });
}

static LogicalResult expand(Lowering &l) {
  auto type = l.outType(), from = l.inType(0);
  int64_t lead = type.getRank() - from.getRank();
  auto wantedType = l.inType(1);
  if (wantedType.isDynamicDim(0))
    return l.fail("a shape of unknown length is not supported");
  int64_t wantedLead = type.getRank() - wantedType.getDimSize(0);
  Sizes sizes;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (!type.isDynamicDim(i)) {
      sizes.push_back(l.b.getIndexAttr(type.getDimSize(i)));
      continue;
    }
    // A size of the input other than 1 decides.
    if (i >= lead && from.getDimSize(i - lead) != 1)
      sizes.push_back(l.dim(l.in(0), i - lead));
    else
      sizes.push_back(l.extractIndex(l.in(1), i - wantedLead));
  }
  return l.replace(broadcastTo(l, l.in(0), sizes));
}

static LogicalResult constantOfShape(Lowering &l) {
  Type element = l.outType().getElementType();
  Value fill;
  if (auto attr = dyn_cast_or_null<ElementsAttr>(l.node.getAttr("value"))) {
    FailureOr<HostTensor> value = onnx::getConstant(attr);
    if (failed(value) || value->getNumElements() != 1)
      return l.fail("attribute 'value' must hold one number");
    fill = isa<FloatType>(element) ? l.scalar(element, value->getDouble(0))
                                   : l.scalarInt(element, value->getInt(0));
  } else {
    fill = l.scalarInt(element, 0);
  }
  return l.replace(l.filled(sizesFromInput(l, 0), fill));
}

static LogicalResult range(Lowering &l) {
  auto type = l.outType();
  Type element = type.getElementType();
  SmallVector<Value> bounds;
  for (unsigned i = 0; i < 3; ++i) {
    Value bound = l.in(i);
    SmallVector<Value> at(l.inType(i).getRank(), l.index(0));
    bounds.push_back(tensor::ExtractOp::create(l.b, l.loc, bound, at));
  }
  bool isFloat = isa<FloatType>(element);
  OpFoldResult size =
      l.b.getIndexAttr(type.isDynamicDim(0) ? 0 : type.getDimSize(0));
  if (type.isDynamicDim(0)) {
    // max(ceil((limit - start) / delta), 0)
    Value count;
    if (isFloat) {
      Value span = arith::SubFOp::create(l.b, l.loc, bounds[1], bounds[0]);
      Value steps = arith::DivFOp::create(l.b, l.loc, span, bounds[2]);
      Value whole = math::CeilOp::create(l.b, l.loc, steps);
      count = arith::FPToSIOp::create(l.b, l.loc, l.b.getI64Type(), whole);
      count = arith::IndexCastOp::create(l.b, l.loc, l.b.getIndexType(), count);
    } else {
      Value span = arith::SubIOp::create(l.b, l.loc, bounds[1], bounds[0]);
      Value steps = arith::CeilDivSIOp::create(l.b, l.loc, span, bounds[2]);
      count = arith::IndexCastOp::create(l.b, l.loc, l.b.getIndexType(), steps);
    }
    size = arith::MaxSIOp::create(l.b, l.loc, count, l.index(0)).getResult();
  }
  return l.replace(l.mapped(
      size, element, {}, {},
      [&](OpBuilder &b, Location loc, ValueRange) -> Value {
        Value i = linalg::IndexOp::create(b, loc, 0);
        Value n = arith::IndexCastOp::create(b, loc, b.getI64Type(), i);
        n = castScalar(b, loc, n, b.getI64Type(), element);
        if (isFloat)
          return arith::AddFOp::create(
              b, loc, bounds[0], arith::MulFOp::create(b, loc, n, bounds[2]));
        return arith::AddIOp::create(
            b, loc, bounds[0], arith::MulIOp::create(b, loc, n, bounds[2]));
      }));
}

static LogicalResult eyeLike(Lowering &l) {
  int64_t k = l.node.getInt("k", 0);
  Type element = l.outType().getElementType();
  return l.replace(l.mapped(
      l.sizes(l.in(0)), element, {}, {},
      [&](OpBuilder &b, Location loc, ValueRange) -> Value {
        Value row = linalg::IndexOp::create(b, loc, 0);
        Value column = linalg::IndexOp::create(b, loc, 1);
        Value offset = arith::ConstantIndexOp::create(b, loc, k);
        Value shifted = arith::AddIOp::create(b, loc, row, offset);
        Value same = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                           shifted, column);
        return arith::SelectOp::create(b, loc, same,
                                       scalarConstant(b, loc, element, 1),
                                       scalarConstant(b, loc, element, 0));
      }));
}

void compress::addShapeLowerings(LowerTable &table) {
  table["Reshape"] = reshape;
  table["Flatten"] = flatten;
  table["Squeeze"] = changeUnits;
  table["Unsqueeze"] = changeUnits;
  table["Shape"] = shapeOf;
  table["Size"] = sizeOf;
  table["Expand"] = expand;
  table["ConstantOfShape"] = constantOfShape;
  table["Range"] = range;
  table["EyeLike"] = eyeLike;
}

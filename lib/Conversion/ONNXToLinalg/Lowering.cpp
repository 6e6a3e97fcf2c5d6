//===- Lowering.cpp - What a lowering of one operator uses ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace compress;
using mlir::utils::IteratorType;

Lowering::Lowering(onnx::Node node, ValueRange operands,
                   const TypeConverter &converter,
                   ConversionPatternRewriter &rewriter, int64_t opset)
    : node(node), b(rewriter), loc(node.getOperation()->getLoc()), opset(opset),
      operands(operands) {
  for (Type type : node.getOperation()->getResultTypes())
    resultTypes.push_back(
        dyn_cast_or_null<RankedTensorType>(converter.convertType(type)));
}

//===----------------------------------------------------------------------===//
// Operands and results
//===----------------------------------------------------------------------===//

Value Lowering::in(unsigned index) const {
  return node.getInput(index) ? operands[index] : Value();
}

RankedTensorType Lowering::inType(unsigned index) const {
  Value value = in(index);
  return value ? cast<RankedTensorType>(value.getType()) : RankedTensorType();
}

Type Lowering::sourceElement(unsigned index) const {
  Value value = node.getInput(index);
  return value ? cast<ShapedType>(value.getType()).getElementType() : Type();
}

Type Lowering::resultSourceElement(unsigned index) const {
  return cast<ShapedType>(node.getOperation()->getResult(index).getType())
      .getElementType();
}

bool Lowering::isResultUsed(unsigned index) const {
  return index < node.getNumOutputs() &&
         !node.getOperation()->getResult(index).use_empty();
}

std::optional<SmallVector<int64_t>>
Lowering::constantInts(unsigned index) const {
  Value value = node.getInput(index);
  return value ? onnx::getConstantInts(value) : std::nullopt;
}

std::optional<SmallVector<double>>
Lowering::constantFloats(unsigned index) const {
  Value value = node.getInput(index);
  return value ? onnx::getConstantFloats(value) : std::nullopt;
}

std::optional<SmallVector<int64_t>> Lowering::attrOrInts(StringRef name,
                                                         unsigned index) const {
  if (auto attr = node.findInts(name))
    return attr;
  return constantInts(index);
}

LogicalResult Lowering::replace(ValueRange values) {
  SmallVector<Value> results;
  for (auto [value, type] : llvm::zip(values, resultTypes)) {
    // A result that nothing reads still needs a value.
    if (!value)
      value =
          empty(SmallVector<OpFoldResult>(type.getRank(), b.getIndexAttr(1)),
                type.getElementType());
    results.push_back(castTo(value, type));
  }
  b.replaceOp(node.getOperation(), results);
  return success();
}

LogicalResult Lowering::fail(const Twine &why) {
  reason = why.str();
  return failure();
}

FailureOr<int64_t> Lowering::axis(int64_t axis, int64_t rank) {
  if (auto normalized = onnx::normalizeAxis(axis, rank))
    return *normalized;
  return fail("axis " + Twine(axis) + " is outside of rank " + Twine(rank));
}

//===----------------------------------------------------------------------===//
// Scalars and sizes
//===----------------------------------------------------------------------===//

Value Lowering::scalar(Type type, double value) {
  return scalarConstant(b, loc, type, value);
}

Value Lowering::scalarInt(Type type, int64_t value) {
  unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  if (isa<FloatType>(type))
    return scalar(type, double(value));
  return arith::ConstantOp::create(
      b, loc,
      b.getIntegerAttr(type, APInt(width, uint64_t(value), /*isSigned=*/true,
                                   /*implicitTrunc=*/true)));
}

Value Lowering::index(int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}

Value Lowering::toValue(OpFoldResult value) {
  return getValueOrCreateConstantIndexOp(b, loc, value);
}

OpFoldResult Lowering::dim(Value tensor, int64_t axis) {
  return tensor::getMixedSize(b, loc, tensor, axis);
}

Sizes Lowering::sizes(Value tensor) {
  return tensor::getMixedSizes(b, loc, tensor);
}

OpFoldResult Lowering::apply(AffineExpr expr, ArrayRef<OpFoldResult> operands) {
  AffineMap map = AffineMap::get(operands.size(), 0, expr);
  return affine::makeComposedFoldedAffineApply(b, loc, map, operands);
}

/// Products of two dynamic sizes are not affine.
OpFoldResult Lowering::mul(OpFoldResult x, OpFoldResult y) {
  auto cx = getConstantIntValue(x), cy = getConstantIntValue(y);
  if (cx && cy)
    return b.getIndexAttr(*cx * *cy);
  if (cx && *cx == 1)
    return y;
  if (cy && *cy == 1)
    return x;
  return arith::MulIOp::create(b, loc, toValue(x), toValue(y)).getResult();
}

OpFoldResult Lowering::add(OpFoldResult x, OpFoldResult y) {
  AffineExpr d0 = b.getAffineDimExpr(0), d1 = b.getAffineDimExpr(1);
  return apply(d0 + d1, {x, y});
}

OpFoldResult Lowering::sub(OpFoldResult x, OpFoldResult y) {
  AffineExpr d0 = b.getAffineDimExpr(0), d1 = b.getAffineDimExpr(1);
  return apply(d0 - d1, {x, y});
}

Sizes Lowering::broadcastSizes(RankedTensorType type, ValueRange inputs) {
  Sizes result;
  for (int64_t i = 0, rank = type.getRank(); i < rank; ++i) {
    if (!type.isDynamicDim(i)) {
      result.push_back(b.getIndexAttr(type.getDimSize(i)));
      continue;
    }
    OpFoldResult size = b.getIndexAttr(1);
    for (Value input : inputs) {
      auto inputType = cast<RankedTensorType>(input.getType());
      int64_t at = i - (rank - inputType.getRank());
      if (at < 0 || inputType.getDimSize(at) == 1)
        continue;
      size = dim(input, at);
      break;
    }
    result.push_back(size);
  }
  return result;
}

Value Lowering::extractIndex(Value tensor, int64_t position) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<Value> at;
  if (type.getRank() == 1)
    at.push_back(index(position));
  Value element = tensor::ExtractOp::create(b, loc, tensor, at);
  if (type.getElementType().isIndex())
    return element;
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), element);
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Value Lowering::empty(ArrayRef<OpFoldResult> sizes, Type type) {
  return tensor::EmptyOp::create(b, loc, sizes, type);
}

Value Lowering::filled(ArrayRef<OpFoldResult> sizes, Value scalar) {
  Value init = empty(sizes, scalar.getType());
  return linalg::FillOp::create(b, loc, scalar, init).getResult(0);
}

Value Lowering::constant(ArrayRef<int64_t> shape, Type type,
                         ArrayRef<double> values) {
  auto tensorType = RankedTensorType::get(shape, type);
  auto floatType = cast<FloatType>(type);
  SmallVector<APFloat> elements;
  for (double value : values) {
    APFloat element(value);
    bool losesInfo;
    element.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                    &losesInfo);
    elements.push_back(element);
  }
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(tensorType, elements));
}

Value Lowering::constantInts(ArrayRef<int64_t> shape, Type type,
                             ArrayRef<int64_t> values) {
  auto tensorType = RankedTensorType::get(shape, type);
  unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  SmallVector<APInt> elements;
  for (int64_t value : values)
    elements.emplace_back(width, uint64_t(value), /*isSigned=*/true,
                          /*implicitTrunc=*/true);
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(tensorType, elements));
}

Value Lowering::castTo(Value tensor, RankedTensorType type) {
  if (!type || tensor.getType() == type)
    return tensor;
  return tensor::CastOp::create(b, loc, type, tensor);
}

Value Lowering::transpose(Value tensor, ArrayRef<int64_t> perm) {
  bool identity = true;
  for (auto [i, axis] : llvm::enumerate(perm))
    identity &= axis == int64_t(i);
  if (identity)
    return tensor;
  Sizes from = sizes(tensor), to;
  for (int64_t axis : perm)
    to.push_back(from[axis]);
  Value init =
      empty(to, cast<RankedTensorType>(tensor.getType()).getElementType());
  return linalg::TransposeOp::create(b, loc, tensor, init, perm)->getResult(0);
}

Value Lowering::pad(Value tensor, ArrayRef<OpFoldResult> low,
                    ArrayRef<OpFoldResult> high, Value value) {
  auto isZero = [](OpFoldResult size) {
    return getConstantIntValue(size) == std::optional<int64_t>(0);
  };
  if (llvm::all_of(low, isZero) && llvm::all_of(high, isZero))
    return tensor;
  return tensor::PadOp::create(b, loc, Type(), tensor, low, high, value,
                               /*nofold=*/false);
}

Value Lowering::slice(Value tensor, ArrayRef<OpFoldResult> offsets,
                      ArrayRef<OpFoldResult> sizes, ArrayRef<int64_t> strides) {
  SmallVector<OpFoldResult> steps;
  for (int64_t stride : strides)
    steps.push_back(b.getIndexAttr(stride));
  return tensor::ExtractSliceOp::create(b, loc, tensor, offsets, sizes, steps);
}

/// Splits both shapes into runs with the same number of elements; nothing when
/// they do not line up. A dynamic size only matches a dynamic size.
static std::optional<SmallVector<std::pair<int64_t, int64_t>>>
alignShapes(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  struct Run {
    int64_t size = 1;
    int64_t dynamic = 0;
    void take(int64_t dim) {
      if (ShapedType::isDynamic(dim))
        ++dynamic;
      else
        size *= dim;
    }
    bool operator==(const Run &other) const {
      return size == other.size && dynamic == other.dynamic;
    }
  };
  SmallVector<std::pair<int64_t, int64_t>> runs;
  size_t i = 0, j = 0;
  while (i < from.size() && j < to.size()) {
    size_t i0 = i, j0 = j;
    Run a, c;
    a.take(from[i++]);
    c.take(to[j++]);
    while (!(a == c)) {
      bool growFrom =
          a.size < c.size || (a.size == c.size && a.dynamic < c.dynamic);
      if (growFrom) {
        if (i == from.size())
          return std::nullopt;
        a.take(from[i++]);
      } else {
        if (j == to.size())
          return std::nullopt;
        c.take(to[j++]);
      }
      if (a.size > int64_t(1) << 40 || c.size > int64_t(1) << 40)
        return std::nullopt;
    }
    runs.push_back({int64_t(i - i0), int64_t(j - j0)});
  }
  // Ones that are left over join the last run.
  for (; i < from.size(); ++i) {
    if (from[i] != 1 || runs.empty())
      return std::nullopt;
    ++runs.back().first;
  }
  for (; j < to.size(); ++j) {
    if (to[j] != 1 || runs.empty())
      return std::nullopt;
    ++runs.back().second;
  }
  return runs;
}

Value Lowering::reshape(Value tensor, RankedTensorType target,
                        ArrayRef<OpFoldResult> targetSizes) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (type == target)
    return tensor;
  Type elementType = type.getElementType();
  auto runs = alignShapes(type.getShape(), target.getShape());
  if (!runs || type.getRank() == 0 || target.getRank() == 0) {
    // One run of all elements.
    runs.emplace();
    runs->push_back({type.getRank(), target.getRank()});
  }
  // A run that would expand to two dynamic sizes has no expand_shape.
  size_t at = 0;
  for (auto [from, to] : *runs) {
    auto part = target.getShape().slice(at, to);
    if (to > 1 && llvm::count_if(part, ShapedType::isDynamic) > 1) {
      SmallVector<Value> values;
      for (OpFoldResult size : targetSizes)
        values.push_back(toValue(size));
      Value shape = tensor::FromElementsOp::create(b, loc, values);
      return tensor::ReshapeOp::create(b, loc, target, tensor, shape);
    }
    at += to;
  }
  // Collapse to one dimension per run, then expand. A scalar has none.
  bool collapses = false, expands = false;
  SmallVector<ReassociationIndices> collapse, expand;
  SmallVector<int64_t> middle;
  int64_t i = 0, j = 0;
  for (auto [from, to] : *runs) {
    collapse.emplace_back(llvm::to_vector<2>(llvm::seq<int64_t>(i, i + from)));
    expand.emplace_back(llvm::to_vector<2>(llvm::seq<int64_t>(j, j + to)));
    collapses |= from != 1;
    expands |= to != 1;
    int64_t size = 1;
    for (int64_t dim : type.getShape().slice(i, from))
      size = ShapedType::isDynamic(dim) || ShapedType::isDynamic(size)
                 ? ShapedType::kDynamic
                 : size * dim;
    middle.push_back(size);
    i += from;
    j += to;
  }
  if (type.getRank() == 0 || target.getRank() == 0) {
    // Rank 0 collapses from or expands to ones without a reassociation.
    bool ones =
        llvm::all_of(type.getShape(), [](int64_t d) { return d == 1; }) &&
        llvm::all_of(target.getShape(), [](int64_t d) { return d == 1; });
    if (ones && type.getRank() == 0)
      return tensor::ExpandShapeOp::create(b, loc, target, tensor,
                                           ArrayRef<ReassociationIndices>());
    if (ones)
      return tensor::CollapseShapeOp::create(b, loc, target, tensor,
                                             ArrayRef<ReassociationIndices>());
    SmallVector<Value> values;
    for (OpFoldResult size : targetSizes)
      values.push_back(toValue(size));
    Value shape =
        values.empty()
            ? tensor::EmptyOp::create(b, loc, ArrayRef<int64_t>{0},
                                      b.getIndexType())
                  .getResult()
            : tensor::FromElementsOp::create(b, loc, values).getResult();
    return tensor::ReshapeOp::create(b, loc, target, tensor, shape);
  }
  Value result = tensor;
  if (collapses)
    result = tensor::CollapseShapeOp::create(
        b, loc, RankedTensorType::get(middle, elementType), result, collapse);
  if (expands) {
    // A static run may meet a dynamic middle when the input said `?`.
    SmallVector<int64_t> shape(target.getShape());
    auto middleType = cast<RankedTensorType>(result.getType());
    for (auto [m, group] : llvm::enumerate(expand)) {
      bool dynamic = llvm::any_of(
          group, [&](int64_t d) { return ShapedType::isDynamic(shape[d]); });
      if (dynamic == middleType.isDynamicDim(m))
        continue;
      int64_t size = ShapedType::kDynamic;
      if (!dynamic) {
        size = 1;
        for (int64_t d : group)
          size *= shape[d];
      }
      SmallVector<int64_t> adapted(middleType.getShape());
      adapted[m] = size;
      result = castTo(result, RankedTensorType::get(adapted, elementType));
      middleType = cast<RankedTensorType>(result.getType());
    }
    result = tensor::ExpandShapeOp::create(b, loc, target, result, expand,
                                           targetSizes);
  }
  return castTo(result, target);
}

//===----------------------------------------------------------------------===//
// Structured operations
//===----------------------------------------------------------------------===//

Value Lowering::generic(ValueRange inputs, Value init, ArrayRef<AffineMap> maps,
                        ArrayRef<IteratorType> iterators, Body body) {
  return linalg::GenericOp::create(
             b, loc, init.getType(), inputs, init, maps, iterators,
             [&](OpBuilder &nested, Location nestedLoc, ValueRange args) {
               Value result = body(nested, nestedLoc, args);
               linalg::YieldOp::create(nested, nestedLoc, result);
             })
      .getResult(0);
}

AffineMap Lowering::broadcastMap(ArrayRef<int64_t> shape,
                                 ArrayRef<int64_t> target) {
  SmallVector<AffineExpr> exprs;
  int64_t rank = target.size(), lead = rank - int64_t(shape.size());
  for (auto [i, size] : llvm::enumerate(shape))
    exprs.push_back(size == 1 && target[lead + i] != 1
                        ? b.getAffineConstantExpr(0)
                        : b.getAffineDimExpr(lead + i));
  return AffineMap::get(rank, 0, exprs, b.getContext());
}

/// The value of a constant with one element or one repeated element.
static TypedAttr getSplat(Value value) {
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  auto dense =
      constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
  if (!dense || !dense.isSplat())
    return {};
  return dense.getSplatValue<TypedAttr>();
}

Value Lowering::mapped(ArrayRef<OpFoldResult> sizes, Type elementType,
                       ValueRange inputs, ArrayRef<AffineMap> maps, Body body) {
  int64_t rank = sizes.size();
  // Constants of one element become scalars of the body.
  SmallVector<Value> operands;
  SmallVector<AffineMap> operandMaps;
  SmallVector<TypedAttr> splats;
  for (auto [input, map] : llvm::zip(inputs, maps)) {
    TypedAttr splat = getSplat(input);
    splats.push_back(splat);
    if (splat)
      continue;
    operands.push_back(input);
    operandMaps.push_back(map);
  }
  operandMaps.push_back(identityMap(rank));
  SmallVector<IteratorType> iterators(rank, IteratorType::parallel);
  Value init = empty(sizes, elementType);
  return generic(operands, init, operandMaps, iterators,
                 [&](OpBuilder &nested, Location nestedLoc, ValueRange args) {
                   SmallVector<Value> values;
                   unsigned next = 0;
                   for (TypedAttr splat : splats)
                     values.push_back(splat ? arith::ConstantOp::create(
                                                  nested, nestedLoc, splat)
                                                  .getResult()
                                            : args[next++]);
                   return body(nested, nestedLoc, values);
                 });
}

Value Lowering::elementwise(RankedTensorType type, ValueRange inputs,
                            Body body) {
  SmallVector<AffineMap> maps;
  for (Value input : inputs)
    maps.push_back(broadcastMap(
        cast<RankedTensorType>(input.getType()).getShape(), type.getShape()));
  return castTo(mapped(broadcastSizes(type, inputs), type.getElementType(),
                       inputs, maps, body),
                type);
}

AffineMap Lowering::keptMap(int64_t rank, ArrayRef<int64_t> axes) {
  SmallVector<AffineExpr> exprs;
  for (int64_t i = 0; i < rank; ++i)
    if (!llvm::is_contained(axes, i))
      exprs.push_back(b.getAffineDimExpr(i));
  return AffineMap::get(rank, 0, exprs, b.getContext());
}

Value Lowering::reduce(Value tensor, ArrayRef<int64_t> axes, Value init,
                       Body body) {
  auto type = cast<RankedTensorType>(tensor.getType());
  int64_t rank = type.getRank();
  Sizes from = sizes(tensor), to;
  SmallVector<IteratorType> iterators;
  for (int64_t i = 0; i < rank; ++i) {
    bool reduced = llvm::is_contained(axes, i);
    iterators.push_back(reduced ? IteratorType::reduction
                                : IteratorType::parallel);
    if (!reduced)
      to.push_back(from[i]);
  }
  return generic(tensor, filled(to, init),
                 {identityMap(rank), keptMap(rank, axes)}, iterators, body);
}

Value Lowering::convertFloat(Value tensor, Type type) {
  auto from = cast<RankedTensorType>(tensor.getType());
  if (from.getElementType() == type)
    return tensor;
  return elementwise(
      RankedTensorType::get(from.getShape(), type), tensor,
      [&](OpBuilder &nested, Location nestedLoc, ValueRange args) {
        return castScalar(nested, nestedLoc, args[0], from.getElementType(),
                          type);
      });
}

const LowerTable &compress::getLowerTable() {
  static const LowerTable table = [] {
    LowerTable table;
    addElementwiseLowerings(table);
    addActivationLowerings(table);
    addContractionLowerings(table);
    addPoolingLowerings(table);
    addNormalizationLowerings(table);
    addReductionLowerings(table);
    addShapeLowerings(table);
    addDataMovementLowerings(table);
    addGatherLowerings(table);
    addResizeLowerings(table);
    addQuantizationLowerings(table);
    return table;
  }();
  return table;
}

//===- DataMovement.cpp - Transpose, Concat, Slice, Pad, ... ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;

static LogicalResult transpose(Lowering &l) {
  int64_t rank = l.inType(0).getRank();
  SmallVector<int64_t> perm;
  if (auto given = l.node.findInts("perm")) {
    perm = *given;
  } else {
    perm = llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(rank)));
  }
  return l.replace(l.transpose(l.in(0), perm));
}

static LogicalResult concat(Lowering &l) {
  auto type = l.outType();
  int64_t rank = type.getRank();
  FailureOr<int64_t> axis = l.axis(l.node.getInt("axis", 1), rank);
  if (failed(axis))
    return failure();
  if (l.getNumInputs() == 1)
    return l.replace(l.in(0));
  Sizes sizes = l.sizes(l.in(0));
  for (int64_t i = 0; i < rank; ++i)
    if (!type.isDynamicDim(i))
      sizes[i] = l.b.getIndexAttr(type.getDimSize(i));
  SmallVector<OpFoldResult> offsets(rank, l.b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(rank, l.b.getIndexAttr(1));
  if (type.isDynamicDim(*axis)) {
    OpFoldResult total = l.b.getIndexAttr(0);
    for (unsigned i = 0; i < l.getNumInputs(); ++i)
      total = l.add(total, l.dim(l.in(i), *axis));
    sizes[*axis] = total;
  }
  Value result = l.empty(sizes, type.getElementType());
  for (unsigned i = 0; i < l.getNumInputs(); ++i) {
    Value part = l.in(i);
    if (l.inType(i).getDimSize(*axis) == 0)
      continue;
    // Every size but the axis is that of the result, known or not.
    Sizes partSizes(sizes);
    partSizes[*axis] = l.dim(part, *axis);
    SmallVector<int64_t> shape;
    for (OpFoldResult size : partSizes)
      shape.push_back(getConstantIntValue(size).value_or(ShapedType::kDynamic));
    part = l.castTo(part, RankedTensorType::get(shape, type.getElementType()));
    result = tensor::InsertSliceOp::create(l.b, l.loc, part, result, offsets,
                                           partSizes, strides);
    offsets[*axis] = l.add(offsets[*axis], partSizes[*axis]);
  }
  return l.replace(result);
}

static LogicalResult split(Lowering &l) {
  auto type = l.inType(0);
  int64_t rank = type.getRank(), parts = l.node.getNumOutputs();
  FailureOr<int64_t> axis = l.axis(l.node.getInt("axis", 0), rank);
  if (failed(axis))
    return failure();
  Sizes sizes = l.sizes(l.in(0));
  SmallVector<OpFoldResult> offsets(rank, l.b.getIndexAttr(0));
  SmallVector<int64_t> strides(rank, 1);
  bool given = l.in(1) || l.node.hasAttr("split");
  // Nothing checks at run time that the sizes add up to the axis.
  if (given && type.isDynamicDim(*axis))
    return l.fail("sizes are given for axis " + Twine(*axis) +
                  ", whose size is dynamic; fix it (onnx-infer-shapes)");
  OpFoldResult all = sizes[*axis], chunk;
  AffineExpr d = l.b.getAffineDimExpr(0);
  if (!given)
    chunk = l.apply(d.ceilDiv(parts), all);
  SmallVector<Value> results;
  for (int64_t i = 0; i < parts; ++i) {
    auto resultType = l.outType(i);
    OpFoldResult size;
    if (!resultType.isDynamicDim(*axis))
      size = l.b.getIndexAttr(resultType.getDimSize(*axis));
    else if (given)
      size = l.extractIndex(l.in(1), i);
    else
      size = i + 1 < parts ? chunk : l.sub(all, offsets[*axis]);
    sizes[*axis] = size;
    results.push_back(l.slice(l.in(0), offsets, sizes, strides));
    offsets[*axis] = l.add(offsets[*axis], size);
  }
  return l.replace(results);
}

//===----------------------------------------------------------------------===//
// Slice
//===----------------------------------------------------------------------===//

/// Clamps a run-time bound into [low, high] after adding `size` to a negative
/// one.
static Value clampBound(Lowering &l, Value bound, Value size, Value low,
                        Value high) {
  Value negative = arith::CmpIOp::create(l.b, l.loc, arith::CmpIPredicate::slt,
                                         bound, l.index(0));
  Value moved = arith::AddIOp::create(l.b, l.loc, bound, size);
  bound = arith::SelectOp::create(l.b, l.loc, negative, moved, bound);
  bound = arith::MaxSIOp::create(l.b, l.loc, bound, low);
  return arith::MinSIOp::create(l.b, l.loc, bound, high);
}

static LogicalResult slice(Lowering &l) {
  auto type = l.inType(0), resultType = l.outType();
  int64_t rank = type.getRank();
  auto starts = l.attrOrInts("starts", 1), ends = l.attrOrInts("ends", 2);
  auto axes = l.attrOrInts("axes", 3);
  bool fromAttrs = l.node.hasAttr("starts");
  auto steps = fromAttrs ? std::nullopt : l.constantInts(4);
  if ((!fromAttrs && l.in(3) && !axes) || (!fromAttrs && l.in(4) && !steps))
    return l.fail("axes or steps that are not constant are not supported");
  if (!axes) {
    int64_t count =
        starts ? int64_t(starts->size()) : l.inType(1).getDimSize(0);
    if (ShapedType::isDynamic(count))
      return l.fail("starts of unknown length are not supported");
    axes = llvm::to_vector(llvm::seq<int64_t>(count));
  }
  Sizes sizes = l.sizes(l.in(0));
  SmallVector<OpFoldResult> offsets(rank, l.b.getIndexAttr(0));
  SmallVector<int64_t> strides(rank, 1);
  for (size_t i = 0; i < axes->size(); ++i) {
    FailureOr<int64_t> axis = l.axis((*axes)[i], rank);
    if (failed(axis))
      return failure();
    int64_t step = steps ? (*steps)[i] : 1;
    if (step == 0)
      return l.fail("step 0 in axis " + Twine(*axis));
    strides[*axis] = step;
    int64_t size = type.getDimSize(*axis);
    if (starts && ends && !ShapedType::isDynamic(size)) {
      int64_t start = (*starts)[i];
      start = start < 0 ? start + size : start;
      start = std::clamp<int64_t>(
          start, 0, std::max<int64_t>(step > 0 ? size : size - 1, 0));
      offsets[*axis] = l.b.getIndexAttr(start);
      sizes[*axis] = l.b.getIndexAttr(resultType.getDimSize(*axis));
      continue;
    }
    // Whole axes are common with dynamic sizes.
    constexpr int64_t kBeyond = (int64_t(1) << 31) - 1;
    if (starts && ends && step == 1 && (*starts)[i] == 0 &&
        (*ends)[i] >= kBeyond)
      continue;
    auto bound = [&](const std::optional<SmallVector<int64_t>> &constants,
                     unsigned input) -> Value {
      if (constants) {
        // Sentinels such as INT64_MIN must not overflow.
        return l.index(std::clamp<int64_t>((*constants)[i], -(int64_t(1) << 48),
                                           int64_t(1) << 48));
      }
      return l.extractIndex(l.in(input), i);
    };
    Value length = l.toValue(sizes[*axis]), zero = l.index(0), one = l.index(1);
    Value last = arith::SubIOp::create(l.b, l.loc, length, one);
    bool forward = step > 0;
    Value start =
        clampBound(l, bound(starts, 1), length, zero, forward ? length : last);
    Value end =
        clampBound(l, bound(ends, 2), length, forward ? zero : l.index(-1),
                   forward ? length : last);
    Value span = forward ? arith::SubIOp::create(l.b, l.loc, end, start)
                         : arith::SubIOp::create(l.b, l.loc, start, end);
    Value count =
        arith::CeilDivSIOp::create(l.b, l.loc, span, l.index(std::abs(step)));
    count = arith::MaxSIOp::create(l.b, l.loc, count, zero);
    offsets[*axis] = start;
    if (resultType.isDynamicDim(*axis))
      sizes[*axis] = count;
    else
      sizes[*axis] = l.b.getIndexAttr(resultType.getDimSize(*axis));
  }
  if (llvm::all_of(strides, [](int64_t step) { return step > 0; }))
    return l.replace(l.slice(l.in(0), offsets, sizes, strides));
  // Backwards: read element by element.
  return l.replace(l.mapped(
      sizes, type.getElementType(), {}, {},
      [&](OpBuilder &b, Location loc, ValueRange) -> Value {
        SmallVector<Value> at;
        for (int64_t i = 0; i < rank; ++i) {
          Value position = linalg::IndexOp::create(b, loc, i);
          Value step = arith::ConstantIndexOp::create(b, loc, strides[i]);
          position = arith::MulIOp::create(b, loc, position, step);
          Value offset = getValueOrCreateConstantIndexOp(b, loc, offsets[i]);
          at.push_back(arith::AddIOp::create(b, loc, offset, position));
        }
        return tensor::ExtractOp::create(b, loc, l.in(0), at);
      }));
}

//===----------------------------------------------------------------------===//
// Tile and Pad
//===----------------------------------------------------------------------===//

/// [s0, s1] repeated (r0, r1): broadcast [s0, s1] to [r0, s0, r1, s1] and
/// merge.
static LogicalResult tile(Lowering &l) {
  auto type = l.inType(0);
  int64_t rank = type.getRank();
  auto repeats = l.constantInts(1);
  Sizes sizes = l.sizes(l.in(0)), spread, merged;
  SmallVector<AffineExpr> exprs;
  SmallVector<ReassociationIndices> groups;
  SmallVector<int64_t> shape;
  for (int64_t i = 0; i < rank; ++i) {
    OpFoldResult repeat;
    if (repeats)
      repeat = l.b.getIndexAttr((*repeats)[i]);
    else
      repeat = l.extractIndex(l.in(1), i);
    spread.append({repeat, sizes[i]});
    shape.append({getConstantIntValue(repeat).value_or(ShapedType::kDynamic),
                  type.getDimSize(i)});
    merged.push_back(l.mul(repeat, sizes[i]));
    exprs.push_back(l.b.getAffineDimExpr(2 * i + 1));
    groups.push_back({2 * i, 2 * i + 1});
  }
  if (rank == 0)
    return l.replace(l.in(0));
  Value copies =
      l.mapped(spread, type.getElementType(), l.in(0),
               AffineMap::get(2 * rank, 0, exprs, l.b.getContext()),
               [](OpBuilder &, Location, ValueRange args) { return args[0]; });
  return l.replace(
      tensor::CollapseShapeOp::create(l.b, l.loc, copies, groups).getResult());
}

static LogicalResult pad(Lowering &l) {
  auto type = l.inType(0);
  int64_t rank = type.getRank();
  StringRef mode = l.node.getString("mode", "constant");
  std::optional<SmallVector<int64_t>> pads;
  for (StringRef name : {"pads", "paddings"})
    if (auto attr = l.node.findInts(name))
      pads = attr;
  if (!pads)
    pads = l.constantInts(1);
  if (!pads)
    return l.fail("pads that are not constant are not supported");
  SmallVector<int64_t> low(rank, 0), high(rank, 0);
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(rank));
  if (l.in(3)) {
    auto given = l.constantInts(3);
    if (!given)
      return l.fail("axes that are not constant are not supported");
    axes = *given;
  }
  if (pads->size() != 2 * axes.size())
    return l.fail("there are " + Twine(pads->size()) + " pads, expected " +
                  Twine(2 * axes.size()));
  for (auto [i, value] : llvm::enumerate(axes)) {
    FailureOr<int64_t> axis = l.axis(value, rank);
    if (failed(axis))
      return failure();
    low[*axis] = (*pads)[i];
    high[*axis] = (*pads)[i + axes.size()];
  }
  Type element = type.getElementType();
  Value source = l.in(0);
  Sizes sizes = l.sizes(source);
  // Negative pads cut first.
  if (llvm::any_of(low, [](int64_t p) { return p < 0; }) ||
      llvm::any_of(high, [](int64_t p) { return p < 0; })) {
    SmallVector<OpFoldResult> offsets;
    for (int64_t i = 0; i < rank; ++i) {
      int64_t cutLow = std::max<int64_t>(-low[i], 0);
      int64_t cutHigh = std::max<int64_t>(-high[i], 0);
      offsets.push_back(l.b.getIndexAttr(cutLow));
      sizes[i] =
          l.apply(l.b.getAffineDimExpr(0) - (cutLow + cutHigh), sizes[i]);
      low[i] = std::max<int64_t>(low[i], 0);
      high[i] = std::max<int64_t>(high[i], 0);
    }
    source = l.slice(source, offsets, sizes, SmallVector<int64_t>(rank, 1));
  }
  auto toFold = [&](ArrayRef<int64_t> values) {
    SmallVector<OpFoldResult> result;
    for (int64_t value : values)
      result.push_back(l.b.getIndexAttr(value));
    return result;
  };
  if (mode == "constant") {
    Value fill;
    if (l.in(2)) {
      SmallVector<Value> at(l.inType(2).getRank(), l.index(0));
      auto constant = l.constantFloats(2);
      if (constant && constant->size() == 1 && isa<FloatType>(element))
        fill = l.scalar(element, (*constant)[0]);
      else
        fill = tensor::ExtractOp::create(l.b, l.loc, l.in(2), at);
    } else if (l.node.hasAttr("value")) {
      fill = l.scalar(element, l.node.getFloat("value", 0));
    } else {
      fill = l.scalarInt(element, 0);
    }
    return l.replace(l.pad(source, toFold(low), toFold(high), fill));
  }
  if (mode != "edge" && mode != "reflect" && mode != "wrap")
    return l.fail("unknown mode '" + mode + "'");
  Sizes resultSizes;
  AffineExpr d = l.b.getAffineDimExpr(0);
  for (int64_t i = 0; i < rank; ++i)
    resultSizes.push_back(l.apply(d + (low[i] + high[i]), sizes[i]));
  return l.replace(l.mapped(
      resultSizes, element, {}, {},
      [&](OpBuilder &b, Location loc, ValueRange) -> Value {
        auto constant = [&](int64_t value) -> Value {
          return arith::ConstantIndexOp::create(b, loc, value);
        };
        SmallVector<Value> at;
        for (int64_t i = 0; i < rank; ++i) {
          Value position = linalg::IndexOp::create(b, loc, i);
          if (low[i] == 0 && high[i] == 0) {
            at.push_back(position);
            continue;
          }
          Value size = getValueOrCreateConstantIndexOp(b, loc, sizes[i]);
          Value last = arith::SubIOp::create(b, loc, size, constant(1));
          position = arith::SubIOp::create(b, loc, position, constant(low[i]));
          if (mode == "edge") {
            position = arith::MaxSIOp::create(b, loc, position, constant(0));
            position = arith::MinSIOp::create(b, loc, position, last);
          } else if (mode == "wrap") {
            position = arith::RemSIOp::create(b, loc, position, size);
            Value negative = arith::CmpIOp::create(
                b, loc, arith::CmpIPredicate::slt, position, constant(0));
            Value moved = arith::AddIOp::create(b, loc, position, size);
            position =
                arith::SelectOp::create(b, loc, negative, moved, position);
          } else {
            // Reflected at 0, then at the end.
            Value mirrored =
                arith::SubIOp::create(b, loc, constant(0), position);
            position = arith::MaxSIOp::create(b, loc, position, mirrored);
            Value twice = arith::AddIOp::create(b, loc, last, last);
            Value fromEnd = arith::SubIOp::create(b, loc, twice, position);
            position = arith::MinSIOp::create(b, loc, position, fromEnd);
          }
          at.push_back(position);
        }
        return tensor::ExtractOp::create(b, loc, source, at);
      }));
}

//===----------------------------------------------------------------------===//
// Blocks and triangles
//===----------------------------------------------------------------------===//

static LogicalResult depthToSpace(Lowering &l) {
  auto type = l.inType(0);
  bool toSpace = l.node.getOpType() == "DepthToSpace";
  int64_t block = l.node.getInt("blocksize", 0);
  if (type.getRank() != 4 || block < 1)
    return l.fail("the input must have rank 4 and 'blocksize' be positive");
  StringRef mode = l.node.getString("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    return l.fail("unknown mode '" + mode + "'");
  Sizes from = l.sizes(l.in(0)), to;
  OpFoldResult blockSize = l.b.getIndexAttr(block);
  AffineExpr d = l.b.getAffineDimExpr(0);
  // The sizes of the smaller planes and depth.
  OpFoldResult n = from[0];
  OpFoldResult c =
      toSpace ? l.apply(d.floorDiv(block * block), from[1]) : from[1];
  OpFoldResult h = toSpace ? from[2] : l.apply(d.floorDiv(block), from[2]);
  OpFoldResult w = toSpace ? from[3] : l.apply(d.floorDiv(block), from[3]);
  Sizes split;
  SmallVector<int64_t> perm;
  if (!toSpace) {
    split = {n, c, h, blockSize, w, blockSize};
    perm = {0, 3, 5, 1, 2, 4};
    to = {n, l.mul(c, l.b.getIndexAttr(block * block)), h, w};
  } else {
    if (mode == "DCR") {
      split = {n, blockSize, blockSize, c, h, w};
      perm = {0, 3, 4, 1, 5, 2};
    } else {
      split = {n, c, blockSize, blockSize, h, w};
      perm = {0, 1, 4, 2, 5, 3};
    }
    to = {n, c, l.mul(h, blockSize), l.mul(w, blockSize)};
  }
  SmallVector<int64_t> shape;
  for (OpFoldResult size : split)
    shape.push_back(getConstantIntValue(size).value_or(ShapedType::kDynamic));
  Type element = type.getElementType();
  SmallVector<ReassociationIndices> expand, collapse;
  if (toSpace) {
    expand = {{0}, {1, 2, 3}, {4}, {5}};
    collapse = {{0}, {1}, {2, 3}, {4, 5}};
  } else {
    expand = {{0}, {1}, {2, 3}, {4, 5}};
    collapse = {{0}, {1, 2, 3}, {4}, {5}};
  }
  Value value = tensor::ExpandShapeOp::create(
      l.b, l.loc, RankedTensorType::get(shape, element), l.in(0), expand,
      split);
  value = l.transpose(value, perm);
  return l.replace(
      tensor::CollapseShapeOp::create(l.b, l.loc, value, collapse).getResult());
}

static LogicalResult trilu(Lowering &l) {
  auto type = l.inType(0);
  int64_t rank = type.getRank();
  bool upper = l.node.getInt("upper", 1);
  Value k = l.index(0);
  if (l.in(1)) {
    if (auto constant = l.constantInts(1)) {
      if (constant->size() != 1)
        return l.fail("input 'k' must hold one number");
      k = l.index((*constant)[0]);
    } else {
      k = l.extractIndex(l.in(1), 0);
    }
  }
  return l.replace(l.elementwise(
      l.outType(), l.in(0),
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value row = linalg::IndexOp::create(b, loc, rank - 2);
        Value column = linalg::IndexOp::create(b, loc, rank - 1);
        Value diagonal = arith::AddIOp::create(b, loc, row, k);
        Value keep = arith::CmpIOp::create(b, loc,
                                           upper ? arith::CmpIPredicate::sge
                                                 : arith::CmpIPredicate::sle,
                                           column, diagonal);
        Value zero = scalarConstant(b, loc, type.getElementType(), 0);
        return arith::SelectOp::create(b, loc, keep, args[0], zero);
      }));
}

void compress::addDataMovementLowerings(LowerTable &table) {
  table["Transpose"] = transpose;
  table["Concat"] = concat;
  table["Split"] = split;
  table["Slice"] = slice;
  table["Tile"] = tile;
  table["Pad"] = pad;
  table["DepthToSpace"] = depthToSpace;
  table["SpaceToDepth"] = depthToSpace;
  table["Trilu"] = trilu;
}

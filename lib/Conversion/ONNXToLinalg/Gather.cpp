//===- Gather.cpp - Lookups by index ----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;

/// An index of any integer type, counted from the end when negative. Indices
/// are data: what is outside even so is the nearest position, so that nothing
/// beside the tensor is read or written.
static Value toPosition(OpBuilder &b, Location loc, Value index, Value size) {
  Value position =
      index.getType().isIndex()
          ? index
          : arith::IndexCastOp::create(b, loc, b.getIndexType(), index)
                .getResult();
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  Value negative =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, position, zero);
  Value moved = arith::AddIOp::create(b, loc, position, size);
  position = arith::SelectOp::create(b, loc, negative, moved, position);
  Value last = arith::SubIOp::create(b, loc, size, one);
  return arith::MaxSIOp::create(
      b, loc, arith::MinSIOp::create(b, loc, position, last), zero);
}

static LogicalResult gather(Lowering &l) {
  auto type = l.inType(0), indexType = l.inType(1);
  int64_t rank = type.getRank();
  FailureOr<int64_t> axis = l.axis(l.node.getInt("axis", 0), rank);
  if (failed(axis))
    return failure();
  // A compressed table is decoded where it is read.
  if (auto decode = l.in(0).getDefiningOp<DecodeOp>()) {
    SmallVector<int64_t> shape(type.getShape().take_front(*axis));
    llvm::append_range(shape, indexType.getShape());
    llvm::append_range(shape, type.getShape().drop_front(*axis + 1));
    return l.replace(
        GatherOp::create(
            l.b, l.loc, RankedTensorType::get(shape, type.getElementType()),
            decode.getSource(), l.in(1), l.b.getI64IntegerAttr(*axis))
            .getResult());
  }
  Sizes tableSizes = l.sizes(l.in(0)), indexSizes = l.sizes(l.in(1));
  Sizes sizes(ArrayRef(tableSizes).take_front(*axis));
  llvm::append_range(sizes, indexSizes);
  llvm::append_range(sizes, ArrayRef(tableSizes).drop_front(*axis + 1));
  int64_t resultRank = sizes.size(), indexRank = indexType.getRank();
  // One constant index is a slice.
  auto constant = l.constantInts(1);
  if (constant && constant->size() == 1 && !type.isDynamicDim(*axis)) {
    auto at = onnx::normalizeAxis((*constant)[0], type.getDimSize(*axis));
    if (!at)
      return l.fail("index " + Twine((*constant)[0]) + " is outside of axis " +
                    Twine(*axis) + " of size " + Twine(type.getDimSize(*axis)));
    SmallVector<OpFoldResult> offsets(rank, l.b.getIndexAttr(0));
    Sizes one(tableSizes);
    offsets[*axis] = l.b.getIndexAttr(*at);
    one[*axis] = l.b.getIndexAttr(1);
    Value part = l.slice(l.in(0), offsets, one, SmallVector<int64_t>(rank, 1));
    return l.replace(l.reshape(part, l.outType(), sizes));
  }
  SmallVector<AffineExpr> exprs;
  for (int64_t i = 0; i < indexRank; ++i)
    exprs.push_back(l.b.getAffineDimExpr(*axis + i));
  Value size = l.toValue(tableSizes[*axis]);
  return l.replace(
      l.mapped(sizes, type.getElementType(), l.in(1),
               AffineMap::get(resultRank, 0, exprs, l.b.getContext()),
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 SmallVector<Value> at;
                 for (int64_t i = 0; i < rank; ++i) {
                   if (i == *axis)
                     at.push_back(toPosition(b, loc, args[0], size));
                   else
                     at.push_back(linalg::IndexOp::create(
                         b, loc, i < *axis ? i : i + indexRank - 1));
                 }
                 return tensor::ExtractOp::create(b, loc, l.in(0), at);
               }));
}

static LogicalResult gatherElements(Lowering &l) {
  auto type = l.inType(0);
  int64_t rank = type.getRank();
  FailureOr<int64_t> axis = l.axis(l.node.getInt("axis", 0), rank);
  if (failed(axis))
    return failure();
  Value size = l.toValue(l.dim(l.in(0), *axis));
  return l.replace(l.mapped(
      l.sizes(l.in(1)), type.getElementType(), l.in(1), l.identityMap(rank),
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        SmallVector<Value> at;
        for (int64_t i = 0; i < rank; ++i)
          at.push_back(i == *axis
                           ? toPosition(b, loc, args[0], size)
                           : linalg::IndexOp::create(b, loc, i).getResult());
        return tensor::ExtractOp::create(b, loc, l.in(0), at);
      }));
}

static LogicalResult gatherND(Lowering &l) {
  auto type = l.inType(0), indexType = l.inType(1);
  int64_t batch = l.node.getInt("batch_dims", 0);
  int64_t indexRank = indexType.getRank();
  if (indexRank == 0 || indexType.isDynamicDim(indexRank - 1))
    return l.fail("indices of unknown depth are not supported");
  int64_t depth = indexType.getDimSize(indexRank - 1);
  if (batch < 0 || batch + depth > type.getRank())
    return l.fail("indices of depth " + Twine(depth) + " do not fit rank " +
                  Twine(type.getRank()));
  Sizes tableSizes = l.sizes(l.in(0)), indexSizes = l.sizes(l.in(1));
  Sizes sizes(ArrayRef(indexSizes).drop_back());
  llvm::append_range(sizes, ArrayRef(tableSizes).drop_front(batch + depth));
  return l.replace(l.mapped(
      sizes, type.getElementType(), {}, {},
      [&](OpBuilder &b, Location loc, ValueRange) -> Value {
        SmallVector<Value> at, indexAt;
        for (int64_t i = 0; i + 1 < indexRank; ++i)
          indexAt.push_back(linalg::IndexOp::create(b, loc, i));
        indexAt.push_back({});
        for (int64_t i = 0; i < type.getRank(); ++i) {
          if (i < batch) {
            at.push_back(linalg::IndexOp::create(b, loc, i));
          } else if (i < batch + depth) {
            indexAt.back() = arith::ConstantIndexOp::create(b, loc, i - batch);
            Value index = tensor::ExtractOp::create(b, loc, l.in(1), indexAt);
            Value size = getValueOrCreateConstantIndexOp(b, loc, tableSizes[i]);
            at.push_back(toPosition(b, loc, index, size));
          } else {
            at.push_back(linalg::IndexOp::create(
                b, loc, indexRank - 1 + i - batch - depth));
          }
        }
        return tensor::ExtractOp::create(b, loc, l.in(0), at);
      }));
}

static LogicalResult oneHot(Lowering &l) {
  auto type = l.outType();
  Type indexElement = l.sourceElement(0);
  if (isa<FloatType>(indexElement))
    return l.fail("float indices are not supported");
  int64_t rank = type.getRank();
  FailureOr<int64_t> axis = l.axis(l.node.getInt("axis", -1), rank);
  if (failed(axis))
    return failure();
  Sizes sizes = l.sizes(l.in(0));
  OpFoldResult depth;
  if (!type.isDynamicDim(*axis))
    depth = l.b.getIndexAttr(type.getDimSize(*axis));
  else if (isa<FloatType>(l.sourceElement(1)))
    return l.fail("a float depth that is not constant is not supported");
  else
    depth = l.extractIndex(l.in(1), 0);
  sizes.insert(sizes.begin() + *axis, depth);
  Value size = l.toValue(depth);
  Value off = tensor::ExtractOp::create(l.b, l.loc, l.in(2), l.index(0));
  Value on = tensor::ExtractOp::create(l.b, l.loc, l.in(2), l.index(1));
  return l.replace(l.mapped(
      sizes, type.getElementType(), l.in(0), l.keptMap(rank, *axis),
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value hot = toPosition(b, loc, args[0], size);
        Value here = linalg::IndexOp::create(b, loc, *axis);
        Value same =
            arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, hot, here);
        return arith::SelectOp::create(b, loc, same, on, off);
      }));
}

/// Positions that are not zero, in row-major order: counted, then written.
static LogicalResult nonZero(Lowering &l) {
  auto type = l.inType(0);
  int64_t rank = type.getRank();
  Type element = type.getElementType(), i64 = l.b.getI64Type();
  if (rank == 0)
    return l.fail("a scalar is not supported");
  Value zero = l.index(0), one = l.index(1);
  auto isNonZero = [&](OpBuilder &b, Location loc, Value value) -> Value {
    if (isa<FloatType>(element))
      return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, value,
                                   l.scalar(element, 0));
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, value,
                                 l.scalarInt(element, 0));
  };
  SmallVector<Value> sizes;
  Value total = one;
  for (OpFoldResult size : l.sizes(l.in(0))) {
    sizes.push_back(l.toValue(size));
    total = arith::MulIOp::create(l.b, l.loc, total, sizes.back());
  }
  auto getPosition = [&](OpBuilder &b, Location loc, Value linear) {
    SmallVector<Value> position(rank);
    for (int64_t i = rank - 1; i > 0; --i) {
      position[i] = arith::RemUIOp::create(b, loc, linear, sizes[i]);
      linear = arith::DivUIOp::create(b, loc, linear, sizes[i]);
    }
    position[0] = linear;
    return position;
  };
  auto count = scf::ForOp::create(
      l.b, l.loc, zero, total, one, ValueRange(zero),
      [&](OpBuilder &b, Location loc, Value linear, ValueRange state) {
        Value value = tensor::ExtractOp::create(b, loc, l.in(0),
                                                getPosition(b, loc, linear));
        Value more = arith::AddIOp::create(b, loc, state[0], one);
        Value next = arith::SelectOp::create(b, loc, isNonZero(b, loc, value),
                                             more, state[0]);
        scf::YieldOp::create(b, loc, next);
      });
  Value list = l.empty({l.b.getIndexAttr(rank), count.getResult(0)}, i64);
  auto write = scf::ForOp::create(
      l.b, l.loc, zero, total, one, ValueRange{zero, list},
      [&](OpBuilder &b, Location loc, Value linear, ValueRange state) {
        SmallVector<Value> position = getPosition(b, loc, linear);
        Value value = tensor::ExtractOp::create(b, loc, l.in(0), position);
        auto found = scf::IfOp::create(
            b, loc, isNonZero(b, loc, value),
            [&](OpBuilder &b, Location loc) {
              Value filled = state[1];
              for (int64_t i = 0; i < rank; ++i)
                filled = tensor::InsertOp::create(
                    b, loc,
                    arith::IndexCastOp::create(b, loc, i64, position[i]),
                    filled, {l.index(i), state[0]});
              Value more = arith::AddIOp::create(b, loc, state[0], one);
              scf::YieldOp::create(b, loc, ValueRange{more, filled});
            },
            [&](OpBuilder &b, Location loc) {
              scf::YieldOp::create(b, loc, state);
            });
        scf::YieldOp::create(b, loc, found.getResults());
      });
  return l.replace(write.getResult(1));
}

/// One slice after the other, so the last of equal indices stays.
static LogicalResult scatterND(Lowering &l) {
  auto type = l.inType(0), indexType = l.inType(1);
  int64_t rank = type.getRank(), indexRank = indexType.getRank();
  if (l.node.getString("reduction", "none") != "none")
    return l.fail("a reduction is not supported");
  if (indexRank != 2 || indexType.isDynamicDim(1) ||
      indexType.getDimSize(1) < 1 || indexType.getDimSize(1) > rank)
    return l.fail("indices other than a list of positions are not supported");
  int64_t depth = indexType.getDimSize(1);
  Sizes sizes = l.sizes(l.in(0));
  Sizes one(depth, l.b.getIndexAttr(1));
  llvm::append_range(one, ArrayRef(sizes).drop_front(depth));
  Sizes part{l.b.getIndexAttr(1)};
  llvm::append_range(part, ArrayRef(sizes).drop_front(depth));
  SmallVector<int64_t> shape;
  for (int64_t i = depth; i < rank; ++i)
    shape.push_back(type.getDimSize(i));
  auto sliceType = RankedTensorType::get(shape, type.getElementType());
  // There are as many slices as positions; data that says otherwise is not
  // read.
  Value count = arith::MinSIOp::create(l.b, l.loc, l.toValue(l.dim(l.in(1), 0)),
                                       l.toValue(l.dim(l.in(2), 0)));
  SmallVector<Value> bounds;
  for (int64_t i = 0; i < depth; ++i)
    bounds.push_back(l.toValue(sizes[i]));
  auto loop = scf::ForOp::create(
      l.b, l.loc, l.index(0), count, l.index(1), ValueRange(l.in(0)),
      [&](OpBuilder &b, Location loc, Value number, ValueRange state) {
        SmallVector<OpFoldResult> to(rank, b.getIndexAttr(0)),
            from(rank - depth + 1, b.getIndexAttr(0));
        for (int64_t i = 0; i < depth; ++i)
          to[i] = toPosition(
              b, loc,
              tensor::ExtractOp::create(
                  b, loc, l.in(1),
                  {number, arith::ConstantIndexOp::create(b, loc, i)}),
              bounds[i]);
        from[0] = number;
        SmallVector<OpFoldResult> fromStrides(from.size(), b.getIndexAttr(1)),
            toStrides(rank, b.getIndexAttr(1));
        Value slice = tensor::ExtractSliceOp::create(b, loc, sliceType, l.in(2),
                                                     from, part, fromStrides);
        Value next = tensor::InsertSliceOp::create(b, loc, slice, state[0], to,
                                                   one, toStrides);
        scf::YieldOp::create(b, loc, next);
      });
  return l.replace(loop.getResult(0));
}

void compress::addGatherLowerings(LowerTable &table) {
  table["Gather"] = gather;
  table["GatherElements"] = gatherElements;
  table["GatherND"] = gatherND;
  table["NonZero"] = nonZero;
  table["OneHot"] = oneHot;
  table["ScatterND"] = scatterND;
}

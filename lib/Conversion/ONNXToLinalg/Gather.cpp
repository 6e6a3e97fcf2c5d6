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
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;

/// An index of any integer type, counted from the end when negative.
static Value toPosition(OpBuilder &b, Location loc, Value index, Value size) {
  Value position =
      index.getType().isIndex()
          ? index
          : arith::IndexCastOp::create(b, loc, b.getIndexType(), index)
                .getResult();
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value negative =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, position, zero);
  Value moved = arith::AddIOp::create(b, loc, position, size);
  return arith::SelectOp::create(b, loc, negative, moved, position);
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

void compress::addGatherLowerings(LowerTable &table) {
  table["Gather"] = gather;
  table["GatherElements"] = gatherElements;
  table["GatherND"] = gatherND;
  table["OneHot"] = oneHot;
}

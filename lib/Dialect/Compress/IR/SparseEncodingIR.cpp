//===- SparseEncodingIR.cpp - Rules of the sparse encoding ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lookups and contractions that touch only what is stored.
//
//===----------------------------------------------------------------------===//

#include "ContractRules.h"
#include "compress/Dialect/Compress/IR/ChannelBlocks.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;

static Value buildIndex(OpBuilder &b, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}

/// An integer of a tensor as an index that is at most `last`: a payload that
/// nobody checked is not read or written outside either.
static Value buildReadIndex(OpBuilder &b, Location loc, Value source,
                            ValueRange position, Value last) {
  Value at = tensor::ExtractOp::create(b, loc, source, position);
  at = arith::IndexCastUIOp::create(b, loc, b.getIndexType(), at);
  return arith::MinUIOp::create(b, loc, at, last);
}

/// A tensor computed from the position of each element.
static Value buildTensor(OpBuilder &b, Location loc,
                         ArrayRef<OpFoldResult> sizes, Type elementType,
                         BodyBuilder at) {
  unsigned rank = sizes.size();
  Value init = tensor::EmptyOp::create(b, loc, sizes, elementType);
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, init.getType(), ValueRange(), init,
             b.getMultiDimIdentityMap(rank), iterators,
             [&](OpBuilder &b, Location loc, ValueRange) {
               SmallVector<Value> position;
               for (unsigned axis = 0; axis < rank; ++axis)
                 position.push_back(linalg::IndexOp::create(b, loc, axis));
               linalg::YieldOp::create(b, loc, at(b, loc, position));
             })
      .getResult(0);
}

static Value buildZero(OpBuilder &b, Location loc, Type elementType) {
  return arith::ConstantOp::create(b, loc, b.getZeroAttr(elementType));
}

//===----------------------------------------------------------------------===//
// Kept channels
//===----------------------------------------------------------------------===//

/// For each of `size` channels one more than its number among those that are
/// kept (i32), or 0. `kept` is not empty.
static Value buildSlots(OpBuilder &b, Location loc, Value kept, int64_t size) {
  Type i32 = b.getI32Type();
  Value empty = tensor::EmptyOp::create(b, loc, size, i32);
  Value init = linalg::FillOp::create(b, loc, buildZero(b, loc, i32), empty)
                   .getResult(0);
  Value last = buildIndex(b, loc, size - 1);
  int64_t count = cast<RankedTensorType>(kept.getType()).getDimSize(0);
  auto loop = scf::ForOp::create(
      b, loc, buildIndex(b, loc, 0), buildIndex(b, loc, count),
      buildIndex(b, loc, 1), init,
      [&](OpBuilder &b, Location loc, Value k, ValueRange carried) {
        Value at = buildReadIndex(b, loc, kept, k, last);
        Value next = arith::AddIOp::create(b, loc, k, buildIndex(b, loc, 1));
        Value number = arith::IndexCastOp::create(b, loc, i32, next);
        Value out = tensor::InsertOp::create(b, loc, number, carried[0], at);
        scf::YieldOp::create(b, loc, out);
      });
  return loop.getResult(0);
}

/// `compact[..., number of the channel, ...]` where the channel at
/// `position[axis]` is kept, else `otherwise`.
static Value buildReadKept(OpBuilder &b, Location loc, Value slots,
                           Value compact, ValueRange position, int64_t axis,
                           Value otherwise) {
  Value slot = tensor::ExtractOp::create(b, loc, slots, position[axis]);
  Value zero = buildZero(b, loc, slot.getType());
  Value one = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(1));
  Value isKept =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt, slot, zero);
  // Of a channel that is not kept the first is read, and not used.
  Value number = arith::SubIOp::create(
      b, loc, arith::MaxSIOp::create(b, loc, slot, one), one);
  SmallVector<Value> at(position);
  at[axis] = arith::IndexCastOp::create(b, loc, b.getIndexType(), number);
  Value value = tensor::ExtractOp::create(b, loc, compact, at);
  return arith::SelectOp::create(b, loc, isKept, value, otherwise);
}

/// The slices of a dense tensor that are named by `kept`.
static Value buildTakeKept(OpBuilder &b, Location loc, Value value, Value kept,
                           int64_t axis) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] = cast<RankedTensorType>(kept.getType()).getDimSize(0);
  return GatherOp::create(b, loc,
                          RankedTensorType::get(shape, type.getElementType()),
                          value, kept, axis);
}

//===----------------------------------------------------------------------===//
// Gather
//===----------------------------------------------------------------------===//

/// Rows of a csr tensor of rank 2: the entries of the rows that are named.
static FailureOr<Value> buildGatherCSR(OpBuilder &b, Location loc,
                                       CompressedTensorType type,
                                       ValueRange components, Value indices) {
  Type element = type.getElementType();
  int64_t rows = type.getDimSize(0), width = type.getDimSize(1);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, indices);
  SmallVector<Value> ends;
  for (OpFoldResult size : sizes)
    ends.push_back(getValueOrCreateConstantIndexOp(b, loc, size));
  sizes.push_back(b.getIndexAttr(width));
  Value empty = tensor::EmptyOp::create(b, loc, sizes, element);
  Value zeros =
      linalg::FillOp::create(b, loc, buildZero(b, loc, element), empty)
          .getResult(0);
  int64_t nnz = cast<SparseAttr>(type.getEncoding()).getNnz();
  if (rows == 0 || width == 0 || nnz == 0)
    return zeros;
  auto values =
      buildDecodeComponent(b, loc, components[0], type.getComponents()[0]);
  if (failed(values))
    return failure();
  Value columns = components[1], offsets = components[2];
  Value zero = buildIndex(b, loc, 0), one = buildIndex(b, loc, 1);
  Value extent = buildIndex(b, loc, rows), last = buildIndex(b, loc, rows - 1);
  Value lastColumn = buildIndex(b, loc, width - 1);
  Value count = buildIndex(b, loc, nnz);
  SmallVector<Value> begins(ends.size(), zero), steps(ends.size(), one);
  auto body = [&](OpBuilder &b, Location loc, ValueRange at,
                  ValueRange carried) -> scf::ValueVector {
    Value row = tensor::ExtractOp::create(b, loc, indices, at);
    if (!row.getType().isIndex())
      row = arith::IndexCastOp::create(b, loc, b.getIndexType(), row);
    Value isNegative =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, row, zero);
    Value wrapped = arith::AddIOp::create(b, loc, row, extent);
    row = arith::SelectOp::create(b, loc, isNegative, wrapped, row);
    row = arith::MaxSIOp::create(b, loc, row, zero);
    row = arith::MinSIOp::create(b, loc, row, last);
    Value next = arith::AddIOp::create(b, loc, row, one);
    Value begin = buildReadIndex(b, loc, offsets, row, count);
    Value end = buildReadIndex(b, loc, offsets, next, count);
    auto loop = scf::ForOp::create(
        b, loc, begin, end, one, carried,
        [&](OpBuilder &b, Location loc, Value k, ValueRange carried) {
          SmallVector<Value> to(at);
          to.push_back(buildReadIndex(b, loc, columns, k, lastColumn));
          Value value = tensor::ExtractOp::create(b, loc, *values, k);
          Value out = tensor::InsertOp::create(b, loc, value, carried[0], to);
          scf::YieldOp::create(b, loc, out);
        });
    return {loop.getResult(0)};
  };
  return scf::buildLoopNest(b, loc, begins, ends, steps, zeros, body)
      .results[0];
}

FailureOr<Value> SparseAttr::buildGather(OpBuilder &b, Location loc,
                                         CompressedTensorType type,
                                         ValueRange components, Value indices,
                                         int64_t axis) const {
  int64_t rank = type.getRank();
  Type element = type.getElementType();
  if (getPattern() == SparsePattern::CSR && rank == 2 && axis == 0)
    return buildGatherCSR(b, loc, type, components, indices);
  bool isNM = getPattern() == SparsePattern::NM;
  if ((!isNM && getPattern() != SparsePattern::Channels) ||
      axis == getAxis(rank))
    return buildGatherOfDecoded(b, loc, type, components, indices, axis);

  // Slices of the values, then the own axis at full size again.
  int64_t own = getAxis(rank);
  int64_t size = type.getDimSize(own);
  if (own > axis)
    own += cast<RankedTensorType>(indices.getType()).getRank() - 1;
  SmallVector<Component> parts = getComponents(type);
  auto values =
      buildGatherComponent(b, loc, components[0], parts[0], indices, axis);
  if (failed(values))
    return failure();
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, *values);
  sizes[own] = b.getIndexAttr(size);
  if (!isNM) {
    if (getNnz() == 0) {
      Value empty = tensor::EmptyOp::create(b, loc, sizes, element);
      return linalg::FillOp::create(b, loc, buildZero(b, loc, element), empty)
          .getResult(0);
    }
    Value slots = buildSlots(b, loc, components[1], size);
    return buildTensor(b, loc, sizes, element,
                       [&](OpBuilder &b, Location loc, ValueRange position) {
                         return buildReadKept(b, loc, slots, *values, position,
                                              own, buildZero(b, loc, element));
                       });
  }
  auto positions =
      buildGatherComponent(b, loc, components[1], parts[1], indices, axis);
  if (failed(positions))
    return failure();
  return buildTensor(
      b, loc, sizes, element,
      [&](OpBuilder &b, Location loc, ValueRange position) {
        Value m = buildIndex(b, loc, getM());
        Value block = arith::DivUIOp::create(b, loc, position[own], m);
        Value place = arith::RemUIOp::create(b, loc, position[own], m);
        place = arith::IndexCastOp::create(
            b, loc, getElementTypeOrSelf(positions->getType()), place);
        Value first =
            arith::MulIOp::create(b, loc, block, buildIndex(b, loc, getN()));
        Value result = buildZero(b, loc, element);
        SmallVector<Value> at(position);
        for (int64_t k = 0; k < getN(); ++k) {
          at[own] = arith::AddIOp::create(b, loc, first, buildIndex(b, loc, k));
          Value where = tensor::ExtractOp::create(b, loc, *positions, at);
          Value value = tensor::ExtractOp::create(b, loc, *values, at);
          Value isHere = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                               where, place);
          result = arith::SelectOp::create(b, loc, isHere, value, result);
        }
        return result;
      });
}

//===----------------------------------------------------------------------===//
// Contract
//===----------------------------------------------------------------------===//

/// Contracts only the channels that are kept. Along a loop that is summed over
/// the others add nothing; along a loop of the result they leave `init`.
static FailureOr<Value> contractChannels(RewriterBase &rewriter, ContractOp op,
                                         unsigned operand, SparseAttr attr,
                                         CompressedTensorType type) {
  int64_t axis = attr.getAxis(type.getRank());
  auto loop = findLoop(op, operand, axis);
  if (!loop)
    return failure();
  for (auto [i, expr] : llvm::enumerate(op.getMap(operand).getResults()))
    if (int64_t(i) != axis && expr.isFunctionOfDim(*loop))
      return failure();
  bool isShared = op.getMap(1 - operand).isFunctionOfDim(*loop);
  auto otherAxis = findOtherAxis(op, operand, axis);
  if (isShared && (!otherAxis || isa<CompressedTensorType>(
                                     op->getOperand(1 - operand).getType())))
    return failure();
  bool isSummed = op.isReductionDim(*loop);
  auto resultAxis = findResultAxis(op, operand, axis);
  if (!isSummed && !resultAxis)
    return failure();
  Value init = op.getInit();
  if (attr.getNnz() == 0)
    return init;

  Location loc = op.getLoc();
  auto parts = UnpackOp::create(rewriter, loc, op->getOperand(operand));
  Value values = packDense(rewriter, loc, parts.getResult(0),
                           attr.getComponents(type).front());
  Value kept = parts.getResult(1);
  Value other = op->getOperand(1 - operand);
  if (isShared)
    other = buildTakeKept(rewriter, loc, other, kept, *otherAxis);
  if (isSummed)
    return cloneContract(rewriter, op, operand, values, other, init);
  Value product =
      cloneContract(rewriter, op, operand, values, other,
                    buildTakeKept(rewriter, loc, init, kept, *resultAxis));
  Value slots = buildSlots(rewriter, loc, kept, type.getDimSize(axis));
  int64_t rank = cast<RankedTensorType>(init.getType()).getRank();
  return buildElementwise(rewriter, loc, getElementTypeOrSelf(init.getType()),
                          init, [&](OpBuilder &b, Location loc, ValueRange in) {
                            SmallVector<Value> position;
                            for (int64_t d = 0; d < rank; ++d)
                              position.push_back(
                                  linalg::IndexOp::create(b, loc, d));
                            return buildReadKept(b, loc, slots, product,
                                                 position, *resultAxis, in[0]);
                          });
}

namespace {
/// A csr matrix times something: emits `sum + x * value` entry by entry.
struct EntryLoop {
  Value values, columns, offsets, other;
  AffineMap otherMap;
  int64_t width, nnz;

  /// The first and one past the last entry of a row.
  std::pair<Value, Value> getRange(OpBuilder &b, Location loc,
                                   Value row) const {
    Value count = buildIndex(b, loc, nnz);
    Value next = arith::AddIOp::create(b, loc, row, buildIndex(b, loc, 1));
    return {buildReadIndex(b, loc, offsets, row, count),
            buildReadIndex(b, loc, offsets, next, count)};
  }
  Value getColumn(OpBuilder &b, Location loc, Value k) const {
    return buildReadIndex(b, loc, columns, k, buildIndex(b, loc, width - 1));
  }
  /// The element of the other operand at these loops.
  Value getOther(OpBuilder &b, Location loc, ArrayRef<Value> loops) const {
    SmallVector<Value> position;
    for (AffineExpr expr : otherMap.getResults())
      position.push_back(loops[cast<AffineDimExpr>(expr).getPosition()]);
    return tensor::ExtractOp::create(b, loc, other, position);
  }
  Value addProduct(OpBuilder &b, Location loc, Value sum, Value x,
                   Value k) const {
    Value value = tensor::ExtractOp::create(b, loc, values, k);
    Value product = arith::MulFOp::create(b, loc, x, value);
    return arith::AddFOp::create(b, loc, sum, product);
  }
};
} // namespace

/// Rows are summed within: each element of the result runs through the entries
/// of one row.
static Value sumWithinRows(OpBuilder &b, ContractOp op, const EntryLoop &entry,
                           unsigned rowLoop, unsigned columnLoop) {
  Location loc = op.getLoc();
  Value init = op.getInit();
  unsigned rank = cast<RankedTensorType>(init.getType()).getRank();
  return buildElementwise(
      b, loc, getElementTypeOrSelf(init.getType()), init,
      [&](OpBuilder &b, Location loc, ValueRange in) {
        SmallVector<Value> loops(op.getNumLoops());
        for (unsigned d = 0; d < rank; ++d)
          loops[cast<AffineDimExpr>(op.getMap(2).getResult(d)).getPosition()] =
              linalg::IndexOp::create(b, loc, d);
        auto [begin, end] = entry.getRange(b, loc, loops[rowLoop]);
        auto sum = scf::ForOp::create(
            b, loc, begin, end, buildIndex(b, loc, 1), in[0],
            [&](OpBuilder &b, Location loc, Value k, ValueRange carried) {
              loops[columnLoop] = entry.getColumn(b, loc, k);
              Value x = entry.getOther(b, loc, loops);
              scf::YieldOp::create(b, loc,
                                   entry.addProduct(b, loc, carried[0], x, k));
            });
        return sum.getResult(0);
      });
}

/// Rows are summed over: each entry adds to the element of its column.
static Value sumOverRows(OpBuilder &b, ContractOp op, const EntryLoop &entry,
                         int64_t rows, unsigned rowLoop, unsigned columnLoop) {
  Location loc = op.getLoc();
  AffineMap resultMap = op.getMap(2);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, op.getInit());
  SmallVector<Value> ends;
  SmallVector<unsigned> order;
  for (auto [axis, expr] : llvm::enumerate(resultMap.getResults())) {
    unsigned loop = cast<AffineDimExpr>(expr).getPosition();
    if (loop == columnLoop)
      continue;
    order.push_back(loop);
    ends.push_back(getValueOrCreateConstantIndexOp(b, loc, sizes[axis]));
  }
  order.push_back(rowLoop);
  ends.push_back(buildIndex(b, loc, rows));
  Value one = buildIndex(b, loc, 1);
  SmallVector<Value> begins(ends.size(), buildIndex(b, loc, 0)),
      steps(ends.size(), one);
  auto body = [&](OpBuilder &b, Location loc, ValueRange at,
                  ValueRange carried) -> scf::ValueVector {
    SmallVector<Value> loops(op.getNumLoops());
    for (auto [loop, index] : llvm::zip_equal(order, at))
      loops[loop] = index;
    Value x = entry.getOther(b, loc, loops);
    auto [begin, end] = entry.getRange(b, loc, loops[rowLoop]);
    auto add = scf::ForOp::create(
        b, loc, begin, end, one, carried,
        [&](OpBuilder &b, Location loc, Value k, ValueRange carried) {
          loops[columnLoop] = entry.getColumn(b, loc, k);
          SmallVector<Value> to;
          for (AffineExpr expr : resultMap.getResults())
            to.push_back(loops[cast<AffineDimExpr>(expr).getPosition()]);
          Value old = tensor::ExtractOp::create(b, loc, carried[0], to);
          Value sum = entry.addProduct(b, loc, old, x, k);
          Value out = tensor::InsertOp::create(b, loc, sum, carried[0], to);
          scf::YieldOp::create(b, loc, out);
        });
    return {add.getResult(0)};
  };
  return scf::buildLoopNest(b, loc, begins, ends, steps, op.getInit(), body)
      .results[0];
}

/// Above this share of stored values a dense contraction is faster.
static constexpr double maxDensity = 0.3;

static FailureOr<Value> contractCSR(RewriterBase &rewriter, ContractOp op,
                                    unsigned operand, SparseAttr attr) {
  CompressedTensorType type = getRewritableType(op, operand);
  Value other = op->getOperand(1 - operand);
  if (!type || type.getRank() != 2 || !isa<RankedTensorType>(other.getType()) ||
      double(attr.getNnz()) > maxDensity * double(type.getNumElements()))
    return failure();
  if (attr.getNnz() == 0)
    return op.getInit();
  // A matrix product: a matrix of two loops, one summed over and shared with
  // the other operand, one of the result alone.
  AffineMap otherMap = op.getMap(1 - operand);
  if (!otherMap.isProjectedPermutation() ||
      !op.getMap(2).isProjectedPermutation())
    return failure();
  auto row = findLoop(op, operand, 0), column = findLoop(op, operand, 1);
  if (!row || !column || *row == *column)
    return failure();
  bool sumsRows = op.isReductionDim(*row);
  if (sumsRows == op.isReductionDim(*column))
    return failure();
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
    bool isSummed = loop == (sumsRows ? *row : *column);
    bool isOutput = loop == (sumsRows ? *column : *row);
    if (op.isReductionDim(loop) != isSummed ||
        otherMap.isFunctionOfDim(loop) == isOutput)
      return failure();
  }
  Location loc = op.getLoc();
  auto parts = UnpackOp::create(rewriter, loc, op->getOperand(operand));
  auto values = buildDecodeComponent(rewriter, loc, parts.getResult(0),
                                     attr.getComponents(type).front());
  if (failed(values))
    return failure();
  EntryLoop entry{*values,  parts.getResult(1), parts.getResult(2), other,
                  otherMap, type.getDimSize(1), attr.getNnz()};
  return sumsRows ? sumOverRows(rewriter, op, entry, type.getDimSize(0), *row,
                                *column)
                  : sumWithinRows(rewriter, op, entry, *row, *column);
}

/// Channels by another name: codes of one depth, of a constant.
static FailureOr<Value> contractChannelBlocks(RewriterBase &rewriter,
                                              ContractOp op, unsigned operand) {
  CompressedTensorType type = getRewritableType(op, operand);
  auto constant = op->getOperand(operand).getDefiningOp<ConstantOp>();
  if (!type || !constant || !getChannelBlockAxis(type))
    return failure();
  if (cast<SparseAttr>(type.getEncoding()).getNnz() == 0)
    return op.getInit();
  EncodedTensor channels = toScaledChannels(type, constant.getLeaves());
  Value moved = ConstantOp::create(rewriter, op.getLoc(), channels.type,
                                   channels.leaves, "channels");
  return cloneContract(rewriter, op, operand, moved,
                       op->getOperand(1 - operand), op.getInit());
}

FailureOr<Value> SparseAttr::rewriteContract(RewriterBase &rewriter,
                                             Operation *op,
                                             unsigned operand) const {
  auto contract = cast<ContractOp>(op);
  auto type =
      cast<CompressedTensorType>(contract->getOperand(operand).getType());
  // Without nnz there is no loop to write.
  if (hasCount() && ShapedType::isDynamic(getNnz()))
    return failure();
  switch (getPattern()) {
  case SparsePattern::Channels:
    return contractChannels(rewriter, contract, operand, *this, type);
  case SparsePattern::CSR:
    return contractCSR(rewriter, contract, operand, *this);
  case SparsePattern::Block:
    return contractChannelBlocks(rewriter, contract, operand);
  case SparsePattern::Bitmask:
  case SparsePattern::NM:
    return failure();
  }
  llvm_unreachable("unknown pattern");
}

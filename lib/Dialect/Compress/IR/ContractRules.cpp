//===- ContractRules.cpp - Pieces of contraction rewrites -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ContractRules.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;

CompressedTensorType compress::getRewritableType(ContractOp op,
                                                 unsigned operand) {
  auto type = cast<CompressedTensorType>(op->getOperand(operand).getType());
  Type element = type.getElementType();
  if (element != getComputeType(element) ||
      element != getElementTypeOrSelf(op.getInit().getType()) ||
      element != getElementTypeOrSelf(op->getOperand(1 - operand).getType()))
    return {};
  return type;
}

std::optional<unsigned> compress::findLoop(ContractOp op, unsigned operand,
                                           int64_t axis) {
  auto dim = dyn_cast<AffineDimExpr>(op.getMap(operand).getResult(axis));
  if (!dim)
    return std::nullopt;
  return dim.getPosition();
}

/// The axis of a map that is exactly this loop, which no other axis may use.
static std::optional<int64_t> findAxis(AffineMap map, unsigned loop) {
  std::optional<int64_t> found;
  for (auto [axis, expr] : llvm::enumerate(map.getResults())) {
    if (!expr.isFunctionOfDim(loop))
      continue;
    if (found || !isa<AffineDimExpr>(expr))
      return std::nullopt;
    found = axis;
  }
  return found;
}

std::optional<int64_t> compress::findOtherAxis(ContractOp op, unsigned operand,
                                               int64_t axis) {
  auto loop = findLoop(op, operand, axis);
  if (!loop)
    return std::nullopt;
  return findAxis(op.getMap(1 - operand), *loop);
}

Value compress::decodeOther(OpBuilder &builder, ContractOp op,
                            unsigned operand) {
  Value other = op->getOperand(1 - operand);
  if (!isa<CompressedTensorType>(other.getType()))
    return other;
  return DecodeOp::create(builder, op.getLoc(), other);
}

std::optional<int64_t> compress::findResultAxis(ContractOp op, unsigned operand,
                                                int64_t axis) {
  auto loop = findLoop(op, operand, axis);
  if (!loop)
    return std::nullopt;
  return findAxis(op.getMap(2), *loop);
}

bool compress::isReductionAxis(ContractOp op, unsigned operand, int64_t axis) {
  auto loop = findLoop(op, operand, axis);
  return loop && op.isReductionDim(*loop);
}

Value compress::cloneContract(OpBuilder &builder, ContractOp op,
                              unsigned operand, Value value, Value other,
                              Value init) {
  Value lhs = operand == 0 ? value : other;
  Value rhs = operand == 0 ? other : value;
  return ContractOp::create(builder, op.getLoc(), init.getType(), lhs, rhs,
                            init, op.getIndexingMaps(), op.getIteratorTypes())
      .getResult();
}

Value compress::packDense(OpBuilder &builder, Location loc, Value value,
                          const Component &component) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getElementType() == component.elementType)
    return value;
  return PackOp::create(builder, loc,
                        CompressedTensorType::get(
                            builder.getContext(), type.getShape(),
                            component.elementType,
                            cast<EncodingAttrInterface>(component.encoding)),
                        value);
}

Value compress::buildZeroInit(OpBuilder &builder, ContractOp op) {
  Value init = op.getInit();
  Type element = getElementTypeOrSelf(init.getType());
  Value zero = arith::ConstantOp::create(builder, op.getLoc(),
                                         builder.getFloatAttr(element, 0.0));
  Value empty = buildEmptyLike(builder, op.getLoc(), init, element);
  return linalg::FillOp::create(builder, op.getLoc(), zero, empty).getResult(0);
}

Value compress::buildAdd(OpBuilder &builder, Location loc, Value init,
                         Value value) {
  return buildElementwise(
      builder, loc, getElementTypeOrSelf(init.getType()), {init, value},
      [](OpBuilder &b, Location loc, ValueRange in) -> Value {
        return arith::AddFOp::create(b, loc, in[0], in[1]);
      });
}

Value compress::buildScaledBy(OpBuilder &builder, Location loc, Value init,
                              Value value, Value scales,
                              ArrayRef<std::optional<int64_t>> axes) {
  unsigned rank = cast<RankedTensorType>(value.getType()).getRank();
  SmallVector<AffineExpr> exprs;
  for (std::optional<int64_t> axis : axes)
    exprs.push_back(axis ? builder.getAffineDimExpr(*axis)
                         : builder.getAffineConstantExpr(0));
  SmallVector<Value> inputs{value, scales};
  AffineMap identity = builder.getMultiDimIdentityMap(rank);
  SmallVector<AffineMap> maps{
      identity, AffineMap::get(rank, 0, exprs, builder.getContext())};
  if (init) {
    inputs.push_back(init);
    maps.push_back(identity);
  }
  return buildElementwise(
      builder, loc, getElementTypeOrSelf(value.getType()), inputs,
      [](OpBuilder &b, Location loc, ValueRange in) -> Value {
        Value product = arith::MulFOp::create(b, loc, in[0], in[1]);
        if (in.size() < 3)
          return product;
        return arith::AddFOp::create(b, loc, in[2], product);
      },
      maps);
}

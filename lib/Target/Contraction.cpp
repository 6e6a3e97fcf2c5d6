//===- Contraction.cpp - Shapes of contractions -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Contraction.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace compress;

SmallVector<int64_t> compress::getLoopExtents(ContractOp op) {
  SmallVector<int64_t> extents(op.getNumLoops(), ShapedType::kDynamic);
  Type types[] = {op.getLhs().getType(), op.getRhs().getType(),
                  op.getInit().getType()};
  for (unsigned i = 0; i < 3; ++i)
    for (auto [axis, expr] : llvm::enumerate(op.getMap(i).getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      int64_t size = cast<ShapedType>(types[i]).getDimSize(axis);
      if (dim && !ShapedType::isDynamic(size))
        extents[dim.getPosition()] = size;
    }
  return extents;
}

std::optional<MatmulShape> compress::matchMatmul(ContractOp op) {
  SmallVector<bool> in[3];
  for (unsigned i = 0; i < 3; ++i) {
    AffineMap map = op.getMap(i);
    if (!map.isProjectedPermutation())
      return std::nullopt;
    in[i].assign(op.getNumLoops(), false);
    for (AffineExpr expr : map.getResults())
      in[i][cast<AffineDimExpr>(expr).getPosition()] = true;
  }
  MatmulShape shape;
  // Positions in the order of the result, sums in the order of the lhs.
  for (AffineExpr expr : op.getMap(2).getResults()) {
    unsigned d = cast<AffineDimExpr>(expr).getPosition();
    if (in[0][d] && in[1][d])
      shape.batch.push_back(d);
    else if (in[0][d])
      shape.m.push_back(d);
    else if (in[1][d])
      shape.n.push_back(d);
    else
      return std::nullopt;
  }
  for (AffineExpr expr : op.getMap(0).getResults()) {
    unsigned d = cast<AffineDimExpr>(expr).getPosition();
    if (!in[2][d]) {
      if (!in[1][d])
        return std::nullopt;
      shape.k.push_back(d);
    }
  }
  unsigned found =
      shape.batch.size() + shape.m.size() + shape.n.size() + shape.k.size();
  if (found != op.getNumLoops() || shape.k.empty())
    return std::nullopt;
  return shape;
}

/// Splits `o * stride + k * dilation` (either factor may be 1, either order)
/// into its two loops.
static bool matchWindow(AffineExpr expr, unsigned loops[2],
                        int64_t factors[2]) {
  auto sum = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!sum || sum.getKind() != AffineExprKind::Add)
    return false;
  AffineExpr terms[] = {sum.getLHS(), sum.getRHS()};
  for (unsigned i = 0; i < 2; ++i) {
    factors[i] = 1;
    if (auto product = dyn_cast<AffineBinaryOpExpr>(terms[i])) {
      auto factor = dyn_cast<AffineConstantExpr>(product.getRHS());
      if (product.getKind() != AffineExprKind::Mul || !factor)
        return false;
      factors[i] = factor.getValue();
      terms[i] = product.getLHS();
    }
    auto dim = dyn_cast<AffineDimExpr>(terms[i]);
    if (!dim || factors[i] < 1)
      return false;
    loops[i] = dim.getPosition();
  }
  return true;
}

std::optional<ConvShape> compress::matchConv(ContractOp op) {
  ConvShape shape;
  auto dimsOf = [&](AffineMap map) {
    SmallVector<int> dims;
    for (AffineExpr expr : map.getResults()) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      dims.push_back(dim ? int(dim.getPosition()) : -1);
    }
    return dims;
  };
  SmallVector<int> lhs = dimsOf(op.getMap(0)), rhs = dimsOf(op.getMap(1)),
                   out = dimsOf(op.getMap(2));
  if (llvm::is_contained(rhs, -1) || llvm::is_contained(out, -1) || lhs.empty())
    return std::nullopt;
  auto has = [](ArrayRef<int> dims, int d) {
    return llvm::is_contained(dims, d);
  };
  SmallVector<int> expectedLhs, expectedRhs, expectedOut;
  // Leading plain axes of the input, then windows.
  unsigned axis = 0;
  for (; axis < lhs.size() && lhs[axis] >= 0; ++axis) {
    int d = lhs[axis];
    int *role = has(out, d) ? (has(rhs, d) ? &shape.group : &shape.n)
                            : (has(rhs, d) ? &shape.c : nullptr);
    if (!role || *role >= 0)
      return std::nullopt;
    *role = d;
  }
  for (; axis < lhs.size(); ++axis) {
    unsigned loops[2];
    int64_t factors[2];
    if (lhs[axis] >= 0 ||
        !matchWindow(op.getMap(0).getResult(axis), loops, factors))
      return std::nullopt;
    unsigned o = has(out, loops[0]) ? 0 : 1;
    if (!has(out, loops[o]) || !has(rhs, loops[1 - o]))
      return std::nullopt;
    shape.out.push_back(loops[o]);
    shape.kernel.push_back(loops[1 - o]);
    shape.strides.push_back(factors[o]);
    shape.dilations.push_back(factors[1 - o]);
  }
  if (shape.out.empty())
    return std::nullopt;
  for (int d : rhs)
    if (d != shape.group && d != shape.c &&
        !llvm::is_contained(shape.kernel, unsigned(d))) {
      if (shape.f >= 0 || !has(out, d))
        return std::nullopt;
      shape.f = d;
    }
  // Axis orders.
  auto append = [](SmallVector<int> &list, int d) {
    if (d >= 0)
      list.push_back(d);
  };
  append(expectedOut, shape.n);
  append(expectedOut, shape.group);
  append(expectedOut, shape.f);
  for (unsigned d : shape.out)
    expectedOut.push_back(d);
  SmallVector<int> leading;
  append(leading, shape.n);
  append(leading, shape.group);
  append(leading, shape.c);
  SmallVector<int> tail;
  append(tail, shape.c);
  for (unsigned d : shape.kernel)
    tail.push_back(d);
  SmallVector<int> groupFirst, filterFirst;
  append(groupFirst, shape.group);
  append(groupFirst, shape.f);
  llvm::append_range(groupFirst, tail);
  append(filterFirst, shape.f);
  append(filterFirst, shape.group);
  llvm::append_range(filterFirst, tail);
  unsigned plain = lhs.size() - shape.out.size();
  if (ArrayRef(lhs).take_front(plain) != ArrayRef(leading) ||
      out != expectedOut || (rhs != groupFirst && rhs != filterFirst))
    return std::nullopt;
  return shape;
}

Value compress::peelPad(Value value, unsigned spatial,
                        MutableArrayRef<int64_t> low,
                        MutableArrayRef<int64_t> high) {
  auto pad = value.getDefiningOp<tensor::PadOp>();
  if (!pad)
    return value;
  Value with = pad.getConstantPaddingValue();
  if (!with || !matchPattern(with, m_AnyZeroFloat()))
    return value;
  // A dynamic amount is negative here, too.
  ArrayRef<int64_t> lows = pad.getStaticLow(), highs = pad.getStaticHigh();
  unsigned plain = lows.size() - spatial;
  for (unsigned i = 0; i < lows.size(); ++i)
    if (lows[i] < 0 || highs[i] < 0 || (i < plain && (lows[i] || highs[i])))
      return value;
  for (unsigned i = 0; i < spatial; ++i) {
    low[i] += lows[plain + i];
    high[i] += highs[plain + i];
  }
  return pad.getSource();
}

Value compress::peelUnitAxis(Value value) {
  auto expand = value.getDefiningOp<tensor::ExpandShapeOp>();
  if (!expand)
    return value;
  ArrayRef<int64_t> from = expand.getSrcType().getShape(),
                    to = expand.getResultType().getShape();
  if (to.size() != from.size() + 1 || to[2] != 1 ||
      to.take_front(2) != from.take_front(2) ||
      to.drop_front(3) != from.drop_front(2))
    return value;
  return expand.getSrc();
}

Value compress::matchBias(ContractOp op, unsigned axis, bool &isZero) {
  isZero = false;
  Value init = op.getInit();
  if (auto fill = init.getDefiningOp<linalg::FillOp>()) {
    isZero = matchPattern(fill.value(), m_AnyZeroFloat());
    return {};
  }
  if (matchPattern(init, m_AnyZeroFloat())) {
    isZero = true;
    return {};
  }
  if (auto broadcast = init.getDefiningOp<linalg::BroadcastOp>()) {
    Value input = broadcast.getInput();
    auto type = dyn_cast<RankedTensorType>(input.getType());
    if (type && type.getRank() == 1 &&
        !llvm::is_contained(broadcast.getDimensions(), int64_t(axis)))
      return input;
    return {};
  }
  auto generic = init.getDefiningOp<linalg::GenericOp>();
  if (!generic || generic.getNumDpsInputs() != 1 ||
      generic.getNumResults() != 1)
    return {};
  Block &body = *generic.getBlock();
  auto yield = cast<linalg::YieldOp>(body.getTerminator());
  if (&body.front() != yield.getOperation() ||
      yield.getOperand(0) != body.getArgument(0))
    return {};
  AffineMap in = generic.getIndexingMapsArray()[0];
  AffineMap out = generic.getIndexingMapsArray()[1];
  Value input = generic.getDpsInputOperand(0)->get();
  if (!out.isIdentity() || in.getNumResults() != 1 ||
      in.getResult(0) != getAffineDimExpr(axis, op.getContext()))
    return {};
  return input;
}

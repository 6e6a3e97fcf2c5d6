//===- FloatClaims.cpp - What float claims share ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FloatClaims.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// The only operation that reads elements of `value`, if it is an elementwise
/// one of the same shape.
static linalg::GenericOp getElementwiseUser(Value value) {
  linalg::GenericOp result;
  for (OpOperand &use : value.getUses()) {
    if (isa<tensor::DimOp>(use.getOwner()))
      continue;
    auto generic = dyn_cast<linalg::GenericOp>(use.getOwner());
    if (!generic || result || !generic.isDpsInput(&use) ||
        generic->getBlock() != value.getDefiningOp()->getBlock())
      return {};
    result = generic;
  }
  if (!result || result.getNumDpsInits() != 1 ||
      result.getResultTypes() != TypeRange(value.getType()) ||
      result.getNumParallelLoops() != result.getNumLoops() ||
      !llvm::all_of(result.getIndexingMapsArray(),
                    [](AffineMap map) { return map.isIdentity(); }) ||
      !result.getBlock()->getArguments().back().use_empty())
    return {};
  return result;
}

static bool matchClamp(linalg::GenericOp op, FloatEpilogue &epilogue) {
  Block &body = *op.getBlock();
  if (op.getNumDpsInputs() != 1)
    return false;
  FloatEpilogue result = epilogue;
  Value current = body.getArgument(0);
  for (Operation &inner : body.without_terminator()) {
    if (isa<arith::ConstantOp>(inner))
      continue;
    bool isMax = isa<arith::MaximumFOp>(inner);
    if (!isMax && !isa<arith::MinimumFOp>(inner))
      return false;
    Value bound = inner.getOperand(0) == current   ? inner.getOperand(1)
                  : inner.getOperand(1) == current ? inner.getOperand(0)
                                                   : Value();
    APFloat value(0.0f);
    if (!bound || !matchPattern(bound, m_ConstantFloat(&value)) ||
        value.isNaN())
      return false;
    float number = value.convertToFloat();
    // The lower bound comes first, which matters if it is above the other.
    if (isMax ? result.low || (result.high && number > *result.high)
              : bool(result.high))
      return false;
    (isMax ? result.low : result.high) = number;
    current = inner.getResult(0);
  }
  if (body.getTerminator()->getOperand(0) != current)
    return false;
  epilogue = result;
  return true;
}

/// The tensor that `op` adds to `value`.
static Value matchAddend(linalg::GenericOp op, Value value) {
  Block &body = *op.getBlock();
  if (op.getNumDpsInputs() != 2 || body.getOperations().size() != 2)
    return {};
  auto add = dyn_cast<arith::AddFOp>(body.front());
  if (!add || body.getTerminator()->getOperand(0) != add.getResult())
    return {};
  Value x = body.getArgument(0), y = body.getArgument(1);
  if (!(add.getLhs() == x && add.getRhs() == y) &&
      !(add.getLhs() == y && add.getRhs() == x))
    return {};
  Value first = op.getDpsInputOperand(0)->get();
  Value second = op.getDpsInputOperand(1)->get();
  Value other = first == value ? second : first;
  return other != value && other.getType() == value.getType() ? other : Value();
}

Value compress::cpu::peelGroups(Value value, unsigned spatial) {
  auto expand = value.getDefiningOp<tensor::ExpandShapeOp>();
  if (!expand || expand.getSrcType().getRank() != 2 + int64_t(spatial) ||
      expand.getResultType().getRank() != 3 + int64_t(spatial) ||
      expand.getReassociationIndices()[1].size() != 2)
    return value;
  return expand.getSrc();
}

EpilogueMatch compress::cpu::matchFloatEpilogue(Operation *op) {
  EpilogueMatch match;
  match.last = op;
  while (auto next = getElementwiseUser(match.last->getResult(0))) {
    FloatEpilogue &epilogue = match.epilogue;
    if (!matchClamp(next, epilogue)) {
      Value addend = matchAddend(next, match.last->getResult(0));
      if (!addend || epilogue.hasAddend || epilogue.low || epilogue.high)
        break;
      epilogue.hasAddend = true;
      match.addend = addend;
    }
    match.last = next;
  }
  return match;
}

void compress::cpu::replaceWithEpilogue(PatternRewriter &rewriter,
                                        ContractOp op,
                                        const EpilogueMatch &match,
                                        Value result) {
  if (match.last == op.getOperation())
    return rewriter.replaceOp(op, result);
  rewriter.replaceAllUsesWith(match.last->getResult(0), result);
  rewriter.replaceOp(op, op.getInit());
}

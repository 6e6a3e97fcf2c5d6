//===- FuseContract.cpp - Form compress.contract ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSFUSECONTRACT
#include "compress/Dialect/Compress/Transforms/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// Whether the body is exactly `out + lhs * rhs` on its arguments.
static bool isMultiplyAdd(linalg::LinalgOp op) {
  Block *body = op.getBlock();
  if (body->getNumArguments() != 3)
    return false;
  auto yield = dyn_cast<linalg::YieldOp>(body->getTerminator());
  if (!yield || yield.getNumOperands() != 1)
    return false;
  auto add = yield.getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!add)
    return false;
  Value out = body->getArgument(2);
  Value product = add.getLhs() == out   ? add.getRhs()
                  : add.getRhs() == out ? add.getLhs()
                                        : Value();
  auto mul = product ? product.getDefiningOp<arith::MulFOp>() : arith::MulFOp();
  if (!mul)
    return false;
  Value lhs = body->getArgument(0), rhs = body->getArgument(1);
  return (mul.getLhs() == lhs && mul.getRhs() == rhs) ||
         (mul.getLhs() == rhs && mul.getRhs() == lhs);
}

namespace {
struct FuseContract
    : public compress::impl::CompressFuseContractBase<FuseContract> {
  void runOnOperation() override {
    SmallVector<linalg::LinalgOp> candidates;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (!op.hasPureTensorSemantics() || op.getNumDpsInputs() != 2 ||
          op.getNumDpsInits() != 1 || op.getNumReductionLoops() == 0)
        return;
      // The result map must name parallel loops only.
      AffineMap out = op.getIndexingMapsArray()[2];
      if (out.isProjectedPermutation() && isMultiplyAdd(op))
        candidates.push_back(op);
    });
    for (linalg::LinalgOp op : candidates) {
      OpBuilder builder(op);
      Value operands[2];
      for (unsigned i = 0; i < 2; ++i) {
        operands[i] = op.getDpsInputOperand(i)->get();
        if (auto decode = operands[i].getDefiningOp<DecodeOp>()) {
          operands[i] = decode.getSource();
          ++numDecodesFolded;
        }
      }
      SmallVector<Attribute> iterators;
      for (utils::IteratorType iterator : op.getIteratorTypesArray())
        iterators.push_back(
            builder.getStringAttr(stringifyIteratorType(iterator)));
      Value init = op.getDpsInitOperand(0)->get();
      auto contract = ContractOp::create(
          builder, op.getLoc(), init.getType(), operands[0], operands[1], init,
          builder.getAffineMapArrayAttr(op.getIndexingMapsArray()),
          builder.getArrayAttr(iterators));
      op->getResult(0).replaceAllUsesWith(contract.getResult());
      op->erase();
      ++numContractions;
    }
    // Decodes that only fed contractions are dead now.
    getOperation()->walk([](DecodeOp decode) {
      if (decode->use_empty())
        decode.erase();
    });
  }
};
} // namespace

//===- LowerContract.cpp - Reference lowering of contractions ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "compress/Dialect/Compress/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSLOWERCONTRACT
#include "compress/Dialect/Compress/Transforms/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

static Value decodeOperand(OpBuilder &builder, Location loc, Value operand) {
  if (isa<CompressedTensorType>(operand.getType()))
    return DecodeOp::create(builder, loc, operand);
  return operand;
}

namespace {
struct LowerContract
    : public compress::impl::CompressLowerContractBase<LowerContract> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<ContractOp> contracts;
    getOperation()->walk([&](ContractOp op) { contracts.push_back(op); });
    for (ContractOp op : contracts) {
      OpBuilder builder(op);
      Location loc = op.getLoc();
      if (remarks && (isa<CompressedTensorType>(op.getLhs().getType()) ||
                      isa<CompressedTensorType>(op.getRhs().getType())))
        op.emitRemark("no kernel of the target claims this contraction of ")
            << op.getLhs().getType() << " and " << op.getRhs().getType()
            << "; it is decoded and computed densely";
      Value lhs = decodeOperand(builder, loc, op.getLhs());
      Value rhs = decodeOperand(builder, loc, op.getRhs());
      SmallVector<utils::IteratorType> iterators;
      for (unsigned i = 0; i < op.getNumLoops(); ++i)
        iterators.push_back(op.isReductionDim(i)
                                ? utils::IteratorType::reduction
                                : utils::IteratorType::parallel);
      SmallVector<AffineMap> maps{op.getMap(0), op.getMap(1), op.getMap(2)};
      SmallVector<Value> inputs{lhs, rhs};
      Value init = op.getInit();
      Type sum = getElementTypeOrSelf(init.getType());
      // Without a sum the init is read once, as an input: fusion of elementwise
      // operations overlooks outputs that are read.
      if (!llvm::is_contained(iterators, utils::IteratorType::reduction)) {
        inputs.push_back(init);
        maps.push_back(op.getMap(2));
        init = buildEmptyLike(builder, loc, init, sum);
      }
      auto generic = linalg::GenericOp::create(
          builder, loc, init.getType(), inputs, init, maps, iterators,
          [&](OpBuilder &b, Location loc, ValueRange args) {
            auto widen = [&](Value v) -> Value {
              if (v.getType() == sum)
                return v;
              return arith::ExtFOp::create(b, loc, sum, v);
            };
            Value product =
                arith::MulFOp::create(b, loc, widen(args[0]), widen(args[1]));
            Value total = arith::AddFOp::create(b, loc, args[2], product);
            linalg::YieldOp::create(b, loc, total);
          });
      op.getResult().replaceAllUsesWith(generic.getResult(0));
      op.erase();
      ++numLowered;
    }
  }
};
} // namespace

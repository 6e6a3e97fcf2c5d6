//===- RewriteContract.cpp - Structural rules of contractions ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/Transforms/ConstantComponents.h"
#include "compress/Dialect/Compress/Transforms/ContractRules.h"
#include "compress/Dialect/Compress/Transforms/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSREWRITECONTRACT
#include "compress/Dialect/Compress/Transforms/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

namespace {
struct RewriteContract : public OpRewritePattern<ContractOp> {
  RewriteContract(MLIRContext *context, unsigned *count)
      : OpRewritePattern(context), count(count) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    for (unsigned operand : {1u, 0u}) {
      auto type =
          dyn_cast<CompressedTensorType>(op->getOperand(operand).getType());
      if (!type)
        continue;
      auto value = type.getEncoding().rewriteContract(rewriter, op, operand);
      if (failed(value))
        continue;
      rewriter.replaceOp(op, *value);
      if (count)
        ++*count;
      return success();
    }
    return failure();
  }

  unsigned *count;
};

/// The components of a constant are constants.
struct UnpackConstant : public OpRewritePattern<UnpackOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(UnpackOp op,
                                PatternRewriter &rewriter) const override {
    auto constant = op.getSource().getDefiningOp<ConstantOp>();
    if (!constant)
      return failure();
    rewriter.replaceOp(op, materializeComponents(rewriter, constant));
    return success();
  }
};

struct RewriteContractPass
    : public compress::impl::CompressRewriteContractBase<RewriteContractPass> {
  void runOnOperation() override {
    numRewritten += applyContractRules(getOperation());
  }
};
} // namespace

void compress::populateContractRules(RewritePatternSet &patterns) {
  patterns.add<RewriteContract>(patterns.getContext(), nullptr);
  patterns.add<UnpackConstant>(patterns.getContext());
}

static bool hasCompressedContract(Operation *op) {
  WalkResult found = op->walk([](ContractOp contract) {
    bool isCompressed =
        isa<CompressedTensorType>(contract.getLhs().getType()) ||
        isa<CompressedTensorType>(contract.getRhs().getType());
    return isCompressed ? WalkResult::interrupt() : WalkResult::advance();
  });
  return found.wasInterrupted();
}

unsigned compress::applyContractRules(Operation *op) {
  // Without one, nothing of the rest may change.
  if (!hasCompressedContract(op))
    return 0;
  unsigned count = 0;
  RewritePatternSet patterns(op->getContext());
  patterns.add<RewriteContract>(op->getContext(), &count);
  patterns.add<UnpackConstant>(op->getContext());
  GreedyRewriteConfig config;
  // Each rule takes one encoding off, so this ends; a limit on rounds would
  // only cut deep nesting short.
  config.setMaxIterations(GreedyRewriteConfig::kNoLimit);
  (void)applyPatternsGreedily(op, std::move(patterns), config);
  return count;
}

unsigned compress::applyContractRulesOnce(Operation *op) {
  SmallVector<ContractOp> contracts;
  op->walk([&](ContractOp contract) { contracts.push_back(contract); });
  unsigned count = 0;
  RewriteContract rule(op->getContext(), &count);
  PatternRewriter rewriter(op->getContext());
  for (ContractOp contract : contracts) {
    rewriter.setInsertionPoint(contract);
    (void)rule.matchAndRewrite(contract, rewriter);
  }
  if (!count)
    return 0;
  SmallVector<UnpackOp> unpacks;
  op->walk([&](UnpackOp unpack) { unpacks.push_back(unpack); });
  UnpackConstant unpackConstant(op->getContext());
  for (UnpackOp unpack : unpacks) {
    auto constant = unpack.getSource().getDefiningOp<ConstantOp>();
    rewriter.setInsertionPoint(unpack);
    if (succeeded(unpackConstant.matchAndRewrite(unpack, rewriter)) &&
        constant.use_empty())
      rewriter.eraseOp(constant);
  }
  return count;
}

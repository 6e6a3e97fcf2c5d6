//===- AssignTarget.cpp - Let a target claim contractions -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/Transforms/ContractRules.h"
#include "compress/Target/Host/Passes.h"
#include "compress/Target/Target.h"
#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSASSIGNTARGET
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

namespace {
struct AssignTarget
    : public compress::impl::CompressAssignTargetBase<AssignTarget> {
  using Base::Base;

  void getDependentDialects(DialectRegistry &registry) const override {
    Base::getDependentDialects(registry);
    registerAllTargets();
    for (const Target *known : TargetRegistry::get().getTargets())
      known->registerDialects(registry);
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto fail = [&](llvm::Error error) {
      module.emitError(llvm::toString(std::move(error)));
      signalPassFailure();
    };
    registerAllTargets();
    auto found = TargetRegistry::get().lookup(target);
    if (!found)
      return fail(found.takeError());
    TargetOptions options{triple, cpu, features};
    std::optional<CodedWeights> when = parseCodedWeights(coded);
    if (!when)
      return fail(llvm::createStringError(
          "coded is load, block or auto, not '" + coded + "'"));
    options.coded = *when;
    if (llvm::Error error = (*found)->resolve(options))
      return fail(std::move(error));
    if (llvm::Error error = (*found)->checkAvailable(options))
      return fail(std::move(error));
    MLIRContext *context = &getContext();
    module->setAttr(
        DLTIDialect::kTargetSystemDescAttrName,
        TargetSystemSpecAttr::get(
            context, {DataLayoutEntryAttr::get(
                         StringAttr::get(context, (*found)->getName()),
                         (*found)->describe(context, options))}));
    RewritePatternSet patterns(context);
    (*found)->populateClaimPatterns(patterns, options);
    // Kernels are generated into the module while patterns run, so one walk
    // over what there was is what we want, not a fixed point.
    FrozenRewritePatternSet frozen(std::move(patterns));
    RewritePatternSet fallback(context);
    (*found)->populateFallbackPatterns(fallback, options);
    FrozenRewritePatternSet frozenFallback(std::move(fallback));
    SmallVector<func::FuncOp> functions(module.getOps<func::FuncOp>());
    for (func::FuncOp function : functions) {
      if (function->hasAttr(kGeneratedAttr))
        continue;
      // What the target does not claim whole it may claim in parts: of a sum,
      // each term before the rule of its encoding.
      auto claim = [&](const FrozenRewritePatternSet &patterns) {
        unsigned before = count(function);
        walkAndApplyPatterns(function, patterns);
        numClaimed += before - count(function);
      };
      do {
        claim(frozen);
      } while ((*found)->usesContractRules() &&
               applyContractRulesOnce(function) > 0);
      claim(frozenFallback);
    }
    numLeft += count(module);
    module.walk([&](Operation *op) {
      auto reason = dyn_cast_or_null<StringAttr>(op->removeAttr(kRemarkAttr));
      if (!remarks || (!reason && !isa<ContractOp>(op)))
        return;
      InFlightDiagnostic remark = op->emitRemark("target '") << target << "'";
      if (auto contract = dyn_cast<ContractOp>(op))
        remark << " claims no contraction of " << contract.getLhs().getType()
               << " and " << contract.getRhs().getType()
               << ": it is decoded and computed densely";
      if (reason)
        remark << ": " << reason.getValue();
    });
  }

  static unsigned count(Operation *op) {
    unsigned result = 0;
    op->walk([&](ContractOp) { ++result; });
    return result;
  }
};
} // namespace

//===- InlineAllocaScopes.cpp - Stack scopes without regions ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSINLINEALLOCASCOPES
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;

namespace {
struct InlineAllocaScopes
    : public compress::impl::CompressInlineAllocaScopesBase<
          InlineAllocaScopes> {
  void runOnOperation() override {
    SmallVector<memref::AllocaScopeOp> scopes;
    getOperation()->walk(
        [&](memref::AllocaScopeOp op) { scopes.push_back(op); });
    auto pointer = LLVM::LLVMPointerType::get(&getContext());
    for (memref::AllocaScopeOp scope : scopes) {
      Block *body = &scope.getBodyRegion().front();
      bool allocates = false;
      body->walk([&](memref::AllocaOp) { allocates = true; });
      OpBuilder builder(scope);
      Value saved;
      if (allocates)
        saved = LLVM::StackSaveOp::create(builder, scope.getLoc(), pointer);
      Operation *terminator = body->getTerminator();
      scope->replaceAllUsesWith(terminator->getOperands());
      terminator->erase();
      scope->getBlock()->getOperations().splice(scope->getIterator(),
                                                body->getOperations());
      if (allocates)
        LLVM::StackRestoreOp::create(builder, scope.getLoc(), saved);
      scope.erase();
    }
  }
};
} // namespace

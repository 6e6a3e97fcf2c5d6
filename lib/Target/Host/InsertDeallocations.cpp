//===- InsertDeallocations.cpp - Free what the model allocates --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/SmallPtrSet.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSINSERTDEALLOCATIONS
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// The buffer that a value is all or part of.
static Value getBase(Value value) {
  while (auto view = value.getDefiningOp<ViewLikeOpInterface>())
    value = view.getViewSource();
  return value;
}

/// Each result gets a buffer of its own: the caller frees all of them.
static void separateResults(func::FuncOp function) {
  function.walk([](func::ReturnOp op) {
    OpBuilder builder(op);
    llvm::SmallPtrSet<Value, 8> bases;
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isa<MemRefType>(operand.get().getType()) ||
          bases.insert(getBase(operand.get())).second)
        continue;
      operand.set(
          bufferization::CloneOp::create(builder, op.getLoc(), operand.get()));
    }
  });
}

namespace {
struct InsertDeallocations
    : public compress::impl::CompressInsertDeallocationsBase<
          InsertDeallocations> {
  void runOnOperation() override {
    SymbolTableCollection symbols;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || function->hasAttr(kGeneratedAttr))
        continue;
      separateResults(function);
      if (failed(bufferization::deallocateBuffersOwnershipBased(
              function, bufferization::DeallocationOptions(), symbols)))
        return signalPassFailure();
    }
  }
};
} // namespace

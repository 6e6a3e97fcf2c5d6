//===- PromoteAccumulators.cpp - Sums in registers, not memory --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM promotes such elements itself where it can tell the buffers apart. In
// one block for all intermediates it cannot, and a loop that stores in each
// iteration is not vectorized.
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSPROMOTEACCUMULATORS
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// The buffer that `memref` shows all or a part of; null if that is unknown.
/// Different buffers do not overlap: of the views of a block, which
/// compress-plan-memory makes, those that overlap are not in use together.
static Value getBuffer(Value memref) {
  while (auto view = memref.getDefiningOp<ViewLikeOpInterface>()) {
    if (isa<memref::ViewOp>(view))
      return memref;
    memref = view.getViewSource();
  }
  if (auto argument = dyn_cast<BlockArgument>(memref))
    return isa<FunctionOpInterface>(argument.getOwner()->getParentOp())
               ? memref
               : Value();
  return isa<memref::AllocOp, memref::AllocaOp, memref::GetGlobalOp>(
             memref.getDefiningOp())
             ? memref
             : Value();
}

namespace {
/// What a loop reads and writes, by buffer.
struct Accesses {
  llvm::DenseMap<Value, SmallVector<Operation *>> byBuffer;

  /// Fails if something else than loads and stores of known buffers touches
  /// memory.
  LogicalResult collect(scf::ForOp loop) {
    WalkResult result = loop.getBody()->walk([&](Operation *op) {
      Value memref;
      if (auto load = dyn_cast<memref::LoadOp>(op))
        memref = load.getMemRef();
      else if (auto store = dyn_cast<memref::StoreOp>(op))
        memref = store.getMemRef();
      else if (op->hasTrait<OpTrait::HasRecursiveMemoryEffects>() ||
               isMemoryEffectFree(op))
        return WalkResult::advance();
      Value buffer = memref ? getBuffer(memref) : Value();
      if (!buffer)
        return WalkResult::interrupt();
      byBuffer[buffer].push_back(op);
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }
};

struct PromoteAccumulators
    : public compress::impl::CompressPromoteAccumulatorsBase<
          PromoteAccumulators> {
  void runOnOperation() override {
    // Generated kernels choose their registers themselves.
    if (getOperation()->hasAttr(kGeneratedAttr))
      return;
    // Inner loops first: what one leaves behind is the accumulator of the next.
    SmallVector<scf::ForOp> loops;
    getOperation()->walk<WalkOrder::PostOrder>(
        [&](scf::ForOp loop) { loops.push_back(loop); });
    IRRewriter rewriter(&getContext());
    for (scf::ForOp loop : loops)
      promoteAll(rewriter, loop);
  }

private:
  void promoteAll(IRRewriter &rewriter, scf::ForOp loop) {
    Accesses accesses;
    if (failed(accesses.collect(loop)))
      return;
    for (memref::StoreOp store :
         llvm::to_vector(loop.getBody()->getOps<memref::StoreOp>())) {
      ArrayRef<Operation *> all =
          accesses.byBuffer[getBuffer(store.getMemRef())];
      if (all.size() != 2)
        continue;
      auto load = dyn_cast<memref::LoadOp>(all[0] == store ? all[1] : all[0]);
      if (!load || load->getBlock() != store->getBlock() ||
          !load->isBeforeInBlock(store) ||
          load.getMemRef() != store.getMemRef() ||
          load.getIndices() != store.getIndices() ||
          !llvm::all_of(store.getIndices(),
                        [&](Value index) {
                          return loop.isDefinedOutsideOfLoop(index);
                        }) ||
          !loop.isDefinedOutsideOfLoop(store.getMemRef()))
        continue;
      loop = promote(rewriter, loop, load, store);
      if (!loop)
        return;
      ++numPromoted;
    }
  }

  static scf::ForOp promote(IRRewriter &rewriter, scf::ForOp loop,
                            memref::LoadOp load, memref::StoreOp store) {
    rewriter.setInsertionPoint(loop);
    Value memref = store.getMemRef();
    SmallVector<Value> indices(store.getIndices());
    Value first =
        memref::LoadOp::create(rewriter, load.getLoc(), memref, indices);
    auto yield = [&](OpBuilder &, Location, ArrayRef<BlockArgument>) {
      return SmallVector<Value>{store.getValueToStore()};
    };
    FailureOr<LoopLikeOpInterface> replaced = loop.replaceWithAdditionalYields(
        rewriter, first, /*replaceInitOperandUsesInLoop=*/false, yield);
    if (failed(replaced))
      return nullptr;
    auto result = cast<scf::ForOp>(replaced->getOperation());
    Location loc = store.getLoc();
    rewriter.eraseOp(store);
    rewriter.replaceOp(load, result.getRegionIterArgs().back());
    rewriter.setInsertionPointAfter(result);
    memref::StoreOp::create(rewriter, loc, result.getResults().back(), memref,
                            indices);
    return result;
  }
};
} // namespace

//===- PromoteSums.cpp - Reductions in registers ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A reduction of a `linalg` operation becomes a loop that loads and stores the
// element that it reduces to. LLVM cannot tell that element from what the loop
// reads, since both lie in one planned block, and so neither keeps it in a
// register nor vectorizes. Here it is known: live buffers do not overlap.
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSPROMOTESUMS
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// What `value` is a part of. A `memref.view` is a buffer of its own in a
/// planned block.
static Value getBuffer(Value value) {
  while (auto view = value.getDefiningOp<ViewLikeOpInterface>()) {
    if (isa<memref::ViewOp>(view))
      break;
    value = view.getViewSource();
  }
  return value;
}

static bool isOwnBuffer(Value buffer) {
  return isa_and_present<memref::AllocOp, memref::AllocaOp, memref::ViewOp>(
      buffer.getDefiningOp());
}

/// Whether a buffer of its own and another one surely have nothing in common.
static bool areDisjoint(Value own, Value other) {
  auto view = own.getDefiningOp<memref::ViewOp>();
  return own != other && !(view && getBuffer(view.getSource()) == other);
}

static bool isSameElement(memref::LoadOp load, memref::StoreOp store) {
  return load.getMemRef() == store.getMemRef() &&
         llvm::equal(
             load.getIndices(), store.getIndices(),
             [](Value a, Value b) { return isEqualConstantIntOrValue(a, b); });
}

namespace {
struct Sum {
  memref::LoadOp load;
  memref::StoreOp store;
};

struct PromoteSums
    : public compress::impl::CompressPromoteSumsBase<PromoteSums> {
  /// The elements that `loop` only updates; none if it does anything else to
  /// memory.
  static SmallVector<Sum> findSums(scf::ForOp loop) {
    SmallVector<Sum> sums;
    SmallVector<memref::LoadOp> loads;
    WalkResult result = loop.getBody()->walk([&](Operation *op) {
      if (auto load = dyn_cast<memref::LoadOp>(op)) {
        loads.push_back(load);
        return WalkResult::advance();
      }
      if (auto store = dyn_cast<memref::StoreOp>(op)) {
        if (store->getParentOp() != loop)
          return WalkResult::interrupt();
        sums.push_back({{}, store});
        return WalkResult::advance();
      }
      // What is inside of others is walked, too.
      return op->hasTrait<OpTrait::HasRecursiveMemoryEffects>() ||
                     isMemoryEffectFree(op)
                 ? WalkResult::advance()
                 : WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      return {};
    for (Sum &sum : sums) {
      Value buffer = getBuffer(sum.store.getMemRef());
      if (!isOwnBuffer(buffer) ||
          !loop.isDefinedOutsideOfLoop(sum.store.getMemRef()) ||
          !llvm::all_of(sum.store.getIndices(), [&](Value index) {
            return loop.isDefinedOutsideOfLoop(index) ||
                   getConstantIntValue(index);
          }))
        return {};
      for (memref::LoadOp load : loads) {
        if (areDisjoint(buffer, getBuffer(load.getMemRef())))
          continue;
        if (sum.load || load->getParentOp() != loop ||
            !isSameElement(load, sum.store) ||
            !load->isBeforeInBlock(sum.store))
          return {};
        sum.load = load;
      }
      if (!sum.load)
        return {};
      for (Sum &other : sums)
        if (other.store != sum.store &&
            !areDisjoint(buffer, getBuffer(other.store.getMemRef())))
          return {};
    }
    return sums;
  }

  void runOnOperation() override {
    // Generated kernels keep their sums themselves.
    if (getOperation()->hasAttr(kGeneratedAttr))
      return;
    IRRewriter rewriter(&getContext());
    // Inner loops first: what they leave are sums of outer ones.
    SmallVector<scf::ForOp> loops;
    getOperation()->walk([&](scf::ForOp loop) { loops.push_back(loop); });
    for (scf::ForOp loop : loops) {
      SmallVector<Sum> sums = findSums(loop);
      if (sums.empty())
        continue;
      SmallVector<Value> starts;
      for (Sum &sum : sums) {
        // Constants may be defined inside.
        rewriter.setInsertionPoint(loop);
        IRMapping mapping;
        for (Value index : sum.load.getIndices())
          if (!loop.isDefinedOutsideOfLoop(index))
            mapping.map(index,
                        rewriter.clone(*index.getDefiningOp())->getResult(0));
        starts.push_back(
            rewriter.clone(*sum.load.getOperation(), mapping)->getResult(0));
      }
      unsigned before = loop.getNumResults();
      auto replaced = loop.replaceWithAdditionalYields(
          rewriter, starts, /*replaceInitOperandUsesInLoop=*/false,
          [&](OpBuilder &, Location, ArrayRef<BlockArgument> arguments) {
            SmallVector<Value> next;
            for (auto [sum, argument] : llvm::zip_equal(sums, arguments)) {
              rewriter.replaceAllUsesWith(sum.load.getResult(), argument);
              next.push_back(sum.store.getValueToStore());
            }
            return next;
          });
      if (failed(replaced))
        continue;
      Operation *next = replaced->getOperation();
      rewriter.setInsertionPointAfter(next);
      for (auto [i, sum] : llvm::enumerate(sums)) {
        auto start = starts[i].getDefiningOp<memref::LoadOp>();
        memref::StoreOp::create(rewriter, sum.store.getLoc(),
                                next->getResult(before + i), start.getMemRef(),
                                start.getIndices());
        rewriter.eraseOp(sum.store);
        rewriter.eraseOp(sum.load);
        ++numPromoted;
      }
    }
  }
};
} // namespace

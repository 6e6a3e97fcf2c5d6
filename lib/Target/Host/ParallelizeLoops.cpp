//===- ParallelizeLoops.cpp - Parallel where it pays ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSPARALLELIZELOOPS
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// Iterations of dimension `d`; an unknown extent counts as large, since it is
/// the batch dimension in practice.
static int64_t getTripCount(scf::ParallelOp op, unsigned d) {
  auto lower = getConstantIntValue(op.getLowerBound()[d]);
  auto upper = getConstantIntValue(op.getUpperBound()[d]);
  auto step = getConstantIntValue(op.getStep()[d]);
  if (!lower || !upper || !step || *step <= 0)
    return 64;
  return std::max<int64_t>(0, llvm::divideCeil(*upper - *lower, *step));
}

/// Operations of one iteration, those of inner loops counted as often as they
/// run; saturates.
static uint64_t countOperations(Block &body) {
  uint64_t count = 0;
  for (Operation &op : body) {
    uint64_t trips = 1;
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      auto known = loop.getStaticTripCount();
      trips = llvm::SaturatingMultiply(known ? known->getLimitedValue() : 64,
                                       countOperations(*loop.getBody()));
    } else if (auto loop = dyn_cast<scf::ParallelOp>(op)) {
      trips = countOperations(*loop.getBody());
      for (unsigned d = 0; d < loop.getNumLoops(); ++d)
        trips =
            llvm::SaturatingMultiply(trips, uint64_t(getTripCount(loop, d)));
    }
    count = llvm::SaturatingAdd(count, trips);
  }
  return count;
}

/// The work of one iteration. Cheap bodies should not make address arithmetic
/// look like work.
static int64_t getBodyWork(Block &body) {
  uint64_t work = std::max<uint64_t>(1, countOperations(body) / 8);
  return std::min(work, uint64_t(1) << 40);
}

/// Replaces dimensions [first, end) by nested scf.for in a new body.
static void makeSequential(OpBuilder &builder, scf::ParallelOp op,
                           unsigned first, IRMapping &mapping) {
  Location loc = op.getLoc();
  OpBuilder b = builder;
  for (unsigned d = first; d < op.getNumLoops(); ++d) {
    auto loop = scf::ForOp::create(
        b, loc, mapping.lookupOrDefault(op.getLowerBound()[d]),
        mapping.lookupOrDefault(op.getUpperBound()[d]),
        mapping.lookupOrDefault(op.getStep()[d]));
    mapping.map(op.getInductionVars()[d], loop.getInductionVar());
    b = OpBuilder::atBlockTerminator(loop.getBody());
  }
  for (Operation &inner : op.getBody()->without_terminator())
    b.clone(inner, mapping);
}

namespace {
struct ParallelizeLoops
    : public compress::impl::CompressParallelizeLoopsBase<ParallelizeLoops> {
  using Base::Base;

  void runOnOperation() override {
    // Inner loops first: only outermost nests stay parallel.
    SmallVector<scf::ParallelOp> loops;
    getOperation()->walk<WalkOrder::PostOrder>(
        [&](scf::ParallelOp op) { loops.push_back(op); });
    for (scf::ParallelOp op : loops) {
      if (op.getNumReductions() != 0)
        continue;
      OpBuilder builder(op);
      bool nested = op->getParentOfType<scf::ParallelOp>() != nullptr;
      int64_t work = getBodyWork(*op.getBody());
      for (unsigned d = 0; d < op.getNumLoops() && work < (int64_t(1) << 40);
           ++d)
        work *= getTripCount(op, d);
      IRMapping mapping;
      // Generated kernels say themselves what is worth a thread.
      auto function = op->getParentOfType<func::FuncOp>();
      bool generated = function && function->hasAttr(kGeneratedAttr);
      if (nested || (work < minWork && !generated)) {
        makeSequential(builder, op, 0, mapping);
        op.erase();
        ++numSequential;
        continue;
      }
      // Enough leading dimensions to balance the threads, no more: the inner
      // loops stay plain so that they vectorize.
      unsigned outer = 0;
      int64_t trips = 1;
      while (outer < op.getNumLoops() && trips < 64)
        trips *= getTripCount(op, outer++);
      ++numParallel;
      if (outer == op.getNumLoops())
        continue;
      auto parallel = scf::ParallelOp::create(
          builder, op.getLoc(), op.getLowerBound().take_front(outer),
          op.getUpperBound().take_front(outer), op.getStep().take_front(outer));
      for (unsigned d = 0; d < outer; ++d)
        mapping.map(op.getInductionVars()[d], parallel.getInductionVars()[d]);
      OpBuilder inner = OpBuilder::atBlockTerminator(parallel.getBody());
      makeSequential(inner, op, outer, mapping);
      op.erase();
    }
  }
};
} // namespace

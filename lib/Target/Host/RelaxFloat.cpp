//===- RelaxFloat.cpp - Reorderable float arithmetic ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSRELAXFLOAT
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

namespace {
struct RelaxFloat : public compress::impl::CompressRelaxFloatBase<RelaxFloat> {
  void runOnOperation() override {
    // Generated kernels order their sums themselves.
    if (getOperation()->hasAttr(kGeneratedAttr))
      return;
    auto flags = arith::FastMathFlagsAttr::get(
        &getContext(),
        arith::FastMathFlags::reassoc | arith::FastMathFlags::contract);
    // Comparisons and selections, which maxima would be expanded to, are not
    // recognized as reductions; the intrinsics are. The same values, NaN too.
    SmallVector<Operation *> extrema;
    getOperation()->walk([&](Operation *op) {
      if (auto add = dyn_cast<arith::AddFOp>(op))
        add.setFastmathAttr(flags);
      else if (auto mul = dyn_cast<arith::MulFOp>(op))
        mul.setFastmathAttr(flags);
      else if (isa<arith::MaximumFOp, arith::MinimumFOp>(op) &&
               op->getResult(0).getType().isF32())
        extrema.push_back(op);
    });
    for (Operation *op : extrema) {
      OpBuilder builder(op);
      Value a = op->getOperand(0), b = op->getOperand(1);
      Value result =
          isa<arith::MaximumFOp>(op)
              ? Value(LLVM::MaximumOp::create(builder, op->getLoc(), a, b))
              : Value(LLVM::MinimumOp::create(builder, op->getLoc(), a, b));
      op->getResult(0).replaceAllUsesWith(result);
      op->erase();
    }
  }
};
} // namespace

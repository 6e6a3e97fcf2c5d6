//===- RelaxFloat.cpp - Reorderable float arithmetic ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

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
    getOperation()->walk([&](Operation *op) {
      if (auto add = dyn_cast<arith::AddFOp>(op))
        add.setFastmathAttr(flags);
      else if (auto mul = dyn_cast<arith::MulFOp>(op))
        mul.setFastmathAttr(flags);
    });
  }
};
} // namespace

//===- LowerObserve.cpp - compress.observe to a runtime call ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSLOWEROBSERVE
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

namespace {
struct LowerObserve
    : public compress::impl::CompressLowerObserveBase<LowerObserve> {
  void runOnOperation() override {
    SmallVector<ObserveOp> ops;
    getOperation()->walk([&](ObserveOp op) { ops.push_back(op); });
    for (ObserveOp op : ops) {
      if (!op.getSource().getType().getElementType().isF32()) {
        op.emitOpError("only f32 tensors can be observed, found ")
            << op.getSource().getType();
        return signalPassFailure();
      }
      OpBuilder builder(op);
      auto kernel = KernelOp::create(
          builder, op.getLoc(), TypeRange(), "compress_rt_observe",
          op.getSource(), ValueRange(), ValueRange(), /*stateful=*/false,
          /*side_effect=*/true);
      kernel->setAttr("slot", builder.getI64IntegerAttr(op.getId()));
      op.getResult().replaceAllUsesWith(op.getSource());
      op.erase();
    }
  }
};
} // namespace

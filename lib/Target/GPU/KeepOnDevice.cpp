//===- KeepOnDevice.cpp - Tensors between device kernels --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Target/GPU/Device.h"
#include "compress/Target/GPU/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSKEEPONDEVICE
#include "compress/Target/GPU/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

namespace {
/// Who uses a result of a kernel, through views.
struct Uses {
  SmallVector<OpOperand *> kernels;
  bool byHost = false;
};

struct KeepOnDevice
    : public compress::impl::CompressKeepOnDeviceBase<KeepOnDevice> {
  using Base::Base;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal())
        run(function.front());
  }

  static bool isDeviceKernel(Operation *op) {
    return isa<KernelOp>(op) && op->hasAttr(kDeviceAttr);
  }

  void collect(Value value, Block &block, Uses &uses) {
    for (OpOperand &use : value.getUses()) {
      Operation *user = use.getOwner();
      if (user->getBlock() != &block) {
        uses.byHost = true;
      } else if (isDeviceKernel(user)) {
        unsigned number = use.getOperandNumber();
        if (number < cast<KernelOp>(user).getInputs().size())
          uses.kernels.push_back(&use);
        else
          uses.byHost = true;
      } else if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp,
                     tensor::CastOp>(user)) {
        collect(user->getResult(0), block, uses);
      } else if (!isa<tensor::DimOp>(user)) {
        uses.byHost = true;
      }
    }
  }

  /// Says where buffer `i` of a kernel is: inputs, then the result.
  static void setPlace(KernelOp kernel, unsigned i, int64_t place) {
    OpBuilder b(kernel);
    Value constant = arith::ConstantOp::create(b, kernel.getLoc(),
                                               b.getI64IntegerAttr(place));
    kernel.getScalarsMutable().slice(i, 1).assign(constant);
  }

  void run(Block &block) {
    // Numbers whose tensors are read until an operation, and free ones.
    llvm::DenseMap<Operation *, SmallVector<int64_t>> ending;
    SmallVector<int64_t> unused;
    int64_t next = 1;
    for (Operation &op : block) {
      if (!isDeviceKernel(&op))
        continue;
      auto kernel = cast<KernelOp>(op);
      numMoved += kernel.getInputs().size() + 1;
      Uses uses;
      collect(kernel.getResult(0), block, uses);
      if (!uses.kernels.empty()) {
        int64_t number = unused.empty() ? next++ : unused.pop_back_val();
        setPlace(kernel, kernel.getInputs().size(), 2 * number + uses.byHost);
        Operation *last = nullptr;
        for (OpOperand *use : uses.kernels) {
          auto user = cast<KernelOp>(use->getOwner());
          setPlace(user, use->getOperandNumber(), 2 * number);
          if (!last || last->isBeforeInBlock(user))
            last = user;
          --numMoved;
        }
        numMoved -= !uses.byHost;
        ++numKept;
        ending[last].push_back(number);
      }
      // Its result has a number of its own while its inputs are read.
      llvm::append_range(unused, ending.lookup(&op));
    }
  }
};
} // namespace

//===- LinalgPatterns.cpp - What follows kernels stays there ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Elementwise operations, pooling windows and reductions on results of device
// kernels: not because the device is faster at them, but because moving a
// tensor to the host and back costs more than they do.
//
//===----------------------------------------------------------------------===//

#include "../Elements/LazyTensor.h"
#include "../Elements/LoopExtents.h"
#include "DeviceKernel.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

/// Whether a value comes from a kernel of the device, through views.
static bool isOnDevice(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<KernelOp>(op))
      return op->hasAttr(kDeviceAttr);
    if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::CastOp,
             tensor::PadOp>(op))
      return false;
    value = op->getOperand(0);
  }
  return false;
}

static bool isKernelType(Type type) {
  return type.isF32() || type.isInteger(32) || type.isInteger(1) ||
         type.isIndex();
}

/// Operations that every device computes.
static bool isKernelOp(Operation &op) {
  if (!llvm::all_of(op.getResultTypes(), isKernelType) ||
      !llvm::all_of(op.getOperandTypes(), isKernelType))
    return false;
  // From outside of the body, only constants.
  for (Value operand : op.getOperands())
    if (operand.getParentBlock() != op.getBlock() &&
        !operand.getDefiningOp<arith::ConstantOp>())
      return false;
  return isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp,
             arith::NegFOp, arith::MaximumFOp, arith::MinimumFOp,
             arith::MaxNumFOp, arith::MinNumFOp, arith::CmpFOp, arith::CmpIOp,
             arith::SelectOp, arith::AddIOp, arith::SubIOp, arith::MulIOp,
             arith::AndIOp, arith::OrIOp, arith::XOrIOp, arith::SIToFPOp,
             arith::ConstantOp, math::AbsFOp, math::CeilOp, math::CosOp,
             math::ExpOp, math::FloorOp, math::LogOp, math::RoundEvenOp,
             math::RsqrtOp, math::SinOp, math::SqrtOp, math::TanhOp,
             linalg::IndexOp, linalg::YieldOp>(op);
}

/// Fails, and in the end says why the host computes `op`.
static LogicalResult leave(PatternRewriter &rewriter, Operation *op,
                           const Twine &reason) {
  op->setAttr(kRemarkAttr,
              rewriter.getStringAttr("stays on the host: " + reason));
  return rewriter.notifyMatchFailure(op, reason);
}

namespace {
struct DeviceLinalg : public OpInterfaceRewritePattern<linalg::LinalgOp> {
  DeviceLinalg(MLIRContext *context, const DeviceInterface &device)
      : OpInterfaceRewritePattern(context), device(device) {}

  LogicalResult matchAndRewrite(linalg::LinalgOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics() || op.getNumDpsInits() != 1 ||
        op->getNumResults() != 1)
      return rewriter.notifyMatchFailure(op, "more than one result");
    if (llvm::none_of(op.getDpsInputs(), isOnDevice))
      return rewriter.notifyMatchFailure(op, "nothing is on the device");
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    Block &body = *op.getBlock();
    if (!type.getElementType().isF32() || !llvm::all_of(body, isKernelOp))
      return leave(rewriter, op, "an operation that kernels do not have");
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    AffineMap out = maps.back();
    if (!out.isProjectedPermutation())
      return leave(rewriter, op, "its result is not a permutation");
    SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
    for (auto [d, iterator] : llvm::enumerate(iterators))
      if ((iterator == utils::IteratorType::parallel) != out.isFunctionOfDim(d))
        return leave(rewriter, op, "its loops do not match");
    SmallVector<Value> operands(op->getOperands());
    for (Value operand : operands)
      if (!isa<RankedTensorType>(operand.getType()))
        return leave(rewriter, op, "a scalar operand");
    auto sources = findLoopExtents(operands, maps, iterators.size());
    if (failed(sources))
      return leave(rewriter, op, "a loop without an extent");

    rewriter.setInsertionPoint(op);
    Value result;
    std::string reason;
    {
      Location loc = op.getLoc();
      DeviceKernel k(rewriter, loc, op->getParentOfType<ModuleOp>(), device);
      LazyTensorBuilder lazy(k);
      SmallVector<Value> extents = getLoopExtents(k, operands, *sources);
      // What the body does not use has no contents.
      SmallVector<Element> elements(operands.size());
      for (auto [i, operand] : llvm::enumerate(operands)) {
        if (body.getArgument(i).use_empty())
          continue;
        auto element = lazy.read(operand);
        if (failed(element))
          return leave(rewriter, op, lazy.reason);
        elements[i] = *element;
      }
      result = k.finish(
          type, tensor::getMixedSizes(rewriter, loc, operands.back()),
          [&](ValueRange position) {
            return compute(op, k, extents, elements, position);
          },
          reason);
    }
    if (!result)
      return leave(rewriter, op, reason);
    rewriter.replaceOp(op, result);
    return success();
  }

  /// One element of the result.
  static Value compute(linalg::LinalgOp op, DeviceKernel &k,
                       ArrayRef<Value> extents, ArrayRef<Element> elements,
                       ValueRange position) {
    Block &body = *op.getBlock();
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    SmallVector<Value> loops(extents.size());
    for (auto [axis, expr] : llvm::enumerate(maps.back().getResults()))
      loops[cast<AffineDimExpr>(expr).getPosition()] = position[axis];
    SmallVector<unsigned> summed;
    SmallVector<Value> ends;
    for (unsigned d = 0; d < loops.size(); ++d)
      if (!loops[d]) {
        summed.push_back(d);
        ends.push_back(extents[d]);
      }
    auto step = [&](Value carried) -> Value {
      IRMapping mapping;
      for (auto [i, element] : llvm::enumerate(elements)) {
        if (!element)
          continue;
        if (i + 1 == elements.size()) {
          mapping.map(body.getArgument(i), carried);
          continue;
        }
        SmallVector<Value> where;
        for (AffineExpr expr : maps[i].getResults())
          where.push_back(k.apply(expr, loops));
        mapping.map(body.getArgument(i), element(where));
      }
      for (Operation &inner : body) {
        for (Value operand : inner.getOperands())
          if (operand.getParentBlock() != &body && !mapping.contains(operand))
            mapping.map(operand,
                        k.b.clone(*operand.getDefiningOp())->getResult(0));
        if (&inner == body.getTerminator())
          break;
        if (auto index = dyn_cast<linalg::IndexOp>(inner))
          mapping.map(index.getResult(), loops[index.getDim()]);
        else
          k.b.clone(inner, mapping);
      }
      return mapping.lookup(body.getTerminator()->getOperand(0));
    };
    Value start = elements.back() ? elements.back()(position) : k.f32(0);
    if (summed.empty())
      return step(start);
    return k.loops(ends, start, [&](ValueRange at, Value carried) {
      for (auto [d, index] : llvm::zip_equal(summed, at))
        loops[d] = index;
      return step(carried);
    });
  }

  DeviceInterface device;
};
} // namespace

void compress::populateDeviceLinalgPatterns(RewritePatternSet &patterns,
                                            const DeviceInterface &device) {
  patterns.add<DeviceLinalg>(patterns.getContext(), device);
}

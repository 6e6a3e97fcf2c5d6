//===- DevicePatterns.cpp - Claims of contractions and lookups --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../Elements/LazyTensor.h"
#include "../Elements/Lookup.h"
#include "../Elements/LoopExtents.h"
#include "../Elements/Operands.h"
#include "DotProduct.h"
#include "SparseRows.h"
#include "WarpProduct.h"
#include "compress/Target/Contraction.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

namespace {
struct DeviceContract : public OpRewritePattern<ContractOp> {
  DeviceContract(MLIRContext *context, const DeviceInterface &device,
                 bool isLast)
      : OpRewritePattern(context), device(device), isLast(isLast) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto resultType = cast<RankedTensorType>(op.getInit().getType());
    if (!resultType.getElementType().isF32())
      return leave(rewriter, op, isLast, "it does not compute in f32");
    if (!op.getMap(2).isProjectedPermutation())
      return leave(rewriter, op, isLast, "its result is not a permutation");
    for (unsigned d = 0; d < op.getNumLoops(); ++d)
      if (op.isReductionDim(d) == op.getMap(2).isFunctionOfDim(d))
        return leave(rewriter, op, isLast, "its loops do not match");
    SmallVector<Value> operands{op.getLhs(), op.getRhs(), op.getInit()};
    SmallVector<AffineMap> maps{op.getMap(0), op.getMap(1), op.getMap(2)};
    auto sources = findLoopExtents(operands, maps, op.getNumLoops());
    if (failed(sources))
      return leave(rewriter, op, isLast, "a loop without an extent");

    rewriter.setInsertionPoint(op);
    Location loc = op.getLoc();
    Value result;
    std::string reason;
    {
      DeviceKernel k(rewriter, loc, op->getParentOfType<ModuleOp>(), device);
      LazyTensorBuilder lazy(k);
      SmallVector<Value> extents = getLoopExtents(k, operands, *sources);
      std::optional<Element> start = readInit(k, lazy, op);
      ProductKernel kernel = chooseProductKernel(op, device).kernel;
      // Codes of which two of four are stored, for instructions that take them.
      std::optional<unsigned> sparse;
      constexpr auto byte = MatrixInstruction::Element::I8;
      if (kernel == ProductKernel::Matrix &&
          llvm::any_of(device.warp.sparseMatrices, [](const auto &matrix) {
            return matrix.element == byte;
          }))
        sparse = SparseRows::find(op, byte);
      std::optional<ByteDot> dot = ByteDot::match(op, k, lazy, sparse);
      std::optional<Element> factors[2];
      lazy.reason.clear();
      for (unsigned i = 0; i < 2 && !dot && start; ++i) {
        auto element = readOperand(k, lazy, operands[i], isLast);
        if (succeeded(element))
          factors[i] = *element;
      }
      reason = lazy.reason;
      if (start && (dot || (factors[0] && factors[1])))
        result = emit(op, kernel, k, extents, *start, factors, dot, reason);
    }
    if (!result)
      return leave(rewriter, op, isLast, reason);
    rewriter.replaceOp(op, result);
    return success();
  }

  static Value emit(ContractOp op, ProductKernel kernel, DeviceKernel &k,
                    ArrayRef<Value> extents, const Element &start,
                    const std::optional<Element> factors[2],
                    const std::optional<ByteDot> &dot, std::string &reason) {
    ProductOperands operands = {
        op, extents, start, {factors[0], factors[1]}, dot};
    switch (kernel) {
    case ProductKernel::Vector:
      return emitVectorProduct(k, operands, reason);
    case ProductKernel::Matrix:
      return emitMatrixProduct(k, operands, reason);
    case ProductKernel::Element:
      break;
    }
    return k.finish(
        cast<RankedTensorType>(op.getInit().getType()),
        tensor::getMixedSizes(k.host, k.loc, op.getInit()),
        [&](ValueRange position) {
          return compute(op, k, extents, start, factors, dot, position);
        },
        reason);
  }

  /// One element of the result.
  static Value compute(ContractOp op, DeviceKernel &k, ArrayRef<Value> extents,
                       const Element &start,
                       const std::optional<Element> factors[2],
                       const std::optional<ByteDot> &dot, ValueRange position) {
    SmallVector<Value> loops(op.getNumLoops());
    for (auto [axis, expr] : llvm::enumerate(op.getMap(2).getResults()))
      loops[cast<AffineDimExpr>(expr).getPosition()] = position[axis];
    Value init = start(position);
    if (dot)
      return dot->emit(loops, init);
    SmallVector<unsigned> summed;
    SmallVector<Value> ends;
    for (unsigned d = 0; d < loops.size(); ++d)
      if (op.isReductionDim(d)) {
        summed.push_back(d);
        ends.push_back(extents[d]);
      }
    return k.loops(ends, init, [&](ValueRange at, Value sum) -> Value {
      for (auto [d, index] : llvm::zip_equal(summed, at))
        loops[d] = index;
      Value values[2];
      for (unsigned i = 0; i < 2; ++i) {
        SmallVector<Value> where;
        for (AffineExpr expr : op.getMap(i).getResults())
          where.push_back(k.apply(expr, loops));
        values[i] = (*factors[i])(where);
      }
      return k.multiplyAdd(values[0], values[1], sum);
    });
  }

  DeviceInterface device;
  bool isLast;
};

struct DeviceGather : public OpRewritePattern<GatherOp> {
  DeviceGather(MLIRContext *context, const DeviceInterface &device, bool isLast)
      : OpRewritePattern(context), device(device), isLast(isLast) {}

  LogicalResult matchAndRewrite(GatherOp op,
                                PatternRewriter &rewriter) const override {
    std::string reason;
    auto lookup = Lookup::match(op, reason);
    if (failed(lookup))
      return leave(rewriter, op, isLast, reason);
    rewriter.setInsertionPoint(op);
    SmallVector<OpFoldResult> sizes = lookup->getSizes(rewriter);
    Value result;
    {
      DeviceKernel k(rewriter, op.getLoc(), op->getParentOfType<ModuleOp>(),
                     device);
      LazyTensorBuilder lazy(k);
      auto table = readOperand(k, lazy, op.getTable(), isLast);
      reason = lazy.reason;
      if (succeeded(table))
        result =
            k.finish(lookup->getType(), sizes, lookup->read(k, *table), reason);
    }
    if (!result)
      return leave(rewriter, op, isLast, reason);
    rewriter.replaceOp(op, result);
    return success();
  }

  DeviceInterface device;
  bool isLast;
};
} // namespace

void compress::populateDevicePatterns(RewritePatternSet &patterns,
                                      const DeviceInterface &device,
                                      bool isLast) {
  patterns.add<DeviceContract, DeviceGather>(patterns.getContext(), device,
                                             isLast);
}

//===- KernelBufferization.cpp - Bufferize compress.kernel ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace compress;

namespace {
struct KernelInterface
    : public DstBufferizableOpInterfaceExternalModel<KernelInterface,
                                                     KernelOp> {
  bool bufferizesToMemoryRead(Operation *, OpOperand &,
                              const AnalysisState &) const {
    // A kernel may accumulate into its outs.
    return true;
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    auto kernel = cast<KernelOp>(op);
    auto convert = [&](OperandRange values,
                       SmallVectorImpl<Value> &buffers) -> LogicalResult {
      for (Value value : values) {
        if (!isa<RankedTensorType>(value.getType())) {
          buffers.push_back(value);
          continue;
        }
        FailureOr<Value> buffer = getBuffer(rewriter, value, options, state);
        if (failed(buffer))
          return failure();
        buffers.push_back(*buffer);
      }
      return success();
    };
    SmallVector<Value> inputs, outs;
    if (failed(convert(kernel.getInputs(), inputs)) ||
        failed(convert(kernel.getOuts(), outs)))
      return failure();
    rewriter.setInsertionPoint(op);
    auto lowered = KernelOp::create(
        rewriter, op->getLoc(), TypeRange(), kernel.getCalleeAttr(), inputs,
        kernel.getScalars(), outs, kernel.getStatefulAttr(),
        kernel.getSideEffectAttr());
    for (NamedAttribute attr : op->getDiscardableAttrs())
      lowered->setDiscardableAttr(attr.getName(), attr.getValue());
    replaceOpWithBufferizedValues(
        rewriter, op, ArrayRef<Value>(outs).take_front(op->getNumResults()));
    return success();
  }
};
} // namespace

void compress::registerKernelBufferization(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, CompressDialect *) {
    KernelOp::attachInterface<KernelInterface>(*context);
  });
}

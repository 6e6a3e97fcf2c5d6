//===- CompressToSparseTensor.cpp - to sparse_tensor ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Conversion/CompressToSparseTensor/CompressToSparseTensor.h"
#include "compress/Conversion/SparseTensorToCompress/TypeMapping.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace compress {
#define GEN_PASS_DEF_CONVERTCOMPRESSTOSPARSETENSOR
#include "compress/Conversion/CompressToSparseTensor/CompressToSparseTensor.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// A buffer as a constant; a resource where the payload was one.
static Value buildConstant(OpBuilder &b, Location loc, const HostTensor &buffer,
                           bool asResource) {
  if (asResource)
    return arith::ConstantOp::create(b, loc, buffer.toResource("buffer"));
  auto type = RankedTensorType::get(buffer.getShape(), buffer.getElementType());
  int64_t count = buffer.getNumElements();
  if (auto real = dyn_cast<FloatType>(type.getElementType())) {
    SmallVector<APFloat> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(APFloat(real.getFloatSemantics(),
                               APInt(real.getWidth(), buffer.getBits(i))));
    return arith::ConstantOp::create(b, loc,
                                     DenseElementsAttr::get(type, values));
  }
  SmallVector<APInt> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(APInt(buffer.getBitWidth(), buffer.getBits(i)));
  return arith::ConstantOp::create(b, loc,
                                   DenseElementsAttr::get(type, values));
}

namespace {
struct ConvertCompressToSparseTensorPass
    : compress::impl::ConvertCompressToSparseTensorBase<
          ConvertCompressToSparseTensorPass> {
  using ConvertCompressToSparseTensorBase::ConvertCompressToSparseTensorBase;

  void runOnOperation() override;

private:
  void leave(Operation *op, const Twine &reason);
  void convert(Operation *producer);
};
} // namespace

void ConvertCompressToSparseTensorPass::leave(Operation *op,
                                              const Twine &reason) {
  InFlightDiagnostic diagnostic = strict ? op->emitError() : op->emitRemark();
  diagnostic << "'" << op->getName() << "' stays as it is: " << reason;
  if (strict)
    signalPassFailure();
}

/// `sparse_tensor.assemble` of what `producer` was made of.
static Value buildAssemble(Operation *producer, RankedTensorType type) {
  OpBuilder b(producer);
  Location loc = producer->getLoc();
  SmallVector<Value> levels;
  Value values;
  if (auto pack = dyn_cast<PackOp>(producer)) {
    values = pack.getComponents()[0];
    levels = {pack.getComponents()[2], pack.getComponents()[1]};
  } else {
    auto constant = cast<compress::ConstantOp>(producer);
    bool asResource =
        isa<DenseResourceElementsAttr>(constant.getComponents()[0]);
    SparseBuffers buffers =
        writeSparseBuffers({constant.getType(), constant.getLeaves()});
    for (const HostTensor &level : buffers.levels)
      levels.push_back(buildConstant(b, loc, level, asResource));
    values = buildConstant(b, loc, buffers.values, asResource);
  }
  return sparse_tensor::AssembleOp::create(b, loc, type, levels, values);
}

void ConvertCompressToSparseTensorPass::convert(Operation *producer) {
  Value compressed = producer->getResult(0);
  auto type = cast<CompressedTensorType>(compressed.getType());
  auto explain = [&](const Twine &reason) {
    ++numLeft;
    leave(producer, reason);
  };
  auto mapped = mapCompressToSparseTensor(type);
  if (!mapped)
    return explain(llvm::toString(mapped.takeError()));
  if (!isa<compress::ConstantOp, PackOp>(producer))
    return explain("sparse_tensor has no such operation");
  if (isa<PackOp>(producer) &&
      cast<SparseAttr>(type.getEncoding()).getPattern() != SparsePattern::CSR)
    return explain("its components are not constants, and only those of 'csr' "
                   "can be assembled as they are");
  SmallVector<DecodeOp> decodes;
  for (Operation *user : compressed.getUsers()) {
    if (auto decode = dyn_cast<DecodeOp>(user))
      decodes.push_back(decode);
    else
      leave(user, "sparse_tensor has no such operation");
  }
  if (decodes.empty())
    return;
  Value sparse = buildAssemble(producer, *mapped);
  for (DecodeOp decode : decodes) {
    if (sparseOperands)
      for (OpOperand &use :
           llvm::make_early_inc_range(decode.getResult().getUses())) {
        auto op = dyn_cast<linalg::LinalgOp>(use.getOwner());
        if (op && op.isDpsInput(&use))
          use.set(sparse);
      }
    if (decode.getResult().use_empty()) {
      decode.erase();
      continue;
    }
    OpBuilder b(decode);
    Value dense = sparse_tensor::ConvertOp::create(
        b, decode.getLoc(), decode.getResult().getType(), sparse);
    decode.getResult().replaceAllUsesWith(dense);
    decode.erase();
  }
  ++numConverted;
  if (compressed.use_empty())
    producer->erase();
  else
    ++numLeft;
}

void ConvertCompressToSparseTensorPass::runOnOperation() {
  SmallVector<Operation *> producers;
  getOperation()->walk([&](Operation *op) {
    bool isProducer =
        llvm::any_of(op->getResultTypes(), llvm::IsaPred<CompressedTensorType>);
    if (isProducer && op->getNumResults() == 1)
      return producers.push_back(op);
    bool isArgument = llvm::any_of(op->getOperands(), [](Value operand) {
      return isa<CompressedTensorType>(operand.getType()) &&
             !operand.getDefiningOp();
    });
    if (!isProducer && !isArgument)
      return;
    ++numLeft;
    leave(op, isProducer ? "sparse_tensor has no such operation"
                         : "its operand is a block argument, whose payload is "
                           "not known");
  });
  for (Operation *producer : producers)
    convert(producer);
}

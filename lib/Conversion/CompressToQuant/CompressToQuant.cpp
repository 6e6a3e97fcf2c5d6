//===- CompressToQuant.cpp - convert-compress-to-quant ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Conversion/CompressToQuant/CompressToQuant.h"
#include "compress/Conversion/QuantToCompress/TypeMapping.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace compress {
#define GEN_PASS_DEF_CONVERTCOMPRESSTOQUANT
#include "compress/Conversion/CompressToQuant/CompressToQuant.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// The constant behind a value, through casts to a less static shape.
static std::optional<HostTensor> getConstant(Value value) {
  while (auto cast = value.getDefiningOp<tensor::CastOp>())
    value = cast.getSource();
  ElementsAttr attr;
  if (!matchPattern(value, m_Constant(&attr)))
    return std::nullopt;
  auto tensor = HostTensor::fromAttr(attr);
  if (tensor)
    return *tensor;
  llvm::consumeError(tensor.takeError());
  return std::nullopt;
}

namespace {
/// A compressed value taken apart: what `quant` needs of its producer.
struct Source {
  /// Operands of the producer, or empty for a constant.
  Value dense, codes;
  SmallVector<HostTensor> parameters;
  std::optional<HostTensor> constantCodes;
};

struct ConvertCompressToQuantPass
    : compress::impl::ConvertCompressToQuantBase<ConvertCompressToQuantPass> {
  using ConvertCompressToQuantBase::ConvertCompressToQuantBase;

  void runOnOperation() override;

private:
  void leave(Operation *op, const Twine &reason);
  void convert(Operation *producer);
};
} // namespace

static llvm::Expected<Source> readSource(Operation *producer) {
  Source source;
  ValueRange parameters;
  if (auto constant = dyn_cast<compress::ConstantOp>(producer)) {
    SmallVector<HostTensor> leaves = constant.getLeaves();
    source.constantCodes = leaves.front();
    source.parameters.assign(leaves.begin() + 1, leaves.end());
    return source;
  }
  if (auto pack = dyn_cast<PackOp>(producer)) {
    source.codes = pack.getComponents().front();
    source.constantCodes = getConstant(source.codes);
    parameters = pack.getComponents().drop_front();
  } else if (auto encode = dyn_cast<EncodeOp>(producer)) {
    source.dense = encode.getSource();
    parameters = encode.getParameters();
    if (parameters.empty())
      return llvm::createStringError(
          "its scales are computed from the values at run time");
  } else {
    return llvm::createStringError("quant has no such operation");
  }
  for (Value parameter : parameters) {
    auto constant = getConstant(parameter);
    if (!constant)
      return llvm::createStringError(
          "its scales or zero points are not constants");
    source.parameters.push_back(*constant);
  }
  return source;
}

/// Replaces the results of `unpack`: codes by a storage cast, parameters by
/// what they were made of.
static void replaceUnpack(UnpackOp unpack, Operation *producer,
                          Value quantized) {
  OpBuilder b(unpack);
  Location loc = unpack.getLoc();
  for (auto [i, result] : llvm::enumerate(unpack.getResults())) {
    if (result.use_empty())
      continue;
    Value value;
    if (i == 0)
      value = quant::StorageCastOp::create(b, loc, result.getType(), quantized);
    else if (auto constant = dyn_cast<compress::ConstantOp>(producer))
      value = arith::ConstantOp::create(
          b, loc, cast<TypedAttr>(constant.getComponents()[i]));
    else if (auto pack = dyn_cast<PackOp>(producer))
      value = pack.getComponents()[i];
    else
      value = cast<EncodeOp>(producer).getParameters()[i - 1];
    result.replaceAllUsesWith(value);
  }
  unpack.erase();
}

void ConvertCompressToQuantPass::leave(Operation *op, const Twine &reason) {
  InFlightDiagnostic diagnostic = strict ? op->emitError() : op->emitRemark();
  diagnostic << "'" << op->getName() << "' stays as it is: " << reason;
  if (strict)
    signalPassFailure();
}

void ConvertCompressToQuantPass::convert(Operation *producer) {
  Value compressed = producer->getResult(0);
  auto type = cast<CompressedTensorType>(compressed.getType());
  auto explain = [&](llvm::Error error) {
    ++numLeft;
    leave(producer, llvm::toString(std::move(error)));
  };
  if (llvm::Error error = verifyMapsToQuant(type))
    return explain(std::move(error));
  auto source = readSource(producer);
  if (!source)
    return explain(source.takeError());
  auto element = mapCompressToQuant(
      type, source->parameters,
      source->dense ? CodeOrigin::Encoded : CodeOrigin::Given,
      source->constantCodes ? &*source->constantCodes : nullptr);
  if (!element)
    return explain(element.takeError());

  SmallVector<Operation *> users;
  for (Operation *user : compressed.getUsers()) {
    if (isa<DecodeOp, UnpackOp>(user))
      users.push_back(user);
    else
      leave(user, "quant has no such operation on quantized tensors");
  }
  if (users.empty())
    return;
  OpBuilder b(producer);
  Location loc = producer->getLoc();
  auto quantizedType = RankedTensorType::get(type.getShape(), *element);
  Value quantized;
  if (source->dense) {
    quantized =
        quant::QuantizeCastOp::create(b, loc, quantizedType, source->dense);
  } else {
    if (!source->codes)
      source->codes = arith::ConstantOp::create(
          b, loc,
          cast<TypedAttr>(
              cast<compress::ConstantOp>(producer).getComponents()[0]));
    quantized =
        quant::StorageCastOp::create(b, loc, quantizedType, source->codes);
  }
  for (Operation *user : users) {
    if (auto unpack = dyn_cast<UnpackOp>(user)) {
      replaceUnpack(unpack, producer, quantized);
      continue;
    }
    OpBuilder b(user);
    Value result = quant::DequantizeCastOp::create(
        b, user->getLoc(), user->getResult(0).getType(), quantized);
    user->getResult(0).replaceAllUsesWith(result);
    user->erase();
  }
  ++numConverted;
  if (!compressed.use_empty()) {
    ++numLeft;
    return;
  }
  SmallVector<Value> operands(producer->getOperands());
  producer->erase();
  for (Value operand : operands) {
    // Parameters, and the casts that gave them a dynamic shape.
    Operation *def = operand.getDefiningOp();
    while (def && isOpTriviallyDead(def)) {
      Value next = def->getNumOperands() == 1 ? def->getOperand(0) : Value();
      def->erase();
      def = next ? next.getDefiningOp() : nullptr;
    }
  }
}

void ConvertCompressToQuantPass::runOnOperation() {
  SmallVector<Operation *> producers;
  getOperation()->walk([&](Operation *op) {
    bool isProducer =
        llvm::any_of(op->getResultTypes(), llvm::IsaPred<CompressedTensorType>);
    if (isProducer && op->getNumResults() == 1)
      return producers.push_back(op);
    if (isProducer) {
      ++numLeft;
      return leave(op, "quant has no such operation");
    }
    for (Value operand : op->getOperands())
      if (isa<CompressedTensorType>(operand.getType()) &&
          !operand.getDefiningOp()) {
        ++numLeft;
        return leave(op, "its operand is a block argument, whose scales are "
                         "not known");
      }
  });
  for (Operation *producer : producers)
    convert(producer);
}

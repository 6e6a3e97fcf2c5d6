//===- QuantToCompress.cpp - convert-quant-to-compress ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Casts are rewritten in place rather than by a greedy driver: its folding
// would take `quant.dcast(quant.qcast(x))` for `x`.
//
//===----------------------------------------------------------------------===//

#include "compress/Conversion/QuantToCompress/QuantToCompress.h"
#include "compress/Conversion/QuantToCompress/TypeMapping.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace compress {
#define GEN_PASS_DEF_CONVERTQUANTTOCOMPRESS
#include "compress/Conversion/QuantToCompress/QuantToCompress.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

static bool isQuantized(Value value) {
  return isa<quant::QuantizedType>(getElementTypeOrSelf(value.getType()));
}

/// The attribute of constant codes that a `compress.constant` can hold.
static ElementsAttr getConstantCodes(Value codes) {
  ElementsAttr attr;
  if (!matchPattern(codes, m_Constant(&attr)))
    return {};
  auto tensor = HostTensor::fromAttr(attr);
  if (!tensor) {
    llvm::consumeError(tensor.takeError());
    return {};
  }
  return attr;
}

/// A parameter as a value of the component's type, which may be dynamic where
/// the constant is not.
static Value buildParameter(OpBuilder &b, Location loc, DenseElementsAttr attr,
                            Type type) {
  Value value = arith::ConstantOp::create(b, loc, attr);
  if (value.getType() != type)
    value = tensor::CastOp::create(b, loc, type, value);
  return value;
}

/// The compressed tensor that a cast to a quantized type makes.
static Value buildCompressed(Operation *producer,
                             const UniformMapping &mapping) {
  OpBuilder b(producer);
  Location loc = producer->getLoc();
  CompressedTensorType type = mapping.type;
  Value source = producer->getOperand(0);
  if (isa<quant::StorageCastOp>(producer))
    if (ElementsAttr codes = getConstantCodes(source)) {
      SmallVector<Attribute> leaves{codes, mapping.scales};
      if (mapping.zeros)
        leaves.push_back(mapping.zeros);
      return compress::ConstantOp::create(b, loc, type, b.getArrayAttr(leaves));
    }
  SmallVector<Component> components = type.getComponents();
  SmallVector<Value> parameters{
      buildParameter(b, loc, mapping.scales, components[1].type)};
  if (mapping.zeros)
    parameters.push_back(
        buildParameter(b, loc, mapping.zeros, components[2].type));
  if (isa<quant::QuantizeCastOp>(producer))
    return EncodeOp::create(b, loc, type, source, parameters);
  parameters.insert(parameters.begin(), source);
  return PackOp::create(b, loc, type, parameters);
}

namespace {
struct ConvertQuantToCompressPass
    : compress::impl::ConvertQuantToCompressBase<ConvertQuantToCompressPass> {
  using ConvertQuantToCompressBase::ConvertQuantToCompressBase;

  void runOnOperation() override;

private:
  void leave(Operation *op, const Twine &reason);
  void convert(Operation *producer);
};
} // namespace

void ConvertQuantToCompressPass::leave(Operation *op, const Twine &reason) {
  InFlightDiagnostic diagnostic = strict ? op->emitError() : op->emitRemark();
  diagnostic << "'" << op->getName() << "' stays as it is: " << reason;
  if (strict)
    signalPassFailure();
}

void ConvertQuantToCompressPass::convert(Operation *producer) {
  Value quantized = producer->getResult(0);
  auto mapping = mapQuantToCompress(quantized.getType());
  if (!mapping) {
    ++numLeft;
    return leave(producer, llvm::toString(mapping.takeError()));
  }
  // Foreign users, which have been reported, keep the quantized value.
  SmallVector<Operation *> users;
  for (Operation *user : quantized.getUsers()) {
    if (isa<quant::DequantizeCastOp, quant::StorageCastOp>(user))
      users.push_back(user);
  }
  if (users.empty())
    return;
  Value compressed = buildCompressed(producer, *mapping);
  for (Operation *user : users) {
    OpBuilder b(user);
    Value result;
    if (isa<quant::DequantizeCastOp>(user))
      result = DecodeOp::create(b, user->getLoc(), compressed);
    else
      result = UnpackOp::create(b, user->getLoc(), compressed).getResult(0);
    user->getResult(0).replaceAllUsesWith(result);
    user->erase();
  }
  ++numConverted;
  if (!quantized.use_empty()) {
    ++numLeft;
    return;
  }
  Operation *source = producer->getOperand(0).getDefiningOp();
  producer->erase();
  if (source && isOpTriviallyDead(source))
    source->erase();
}

void ConvertQuantToCompressPass::runOnOperation() {
  SmallVector<Operation *> producers;
  getOperation()->walk([&](Operation *op) {
    if (isa<quant::StorageCastOp, quant::QuantizeCastOp>(op) &&
        isQuantized(op->getResult(0))) {
      producers.push_back(op);
      return;
    }
    if (!isa<quant::StorageCastOp, quant::DequantizeCastOp>(op)) {
      if (llvm::any_of(op->getOperands(), isQuantized) ||
          llvm::any_of(op->getResults(), isQuantized))
        leave(op, "of operations on quantized tensors only the casts of quant "
                  "can be converted");
      return;
    }
    // A cast of what something else made.
    Operation *source = op->getOperand(0).getDefiningOp();
    if (source && isa<quant::StorageCastOp, quant::QuantizeCastOp>(source))
      return;
    ++numLeft;
    auto mapping = mapQuantToCompress(op->getOperand(0).getType());
    if (!mapping)
      leave(op, llvm::toString(mapping.takeError()));
    else
      leave(op, "its operand is not made by a cast of quant");
  });
  for (Operation *producer : producers)
    convert(producer);
}

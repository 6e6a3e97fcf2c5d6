//===- Node.cpp - Uniform view of an onnx operation -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/Node.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

StringRef Node::getOpType() const {
  StringRef name = op->getName().stripDialect();
  if (name == "Custom")
    if (auto type = op->getAttrOfType<StringAttr>("op_type"))
      return type.getValue();
  return name;
}

std::string Node::describe() const {
  StringRef name;
  if (auto attr = op->getAttrOfType<StringAttr>("onnx.node_name"))
    name = attr.getValue();
  else if (auto attr = op->getAttrOfType<StringAttr>("name"))
    name = attr.getValue();
  if (name.empty())
    if (auto outputs = op->getAttrOfType<ArrayAttr>("onnx.outputs"))
      if (!outputs.empty())
        if (auto first = dyn_cast<StringAttr>(outputs[0]))
          name = first.getValue();
  return ("node '" + name + "' (" + getOpType() + ")").str();
}

Value Node::getInput(unsigned index) const {
  if (index >= op->getNumOperands())
    return {};
  Value value = op->getOperand(index);
  return isa<NoneType>(value.getType()) ? Value() : value;
}

Attribute Node::getAttr(StringRef name) const {
  if (auto custom = dyn_cast<CustomOp>(op)) {
    DictionaryAttr attributes = custom.getNodeAttributesAttr();
    return attributes ? attributes.get(name) : Attribute();
  }
  if (Attribute attr = op->getAttr(name))
    return attr;
  // Attributes that became inputs in a later opset.
  return op->getAttr(("legacy_" + name).str());
}

std::optional<int64_t> Node::findInt(StringRef name) const {
  if (auto attr = dyn_cast_or_null<IntegerAttr>(getAttr(name)))
    return attr.getValue().getSExtValue();
  return std::nullopt;
}

int64_t Node::getInt(StringRef name, int64_t byDefault) const {
  return findInt(name).value_or(byDefault);
}

double Node::getFloat(StringRef name, double byDefault) const {
  if (auto attr = dyn_cast_or_null<FloatAttr>(getAttr(name)))
    return attr.getValueAsDouble();
  return byDefault;
}

StringRef Node::getString(StringRef name, StringRef byDefault) const {
  if (auto attr = dyn_cast_or_null<StringAttr>(getAttr(name)))
    return attr.getValue();
  return byDefault;
}

std::optional<SmallVector<int64_t>> Node::findInts(StringRef name) const {
  if (auto attr = dyn_cast_or_null<DenseI64ArrayAttr>(getAttr(name)))
    return SmallVector<int64_t>(attr.asArrayRef());
  return std::nullopt;
}

FailureOr<HostTensor> onnx::getConstant(ElementsAttr attr) {
  if (!attr)
    return failure();
  auto type = dyn_cast<RankedTensorType>(attr.getType());
  auto resource = dyn_cast<DenseResourceElementsAttr>(attr);
  if (type && resource && type.getElementType().isInteger(1)) {
    // One byte per boolean in ONNX, one bit in a HostTensor.
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob || int64_t(blob->getData().size()) != type.getNumElements())
      return failure();
    HostTensor result =
        HostTensor::allocate(type.getShape(), type.getElementType());
    for (auto [i, byte] : llvm::enumerate(blob->getData()))
      result.setBits(i, byte != 0);
    return result;
  }
  llvm::Expected<HostTensor> tensor = HostTensor::fromAttr(attr);
  if (!tensor) {
    llvm::consumeError(tensor.takeError());
    return failure();
  }
  return *tensor;
}

FailureOr<HostTensor> onnx::getConstant(Value value) {
  if (!value)
    return failure();
  return getConstant(getConstantElements(value));
}

ElementsAttr onnx::toAttr(const HostTensor &tensor, StringRef name) {
  auto type = RankedTensorType::get(tensor.getShape(), tensor.getElementType());
  // The blob shares the buffer; its deleter drops the reference.
  auto owner = std::make_shared<HostTensor>(tensor);
  if (tensor.getBitWidth() == 1) {
    *owner = HostTensor::allocate(tensor.getShape(),
                                  IntegerType::get(type.getContext(), 8));
    for (int64_t i = 0, e = tensor.getNumElements(); i < e; ++i)
      owner->setBits(i, tensor.getBits(i));
  }
  AsmResourceBlob blob(
      owner->getBytes(), /*dataAlignment=*/1,
      [owner](void *, size_t, size_t) mutable { owner.reset(); },
      /*dataIsMutable=*/false);
  return makeElements(type, std::move(blob), name);
}

std::optional<int64_t> onnx::normalizeAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return std::nullopt;
  return axis < 0 ? axis + rank : axis;
}

bool onnx::isUnsigned(Type elementType) {
  auto type = dyn_cast<IntegerType>(elementType);
  return type && (type.isUnsigned() || type.getWidth() == 1);
}

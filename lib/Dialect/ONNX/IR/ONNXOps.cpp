//===- ONNXOps.cpp - ops that are not operators of the standard -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "ONNXParse.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace compress::onnx;

Value compress::onnx::detail::givenOperand(Operation *op, unsigned index) {
  if (index >= op->getNumOperands())
    return {};
  Value value = op->getOperand(index);
  return isGiven(value) ? value : Value();
}

Value compress::onnx::detail::givenResult(Operation *op, unsigned index) {
  if (index >= op->getNumResults())
    return {};
  Value value = op->getResult(index);
  return isGiven(value) ? value : Value();
}

ParseResult compress::onnx::parseElementsOfType(OpAsmParser &parser,
                                                ElementsAttr &value,
                                                Type &type) {
  SMLoc loc = parser.getCurrentLocation();
  Attribute attr;
  if (parser.parseAttribute(attr))
    return failure();
  value = dyn_cast<ElementsAttr>(attr);
  if (!value)
    return parser.emitError(loc, "expected the elements of a tensor");
  type = value.getShapedType();
  return success();
}

void compress::onnx::printElementsOfType(OpAsmPrinter &printer, Operation *,
                                         ElementsAttr value, Type) {
  printer << value;
}

void InitializerOp::getAsmResultNames(OpAsmSetValueNameFn setNameFn) {
  if (!getName().empty())
    setNameFn(getResult(), getName());
}

LogicalResult InitializerOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getValue().getShapedType());
  if (type != getResult().getType())
    return emitOpError("'") << getName() << "': the elements are of type "
                            << getValue().getShapedType()
                            << " but the result is " << getResult().getType();
  if (!type.hasStaticShape())
    return emitOpError("'")
           << getName() << "' needs a static shape, found " << type;
  if (!getDataType(type.getElementType()))
    return emitOpError("'") << getName() << "': ONNX has no element type "
                            << type.getElementType();
  auto resource = dyn_cast<DenseResourceElementsAttr>(getValue());
  if (!resource)
    return success();
  // The blob is missing when the text elides resources.
  AsmResourceBlob *blob = resource.getRawHandle().getBlob();
  std::optional<uint64_t> size =
      getPackedSize(type.getElementType(), type.getNumElements());
  if (blob && size && blob->getData().size() != *size)
    return emitOpError("'")
           << getName() << "' of type " << type << " needs " << *size
           << " bytes, its resource has " << blob->getData().size();
  return success();
}

LogicalResult CustomOp::verify() {
  if (getOpType().empty())
    return emitOpError("needs the name of an operator");
  if (std::optional<ArrayAttr> captures = getCaptures())
    if (captures->size() > getInputs().size())
      return emitOpError("captures ")
             << captures->size() << " values but has only "
             << getInputs().size() << " operands";
  return success();
}

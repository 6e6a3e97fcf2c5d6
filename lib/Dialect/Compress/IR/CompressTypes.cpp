//===- CompressTypes.cpp - The compressed tensor type -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace compress;

static ParseResult parseShapedElement(AsmParser &parser,
                                      SmallVector<int64_t> &shape,
                                      Type &elementType) {
  return failure(parser.parseDimensionList(shape) ||
                 parser.parseType(elementType));
}

static void printShapedElement(AsmPrinter &printer, ArrayRef<int64_t> shape,
                               Type elementType) {
  printer.printDimensionList(shape);
  if (!shape.empty())
    printer << 'x';
  printer << elementType;
}

static ParseResult parseTypeEncoding(AsmParser &parser,
                                     EncodingAttrInterface &encoding,
                                     ArrayRef<int64_t> shape) {
  OptionalParseResult alias = parseEncodingAlias(parser, shape, encoding);
  if (alias.has_value())
    return *alias;
  return parseEncoding(parser, encoding);
}

static void printTypeEncoding(AsmPrinter &printer,
                              EncodingAttrInterface encoding,
                              ArrayRef<int64_t> shape) {
  if (!printEncodingAlias(printer, shape, encoding))
    printEncoding(printer, encoding);
}

#define GET_TYPEDEF_CLASSES
#include "compress/Dialect/Compress/IR/CompressTypes.cpp.inc"

void CompressDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "compress/Dialect/Compress/IR/CompressTypes.cpp.inc"
      >();
}

LogicalResult
CompressedTensorType::verify(function_ref<InFlightDiagnostic()> emitError,
                             ArrayRef<int64_t> shape, Type elementType,
                             EncodingAttrInterface encoding) {
  for (int64_t dim : shape)
    if (dim < 0 && !ShapedType::isDynamic(dim))
      return emitError() << "dimension " << dim << " is negative";
  if (!isa<Float16Type, BFloat16Type, Float32Type, Float64Type, IntegerType>(
          elementType))
    return emitError() << "logical element type must be f16, bf16, f32, f64 or "
                          "an integer, found "
                       << elementType;
  if (!encoding)
    return emitError() << "a compressed tensor needs an encoding";
  return encoding.verifyEncoding(emitError, shape, elementType);
}

CompressedTensorType
CompressedTensorType::cloneWith(std::optional<ArrayRef<int64_t>> shape,
                                Type elementType) const {
  return CompressedTensorType::get(getContext(), shape.value_or(getShape()),
                                   elementType, getEncoding());
}

RankedTensorType CompressedTensorType::getLogicalType() const {
  return RankedTensorType::get(getShape(), getElementType());
}

SmallVector<Component> CompressedTensorType::getComponents() const {
  return getEncoding().getComponents(*this);
}

SmallVector<RankedTensorType> CompressedTensorType::getLeafTypes() const {
  SmallVector<RankedTensorType> leaves;
  for (const Component &component : getComponents()) {
    if (auto nested = dyn_cast<CompressedTensorType>(component.type))
      llvm::append_range(leaves, nested.getLeafTypes());
    else
      leaves.push_back(cast<RankedTensorType>(component.type));
  }
  return leaves;
}

uint64_t CompressedTensorType::getStorageBits() const {
  assert(hasStaticShape() && "storage of a dynamic shape is unknown");
  uint64_t bits = 0;
  for (RankedTensorType leaf : getLeafTypes())
    bits += uint64_t(leaf.getNumElements()) *
            HostTensor::getWidth(leaf.getElementType());
  return bits;
}

double CompressedTensorType::getBitsPerElement() const {
  int64_t count = getNumElements();
  return count ? double(getStorageBits()) / double(count) : 0.0;
}

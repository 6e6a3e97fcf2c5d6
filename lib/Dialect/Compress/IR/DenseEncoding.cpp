//===- DenseEncoding.cpp - The dense encoding -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;

LogicalResult DenseAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                Type storageType) {
  if (!HostTensor::getWidth(storageType))
    return emitError() << "dense: storage type must be an integer or a float "
                          "of at most 64 bits, found "
                       << storageType;
  return success();
}

LogicalResult
DenseAttr::verifyEncoding(function_ref<InFlightDiagnostic()> emitError,
                          ArrayRef<int64_t> shape, Type elementType) const {
  if (failed(verifySize(emitError, shape)))
    return failure();
  if (isa<IntegerType>(elementType) && isa<FloatType>(getStorageType()))
    return emitError() << "dense: cannot store " << elementType << " values as "
                       << getStorageType();
  return success();
}

SmallVector<Component>
DenseAttr::getComponents(CompressedTensorType type) const {
  return {
      makeComponent("values", type.getShape(), type.getElementType(), *this)};
}

FailureOr<DenseValue>
DenseAttr::describeDecode(TensorBuilder &b, CompressedTensorType type,
                          ArrayRef<ComponentValue> parts) const {
  return b.decode(parts[0]);
}

llvm::Expected<HostTensor>
DenseAttr::decodeHost(CompressedTensorType type,
                      ArrayRef<HostTensor> leaves) const {
  return leaves[0].bitcast(getStorageType()).convert(type.getElementType());
}

llvm::Expected<SmallVector<HostTensor>>
DenseAttr::encodeHost(CompressedTensorType type, const HostTensor &value,
                      ArrayRef<HostTensor> parameterLeaves) const {
  auto leafType = type.getLeafTypes()[0];
  return SmallVector<HostTensor>{
      value.convert(getStorageType()).bitcast(leafType.getElementType())};
}

FailureOr<Value> DenseAttr::buildDecode(OpBuilder &builder, Location loc,
                                        CompressedTensorType type,
                                        ValueRange components) const {
  return buildElementwise(builder, loc, type.getElementType(), components,
                          [&](OpBuilder &b, Location loc, ValueRange in) {
                            return buildNumericCast(b, loc, in[0],
                                                    getStorageType(),
                                                    type.getElementType());
                          });
}

FailureOr<SmallVector<Value>>
DenseAttr::buildEncode(OpBuilder &builder, Location loc,
                       CompressedTensorType type, Value value,
                       ValueRange parameters) const {
  Type storage = type.getLeafTypes()[0].getElementType();
  return SmallVector<Value>{buildElementwise(
      builder, loc, storage, value,
      [&](OpBuilder &b, Location loc, ValueRange in) {
        return buildNumericCast(b, loc, in[0], type.getElementType(),
                                getStorageType());
      })};
}

FailureOr<Value> DenseAttr::buildGather(OpBuilder &builder, Location loc,
                                        CompressedTensorType type,
                                        ValueRange components, Value indices,
                                        int64_t axis) const {
  return buildGatherRows(
      builder, loc, components[0], type.getElementType(), indices, axis,
      [&](OpBuilder &b, Location loc, ValueRange position) {
        Value value =
            tensor::ExtractOp::create(b, loc, components[0], position);
        return buildNumericCast(b, loc, value, getStorageType(),
                                type.getElementType());
      });
}

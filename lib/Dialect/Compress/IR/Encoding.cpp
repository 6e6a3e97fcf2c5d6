//===- Encoding.cpp - Helpers shared by encodings ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;

/// The signless form of an integer storage type; floats as they are.
static Type getSignless(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type))
    return IntegerType::get(type.getContext(), integer.getWidth());
  return type;
}

Type compress::getComponentType(ArrayRef<int64_t> shape, Type elementType,
                                EncodingAttrInterface encoding) {
  if (auto dense = dyn_cast<DenseAttr>(encoding))
    return RankedTensorType::get(shape, getSignless(dense.getStorageType()));
  return CompressedTensorType::get(encoding.getContext(), shape, elementType,
                                   encoding);
}

unsigned compress::getNumLeaves(Type componentType) {
  if (auto nested = dyn_cast<CompressedTensorType>(componentType))
    return nested.getLeafTypes().size();
  return 1;
}

/// A component of dense encoding is its own single leaf; seen as a compressed
/// tensor it lends the conversion rules of `dense`.
static CompressedTensorType asCompressed(Type componentType, Type elementType,
                                         EncodingAttrInterface encoding) {
  if (auto nested = dyn_cast<CompressedTensorType>(componentType))
    return nested;
  return CompressedTensorType::get(
      encoding.getContext(), cast<RankedTensorType>(componentType).getShape(),
      elementType, encoding);
}

llvm::Expected<HostTensor>
compress::decodeComponent(Type componentType, Type elementType,
                          EncodingAttrInterface encoding,
                          ArrayRef<HostTensor> leaves) {
  return encoding.decodeHost(asCompressed(componentType, elementType, encoding),
                             leaves);
}

llvm::Error compress::encodeComponent(Type componentType,
                                      EncodingAttrInterface encoding,
                                      const HostTensor &value,
                                      SmallVectorImpl<HostTensor> &leaves) {
  auto encoded = encoding.encodeHost(
      asCompressed(componentType, value.getElementType(), encoding), value, {});
  if (!encoded)
    return encoded.takeError();
  llvm::append_range(leaves, *encoded);
  return llvm::Error::success();
}

FailureOr<Value>
compress::buildDecodeComponent(OpBuilder &builder, Location loc,
                               Value component, Type elementType,
                               EncodingAttrInterface encoding) {
  if (isa<CompressedTensorType>(component.getType()))
    return DecodeOp::create(builder, loc, component).getResult();
  return encoding.buildDecode(
      builder, loc, asCompressed(component.getType(), elementType, encoding),
      component);
}

FailureOr<Value>
compress::buildEncodeComponent(OpBuilder &builder, Location loc, Value value,
                               Type componentType,
                               EncodingAttrInterface encoding) {
  if (isa<CompressedTensorType>(componentType))
    return EncodeOp::create(builder, loc, componentType, value, ValueRange())
        .getResult();
  auto components = encoding.buildEncode(
      builder, loc,
      asCompressed(componentType, getElementTypeOrSelf(value.getType()),
                   encoding),
      value, ValueRange());
  if (failed(components))
    return failure();
  return components->front();
}

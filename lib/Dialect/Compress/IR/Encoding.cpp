//===- Encoding.cpp - Helpers shared by encodings ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;

/// The signless form of an integer storage type; floats as they are.
static Type getSignless(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type))
    return IntegerType::get(type.getContext(), integer.getWidth());
  return type;
}

Type compress::getComputeType(Type elementType) {
  if (elementType.isF64())
    return elementType;
  return Float32Type::get(elementType.getContext());
}

//===----------------------------------------------------------------------===//
// Components
//===----------------------------------------------------------------------===//

Type compress::getComponentType(ArrayRef<int64_t> shape, Type elementType,
                                EncodingAttrInterface encoding) {
  if (auto dense = dyn_cast<DenseAttr>(encoding))
    return RankedTensorType::get(shape, getSignless(dense.getStorageType()));
  return CompressedTensorType::get(encoding.getContext(), shape, elementType,
                                   encoding);
}

Component compress::makeComponent(const Twine &name, ArrayRef<int64_t> shape,
                                  Type elementType,
                                  EncodingAttrInterface encoding) {
  return {name.str(), getComponentType(shape, elementType, encoding), encoding,
          elementType};
}

Component compress::makeDenseComponent(const Twine &name,
                                       ArrayRef<int64_t> shape,
                                       Type elementType, Type storage) {
  return makeComponent(name, shape, elementType,
                       DenseAttr::get(storage.getContext(), storage));
}

unsigned compress::getNumLeaves(Type componentType) {
  if (auto nested = dyn_cast<CompressedTensorType>(componentType))
    return nested.getLeafTypes().size();
  return 1;
}

SmallVector<ComponentValue> compress::splitLeaves(CompressedTensorType type,
                                                  ArrayRef<HostTensor> leaves) {
  SmallVector<ComponentValue> parts;
  int64_t first = 0;
  for (Component &component : type.getComponents()) {
    unsigned count = getNumLeaves(component.type);
    ComponentValue &part = parts.emplace_back();
    part.component = std::move(component);
    part.leaves.assign(leaves.begin() + first, leaves.begin() + first + count);
    part.firstLeaf = first;
    first += count;
  }
  return parts;
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

static CompressedTensorType asCompressed(const Component &component) {
  return asCompressed(component.type, component.elementType,
                      cast<EncodingAttrInterface>(component.encoding));
}

SmallVector<EncodingAttrInterface>
compress::getComponentEncodings(CompressedTensorType type) {
  SmallVector<EncodingAttrInterface> encodings;
  for (const Component &component : type.getComponents())
    encodings.push_back(cast<EncodingAttrInterface>(component.encoding));
  return encodings;
}

EncodedTensor compress::getEncodedTensor(const ComponentValue &part) {
  return {asCompressed(part.component), part.leaves};
}

llvm::Expected<HostTensor>
compress::decodeComponent(Type componentType, Type elementType,
                          EncodingAttrInterface encoding,
                          ArrayRef<HostTensor> leaves) {
  CompressedTensorType type =
      asCompressed(componentType, elementType, encoding);
  // Leaves that were just encoded tell the sizes that were written `?`.
  if (!isRefined(type))
    type = refineType(type, leaves);
  return type.getEncoding().decodeHost(type, leaves);
}

llvm::Expected<HostTensor>
compress::decodeComponent(const ComponentValue &part) {
  return decodeComponent(part.component.type, part.component.elementType,
                         cast<EncodingAttrInterface>(part.component.encoding),
                         part.leaves);
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

llvm::Error compress::encodeComponent(const Component &component,
                                      const HostTensor &value,
                                      SmallVectorImpl<HostTensor> &leaves) {
  CompressedTensorType type = asCompressed(component);
  auto encoded = type.getEncoding().encodeHost(
      type, value.convert(component.elementType), {});
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

FailureOr<Value> compress::buildDecodeComponent(OpBuilder &builder,
                                                Location loc, Value value,
                                                const Component &component) {
  return buildDecodeComponent(builder, loc, value, component.elementType,
                              cast<EncodingAttrInterface>(component.encoding));
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

FailureOr<Value> compress::buildGatherComponent(OpBuilder &builder,
                                                Location loc, Value value,
                                                const Component &component,
                                                Value indices, int64_t axis) {
  CompressedTensorType type = asCompressed(component);
  if (!isa<CompressedTensorType>(value.getType()))
    return type.getEncoding().buildGather(builder, loc, type, value, indices,
                                          axis);
  SmallVector<int64_t> shape(type.getShape().take_front(axis));
  llvm::append_range(shape,
                     cast<RankedTensorType>(indices.getType()).getShape());
  llvm::append_range(shape, type.getShape().drop_front(axis + 1));
  return GatherOp::create(builder, loc,
                          RankedTensorType::get(shape, type.getElementType()),
                          value, indices, axis)
      .getResult();
}

FailureOr<Value> compress::buildGatherOfDecoded(OpBuilder &builder,
                                                Location loc,
                                                CompressedTensorType type,
                                                ValueRange components,
                                                Value indices, int64_t axis) {
  auto table = type.getEncoding().buildDecode(builder, loc, type, components);
  if (failed(table))
    return failure();
  return buildGatherRows(
      builder, loc, *table, type.getElementType(), indices, axis,
      [&](OpBuilder &b, Location loc, ValueRange position) -> Value {
        return tensor::ExtractOp::create(b, loc, *table, position);
      });
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

static llvm::Error inComponent(const Component &component, llvm::Error error) {
  return llvm::createStringError("component '" + Twine(component.name) +
                                 "': " + llvm::toString(std::move(error)));
}

/// Everything but the types and sizes of leaves.
static llvm::Error verifyValues(CompressedTensorType type,
                                ArrayRef<HostTensor> leaves) {
  if (llvm::Error error = type.getEncoding().verifyPayload(type, leaves))
    return error;
  for (const ComponentValue &part : splitLeaves(type, leaves))
    if (auto nested = dyn_cast<CompressedTensorType>(part.component.type))
      if (llvm::Error error = verifyValues(nested, part.leaves))
        return inComponent(part.component, std::move(error));
  return llvm::Error::success();
}

llvm::Error compress::verifyPayload(CompressedTensorType type,
                                    ArrayRef<HostTensor> leaves) {
  SmallVector<RankedTensorType> types = type.getLeafTypes();
  if (types.size() != leaves.size())
    return llvm::createStringError("expected " + Twine(types.size()) +
                                   " leaves, found " + Twine(leaves.size()));
  for (auto [i, leaf] : llvm::enumerate(leaves)) {
    if (!types[i].hasStaticShape() || leaf.getShape() != types[i].getShape() ||
        leaf.getBitWidth() != HostTensor::getWidth(types[i].getElementType())) {
      std::string text;
      llvm::raw_string_ostream(text)
          << "leaf #" << i << " must be of type " << types[i] << ", found "
          << RankedTensorType::get(leaf.getShape(), leaf.getElementType());
      return llvm::createStringError(Twine(text));
    }
  }
  return verifyValues(type, leaves);
}

EncodingAttrInterface compress::refineComponents(EncodingAttrInterface encoding,
                                                 CompressedTensorType type,
                                                 ArrayRef<HostTensor> leaves) {
  SmallVector<EncodingAttrInterface> encodings;
  for (const ComponentValue &part : splitLeaves(type, leaves)) {
    CompressedTensorType component = asCompressed(part.component);
    bool isDense = isa<DenseAttr>(component.getEncoding());
    encodings.push_back(
        isDense ? component.getEncoding()
                : component.getEncoding().refine(component, part.leaves));
  }
  return encoding.withComponentEncodings(encodings);
}

CompressedTensorType compress::refineType(CompressedTensorType type,
                                          ArrayRef<HostTensor> leaves) {
  return CompressedTensorType::get(type.getContext(), type.getShape(),
                                   type.getElementType(),
                                   type.getEncoding().refine(type, leaves));
}

bool compress::isRefined(CompressedTensorType type) {
  return llvm::all_of(type.getLeafTypes(), [](RankedTensorType leaf) {
    return leaf.hasStaticShape();
  });
}

llvm::Expected<EncodedTensor> compress::encodeTensor(CompressedTensorType type,
                                                     const HostTensor &value) {
  auto leaves = type.getEncoding().encodeHost(type, value, {});
  if (!leaves)
    return leaves.takeError();
  return EncodedTensor{refineType(type, *leaves), std::move(*leaves)};
}

llvm::Expected<HostTensor> compress::decodeTensor(const EncodedTensor &tensor) {
  if (llvm::Error error = verifyPayload(tensor.type, tensor.leaves))
    return std::move(error);
  return tensor.type.getEncoding().decodeHost(tensor.type, tensor.leaves);
}

llvm::Expected<EncodedTensor>
compress::castTensor(const EncodedTensor &source, CompressedTensorType target) {
  if (source.type == target)
    return source;
  if (llvm::Error error = verifyPayload(source.type, source.leaves))
    return std::move(error);
  for (EncodingAttrInterface encoding :
       {source.type.getEncoding(), target.getEncoding()}) {
    auto recoded = encoding.recodeHost(source, target);
    if (succeeded(recoded))
      return *recoded;
  }
  auto value = source.type.getEncoding().decodeHost(source.type, source.leaves);
  if (!value)
    return value.takeError();
  return encodeTensor(target, *value);
}

FailureOr<DenseValue> compress::describeDecode(TensorBuilder &builder,
                                               CompressedTensorType type,
                                               ArrayRef<ComponentValue> parts) {
  return type.getEncoding().describeDecode(builder, type, parts);
}

bool compress::acceptsAnyEncoding(Value value) {
  return llvm::all_of(value.getUsers(), [](Operation *user) {
    return isa<DecodeOp, ContractOp, GatherOp, CastOp>(user);
  });
}

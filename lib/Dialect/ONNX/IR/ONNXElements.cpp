//===- ONNXElements.cpp - element types and constant tensors --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace compress::onnx;

/// Tensors up to this many elements are inline: shapes, axes, scalars.
static constexpr int64_t maxInlineElements = 16;

//===----------------------------------------------------------------------===//
// Values and versions
//===----------------------------------------------------------------------===//

bool compress::onnx::isGiven(Value value) {
  return value && !isa<NoneType>(value.getType());
}

static bool isStandardDomain(StringRef domain) {
  return domain.empty() || domain == "ai.onnx";
}

int64_t compress::onnx::getOpsetVersion(Operation *op, StringRef domain) {
  for (Operation *at = op; at; at = at->getParentOp()) {
    auto imports = at->getAttrOfType<ArrayAttr>("onnx.opset_imports");
    if (!imports)
      continue;
    // Before IR version 3 there was only one operator set.
    if (imports.empty())
      return isStandardDomain(domain) ? 1 : 0;
    for (auto entry : imports.getAsRange<Attribute>()) {
      auto dict = dyn_cast<DictionaryAttr>(entry);
      if (!dict)
        continue;
      auto name = dict.getAs<StringAttr>("domain");
      StringRef imported = name ? name.getValue() : StringRef();
      auto version = dict.getAs<IntegerAttr>("version");
      if (version && (imported == domain ||
                      (isStandardDomain(imported) && isStandardDomain(domain))))
        return version.getInt();
    }
    return 0;
  }
  return isStandardDomain(domain) ? getNewestOpsetVersion() : 0;
}

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

std::optional<int32_t> compress::onnx::getDataType(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type)) {
    bool isUnsigned = integer.isUnsigned();
    switch (integer.getWidth()) {
    case 1:
      return 9;
    case 2:
      return isUnsigned ? 25 : 26;
    case 4:
      return isUnsigned ? 21 : 22;
    case 8:
      return isUnsigned ? 2 : 3;
    case 16:
      return isUnsigned ? 4 : 5;
    case 32:
      return isUnsigned ? 12 : 6;
    case 64:
      return isUnsigned ? 13 : 7;
    }
    return std::nullopt;
  }
  if (auto complex = dyn_cast<ComplexType>(type)) {
    if (complex.getElementType().isF32())
      return 14;
    if (complex.getElementType().isF64())
      return 15;
    return std::nullopt;
  }
  return llvm::TypeSwitch<Type, std::optional<int32_t>>(type)
      .Case<Float32Type>([](auto) { return 1; })
      .Case<Float16Type>([](auto) { return 10; })
      .Case<Float64Type>([](auto) { return 11; })
      .Case<BFloat16Type>([](auto) { return 16; })
      .Case<Float8E4M3FNType>([](auto) { return 17; })
      .Case<Float8E4M3FNUZType>([](auto) { return 18; })
      .Case<Float8E5M2Type>([](auto) { return 19; })
      .Case<Float8E5M2FNUZType>([](auto) { return 20; })
      .Case<Float4E2M1FNType>([](auto) { return 23; })
      .Case<Float8E8M0FNUType>([](auto) { return 24; })
      .Case<Float6E2M3FNType>([](auto) { return 27; })
      .Case<Float6E3M2FNType>([](auto) { return 28; })
      .Case<StringType>([](auto) { return 8; })
      .Case<UnknownType>([](auto) { return 0; })
      .Default([](Type) { return std::nullopt; });
}

Type compress::onnx::getElementType(MLIRContext *context, int32_t dataType) {
  Builder b(context);
  auto unsignedType = [&](unsigned width) {
    return IntegerType::get(context, width, IntegerType::Unsigned);
  };
  switch (dataType) {
  case 0:
    return UnknownType::get(context);
  case 1:
    return b.getF32Type();
  case 2:
    return unsignedType(8);
  case 3:
    return b.getI8Type();
  case 4:
    return unsignedType(16);
  case 5:
    return b.getI16Type();
  case 6:
    return b.getI32Type();
  case 7:
    return b.getI64Type();
  case 8:
    return StringType::get(context);
  case 9:
    return b.getI1Type();
  case 10:
    return b.getF16Type();
  case 11:
    return b.getF64Type();
  case 12:
    return unsignedType(32);
  case 13:
    return unsignedType(64);
  case 14:
    return ComplexType::get(b.getF32Type());
  case 15:
    return ComplexType::get(b.getF64Type());
  case 16:
    return b.getBF16Type();
  case 17:
    return Float8E4M3FNType::get(context);
  case 18:
    return Float8E4M3FNUZType::get(context);
  case 19:
    return Float8E5M2Type::get(context);
  case 20:
    return Float8E5M2FNUZType::get(context);
  case 21:
    return unsignedType(4);
  case 22:
    return b.getIntegerType(4);
  case 23:
    return Float4E2M1FNType::get(context);
  case 24:
    return Float8E8M0FNUType::get(context);
  case 25:
    return unsignedType(2);
  case 26:
    return b.getIntegerType(2);
  case 27:
    return Float6E2M3FNType::get(context);
  case 28:
    return Float6E3M2FNType::get(context);
  default:
    return {};
  }
}

unsigned compress::onnx::getElementBits(Type type) {
  if (type.isInteger(1))
    return 8;
  if (auto complex = dyn_cast<ComplexType>(type))
    return 2 * getElementBits(complex.getElementType());
  return type.isIntOrFloat() ? type.getIntOrFloatBitWidth() : 0;
}

std::optional<uint64_t> compress::onnx::getPackedSize(Type type,
                                                      int64_t count) {
  unsigned bits = getElementBits(type);
  if (!bits || count < 0 ||
      static_cast<uint64_t>(count) >
          (std::numeric_limits<uint64_t>::max() - 7) / bits)
    return std::nullopt;
  return (static_cast<uint64_t>(count) * bits + 7) / 8;
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

ElementsAttr compress::onnx::getConstantElements(Value value) {
  if (!value)
    return {};
  Operation *op = value.getDefiningOp();
  while (auto identity = dyn_cast_or_null<IdentityOp>(op))
    op = identity.getInput().getDefiningOp();
  if (auto initializer = dyn_cast_or_null<InitializerOp>(op))
    return initializer.getValue();
  auto constant = dyn_cast_or_null<ConstantOp>(op);
  if (!constant)
    return {};
  if (constant.getValueAttr())
    return constant.getValueAttr();
  Builder b(constant.getContext());
  auto type = [&](Type element, ArrayRef<int64_t> shape) {
    return RankedTensorType::get(shape, element);
  };
  if (auto v = constant.getValueInt())
    return DenseElementsAttr::get(type(b.getI64Type(), {}), *v);
  if (auto v = constant.getValueFloat())
    return DenseElementsAttr::get(type(b.getF32Type(), {}), *v);
  if (auto v = constant.getValueInts())
    return DenseElementsAttr::get(
        type(b.getI64Type(), {static_cast<int64_t>(v->size())}), *v);
  if (auto v = constant.getValueFloats())
    return DenseElementsAttr::get(
        type(b.getF32Type(), {static_cast<int64_t>(v->size())}), *v);
  auto stringType = StringType::get(constant.getContext());
  if (auto v = constant.getValueString())
    return DenseStringElementsAttr::get(type(stringType, {}), {*v});
  if (auto v = constant.getValueStrings()) {
    SmallVector<StringRef> strings;
    for (auto s : v->getAsRange<StringAttr>())
      strings.push_back(s.getValue());
    return DenseStringElementsAttr::get(
        type(stringType, {static_cast<int64_t>(strings.size())}), strings);
  }
  return {};
}

/// Whether inline elements of `type` are stored as in ONNX raw data.
static bool hasSameLayout(Type type) {
  return !type.isInteger(1) && getElementBits(type) >= 8;
}

/// Packs one element for each byte of `unpacked` into `bits` bits each, from
/// the low bits up.
static void packBits(ArrayRef<char> unpacked, unsigned bits,
                     SmallVectorImpl<char> &packed) {
  packed.assign((unpacked.size() * bits + 7) / 8, 0);
  unsigned mask = (1u << bits) - 1;
  for (auto [i, c] : llvm::enumerate(unpacked)) {
    uint64_t at = static_cast<uint64_t>(i) * bits;
    unsigned value = (static_cast<unsigned char>(c) & mask) << (at % 8);
    packed[at / 8] |= static_cast<char>(value);
    if (value > 0xff)
      packed[at / 8 + 1] |= static_cast<char>(value >> 8);
  }
}

std::optional<ArrayRef<char>>
compress::onnx::getRawData(ElementsAttr elements,
                           SmallVectorImpl<char> &buffer) {
  auto type = dyn_cast<RankedTensorType>(elements.getShapedType());
  if (!type || !type.hasStaticShape())
    return std::nullopt;
  Type element = type.getElementType();
  std::optional<uint64_t> size = getPackedSize(element, type.getNumElements());
  if (!size)
    return std::nullopt;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(elements)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob || blob->getData().size() != *size)
      return std::nullopt;
    return blob->getData();
  }
  auto dense = dyn_cast<DenseElementsAttr>(elements);
  if (!dense)
    return std::nullopt;
  if (hasSameLayout(element)) {
    ArrayRef<char> raw = dense.getRawData();
    if (!dense.isSplat() || type.getNumElements() == 1)
      return raw;
    buffer.clear();
    buffer.reserve(*size);
    for (int64_t i = 0, e = type.getNumElements(); i != e; ++i)
      buffer.append(raw.begin(), raw.end());
    return ArrayRef<char>(buffer);
  }
  SmallVector<char> bytes;
  bytes.reserve(type.getNumElements());
  if (isa<IntegerType>(element))
    for (const APInt &v : dense.getValues<APInt>())
      bytes.push_back(static_cast<char>(v.getZExtValue()));
  else
    for (const APFloat &v : dense.getValues<APFloat>())
      bytes.push_back(static_cast<char>(v.bitcastToAPInt().getZExtValue()));
  if (element.isInteger(1))
    buffer.assign(bytes.begin(), bytes.end());
  else
    packBits(bytes, getElementBits(element), buffer);
  return ArrayRef<char>(buffer);
}

/// Element `index` of packed `raw` data, as the low bits of the result.
static uint64_t readBits(ArrayRef<char> raw, unsigned bits, int64_t index) {
  uint64_t at = static_cast<uint64_t>(index) * bits;
  if (bits % 8) {
    unsigned value = static_cast<unsigned char>(raw[at / 8]);
    if (at % 8 + bits > 8)
      value |=
          static_cast<unsigned>(static_cast<unsigned char>(raw[at / 8 + 1]))
          << 8;
    return (value >> (at % 8)) & ((1u << bits) - 1);
  }
  uint64_t value = 0;
  for (unsigned b = 0; b < bits / 8; ++b)
    value |= static_cast<uint64_t>(static_cast<unsigned char>(raw[at / 8 + b]))
             << (8 * b);
  return value;
}

std::optional<SmallVector<int64_t>>
compress::onnx::getInts(ElementsAttr elements) {
  if (!elements)
    return std::nullopt;
  auto type = dyn_cast<IntegerType>(elements.getElementType());
  SmallVector<char> buffer;
  if (!type || type.getWidth() > 64)
    return std::nullopt;
  std::optional<ArrayRef<char>> raw = getRawData(elements, buffer);
  if (!raw)
    return std::nullopt;
  unsigned bits = getElementBits(type);
  SmallVector<int64_t> result;
  result.reserve(elements.getNumElements());
  for (int64_t i = 0, e = elements.getNumElements(); i != e; ++i) {
    uint64_t value = readBits(*raw, bits, i);
    if (type.isInteger(1))
      result.push_back(value != 0);
    else if (type.isUnsigned() || bits == 64)
      result.push_back(static_cast<int64_t>(value));
    else
      result.push_back(llvm::SignExtend64(value, bits));
  }
  return result;
}

std::optional<SmallVector<int64_t>>
compress::onnx::getConstantInts(Value value) {
  return getInts(getConstantElements(value));
}

std::optional<SmallVector<double>>
compress::onnx::getFloats(ElementsAttr elements) {
  if (!elements)
    return std::nullopt;
  SmallVector<double> result;
  if (auto type = dyn_cast<IntegerType>(elements.getElementType())) {
    std::optional<SmallVector<int64_t>> ints = getInts(elements);
    if (!ints)
      return std::nullopt;
    for (int64_t v : *ints)
      result.push_back(type.isUnsigned()
                           ? static_cast<double>(static_cast<uint64_t>(v))
                           : static_cast<double>(v));
    return result;
  }
  auto type = dyn_cast<FloatType>(elements.getElementType());
  SmallVector<char> buffer;
  if (!type || type.getWidth() > 64)
    return std::nullopt;
  std::optional<ArrayRef<char>> raw = getRawData(elements, buffer);
  if (!raw)
    return std::nullopt;
  unsigned bits = getElementBits(type);
  result.reserve(elements.getNumElements());
  for (int64_t i = 0, e = elements.getNumElements(); i != e; ++i) {
    APFloat v(type.getFloatSemantics(), APInt(bits, readBits(*raw, bits, i)));
    bool losesInfo = false;
    v.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
    result.push_back(v.convertToDouble());
  }
  return result;
}

std::optional<SmallVector<double>>
compress::onnx::getConstantFloats(Value value) {
  return getFloats(getConstantElements(value));
}

/// Inline elements, or null when the type or these values need a resource.
static ElementsAttr makeInline(RankedTensorType type, ArrayRef<char> raw) {
  if (type.getNumElements() > maxInlineElements)
    return {};
  Type element = type.getElementType();
  if (hasSameLayout(element))
    return DenseElementsAttr::getFromRawBuffer(type, raw);
  if (!element.isInteger(1))
    return {};
  SmallVector<bool> values;
  for (char c : raw) {
    // A bool that is neither 0 nor 1 would not survive.
    if (c != 0 && c != 1)
      return {};
    values.push_back(c);
  }
  return DenseElementsAttr::get(type, values);
}

ElementsAttr compress::onnx::makeElements(RankedTensorType type,
                                          ArrayRef<char> raw, StringRef name) {
  if (ElementsAttr elements = makeInline(type, raw))
    return elements;
  return DenseResourceElementsAttr::get(
      type, name,
      HeapAsmResourceBlob::allocateAndCopyWithAlign(raw, blobAlignment));
}

ElementsAttr compress::onnx::makeElements(RankedTensorType type,
                                          AsmResourceBlob blob,
                                          StringRef name) {
  if (ElementsAttr elements = makeInline(type, blob.getData()))
    return elements;
  return DenseResourceElementsAttr::get(type, name, std::move(blob));
}

//===- Tensors.cpp - tensors ----------------------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Proto.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"

using namespace mlir;
using namespace compress::onnx;
using namespace compress::onnx::detail;
using llvm::Error;
using llvm::Expected;
using TP = pb::TensorProto;

static_assert(llvm::endianness::native == llvm::endianness::little,
              "typed ONNX fields are reused as raw data");

/// The typed field that holds elements of `dataType`.
static StringRef typedField(int32_t dataType) {
  switch (dataType) {
  case TP::FLOAT:
  case TP::COMPLEX64:
    return "float_data";
  case TP::DOUBLE:
  case TP::COMPLEX128:
    return "double_data";
  case TP::INT64:
    return "int64_data";
  case TP::UINT32:
  case TP::UINT64:
    return "uint64_data";
  case TP::STRING:
    return "string_data";
  default:
    return "int32_data";
  }
}

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

/// A blob over memory that `owner` keeps alive.
template <typename Owner>
static AsmResourceBlob ownedBlob(ArrayRef<char> data, size_t align,
                                 Owner owner) {
  return AsmResourceBlob(
      data, align,
      [owner = std::move(owner)](void *, size_t, size_t) mutable {
        Owner released = std::move(owner);
        (void)released;
      },
      /*dataIsMutable=*/false);
}

/// Takes a repeated field whose elements are already in raw layout.
template <typename T>
static AsmResourceBlob takeField(::google::protobuf::RepeatedField<T> *field) {
  auto owner = std::make_unique<::google::protobuf::RepeatedField<T>>();
  owner->Swap(field);
  ArrayRef<char> data(reinterpret_cast<const char *>(owner->data()),
                      owner->size() * sizeof(T));
  return ownedBlob(data, alignof(T), std::move(owner));
}

/// Number of entries that a typed field has for `count` elements.
static uint64_t fieldEntries(int32_t dataType, unsigned bits, uint64_t count) {
  switch (dataType) {
  case TP::COMPLEX64:
  case TP::COMPLEX128:
    return 2 * count;
  case TP::STRING:
  case TP::FLOAT6E2M3:
  case TP::FLOAT6E3M2:
    return count;
  default:
    // Below 8 bits, an entry is a byte of packed elements.
    return bits < 8 ? (count * bits + 7) / 8 : count;
  }
}

/// int32_data holds small elements one by one; packs them as raw data.
static Expected<AsmResourceBlob> narrowInts(const TP &tensor, Type element,
                                            uint64_t size) {
  unsigned bits = getElementBits(element);
  bool isSigned =
      element.isSignlessInteger() && bits >= 8 && !element.isInteger(1);
  bool sixBits = bits == 6;
  unsigned entryBits = sixBits ? 6 : std::max(bits, 8u);
  int64_t low = isSigned ? -(int64_t(1) << (entryBits - 1)) : 0;
  int64_t high = (int64_t(1) << (isSigned ? entryBits - 1 : entryBits)) - 1;
  AsmResourceBlob blob = HeapAsmResourceBlob::allocate(size, blobAlignment);
  MutableArrayRef<char> raw = blob.getMutableData();
  std::fill(raw.begin(), raw.end(), 0);
  for (auto [i, value] : llvm::enumerate(tensor.int32_data())) {
    if (value < low || value > high)
      return makeError("int32_data[{0}] = {1} is out of range", i, value);
    if (sixBits) {
      uint64_t at = uint64_t(i) * 6;
      unsigned shifted = unsigned(value) << (at % 8);
      raw[at / 8] |= char(shifted);
      if (shifted > 0xff)
        raw[at / 8 + 1] |= char(shifted >> 8);
    } else if (entryBits == 8) {
      raw[i] = char(value);
    } else {
      uint16_t half = static_cast<uint16_t>(value);
      std::memcpy(raw.data() + 2 * i, &half, 2);
    }
  }
  return blob;
}

/// The payload of a typed field as raw data, not copied where the layouts
/// agree.
static Expected<AsmResourceBlob> takeTyped(TP &tensor, Type element,
                                           uint64_t size) {
  switch (tensor.data_type()) {
  case TP::FLOAT:
  case TP::COMPLEX64:
    return takeField(tensor.mutable_float_data());
  case TP::DOUBLE:
  case TP::COMPLEX128:
    return takeField(tensor.mutable_double_data());
  case TP::INT64:
    return takeField(tensor.mutable_int64_data());
  case TP::UINT64:
    return takeField(tensor.mutable_uint64_data());
  case TP::INT32:
    return takeField(tensor.mutable_int32_data());
  case TP::UINT32: {
    AsmResourceBlob blob = HeapAsmResourceBlob::allocate(size, blobAlignment);
    auto *raw = reinterpret_cast<uint32_t *>(blob.getMutableData().data());
    for (auto [i, value] : llvm::enumerate(tensor.uint64_data())) {
      if (value > std::numeric_limits<uint32_t>::max())
        return makeError("uint64_data[{0}] = {1} is out of range", i, value);
      raw[i] = static_cast<uint32_t>(value);
    }
    return blob;
  }
  default:
    return narrowInts(tensor, element, size);
  }
}

/// Shape and number of elements, checked against overflow.
static Expected<uint64_t> readShape(const TP &tensor,
                                    SmallVectorImpl<int64_t> &shape) {
  uint64_t count = 1;
  bool empty = false;
  for (int64_t dim : tensor.dims()) {
    if (dim < 0)
      return makeError("negative dimension {0}", dim);
    shape.push_back(dim);
    empty |= dim == 0;
    // Zeros are left out so that the other dimensions are checked too.
    uint64_t factor = std::max<uint64_t>(dim, 1);
    if (count > (uint64_t(1) << 56) / factor)
      return makeError("shape {0} is too large", shapeString(shape));
    count *= factor;
  }
  return empty ? 0 : count;
}

namespace {
/// How many elements each field of a tensor has.
struct Fields {
  explicit Fields(const TP &t)
      : entries{{"float_data", t.float_data_size()},
                {"int32_data", t.int32_data_size()},
                {"string_data", t.string_data_size()},
                {"int64_data", t.int64_data_size()},
                {"double_data", t.double_data_size()},
                {"uint64_data", t.uint64_data_size()}} {}

  int64_t count(StringRef name) const {
    for (auto &[field, size] : entries)
      if (name == field)
        return size;
    return 0;
  }
  /// A field other than `name` that is not empty.
  const char *other(StringRef name) const {
    for (auto &[field, size] : entries)
      if (size && name != field)
        return field;
    return nullptr;
  }
  std::pair<const char *, int> entries[6];
};
} // namespace

static Expected<ExternalLocation> readLocation(const Properties &entries) {
  ExternalLocation at;
  for (const pb::StringStringEntryProto &entry : entries) {
    StringRef value(entry.value());
    if (entry.key() == "location")
      at.location = entry.value();
    uint64_t number = 0;
    if (entry.key() != "offset" && entry.key() != "length")
      continue;
    if (value.getAsInteger(10, number))
      return makeError("external data {0} '{1}' is not a number", entry.key(),
                       value);
    if (entry.key() == "offset")
      at.offset = number;
    else
      at.length = number;
  }
  return at;
}

Expected<ImportedTensor>
compress::onnx::detail::toElements(MLIRContext *context, TP &tensor,
                                   ExternalReader &external, bool keepsName,
                                   StringRef resourceName) {
  Builder b(context);
  SmallVector<int64_t> shape;
  Expected<uint64_t> count = readShape(tensor, shape);
  if (!count)
    return count.takeError();
  int32_t dataType = tensor.data_type();
  Type element = getElementType(context, dataType);
  if (!element)
    return makeError("unknown data type {0}", dataType);
  if (dataType == TP::UNDEFINED)
    return makeError("the data type of the tensor is undefined");
  if (tensor.has_segment())
    return makeError("tensors in segments are not supported");
  auto type = RankedTensorType::get(shape, element);
  StringRef field = typedField(dataType);
  Fields fields(tensor);

  ImportedTensor result;
  SmallVector<NamedAttribute> info;
  auto say = [&](StringRef key, Attribute value) {
    info.push_back(b.getNamedAttr(key, value));
  };
  AsmResourceBlob blob;
  std::optional<uint64_t> size = getPackedSize(element, *count);
  bool isString = dataType == TP::STRING;
  if (tensor.data_location() == TP::EXTERNAL) {
    if (isString)
      return makeError("strings cannot be external data");
    if (!tensor.raw_data().empty() || fields.other(""))
      return makeError("a tensor with external data has inline data too");
    Expected<ExternalLocation> at = readLocation(tensor.external_data());
    if (!at)
      return at.takeError();
    Expected<ExternalReader::Bytes> bytes = external.read(*at, *size);
    if (!bytes)
      return bytes.takeError();
    ArrayAttr pairs = toPairs(b, tensor.external_data());
    if (!pairs)
      return makeError("malformed external data entry");
    say("storage", b.getStringAttr("external"));
    say("external", pairs);
    tensor.clear_external_data();
    tensor.clear_data_location();
    // Loads of elements need their natural alignment.
    unsigned align = std::min(8u, std::max(1u, getElementBits(element) / 8));
    align = llvm::PowerOf2Ceil(align);
    if (reinterpret_cast<uintptr_t>(bytes->data.data()) % align)
      blob = HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes->data,
                                                           blobAlignment);
    else
      blob = ownedBlob(bytes->data, align, std::move(bytes->owner));
  } else if (tensor.has_raw_data()) {
    if (isString)
      return makeError("strings cannot be in raw_data");
    if (const char *other = fields.other(""))
      return makeError("data in both raw_data and {0}", other);
    if (tensor.raw_data().size() != *size)
      return makeError("raw_data has {0} bytes, shape {1} of this data type "
                       "needs {2}",
                       tensor.raw_data().size(), shapeString(shape), *size);
    std::unique_ptr<std::string> owner(tensor.release_raw_data());
    ArrayRef<char> data(owner->data(), owner->size());
    blob = ownedBlob(data, 8, std::move(owner));
  } else {
    if (const char *other = fields.other(field))
      return makeError("data in {0}, this data type needs {1}", other, field);
    uint64_t needed = fieldEntries(dataType, getElementBits(element), *count);
    if (static_cast<uint64_t>(fields.count(field)) != needed)
      return makeError("{0} has {1} entries, shape {2} needs {3}", field,
                       fields.count(field), shapeString(shape), needed);
    say("storage", b.getStringAttr(field));
    if (isString) {
      SmallVector<StringRef> strings(tensor.string_data().begin(),
                                     tensor.string_data().end());
      result.elements = DenseStringElementsAttr::get(type, strings);
    } else {
      Expected<AsmResourceBlob> taken = takeTyped(tensor, element, *size);
      if (!taken)
        return taken.takeError();
      blob = std::move(*taken);
    }
  }
  if (!isString)
    result.elements = makeElements(type, std::move(blob), resourceName);
  tensor.clear_float_data();
  tensor.clear_int32_data();
  tensor.clear_string_data();
  tensor.clear_int64_data();
  tensor.clear_double_data();
  tensor.clear_uint64_data();
  tensor.clear_dims();
  tensor.clear_data_type();
  if (tensor.has_name() && !keepsName)
    say("name", b.getStringAttr(tensor.name()));
  tensor.clear_name();
  if (tensor.has_doc_string())
    say("doc_string", b.getStringAttr(tensor.doc_string()));
  tensor.clear_doc_string();
  if (tensor.metadata_props_size())
    if (ArrayAttr pairs = toPairs(b, tensor.metadata_props())) {
      say("metadata_props", pairs);
      tensor.clear_metadata_props();
    }
  if (ProtoAttr rest = toProto(context, tensor))
    say("rest", rest);
  if (!info.empty())
    result.info = b.getDictionaryAttr(info);
  return result;
}

//===----------------------------------------------------------------------===//
// Export
//===----------------------------------------------------------------------===//

template <typename T, typename Field>
static void fillField(ArrayRef<char> raw, Field *field) {
  field->Resize(static_cast<int>(raw.size() / sizeof(T)), T());
  if (!raw.empty())
    std::memcpy(field->mutable_data(), raw.data(), raw.size());
}

/// Puts raw data in the typed field of its data type.
static void fillTyped(ArrayRef<char> raw, Type element, uint64_t count,
                      TP &tensor) {
  switch (tensor.data_type()) {
  case TP::FLOAT:
  case TP::COMPLEX64:
    return fillField<float>(raw, tensor.mutable_float_data());
  case TP::DOUBLE:
  case TP::COMPLEX128:
    return fillField<double>(raw, tensor.mutable_double_data());
  case TP::INT64:
    return fillField<int64_t>(raw, tensor.mutable_int64_data());
  case TP::UINT64:
    return fillField<uint64_t>(raw, tensor.mutable_uint64_data());
  case TP::INT32:
    return fillField<int32_t>(raw, tensor.mutable_int32_data());
  case TP::UINT32:
    for (uint64_t i = 0; i < count; ++i) {
      uint32_t value;
      std::memcpy(&value, raw.data() + 4 * i, 4);
      tensor.add_uint64_data(value);
    }
    return;
  default:
    break;
  }
  unsigned bits = getElementBits(element);
  bool isSigned = element.isSignlessInteger() && !element.isInteger(1);
  auto byte = [&](uint64_t i) { return static_cast<uint8_t>(raw[i]); };
  if (bits == 16) {
    for (uint64_t i = 0; i < count; ++i) {
      uint16_t value = byte(2 * i) | byte(2 * i + 1) << 8;
      tensor.add_int32_data(isSigned ? static_cast<int16_t>(value) : value);
    }
  } else if (bits == 8) {
    for (uint64_t i = 0; i < count; ++i)
      tensor.add_int32_data(isSigned ? static_cast<int8_t>(raw[i]) : byte(i));
  } else if (bits == 6) {
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t at = i * 6;
      unsigned value = byte(at / 8);
      if (at % 8 > 2)
        value |= byte(at / 8 + 1) << 8;
      tensor.add_int32_data((value >> (at % 8)) & 63);
    }
  } else {
    for (uint64_t i = 0; i < raw.size(); ++i)
      tensor.add_int32_data(byte(i));
  }
}

static void addEntry(TP &tensor, StringRef key, const std::string &value) {
  pb::StringStringEntryProto *entry = tensor.add_external_data();
  entry->set_key(key.str());
  entry->set_value(value);
}

/// Puts `raw` in external data: where it was if its size did not change, else
/// at the end of the default file.
static Error fillExternal(ArrayRef<char> raw, ArrayAttr pairs,
                          ExternalWriter &external, TP &tensor) {
  tensor.set_data_location(TP::EXTERNAL);
  if (pairs) {
    if (Error error = fromPairs(pairs, *tensor.mutable_external_data()))
      return error;
    Expected<ExternalLocation> at = readLocation(tensor.external_data());
    if (!at)
      return at.takeError();
    if (!at->length || *at->length == raw.size())
      return external.place(*at, raw);
    tensor.clear_external_data();
  }
  Expected<ExternalLocation> at = external.append(raw);
  if (!at)
    return at.takeError();
  addEntry(tensor, "location", at->location);
  addEntry(tensor, "offset", std::to_string(at->offset));
  addEntry(tensor, "length", std::to_string(*at->length));
  return Error::success();
}

Error compress::onnx::detail::fromElements(ElementsAttr elements,
                                           DictionaryAttr info,
                                           ExternalWriter *external,
                                           TP &tensor) {
  auto type = dyn_cast<RankedTensorType>(elements.getShapedType());
  std::optional<int32_t> dataType;
  if (type)
    dataType = getDataType(type.getElementType());
  if (!type || !type.hasStaticShape() || !dataType || *dataType == 0) {
    std::string text;
    llvm::raw_string_ostream(text) << elements.getShapedType();
    return makeError("ONNX has no tensor of type {0}", text);
  }
  auto get = [&](StringRef key) -> Attribute {
    return info ? info.get(key) : Attribute();
  };
  for (int64_t dim : type.getShape())
    tensor.add_dims(dim);
  tensor.set_data_type(*dataType);
  if (auto name = dyn_cast_or_null<StringAttr>(get("name")))
    tensor.set_name(name.str());
  if (auto doc = dyn_cast_or_null<StringAttr>(get("doc_string")))
    tensor.set_doc_string(doc.str());
  if (Error error =
          fromPairs(get("metadata_props"), *tensor.mutable_metadata_props()))
    return error;

  if (*dataType == TP::STRING) {
    auto strings = dyn_cast<DenseStringElementsAttr>(elements);
    if (!strings)
      return makeError("expected the elements of a string tensor inline");
    for (StringRef string : strings.getValues<StringRef>())
      tensor.add_string_data(string.str());
    return mergeProto(get("rest"), tensor);
  }

  SmallVector<char> buffer;
  std::optional<ArrayRef<char>> raw = getRawData(elements, buffer);
  if (!raw)
    return makeError("the elements are not available (elided or of the wrong "
                     "size)");
  auto storage = dyn_cast_or_null<StringAttr>(get("storage"));
  bool wasExternal = storage && storage.getValue() == "external";
  if (external && (wasExternal || external->wants(raw->size()))) {
    ArrayRef<char> data = buffer.empty() ? *raw : external->keep(*raw);
    if (Error error =
            fillExternal(data, dyn_cast_or_null<ArrayAttr>(get("external")),
                         *external, tensor))
      return error;
  } else if (storage && storage.getValue() == typedField(*dataType)) {
    fillTyped(*raw, type.getElementType(), type.getNumElements(), tensor);
  } else {
    tensor.set_raw_data(raw->data(), raw->size());
  }
  return mergeProto(get("rest"), tensor);
}

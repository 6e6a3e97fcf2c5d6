//===- Attributes.cpp - attributes of nodes -------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Proto.h"

using namespace mlir;
using namespace compress::onnx;
using namespace compress::onnx::detail;
using llvm::Error;
using llvm::Expected;

using Kind = pb::AttributeProto;

/// The kind of `attr`. Models of the first IR version do not say it.
static pb::AttributeProto::AttributeType
kindOf(const pb::AttributeProto &attr) {
  if (attr.has_type() && attr.type() != Kind::UNDEFINED)
    return attr.type();
  if (attr.has_f())
    return Kind::FLOAT;
  if (attr.has_i())
    return Kind::INT;
  if (attr.has_s())
    return Kind::STRING;
  if (attr.has_t())
    return Kind::TENSOR;
  if (attr.floats_size())
    return Kind::FLOATS;
  if (attr.ints_size())
    return Kind::INTS;
  if (attr.strings_size())
    return Kind::STRINGS;
  return Kind::UNDEFINED;
}

/// The message for a value that is not a tensor.
static Error fromPlain(Attribute value, pb::AttributeProto &attr) {
  if (auto v = dyn_cast<IntegerAttr>(value)) {
    attr.set_type(Kind::INT);
    attr.set_i(v.getValue().getSExtValue());
  } else if (auto v = dyn_cast<FloatAttr>(value)) {
    attr.set_type(Kind::FLOAT);
    attr.set_f(v.getValue().convertToFloat());
  } else if (auto v = dyn_cast<StringAttr>(value)) {
    attr.set_type(Kind::STRING);
    attr.set_s(v.str());
  } else if (auto v = dyn_cast<DenseI64ArrayAttr>(value)) {
    attr.set_type(Kind::INTS);
    attr.mutable_ints()->Add(v.asArrayRef().begin(), v.asArrayRef().end());
  } else if (auto v = dyn_cast<DenseF32ArrayAttr>(value)) {
    attr.set_type(Kind::FLOATS);
    attr.mutable_floats()->Add(v.asArrayRef().begin(), v.asArrayRef().end());
  } else if (auto v = dyn_cast<ArrayAttr>(value)) {
    attr.set_type(Kind::STRINGS);
    for (Attribute element : v) {
      auto string = dyn_cast<StringAttr>(element);
      if (!string)
        return makeError("attribute '{0}' has an element that is not a string",
                         attr.name());
      attr.add_strings(string.str());
    }
  } else {
    return makeError("attribute '{0}' is of a kind that ONNX does not have",
                     attr.name());
  }
  return Error::success();
}

/// The value of a message that is not a tensor; null when it has none.
static Attribute toPlain(MLIRContext *context, const pb::AttributeProto &attr) {
  Builder b(context);
  if (attr.has_ref_attr_name())
    return {};
  switch (kindOf(attr)) {
  case Kind::INT:
    return b.getI64IntegerAttr(attr.i());
  case Kind::FLOAT:
    return FloatAttr::get(b.getF32Type(), APFloat(attr.f()));
  case Kind::STRING:
    return b.getStringAttr(attr.s());
  case Kind::INTS:
    return b.getDenseI64ArrayAttr(
        ArrayRef<int64_t>(attr.ints().data(), attr.ints_size()));
  case Kind::FLOATS:
    return b.getDenseF32ArrayAttr(
        ArrayRef<float>(attr.floats().data(), attr.floats_size()));
  case Kind::STRINGS: {
    SmallVector<StringRef> strings(attr.strings().begin(),
                                   attr.strings().end());
    return b.getStrArrayAttr(strings);
  }
  default:
    return {};
  }
}

Expected<Attribute>
compress::onnx::detail::toAttribute(MLIRContext *context,
                                    pb::AttributeProto &attr,
                                    ExternalReader &external, Attribute &info) {
  Builder b(context);
  info = {};
  if (kindOf(attr) == Kind::TENSOR && !attr.has_ref_attr_name()) {
    if (!attr.has_t())
      return makeError("attribute '{0}' has no tensor", attr.name());
    std::unique_ptr<pb::TensorProto> tensor(attr.release_t());
    Expected<ImportedTensor> imported =
        toElements(context, *tensor, external, /*keepsName=*/false,
                   tensor->name().empty() ? "constant" : tensor->name());
    if (!imported)
      return makeError("attribute '{0}': {1}", attr.name(),
                       toString(imported.takeError()));
    NamedAttrList keys(imported->info);
    pb::AttributeProto plain;
    plain.set_name(attr.name());
    plain.set_type(Kind::TENSOR);
    if (plain.SerializeAsString() != attr.SerializeAsString())
      keys.set("attribute", toProto(context, attr));
    if (!keys.empty())
      info = keys.getDictionary(context);
    return imported->elements;
  }

  Attribute value = toPlain(context, attr);
  if (!value) {
    if (hasExternalData(attr))
      return makeError("attribute '{0}': external data inside of a subgraph is "
                       "not supported; store these tensors in the model",
                       attr.name());
    return toProto(context, attr);
  }
  pb::AttributeProto again;
  again.set_name(attr.name());
  if (Error error = fromPlain(value, again))
    return std::move(error);
  if (again.SerializeAsString() != attr.SerializeAsString())
    info = toProto(context, attr);
  return value;
}

Error compress::onnx::detail::fromAttribute(StringRef name, Attribute value,
                                            Attribute info,
                                            ExternalWriter *external,
                                            pb::AttributeProto &attr) {
  MLIRContext *context = value.getContext();
  if (isa<ProtoAttr>(value)) {
    if (Error error = mergeProto(value, attr))
      return error;
    attr.set_name(name.str());
    return Error::success();
  }
  if (auto elements = dyn_cast<ElementsAttr>(value)) {
    auto keys = dyn_cast_or_null<DictionaryAttr>(info);
    if (keys && keys.get("attribute")) {
      if (Error error = mergeProto(keys.get("attribute"), attr))
        return error;
    } else {
      attr.set_type(Kind::TENSOR);
    }
    attr.set_name(name.str());
    return fromElements(elements, keys, external, *attr.mutable_t());
  }
  if (info) {
    pb::AttributeProto held;
    if (Error error = mergeProto(info, held))
      return error;
    // As long as no pass changed the value, the message stands.
    if (held.name() == name && toPlain(context, held) == value) {
      attr = std::move(held);
      return Error::success();
    }
  }
  attr.set_name(name.str());
  return fromPlain(value, attr);
}

bool compress::onnx::detail::isOfKind(Attribute value, AttrKind kind) {
  switch (kind) {
  case AttrKind::INT:
    return isa<IntegerAttr>(value);
  case AttrKind::FLOAT:
    return isa<FloatAttr>(value);
  case AttrKind::STRING:
    return isa<StringAttr>(value);
  case AttrKind::INTS:
    return isa<DenseI64ArrayAttr>(value);
  case AttrKind::FLOATS:
    return isa<DenseF32ArrayAttr>(value);
  case AttrKind::STRINGS:
    return isa<ArrayAttr>(value);
  case AttrKind::TENSOR:
    return isa<ElementsAttr>(value);
  case AttrKind::SPARSE_TENSOR: {
    auto proto = dyn_cast<ProtoAttr>(value);
    pb::AttributeProto attr;
    if (!proto ||
        !attr.ParseFromArray(proto.getData().data(),
                             static_cast<int>(proto.getData().size())))
      return false;
    return attr.has_sparse_tensor() && attr.type() == Kind::SPARSE_TENSOR;
  }
  }
  return false;
}

StringRef compress::onnx::detail::kindName(AttrKind kind) {
  switch (kind) {
  case AttrKind::INT:
    return "INT";
  case AttrKind::FLOAT:
    return "FLOAT";
  case AttrKind::STRING:
    return "STRING";
  case AttrKind::INTS:
    return "INTS";
  case AttrKind::FLOATS:
    return "FLOATS";
  case AttrKind::STRINGS:
    return "STRINGS";
  case AttrKind::TENSOR:
    return "TENSOR";
  case AttrKind::SPARSE_TENSOR:
    return "SPARSE_TENSOR";
  }
  return "";
}

//===- Types.cpp - types and descriptions of values -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Proto.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"

using namespace mlir;
using namespace compress::onnx;
using namespace compress::onnx::detail;
using llvm::Error;
using llvm::Expected;

std::string compress::onnx::detail::shapeString(ArrayRef<int64_t> shape) {
  std::string text;
  for (auto [i, dim] : llvm::enumerate(shape))
    text += (i ? "x" : "") + std::to_string(dim);
  return shape.empty() ? "scalar" : text;
}

ArrayAttr compress::onnx::detail::toPairs(Builder &b,
                                          const Properties &entries) {
  SmallVector<Attribute> pairs;
  for (const pb::StringStringEntryProto &entry : entries) {
    pb::StringStringEntryProto rest(entry);
    rest.clear_key();
    rest.clear_value();
    if (!entry.has_key() || !entry.has_value() || rest.ByteSizeLong())
      return {};
    pairs.push_back(b.getStrArrayAttr({entry.key(), entry.value()}));
  }
  return b.getArrayAttr(pairs);
}

Error compress::onnx::detail::fromPairs(Attribute pairs, Properties &entries) {
  if (!pairs)
    return Error::success();
  auto array = dyn_cast<ArrayAttr>(pairs);
  if (!array)
    return makeError("expected an array of [key, value]");
  for (Attribute attr : array) {
    auto pair = dyn_cast<ArrayAttr>(attr);
    if (!pair || pair.size() != 2 || !isa<StringAttr>(pair[0]) ||
        !isa<StringAttr>(pair[1]))
      return makeError("expected an array of [key, value]");
    pb::StringStringEntryProto *entry = entries.Add();
    entry->set_key(cast<StringAttr>(pair[0]).str());
    entry->set_value(cast<StringAttr>(pair[1]).str());
  }
  return Error::success();
}

Expected<Type> compress::onnx::detail::toType(MLIRContext *context,
                                              const pb::TypeProto &type) {
  if (!type.has_tensor_type()) {
    if (type.value_case() == pb::TypeProto::VALUE_NOT_SET)
      return UnrankedTensorType::get(UnknownType::get(context));
    return ProtoType::get(context, type.SerializeAsString());
  }
  const pb::TypeProto::Tensor &tensor = type.tensor_type();
  Type element = getElementType(context, tensor.elem_type());
  if (!element)
    return makeError("unknown data type {0}", tensor.elem_type());
  if (!tensor.has_shape())
    return UnrankedTensorType::get(element);
  SmallVector<int64_t> shape;
  int64_t count = 1;
  for (const pb::TensorShapeProto::Dimension &dim : tensor.shape().dim()) {
    // Old exporters write -1 for a dimension that they do not know.
    bool known = dim.has_dim_value() && dim.dim_value() >= 0;
    shape.push_back(known ? dim.dim_value() : ShapedType::kDynamic);
    if (known && dim.dim_value() &&
        llvm::MulOverflow(count, dim.dim_value(), count))
      return makeError("the shape has more than 2^63 elements");
  }
  return RankedTensorType::get(shape, element);
}

/// The type proto that says just `type`, with names for dynamic dimensions.
static Expected<pb::TypeProto> fromType(Type type, ArrayAttr dimParams) {
  pb::TypeProto proto;
  if (auto opaque = dyn_cast<ProtoType>(type)) {
    if (!proto.ParseFromArray(opaque.getData().data(),
                              static_cast<int>(opaque.getData().size())))
      return makeError("!onnx.proto does not hold a TypeProto");
    return proto;
  }
  auto tensor = dyn_cast<TensorType>(type);
  std::optional<int32_t> dataType;
  if (tensor)
    dataType = getDataType(tensor.getElementType());
  if (!dataType) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return makeError("ONNX has no type for {0}", text);
  }
  if (*dataType == 0 && !tensor.hasRank())
    return proto;
  proto.mutable_tensor_type()->set_elem_type(*dataType);
  if (!tensor.hasRank())
    return proto;
  pb::TensorShapeProto *shape = proto.mutable_tensor_type()->mutable_shape();
  bool named =
      dimParams && static_cast<int64_t>(dimParams.size()) == tensor.getRank();
  for (auto [i, size] : llvm::enumerate(tensor.getShape())) {
    pb::TensorShapeProto::Dimension *dim = shape->add_dim();
    if (!ShapedType::isDynamic(size)) {
      dim->set_dim_value(size);
      continue;
    }
    auto name = named ? dyn_cast<StringAttr>(dimParams[i]) : StringAttr();
    if (name && !name.empty())
      dim->set_dim_param(name.str());
  }
  return proto;
}

Expected<SmallVector<NamedAttribute>>
compress::onnx::detail::toDescription(const pb::ValueInfoProto &info, Type type,
                                      StringRef prefix) {
  Builder b(type.getContext());
  SmallVector<NamedAttribute> keys;
  auto add = [&](StringRef key, Attribute value) {
    keys.push_back(b.getNamedAttr((prefix + key).str(), value));
  };

  if (info.type().tensor_type().has_shape()) {
    SmallVector<StringRef> names;
    for (auto &dim : info.type().tensor_type().shape().dim())
      names.push_back(dim.dim_param());
    if (llvm::any_of(names, [](StringRef name) { return !name.empty(); }))
      add("dim_params", b.getStrArrayAttr(names));
  }
  if (info.has_doc_string())
    add("doc_string", b.getStringAttr(info.doc_string()));
  if (info.metadata_props_size())
    if (ArrayAttr pairs = toPairs(b, info.metadata_props()))
      add("metadata_props", pairs);

  // Whatever these keys cannot say is kept as the message itself.
  auto dictionary = b.getDictionaryAttr(keys);
  Expected<pb::ValueInfoProto> again =
      fromDescription(info.name(), type, dictionary, prefix);
  if (!again)
    return again.takeError();
  if (again->SerializeAsString() != info.SerializeAsString()) {
    keys.clear();
    add("proto", toProto(type.getContext(), info));
    Expected<Type> said = toType(type.getContext(), info.type());
    if (!said)
      return said.takeError();
    // The model says two different things about the type of this value.
    if (*said != type)
      add("imported_type", TypeAttr::get(type));
  }
  return keys;
}

Expected<pb::ValueInfoProto>
compress::onnx::detail::fromDescription(StringRef name, Type type,
                                        DictionaryAttr keys, StringRef prefix) {
  auto get = [&](StringRef key) -> Attribute {
    return keys ? keys.get((prefix + key).str()) : Attribute();
  };
  if (Attribute held = get("proto")) {
    pb::ValueInfoProto info;
    if (Error error = mergeProto(held, info))
      return std::move(error);
    Expected<Type> said = toType(type.getContext(), info.type());
    if (!said)
      return said.takeError();
    auto imported = dyn_cast_or_null<TypeAttr>(get("imported_type"));
    // As long as no pass refined the type, the message stands.
    if (info.name() == name && (imported ? imported.getValue() : *said) == type)
      return info;
  }

  pb::ValueInfoProto info;
  info.set_name(name.str());
  Expected<pb::TypeProto> proto =
      fromType(type, dyn_cast_or_null<ArrayAttr>(get("dim_params")));
  if (!proto)
    return proto.takeError();
  *info.mutable_type() = std::move(*proto);
  if (auto doc = dyn_cast_or_null<StringAttr>(get("doc_string")))
    info.set_doc_string(doc.str());
  if (Error error =
          fromPairs(get("metadata_props"), *info.mutable_metadata_props()))
    return std::move(error);
  return info;
}

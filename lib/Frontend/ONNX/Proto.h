//===- Proto.h - protobuf messages and attributes --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What import and export share: for each kind of message, one function to
// attributes and one back, which are inverses.

#ifndef LIB_FRONTEND_ONNX_PROTO_H
#define LIB_FRONTEND_ONNX_PROTO_H

#include "ExternalData.h"
#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "compress/Dialect/ONNX/IR/ONNXSchema.h"
#include "mlir/IR/Builders.h"
#include "onnx.pb.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FormatVariadic.h"

namespace compress::onnx::detail {

namespace pb = ::onnx;

template <typename... Ts>
llvm::Error makeError(const char *format, const Ts &...values) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 llvm::formatv(format, values...).str());
}

/// A shape like "2x3" for messages.
std::string shapeString(llvm::ArrayRef<int64_t> shape);

//===----------------------------------------------------------------------===//
// Small pieces
//===----------------------------------------------------------------------===//

using Properties =
    ::google::protobuf::RepeatedPtrField<pb::StringStringEntryProto>;

/// An array of `[key, value]`; null when an entry is not exactly that, in which
/// case the field stays in the rest of the message.
mlir::ArrayAttr toPairs(mlir::Builder &b, const Properties &entries);
/// Appends the pairs; ill-formed ones are an error.
llvm::Error fromPairs(mlir::Attribute pairs, Properties &entries);

/// `message` as an attribute; null when it is empty.
template <typename Message>
ProtoAttr toProto(mlir::MLIRContext *context, const Message &message) {
  if (message.ByteSizeLong() == 0)
    return {};
  return ProtoAttr::get(
      context, llvm::StringRef(message.GetTypeName()).rsplit('.').second,
      message.SerializeAsString());
}

/// Merges the fields held by `attr` (a `#onnx.proto` or null) into `message`.
template <typename Message>
llvm::Error mergeProto(mlir::Attribute attr, Message &message) {
  if (!attr)
    return llvm::Error::success();
  auto proto = mlir::dyn_cast<ProtoAttr>(attr);
  Message held;
  if (!proto || !held.ParseFromArray(proto.getData().data(),
                                     static_cast<int>(proto.getData().size())))
    return makeError("expected a serialized {0}",
                     llvm::StringRef(message.GetTypeName()));
  message.MergeFrom(held);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Types and value descriptions (Types.cpp)
//===----------------------------------------------------------------------===//

llvm::Expected<mlir::Type> toType(mlir::MLIRContext *context,
                                  const pb::TypeProto &type);

/// The description of a value beyond its name and type (the keys are in the
/// dialect's documentation), such that
/// `fromDescription(name, type, toDescription(...))` gives `info` again.
/// `prefix` precedes each key.
llvm::Expected<llvm::SmallVector<mlir::NamedAttribute>>
toDescription(const pb::ValueInfoProto &info, mlir::Type type,
              llvm::StringRef prefix);
llvm::Expected<pb::ValueInfoProto> fromDescription(llvm::StringRef name,
                                                   mlir::Type type,
                                                   mlir::DictionaryAttr keys,
                                                   llvm::StringRef prefix);

//===----------------------------------------------------------------------===//
// Tensors (Tensors.cpp)
//===----------------------------------------------------------------------===//

/// Elements of `tensor`, whose payload is taken, not copied, and how they were
/// stored. `info` gets null when it is all default. `hasName` says that the
/// caller keeps the name.
struct ImportedTensor {
  mlir::ElementsAttr elements;
  mlir::DictionaryAttr info;
};
llvm::Expected<ImportedTensor> toElements(mlir::MLIRContext *context,
                                          pb::TensorProto &tensor,
                                          ExternalReader &external,
                                          bool keepsName,
                                          llvm::StringRef resourceName);

/// The inverse. External storage goes to `external`; null puts it inline.
llvm::Error fromElements(mlir::ElementsAttr elements, mlir::DictionaryAttr info,
                         ExternalWriter *external, pb::TensorProto &tensor);

//===----------------------------------------------------------------------===//
// Attributes (Attributes.cpp)
//===----------------------------------------------------------------------===//

/// The value of `attr`, and in `info` what the value does not say (null
/// mostly). Kinds without a counterpart become `#onnx.proto`.
llvm::Expected<mlir::Attribute> toAttribute(mlir::MLIRContext *context,
                                            pb::AttributeProto &attr,
                                            ExternalReader &external,
                                            mlir::Attribute &info);
llvm::Error fromAttribute(llvm::StringRef name, mlir::Attribute value,
                          mlir::Attribute info, ExternalWriter *external,
                          pb::AttributeProto &attr);

/// Whether `value` is of the kind that a standard op declares.
bool isOfKind(mlir::Attribute value, AttrKind kind);
llvm::StringRef kindName(AttrKind kind);

//===----------------------------------------------------------------------===//
// Names in subgraphs (Names.cpp)
//===----------------------------------------------------------------------===//

/// Values that the subgraphs of `attr` use from around them, in order of first
/// use, appended to `captured` without repetition.
void collectCaptures(const pb::AttributeProto &attr,
                     llvm::SmallVectorImpl<std::string> &captured);
/// All value names that occur in the subgraphs of `attr`.
void collectNames(const pb::AttributeProto &attr, llvm::StringSet<> &names);
/// Whether a tensor in the subgraphs of `attr` has external data.
bool hasExternalData(const pb::AttributeProto &attr);

} // namespace compress::onnx::detail

#endif // LIB_FRONTEND_ONNX_PROTO_H

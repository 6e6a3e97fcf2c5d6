//===- Import.cpp - ONNX model to the onnx dialect ------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Importer.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "compress/Frontend/ONNX/ONNXFrontend.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace compress::onnx;
using namespace compress::onnx::detail;
using llvm::Error;
using llvm::Expected;

//===----------------------------------------------------------------------===//
// Model
//===----------------------------------------------------------------------===//

Expected<OwningOpRef<ModuleOp>> Importer::import(pb::ModelProto &model) {
  context->loadDialect<ONNXDialect, func::FuncDialect>();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(context));
  if (Error error = importModel(model, *module))
    return std::move(error);
  return std::move(module);
}

Error Importer::importOpsets(const pb::ModelProto &model, ModuleOp module) {
  SmallVector<Attribute> imports;
  for (const pb::OperatorSetIdProto &opset : model.opset_import()) {
    NamedAttrList entry;
    setString(entry, "domain", opset.has_domain(), opset.domain());
    if (opset.has_version())
      entry.set("version", b.getI64IntegerAttr(opset.version()));
    imports.push_back(entry.getDictionary(context));
    StringRef domain = opset.domain();
    if (domain == "ai.onnx")
      domain = "";
    if (opset.version() < 1)
      return makeError("opset_import of domain '{0}' has version {1}", domain,
                       opset.version());
    if (!opsets.try_emplace(domain.str(), opset.version()).second)
      return makeError("domain '{0}' is imported twice", domain);
  }
  // Before IR version 3 there were no operator sets.
  if (imports.empty() && model.has_ir_version() && model.ir_version() < 3)
    opsets[""] = 1;
  if (opsets.empty())
    return makeError("the model has no opset_import");
  module->setAttr("onnx.opset_imports", b.getArrayAttr(imports));
  return Error::success();
}

Error Importer::importModel(pb::ModelProto &model, ModuleOp module) {
  if (!model.has_graph())
    return makeError("the model has no graph");
  if (Error error = importOpsets(model, module))
    return error;
  NamedAttrList attrs(module->getDiscardableAttrDictionary());
  if (model.has_ir_version())
    attrs.set("onnx.ir_version", b.getI64IntegerAttr(model.ir_version()));
  if (model.has_model_version())
    attrs.set("onnx.model_version", b.getI64IntegerAttr(model.model_version()));
  setString(attrs, "onnx.producer_name", model.has_producer_name(),
            model.producer_name());
  setString(attrs, "onnx.producer_version", model.has_producer_version(),
            model.producer_version());
  setString(attrs, "onnx.domain", model.has_domain(), model.domain());
  setString(attrs, "onnx.doc_string", model.has_doc_string(),
            model.doc_string());
  setMetadata(attrs, model.mutable_metadata_props());
  SmallVector<Attribute> functions;
  for (const pb::FunctionProto &function : model.functions())
    functions.push_back(
        ProtoAttr::get(context, "FunctionProto", function.SerializeAsString()));
  if (!functions.empty())
    attrs.set("onnx.functions", b.getArrayAttr(functions));
  std::unique_ptr<pb::GraphProto> graph(model.release_graph());
  model.clear_ir_version();
  model.clear_model_version();
  model.clear_producer_name();
  model.clear_producer_version();
  model.clear_domain();
  model.clear_doc_string();
  model.clear_functions();
  // Opsets with fields of their own would need to be kept whole.
  for (pb::OperatorSetIdProto &opset : *model.mutable_opset_import()) {
    opset.clear_domain();
    opset.clear_version();
    if (opset.ByteSizeLong())
      return makeError("opset_import has unknown fields");
  }
  model.clear_opset_import();
  if (ProtoAttr rest = toProto(context, model))
    attrs.set("onnx.rest", rest);
  module->setAttrs(attrs.getDictionary(context));
  return importGraph(*graph, module);
}

//===----------------------------------------------------------------------===//
// Graph
//===----------------------------------------------------------------------===//

Error Importer::define(const std::string &name, Value value) {
  if (name.empty())
    return Error::success();
  if (!values.try_emplace(name, value).second)
    return makeError("value '{0}' is defined twice", name);
  return Error::success();
}

Expected<Value> Importer::use(const std::string &name) {
  if (name.empty())
    return noValue();
  auto it = values.find(name);
  if (it != values.end())
    return it->second;
  if (laterOutputs.contains(name))
    return makeError("value '{0}' is used before the node that makes it; the "
                     "graph has a cycle or is not sorted",
                     name);
  return makeError("value '{0}' is not defined", name);
}

Value Importer::noValue() {
  if (!none) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(body);
    none = NoValueOp::create(b, b.getUnknownLoc(), b.getNoneType());
  }
  return none;
}

/// The declared type of a value, checked by readTypes.
Type Importer::typeOf(const std::string &name) {
  auto it = declared.find(name);
  if (name.empty() || it == declared.end())
    return UnrankedTensorType::get(UnknownType::get(context));
  Expected<Type> type = toType(context, *it->second);
  assert(type && "checked before");
  return *type;
}

/// Collects what the graph says about types. Outputs win over value_info.
Error Importer::readTypes(const pb::GraphProto &graph) {
  auto read = [&](const auto &infos, StringRef what) -> Error {
    for (const pb::ValueInfoProto &info : infos) {
      if (info.name().empty())
        return makeError("{0} without a name", what);
      Expected<Type> type = toType(context, info.type());
      if (!type)
        return makeError("{0} '{1}': {2}", what, info.name(),
                         toString(type.takeError()));
      declared.try_emplace(info.name(), &info.type());
    }
    return Error::success();
  };
  if (Error error = read(graph.input(), "graph input"))
    return error;
  if (Error error = read(graph.output(), "graph output"))
    return error;
  return read(graph.value_info(), "value_info");
}

Error Importer::importGraph(pb::GraphProto &graph, ModuleOp module) {
  if (Error error = readTypes(graph))
    return error;
  for (const pb::NodeProto &node : graph.node())
    for (const std::string &output : node.output())
      laterOutputs.insert(output);

  // An input that is an initializer too is a constant with a declaration.
  llvm::StringSet<> constants;
  for (const pb::TensorProto &tensor : graph.initializer())
    constants.insert(tensor.name());
  for (const pb::SparseTensorProto &tensor : graph.sparse_initializer())
    constants.insert(tensor.values().name());
  SmallVector<Type> types;
  SmallVector<StringRef> order;
  bool mixed = false;
  for (const pb::ValueInfoProto &input : graph.input()) {
    order.push_back(input.name());
    if (constants.contains(input.name()))
      mixed = true;
    else
      types.push_back(typeOf(input.name()));
  }

  b.setInsertionPointToEnd(module.getBody());
  auto function = func::FuncOp::create(b, b.getUnknownLoc(), "main_graph",
                                       b.getFunctionType(types, {}));
  body = function.addEntryBlock();
  b.setInsertionPointToEnd(body);
  unsigned index = 0;
  for (const pb::ValueInfoProto &input : graph.input()) {
    if (constants.contains(input.name()))
      continue;
    Value argument = body->getArgument(index);
    if (Error error = define(input.name(), argument))
      return error;
    Expected<SmallVector<NamedAttribute>> keys =
        toDescription(input, argument.getType(), "onnx.");
    if (!keys)
      return keys.takeError();
    function.setArgAttr(index, "onnx.name", b.getStringAttr(input.name()));
    for (NamedAttribute key : *keys)
      function.setArgAttr(index, key.getName(), key.getValue());
    ++index;
  }
  if (mixed)
    function->setAttr("onnx.input_order", b.getStrArrayAttr(order));

  if (Error error = importInitializers(graph))
    return error;
  for (pb::NodeProto &node : *graph.mutable_node())
    if (Error error = importNode(node))
      return error;
  if (Error error = importOutputs(graph, function))
    return error;
  if (Error error = importValueInfo(graph, function))
    return error;

  NamedAttrList attrs(function->getDiscardableAttrDictionary());
  setString(attrs, "onnx.graph_name", graph.has_name(), graph.name());
  setString(attrs, "onnx.doc_string", graph.has_doc_string(),
            graph.doc_string());
  if (!graph.has_name())
    attrs.set("onnx.no_graph_name", b.getUnitAttr());
  setMetadata(attrs, graph.mutable_metadata_props());
  graph.clear_node();
  graph.clear_name();
  graph.clear_doc_string();
  graph.clear_initializer();
  graph.clear_sparse_initializer();
  graph.clear_input();
  graph.clear_output();
  graph.clear_value_info();
  if (ProtoAttr rest = toProto(context, graph))
    attrs.set("onnx.rest", rest);
  function->setDiscardableAttrs(attrs.getDictionary(context));
  return Error::success();
}

Error Importer::importInitializers(pb::GraphProto &graph) {
  llvm::StringMap<const pb::ValueInfoProto *> inputs;
  for (const pb::ValueInfoProto &input : graph.input())
    inputs[input.name()] = &input;
  auto describe = [&](Operation *op, const std::string &name) -> Error {
    auto it = inputs.find(name);
    if (it == inputs.end())
      return Error::success();
    Expected<SmallVector<NamedAttribute>> keys =
        toDescription(*it->second, op->getResult(0).getType(), "");
    if (!keys)
      return keys.takeError();
    op->setDiscardableAttr("onnx.graph_input", b.getDictionaryAttr(*keys));
    return Error::success();
  };

  for (pb::TensorProto &tensor : *graph.mutable_initializer()) {
    std::string name = tensor.name();
    if (name.empty())
      return makeError("initializer without a name");
    Expected<ImportedTensor> imported =
        toElements(context, tensor, external, /*keepsName=*/true, name);
    if (!imported)
      return makeError("initializer '{0}': {1}", name,
                       toString(imported.takeError()));
    auto op = InitializerOp::create(b, NameLoc::get(b.getStringAttr(name)),
                                    imported->elements.getShapedType(),
                                    b.getStringAttr(name), imported->elements,
                                    imported->info);
    if (Error error = define(name, op.getResult()))
      return error;
    if (Error error = describe(op, name))
      return error;
  }
  for (const pb::SparseTensorProto &tensor : graph.sparse_initializer()) {
    const std::string &name = tensor.values().name();
    if (name.empty())
      return makeError("sparse initializer without a name");
    if (tensor.values().data_location() == pb::TensorProto::EXTERNAL ||
        tensor.indices().data_location() == pb::TensorProto::EXTERNAL)
      return makeError("sparse initializer '{0}': external data is not "
                       "supported for sparse tensors",
                       name);
    Type element = getElementType(context, tensor.values().data_type());
    if (!element)
      return makeError("sparse initializer '{0}': unknown data type {1}", name,
                       tensor.values().data_type());
    for (int64_t dim : tensor.dims())
      if (dim < 0)
        return makeError("sparse initializer '{0}': negative dimension {1}",
                         name, dim);
    auto type = RankedTensorType::get(
        ArrayRef<int64_t>(tensor.dims().data(), tensor.dims_size()), element);
    auto op = SparseInitializerOp::create(
        b, NameLoc::get(b.getStringAttr(name)), type, b.getStringAttr(name),
        toProto(context, tensor));
    if (Error error = define(name, op.getResult()))
      return error;
    if (Error error = describe(op, name))
      return error;
  }
  return Error::success();
}

Error Importer::importOutputs(pb::GraphProto &graph, func::FuncOp function) {
  SmallVector<Value> results;
  SmallVector<DictionaryAttr> attrs;
  for (const pb::ValueInfoProto &output : graph.output()) {
    Expected<Value> value = use(output.name());
    if (!value)
      return makeError("graph output '{0}': {1}", output.name(),
                       toString(value.takeError()));
    results.push_back(*value);
    Expected<SmallVector<NamedAttribute>> keys =
        toDescription(output, value->getType(), "onnx.");
    if (!keys)
      return keys.takeError();
    NamedAttrList all(*keys);
    all.set("onnx.name", b.getStringAttr(output.name()));
    attrs.push_back(all.getDictionary(context));
  }
  func::ReturnOp::create(b, b.getUnknownLoc(), results);
  function.setFunctionType(
      b.getFunctionType(function.getArgumentTypes(),
                        llvm::to_vector(ValueRange(results).getTypes())));
  if (!attrs.empty())
    function.setAllResultAttrs(attrs);
  return Error::success();
}

Error Importer::importValueInfo(pb::GraphProto &graph, func::FuncOp function) {
  SmallVector<Attribute> list;
  for (const pb::ValueInfoProto &info : graph.value_info()) {
    auto it = values.find(info.name());
    Type type = it == values.end() ? typeOf(info.name()) : it->second.getType();
    Expected<SmallVector<NamedAttribute>> keys = toDescription(info, type, "");
    if (!keys)
      return keys.takeError();
    // A value of a subgraph, or of no node at all: only the message knows it.
    if (it == values.end()) {
      keys->clear();
      keys->push_back(b.getNamedAttr("proto", toProto(context, info)));
      keys->push_back(b.getNamedAttr("outside", b.getUnitAttr()));
    }
    auto name = b.getStringAttr(info.name());
    if (keys->empty()) {
      list.push_back(name);
      continue;
    }
    keys->push_back(b.getNamedAttr("name", name));
    list.push_back(b.getDictionaryAttr(*keys));
  }
  if (!list.empty())
    function->setAttr("onnx.value_info", b.getArrayAttr(list));
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

/// `message` as one printable line: names in a damaged file hold any bytes.
static std::string printable(StringRef message) {
  bool isUTF8 = llvm::json::isUTF8(message);
  std::string line;
  for (unsigned char c : message) {
    if (c >= ' ' && c != 0x7f && (c < 0x80 || isUTF8)) {
      line += static_cast<char>(c);
      continue;
    }
    line += "\\x";
    line += llvm::hexdigit(c >> 4, /*LowerCase=*/true);
    line += llvm::hexdigit(c & 15, /*LowerCase=*/true);
  }
  return line;
}

FailureOr<OwningOpRef<ModuleOp>>
compress::onnx::importONNX(llvm::MemoryBufferRef buffer, MLIRContext *context,
                           const ImportOptions &options) {
  StringRef file = buffer.getBufferIdentifier();
  auto fail = [&](const llvm::Twine &message) -> LogicalResult {
    return emitError(UnknownLoc::get(context))
           << file << ": " << printable(message.str());
  };
  if (buffer.getBufferSize() > std::numeric_limits<int>::max())
    return fail("the model is larger than 2 GB, the limit of the format; its "
                "weights must be external data");
  pb::ModelProto model;
  if (!model.ParseFromArray(buffer.getBufferStart(),
                            static_cast<int>(buffer.getBufferSize())))
    return fail("not an ONNX model (truncated or corrupt protobuf)");

  std::optional<std::string> directory;
  if (!options.externalDirectory.empty())
    directory = options.externalDirectory;
  else if (!file.empty() && file != "-" && !file.starts_with("<"))
    directory = llvm::sys::path::parent_path(file).str();
  Importer importer(context, directory);
  Expected<OwningOpRef<ModuleOp>> module = importer.import(model);
  if (!module)
    return fail(toString(module.takeError()));
  return std::move(*module);
}

FailureOr<OwningOpRef<ModuleOp>>
compress::onnx::importONNX(StringRef path, MLIRContext *context,
                           const ImportOptions &options) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return emitError(UnknownLoc::get(context))
           << path << ": cannot open: " << buffer.getError().message();
  return importONNX((*buffer)->getMemBufferRef(), context, options);
}

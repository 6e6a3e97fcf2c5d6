//===- Export.cpp - onnx dialect to ONNX model ----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "NameTable.h"
#include "Proto.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "compress/Frontend/ONNX/ONNXFrontend.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/Path.h"
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

using namespace mlir;
using namespace compress::onnx;
using namespace compress::onnx::detail;
using compress::OutputFile;
using llvm::Error;
using llvm::Expected;

namespace {

/// Lets protobuf write to an LLVM stream.
class StreamAdaptor : public ::google::protobuf::io::CopyingOutputStream {
public:
  explicit StreamAdaptor(llvm::raw_ostream &os) : os(os) {}
  bool Write(const void *buffer, int size) override {
    os.write(static_cast<const char *>(buffer), size);
    return true;
  }

private:
  llvm::raw_ostream &os;
};

class Exporter {
public:
  Exporter(ModuleOp module, ExternalWriter *external)
      : module(module), external(external) {}

  LogicalResult run(pb::ModelProto &model);

private:
  LogicalResult exportModule(pb::ModelProto &model);
  LogicalResult exportGraph(func::FuncOp function, pb::GraphProto &graph);
  LogicalResult exportInputs(func::FuncOp function, pb::GraphProto &graph);
  LogicalResult exportOutputs(func::FuncOp function, pb::GraphProto &graph);
  LogicalResult exportValueInfo(func::FuncOp function, pb::GraphProto &graph);
  LogicalResult exportOp(Operation &op, pb::GraphProto &graph);
  LogicalResult exportNode(Operation &op, pb::GraphProto &graph);
  LogicalResult exportNodeAttributes(Operation &op, pb::NodeProto &node);
  func::FuncOp findGraph();

  LogicalResult report(Operation *op, Error error) {
    if (!error)
      return success();
    return op->emitError() << "cannot export to ONNX: "
                           << toString(std::move(error));
  }

  ModuleOp module;
  ExternalWriter *external;
  NameTable names;
};

/// Fields kept as one attribute each.
struct FieldReader {
  Operation *op;

  Attribute get(StringRef name) const { return op->getDiscardableAttr(name); }
  template <typename Fn> void string(StringRef name, Fn set) const {
    if (auto attr = dyn_cast_or_null<StringAttr>(get(name)))
      set(attr.str());
  }
  template <typename Fn> void integer(StringRef name, Fn set) const {
    if (auto attr = dyn_cast_or_null<IntegerAttr>(get(name)))
      set(attr.getValue().getSExtValue());
  }
};

} // namespace

//===----------------------------------------------------------------------===//
// Model
//===----------------------------------------------------------------------===//

func::FuncOp Exporter::findGraph() {
  SmallVector<func::FuncOp> all(module.getOps<func::FuncOp>());
  if (all.size() == 1)
    return all.front();
  func::FuncOp found;
  for (func::FuncOp function : all)
    if (function->hasAttr("onnx.graph_name")) {
      if (found)
        return {};
      found = function;
    }
  return found;
}

LogicalResult Exporter::run(pb::ModelProto &model) {
  func::FuncOp function = findGraph();
  if (!function || function.isExternal() ||
      !llvm::hasSingleElement(function.getBody()))
    return module.emitError("cannot export to ONNX: the module needs exactly "
                            "one graph, a function of one block");
  for (Operation &op : *module.getBody())
    if (&op != function)
      return op.emitError("cannot export to ONNX: ")
             << "'" << op.getName() << "' beside the graph";
  return success(succeeded(exportModule(model)) &&
                 succeeded(exportGraph(function, *model.mutable_graph())));
}

LogicalResult Exporter::exportModule(pb::ModelProto &model) {
  FieldReader fields{module};
  fields.integer("onnx.ir_version",
                 [&](int64_t v) { model.set_ir_version(v); });
  fields.integer("onnx.model_version",
                 [&](int64_t v) { model.set_model_version(v); });
  fields.string("onnx.producer_name",
                [&](std::string v) { model.set_producer_name(v); });
  fields.string("onnx.producer_version",
                [&](std::string v) { model.set_producer_version(v); });
  fields.string("onnx.domain", [&](std::string v) { model.set_domain(v); });
  fields.string("onnx.doc_string",
                [&](std::string v) { model.set_doc_string(v); });
  auto imports = dyn_cast_or_null<ArrayAttr>(fields.get("onnx.opset_imports"));
  if (!imports)
    return module.emitError("cannot export to ONNX: the module has no "
                            "onnx.opset_imports");
  for (Attribute attr : imports) {
    auto entry = dyn_cast<DictionaryAttr>(attr);
    if (!entry)
      return module.emitError("cannot export to ONNX: onnx.opset_imports must "
                              "be an array of {domain, version}");
    pb::OperatorSetIdProto *opset = model.add_opset_import();
    if (auto domain = entry.getAs<StringAttr>("domain"))
      opset->set_domain(domain.str());
    if (auto version = entry.getAs<IntegerAttr>("version"))
      opset->set_version(version.getInt());
  }
  if (auto functions =
          dyn_cast_or_null<ArrayAttr>(fields.get("onnx.functions")))
    for (Attribute function : functions)
      if (failed(report(module, mergeProto(function, *model.add_functions()))))
        return failure();
  if (failed(report(module, fromPairs(fields.get("onnx.metadata_props"),
                                      *model.mutable_metadata_props()))))
    return failure();
  return report(module, mergeProto(fields.get("onnx.rest"), model));
}

//===----------------------------------------------------------------------===//
// Graph
//===----------------------------------------------------------------------===//

LogicalResult Exporter::exportGraph(func::FuncOp function,
                                    pb::GraphProto &graph) {
  if (failed(names.assign(function)))
    return failure();
  FieldReader fields{function};
  fields.string("onnx.graph_name", [&](std::string v) { graph.set_name(v); });
  fields.string("onnx.doc_string",
                [&](std::string v) { graph.set_doc_string(v); });
  // The format wants a name.
  if (!function->hasAttr("onnx.graph_name") &&
      !function->hasAttr("onnx.no_graph_name"))
    graph.set_name(function.getName().str());
  if (failed(report(function, fromPairs(fields.get("onnx.metadata_props"),
                                        *graph.mutable_metadata_props()))) ||
      failed(exportInputs(function, graph)))
    return failure();
  for (Operation &op : function.getBody().front())
    if (failed(exportOp(op, graph)))
      return failure();
  for (const NameTable::Copy &copy : names.trailingCopies()) {
    pb::NodeProto *node = graph.add_node();
    node->set_op_type("Identity");
    node->set_name(copy.nodeName);
    node->add_input(names.of(copy.value));
    node->add_output(copy.name);
  }
  if (failed(exportOutputs(function, graph)) ||
      failed(exportValueInfo(function, graph)))
    return failure();
  return report(function, mergeProto(fields.get("onnx.rest"), graph));
}

LogicalResult Exporter::exportInputs(func::FuncOp function,
                                     pb::GraphProto &graph) {
  llvm::StringMap<pb::ValueInfoProto> inputs;
  SmallVector<std::string> order;
  for (BlockArgument argument : function.getArguments()) {
    std::string name = names.of(argument);
    Expected<pb::ValueInfoProto> info = fromDescription(
        name, argument.getType(),
        function.getArgAttrDict(argument.getArgNumber()), "onnx.");
    if (!info)
      return report(function, info.takeError());
    inputs[name] = std::move(*info);
    order.push_back(name);
  }
  // Initializers that are inputs too keep their places.
  for (Operation &op : function.getBody().front()) {
    auto keys = dyn_cast_or_null<DictionaryAttr>(
        op.getDiscardableAttr("onnx.graph_input"));
    if (!keys || op.getNumResults() != 1)
      continue;
    std::string name = names.of(op.getResult(0));
    Expected<pb::ValueInfoProto> info =
        fromDescription(name, op.getResult(0).getType(), keys, "");
    if (!info)
      return report(&op, info.takeError());
    if (inputs.try_emplace(name, std::move(*info)).second)
      order.push_back(name);
  }
  llvm::StringSet<> done;
  auto add = [&](StringRef name) {
    auto it = inputs.find(name);
    if (it != inputs.end() && done.insert(name).second)
      *graph.add_input() = std::move(it->second);
  };
  if (auto wanted = function->getAttrOfType<ArrayAttr>("onnx.input_order"))
    for (auto name : wanted.getAsRange<StringAttr>())
      add(name.getValue());
  for (const std::string &name : order)
    add(name);
  return success();
}

LogicalResult Exporter::exportOutputs(func::FuncOp function,
                                      pb::GraphProto &graph) {
  Operation *terminator = function.getBody().front().getTerminator();
  for (auto [i, value] : llvm::enumerate(terminator->getOperands())) {
    auto keys = dyn_cast_or_null<DictionaryAttr>(
        function.getResultAttrDict(static_cast<unsigned>(i)));
    Expected<pb::ValueInfoProto> info =
        fromDescription(names.ofOutput(static_cast<unsigned>(i)),
                        value.getType(), keys, "onnx.");
    if (!info)
      return report(function, info.takeError());
    *graph.add_output() = std::move(*info);
  }
  return success();
}

LogicalResult Exporter::exportValueInfo(func::FuncOp function,
                                        pb::GraphProto &graph) {
  auto list = function->getAttrOfType<ArrayAttr>("onnx.value_info");
  if (!list)
    return success();
  for (Attribute attr : list) {
    auto keys = dyn_cast<DictionaryAttr>(attr);
    auto name =
        keys ? keys.getAs<StringAttr>("name") : dyn_cast<StringAttr>(attr);
    if (!name)
      return function.emitError("cannot export to ONNX: onnx.value_info must "
                                "hold names or {name, ...}");
    if (Value value = names.lookup(name.getValue())) {
      Expected<pb::ValueInfoProto> info =
          fromDescription(name.getValue(), value.getType(), keys, "");
      if (!info)
        return report(function, info.takeError());
      *graph.add_value_info() = std::move(*info);
      continue;
    }
    // The value of a subgraph; or one that a pass removed.
    pb::ValueInfoProto info;
    if (keys && keys.get("outside")) {
      if (failed(report(function, mergeProto(keys.get("proto"), info))))
        return failure();
      *graph.add_value_info() = std::move(info);
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

LogicalResult Exporter::exportOp(Operation &op, pb::GraphProto &graph) {
  if (auto initializer = dyn_cast<InitializerOp>(op)) {
    pb::TensorProto *tensor = graph.add_initializer();
    tensor->set_name(names.of(initializer.getResult()));
    return report(&op,
                  fromElements(initializer.getValue(),
                               initializer.getInfoAttr(), external, *tensor));
  }
  if (auto sparse = dyn_cast<SparseInitializerOp>(op)) {
    pb::SparseTensorProto *tensor = graph.add_sparse_initializer();
    if (failed(report(&op, mergeProto(sparse.getDataAttr(), *tensor))))
      return failure();
    tensor->mutable_values()->set_name(names.of(sparse.getResult()));
    return success();
  }
  if (isa<NoValueOp, func::ReturnOp>(op))
    return success();
  if (!isa_and_nonnull<ONNXDialect>(op.getDialect()))
    return op.emitError("cannot export to ONNX: '")
           << op.getName() << "' is not an ONNX operator";
  for (const NameTable::Copy &copy : names.copiesBefore(&op)) {
    pb::NodeProto *node = graph.add_node();
    node->set_op_type("Identity");
    node->set_name(copy.nodeName);
    node->add_input(names.of(copy.value));
    node->add_output(copy.name);
  }
  return exportNode(op, graph);
}

LogicalResult Exporter::exportNode(Operation &op, pb::GraphProto &graph) {
  pb::NodeProto *node = graph.add_node();
  FieldReader fields{&op};
  unsigned inputs = op.getNumOperands();
  if (auto custom = dyn_cast<CustomOp>(op)) {
    node->set_op_type(custom.getOpType().str());
    if (custom.getDomain())
      node->set_domain(custom.getDomain()->str());
    if (custom.getCaptures())
      inputs -= custom.getCaptures()->size();
  } else {
    node->set_op_type(op.getName().stripDialect().str());
  }
  for (Value operand : op.getOperands().take_front(inputs))
    node->add_input(isGiven(operand) ? names.of(operand) : std::string());
  for (Value result : op.getResults())
    node->add_output(names.of(result));
  fields.string("onnx.domain", [&](std::string v) { node->set_domain(v); });
  fields.string("onnx.node_name", [&](std::string v) { node->set_name(v); });
  fields.string("onnx.doc_string",
                [&](std::string v) { node->set_doc_string(v); });
  fields.string("onnx.overload", [&](std::string v) { node->set_overload(v); });
  if (!fields.get("onnx.node_name") && !fields.get("onnx.outputs"))
    node->set_name(names.freshNode(op.getName().stripDialect()));
  if (failed(report(&op, fromPairs(fields.get("onnx.metadata_props"),
                                   *node->mutable_metadata_props()))) ||
      failed(exportNodeAttributes(op, *node)))
    return failure();
  return report(&op, mergeProto(fields.get("onnx.rest"), *node));
}

LogicalResult Exporter::exportNodeAttributes(Operation &op,
                                             pb::NodeProto &node) {
  SmallVector<std::pair<StringRef, Attribute>> attributes;
  if (auto custom = dyn_cast<CustomOp>(op)) {
    if (DictionaryAttr dictionary = custom.getNodeAttributesAttr())
      for (NamedAttribute attr : dictionary)
        attributes.push_back({attr.getName(), attr.getValue()});
  } else {
    const OpSchema *schema = lookupSchema(op.getName().stripDialect());
    if (!schema)
      return op.emitError("cannot export to ONNX: no schema for this operator");
    for (const AttrSchema &attr : schema->attrs)
      if (std::optional<Attribute> value = op.getInherentAttr(attr.odsName);
          value && *value)
        attributes.push_back({attr.onnxName, *value});
  }
  // In the order of the file, by name where it does not say.
  llvm::StringMap<size_t> places;
  if (auto order =
          dyn_cast_or_null<ArrayAttr>(op.getDiscardableAttr("onnx.attr_order")))
    for (auto [i, name] : llvm::enumerate(order.getAsRange<StringAttr>()))
      places.try_emplace(name.getValue(), i);
  auto place = [&](StringRef name) {
    auto it = places.find(name);
    return it == places.end() ? places.size() : it->second;
  };
  llvm::sort(attributes, [&](const auto &lhs, const auto &rhs) {
    return std::pair(place(lhs.first), lhs.first) <
           std::pair(place(rhs.first), rhs.first);
  });
  auto infos =
      dyn_cast_or_null<DictionaryAttr>(op.getDiscardableAttr("onnx.attr_info"));
  for (auto [name, value] : attributes)
    if (failed(report(&op, fromAttribute(name, value,
                                         infos ? infos.get(name) : Attribute(),
                                         external, *node.add_attribute()))))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

/// Builds the message and hands it to `write`. Files of external data take
/// their names only when that succeeded.
static LogicalResult
build(ModuleOp module, const ExportOptions &options,
      std::optional<std::string> directory, std::string defaultFile,
      llvm::function_ref<Error(const pb::ModelProto &)> write) {
  ExternalWriter writer(std::move(directory), std::move(defaultFile),
                        options.externalThreshold);
  bool isInline = options.externalData == ExportOptions::ExternalData::Inline &&
                  !options.externalThreshold;
  pb::ModelProto model;
  Exporter exporter(module, isInline ? nullptr : &writer);
  if (failed(exporter.run(model)))
    return failure();
  if (model.ByteSizeLong() > std::numeric_limits<int>::max())
    return module.emitError("cannot export to ONNX: the model has ")
           << model.ByteSizeLong()
           << " bytes, more than the 2 GB of the format; move weights to "
              "external data";
  Expected<std::vector<OutputFile>> files = writer.write();
  if (!files)
    return module.emitError("cannot export to ONNX: ")
           << toString(files.takeError());
  Error error = write(model);
  for (OutputFile &file : *files)
    if (!error)
      error = file.commit();
  if (error)
    return module.emitError("cannot export to ONNX: ")
           << toString(std::move(error));
  return success();
}

static void serialize(const pb::ModelProto &model, llvm::raw_ostream &os) {
  StreamAdaptor adaptor(os);
  ::google::protobuf::io::CopyingOutputStreamAdaptor stream(&adaptor);
  model.SerializeToZeroCopyStream(&stream);
}

LogicalResult compress::onnx::exportONNX(ModuleOp module, StringRef path,
                                         const ExportOptions &options) {
  std::string directory = options.externalDirectory;
  if (directory.empty())
    directory = llvm::sys::path::parent_path(path).str();
  std::string file = options.externalFile;
  if (file.empty())
    file = (llvm::sys::path::filename(path) + ".data").str();
  return build(module, options, directory, file,
               [&](const pb::ModelProto &model) -> Error {
                 Expected<OutputFile> out = OutputFile::create(path);
                 if (!out)
                   return out.takeError();
                 serialize(model, out->os());
                 return out->commit();
               });
}

LogicalResult compress::onnx::exportONNX(ModuleOp module, llvm::raw_ostream &os,
                                         const ExportOptions &options) {
  std::optional<std::string> directory;
  if (!options.externalDirectory.empty())
    directory = options.externalDirectory;
  std::string file = options.externalFile;
  if (file.empty())
    file = "model.onnx.data";
  return build(module, options, directory, file,
               [&](const pb::ModelProto &model) -> Error {
                 serialize(model, os);
                 return Error::success();
               });
}

//===- ImportNode.cpp - nodes to ops --------------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Importer.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace compress::onnx;
using namespace compress::onnx::detail;
using llvm::Error;
using llvm::Expected;

/// `node 'name' (Op)`, or the first output for a node without a name.
static std::string describeNode(const pb::NodeProto &node) {
  std::string name = node.name();
  if (name.empty() && node.output_size())
    name = node.output(0);
  std::string type = node.op_type();
  if (!node.domain().empty() && node.domain() != "ai.onnx")
    type = node.domain() + "." + type;
  return "node '" + name + "' (" + type + ")";
}

Error Importer::importNode(pb::NodeProto &node) {
  std::string description = describeNode(node);
  if (Error error = importNodeBody(node))
    return makeError("{0}: {1}", description, toString(std::move(error)));
  return Error::success();
}

/// Runs the op's verifier and turns its diagnostic into the error.
Error Importer::verifyNode(Operation *op) {
  std::string message;
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    if (message.empty())
      message = diagnostic.str();
    return success();
  });
  if (succeeded(mlir::verify(op, /*verifyRecursively=*/false)))
    return Error::success();
  StringRef text(message);
  text.consume_front("'" + op->getName().getStringRef().str() + "' op ");
  return makeError("{0}", text);
}

static Error checkCount(StringRef what, int64_t found, int least, int most) {
  if (found >= least && (most < 0 || found <= most))
    return Error::success();
  if (least == most)
    return makeError("expected {0} {1}, found {2}", least, what, found);
  if (most < 0)
    return makeError("expected at least {0} {1}, found {2}", least, what,
                     found);
  return makeError("expected {0} to {1} {2}, found {3}", least, most, what,
                   found);
}

Error Importer::importNodeBody(pb::NodeProto &node) {
  StringRef domain = node.domain();
  if (domain == "ai.onnx")
    domain = "";
  if (node.op_type().empty())
    return makeError("the node has no op_type");
  auto opset = opsets.find(domain.str());
  if (opset == opsets.end())
    return makeError("domain '{0}' is not in opset_import", domain);

  SmallVector<Value> operands;
  for (const std::string &input : node.input()) {
    Expected<Value> value = use(input);
    if (!value)
      return value.takeError();
    operands.push_back(*value);
  }

  // Attributes, by ONNX name.
  SmallVector<std::string> captures;
  SmallVector<StringRef> order;
  NamedAttrList attributes, infos;
  for (pb::AttributeProto &attr : *node.mutable_attribute()) {
    if (attr.name().empty())
      return makeError("an attribute has no name");
    if (attributes.get(attr.name()))
      return makeError("attribute '{0}' is given twice", attr.name());
    collectCaptures(attr, captures);
    Attribute info;
    Expected<Attribute> value = toAttribute(context, attr, external, info);
    if (!value)
      return value.takeError();
    attributes.push_back(b.getNamedAttr(attr.name(), *value));
    if (info)
      infos.push_back(b.getNamedAttr(attr.name(), info));
    order.push_back(attr.name());
  }

  // A standard op if the dialect has it and can express all attributes.
  const OpSchema *schema = domain.empty() && captures.empty()
                               ? lookupSchema(node.op_type())
                               : nullptr;
  const OpVersion *version = schema ? schema->inOpset(opset->second) : nullptr;
  if (schema && !version)
    return makeError("the operator does not exist in opset {0}", opset->second);
  // Opsets that this build does not know may differ from its schemas.
  bool isKnown = opset->second <= getNewestOpsetVersion();
  NamedAttrList odsAttributes;
  for (NamedAttribute attr :
       schema ? attributes.getAttrs() : ArrayRef<NamedAttribute>()) {
    const AttrSchema *known = schema->byONNXName(attr.getName());
    bool fits = known && isOfKind(attr.getValue(), known->kind);
    if (fits) {
      odsAttributes.push_back(b.getNamedAttr(known->odsName, attr.getValue()));
      continue;
    }
    // Opsets before 6 had other kinds (the type of Cast is a string there).
    if (known && isKnown && opset->second >= 6 &&
        !isa<ProtoAttr>(attr.getValue()))
      return makeError("attribute '{0}' must be of kind {1}", attr.getName(),
                       kindName(known->kind));
    schema = nullptr;
    break;
  }
  if (schema) {
    Error error =
        llvm::joinErrors(checkCount("inputs", node.input_size(),
                                    version->minInputs, version->maxInputs),
                         checkCount("outputs", node.output_size(),
                                    version->minOutputs, version->maxOutputs));
    SmallVector<StringRef> required;
    StringRef(version->requiredAttrs).split(required, ',', -1, false);
    for (StringRef name : required)
      if (!error && !attributes.get(name))
        error = makeError("attribute '{0}' is required in opset {1}", name,
                          opset->second);
    if (error && isKnown)
      return error;
    if (error) {
      llvm::consumeError(std::move(error));
      schema = nullptr;
    }
  }

  StringRef locName =
      node.name().empty() ? StringRef(node.op_type()) : StringRef(node.name());
  OperationState state(NameLoc::get(b.getStringAttr(locName)),
                       schema ? "onnx." + node.op_type()
                              : CustomOp::getOperationName().str());
  NamedAttrList attrs;
  if (schema) {
    attrs = odsAttributes;
  } else {
    attrs.set("op_type", b.getStringAttr(node.op_type()));
    if (!domain.empty())
      attrs.set("domain", b.getStringAttr(domain));
    if (!attributes.empty())
      attrs.set("node_attributes", attributes.getDictionary(context));
    for (const std::string &name : captures) {
      Expected<Value> value = use(name);
      if (!value)
        return makeError("subgraph: {0}", toString(value.takeError()));
      operands.push_back(*value);
    }
    SmallVector<StringRef> names(captures.begin(), captures.end());
    if (!names.empty())
      attrs.set("captures", b.getStrArrayAttr(names));
  }
  if (schema || domain.empty())
    setString(attrs, "onnx.domain", node.has_domain(), node.domain());
  setString(attrs, "onnx.node_name", node.has_name(), node.name());
  setString(attrs, "onnx.doc_string", node.has_doc_string(), node.doc_string());
  setString(attrs, "onnx.overload", node.has_overload(), node.overload());
  setMetadata(attrs, node.mutable_metadata_props());
  if (!llvm::is_sorted(order))
    attrs.set("onnx.attr_order", b.getStrArrayAttr(order));
  if (!infos.empty())
    attrs.set("onnx.attr_info", infos.getDictionary(context));
  SmallVector<StringRef> outputs(node.output().begin(), node.output().end());
  attrs.set("onnx.outputs", b.getStrArrayAttr(outputs));

  for (auto [i, output] : llvm::enumerate(node.output())) {
    bool optional = !schema || static_cast<int>(i) >= version->minOutputs;
    state.types.push_back(output.empty() && optional ? Type(b.getNoneType())
                                                     : typeOf(output));
  }
  // Attribute order refers to names; they must outlive the clearing below.
  std::vector<std::string> names(node.output().begin(), node.output().end());
  node.clear_input();
  node.clear_output();
  node.clear_name();
  node.clear_op_type();
  node.clear_domain();
  node.clear_overload();
  node.clear_attribute();
  node.clear_doc_string();
  if (ProtoAttr rest = toProto(context, node))
    attrs.set("onnx.rest", rest);

  state.addOperands(operands);
  state.addAttributes(attrs.getAttrs());
  Operation *op = b.create(state);
  if (Error error = verifyNode(op))
    return error;
  for (auto [name, result] : llvm::zip_equal(names, op->getResults()))
    if (Error error = define(name, result))
      return error;
  return Error::success();
}

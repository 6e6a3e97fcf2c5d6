//===- Names.cpp - value names in subgraphs -------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Proto.h"

using namespace llvm;
using namespace compress::onnx::detail;

namespace {

template <typename Fn>
void forEachGraph(const pb::AttributeProto &attr, Fn fn) {
  if (attr.has_g())
    fn(attr.g());
  for (const pb::GraphProto &graph : attr.graphs())
    fn(graph);
}

/// Finds names that a graph uses but does not define.
class CaptureFinder {
public:
  explicit CaptureFinder(SmallVectorImpl<std::string> &captured)
      : captured(captured) {
    for (const std::string &name : captured)
      known.insert(name);
  }

  void visit(const pb::GraphProto &graph) {
    // ONNX forbids to redefine an outer name, so one scope for each graph is
    // enough.
    scopes.emplace_back();
    auto define = [&](const std::string &name) { scopes.back().insert(name); };
    for (const pb::ValueInfoProto &input : graph.input())
      define(input.name());
    for (const pb::TensorProto &tensor : graph.initializer())
      define(tensor.name());
    for (const pb::SparseTensorProto &tensor : graph.sparse_initializer())
      define(tensor.values().name());
    for (const pb::NodeProto &node : graph.node())
      for (const std::string &output : node.output())
        define(output);
    for (const pb::NodeProto &node : graph.node()) {
      for (const std::string &input : node.input())
        use(input);
      for (const pb::AttributeProto &attr : node.attribute())
        forEachGraph(attr, [&](const pb::GraphProto &g) { visit(g); });
    }
    for (const pb::ValueInfoProto &output : graph.output())
      use(output.name());
    scopes.pop_back();
  }

private:
  void use(const std::string &name) {
    if (name.empty() || known.contains(name))
      return;
    for (const StringSet<> &scope : scopes)
      if (scope.contains(name))
        return;
    known.insert(name);
    captured.push_back(name);
  }

  SmallVectorImpl<std::string> &captured;
  StringSet<> known;
  std::vector<StringSet<>> scopes;
};

void collect(const pb::GraphProto &graph, StringSet<> &names) {
  for (const pb::ValueInfoProto &input : graph.input())
    names.insert(input.name());
  for (const pb::TensorProto &tensor : graph.initializer())
    names.insert(tensor.name());
  for (const pb::SparseTensorProto &tensor : graph.sparse_initializer())
    names.insert(tensor.values().name());
  for (const pb::NodeProto &node : graph.node()) {
    for (const std::string &output : node.output())
      names.insert(output);
    for (const pb::AttributeProto &attr : node.attribute())
      collectNames(attr, names);
  }
}

bool isExternal(const pb::TensorProto &tensor) {
  return tensor.data_location() == pb::TensorProto::EXTERNAL;
}

bool hasExternal(const pb::GraphProto &graph) {
  return llvm::any_of(graph.initializer(), isExternal) ||
         llvm::any_of(graph.sparse_initializer(),
                      [](const pb::SparseTensorProto &tensor) {
                        return isExternal(tensor.values()) ||
                               isExternal(tensor.indices());
                      }) ||
         llvm::any_of(graph.node(), [](const pb::NodeProto &node) {
           return llvm::any_of(node.attribute(), hasExternalData);
         });
}

} // namespace

void compress::onnx::detail::collectCaptures(
    const pb::AttributeProto &attr, SmallVectorImpl<std::string> &captured) {
  CaptureFinder finder(captured);
  forEachGraph(attr, [&](const pb::GraphProto &g) { finder.visit(g); });
}

void compress::onnx::detail::collectNames(const pb::AttributeProto &attr,
                                          StringSet<> &names) {
  forEachGraph(attr, [&](const pb::GraphProto &g) { collect(g, names); });
}

bool compress::onnx::detail::hasExternalData(const pb::AttributeProto &attr) {
  if (isExternal(attr.t()) || llvm::any_of(attr.tensors(), isExternal))
    return true;
  bool found = false;
  forEachGraph(attr, [&](const pb::GraphProto &g) { found |= hasExternal(g); });
  return found;
}

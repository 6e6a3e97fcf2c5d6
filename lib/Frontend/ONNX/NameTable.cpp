//===- NameTable.cpp - names of values for export -------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "NameTable.h"
#include "Proto.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"

using namespace mlir;
using namespace compress::onnx;
using namespace compress::onnx::detail;

bool NameTable::take(Value value, StringRef name) {
  auto [it, isNew] = taken.try_emplace(name, value);
  if (!isNew && it->second != value)
    return false;
  names[value] = name.str();
  return true;
}

std::string NameTable::fresh(StringRef base) {
  std::string name = base.str();
  while (name.empty() || taken.contains(name) || reserved.contains(name))
    name = (base + "_" + llvm::Twine(++counters[base])).str();
  return name;
}

std::string NameTable::freshNode(StringRef base) {
  std::string name = base.str();
  while (!nodeNames.insert(name).second)
    name = (base + "_" + llvm::Twine(++counters[base])).str();
  return name;
}

std::string NameTable::of(Value value) const { return names.lookup(value); }

ArrayRef<NameTable::Copy> NameTable::copiesBefore(Operation *op) const {
  auto it = copies.find(op);
  return it == copies.end() ? ArrayRef<Copy>() : ArrayRef<Copy>(it->second);
}

/// Names inside of subgraphs, and of nodes, that fresh ones must avoid.
void NameTable::reserveNames(func::FuncOp function) {
  for (Operation &op : function.getBody().front()) {
    if (auto name = op.getAttrOfType<StringAttr>("onnx.node_name"))
      nodeNames.insert(name.getValue());
    if (auto list = op.getAttrOfType<ArrayAttr>("onnx.outputs"))
      for (auto name : list.getAsRange<StringAttr>())
        reserved.insert(name.getValue());
    auto custom = dyn_cast<CustomOp>(op);
    if (!custom || !custom.getNodeAttributesAttr())
      continue;
    for (NamedAttribute attr : custom.getNodeAttributesAttr()) {
      auto proto = dyn_cast<ProtoAttr>(attr.getValue());
      pb::AttributeProto message;
      if (proto &&
          message.ParseFromArray(proto.getData().data(),
                                 static_cast<int>(proto.getData().size())))
        collectNames(message, reserved);
    }
  }
}

LogicalResult NameTable::assign(func::FuncOp function) {
  reserveNames(function);
  for (BlockArgument argument : function.getArguments()) {
    auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                      "onnx.name");
    if (!name || name.empty() || !take(argument, name))
      take(argument, fresh(name && !name.empty() ? name.getValue() : "input"));
  }
  for (Operation &op : function.getBody().front()) {
    StringRef name;
    if (auto initializer = dyn_cast<InitializerOp>(op))
      name = initializer.getName();
    else if (auto sparse = dyn_cast<SparseInitializerOp>(op))
      name = sparse.getName();
    else
      continue;
    if (name.empty() || !take(op.getResult(0), name))
      take(op.getResult(0), fresh(name.empty() ? "initializer" : name));
  }
  if (failed(assignOutputs(function)) || failed(assignCaptures(function)))
    return failure();
  for (Operation &op : function.getBody().front())
    assignResults(op);
  Operation *terminator = function.getBody().front().getTerminator();
  for (auto [i, value] : llvm::enumerate(terminator->getOperands()))
    if (outputs[i].empty())
      outputs[i] = of(value);
  return success();
}

LogicalResult NameTable::assignOutputs(func::FuncOp function) {
  Operation *terminator = function.getBody().front().getTerminator();
  outputs.resize(terminator->getNumOperands());
  for (auto [i, value] : llvm::enumerate(terminator->getOperands())) {
    if (!isGiven(value))
      return function.emitError("cannot export to ONNX: graph output ")
             << i << " is none";
    auto name = function.getResultAttrOfType<StringAttr>(
        static_cast<unsigned>(i), "onnx.name");
    if (!name || name.empty())
      continue;
    outputs[i] = name.str();
    auto known = names.find(value);
    if (known == names.end() ? take(value, name)
                             : known->second == name.getValue())
      continue;
    if (!taken.try_emplace(name, value).second)
      return function.emitError("cannot export to ONNX: two values need the "
                                "name '")
             << name.getValue() << "' of a graph output";
    trailing.push_back({value, name.str(), freshNode("Identity")});
  }
  return success();
}

LogicalResult NameTable::assignCaptures(func::FuncOp function) {
  for (auto custom : function.getOps<CustomOp>()) {
    std::optional<ArrayAttr> captures = custom.getCaptures();
    if (!captures)
      continue;
    auto values = custom.getInputs().take_back(captures->size());
    for (auto [attr, value] : llvm::zip_equal(*captures, values)) {
      StringRef name = cast<StringAttr>(attr).getValue();
      auto known = names.find(value);
      if (known == names.end() ? take(value, name) : known->second == name)
        continue;
      auto [it, isNew] = taken.try_emplace(name, value);
      // An earlier copy of the same value serves too.
      if (!isNew && it->second == value)
        continue;
      if (!isNew)
        return custom.emitError("cannot export to ONNX: a subgraph uses the "
                                "name '")
               << name << "', which another value has";
      copies[custom].push_back({value, name.str(), freshNode("Identity")});
    }
  }
  return success();
}

void NameTable::assignResults(Operation &op) {
  if (isa<NoValueOp>(op))
    return;
  auto list = op.getAttrOfType<ArrayAttr>("onnx.outputs");
  for (OpResult result : op.getResults()) {
    if (names.contains(result) || !isGiven(result))
      continue;
    auto wanted = list && result.getResultNumber() < list.size()
                      ? dyn_cast<StringAttr>(list[result.getResultNumber()])
                      : StringAttr();
    bool isNamed = wanted && !wanted.empty();
    if (wanted && wanted.empty() && result.use_empty())
      continue;
    if (isNamed && take(result, wanted))
      continue;
    std::string base = op.getName().stripDialect().str() + "_output";
    take(result, fresh(isNamed ? wanted.getValue() : StringRef(base)));
  }
}

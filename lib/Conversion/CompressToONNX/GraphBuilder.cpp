//===- GraphBuilder.cpp - Emits the nodes of one tensor -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GraphBuilder.h"
#include "compress/Conversion/CompressToONNX/CompressToONNX.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace compress;

std::optional<Profile> Profile::get(StringRef name) {
  if (name == "onnxruntime")
    return Profile{/*float4Codes=*/false, /*powerOfTwoScales=*/false};
  if (name == "standard")
    return Profile{/*float4Codes=*/true, /*powerOfTwoScales=*/true};
  return std::nullopt;
}

GraphBuilder::GraphBuilder(func::FuncOp function, const Profile &profile)
    : profile(profile), function(function), b(function.getContext()),
      loc(function.getLoc()) {
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (auto name = function.getArgAttrOfType<StringAttr>(i, "onnx.name"))
      names.insert(name.getValue());
  function.walk([&](Operation *op) {
    if (auto initializer = dyn_cast<onnx::InitializerOp>(op))
      names.insert(initializer.getName());
    if (auto name = op->getAttrOfType<StringAttr>("onnx.node_name"))
      names.insert(name.getValue());
    if (auto outputs = op->getAttrOfType<ArrayAttr>("onnx.outputs"))
      for (auto output : outputs.getAsRange<StringAttr>())
        names.insert(output.getValue());
  });
}

std::string GraphBuilder::unique(StringRef wanted) {
  std::string result = wanted.str();
  while (!names.insert(result).second)
    result = (wanted + "_" + Twine(++counters[wanted])).str();
  return result;
}

void GraphBuilder::begin(Operation *before, StringRef wanted) {
  b.setInsertionPoint(before);
  loc = before->getLoc();
  name = wanted.str();
  created.clear();
  leaves.clear();
}

static void addMetadata(SmallVectorImpl<Attribute> &pairs, Builder &b,
                        StringRef key, StringRef value) {
  pairs.push_back(b.getStrArrayAttr({key, value}));
}

void GraphBuilder::eraseUnused(Value root) {
  // Users come after what they use.
  SmallVector<Operation *> kept;
  for (Operation *op : llvm::reverse(created)) {
    if (op->use_empty() && op != root.getDefiningOp())
      op->erase();
    else
      kept.push_back(op);
  }
  created.assign(kept.rbegin(), kept.rend());
  for (auto &[leaf, initializers] : leaves)
    llvm::erase_if(initializers, [&](Operation *op) {
      bool isUnused = op->use_empty() && op != root.getDefiningOp();
      if (isUnused)
        op->erase();
      return isUnused;
    });
  leaves.remove_if([](auto &entry) { return entry.second.empty(); });
}

void GraphBuilder::eraseUnusedConstants() {
  for (auto &entry : constants)
    if (entry.second.use_empty())
      entry.second.getDefiningOp()->erase();
  constants.clear();
}

bool GraphBuilder::finish(Value &root, CompressedTensorType type,
                          CompressedTensorType exchanged, Operation *source) {
  auto print = [](Type type) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return text;
  };
  auto initializer = root.getDefiningOp<onnx::InitializerOp>();
  // What tensors share cannot say what it is for one of them.
  if (initializer && (!created.empty() || leaves.empty())) {
    root = node("Identity", root, root.getType());
    initializer = nullptr;
  }
  std::string part =
      created.size() > 1 ? unique(name + "_decoded") : std::string();
  auto describe = [&](SmallVectorImpl<Attribute> &pairs) {
    addMetadata(pairs, b, metadata::type, print(type));
    if (exchanged != type)
      addMetadata(pairs, b, metadata::exchange, print(exchanged));
    for (StringRef key : {metadata::site, metadata::level})
      if (auto value = source->getAttrOfType<StringAttr>(key))
        addMetadata(pairs, b, key, value);
  };
  for (Operation *op : created) {
    SmallVector<Attribute> pairs;
    if (!part.empty())
      addMetadata(pairs, b, metadata::part, part);
    if (op == root.getDefiningOp())
      describe(pairs);
    if (!pairs.empty())
      op->setAttr("onnx.metadata_props", b.getArrayAttr(pairs));
  }
  // A constant that needs no node at all.
  if (initializer) {
    NamedAttrList info(initializer.getInfoAttr());
    SmallVector<Attribute> pairs;
    if (auto old = info.get("metadata_props"))
      llvm::append_range(pairs, llvm::cast<ArrayAttr>(old));
    describe(pairs);
    info.set("metadata_props", b.getArrayAttr(pairs));
    initializer.setInfoAttr(info.getDictionary(getContext()));
  }
  return llvm::all_of(created, [](Operation *op) {
    return isa<onnx::CastOp, onnx::DequantizeLinearOp,
               onnx::DynamicQuantizeLinearOp, onnx::QuantizeLinearOp>(op);
  });
}

//===----------------------------------------------------------------------===//
// Nodes and initializers
//===----------------------------------------------------------------------===//

Operation *GraphBuilder::nodes(StringRef opType, ValueRange inputs,
                               TypeRange results,
                               ArrayRef<NamedAttribute> attrs,
                               ArrayRef<StringRef> labels) {
  OperationState state(loc, ("onnx." + opType).str(), inputs, results, attrs);
  SmallVector<Attribute> outputs;
  for (StringRef label : labels)
    outputs.push_back(b.getStringAttr(
        unique(name + "_" +
               (label.empty() ? opType.str() + "_output" : label.str()))));
  state.addAttribute("onnx.node_name",
                     b.getStringAttr(unique(name + "_" + opType.str())));
  state.addAttribute("onnx.outputs", b.getArrayAttr(outputs));
  Operation *op = b.create(state);
  created.push_back(op);
  return op;
}

Value GraphBuilder::node(StringRef opType, ValueRange inputs, Type result,
                         ArrayRef<NamedAttribute> attrs, StringRef label) {
  return nodes(opType, inputs, result, attrs, label)->getResult(0);
}

Value GraphBuilder::initializer(const HostTensor &tensor, StringRef label,
                                int64_t leaf) {
  std::string unusedName =
      unique(label.empty() ? name : name + "_" + label.str());
  DictionaryAttr info;
  if (leaf >= 0) {
    SmallVector<Attribute> pairs;
    addMetadata(pairs, b, metadata::leaf, std::to_string(leaf));
    info = b.getDictionaryAttr(
        b.getNamedAttr("metadata_props", b.getArrayAttr(pairs)));
  }
  ElementsAttr elements = onnx::toAttr(tensor, unusedName);
  auto op = onnx::InitializerOp::create(b, loc, elements.getType(), unusedName,
                                        elements, info);
  if (leaf >= 0)
    leaves[leaf].push_back(op);
  return op;
}

Value GraphBuilder::constant(const HostTensor &tensor) {
  if (tensor.getBytes().size() > 4096)
    return initializer(tensor, "constant");
  std::string key;
  llvm::raw_string_ostream(key)
      << RankedTensorType::get(tensor.getShape(), tensor.getElementType())
      << llvm::toHex(
             StringRef(tensor.getBytes().data(), tensor.getBytes().size()));
  return shared(tensor, key, "compress_constant");
}

Value GraphBuilder::shared(const HostTensor &tensor, StringRef key,
                           StringRef wanted) {
  Value &value = constants[key];
  if (value)
    return value;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  ElementsAttr elements = onnx::toAttr(tensor, wanted);
  value =
      onnx::InitializerOp::create(b, function.getLoc(), elements.getType(),
                                  unique(wanted), elements, DictionaryAttr());
  return value;
}

Value GraphBuilder::ints(ArrayRef<int64_t> values) {
  HostTensor tensor =
      HostTensor::allocate({int64_t(values.size())}, b.getI64Type());
  llvm::copy(values, tensor.getMutableData<int64_t>().begin());
  std::string text = "compress_ints";
  for (int64_t value : values)
    text += "_" + std::to_string(value);
  return shared(tensor, text, text);
}

Value GraphBuilder::scalar(double value, Type type) {
  HostTensor tensor = HostTensor::allocate({}, type);
  tensor.setDouble(0, value);
  std::string text;
  // All digits, since the text is the key.
  llvm::raw_string_ostream(text)
      << "compress_" << type << "_" << llvm::format("%.17g", value);
  return shared(tensor, text, text);
}

Value GraphBuilder::table(StringRef wanted, ArrayRef<float> values) {
  return shared(HostTensor::fromFloats({int64_t(values.size())}, f32(), values),
                wanted, wanted);
}

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

static ArrayRef<int64_t> shapeOf(Value value) {
  return llvm::cast<RankedTensorType>(value.getType()).getShape();
}

static SmallVector<int64_t> broadcast(ArrayRef<int64_t> a,
                                      ArrayRef<int64_t> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  SmallVector<int64_t> result(a.begin(), a.end());
  size_t lead = a.size() - b.size();
  for (auto [i, size] : llvm::enumerate(b)) {
    int64_t &other = result[lead + i];
    if (other == 1 || (ShapedType::isDynamic(other) && size != 1))
      other = size;
  }
  return result;
}

Value GraphBuilder::binary(StringRef opType, Value a, Value b,
                           Type resultElement) {
  Type element =
      resultElement ? resultElement : getElementTypeOrSelf(a.getType());
  return node(
      opType, {a, b},
      RankedTensorType::get(broadcast(shapeOf(a), shapeOf(b)), element));
}

Value GraphBuilder::unary(StringRef opType, Value a) {
  return node(opType, a, a.getType());
}

Value GraphBuilder::where(Value condition, Value a, Value b) {
  auto shape = broadcast(broadcast(shapeOf(condition), shapeOf(a)), shapeOf(b));
  return node("Where", {condition, a, b},
              RankedTensorType::get(shape, getElementTypeOrSelf(a.getType())));
}

Value GraphBuilder::cast(Value value, Type elementType) {
  if (getElementTypeOrSelf(value.getType()) == elementType)
    return value;
  int64_t to = *onnx::getDataType(elementType);
  return node("Cast", value, RankedTensorType::get(shapeOf(value), elementType),
              intAttr("to", to));
}

Value GraphBuilder::reshape(Value value, ArrayRef<int64_t> shape,
                            ArrayRef<int64_t> sources) {
  auto type =
      RankedTensorType::get(shape, getElementTypeOrSelf(value.getType()));
  if (type == value.getType())
    return value;
  SmallVector<int64_t> target(shape);
  for (auto [i, size] : llvm::enumerate(target))
    if (ShapedType::isDynamic(size))
      size = i < sources.size() && sources[i] == int64_t(i) ? 0 : -1;
  SmallVector<NamedAttribute> attrs;
  if (llvm::is_contained(shape, 0)) {
    require(14);
    attrs.push_back(intAttr("allowzero", 1));
  }
  return node("Reshape", {value, ints(target)}, type, attrs);
}

Value GraphBuilder::reduce(StringRef opType, Value value,
                           ArrayRef<int64_t> axes) {
  require(18);
  SmallVector<int64_t> shape(shapeOf(value));
  for (int64_t axis : axes)
    shape[axis] = 1;
  return node(
      opType, {value, ints(axes)},
      RankedTensorType::get(shape, getElementTypeOrSelf(value.getType())),
      intAttr("keepdims", 1));
}

Value GraphBuilder::padTo(Value value, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> pads(shape.size(), 0);
  for (auto [size, wanted] : llvm::zip_equal(shapeOf(value), shape))
    pads.push_back(ShapedType::isDynamic(size) ? 0 : wanted - size);
  return node(
      "Pad", {value, ints(pads)},
      RankedTensorType::get(shape, getElementTypeOrSelf(value.getType())));
}

Value GraphBuilder::cutTo(Value value, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> starts, ends, axes;
  for (auto [axis, size, wanted] :
       llvm::enumerate(shapeOf(value), ArrayRef<int64_t>(shape))) {
    if (size == wanted)
      continue;
    starts.push_back(0);
    ends.push_back(wanted);
    axes.push_back(axis);
  }
  return node(
      "Slice", {value, ints(starts), ints(ends), ints(axes)},
      RankedTensorType::get(shape, getElementTypeOrSelf(value.getType())));
}

Value GraphBuilder::lookup(Value table, Value indices) {
  return node("Gather", {table, indices},
              RankedTensorType::get(shapeOf(indices),
                                    getElementTypeOrSelf(table.getType())),
              intAttr("axis", 0));
}

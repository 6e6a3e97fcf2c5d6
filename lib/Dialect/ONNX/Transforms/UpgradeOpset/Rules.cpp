//===- Rules.cpp - Equivalents of operators in newer opsets ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One rule per operator whose signature, defaults or meaning ever changed,
// after the history in "Operator Changelog" of the ONNX documentation. Changes
// that only admit more types, or add an attribute or input whose default is the
// old behaviour, need no rule.
//
//===----------------------------------------------------------------------===//

#include "Rules.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

//===----------------------------------------------------------------------===//
// Upgrade
//===----------------------------------------------------------------------===//

LogicalResult Upgrade::fail(const Twine &reason) {
  return op->emitError() << node.describe()
                         << ": cannot be upgraded from opset " << from << " to "
                         << to << ": " << reason;
}

std::optional<int64_t> Upgrade::getRank(Value value) {
  auto type = value ? dyn_cast<RankedTensorType>(value.getType()) : nullptr;
  if (!type)
    return std::nullopt;
  return type.getRank();
}

Type Upgrade::getElement(Value value) {
  return getElementTypeOrSelf(value.getType());
}

void Upgrade::removeAttr(StringRef name) {
  changed |= bool(op->removeAttr(name));
}

void Upgrade::setAttr(StringRef name, Attribute value) {
  op->setAttr(name, value);
  changed = true;
}

void Upgrade::setInt(StringRef name, int64_t value) {
  setAttr(name, builder.getI64IntegerAttr(value));
}

void Upgrade::setString(StringRef name, StringRef value) {
  setAttr(name, builder.getStringAttr(value));
}

void Upgrade::setOperand(unsigned index, Value value) {
  SmallVector<Value> operands(op->getOperands());
  while (operands.size() <= index)
    operands.push_back(
        operands.size() == index
            ? value
            : NoValueOp::create(builder, op->getLoc(), builder.getNoneType())
                  .getResult());
  operands[index] = value;
  op->setOperands(operands);
  changed = true;
}

static std::string nameFor(const Upgrade &upgrade, StringRef label) {
  StringRef base;
  if (auto name = upgrade.op->getAttrOfType<StringAttr>("onnx.node_name"))
    base = name.getValue();
  if (base.empty())
    base = upgrade.node.getOpType();
  return (base + "_" + label).str();
}

Value Upgrade::initializer(const HostTensor &tensor, StringRef label) {
  std::string name = nameFor(*this, label);
  ElementsAttr elements = toAttr(tensor, name);
  return InitializerOp::create(builder, op->getLoc(), elements.getType(), name,
                               elements, DictionaryAttr());
}

Value Upgrade::ints(ArrayRef<int64_t> values, StringRef label) {
  HostTensor tensor =
      HostTensor::allocate({int64_t(values.size())}, builder.getI64Type());
  llvm::copy(values, tensor.getMutableData<int64_t>().begin());
  return initializer(tensor, label);
}

Value Upgrade::scalar(double value, Type type, StringRef label) {
  HostTensor tensor = HostTensor::allocate({}, type);
  tensor.setDouble(0, value);
  return initializer(tensor, label);
}

Value Upgrade::create(StringRef opType, ValueRange inputs, Type result,
                      ArrayRef<NamedAttribute> attrs) {
  OperationState state(op->getLoc(), ("onnx." + opType).str(), inputs, result,
                       attrs);
  return builder.create(state)->getResult(0);
}

void Upgrade::replace(StringRef opType, ValueRange inputs,
                      ArrayRef<NamedAttribute> attrs) {
  OperationState state(op->getLoc(), ("onnx." + opType).str(), inputs,
                       op->getResultTypes(), attrs);
  for (StringRef name : {"onnx.node_name", "onnx.outputs", "onnx.doc_string",
                         "onnx.metadata_props"})
    if (Attribute attr = op->getAttr(name))
      state.addAttribute(name, attr);
  Operation *fresh = builder.create(state);
  op->replaceAllUsesWith(fresh);
  op->erase();
  op = fresh;
  node = Node(fresh);
  changed = true;
}

/// Opset 1 told which inputs could be overwritten.
static LogicalResult dropConsumedInputs(Upgrade &u) {
  if (u.crosses(6))
    u.removeAttr("consumed_inputs");
  return success();
}

//===----------------------------------------------------------------------===//
// Attributes that became inputs
//===----------------------------------------------------------------------===//

/// `axes` of Squeeze, Unsqueeze, Reduce*.
template <int64_t since> static LogicalResult moveAxes(Upgrade &u) {
  auto axes = u.node.findInts("axes");
  if (!u.crosses(since) || !axes)
    return success();
  // No axes and an empty list both mean all; the input form of ReduceX says so
  // by its absence.
  if (!axes->empty())
    u.setOperand(1, u.ints(*axes, "axes"));
  u.removeAttr("legacy_axes");
  return success();
}

static LogicalResult upgradeReduce(Upgrade &u) { return moveAxes<18>(u); }
static LogicalResult upgradeReduceSum(Upgrade &u) { return moveAxes<13>(u); }
static LogicalResult upgradeSqueeze(Upgrade &u) { return moveAxes<13>(u); }

static LogicalResult upgradeUnsqueeze(Upgrade &u) {
  auto axes = u.node.findInts("axes");
  if (u.crosses(13) && axes) {
    u.setOperand(1, u.ints(*axes, "axes"));
    u.removeAttr("legacy_axes");
  }
  return success();
}

static LogicalResult upgradeClip(Upgrade &u) {
  (void)dropConsumedInputs(u);
  if (!u.crosses(11))
    return success();
  Type type = Upgrade::getElement(u.node.getInput(0));
  // Before opset 12 the data are floats.
  if (!isa<FloatType>(type))
    type = u.builder.getF32Type();
  for (auto [index, name] : {std::pair(1u, "min"), std::pair(2u, "max")}) {
    if (!u.node.hasAttr(name))
      continue;
    u.setOperand(index, u.scalar(u.node.getFloat(name, 0), type, name));
    u.removeAttr((Twine("legacy_") + name).str());
  }
  return success();
}

static LogicalResult upgradeReshape(Upgrade &u) {
  (void)dropConsumedInputs(u);
  auto shape = u.node.findInts("shape");
  if (u.crosses(5) && shape) {
    u.setOperand(1, u.ints(*shape, "shape"));
    u.removeAttr("legacy_shape");
  }
  return success();
}

static LogicalResult upgradeSlice(Upgrade &u) {
  if (!u.crosses(10))
    return success();
  for (auto [index, name] :
       {std::pair(1u, "starts"), std::pair(2u, "ends"), std::pair(3u, "axes")})
    if (auto values = u.node.findInts(name)) {
      u.setOperand(index, u.ints(*values, name));
      u.removeAttr((Twine("legacy_") + name).str());
    }
  return success();
}

static LogicalResult upgradeSplit(Upgrade &u) {
  if (u.crosses(2) && u.node.getNumInputs() > 1 && !u.crosses(13))
    return u.fail("its sizes are an input, which opset 2 to 12 do not have");
  if (auto sizes = u.node.findInts("split"); sizes && u.crosses(13)) {
    u.setOperand(1, u.ints(*sizes, "split"));
    u.removeAttr("legacy_split");
  }
  if (u.crosses(18) && !u.node.hasInput(1) && !u.node.hasAttr("num_outputs"))
    u.setInt("num_outputs", u.op->getNumResults());
  return success();
}

static LogicalResult upgradeTopK(Upgrade &u) {
  if (auto k = u.node.findInt("k"); k && u.crosses(10)) {
    u.setOperand(1, u.ints(*k, "k"));
    u.removeAttr("legacy_k");
  }
  return success();
}

static LogicalResult upgradePad(Upgrade &u) {
  if (auto paddings = u.node.findInts("paddings"); paddings && u.crosses(2)) {
    u.setAttr("legacy_pads", u.builder.getDenseI64ArrayAttr(*paddings));
    u.removeAttr("paddings");
  }
  if (!u.crosses(11))
    return success();
  if (auto pads = u.node.findInts("pads")) {
    u.setOperand(1, u.ints(*pads, "pads"));
    u.removeAttr("legacy_pads");
  }
  if (u.node.hasAttr("value")) {
    Type type = Upgrade::getElement(u.node.getInput(0));
    if (!isa<FloatType>(type))
      type = u.builder.getF32Type();
    u.setOperand(2, u.scalar(u.node.getFloat("value", 0), type, "value"));
    u.removeAttr("value");
  }
  return success();
}

static LogicalResult upgradeDropout(Upgrade &u) {
  (void)dropConsumedInputs(u);
  // What every runtime does with models of opset 1 to 6: inference.
  if (u.crosses(7))
    u.removeAttr("is_test");
  if (u.crosses(10) && u.op->getNumResults() > 1 &&
      !u.op->getResult(1).use_empty())
    return u.fail("its mask, of the type of the data before opset 10, is used");
  if (u.crosses(12) && u.node.hasAttr("ratio")) {
    u.setOperand(1, u.scalar(u.node.getFloat("ratio", 0.5),
                             u.builder.getF32Type(), "ratio"));
    u.removeAttr("legacy_ratio");
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Broadcasting of opset 1 to 6
//===----------------------------------------------------------------------===//

/// Appends axes of size one to input 1, so that `axis` of input 0 is where it
/// starts.
static LogicalResult alignAt(Upgrade &u, int64_t axis) {
  Value a = u.node.getInput(0), b = u.node.getInput(1);
  auto rankA = Upgrade::getRank(a), rankB = Upgrade::getRank(b);
  if (!rankA || !rankB)
    return u.fail("it broadcasts along an axis and the ranks are not known; "
                  "run onnx-infer-shapes first");
  if (axis < 0)
    axis += *rankA;
  int64_t missing = *rankA - axis - *rankB;
  if (axis < 0 || missing < 0)
    return u.fail("its broadcast axis does not fit the shapes");
  if (missing == 0)
    return success();
  SmallVector<int64_t> axes,
      shape(cast<RankedTensorType>(b.getType()).getShape());
  for (int64_t i = 0; i < missing; ++i) {
    axes.push_back(*rankB + i);
    shape.push_back(1);
  }
  auto type = RankedTensorType::get(shape, Upgrade::getElement(b));
  if (u.crosses(13))
    b = u.create("Unsqueeze", {b, u.ints(axes, "axes")}, type);
  else
    b = u.create("Unsqueeze", b, type,
                 u.builder.getNamedAttr("legacy_axes",
                                        u.builder.getDenseI64ArrayAttr(axes)));
  u.setOperand(1, b);
  return success();
}

static LogicalResult upgradeBinary(Upgrade &u) {
  (void)dropConsumedInputs(u);
  if (!u.crosses(7))
    return success();
  if (u.node.getInt("broadcast", 0))
    if (auto axis = u.node.findInt("axis"))
      if (failed(alignAt(u, *axis)))
        return failure();
  u.removeAttr("axis");
  u.removeAttr("broadcast");
  return success();
}

static LogicalResult upgradeGemm(Upgrade &u) {
  if (u.crosses(7))
    u.removeAttr("broadcast");
  return success();
}

/// A slope per channel lay along axis 1; since opset 7 it broadcasts from the
/// right.
static LogicalResult upgradePRelu(Upgrade &u) {
  (void)dropConsumedInputs(u);
  if (!u.crosses(7))
    return success();
  auto slope = dyn_cast<RankedTensorType>(u.node.getInput(1).getType());
  if (slope && slope.getRank() == 1 && slope.getDimSize(0) != 1)
    return alignAt(u, 1);
  return slope ? success() : u.fail("the rank of its slope is not known");
}

//===----------------------------------------------------------------------===//
// Changed meaning
//===----------------------------------------------------------------------===//

/// Softmax, LogSoftmax, Hardmax worked on the input flattened at `axis` to a
/// matrix, since opset 13 along one axis.
static LogicalResult upgradeSoftmax(Upgrade &u) {
  if (!u.crosses(13))
    return success();
  int64_t axis = u.node.getInt("axis", 1);
  Value input = u.node.getInput(0);
  auto type = dyn_cast<RankedTensorType>(input.getType());
  if (type) {
    if (axis < 0)
      axis += type.getRank();
    if (axis == type.getRank() - 1) {
      u.setInt("axis", -1);
      return success();
    }
  }
  if (axis < 0)
    return u.fail("its axis counts from the end and the rank is not known");
  Type element = Upgrade::getElement(input);
  int64_t dynamic = ShapedType::kDynamic;
  SmallVector<int64_t> flat{dynamic, dynamic};
  if (type && axis <= type.getRank()) {
    auto count = [](ArrayRef<int64_t> sizes) {
      int64_t n = 1;
      for (int64_t size : sizes)
        n = ShapedType::isDynamic(size) || ShapedType::isDynamic(n)
                ? ShapedType::kDynamic
                : n * size;
      return n;
    };
    flat = {count(type.getShape().take_front(axis)),
            count(type.getShape().drop_front(axis))};
  }
  Value matrix =
      u.create("Flatten", input, RankedTensorType::get(flat, element),
               u.intAttr("axis", axis));
  Value soft = u.create(u.node.getOpType(), matrix, matrix.getType(),
                        u.intAttr("axis", 1));
  Value shape =
      u.create("Shape", input,
               RankedTensorType::get({type ? type.getRank() : dynamic},
                                     u.builder.getI64Type()));
  u.replace("Reshape", {soft, shape}, {});
  return success();
}

static LogicalResult upgradeBatchNormalization(Upgrade &u) {
  (void)dropConsumedInputs(u);
  bool usesMore = false;
  for (OpResult result : llvm::drop_begin(u.op->getResults()))
    usesMore |= !result.use_empty();
  if (u.crosses(9) && !u.node.getInt("spatial", 1))
    return u.fail("spatial = 0 has no equivalent");
  if (u.crosses(14) && usesMore)
    return u.fail("it trains: its running statistics are used");
  if (u.crosses(7))
    u.removeAttr("is_test");
  if (u.crosses(9))
    u.removeAttr("spatial");
  if (!u.crosses(14) || u.op->getNumResults() == 1)
    return success();
  // Outputs that opset 14 gives in training only.
  SmallVector<NamedAttribute> attrs;
  for (StringRef name : {"epsilon", "momentum"})
    if (Attribute attr = u.op->getAttr(name))
      attrs.push_back(u.builder.getNamedAttr(name, attr));
  Value y = u.create("BatchNormalization", u.op->getOperands(),
                     u.op->getResult(0).getType(), attrs);
  Operation *fresh = y.getDefiningOp();
  for (StringRef name : {"onnx.node_name", "onnx.doc_string"})
    if (Attribute attr = u.op->getAttr(name))
      fresh->setAttr(name, attr);
  if (auto outputs = u.op->getAttrOfType<ArrayAttr>("onnx.outputs"))
    if (!outputs.empty())
      fresh->setAttr("onnx.outputs", u.builder.getArrayAttr(outputs[0]));
  u.op->getResult(0).replaceAllUsesWith(y);
  u.op->erase();
  u.op = fresh;
  return success();
}

/// Upsample (deprecated in opset 10) and Resize of opset 10: output x comes
/// from input x / scale.
static LogicalResult upgradeToResize(Upgrade &u, Value scales,
                                     ArrayRef<double> values) {
  StringRef mode = u.node.getString("mode", "nearest");
  SmallVector<NamedAttribute> attrs{
      u.stringAttr("mode", mode == "bilinear" ? "linear" : mode),
      u.stringAttr("coordinate_transformation_mode", "asymmetric")};
  if (mode == "nearest") {
    // Runtimes round down when they enlarge, and up when they shrink.
    bool enlarges = llvm::all_of(values, [](double v) { return v >= 1; });
    bool shrinks = llvm::all_of(values, [](double v) { return v <= 1; });
    if (values.empty() || (!enlarges && !shrinks))
      return u.fail("the rounding of its nearest mode depends on its scales, "
                    "which are not constant or differ in direction");
    attrs.push_back(u.stringAttr("nearest_mode", enlarges ? "floor" : "ceil"));
  }
  Value roi;
  if (u.crosses(13))
    roi = NoValueOp::create(u.builder, u.op->getLoc(), u.builder.getNoneType());
  else
    roi =
        u.initializer(HostTensor::allocate({0}, u.builder.getF32Type()), "roi");
  u.replace("Resize", {u.node.getInput(0), roi, scales}, attrs);
  return success();
}

static LogicalResult upgradeResize(Upgrade &u) {
  if (u.crosses(11)) {
    Value scales = u.node.getInput(1);
    auto values = getConstantFloats(scales);
    return upgradeToResize(u, scales, values.value_or(SmallVector<double>()));
  }
  if (u.crosses(13) && u.node.getString("coordinate_transformation_mode", "") ==
                           "tf_half_pixel_for_nn")
    return u.fail("opset 13 dropped tf_half_pixel_for_nn");
  return success();
}

static LogicalResult upgradeUpsample(Upgrade &u) {
  Value scales = u.node.getInput(1);
  SmallVector<double> values;
  if (scales) {
    values = getConstantFloats(scales).value_or(SmallVector<double>());
  } else {
    if (auto attr =
            dyn_cast_or_null<DenseF32ArrayAttr>(u.node.getAttr("scales")))
      llvm::append_range(values, attr.asArrayRef());
    else
      values = {1, 1, u.node.getFloat("height_scale", 1),
                u.node.getFloat("width_scale", 1)};
    SmallVector<float> floats(values.begin(), values.end());
    if (u.crosses(9))
      scales =
          u.initializer(HostTensor::fromFloats({int64_t(floats.size())},
                                               u.builder.getF32Type(), floats),
                        "scales");
    else if (u.crosses(7)) {
      u.setAttr("legacy_scales", u.builder.getDenseF32ArrayAttr(floats));
      u.removeAttr("height_scale");
      u.removeAttr("width_scale");
    }
  }
  if (u.crosses(11))
    return upgradeToResize(u, scales, values);
  if (u.crosses(10))
    u.replace("Resize", {u.node.getInput(0), scales},
              u.stringAttr("mode", u.node.getString("mode", "nearest")));
  else if (u.crosses(9))
    u.replace("Upsample", {u.node.getInput(0), scales},
              u.stringAttr("mode", u.node.getString("mode", "nearest")));
  return success();
}

//===----------------------------------------------------------------------===//
// Attributes that changed
//===----------------------------------------------------------------------===//

static LogicalResult upgradeConcat(Upgrade &u) {
  if (u.crosses(4) && !u.node.hasAttr("axis"))
    u.setInt("axis", 1);
  return success();
}

static LogicalResult upgradeSelu(Upgrade &u) {
  (void)dropConsumedInputs(u);
  if (!u.crosses(6))
    return success();
  for (auto [name, value] : {std::pair("alpha", 1.6732f), {"gamma", 1.0507f}})
    if (!u.node.hasAttr(name))
      u.setAttr(name, u.builder.getF32FloatAttr(value));
  return success();
}

static LogicalResult upgradeRecurrent(Upgrade &u) {
  if (u.crosses(7))
    u.removeAttr("output_sequence");
  return success();
}

static LogicalResult upgradeGridSample(Upgrade &u) {
  if (!u.crosses(20))
    return success();
  StringRef mode = u.node.getString("mode", "bilinear");
  if (mode == "bilinear" && u.node.hasAttr("mode"))
    u.setString("mode", "linear");
  else if (mode == "bicubic")
    u.setString("mode", "cubic");
  return success();
}

static LogicalResult upgradeLpPool(Upgrade &u) {
  if (!u.crosses(2))
    return success();
  if (u.node.hasAttr("p"))
    return u.fail("its p is a float, which opset 2 does not have");
  return success();
}

static LogicalResult upgradeTile(Upgrade &u) {
  if (u.crosses(6))
    return u.fail("Tile of opset 1 repeats along one axis that is an input");
  return success();
}

static LogicalResult upgradeCast(Upgrade &u) {
  if (u.crosses(6) && u.node.hasAttr("to") && !u.node.findInt("to"))
    return u.fail("its type is a name, which opset 6 does not have");
  return success();
}

//===----------------------------------------------------------------------===//
// Operators that the dialect carries as onnx.Custom
//===----------------------------------------------------------------------===//

template <int64_t version> static LogicalResult refuse(Upgrade &u) {
  if (u.crosses(version))
    return u.fail("its signature changed in opset " + Twine(version));
  return success();
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

const llvm::StringMap<UpgradeRule> &onnx::getUpgradeRules() {
  static const llvm::StringMap<UpgradeRule> rules = [] {
    llvm::StringMap<UpgradeRule> r;
    for (StringRef name : {"Add", "Sub", "Mul", "Div", "Pow", "And", "Or",
                           "Xor", "Equal", "Greater", "Less"})
      r[name] = upgradeBinary;
    for (StringRef name :
         {"Abs", "Ceil", "Elu", "Exp", "Floor", "HardSigmoid",
          "InstanceNormalization", "LeakyRelu", "Log", "Max", "Mean", "Min",
          "Neg", "Reciprocal", "Relu", "Sigmoid", "Sqrt", "Sum", "Tanh"})
      r[name] = dropConsumedInputs;
    for (StringRef name : {"ReduceL1", "ReduceL2", "ReduceLogSum",
                           "ReduceLogSumExp", "ReduceMax", "ReduceMean",
                           "ReduceMin", "ReduceProd", "ReduceSumSquare"})
      r[name] = upgradeReduce;
    for (StringRef name : {"Softmax", "LogSoftmax", "Hardmax"})
      r[name] = upgradeSoftmax;
    for (StringRef name : {"RNN", "GRU", "LSTM"})
      r[name] = upgradeRecurrent;
    for (StringRef name : {"LpPool", "GlobalLpPool"})
      r[name] = upgradeLpPool;
    r["BatchNormalization"] = upgradeBatchNormalization;
    r["Cast"] = upgradeCast;
    r["Clip"] = upgradeClip;
    r["Concat"] = upgradeConcat;
    r["Dropout"] = upgradeDropout;
    r["Gemm"] = upgradeGemm;
    r["GridSample"] = upgradeGridSample;
    r["PRelu"] = upgradePRelu;
    r["Pad"] = upgradePad;
    r["ReduceSum"] = upgradeReduceSum;
    r["Reshape"] = upgradeReshape;
    r["Resize"] = upgradeResize;
    r["Selu"] = upgradeSelu;
    r["Slice"] = upgradeSlice;
    r["Split"] = upgradeSplit;
    r["Squeeze"] = upgradeSqueeze;
    r["Tile"] = upgradeTile;
    r["TopK"] = upgradeTopK;
    r["Unsqueeze"] = upgradeUnsqueeze;
    r["Upsample"] = upgradeUpsample;
    r["DFT"] = refuse<20>;
    r["GroupNormalization"] = refuse<21>;
    r["RoiAlign"] = refuse<16>;
    r["Scatter"] = refuse<11>;
    return r;
  }();
  return rules;
}

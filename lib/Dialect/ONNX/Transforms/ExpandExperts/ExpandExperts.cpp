//===- ExpandExperts.cpp - onnx-expand-experts ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/ExpandExperts/ExpandExperts.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"

namespace compress::onnx {
#define GEN_PASS_DEF_EXPANDEXPERTS
#include "compress/Dialect/ONNX/Transforms/ExpandExperts/ExpandExperts.h.inc"
} // namespace compress::onnx

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

namespace {

/// The inputs and attributes of `com.microsoft.MoE`, as ONNX Runtime 1.31
/// documents and computes them.
struct Mixture {
  CustomOp op;
  Value input, router;
  /// [experts, hidden, inputs], [experts, hidden], [experts, outputs, hidden],
  /// [experts, outputs]; biases may be missing.
  HostTensor up, upBias, down, downBias;
  std::string upName, downName;
  int64_t numChosen = 1;
  bool isNormalized = false;
  std::string activation;

  int64_t getNumExperts() const { return up.getShape()[0]; }
};

/// Builds operators whose shapes are for inference to find.
class NodeBuilder {
public:
  NodeBuilder(Operation *before, StringRef prefix)
      : b(before), loc(before->getLoc()), prefix(prefix) {}

  Value make(StringRef type, ValueRange operands, Type element,
             ArrayRef<NamedAttribute> attributes = {}) {
    OperationState state(loc, ("onnx." + type).str());
    state.addOperands(operands);
    state.addAttributes(attributes);
    state.addTypes(UnrankedTensorType::get(element));
    return b.create(state)->getResult(0);
  }
  NamedAttribute integer(StringRef name, int64_t value) {
    return b.getNamedAttr(name, b.getI64IntegerAttr(value));
  }
  Value constant(const HostTensor &tensor, StringRef name) {
    ElementsAttr attr = toAttr(tensor, name);
    return InitializerOp::create(b, loc, attr.getType(), b.getStringAttr(name),
                                 attr, DictionaryAttr())
        .getResult();
  }
  Value integers(ArrayRef<int64_t> values, StringRef name) {
    HostTensor tensor =
        HostTensor::allocate({int64_t(values.size())}, b.getI64Type());
    for (auto [i, value] : llvm::enumerate(values))
      tensor.setBits(i, uint64_t(value));
    return constant(tensor, prefix + "." + name.str());
  }
  Value number(double value, StringRef name) {
    HostTensor tensor = HostTensor::allocate({}, b.getF32Type());
    tensor.setDouble(0, value);
    return constant(tensor, prefix + "." + name.str());
  }
  void mark(Value value, StringRef role) {
    value.getDefiningOp()->setAttr(routedAttr, b.getStringAttr(role));
  }
  Type f32() { return b.getF32Type(); }
  Type i1() { return b.getI1Type(); }
  Type i64() { return b.getI64Type(); }

private:
  OpBuilder b;
  Location loc;
  std::string prefix;
};

} // namespace

/// A constant f32 tensor of this rank; nothing for any other.
static std::optional<HostTensor> getTensor(Value value, int64_t rank) {
  auto tensor = getConstant(value);
  if (failed(tensor) || tensor->getRank() != rank ||
      !tensor->getElementType().isF32())
    return std::nullopt;
  return *tensor;
}

static std::string getName(Value constant) {
  if (auto initializer = constant.getDefiningOp<InitializerOp>())
    return initializer.getName().str();
  return "experts";
}

static std::optional<Mixture> matchMixture(CustomOp op) {
  if (op.getOpType() != "MoE" || op.getDomain() != "com.microsoft" ||
      op->getNumResults() != 1 || getOpsetVersion(op) < 13)
    return std::nullopt;
  Node node(op);
  Mixture mixture;
  mixture.op = op;
  for (unsigned i : {6u, 7u})
    if (i < node.getNumInputs() && node.hasInput(i))
      return std::nullopt;
  if (node.getNumInputs() < 5)
    return std::nullopt;
  mixture.input = node.getInput(0);
  mixture.router = node.getInput(1);
  auto type = dyn_cast<RankedTensorType>(mixture.input.getType());
  auto up = getTensor(node.getInput(2), 3),
       down = getTensor(node.getInput(4), 3);
  if (!type || type.getRank() < 2 || type.getRank() > 3 ||
      !type.getElementType().isF32() || !up || !down)
    return std::nullopt;
  mixture.up = *up;
  mixture.down = *down;
  mixture.upName = getName(node.getInput(2));
  mixture.downName = getName(node.getInput(4));
  ArrayRef<int64_t> u = up->getShape(), d = down->getShape();
  if (u[0] < 1 || d[0] != u[0] || d[2] != u[1] ||
      (type.getShape().back() != u[2] &&
       !ShapedType::isDynamic(type.getShape().back())))
    return std::nullopt;
  for (auto [index, bias, size] : {std::tuple(3u, &mixture.upBias, u[1]),
                                   std::tuple(5u, &mixture.downBias, d[1])}) {
    if (index >= node.getNumInputs() || !node.hasInput(index))
      continue;
    auto tensor = getTensor(node.getInput(index), 2);
    if (!tensor || tensor->getShape()[0] != u[0] ||
        tensor->getShape()[1] != size)
      return std::nullopt;
    *bias = *tensor;
  }
  mixture.numChosen = node.getInt("k", 1);
  mixture.isNormalized = node.getInt("normalize_routing_weights", 0) != 0;
  mixture.activation = node.getString("activation_type", "relu").str();
  if (mixture.numChosen < 1 || mixture.numChosen > u[0] ||
      node.getInt("use_sparse_mixer", 0) ||
      !llvm::is_contained({"relu", "silu", "identity"},
                          StringRef(mixture.activation)))
    return std::nullopt;
  return mixture;
}

/// One expert's weight of a stack [experts, outputs, inputs], as a matrix
/// product takes it: [inputs, outputs].
static HostTensor getExpert(const HostTensor &stack, int64_t expert) {
  int64_t outputs = stack.getShape()[1], inputs = stack.getShape()[2];
  HostTensor result =
      HostTensor::allocate({inputs, outputs}, stack.getElementType());
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t i = 0; i < inputs; ++i)
      result.setBits(i * outputs + o,
                     stack.getBits((expert * outputs + o) * inputs + i));
  return result;
}

static HostTensor getRow(const HostTensor &matrix, int64_t row) {
  int64_t size = matrix.getShape()[1];
  HostTensor result = HostTensor::allocate({size}, matrix.getElementType());
  for (int64_t i = 0; i < size; ++i)
    result.setBits(i, matrix.getBits(row * size + i));
  return result;
}

static ExpertLayer expand(Mixture &mixture, double threshold) {
  ExpertLayer layer;
  layer.numChosen = mixture.numChosen;
  std::string prefix = mixture.upName;
  if (auto name = mixture.op->getAttrOfType<StringAttr>("onnx.node_name"))
    prefix = name.str();
  layer.node = prefix;
  NodeBuilder b(mixture.op, prefix);
  int64_t experts = mixture.getNumExperts();
  auto type = cast<RankedTensorType>(mixture.input.getType());
  Value x = mixture.input, shape;
  if (type.getRank() != 2) {
    shape = b.make("Shape", x, b.i64());
    x = b.make("Reshape",
               {x, b.integers({-1, mixture.up.getShape()[2]}, "rows")},
               b.f32());
  }

  // The experts of each token, one after the other; of equals the first.
  Value chances =
      b.make("Softmax", mixture.router, b.f32(), b.integer("axis", -1));
  SmallVector<int64_t> numbers(experts);
  for (int64_t i = 0; i < experts; ++i)
    numbers[i] = i;
  Value range = b.integers(numbers, "experts"), last = b.integers({-1}, "last");
  Value zero = b.number(0, "zero"), taken = b.number(-1, "taken");
  Value left = chances, chosen, least;
  for (int64_t i = 0; i < mixture.numChosen; ++i) {
    Value best = b.make("ArgMax", left, b.i64(),
                        {b.integer("axis", -1), b.integer("keepdims", 1)});
    Value isBest = b.make("Equal", {best, range}, b.i1());
    left = b.make("Where", {isBest, taken, left}, b.f32());
    if (i == 0) {
      chosen = isBest;
      if (threshold > 0 && mixture.numChosen > 1) {
        Value most =
            b.make("ReduceSum",
                   {b.make("Where", {isBest, chances, zero}, b.f32()), last},
                   b.f32(), b.integer("keepdims", 1));
        least =
            b.make("Mul", {most, b.number(threshold, "threshold")}, b.f32());
      }
      continue;
    }
    if (least)
      isBest = b.make(
          "And", {isBest, b.make("GreaterOrEqual", {chances, least}, b.i1())},
          b.i1());
    chosen = b.make("Or", {chosen, isBest}, b.i1());
  }
  Value gates = b.make("Where", {chosen, chances, zero}, b.f32());
  if (mixture.isNormalized)
    gates = b.make("Div",
                   {gates, b.make("ReduceSum", {gates, last}, b.f32(),
                                  b.integer("keepdims", 1))},
                   b.f32());
  Value masks = b.make("Where", {chosen, b.number(1, "one"), zero}, b.f32());

  Value sum;
  for (int64_t e = 0; e < experts; ++e) {
    std::string number = "." + std::to_string(e);
    Value column = b.integers({e}, "expert" + number);
    auto take = [&](Value of) {
      return b.make("Gather", {of, column}, b.f32(), b.integer("axis", 1));
    };
    Value gate = take(gates);
    layer.weights.push_back(mixture.upName + number);
    Value masked = b.make("Mul", {x, take(masks)}, b.f32());
    b.mark(masked, routedIn);
    Value h = b.make(
        "MatMul",
        {masked, b.constant(getExpert(mixture.up, e), mixture.upName + number)},
        b.f32());
    if (mixture.upBias)
      h = b.make("Add",
                 {h, b.constant(getRow(mixture.upBias, e),
                                mixture.upName + ".bias" + number)},
                 b.f32());
    if (mixture.activation == "relu")
      h = b.make("Relu", h, b.f32());
    else if (mixture.activation == "silu")
      h = b.make("Mul", {h, b.make("Sigmoid", h, b.f32())}, b.f32());
    Value y = b.make(
        "MatMul",
        {b.make("Mul", {h, gate}, b.f32()),
         b.constant(getExpert(mixture.down, e), mixture.downName + number)},
        b.f32());
    if (mixture.downBias)
      y = b.make(
          "Add",
          {y, b.make("Mul",
                     {gate, b.constant(getRow(mixture.downBias, e),
                                       mixture.downName + ".bias" + number)},
                     b.f32())},
          b.f32());
    b.mark(y, routedOut);
    sum = sum ? b.make("Add", {sum, y}, b.f32()) : y;
  }
  if (shape)
    sum = b.make("Reshape", {sum, shape}, b.f32());
  sum.setType(mixture.op->getResult(0).getType());
  if (Attribute outputs = mixture.op->getAttr("onnx.outputs"))
    sum.getDefiningOp()->setAttr("onnx.outputs", outputs);
  mixture.op->getResult(0).replaceAllUsesWith(sum);
  SmallVector<Value> operands(mixture.op->getOperands());
  mixture.op->erase();
  for (Value operand : operands)
    if (operand.use_empty() && operand.getDefiningOp<InitializerOp>())
      operand.getDefiningOp()->erase();
  return layer;
}

std::vector<ExpertLayer>
compress::onnx::expandExperts(FunctionOpInterface function, double threshold) {
  SmallVector<CustomOp> ops;
  function->walk([&](CustomOp op) { ops.push_back(op); });
  std::vector<ExpertLayer> layers;
  for (CustomOp op : ops)
    if (auto mixture = matchMixture(op))
      layers.push_back(expand(*mixture, threshold));
  return layers;
}

namespace {
struct ExpandExpertsPass : onnx::impl::ExpandExpertsBase<ExpandExpertsPass> {
  using ExpandExpertsBase::ExpandExpertsBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!function.isExternal())
      numExpanded +=
          expandExperts(cast<FunctionOpInterface>(function.getOperation()),
                        threshold)
              .size();
  }
};
} // namespace

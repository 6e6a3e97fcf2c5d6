//===- ExpandExperts.cpp - onnx-expand-experts ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/ExpandExperts/ExpandExperts.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"
#include <cmath>

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
  /// [experts, outputs]; biases may be missing. With `swiglu`, what is gated
  /// comes after each of the hidden values: twice as many.
  HostTensor up, upBias, down, downBias;
  std::string upName, downName;
  int64_t numChosen = 1;
  bool isNormalized = false;
  std::string activation;
  /// Of `swiglu`: g sigmoid(alpha g) (l + beta), both limited.
  double alpha = 1, beta = 0, limit = INFINITY;

  bool isGated() const { return activation == "swiglu"; }
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

/// Why a mixture is left as it is goes to `reason`.
static std::optional<Mixture> matchMixture(CustomOp op, std::string &reason) {
  auto refuse = [&](const Twine &why) {
    reason = why.str();
    return std::nullopt;
  };
  Node node(op);
  Mixture mixture;
  mixture.op = op;
  if (op->getNumResults() != 1 || node.getNumInputs() < 5)
    return refuse("it has not the inputs and outputs of its definition");
  if (getOpsetVersion(op) < 13)
    return refuse("the opset is older than 13");
  for (unsigned i : {6u, 7u})
    if (i < node.getNumInputs() && node.hasInput(i))
      return refuse("a third weight is not supported");
  mixture.input = node.getInput(0);
  mixture.router = node.getInput(1);
  auto type = dyn_cast<RankedTensorType>(mixture.input.getType());
  auto up = getTensor(node.getInput(2), 3),
       down = getTensor(node.getInput(4), 3);
  if (!type || type.getRank() < 2 || type.getRank() > 3 ||
      !type.getElementType().isF32())
    return refuse("its input is not f32 of rank 2 or 3");
  if (!up || !down)
    return refuse("its weights are not constants of f32");
  mixture.up = *up;
  mixture.down = *down;
  mixture.upName = getName(node.getInput(2));
  mixture.downName = getName(node.getInput(4));
  mixture.numChosen = node.getInt("k", 1);
  mixture.isNormalized = node.getInt("normalize_routing_weights", 0) != 0;
  mixture.activation = node.getString("activation_type", "relu").str();
  mixture.alpha = node.getFloat("activation_alpha", 1);
  mixture.beta = node.getFloat("activation_beta", 0);
  mixture.limit = node.getFloat("swiglu_limit", INFINITY);
  if (!llvm::is_contained({"relu", "gelu", "silu", "swiglu", "identity"},
                          StringRef(mixture.activation)))
    return refuse("activation '" + mixture.activation + "' is not known");
  if (mixture.isGated() && node.getInt("swiglu_fusion", 0) != 1)
    return refuse("swiglu is supported with swiglu_fusion = 1 only");
  if (node.getInt("use_sparse_mixer", 0))
    return refuse("the sparse mixer is not supported");
  ArrayRef<int64_t> u = up->getShape(), d = down->getShape();
  if (u[0] < 1 || d[0] != u[0] || d[2] * (mixture.isGated() ? 2 : 1) != u[1] ||
      mixture.numChosen < 1 || mixture.numChosen > u[0] ||
      (type.getShape().back() != u[2] &&
       !ShapedType::isDynamic(type.getShape().back())))
    return refuse("the shapes of its weights do not fit");
  for (auto [index, bias, size] : {std::tuple(3u, &mixture.upBias, u[1]),
                                   std::tuple(5u, &mixture.downBias, d[1])}) {
    if (index >= node.getNumInputs() || !node.hasInput(index))
      continue;
    auto tensor = getTensor(node.getInput(index), 2);
    if (!tensor || tensor->getShape()[0] != u[0] ||
        tensor->getShape()[1] != size)
      return refuse("a bias does not fit");
    *bias = *tensor;
  }
  return mixture;
}

/// One expert's weight of a stack [experts, outputs, inputs], as a matrix
/// product takes it: [inputs, outputs]. Of every `step` outputs, the one at
/// `first`.
static HostTensor getExpert(const HostTensor &stack, int64_t expert,
                            int64_t first = 0, int64_t step = 1) {
  int64_t stacked = stack.getShape()[1], inputs = stack.getShape()[2];
  int64_t outputs = stacked / step;
  HostTensor result =
      HostTensor::allocate({inputs, outputs}, stack.getElementType());
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t i = 0; i < inputs; ++i)
      result.setBits(
          i * outputs + o,
          stack.getBits((expert * stacked + o * step + first) * inputs + i));
  return result;
}

static HostTensor getRow(const HostTensor &matrix, int64_t row,
                         int64_t first = 0, int64_t step = 1) {
  int64_t stacked = matrix.getShape()[1], size = stacked / step;
  HostTensor result = HostTensor::allocate({size}, matrix.getElementType());
  for (int64_t i = 0; i < size; ++i)
    result.setBits(i, matrix.getBits(row * stacked + i * step + first));
  return result;
}

static Value buildActivation(NodeBuilder &b, const Mixture &mixture, Value h) {
  auto number = [&](double value, StringRef name) {
    return b.number(value, "gelu." + name.str());
  };
  auto make = [&](StringRef type, ValueRange operands) {
    return b.make(type, operands, b.f32());
  };
  if (mixture.activation == "relu")
    return make("Relu", h);
  if (mixture.activation == "silu")
    return make("Mul", {h, make("Sigmoid", h)});
  if (mixture.activation != "gelu")
    return h;
  // h / 2 (1 + tanh(sqrt(2 / pi) (h + 0.044715 h^3)))
  Value square = make("Mul", {h, h});
  Value inner = make("Add", {h, make("Mul", {make("Mul", {h, square}),
                                             number(0.044715, "cubic")})});
  Value tanh =
      make("Tanh", make("Mul", {inner, number(std::sqrt(2 / M_PI), "slope")}));
  return make("Mul", {make("Mul", {h, number(0.5, "half")}),
                      make("Add", {tanh, number(1, "one")})});
}

static Value buildSwiGLU(NodeBuilder &b, const Mixture &mixture, Value gate,
                         Value linear) {
  auto number = [&](double value, StringRef name) {
    return b.number(value, "swiglu." + name.str());
  };
  auto make = [&](StringRef type, ValueRange operands) {
    return b.make(type, operands, b.f32());
  };
  if (std::isfinite(mixture.limit)) {
    Value limit = number(mixture.limit, "limit");
    gate = make("Min", {gate, limit});
    linear = make(
        "Max", {make("Min", {linear, limit}), number(-mixture.limit, "least")});
  }
  Value scaled = gate;
  if (mixture.alpha != 1)
    scaled = make("Mul", {gate, number(mixture.alpha, "alpha")});
  if (mixture.beta != 0)
    linear = make("Add", {linear, number(mixture.beta, "beta")});
  return make("Mul", {make("Mul", {gate, make("Sigmoid", scaled)}), linear});
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
    Value masked = b.make("Mul", {x, take(masks)}, b.f32());
    b.mark(masked, routedIn);
    // Hidden values; gates and what they gate are products of their own.
    auto project = [&](StringRef part, int64_t first, int64_t step) {
      std::string name = mixture.upName + number + part.str();
      Value h = b.make(
          "MatMul",
          {masked, b.constant(getExpert(mixture.up, e, first, step), name)},
          b.f32());
      if (!mixture.upBias)
        return h;
      return b.make(
          "Add",
          {h, b.constant(getRow(mixture.upBias, e, first, step),
                         mixture.upName + ".bias" + number + part.str())},
          b.f32());
    };
    layer.weights.push_back(mixture.upName + number +
                            (mixture.isGated() ? ".gate" : ""));
    Value h = mixture.isGated()
                  ? buildSwiGLU(b, mixture, project(".gate", 0, 2),
                                project(".linear", 1, 2))
                  : buildActivation(b, mixture, project("", 0, 1));
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
  for (CustomOp op : ops) {
    if (op.getOpType() != "MoE" || op.getDomain() != "com.microsoft")
      continue;
    std::string reason;
    if (auto mixture = matchMixture(op, reason))
      layers.push_back(expand(*mixture, threshold));
    else
      op.emitRemark() << "this mixture of experts is not expanded: " << reason;
  }
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

//===- Evaluate.cpp - Operators on host tensors -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Evaluation.h"
#include "compress/Dialect/ONNX/Transforms/ConstantFold/ConstantFold.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

template <double (*fn)(double)> static LogicalResult unary(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  HostTensor &y = e.outputs[0];
  if (!isa<FloatType>(x.getElementType()) ||
      x.getNumElements() != y.getNumElements())
    return failure();
  for (int64_t i = 0, n = y.getNumElements(); i < n; ++i)
    y.setDouble(i, fn(x.getDouble(i)));
  return success();
}

static double reciprocal(double x) { return 1.0 / x; }
static double relu(double x) { return x > 0 ? x : (x == x ? 0.0 : x); }
static double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
static double signOf(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

template <double (*fn)(double), uint64_t (*ifn)(uint64_t)>
static LogicalResult unaryBoth(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  if (isa<FloatType>(x.getElementType()))
    return unary<fn>(e);
  HostTensor &y = e.outputs[0];
  if (x.getNumElements() != y.getNumElements())
    return failure();
  for (int64_t i = 0, n = y.getNumElements(); i < n; ++i)
    y.setBits(i, ifn(x.getInt(i)) &
                     llvm::maskTrailingOnes<uint64_t>(y.getBitWidth()));
  return success();
}

static double negF(double x) { return -x; }
static uint64_t negI(uint64_t x) { return 0 - x; }
static double absF(double x) { return std::fabs(x); }
static uint64_t absI(uint64_t x) { return int64_t(x) < 0 ? 0 - x : x; }

/// A binary operator in doubles for floats and in 64-bit integers, which wrap
/// when stored. An integer operator that returns nothing fails.
struct Binary {
  double (*onFloats)(double, double);
  std::optional<int64_t> (*onInts)(int64_t, int64_t, bool isUnsigned);
};

static LogicalResult binary(Evaluation &e, const Binary &op) {
  HostTensor &y = e.outputs[0];
  if (e.node.hasAttr("broadcast"))
    return failure();
  HostTensor acc = e.inputs[0];
  for (unsigned k = 1; k < e.inputs.size() || k == 1; ++k) {
    if (e.inputs.size() < 2)
      break;
    const HostTensor &b = e.inputs[k];
    if (!canBroadcast(acc, y.getShape()) || !canBroadcast(b, y.getShape()) ||
        acc.getElementType() != b.getElementType())
      return failure();
    bool last = k + 1 == e.inputs.size();
    HostTensor next =
        last ? y : HostTensor::allocate(y.getShape(), acc.getElementType());
    bool isFloat = isa<FloatType>(acc.getElementType());
    if ((isFloat && !op.onFloats) || (!isFloat && !op.onInts))
      return failure();
    bool isUnsignedType = isUnsigned(acc.getElementType());
    auto stridesA = broadcastStrides(acc.getShape(), y.getShape());
    auto stridesB = broadcastStrides(b.getShape(), y.getShape());
    SmallVector<int64_t> offsetsB;
    offsetsB.reserve(y.getNumElements());
    forEach(y.getShape(), stridesB, 0,
            [&](int64_t, int64_t offset) { offsetsB.push_back(offset); });
    bool ok = true;
    uint64_t mask = llvm::maskTrailingOnes<uint64_t>(next.getBitWidth());
    bool toFloat = isa<FloatType>(next.getElementType());
    forEach(y.getShape(), stridesA, 0, [&](int64_t at, int64_t offset) {
      if (isFloat) {
        double value =
            op.onFloats(acc.getDouble(offset), b.getDouble(offsetsB[at]));
        if (toFloat)
          next.setDouble(at, value);
        else
          next.setBits(at, uint64_t(value != 0));
        return;
      }
      auto value =
          op.onInts(acc.getInt(offset), b.getInt(offsetsB[at]), isUnsignedType);
      if (!value || toFloat) {
        ok = false;
        return;
      }
      next.setBits(at, uint64_t(*value) & mask);
    });
    if (!ok)
      return failure();
    acc = next;
  }
  if (e.inputs.size() == 1) {
    if (acc.getNumElements() != y.getNumElements())
      return failure();
    y = acc;
  }
  return success();
}

#define FLOAT_OP(expr)                                                         \
  [](double a, double b) -> double {                                           \
    (void)a, (void)b;                                                          \
    return expr;                                                               \
  }
#define INT_OP(expr)                                                           \
  [](int64_t a, int64_t b, bool u) -> std::optional<int64_t> {                 \
    (void)u;                                                                   \
    return expr;                                                               \
  }

static bool lessInt(int64_t a, int64_t b, bool isUnsigned) {
  return isUnsigned ? uint64_t(a) < uint64_t(b) : a < b;
}

static std::optional<int64_t> divideInts(int64_t a, int64_t b,
                                         bool isUnsigned) {
  if (b == 0 || (!isUnsigned && b == -1 && a == INT64_MIN))
    return std::nullopt;
  return isUnsigned ? int64_t(uint64_t(a) / uint64_t(b)) : a / b;
}

/// Modulo with the sign of the divisor.
static std::optional<int64_t> modInts(int64_t a, int64_t b, bool isUnsigned) {
  auto quotient = divideInts(a, b, isUnsigned);
  if (!quotient)
    return std::nullopt;
  int64_t rest = a - *quotient * b;
  return !isUnsigned && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static const Binary *findBinary(StringRef name) {
  static const llvm::StringMap<Binary> table = {
      {"Add", {FLOAT_OP(a + b), INT_OP(int64_t(uint64_t(a) + uint64_t(b)))}},
      {"Sum", {FLOAT_OP(a + b), INT_OP(int64_t(uint64_t(a) + uint64_t(b)))}},
      {"Sub", {FLOAT_OP(a - b), INT_OP(int64_t(uint64_t(a) - uint64_t(b)))}},
      {"Mul", {FLOAT_OP(a * b), INT_OP(int64_t(uint64_t(a) * uint64_t(b)))}},
      {"Div", {FLOAT_OP(a / b), divideInts}},
      {"Pow", {FLOAT_OP(std::pow(a, b)), nullptr}},
      {"Mod", {nullptr, modInts}},
      {"Min",
       {FLOAT_OP(a != a || a < b ? a : b), INT_OP(lessInt(a, b, u) ? a : b)}},
      {"Max",
       {FLOAT_OP(a != a || a > b ? a : b), INT_OP(lessInt(a, b, u) ? b : a)}},
      {"And", {nullptr, INT_OP(a & b)}},
      {"Or", {nullptr, INT_OP(a | b)}},
      {"Xor", {nullptr, INT_OP(a ^ b)}},
      {"BitwiseAnd", {nullptr, INT_OP(a & b)}},
      {"BitwiseOr", {nullptr, INT_OP(a | b)}},
      {"BitwiseXor", {nullptr, INT_OP(a ^ b)}},
      {"Equal", {FLOAT_OP(a == b), INT_OP(int64_t(a == b))}},
      {"Less", {FLOAT_OP(a < b), INT_OP(int64_t(lessInt(a, b, u)))}},
      {"Greater", {FLOAT_OP(a > b), INT_OP(int64_t(lessInt(b, a, u)))}},
      {"LessOrEqual", {FLOAT_OP(a <= b), INT_OP(int64_t(!lessInt(b, a, u)))}},
      {"GreaterOrEqual",
       {FLOAT_OP(a >= b), INT_OP(int64_t(!lessInt(a, b, u)))}},
  };
  auto it = table.find(name);
  return it == table.end() ? nullptr : &it->second;
}

static LogicalResult notOp(Evaluation &e) {
  if (!e.outputs[0].getElementType().isInteger(1) ||
      e.inputs[0].getNumElements() != e.outputs[0].getNumElements())
    return failure();
  for (int64_t i = 0, n = e.outputs[0].getNumElements(); i < n; ++i)
    e.outputs[0].setBits(i, !e.inputs[0].getBits(i));
  return success();
}

static LogicalResult whereOp(Evaluation &e) {
  HostTensor &y = e.outputs[0];
  for (unsigned i = 0; i < 3; ++i)
    if (!e.has(i) || !canBroadcast(e.inputs[i], y.getShape()))
      return failure();
  HostTensor parts[3];
  for (unsigned i = 0; i < 3; ++i) {
    parts[i] = HostTensor::allocate(y.getShape(), e.inputs[i].getElementType());
    copyView(parts[i], e.inputs[i],
             broadcastStrides(e.inputs[i].getShape(), y.getShape()), 0);
  }
  for (int64_t i = 0, n = y.getNumElements(); i < n; ++i)
    y.setBits(i, parts[parts[0].getBits(i) ? 1 : 2].getBits(i));
  return success();
}

static LogicalResult castOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  HostTensor &y = e.outputs[0];
  if (x.getNumElements() != y.getNumElements())
    return failure();
  Type from = x.getElementType(), to = y.getElementType();
  // Rounding to 8-bit floats depends on `saturate`; left to run time.
  if (isa<FloatType>(to) && y.getBitWidth() < 16)
    return failure();
  uint64_t mask = llvm::maskTrailingOnes<uint64_t>(y.getBitWidth());
  for (int64_t i = 0, n = y.getNumElements(); i < n; ++i) {
    if (to.isInteger(1)) {
      y.setBits(i, isa<FloatType>(from) ? x.getDouble(i) != 0.0
                                        : x.getBits(i) != 0);
    } else if (isa<IntegerType>(from) && isa<IntegerType>(to)) {
      y.setBits(i, uint64_t(x.getInt(i)) & mask);
    } else if (isa<IntegerType>(to)) {
      double value = std::trunc(x.getDouble(i));
      if (!(std::fabs(value) < 9.2e18))
        return failure(); // undefined in the standard
      y.setBits(i, uint64_t(int64_t(value)) & mask);
    } else {
      y.setDouble(i, x.getDouble(i));
    }
  }
  return success();
}

static const llvm::StringMap<Evaluator> &evaluators() {
  static const llvm::StringMap<Evaluator> table = [] {
    llvm::StringMap<Evaluator> table = {
        {"Sqrt", unary<std::sqrt>},
        {"Exp", unary<std::exp>},
        {"Log", unary<std::log>},
        {"Reciprocal", unary<reciprocal>},
        {"Floor", unary<std::floor>},
        {"Ceil", unary<std::ceil>},
        {"Round", unary<std::nearbyint>},
        {"Relu", unary<relu>},
        {"Sigmoid", unary<sigmoid>},
        {"Tanh", unary<std::tanh>},
        {"Erf", unary<std::erf>},
        {"Sin", unary<std::sin>},
        {"Cos", unary<std::cos>},
        {"Sign", unary<signOf>},
        {"Neg", unaryBoth<negF, negI>},
        {"Abs", unaryBoth<absF, absI>},
        {"Not", notOp},
        {"Where", whereOp},
        {"Cast", castOp},
    };
    addMovementEvaluators(table);
    return table;
  }();
  return table;
}

bool onnx::canEvaluate(StringRef opType) {
  return evaluators().contains(opType) || findBinary(opType);
}

FailureOr<SmallVector<HostTensor>> onnx::evaluate(const Node &node,
                                                  ArrayRef<HostTensor> inputs) {
  if (inputs.empty() || !inputs[0])
    return failure();
  SmallVector<HostTensor> outputs;
  for (Type type : node.getOperation()->getResultTypes()) {
    auto ranked = dyn_cast<RankedTensorType>(type);
    if (!ranked || !ranked.hasStaticShape() ||
        !HostTensor::getWidth(ranked.getElementType()))
      return failure();
    outputs.push_back(
        HostTensor::allocate(ranked.getShape(), ranked.getElementType()));
  }
  Evaluation evaluation{node, inputs, outputs};
  if (const Binary *op = findBinary(node.getOpType())) {
    if (llvm::any_of(inputs, [](const HostTensor &t) { return !t; }) ||
        failed(binary(evaluation, *op)))
      return failure();
    return outputs;
  }
  auto it = evaluators().find(node.getOpType());
  if (it == evaluators().end() || failed(it->second(evaluation)))
    return failure();
  return outputs;
}

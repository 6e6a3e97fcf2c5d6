//===- Evaluate.cpp - Operators on host tensors -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/ConstantFold/ConstantFold.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

namespace {
/// What an evaluator sees.
struct Evaluation {
  const Node &node;
  ArrayRef<HostTensor> inputs;
  SmallVector<HostTensor> &outputs;

  bool has(unsigned i) const { return i < inputs.size() && inputs[i]; }
  std::optional<SmallVector<int64_t>> ints(unsigned i) const {
    if (!has(i) || !isa<IntegerType>(inputs[i].getElementType()))
      return std::nullopt;
    SmallVector<int64_t> result;
    for (int64_t k = 0, e = inputs[i].getNumElements(); k < e; ++k)
      result.push_back(inputs[i].getInt(k));
    return result;
  }
  std::optional<SmallVector<int64_t>> attrOrInts(StringRef name,
                                                 unsigned i) const {
    if (auto attr = node.findInts(name))
      return attr;
    return ints(i);
  }
};
using Evaluator = LogicalResult (*)(Evaluation &);
} // namespace

static SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = int64_t(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/// Visits the positions of `shape` in row-major order; `offset` is the inner
/// product of the position and `strides`.
static void forEach(ArrayRef<int64_t> shape, ArrayRef<int64_t> strides,
                    int64_t base,
                    llvm::function_ref<void(int64_t at, int64_t offset)> body) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  SmallVector<int64_t> position(shape.size(), 0);
  int64_t offset = base;
  for (int64_t at = 0; at < count; ++at) {
    body(at, offset);
    for (int64_t d = int64_t(shape.size()) - 1; d >= 0; --d) {
      offset += strides[d];
      if (++position[d] < shape[d])
        break;
      offset -= strides[d] * shape[d];
      position[d] = 0;
    }
  }
}

/// The strided view of `source` that `shape` at `strides` and `base` describes.
static void copyView(HostTensor &result, const HostTensor &source,
                     ArrayRef<int64_t> strides, int64_t base) {
  forEach(result.getShape(), strides, base, [&](int64_t at, int64_t offset) {
    result.setBits(at, source.getBits(offset));
  });
}

/// Strides that repeat `shape` over `target` by numpy broadcasting.
static SmallVector<int64_t> broadcastStrides(ArrayRef<int64_t> shape,
                                             ArrayRef<int64_t> target) {
  SmallVector<int64_t> strides = stridesOf(shape);
  SmallVector<int64_t> result(target.size(), 0);
  size_t lead = target.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i)
    result[lead + i] = shape[i] == 1 ? 0 : strides[i];
  return result;
}

static bool canBroadcast(const HostTensor &tensor, ArrayRef<int64_t> target) {
  ArrayRef<int64_t> shape = tensor.getShape();
  if (shape.size() > target.size())
    return false;
  size_t lead = target.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1 && shape[i] != target[lead + i])
      return false;
  return true;
}

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

//===----------------------------------------------------------------------===//
// Moving data
//===----------------------------------------------------------------------===//

static LogicalResult reshapeOp(Evaluation &e) {
  if (e.inputs[0].getNumElements() != e.outputs[0].getNumElements() ||
      e.inputs[0].getElementType() != e.outputs[0].getElementType())
    return failure();
  e.outputs[0] = e.inputs[0].reshape(e.outputs[0].getShape());
  return success();
}

static LogicalResult transposeOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  HostTensor &y = e.outputs[0];
  int64_t rank = x.getRank();
  auto perm = e.node.findInts("perm");
  if (y.getRank() != rank || (perm && int64_t(perm->size()) != rank))
    return failure();
  SmallVector<int64_t> from = stridesOf(x.getShape()), strides;
  for (int64_t i = 0; i < rank; ++i) {
    int64_t axis = perm ? (*perm)[i] : rank - 1 - i;
    if (axis < 0 || axis >= rank || x.getShape()[axis] != y.getShape()[i])
      return failure();
    strides.push_back(from[axis]);
  }
  copyView(y, x, strides, 0);
  return success();
}

static LogicalResult concatOp(Evaluation &e) {
  HostTensor &y = e.outputs[0];
  auto axis = normalizeAxis(e.node.getInt("axis", 1), y.getRank());
  if (!axis)
    return failure();
  int64_t outer = 1, inner = 1;
  for (int64_t i = 0; i < y.getRank(); ++i)
    (i < *axis ? outer : inner) *= i == *axis ? 1 : y.getShape()[i];
  int64_t at = 0, size = y.getShape()[*axis];
  for (const HostTensor &x : e.inputs) {
    if (!x || x.getRank() != y.getRank())
      return failure();
    int64_t part = x.getShape()[*axis];
    if (x.getNumElements() != outer * part * inner || at + part > size)
      return failure();
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < part * inner; ++i)
        y.setBits((o * size + at) * inner + i, x.getBits(o * part * inner + i));
    at += part;
  }
  return success(at == size);
}

static LogicalResult splitOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  auto axis = normalizeAxis(e.node.getInt("axis", 0), x.getRank());
  if (!axis)
    return failure();
  SmallVector<int64_t> strides = stridesOf(x.getShape());
  int64_t at = 0;
  for (HostTensor &y : e.outputs) {
    if (y.getRank() != x.getRank() ||
        at + y.getShape()[*axis] > x.getShape()[*axis])
      return failure();
    if (y.getNumElements())
      copyView(y, x, strides, at * strides[*axis]);
    at += y.getShape()[*axis];
  }
  return success();
}

static LogicalResult sliceOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  HostTensor &y = e.outputs[0];
  auto starts = e.attrOrInts("starts", 1), axes = e.attrOrInts("axes", 3),
       steps = e.ints(4);
  if (!starts || y.getRank() != x.getRank())
    return failure();
  SmallVector<int64_t> strides = stridesOf(x.getShape());
  int64_t base = 0;
  for (auto [i, start] : llvm::enumerate(*starts)) {
    auto axis = normalizeAxis(
        axes && i < axes->size() ? (*axes)[i] : int64_t(i), x.getRank());
    if (!axis)
      return failure();
    int64_t step = steps && i < steps->size() ? (*steps)[i] : 1;
    int64_t size = x.getShape()[*axis];
    int64_t first = start < 0 ? start + size : start;
    first = step > 0 ? std::clamp<int64_t>(first, 0, size)
                     : std::clamp<int64_t>(first, 0, size - 1);
    base += first * strides[*axis];
    strides[*axis] *= step;
  }
  if (y.getNumElements())
    copyView(y, x, strides, base);
  return success();
}

static LogicalResult gatherOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  HostTensor &y = e.outputs[0];
  auto indices = e.ints(1);
  auto axis = normalizeAxis(e.node.getInt("axis", 0), x.getRank());
  if (!indices || !axis)
    return failure();
  int64_t outer = 1, inner = 1, size = x.getShape()[*axis];
  for (int64_t i = 0; i < x.getRank(); ++i)
    (i < *axis ? outer : inner) *= i == *axis ? 1 : x.getShape()[i];
  int64_t count = indices->size();
  if (y.getNumElements() != outer * count * inner)
    return failure();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t k = 0; k < count; ++k) {
      auto at = normalizeAxis((*indices)[k], size);
      if (!at)
        return failure();
      for (int64_t i = 0; i < inner; ++i)
        y.setBits((o * count + k) * inner + i,
                  x.getBits((o * size + *at) * inner + i));
    }
  return success();
}

static LogicalResult expandOp(Evaluation &e) {
  if (!canBroadcast(e.inputs[0], e.outputs[0].getShape()))
    return failure();
  copyView(e.outputs[0], e.inputs[0],
           broadcastStrides(e.inputs[0].getShape(), e.outputs[0].getShape()),
           0);
  return success();
}

static LogicalResult tileOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  HostTensor &y = e.outputs[0];
  if (y.getRank() != x.getRank())
    return failure();
  // Each axis is seen as (repeat, size), the repeat at stride zero.
  SmallVector<int64_t> shape, strides, from = stridesOf(x.getShape());
  for (int64_t i = 0; i < x.getRank(); ++i) {
    int64_t size = x.getShape()[i];
    if (size == 0 || y.getShape()[i] % size != 0)
      return failure();
    shape.append({y.getShape()[i] / size, size});
    strides.append({0, from[i]});
  }
  forEach(shape, strides, 0, [&](int64_t at, int64_t offset) {
    y.setBits(at, x.getBits(offset));
  });
  return success();
}

static LogicalResult rangeOp(Evaluation &e) {
  HostTensor &y = e.outputs[0];
  if (!e.has(0) || !e.has(2))
    return failure();
  for (int64_t i = 0, n = y.getNumElements(); i < n; ++i) {
    if (isa<FloatType>(y.getElementType()))
      y.setDouble(i, e.inputs[0].getDouble(0) + i * e.inputs[2].getDouble(0));
    else
      y.setBits(i, uint64_t(e.inputs[0].getInt(0) + i * e.inputs[2].getInt(0)) &
                       llvm::maskTrailingOnes<uint64_t>(y.getBitWidth()));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

static LogicalResult reduceOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  HostTensor &y = e.outputs[0];
  auto axes = e.attrOrInts("axes", 1);
  int64_t rank = x.getRank();
  SmallVector<bool> reduced(rank, !axes || axes->empty());
  if ((!axes || axes->empty()) && e.node.getInt("noop_with_empty_axes", 0)) {
    y = x;
    return success();
  }
  if (axes)
    for (int64_t value : *axes) {
      auto axis = normalizeAxis(value, rank);
      if (!axis)
        return failure();
      reduced[*axis] = true;
    }
  // Strides of the result as the input's positions see it.
  SmallVector<int64_t> strides(rank, 0);
  int64_t stride = 1, count = 1;
  for (int64_t i = rank - 1; i >= 0; --i) {
    if (reduced[i]) {
      count *= x.getShape()[i];
      continue;
    }
    strides[i] = stride;
    stride *= x.getShape()[i];
  }
  if (stride != y.getNumElements() || count == 0)
    return failure();
  StringRef kind = e.node.getOpType();
  bool isFloat = isa<FloatType>(x.getElementType());
  std::vector<double> sums(stride);
  std::vector<int64_t> ints(stride);
  std::vector<bool> started(stride);
  forEach(x.getShape(), strides, 0, [&](int64_t at, int64_t to) {
    bool first = !started[to];
    started[to] = true;
    auto join = [&](auto &acc, auto value) {
      if (first)
        acc = value;
      else if (kind == "ReduceProd")
        acc *= value;
      else if (kind == "ReduceMax")
        acc = std::max(acc, value);
      else if (kind == "ReduceMin")
        acc = std::min(acc, value);
      else
        acc += value;
    };
    if (isFloat)
      join(sums[to], x.getDouble(at));
    else
      join(ints[to], x.getInt(at));
  });
  for (int64_t i = 0; i < stride; ++i) {
    if (isFloat)
      y.setDouble(i, kind == "ReduceMean" ? sums[i] / count : sums[i]);
    else
      y.setBits(i, uint64_t(kind == "ReduceMean" ? ints[i] / count : ints[i]) &
                       llvm::maskTrailingOnes<uint64_t>(y.getBitWidth()));
  }
  return success();
}

static const llvm::StringMap<Evaluator> &evaluators() {
  static const llvm::StringMap<Evaluator> table = {
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
      {"Reshape", reshapeOp},
      {"Flatten", reshapeOp},
      {"Squeeze", reshapeOp},
      {"Unsqueeze", reshapeOp},
      {"Transpose", transposeOp},
      {"Concat", concatOp},
      {"Split", splitOp},
      {"Slice", sliceOp},
      {"Gather", gatherOp},
      {"Expand", expandOp},
      {"Tile", tileOp},
      {"Range", rangeOp},
      {"ReduceSum", reduceOp},
      {"ReduceProd", reduceOp},
      {"ReduceMax", reduceOp},
      {"ReduceMin", reduceOp},
      {"ReduceMean", reduceOp},
  };
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

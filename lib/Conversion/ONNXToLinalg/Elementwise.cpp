//===- Elementwise.cpp - Arithmetic, comparison, Cast, Where ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Legacy broadcasting
//===----------------------------------------------------------------------===//

/// The inputs of a binary operator, right-aligned. Before opset 7 the second
/// one was placed by `axis` when `broadcast` was set.
static FailureOr<SmallVector<Value>> getInputs(Lowering &l) {
  SmallVector<Value> inputs;
  for (unsigned i = 0; i < l.getNumInputs(); ++i) {
    if (!l.in(i))
      return l.fail("input " + Twine(i) + " is missing");
    inputs.push_back(l.in(i));
  }
  auto at = l.node.findInt("axis");
  if (l.node.getInt("broadcast", 0) == 0 || !at || inputs.size() != 2)
    return inputs;
  auto a = l.inType(0), b = l.inType(1);
  FailureOr<int64_t> axis = l.axis(*at, a.getRank());
  if (failed(axis))
    return failure();
  int64_t trailing = a.getRank() - *axis - b.getRank();
  if (trailing < 0)
    return l.fail("axis " + Twine(*at) + " leaves no room for input 1");
  SmallVector<int64_t> shape(b.getShape());
  Sizes sizes = l.sizes(inputs[1]);
  shape.append(trailing, 1);
  sizes.append(trailing, l.b.getIndexAttr(1));
  inputs[1] = l.reshape(
      inputs[1], RankedTensorType::get(shape, b.getElementType()), sizes);
  return inputs;
}

//===----------------------------------------------------------------------===//
// Binary operators
//===----------------------------------------------------------------------===//

/// Emits `a op b`; `type` is the source type, whose signedness counts.
using BinaryFn = Value (*)(OpBuilder &, Location, Value a, Value b, Type type);

template <typename FloatOp, typename SignedOp, typename UnsignedOp>
static Value arithmetic(OpBuilder &b, Location loc, Value x, Value y,
                        Type type) {
  if (isa<FloatType>(type))
    return FloatOp::create(b, loc, x, y);
  if (onnx::isUnsigned(type))
    return UnsignedOp::create(b, loc, x, y);
  return SignedOp::create(b, loc, x, y);
}

/// An integer divisor that cannot trap: 1 in place of 0, and of -1, by which
/// the smallest integer cannot be divided. `isMinusOne` is null for unsigned
/// types.
static Value safeDivisor(OpBuilder &b, Location loc, Value y, Type type,
                         Value &isMinusOne) {
  auto is = [&](int64_t value) -> Value {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, y,
                                 scalarConstant(b, loc, type, value));
  };
  Value unsafe = is(0);
  if (!onnx::isUnsigned(type)) {
    isMinusOne = is(-1);
    unsafe = arith::OrIOp::create(b, loc, unsafe, isMinusOne);
  }
  return arith::SelectOp::create(b, loc, unsafe,
                                 scalarConstant(b, loc, type, 1), y);
}

static Value divOp(OpBuilder &b, Location loc, Value x, Value y, Type type) {
  if (isa<FloatType>(type))
    return arith::DivFOp::create(b, loc, x, y);
  Value isMinusOne;
  Value divisor = safeDivisor(b, loc, y, type, isMinusOne);
  if (!isMinusOne)
    return arith::DivUIOp::create(b, loc, x, divisor);
  Value quotient = arith::DivSIOp::create(b, loc, x, divisor);
  Value negative =
      arith::SubIOp::create(b, loc, scalarConstant(b, loc, type, 0), x);
  return arith::SelectOp::create(b, loc, isMinusOne, negative, quotient);
}

/// The remainder with the sign of the dividend.
static Value truncMod(OpBuilder &b, Location loc, Value x, Value y, Type type) {
  if (isa<FloatType>(type))
    return arith::RemFOp::create(b, loc, x, y);
  Value isMinusOne;
  Value divisor = safeDivisor(b, loc, y, type, isMinusOne);
  if (!isMinusOne)
    return arith::RemUIOp::create(b, loc, x, divisor);
  // The remainder by -1 is that by 1.
  return arith::RemSIOp::create(b, loc, x, divisor);
}

/// Modulo with the sign of the divisor.
static Value floorMod(OpBuilder &b, Location loc, Value x, Value y, Type type) {
  Value rest = truncMod(b, loc, x, y, type);
  if (onnx::isUnsigned(type))
    return rest;
  Value zero = scalarConstant(b, loc, type, 0);
  auto negative = [&](Value v) -> Value {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, v, zero);
  };
  Value nonZero =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, rest, zero);
  Value differ = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne,
                                       negative(rest), negative(y));
  Value wrap = arith::AndIOp::create(b, loc, nonZero, differ);
  Value moved = arith::AddIOp::create(b, loc, rest, y);
  return arith::SelectOp::create(b, loc, wrap, moved, rest);
}

static Value addOp(OpBuilder &b, Location loc, Value x, Value y, Type type) {
  return arithmetic<arith::AddFOp, arith::AddIOp, arith::AddIOp>(b, loc, x, y,
                                                                 type);
}
static Value subOp(OpBuilder &b, Location loc, Value x, Value y, Type type) {
  return arithmetic<arith::SubFOp, arith::SubIOp, arith::SubIOp>(b, loc, x, y,
                                                                 type);
}
static Value mulOp(OpBuilder &b, Location loc, Value x, Value y, Type type) {
  return arithmetic<arith::MulFOp, arith::MulIOp, arith::MulIOp>(b, loc, x, y,
                                                                 type);
}
static Value maxOp(OpBuilder &b, Location loc, Value x, Value y, Type type) {
  return arithmetic<arith::MaximumFOp, arith::MaxSIOp, arith::MaxUIOp>(
      b, loc, x, y, type);
}
static Value minOp(OpBuilder &b, Location loc, Value x, Value y, Type type) {
  return arithmetic<arith::MinimumFOp, arith::MinSIOp, arith::MinUIOp>(
      b, loc, x, y, type);
}
template <typename Op>
static Value bitwise(OpBuilder &b, Location loc, Value x, Value y, Type) {
  return Op::create(b, loc, x, y);
}

/// A MatMul or Conv followed by the addition of a vector along one axis: the
/// vector becomes the initial value of the accumulator.
static Value addIntoAccumulator(Lowering &l, Value product, Value bias) {
  auto contraction = product.getDefiningOp<linalg::GenericOp>();
  auto biasType = cast<RankedTensorType>(bias.getType());
  auto type = cast<RankedTensorType>(product.getType());
  if (!contraction || contraction.getNumReductionLoops() == 0 ||
      contraction.getNumDpsInputs() != 2 || type != l.outType() ||
      !biasType.hasStaticShape() || biasType.getRank() > type.getRank())
    return {};
  auto fill = contraction.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
  // Only a plain multiply-add whose accumulator starts at zero.
  Block *body = contraction.getBlock();
  auto sum =
      body->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!fill || !sum || body->getOperations().size() != 3)
    return {};
  // The one axis of the result that the bias varies along.
  std::optional<int64_t> axis;
  int64_t lead = type.getRank() - biasType.getRank();
  for (int64_t i = 0; i < biasType.getRank(); ++i) {
    if (biasType.getDimSize(i) == 1)
      continue;
    if (axis || biasType.getDimSize(i) != type.getDimSize(lead + i))
      return {};
    axis = lead + i;
  }
  if (!axis)
    return {};
  int64_t size = type.getDimSize(*axis);
  Value vector =
      l.reshape(bias, RankedTensorType::get(size, biasType.getElementType()),
                OpFoldResult(l.b.getIndexAttr(size)));
  SmallVector<int64_t> added;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (i != *axis)
      added.push_back(i);
  Value init = fill.getDpsInits()[0];
  Value start = linalg::BroadcastOp::create(l.b, l.loc, vector, init, added)
                    ->getResult(0);
  auto clone = cast<linalg::GenericOp>(l.b.clone(*contraction));
  clone.getDpsInitsMutable()[0].set(start);
  return clone.getResult(0);
}

static LogicalResult lowerBinary(Lowering &l, BinaryFn fn) {
  auto inputs = getInputs(l);
  if (failed(inputs))
    return failure();
  Type type = l.sourceElement(0);
  // Variadic operators are left-associative.
  Value acc = (*inputs)[0];
  if (inputs->size() == 1)
    return l.replace(acc);
  for (Value next : ArrayRef(*inputs).drop_front()) {
    // The shape of a partial result is the broadcast of what it joins.
    auto a = cast<RankedTensorType>(acc.getType());
    auto b = cast<RankedTensorType>(next.getType());
    RankedTensorType joint = l.outType();
    if (inputs->size() > 2) {
      int64_t rank = std::max(a.getRank(), b.getRank());
      SmallVector<int64_t> shape(rank, 1);
      for (auto part : {a, b})
        for (int64_t i = 0; i < part.getRank(); ++i) {
          int64_t &size = shape[rank - part.getRank() + i];
          int64_t other = part.getDimSize(i);
          if (size == 1 || (ShapedType::isDynamic(size) && other != 1))
            size = other;
        }
      joint = RankedTensorType::get(shape, a.getElementType());
    }
    acc = l.elementwise(joint, {acc, next},
                        [&](OpBuilder &b, Location loc, ValueRange args) {
                          return fn(b, loc, args[0], args[1], type);
                        });
  }
  return l.replace(acc);
}

template <BinaryFn fn> static LogicalResult binary(Lowering &l) {
  return lowerBinary(l, fn);
}

static LogicalResult add(Lowering &l) {
  if (l.node.getInt("broadcast", 0) == 0)
    for (unsigned i : {0u, 1u}) {
      Operation *producer = l.node.getInput(i).getDefiningOp();
      if (!producer || !isa<onnx::MatMulOp, onnx::ConvOp>(producer) ||
          !l.node.getInput(i).hasOneUse())
        continue;
      if (Value fused = addIntoAccumulator(l, l.in(i), l.in(1 - i)))
        return l.replace(fused);
    }
  return lowerBinary(l, addOp);
}

static LogicalResult mod(Lowering &l) {
  bool fmod = l.node.getInt("fmod", 0);
  if (!fmod && isa<FloatType>(l.sourceElement(0)))
    return l.fail("float operands need fmod = 1");
  return lowerBinary(l, fmod ? truncMod : floorMod);
}

static LogicalResult mean(Lowering &l) {
  auto inputs = getInputs(l);
  if (failed(inputs))
    return failure();
  double factor = 1.0 / inputs->size();
  return l.replace(l.elementwise(
      l.outType(), *inputs, [&](OpBuilder &b, Location loc, ValueRange args) {
        Value sum = args[0];
        for (Value next : args.drop_front())
          sum = arith::AddFOp::create(b, loc, sum, next);
        Value scale = scalarConstant(b, loc, sum.getType(), factor);
        return arith::MulFOp::create(b, loc, sum, scale).getResult();
      }));
}

static LogicalResult pow(Lowering &l) {
  auto inputs = getInputs(l);
  if (failed(inputs))
    return failure();
  Type base = l.sourceElement(0), exponent = l.sourceElement(1);
  auto constant = l.constantFloats(1);
  std::optional<double> power;
  if (constant && constant->size() == 1)
    power = (*constant)[0];
  return l.replace(l.elementwise(
      l.outType(), *inputs,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value x = args[0];
        if (isa<FloatType>(base) && power) {
          if (*power == 2.0)
            return arith::MulFOp::create(b, loc, x, x);
          if (*power == 3.0)
            return arith::MulFOp::create(
                b, loc, arith::MulFOp::create(b, loc, x, x), x);
          if (*power == 0.5)
            return math::SqrtOp::create(b, loc, x);
          if (*power == -1.0)
            return arith::DivFOp::create(b, loc,
                                         scalarConstant(b, loc, base, 1.0), x);
        }
        // Integers go through f64, which is exact up to 53 bits.
        Type type = isa<FloatType>(base) ? base : Type(b.getF64Type());
        Value y = castScalar(b, loc, args[1], exponent, type);
        Value result =
            math::PowFOp::create(b, loc, castScalar(b, loc, x, base, type), y);
        return castScalar(b, loc, result, type, base);
      }));
}

static LogicalResult bitShift(Lowering &l) {
  StringRef direction = l.node.getString("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return l.fail("unknown direction '" + direction + "'");
  return lowerBinary(l, direction == "LEFT"
                            ? BinaryFn([](OpBuilder &b, Location loc, Value x,
                                          Value y, Type) -> Value {
                                return arith::ShLIOp::create(b, loc, x, y);
                              })
                            : BinaryFn([](OpBuilder &b, Location loc, Value x,
                                          Value y, Type) -> Value {
                                return arith::ShRUIOp::create(b, loc, x, y);
                              }));
}

//===----------------------------------------------------------------------===//
// Comparison and selection
//===----------------------------------------------------------------------===//

template <arith::CmpFPredicate onFloats, arith::CmpIPredicate onSigned,
          arith::CmpIPredicate onUnsigned>
static LogicalResult compare(Lowering &l) {
  auto inputs = getInputs(l);
  if (failed(inputs))
    return failure();
  Type type = l.sourceElement(0);
  return l.replace(l.elementwise(
      l.outType(), *inputs,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        if (isa<FloatType>(type))
          return arith::CmpFOp::create(b, loc, onFloats, args[0], args[1]);
        return arith::CmpIOp::create(
            b, loc, onnx::isUnsigned(type) ? onUnsigned : onSigned, args[0],
            args[1]);
      }));
}

static LogicalResult where(Lowering &l) {
  auto inputs = getInputs(l);
  if (failed(inputs))
    return failure();
  return l.replace(l.elementwise(
      l.outType(), *inputs,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        return arith::SelectOp::create(b, loc, args[0], args[1], args[2]);
      }));
}

static LogicalResult notOp(Lowering &l) {
  return l.replace(
      l.elementwise(l.outType(), l.in(0),
                    [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                      Value ones = arith::ConstantOp::create(
                          b, loc, b.getIntegerAttr(args[0].getType(), -1));
                      return arith::XOrIOp::create(b, loc, args[0], ones);
                    }));
}

static LogicalResult isNaN(Lowering &l) {
  return l.replace(
      l.elementwise(l.outType(), l.in(0),
                    [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                      return arith::CmpFOp::create(
                          b, loc, arith::CmpFPredicate::UNO, args[0], args[0]);
                    }));
}

static LogicalResult isInf(Lowering &l) {
  bool positive = l.node.getInt("detect_positive", 1);
  bool negative = l.node.getInt("detect_negative", 1);
  Type type = l.sourceElement(0);
  return l.replace(l.elementwise(
      l.outType(), l.in(0),
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value result = arith::ConstantOp::create(b, loc, b.getBoolAttr(false));
        auto test = [&](Value limit) {
          Value hit = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                            args[0], limit);
          result = arith::OrIOp::create(b, loc, result, hit);
        };
        if (positive)
          test(highestConstant(b, loc, type));
        if (negative)
          test(lowestConstant(b, loc, type));
        return result;
      }));
}

//===----------------------------------------------------------------------===//
// Conversion and unary arithmetic
//===----------------------------------------------------------------------===//

static LogicalResult cast(Lowering &l) {
  Type from = l.sourceElement(0), to = l.resultSourceElement(0);
  bool saturate = l.node.getInt("saturate", 1);
  if (!saturate && isa<FloatType>(to) && to.getIntOrFloatBitWidth() <= 8)
    return l.fail("casts to 8-bit floats without saturation are not supported");
  if (from == to)
    return l.replace(l.in(0));
  return l.replace(l.elementwise(
      l.outType(), l.in(0), [&](OpBuilder &b, Location loc, ValueRange args) {
        return castScalar(b, loc, args[0], from, to, saturate);
      }));
}

static LogicalResult identity(Lowering &l) { return l.replace(l.in(0)); }

static LogicalResult dropout(Lowering &l) {
  if (l.node.hasInput(2)) {
    auto training = l.constantInts(2);
    if (!training || training->size() != 1 || (*training)[0])
      return l.fail("training mode is not supported");
  }
  SmallVector<Value> results{l.in(0)};
  if (l.node.getNumOutputs() > 1) {
    // At inference everything is kept.
    auto type = l.outType(1);
    results.push_back(l.isResultUsed(1)
                          ? l.filled(l.broadcastSizes(type, l.in(0)),
                                     l.scalarInt(type.getElementType(), 1))
                          : Value());
  }
  return l.replace(results);
}

static LogicalResult negate(Lowering &l) {
  Type type = l.sourceElement(0);
  return l.replace(
      l.elementwise(l.outType(), l.in(0),
                    [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                      if (isa<FloatType>(type))
                        return arith::NegFOp::create(b, loc, args[0]);
                      Value zero = scalarConstant(b, loc, type, 0);
                      return arith::SubIOp::create(b, loc, zero, args[0]);
                    }));
}

static LogicalResult absolute(Lowering &l) {
  Type type = l.sourceElement(0);
  if (onnx::isUnsigned(type))
    return l.replace(l.in(0));
  return l.replace(
      l.elementwise(l.outType(), l.in(0),
                    [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                      if (isa<FloatType>(type))
                        return math::AbsFOp::create(b, loc, args[0]);
                      Value negative = arith::SubIOp::create(
                          b, loc, scalarConstant(b, loc, type, 0), args[0]);
                      return arith::MaxSIOp::create(b, loc, args[0], negative);
                    }));
}

static LogicalResult sign(Lowering &l) {
  Type type = l.sourceElement(0);
  return l.replace(l.elementwise(
      l.outType(), l.in(0),
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value zero = scalarConstant(b, loc, type, 0);
        Value one = scalarConstant(b, loc, type, 1);
        Value minus = isa<FloatType>(type) || !onnx::isUnsigned(type)
                          ? scalarConstant(b, loc, type, -1)
                          : zero;
        auto greater = [&](Value x, Value y) -> Value {
          if (isa<FloatType>(type))
            return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x,
                                         y);
          return arith::CmpIOp::create(b, loc,
                                       onnx::isUnsigned(type)
                                           ? arith::CmpIPredicate::ugt
                                           : arith::CmpIPredicate::sgt,
                                       x, y);
        };
        // NaN stays NaN.
        Value rest = isa<FloatType>(type) ? args[0] : zero;
        Value low = arith::SelectOp::create(b, loc, greater(zero, args[0]),
                                            minus, rest);
        return arith::SelectOp::create(b, loc, greater(args[0], zero), one,
                                       low);
      }));
}

void compress::addElementwiseLowerings(LowerTable &table) {
  table["Add"] = add;
  table["Sum"] = binary<addOp>;
  table["Sub"] = binary<subOp>;
  table["Mul"] = binary<mulOp>;
  table["Div"] = binary<divOp>;
  table["Max"] = binary<maxOp>;
  table["Min"] = binary<minOp>;
  table["Mean"] = mean;
  table["Mod"] = mod;
  table["Pow"] = pow;
  table["BitShift"] = bitShift;
  table["And"] = table["BitwiseAnd"] = binary<bitwise<arith::AndIOp>>;
  table["Or"] = table["BitwiseOr"] = binary<bitwise<arith::OrIOp>>;
  table["Xor"] = table["BitwiseXor"] = binary<bitwise<arith::XOrIOp>>;
  table["Equal"] = compare<arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq,
                           arith::CmpIPredicate::eq>;
  table["Less"] = compare<arith::CmpFPredicate::OLT, arith::CmpIPredicate::slt,
                          arith::CmpIPredicate::ult>;
  table["LessOrEqual"] =
      compare<arith::CmpFPredicate::OLE, arith::CmpIPredicate::sle,
              arith::CmpIPredicate::ule>;
  table["Greater"] =
      compare<arith::CmpFPredicate::OGT, arith::CmpIPredicate::sgt,
              arith::CmpIPredicate::ugt>;
  table["GreaterOrEqual"] =
      compare<arith::CmpFPredicate::OGE, arith::CmpIPredicate::sge,
              arith::CmpIPredicate::uge>;
  table["Where"] = where;
  table["Not"] = table["BitwiseNot"] = notOp;
  table["IsNaN"] = isNaN;
  table["IsInf"] = isInf;
  table["Cast"] = table["CastLike"] = cast;
  table["Identity"] = identity;
  table["Dropout"] = dropout;
  table["Neg"] = negate;
  table["Abs"] = absolute;
  table["Sign"] = sign;
}

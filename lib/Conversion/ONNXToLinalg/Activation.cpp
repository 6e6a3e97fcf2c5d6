//===- Activation.cpp - Functions of one float ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace compress;

namespace {
/// Float expressions on scalars of one type.
struct Expr {
  Expr(OpBuilder &b, Location loc, Type type) : b(loc, b), type(type) {}

  Value constant(double value) {
    return scalarConstant(b, b.getLoc(), type, value);
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
  Value max(Value x, Value y) { return arith::MaximumFOp::create(b, x, y); }
  Value min(Value x, Value y) { return arith::MinimumFOp::create(b, x, y); }
  Value neg(Value x) { return arith::NegFOp::create(b, x); }
  Value exp(Value x) { return math::ExpOp::create(b, x); }
  Value select(arith::CmpFPredicate predicate, Value x, Value y, Value ifTrue,
               Value ifFalse) {
    Value condition = arith::CmpFOp::create(b, predicate, x, y);
    return arith::SelectOp::create(b, condition, ifTrue, ifFalse);
  }
  /// 1 / (1 + exp(-x))
  Value sigmoid(Value x) {
    Value one = constant(1);
    return div(one, add(one, exp(neg(x))));
  }
  /// log(1 + exp(x)) without overflow.
  Value softplus(Value x) {
    Value magnitude = math::AbsFOp::create(b, x);
    Value tail = math::Log1pOp::create(b, exp(neg(magnitude)));
    return add(max(x, constant(0)), tail);
  }

  ImplicitLocOpBuilder b;
  Type type;
};
using Function = llvm::function_ref<Value(Expr &, Value)>;
} // namespace

/// Applies `fn` to every element. Types below 32 bits compute in f32.
static LogicalResult apply(Lowering &l, Function fn) {
  auto type = dyn_cast<FloatType>(l.sourceElement(0));
  if (!type)
    return l.fail("integer operands are not supported");
  Type compute = type.getWidth() < 32 ? Type(l.b.getF32Type()) : Type(type);
  return l.replace(l.elementwise(
      l.outType(), l.in(0), [&](OpBuilder &b, Location loc, ValueRange args) {
        Expr expr(b, loc, compute);
        Value x = castScalar(b, loc, args[0], type, compute);
        return castScalar(b, loc, fn(expr, x), compute, type);
      }));
}

template <typename Op> static LogicalResult math1(Lowering &l) {
  return apply(l, [](Expr &e, Value x) -> Value { return Op::create(e.b, x); });
}

/// Rounding leaves integers as they are.
template <typename Op> static LogicalResult rounding(Lowering &l) {
  if (isa<IntegerType>(l.sourceElement(0)))
    return l.replace(l.in(0));
  return math1<Op>(l);
}

static LogicalResult relu(Lowering &l) {
  if (isa<IntegerType>(l.sourceElement(0))) {
    Type type = l.sourceElement(0);
    if (onnx::isUnsigned(type))
      return l.replace(l.in(0));
    return l.replace(l.elementwise(
        l.outType(), l.in(0),
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          return arith::MaxSIOp::create(b, loc, args[0],
                                        scalarConstant(b, loc, type, 0));
        }));
  }
  return apply(l, [](Expr &e, Value x) { return e.max(x, e.constant(0)); });
}

static LogicalResult sigmoid(Lowering &l) {
  return apply(l, [](Expr &e, Value x) { return e.sigmoid(x); });
}

static LogicalResult leakyRelu(Lowering &l) {
  double alpha = l.node.getFloat("alpha", 0.01);
  return apply(l, [&](Expr &e, Value x) {
    return e.select(arith::CmpFPredicate::OGE, x, e.constant(0), x,
                    e.mul(x, e.constant(alpha)));
  });
}

static LogicalResult elu(Lowering &l) {
  double alpha = l.node.getFloat("alpha", 1);
  return apply(l, [&](Expr &e, Value x) {
    Value low =
        e.mul(e.constant(alpha), math::ExpM1Op::create(e.b, x).getResult());
    return e.select(arith::CmpFPredicate::OGE, x, e.constant(0), x, low);
  });
}

static LogicalResult celu(Lowering &l) {
  double alpha = l.node.getFloat("alpha", 1);
  return apply(l, [&](Expr &e, Value x) {
    Value zero = e.constant(0), a = e.constant(alpha);
    Value low = e.mul(a, math::ExpM1Op::create(e.b, e.div(x, a)).getResult());
    return e.add(e.max(x, zero), e.min(zero, low));
  });
}

static LogicalResult selu(Lowering &l) {
  double alpha = l.node.getFloat("alpha", 1.67326319217681884765625);
  double gamma = l.node.getFloat("gamma", 1.05070102214813232421875);
  return apply(l, [&](Expr &e, Value x) {
    Value low =
        e.mul(e.constant(alpha), math::ExpM1Op::create(e.b, x).getResult());
    return e.mul(e.constant(gamma),
                 e.select(arith::CmpFPredicate::OGT, x, e.constant(0), x, low));
  });
}

static LogicalResult hardSigmoid(Lowering &l) {
  double alpha = l.node.getFloat("alpha", 0.2);
  double beta = l.node.getFloat("beta", 0.5);
  return apply(l, [&](Expr &e, Value x) {
    Value y = e.add(e.mul(x, e.constant(alpha)), e.constant(beta));
    return e.max(e.constant(0), e.min(e.constant(1), y));
  });
}

static LogicalResult hardSwish(Lowering &l) {
  return apply(l, [&](Expr &e, Value x) {
    Value y = e.add(e.mul(x, e.constant(1.0 / 6)), e.constant(0.5));
    return e.mul(x, e.max(e.constant(0), e.min(e.constant(1), y)));
  });
}

static LogicalResult swish(Lowering &l) {
  double alpha = l.node.getFloat("alpha", 1);
  return apply(l, [&](Expr &e, Value x) {
    return e.mul(x, e.sigmoid(e.mul(x, e.constant(alpha))));
  });
}

static LogicalResult mish(Lowering &l) {
  return apply(l, [&](Expr &e, Value x) {
    return e.mul(x, math::TanhOp::create(e.b, e.softplus(x)).getResult());
  });
}

static LogicalResult softplus(Lowering &l) {
  return apply(l, [](Expr &e, Value x) { return e.softplus(x); });
}

static LogicalResult softsign(Lowering &l) {
  return apply(l, [](Expr &e, Value x) {
    Value magnitude = math::AbsFOp::create(e.b, x);
    return e.div(x, e.add(e.constant(1), magnitude));
  });
}

static LogicalResult thresholdedRelu(Lowering &l) {
  double alpha = l.node.getFloat("alpha", 1);
  return apply(l, [&](Expr &e, Value x) {
    return e.select(arith::CmpFPredicate::OGT, x, e.constant(alpha), x,
                    e.constant(0));
  });
}

static LogicalResult shrink(Lowering &l) {
  double lambda = l.node.getFloat("lambd", 0.5);
  double bias = l.node.getFloat("bias", 0);
  return apply(l, [&](Expr &e, Value x) {
    Value high = e.select(arith::CmpFPredicate::OGT, x, e.constant(lambda),
                          e.sub(x, e.constant(bias)), e.constant(0));
    return e.select(arith::CmpFPredicate::OLT, x, e.constant(-lambda),
                    e.add(x, e.constant(bias)), high);
  });
}

static LogicalResult gelu(Lowering &l) {
  StringRef approximate = l.node.getString("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return l.fail("unknown approximation '" + approximate + "'");
  return apply(l, [&](Expr &e, Value x) {
    Value one = e.constant(1), inner;
    if (approximate == "tanh") {
      Value cube = e.mul(e.mul(x, x), x);
      Value argument = e.mul(e.constant(0.7978845608028654),
                             e.add(x, e.mul(e.constant(0.044715), cube)));
      inner = math::TanhOp::create(e.b, argument);
    } else {
      inner =
          math::ErfOp::create(e.b, e.mul(x, e.constant(0.7071067811865476)));
    }
    return e.mul(e.mul(e.constant(0.5), x), e.add(one, inner));
  });
}

static LogicalResult reciprocal(Lowering &l) {
  return apply(l, [](Expr &e, Value x) { return e.div(e.constant(1), x); });
}

static LogicalResult prelu(Lowering &l) {
  auto type = l.inType(0), slopeType = l.inType(1);
  if (!isa<FloatType>(type.getElementType()))
    return l.fail("integer operands are not supported");
  Value slope = l.in(1);
  // Before opset 7 a vector of slopes is one for each channel.
  if (l.opset < 7 && slopeType.getRank() == 1 && type.getRank() > 2 &&
      slopeType.getDimSize(0) != 1) {
    SmallVector<int64_t> shape(type.getRank() - 1, 1);
    shape[0] = slopeType.getDimSize(0);
    Sizes sizes(shape.size(), l.b.getIndexAttr(1));
    sizes[0] = l.dim(slope, 0);
    slope = l.reshape(
        slope, RankedTensorType::get(shape, type.getElementType()), sizes);
  }
  return l.replace(l.elementwise(
      l.outType(), {l.in(0), slope},
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Expr e(b, loc, type.getElementType());
        return e.select(arith::CmpFPredicate::OLT, args[0], e.constant(0),
                        e.mul(args[0], args[1]), args[0]);
      }));
}

/// Bounds were attributes until opset 10.
static LogicalResult clip(Lowering &l) {
  Type type = l.sourceElement(0);
  SmallVector<Value> inputs{l.in(0)};
  int low = -1, high = -1;
  if (l.in(1)) {
    low = inputs.size();
    inputs.push_back(l.in(1));
  }
  if (l.in(2)) {
    high = inputs.size();
    inputs.push_back(l.in(2));
  }
  return l.replace(l.elementwise(
      l.outType(), inputs,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        auto bound = [&](int at, StringRef name) -> Value {
          if (at >= 0)
            return args[at];
          if (l.node.hasAttr(name))
            return scalarConstant(b, loc, type, l.node.getFloat(name, 0));
          return {};
        };
        Value x = args[0];
        bool isFloat = isa<FloatType>(type),
             isUnsigned = onnx::isUnsigned(type);
        if (Value min = bound(low, "min"))
          x = isFloat ? arith::MaximumFOp::create(b, loc, x, min).getResult()
              : isUnsigned ? arith::MaxUIOp::create(b, loc, x, min).getResult()
                           : arith::MaxSIOp::create(b, loc, x, min).getResult();
        if (Value max = bound(high, "max"))
          x = isFloat ? arith::MinimumFOp::create(b, loc, x, max).getResult()
              : isUnsigned ? arith::MinUIOp::create(b, loc, x, max).getResult()
                           : arith::MinSIOp::create(b, loc, x, max).getResult();
        return x;
      }));
}

void compress::addActivationLowerings(LowerTable &table) {
  table["Acos"] = math1<math::AcosOp>;
  table["Acosh"] = math1<math::AcoshOp>;
  table["Asin"] = math1<math::AsinOp>;
  table["Asinh"] = math1<math::AsinhOp>;
  table["Atan"] = math1<math::AtanOp>;
  table["Atanh"] = math1<math::AtanhOp>;
  table["Ceil"] = rounding<math::CeilOp>;
  table["Cos"] = math1<math::CosOp>;
  table["Cosh"] = math1<math::CoshOp>;
  table["Erf"] = math1<math::ErfOp>;
  table["Exp"] = math1<math::ExpOp>;
  table["Floor"] = rounding<math::FloorOp>;
  table["Log"] = math1<math::LogOp>;
  table["Round"] = rounding<math::RoundEvenOp>;
  table["Sin"] = math1<math::SinOp>;
  table["Sinh"] = math1<math::SinhOp>;
  table["Sqrt"] = math1<math::SqrtOp>;
  table["Tan"] = math1<math::TanOp>;
  table["Tanh"] = math1<math::TanhOp>;
  table["Celu"] = celu;
  table["Clip"] = clip;
  table["Elu"] = elu;
  table["Gelu"] = gelu;
  table["HardSigmoid"] = hardSigmoid;
  table["HardSwish"] = hardSwish;
  table["LeakyRelu"] = leakyRelu;
  table["Mish"] = mish;
  table["PRelu"] = prelu;
  table["Reciprocal"] = reciprocal;
  table["Relu"] = relu;
  table["Selu"] = selu;
  table["Shrink"] = shrink;
  table["Sigmoid"] = sigmoid;
  table["Softplus"] = softplus;
  table["Softsign"] = softsign;
  table["Swish"] = swish;
  table["ThresholdedRelu"] = thresholdedRelu;
}

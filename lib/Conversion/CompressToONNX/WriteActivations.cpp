//===- WriteActivations.cpp - Encoded activations as ONNX nodes -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// decode(encode(x)), operation for operation the rule of QuantEncoding.cpp, so
// that a runtime computes the same numbers. Values stay in f32 (integer codes
// are whole numbers there), except where the quantization operators of ONNX
// say the same thing.
//
//===----------------------------------------------------------------------===//

#include "GraphBuilder.h"
#include "Grouping.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Minifloat.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Rounding of single values
//===----------------------------------------------------------------------===//

/// Clamps with two nodes; Clip has no form that all opsets share.
static Value clamp(GraphBuilder &g, Value value, double lo, double hi) {
  Type type = getElementTypeOrSelf(value.getType());
  value = g.binary("Min", value, g.scalar(hi, type));
  return g.binary("Max", value, g.scalar(lo, type));
}

/// 2^exponent for whole f32 exponents from -127 to 127: exact, as Pow need not
/// be.
static Value powerOfTwo(GraphBuilder &g, Value exponent) {
  std::vector<float> values;
  for (int exponent = -127; exponent <= 127; ++exponent)
    values.push_back(std::ldexp(1.0f, exponent));
  Value index = g.binary("Add", exponent, g.scalar(127, g.f32()));
  return g.lookup(g.table("compress_powers_of_two", values),
                  g.cast(index, g.i32()));
}

/// floor(log2(x)) as f32 for x >= 0, at least -127: Log is only a guess, which
/// two comparisons correct.
static Value floorLog2(GraphBuilder &g, Value x) {
  Type f32 = g.f32(), i1 = IntegerType::get(g.getContext(), 1);
  Value guess = g.unary("Floor", g.binary("Mul", g.unary("Log", x),
                                          g.scalar(1 / std::log(2.0), f32)));
  guess = clamp(g, guess, -127, 127);
  Value power = powerOfTwo(g, guess);
  Value tooHigh = g.cast(g.binary("Less", x, power, i1), f32);
  Value twice = g.binary("Add", power, power);
  Value tooLow = g.cast(g.unary("Not", g.binary("Less", x, twice, i1)), f32);
  Value exponent = g.binary("Sub", g.binary("Add", guess, tooLow), tooHigh);
  return clamp(g, exponent, -127, 127);
}

/// Rounds f32 values to those of a small float format, ties to even, and
/// saturates.
static Value roundToMinifloat(GraphBuilder &g, Value x, FloatType type) {
  Type f32 = g.f32();
  Minifloat format = Minifloat::get(type);
  x = clamp(g, x, -format.maxValue, format.maxValue);
  if (isONNXFloat8(type)) {
    g.require(19);
    return g.cast(g.cast(x, type), f32);
  }
  // The spacing of values doubles with each exponent.
  int lowest = 1 - format.bias;
  Value magnitude = g.unary("Abs", x);
  Value spacing;
  for (int exponent = format.maxExponent; exponent >= lowest; --exponent) {
    Value here =
        g.scalar(std::ldexp(1.0, exponent - int(format.mantissaBits)), f32);
    if (!spacing) {
      spacing = here;
      continue;
    }
    Value below = g.binary("Less", magnitude,
                           g.scalar(std::ldexp(1.0, exponent + 1), f32),
                           IntegerType::get(g.getContext(), 1));
    spacing = g.where(below, here, spacing);
  }
  return g.binary("Mul", g.unary("Round", g.binary("Div", x, spacing)),
                  spacing);
}

/// The nearest power of two, as `f8E8M0FNU` stores it; half way goes up.
static Value roundToPowerOfTwo(GraphBuilder &g, Value x) {
  Value power = powerOfTwo(g, floorLog2(g, x));
  Type i1 = IntegerType::get(g.getContext(), 1);
  Value half = g.binary("Mul", power, g.scalar(1.5, g.f32()));
  Value twice = g.binary("Add", power, power);
  twice = g.binary("Min", twice, g.scalar(std::ldexp(1.0, 127), g.f32()));
  return g.where(g.binary("Less", x, half, i1), power, twice);
}

/// Values as `dense<storage>` holds them, in the type of `value`.
static Value roundToDense(GraphBuilder &g, Value value, Type storage) {
  Type type = getElementTypeOrSelf(value.getType());
  if (storage == type)
    return value;
  if (auto integer = dyn_cast<IntegerType>(storage)) {
    if (isa<IntegerType>(type)) // narrower integers: not for activations
      return value;
    bool isUnsigned = integer.isUnsigned() || integer.getWidth() == 1;
    unsigned width = integer.getWidth();
    double lo = isUnsigned ? 0 : -std::ldexp(1.0, width - 1);
    double hi = std::ldexp(1.0, isUnsigned ? width : width - 1) - 1;
    return clamp(g, g.unary("Round", value), lo, hi);
  }
  if (isa<Float8E8M0FNUType>(storage))
    return g.cast(roundToPowerOfTwo(g, g.cast(value, g.f32())), type);
  if (isMinifloat(storage))
    return g.cast(
        roundToMinifloat(g, g.cast(value, g.f32()), cast<FloatType>(storage)),
        type);
  return g.cast(g.cast(value, storage), type);
}

//===----------------------------------------------------------------------===//
// Parameters at run time
//===----------------------------------------------------------------------===//

static bool isPowerOfTwoScale(QuantAttr quant) {
  auto dense = dyn_cast<DenseAttr>(quant.getScale());
  return dense && isa<Float8E8M0FNUType>(dense.getStorageType());
}

static Value oneWhereZero(GraphBuilder &g, Value test, Value value) {
  Value isZero = g.binary("Equal", test, g.scalar(0, g.f32()),
                          IntegerType::get(g.getContext(), 1));
  return g.where(isZero, g.scalar(1, g.f32()), value);
}

/// `chooseScale` of the host reference.
static Value chooseScale(GraphBuilder &g, QuantAttr quant, Value lo, Value hi) {
  Type f32 = g.f32();
  auto [codeLo, codeHi] = quant.getCodeRange();
  if (quant.getZero()) {
    Value scale = g.binary("Div", g.binary("Sub", hi, lo),
                           g.scalar(float(codeHi - codeLo), f32));
    return oneWhereZero(g, scale, scale);
  }
  Value absmax = g.binary("Max", hi, g.unary("Neg", lo));
  if (!isPowerOfTwoScale(quant)) {
    Value scale = g.binary(
        "Div", absmax,
        g.scalar(float(std::fmax(std::fabs(codeLo), std::fabs(codeHi))), f32));
    return oneWhereZero(g, absmax, scale);
  }
  auto normalPower = [&](Value exponent) {
    return powerOfTwo(g, clamp(g, exponent, -126, 127));
  };
  if (quant.isFloatCode()) {
    Minifloat format = Minifloat::get(cast<FloatType>(quant.getCodeType()));
    Value exponent = g.binary("Sub", floorLog2(g, absmax),
                              g.scalar(format.maxExponent, f32));
    return oneWhereZero(g, absmax, normalPower(exponent));
  }
  Value scale = g.binary(
      "Div", absmax,
      g.scalar(float(std::fmax(std::fabs(codeLo), std::fabs(codeHi))), f32));
  Value exponent = floorLog2(g, scale);
  Value above = g.cast(g.binary("Less", powerOfTwo(g, exponent), scale,
                                IntegerType::get(g.getContext(), 1)),
                       f32);
  return oneWhereZero(g, absmax, normalPower(g.binary("Add", exponent, above)));
}

/// Parameters as they are after being stored: shaped like `view.parameters`,
/// where `grid` is their own shape.
static FailureOr<Value> storeParameters(GraphBuilder &g, Value values,
                                        Type componentType,
                                        EncodingAttrInterface encoding,
                                        const GroupView &view) {
  auto nested = dyn_cast<CompressedTensorType>(componentType);
  if (!nested)
    return roundToDense(g, values, cast<DenseAttr>(encoding).getStorageType());
  Value grid = g.reshape(values, nested.getShape(), view.shapeSource);
  auto stored = writeRoundTrip(g, grid, nested, {});
  if (failed(stored))
    return failure();
  return g.reshape(*stored, view.parameters, view.viewSource);
}

//===----------------------------------------------------------------------===//
// Quantization
//===----------------------------------------------------------------------===//

namespace {
/// Static parameters, by component.
struct StaticParameters {
  StaticParameters(QuantAttr quant, CompressedTensorType type,
                   ArrayRef<HostTensor> leaves)
      : scaleType(quant.getScaleComponentType(type.getShape())) {
    unsigned count = getNumLeaves(scaleType);
    scales = leaves.take_front(count);
    zeros = leaves.drop_front(count);
    if (!quant.getZero())
      return;
    zeroType = quant.getZeroComponentType(type.getShape());
    if (auto dense = dyn_cast<DenseAttr>(quant.getZero()))
      if (isa<IntegerType>(dense.getStorageType()))
        integerZeros = zeros[0].bitcast(dense.getStorageType());
  }
  Type scaleType, zeroType;
  ArrayRef<HostTensor> scales, zeros;
  HostTensor integerZeros;
};
} // namespace

static bool hasIntegerZeros(QuantAttr quant) {
  auto dense = dyn_cast_or_null<DenseAttr>(quant.getZero());
  return dense && isa<IntegerType>(dense.getStorageType());
}

/// QuantizeLinear, DequantizeLinear; null when they cannot say it. Takes and
/// gives f32.
static FailureOr<Value> writeStaticQDQ(GraphBuilder &g, Value x,
                                       QuantAttr quant,
                                       CompressedTensorType type,
                                       ArrayRef<HostTensor> leaves) {
  StaticParameters parameters(quant, type, leaves);
  std::optional<Granularity> granularity = Granularity::get(type, quant);
  ONNXCodes codes = ONNXCodes::get(quant.getCodeType(), g.profile);
  unsigned width = quant.getCodeWidth();
  // Other widths saturate elsewhere; 2-bit codes and 4-bit floats are left to
  // arithmetic, which every runtime has.
  if (!granularity || !codes.type ||
      (width != 4 && width != 8 && width != 16) ||
      (quant.isFloatCode() && width != 8) ||
      getElementTypeOrSelf(x.getType()) != g.f32())
    return Value();
  if (quant.getZero() && !(parameters.integerZeros &&
                           fitsInto(parameters.integerZeros, codes.type)))
    return Value();
  bool isSymmetric = quant.isSignedCode() && !quant.getZero();
  if (isSymmetric && granularity->kind == Granularity::Blocked)
    return Value();

  g.require(codes.opset);
  if (granularity->kind == Granularity::Blocked)
    g.require(21);
  SmallVector<NamedAttribute> attrs;
  if (granularity->kind != Granularity::PerTensor)
    attrs.push_back(g.intAttr("axis", granularity->axis));
  if (granularity->kind == Granularity::Blocked)
    attrs.push_back(g.intAttr("block_size", granularity->block));
  auto scale = writeComponent(g, parameters.scaleType, quant.getScale(),
                              g.f32(), parameters.scales, 0,
                              granularity->parameterShape, "scale");
  if (failed(scale))
    return failure();

  // The zero point also says which type the codes have.
  HostTensor zeros =
      HostTensor::allocate(granularity->parameterShape, codes.type);
  if (quant.getZero())
    for (int64_t i = 0, e = zeros.getNumElements(); i < e; ++i)
      zeros.setDouble(i, double(parameters.integerZeros.getInt(i)));
  Value zero =
      g.initializer(zeros, "zero_point",
                    quant.getZero() ? int64_t(parameters.scales.size()) : -1);

  if (isSymmetric) {
    // QuantizeLinear would also use the lowest code, which symmetric codes
    // leave out; cutting off below its neighbour gives that one instead.
    Value lowest =
        g.binary("Mul", *scale, g.scalar(quant.getCodeRange().first, g.f32()));
    x = g.binary(
        "Max", x,
        g.reshape(lowest, granularity->getBroadcastShape(type.getRank())));
  }
  Value code = g.node("QuantizeLinear", {x, *scale, zero},
                      RankedTensorType::get(type.getShape(), codes.type), attrs,
                      "quantized");
  return g.node("DequantizeLinear", {code, *scale, zero},
                RankedTensorType::get(type.getShape(), g.f32()), attrs,
                "dequantized");
}

/// DynamicQuantizeLinear fixes everything: one group, ui8 codes and zero, f32
/// scale.
static bool isDynamicQuantizeLinear(CompressedTensorType type,
                                    QuantAttr quant) {
  auto scale = dyn_cast<DenseAttr>(quant.getScale());
  auto zero = dyn_cast_or_null<DenseAttr>(quant.getZero());
  return scale && zero && scale.getStorageType().isF32() &&
         quant.getCodeType().isUnsignedInteger(8) &&
         zero.getStorageType().isUnsignedInteger(8) &&
         llvm::all_of(quant.getGroupGrid(type.getShape()),
                      [](int64_t size) { return size == 1; });
}

static Value writeDynamicQuantizeLinear(GraphBuilder &g, Value x) {
  auto shape = cast<RankedTensorType>(x.getType()).getShape();
  Type ui8 = IntegerType::get(g.getContext(), 8, IntegerType::Unsigned);
  Operation *quantize = g.nodes("DynamicQuantizeLinear", x,
                                {RankedTensorType::get(shape, ui8),
                                 RankedTensorType::get({}, g.f32()),
                                 RankedTensorType::get({}, ui8)},
                                {}, {"quantized", "scale", "zero_point"});
  return g.node("DequantizeLinear", quantize->getResults(), x.getType(), {},
                "dequantized");
}

/// With elementary operators: any code type, any grouping, any parameters.
static FailureOr<Value> writeArithmetic(GraphBuilder &g, Value x,
                                        QuantAttr quant,
                                        CompressedTensorType type,
                                        ArrayRef<HostTensor> leaves) {
  // Codes are computed in f32 whatever the logical type, the decoded value of
  // an f64 in f64.
  Type f32 = g.f32();
  Type compute = type.getElementType().isF64() ? type.getElementType() : f32;
  std::string reason;
  auto view = GroupView::get(type.getShape(), quant.getGroup(), reason);
  if (failed(view)) {
    g.emitError() << "cannot write " << type << " as ONNX: " << reason;
    return failure();
  }
  if (view->isPadded())
    x = g.padTo(x, view->padded);
  if (view->isSplit())
    x = g.reshape(x, view->view, view->viewSource);

  Value scale, zero;
  auto [codeLo, codeHi] = quant.getCodeRange();
  if (!leaves.empty()) {
    StaticParameters parameters(quant, type, leaves);
    auto scales =
        writeComponent(g, parameters.scaleType, quant.getScale(), f32,
                       parameters.scales, 0, view->parameters, "scale");
    if (failed(scales))
      return failure();
    scale = *scales;
    if (quant.getZero()) {
      auto zeros = writeComponent(g, parameters.zeroType, quant.getZero(), f32,
                                  parameters.zeros, parameters.scales.size(),
                                  view->parameters, "zero_point");
      if (failed(zeros))
        return failure();
      zero = *zeros;
    }
  } else {
    Value lo = x, hi = x, nothing = g.scalar(0, f32);
    if (!view->groupAxes.empty()) {
      lo = g.reduce("ReduceMin", x, view->groupAxes);
      hi = g.reduce("ReduceMax", x, view->groupAxes);
    }
    lo = g.binary("Min", lo, nothing);
    hi = g.binary("Max", hi, nothing);
    auto scales = storeParameters(g, chooseScale(g, quant, lo, hi),
                                  quant.getScaleComponentType(type.getShape()),
                                  quant.getScale(), *view);
    if (failed(scales))
      return failure();
    scale = *scales;
    if (quant.getZero()) {
      zero = g.binary("Sub", g.scalar(codeLo, f32), g.binary("Div", lo, scale));
      if (hasIntegerZeros(quant))
        zero = clamp(g, g.unary("Round", zero), codeLo, codeHi);
      auto zeros =
          storeParameters(g, zero, quant.getZeroComponentType(type.getShape()),
                          quant.getZero(), *view);
      if (failed(zeros))
        return failure();
      zero = *zeros;
    }
  }

  Value code = g.binary("Div", x, scale);
  if (quant.isFloatCode()) {
    code = roundToMinifloat(g, code, cast<FloatType>(quant.getCodeType()));
  } else {
    if (zero && !hasIntegerZeros(quant)) {
      code = g.unary("Round", g.binary("Add", code, zero));
    } else {
      code = g.unary("Round", code);
      if (zero)
        code = g.binary("Add", code, zero);
    }
    code = g.cast(clamp(g, code, codeLo, codeHi), compute);
    if (zero)
      code = g.binary("Sub", code, g.cast(zero, compute));
  }
  Value value = g.binary("Mul", g.cast(code, compute), g.cast(scale, compute));
  if (view->isSplit())
    value = g.reshape(value, view->padded, view->shapeSource);
  if (view->isPadded())
    value = g.cutTo(value, view->shape);
  return value;
}

FailureOr<Value> compress::writeRoundTrip(GraphBuilder &g, Value value,
                                          CompressedTensorType type,
                                          ArrayRef<HostTensor> parameters) {
  Type logical = type.getElementType();
  if (auto dense = dyn_cast<DenseAttr>(type.getEncoding()))
    return roundToDense(g, value, dense.getStorageType());
  auto quant = dyn_cast<QuantAttr>(type.getEncoding());
  if (!quant) {
    g.emitError() << "cannot write the encoding of an activation as " << type
                  << " in ONNX: no form for this encoding";
    return failure();
  }
  Value x = g.cast(value, g.f32());
  FailureOr<Value> result = Value();
  if (logical.isF64())
    result = Value();
  else if (!parameters.empty())
    result = writeStaticQDQ(g, x, quant, type, parameters);
  else if (isDynamicQuantizeLinear(type, quant))
    result = writeDynamicQuantizeLinear(g, x);
  if (failed(result))
    return failure();
  if (!*result)
    result = writeArithmetic(g, x, quant, type, parameters);
  if (failed(result))
    return failure();
  return g.cast(*result, logical);
}

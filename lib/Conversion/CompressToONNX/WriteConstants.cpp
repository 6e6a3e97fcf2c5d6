//===- WriteConstants.cpp - Compressed constants as ONNX nodes ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What ONNX Runtime 1.31 does with these forms on its CPU provider decides
// between equivalent ones (tried one by one):
//
// - DequantizeLinear takes integer codes of 2 to 16 bits and the four 8-bit
//   floats, with f32 or f16 scales; not 4-bit floats, nor bf16 or f8E8M0
//   scales. Their decode is therefore a table lookup or a Cast of its own.
// - Scales stored as f16 go through a Cast to f32. Constant folding removes it
//   before DequantizeLinear -> MatMul is fused into MatMulNBits, so they cost
//   16 bits in the file and still fuse. f16 scales with `output_dtype = FLOAT`
//   would be one node less, but the fused operator then rejects its types.
// - Cast does not take 4-bit floats, but it does take 4-bit integers, so that
//   4-bit float codes stay packed as `uint4` and index a table of 16 values.
//
//===----------------------------------------------------------------------===//

#include "GraphBuilder.h"
#include "Grouping.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Minifloat.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"

using namespace mlir;
using namespace compress;

bool compress::isONNXFloat8(Type type) {
  return isa<Float8E4M3FNType, Float8E4M3FNUZType, Float8E5M2Type,
             Float8E5M2FNUZType>(type);
}

/// The narrowest integer type of ONNX that holds `type`.
static IntegerType getONNXInteger(IntegerType type) {
  bool isUnsigned = type.isUnsigned();
  unsigned width = 2;
  while (width < type.getWidth())
    width *= 2;
  return IntegerType::get(type.getContext(), width,
                          isUnsigned ? IntegerType::Unsigned
                                     : IntegerType::Signless);
}

ONNXCodes ONNXCodes::get(Type codeType, const Profile &profile) {
  if (auto integer = dyn_cast<IntegerType>(codeType)) {
    IntegerType wide = getONNXInteger(integer);
    switch (wide.getWidth()) {
    case 2:
      return {wide, 25};
    case 4:
    case 16:
      return {wide, 21};
    default:
      return {wide, 13};
    }
  }
  if (isONNXFloat8(codeType))
    return {codeType, 19};
  if (profile.float4Codes && isa<Float4E2M1FNType>(codeType))
    return {codeType, 23};
  return {};
}

bool compress::fitsInto(const HostTensor &integers, Type type) {
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return false;
  unsigned width = integer.getWidth();
  int64_t lo = integer.isUnsigned() ? 0 : -(int64_t(1) << (width - 1));
  int64_t hi = (int64_t(1) << (integer.isUnsigned() ? width : width - 1)) - 1;
  for (int64_t i = 0, e = integers.getNumElements(); i < e; ++i)
    if (integers.getInt(i) < lo || integers.getInt(i) > hi)
      return false;
  return true;
}

/// Integer elements in another type that holds them all.
static HostTensor convertIntegers(const HostTensor &from, Type type) {
  if (from.getElementType() == type)
    return from;
  HostTensor to = HostTensor::allocate(from.getShape(), type);
  for (int64_t i = 0, e = from.getNumElements(); i < e; ++i)
    to.setBits(i, uint64_t(from.getInt(i)) &
                      llvm::maskTrailingOnes<uint64_t>(to.getBitWidth()));
  return to;
}

/// The bits of float codes as unsigned integers that ONNX has.
static HostTensor getCodeBits(const HostTensor &codes) {
  MLIRContext *context = codes.getElementType().getContext();
  unsigned width = codes.getBitWidth();
  HostTensor bits =
      codes.bitcast(IntegerType::get(context, width, IntegerType::Unsigned));
  return convertIntegers(bits, IntegerType::get(context, width <= 4 ? 4 : 8,
                                                IntegerType::Unsigned));
}

Value compress::writeNumbers(GraphBuilder &g, const HostTensor &leaf,
                             Type storage, int64_t number, StringRef label) {
  HostTensor tensor = leaf.bitcast(storage);
  if (storage.isSignlessInteger(1))
    return g.initializer(tensor, label, number);
  if (auto integer = dyn_cast<IntegerType>(storage)) {
    IntegerType wide = getONNXInteger(integer);
    ONNXCodes codes = ONNXCodes::get(wide, g.profile);
    g.require(codes.opset);
    return g.initializer(convertIntegers(tensor, wide), label, number);
  }
  if (isONNXFloat8(storage)) {
    g.require(19);
    return g.cast(g.initializer(tensor, label, number), g.f32());
  }
  if (!isMinifloat(storage))
    return g.initializer(tensor, label, number);
  HostTensor bits = getCodeBits(tensor);
  g.require(bits.getBitWidth() == 4 ? 21 : 13);
  std::string name;
  llvm::raw_string_ostream(name) << "compress_values_" << storage;
  Value codes = g.cast(g.initializer(bits, label, number), g.i32());
  return g.lookup(g.table(name, getMinifloatTable(cast<FloatType>(storage))),
                  codes);
}

FailureOr<Value>
compress::writeComponent(GraphBuilder &g, Type componentType,
                         EncodingAttrInterface encoding, Type elementType,
                         ArrayRef<HostTensor> leaves, int64_t firstLeaf,
                         ArrayRef<int64_t> shape, StringRef label) {
  if (auto nested = dyn_cast<CompressedTensorType>(componentType)) {
    auto value = writeConstant(g, nested, leaves, firstLeaf, label);
    if (failed(value))
      return failure();
    return g.reshape(*value, shape);
  }
  Type storage = cast<DenseAttr>(encoding).getStorageType();
  Value value =
      writeNumbers(g, leaves[0].reshape(shape), storage, firstLeaf, label);
  return g.cast(value, elementType);
}

/// Codes are numbers: `i1` is signed here, not a boolean.
static Type getCodeNumbers(Type codeType) {
  if (codeType.isSignlessInteger(1))
    return IntegerType::get(codeType.getContext(), 1, IntegerType::Signed);
  return codeType;
}

namespace {
/// The leaves of a quantized constant, by component.
struct QuantLeaves {
  QuantLeaves(QuantAttr quant, CompressedTensorType type,
              ArrayRef<HostTensor> leaves)
      : codes(leaves[0].bitcast(getCodeNumbers(quant.getCodeType()))),
        scaleType(quant.getScaleComponentType(type.getShape())) {
    unsigned count = getNumLeaves(scaleType);
    scales = leaves.slice(1, count);
    zeros = leaves.drop_front(1 + count);
    if (!quant.getZero())
      return;
    zeroType = quant.getZeroComponentType(type.getShape());
    if (auto dense = dyn_cast<DenseAttr>(quant.getZero()))
      if (isa<IntegerType>(dense.getStorageType()))
        integerZeros = zeros[0].bitcast(dense.getStorageType());
  }
  HostTensor codes;
  Type scaleType, zeroType;
  ArrayRef<HostTensor> scales, zeros;
  /// Zero points, when they are stored as integers.
  HostTensor integerZeros;
};
} // namespace

static std::string join(StringRef label, StringRef what) {
  return label.empty() ? what.str() : (label + "_" + what).str();
}

/// Emits DequantizeLinear; nothing when it cannot express the tensor.
static FailureOr<Value> writeDequantize(GraphBuilder &g, QuantAttr quant,
                                        CompressedTensorType type,
                                        const QuantLeaves &leaves,
                                        int64_t firstLeaf, StringRef label) {
  std::optional<Granularity> granularity = Granularity::get(type, quant);
  ONNXCodes codes = ONNXCodes::get(quant.getCodeType(), g.profile);
  Type logical = type.getElementType();
  if (!granularity || !codes.type || logical.isF64())
    return Value();
  if (quant.getZero() &&
      !(leaves.integerZeros && fitsInto(leaves.integerZeros, codes.type)))
    return Value();

  g.require(codes.opset);
  if (granularity->kind == Granularity::Blocked)
    g.require(21);
  HostTensor stored = leaves.codes;
  if (isa<IntegerType>(codes.type))
    stored = convertIntegers(stored, codes.type);
  Value code = g.initializer(stored, join(label, "quantized"), firstLeaf);
  SmallVector<NamedAttribute> attrs;
  if (granularity->kind != Granularity::PerTensor)
    attrs.push_back(g.intAttr("axis", granularity->axis));
  if (granularity->kind == Granularity::Blocked)
    attrs.push_back(g.intAttr("block_size", granularity->block));

  auto dense = dyn_cast<DenseAttr>(quant.getScale());
  Type scaleStorage = dense ? dense.getStorageType() : Type();
  FailureOr<Value> scale;
  Type result = g.f32();
  if (scaleStorage && scaleStorage.isF16() && logical.isF16() &&
      quant.getCodeWidth() <= 8) {
    // Codes of up to 9 bits (after the zero point) times f16 is exact in f32,
    // so it does not matter in which of the two a runtime multiplies.
    g.require(19);
    result = scaleStorage;
    scale = writeComponent(g, leaves.scaleType, quant.getScale(), result,
                           leaves.scales, firstLeaf + 1,
                           granularity->parameterShape, join(label, "scale"));
  } else if (g.profile.powerOfTwoScales && scaleStorage &&
             isa<Float8E8M0FNUType>(scaleStorage)) {
    g.require(24);
    attrs.push_back(g.intAttr("output_dtype", *onnx::getDataType(g.f32())));
    scale = g.initializer(leaves.scales[0].reshape(granularity->parameterShape),
                          join(label, "scale"), firstLeaf + 1);
  } else {
    scale = writeComponent(g, leaves.scaleType, quant.getScale(), result,
                           leaves.scales, firstLeaf + 1,
                           granularity->parameterShape, join(label, "scale"));
  }
  if (failed(scale))
    return failure();
  SmallVector<Value> inputs{code, *scale};
  if (quant.getZero())
    inputs.push_back(g.initializer(
        convertIntegers(leaves.integerZeros, codes.type)
            .reshape(granularity->parameterShape),
        join(label, "zero_point"), firstLeaf + 1 + leaves.scales.size()));
  Value value = g.node("DequantizeLinear", inputs,
                       RankedTensorType::get(type.getShape(), result), attrs,
                       join(label, "dequantized"));
  return g.cast(value, logical);
}

/// The same with elementary operators, for any grouping and any parameters.
static FailureOr<Value> writeArithmetic(GraphBuilder &g, QuantAttr quant,
                                        CompressedTensorType type,
                                        const QuantLeaves &leaves,
                                        int64_t firstLeaf, StringRef label) {
  std::string reason;
  auto view = GroupView::get(type.getShape(), quant.getGroup(), reason);
  if (failed(view)) {
    g.emitError() << "cannot write " << type << " as ONNX: " << reason;
    return failure();
  }
  Type compute =
      type.getElementType().isF64() ? type.getElementType() : g.f32();
  Value number = writeNumbers(g, leaves.codes, leaves.codes.getElementType(),
                              firstLeaf, join(label, "quantized"));
  // Integer zero points are subtracted as integers, so that any are exact.
  Type subtract = leaves.integerZeros ? g.i32() : compute;
  number = g.cast(number, subtract);
  if (view->isPadded())
    number = g.padTo(number, view->padded);
  if (view->isSplit())
    number = g.reshape(number, view->view);
  auto scale = writeComponent(g, leaves.scaleType, quant.getScale(), g.f32(),
                              leaves.scales, firstLeaf + 1, view->parameters,
                              join(label, "scale"));
  if (failed(scale))
    return failure();
  if (quant.getZero()) {
    auto zero =
        writeComponent(g, leaves.zeroType, quant.getZero(),
                       leaves.integerZeros ? g.i32() : g.f32(), leaves.zeros,
                       firstLeaf + 1 + leaves.scales.size(), view->parameters,
                       join(label, "zero_point"));
    if (failed(zero))
      return failure();
    number = g.binary("Sub", number, g.cast(*zero, subtract));
  }
  Value value =
      g.binary("Mul", g.cast(number, compute), g.cast(*scale, compute));
  if (view->isSplit())
    value = g.reshape(value, view->padded);
  if (view->isPadded())
    value = g.cutTo(value, view->shape);
  return g.cast(value, type.getElementType());
}

FailureOr<Value> compress::writeConstant(GraphBuilder &g,
                                         CompressedTensorType type,
                                         ArrayRef<HostTensor> leaves,
                                         int64_t firstLeaf, StringRef label) {
  if (type.getNumElements() == 0)
    return g.constant(
        HostTensor::allocate(type.getShape(), type.getElementType()));
  if (auto dense = dyn_cast<DenseAttr>(type.getEncoding()))
    return g.cast(
        writeNumbers(g, leaves[0], dense.getStorageType(), firstLeaf, label),
        type.getElementType());
  auto quant = dyn_cast<QuantAttr>(type.getEncoding());
  if (!quant)
    return writeByDescription(g, type, leaves, firstLeaf, label);
  QuantLeaves parts(quant, type, leaves);
  auto value = writeDequantize(g, quant, type, parts, firstLeaf, label);
  if (failed(value) || *value)
    return value;
  return writeArithmetic(g, quant, type, parts, firstLeaf, label);
}

//===- GeneratedEncoding.cpp - The generated encoding -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The arithmetic is written once, over integers of 64 bits, for numbers on the
// host, scalars of the program and whole tensors.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cmath>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

LogicalResult
GeneratedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                      GeneratedKind kind, uint32_t seed, FloatAttr param) {
  bool isRandom = kind == GeneratedKind::Rademacher ||
                  kind == GeneratedKind::Uniform ||
                  kind == GeneratedKind::Normal;
  if (seed != 0 && !isRandom)
    return emitError() << "generated: " << stringifyGeneratedKind(kind)
                       << " takes no seed";
  if (kind == GeneratedKind::Power) {
    if (!param || !(param.getValueAsDouble() > 0) ||
        !std::isfinite(param.getValueAsDouble()))
      return emitError() << "generated: power needs a positive param";
  } else if (kind == GeneratedKind::Minifloat) {
    double bits = param ? param.getValueAsDouble() : 0;
    if (!(bits >= 1 && bits <= 7) || bits != std::floor(bits))
      return emitError() << "generated: the param of minifloat is its number "
                            "of exponent bits, 1 to 7";
  } else if (param) {
    return emitError() << "generated: " << stringifyGeneratedKind(kind)
                       << " takes no param";
  }
  return success();
}

LogicalResult
GeneratedAttr::verifyEncoding(function_ref<InFlightDiagnostic()> emitError,
                              ArrayRef<int64_t> shape, Type elementType) const {
  if (failed(verifySize(emitError, shape)))
    return failure();
  StringRef name = stringifyGeneratedKind(getKind());
  if (!isa<FloatType>(elementType))
    return emitError() << "generated: the logical element type must be a "
                          "float, found "
                       << elementType;
  if (ShapedType::isDynamicShape(shape))
    return emitError() << "generated: the shape must be static";
  bool isMatrix = getKind() == GeneratedKind::Hadamard;
  if (isMatrix && shape.size() != 2)
    return emitError() << "generated: " << name << " is a matrix, found rank "
                       << shape.size();
  // Counted with care: the product may be huge.
  uint64_t count = 1, limit = uint64_t(1) << 32;
  if (isTable())
    limit = getKind() == GeneratedKind::Pow2 ? 256 : 65536;
  for (int64_t dim : shape)
    if (dim == 0)
      count = 0;
  for (int64_t dim : shape)
    if (count && (count *= uint64_t(dim)) > limit)
      return emitError() << "generated: " << name << " has at most " << limit
                         << " elements";
  std::optional<uint64_t> exact;
  if (getKind() == GeneratedKind::NF4 || getKind() == GeneratedKind::FP4)
    exact = 16;
  if (getKind() == GeneratedKind::Minifloat) {
    uint64_t least = uint64_t(2) << int(getParam().getValueAsDouble());
    if (!llvm::isPowerOf2_64(count) || count < least)
      return emitError() << "generated: minifloat with "
                         << int(getParam().getValueAsDouble())
                         << " exponent bits has a power of two of at least "
                         << least << " elements, found " << count;
  }
  if (getKind() == GeneratedKind::Ternary)
    exact = 3;
  if (exact && count != *exact)
    return emitError() << "generated: " << name << " has " << *exact
                       << " elements, found " << count;
  return success();
}

SmallVector<Component>
GeneratedAttr::getComponents(CompressedTensorType) const {
  return {};
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

bool GeneratedAttr::isTable() const {
  switch (getKind()) {
  case GeneratedKind::Linear:
  case GeneratedKind::Power:
  case GeneratedKind::Pow2:
  case GeneratedKind::Minifloat:
  case GeneratedKind::NF4:
  case GeneratedKind::FP4:
  case GeneratedKind::Ternary:
    return true;
  default:
    return false;
  }
}

std::vector<float> GeneratedAttr::getTable(int64_t count) const {
  auto linear = [&](int64_t i) {
    return count == 1 ? 0.0 : -1.0 + 2.0 * double(i) / double(count - 1);
  };
  switch (getKind()) {
  case GeneratedKind::NF4:
    // Dettmers et al., QLoRA (2023), appendix E.
    return {-1.0f,
            -0.6961928009986877f,
            -0.5250730514526367f,
            -0.39491748809814453f,
            -0.28444138169288635f,
            -0.18477343022823334f,
            -0.09105003625154495f,
            0.0f,
            0.07958029955625534f,
            0.16093020141124725f,
            0.24611230194568634f,
            0.33791524171829224f,
            0.44070982933044434f,
            0.5626170039176941f,
            0.7229568362236023f,
            1.0f};
  case GeneratedKind::FP4: {
    std::vector<float> table;
    for (float sign : {1.0f, -1.0f})
      for (float value : {0.0f, 0.0625f / 12, 8.0f / 12, 12.0f / 12, 4.0f / 12,
                          6.0f / 12, 2.0f / 12, 3.0f / 12})
        table.push_back(sign * value);
    return table;
  }
  case GeneratedKind::Ternary:
    return {-1.0f, 0.0f, 1.0f};
  default:
    break;
  }
  std::vector<float> table(count);
  for (int64_t i = 0; i < count; ++i) {
    double x = linear(i);
    switch (getKind()) {
    case GeneratedKind::Power:
      table[i] = float(std::copysign(
          std::pow(std::fabs(x), getParam().getValueAsDouble()), x));
      break;
    case GeneratedKind::Minifloat: {
      int exponentBits = int(getParam().getValueAsDouble());
      int mantissaBits = int(llvm::Log2_64(count)) - 1 - exponentBits;
      int bias = (1 << (exponentBits - 1)) - 1;
      int64_t exponent = (i >> mantissaBits) & ((1 << exponentBits) - 1);
      int64_t mantissa = i & ((int64_t(1) << mantissaBits) - 1);
      if (exponent > 0)
        mantissa += int64_t(1) << mantissaBits;
      double magnitude =
          std::ldexp(double(mantissa),
                     int(std::max<int64_t>(exponent, 1)) - bias - mantissaBits);
      table[i] = float(i >= count / 2 ? -magnitude : magnitude);
      break;
    }
    case GeneratedKind::Pow2:
      table[i] = i == 0
                     ? 0.0f
                     : float(std::ldexp(i % 2 ? 1.0 : -1.0, -int((i - 1) / 2)));
      break;
    default:
      table[i] = float(x);
    }
  }
  return table;
}

namespace {

/// Philox4x32-10 of the counter (i, 0, 0, 0) and the key (seed, 0). `Ops` does
/// integer arithmetic of 64 bits on values `V`.
template <typename V, typename Ops>
std::array<V, 4> philox(Ops &ops, V i, uint32_t seed) {
  V zero = ops.number(0), low = ops.number(0xffffffff);
  std::array<V, 4> c{i, zero, zero, zero};
  uint32_t k0 = seed, k1 = 0;
  for (int round = 0; round < 10; ++round) {
    V p0 = ops.mul(c[0], ops.number(0xD2511F53));
    V p1 = ops.mul(c[2], ops.number(0xCD9E8D57));
    V hi0 = ops.shr(p0, 32), hi1 = ops.shr(p1, 32);
    c = {ops.bitXor(ops.bitXor(hi1, c[1]), ops.number(k0)), ops.bitAnd(p1, low),
         ops.bitXor(ops.bitXor(hi0, c[3]), ops.number(k1)),
         ops.bitAnd(p0, low)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

/// Every value but tables is an integer times a constant of f32.
template <typename V> struct Product {
  V integer;
  float factor;
};

/// `i` is the row-major index, `position` the coordinates.
template <typename V, typename Ops>
Product<V> compute(GeneratedAttr attr, Ops &ops, V i, ArrayRef<V> position) {
  switch (attr.getKind()) {
  case GeneratedKind::Zeros:
    return {ops.number(0), 1.0f};
  case GeneratedKind::Ones:
    return {ops.number(1), 1.0f};
  case GeneratedKind::Identity: {
    V result = ops.number(1);
    for (size_t d = 1; d < position.size(); ++d)
      result = ops.bitAnd(result, ops.equal(position[0], position[d]));
    return {result, 1.0f};
  }
  case GeneratedKind::Hadamard: {
    V parity = ops.bitAnd(position[0], position[1]);
    for (int shift : {32, 16, 8, 4, 2, 1})
      parity = ops.bitXor(parity, ops.shr(parity, shift));
    parity = ops.bitAnd(parity, ops.number(1));
    return {ops.sub(ops.number(1), ops.mul(parity, ops.number(2))), 1.0f};
  }
  case GeneratedKind::Rademacher: {
    V bit = ops.bitAnd(philox(ops, i, attr.getSeed())[0], ops.number(1));
    return {ops.sub(ops.number(1), ops.mul(bit, ops.number(2))), 1.0f};
  }
  case GeneratedKind::Uniform: {
    V bits = ops.shr(philox(ops, i, attr.getSeed())[0], 8);
    return {ops.sub(bits, ops.number(1 << 23)), 0x1p-23f};
  }
  case GeneratedKind::Normal: {
    V sum = ops.number(0);
    for (V word : philox(ops, i, attr.getSeed()))
      sum = ops.add(sum, ops.add(ops.bitAnd(word, ops.number(0xffff)),
                                 ops.shr(word, 16)));
    // Eight uniform integers: mean 8 * 65535 / 2, variance
    // 8 * (65536^2 - 1) / 12.
    return {ops.sub(sum, ops.number(262140)),
            float(1.0 / std::sqrt(8.0 * (65536.0 * 65536.0 - 1) / 12))};
  }
  default:
    llvm_unreachable("a table");
  }
}

struct HostOps {
  uint64_t number(uint64_t x) { return x; }
  uint64_t add(uint64_t a, uint64_t b) { return a + b; }
  uint64_t sub(uint64_t a, uint64_t b) { return a - b; }
  uint64_t mul(uint64_t a, uint64_t b) { return a * b; }
  uint64_t shr(uint64_t a, int bits) { return a >> bits; }
  uint64_t bitAnd(uint64_t a, uint64_t b) { return a & b; }
  uint64_t bitXor(uint64_t a, uint64_t b) { return a ^ b; }
  uint64_t equal(uint64_t a, uint64_t b) { return a == b; }
};

struct ScalarOps {
  OpBuilder &b;
  Location loc;
  Value number(uint64_t x) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(int64_t(x)));
  }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulIOp::create(b, loc, x, y); }
  Value shr(Value x, int bits) {
    return arith::ShRUIOp::create(b, loc, x, number(bits));
  }
  Value bitAnd(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
  Value bitXor(Value x, Value y) { return arith::XOrIOp::create(b, loc, x, y); }
  Value equal(Value x, Value y) {
    Value same = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, y);
    return arith::ExtUIOp::create(b, loc, b.getI64Type(), same);
  }
};

struct TensorOps {
  TensorBuilder &b;
  int64_t rank;
  DenseValue number(uint64_t x) {
    HostTensor one =
        HostTensor::allocate(SmallVector<int64_t>(rank, 1), b.getI64());
    one.setBits(0, x);
    return b.constant(one);
  }
  DenseValue add(const DenseValue &x, const DenseValue &y) {
    return b.add(x, y);
  }
  DenseValue sub(const DenseValue &x, const DenseValue &y) {
    return b.sub(x, y);
  }
  DenseValue mul(const DenseValue &x, const DenseValue &y) {
    return b.mul(x, y);
  }
  DenseValue shr(const DenseValue &x, int bits) {
    return b.binary(TensorBinary::ShrU, x, number(bits));
  }
  DenseValue bitAnd(const DenseValue &x, const DenseValue &y) {
    return b.binary(TensorBinary::And, x, y);
  }
  DenseValue bitXor(const DenseValue &x, const DenseValue &y) {
    return b.binary(TensorBinary::Xor, x, y);
  }
  DenseValue equal(const DenseValue &x, const DenseValue &y) {
    return b.cast(b.binary(TensorBinary::Equal, x, y), b.getI64());
  }
};

} // namespace

llvm::Expected<HostTensor>
GeneratedAttr::decodeHost(CompressedTensorType type,
                          ArrayRef<HostTensor>) const {
  ArrayRef<int64_t> shape = type.getShape();
  HostTensor out = HostTensor::allocate(shape, type.getElementType());
  int64_t count = out.getNumElements();
  if (isTable()) {
    std::vector<float> table = getTable(count);
    for (int64_t i = 0; i < count; ++i)
      out.setDouble(i, table[i]);
    return out;
  }
  HostOps ops;
  SmallVector<uint64_t> position(shape.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    auto [integer, factor] =
        compute<uint64_t, HostOps>(*this, ops, i, ArrayRef<uint64_t>(position));
    out.setDouble(i, float(int64_t(integer)) * factor);
    for (int64_t d = int64_t(shape.size()) - 1; d >= 0; --d) {
      if (++position[d] < uint64_t(shape[d]))
        break;
      position[d] = 0;
    }
  }
  return out;
}

FailureOr<DenseValue>
GeneratedAttr::describeDecode(TensorBuilder &b, CompressedTensorType type,
                              ArrayRef<ComponentValue>) const {
  ArrayRef<int64_t> shape = type.getShape();
  int64_t count = countElements(shape), rank = shape.size();
  if (isTable()) {
    HostTensor table =
        HostTensor::fromFloats(shape, b.getF32(), getTable(count));
    return b.cast(b.constant(table), type.getElementType());
  }
  TensorOps ops{b, rank};
  DenseValue i = b.reshape(b.iota(count, b.getI64()), shape);
  SmallVector<DenseValue> position;
  for (int64_t d = 0; d < rank; ++d) {
    SmallVector<int64_t> along(rank, 1);
    along[d] = shape[d];
    position.push_back(b.reshape(b.iota(shape[d], b.getI64()), along));
  }
  auto [integer, factor] = compute<DenseValue, TensorOps>(
      *this, ops, i, ArrayRef<DenseValue>(position));
  DenseValue value =
      b.mul(b.cast(integer, b.getF32()), b.scalar(factor, rank, b.getF32()));
  // Some kinds do not look at every coordinate.
  if (ArrayRef(value.shape) != shape)
    value = b.add(value, b.splat(0, shape, b.getF32()));
  return b.cast(value, type.getElementType());
}

/// The value at a position of the table.
static Value buildValueAt(OpBuilder &b, Location loc, GeneratedAttr attr,
                          CompressedTensorType type, ValueRange indices,
                          Value table) {
  Type f32 = b.getF32Type();
  Value value;
  if (table) {
    value = tensor::ExtractOp::create(b, loc, table, indices);
  } else {
    ScalarOps ops{b, loc};
    Value flat = ops.number(0);
    SmallVector<Value> position;
    for (auto [d, index] : llvm::enumerate(indices)) {
      position.push_back(
          arith::IndexCastOp::create(b, loc, b.getI64Type(), index));
      flat = ops.add(ops.mul(flat, ops.number(type.getDimSize(d))),
                     position.back());
    }
    auto [integer, factor] =
        compute<Value, ScalarOps>(attr, ops, flat, ArrayRef<Value>(position));
    value = arith::SIToFPOp::create(b, loc, f32, integer);
    Value scale = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(factor));
    value = arith::MulFOp::create(b, loc, value, scale);
  }
  return buildNumericCast(b, loc, value, f32, type.getElementType());
}

/// The table as a constant; null for other kinds.
static Value buildTable(OpBuilder &b, Location loc, GeneratedAttr attr,
                        CompressedTensorType type) {
  if (!attr.isTable())
    return {};
  auto tableType = RankedTensorType::get(type.getShape(), b.getF32Type());
  return arith::ConstantOp::create(
      b, loc,
      DenseElementsAttr::get(tableType,
                             ArrayRef(attr.getTable(type.getNumElements()))));
}

FailureOr<Value> GeneratedAttr::buildDecode(OpBuilder &b, Location loc,
                                            CompressedTensorType type,
                                            ValueRange) const {
  Value table = buildTable(b, loc, *this, type);
  Value init =
      tensor::EmptyOp::create(b, loc, type.getShape(), type.getElementType());
  unsigned rank = type.getRank();
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, init.getType(), ValueRange(), init,
             b.getMultiDimIdentityMap(rank), iterators,
             [&](OpBuilder &b, Location loc, ValueRange) {
               SmallVector<Value> position;
               for (unsigned d = 0; d < rank; ++d)
                 position.push_back(linalg::IndexOp::create(b, loc, d));
               linalg::YieldOp::create(
                   b, loc, buildValueAt(b, loc, *this, type, position, table));
             })
      .getResult(0);
}

FailureOr<SmallVector<Value>> GeneratedAttr::buildEncode(OpBuilder &, Location,
                                                         CompressedTensorType,
                                                         Value,
                                                         ValueRange) const {
  return SmallVector<Value>();
}

FailureOr<Value> GeneratedAttr::buildGather(OpBuilder &b, Location loc,
                                            CompressedTensorType type,
                                            ValueRange, Value indices,
                                            int64_t axis) const {
  Value table = buildTable(b, loc, *this, type);
  return buildLookup(
      b, loc, getAsIndexOpFoldResult(b.getContext(), type.getShape()),
      type.getElementType(), indices, axis,
      [&](OpBuilder &b, Location loc, ValueRange position) {
        return buildValueAt(b, loc, *this, type, position, table);
      });
}

llvm::Expected<SmallVector<HostTensor>>
GeneratedAttr::encodeHost(CompressedTensorType, const HostTensor &,
                          ArrayRef<HostTensor>) const {
  return SmallVector<HostTensor>();
}

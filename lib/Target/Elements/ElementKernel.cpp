//===- ElementKernel.cpp - Code that computes elements ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ElementKernel.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

unsigned ElementKernel::addConstant(const HostTensor &tensor, StringRef name) {
  for (auto &[known, buffer] : constants)
    if (known.getBytes().data() == tensor.getBytes().data() &&
        known.getBytes().size() == tensor.getBytes().size())
      return buffer;
  // Whole words, and one more than an element needs that ends in the last.
  ArrayRef<char> bytes = tensor.getBytes();
  int64_t words = llvm::divideCeil(bytes.size(), 4) + 1;
  HostTensor packed = HostTensor::allocate({words}, host.getI32Type());
  llvm::copy(bytes, packed.getMutableBytes().begin());
  unsigned buffer =
      addInput(arith::ConstantOp::create(host, loc, packed.toResource(name)));
  constants.emplace_back(tensor, buffer);
  return buffer;
}

Value ElementKernel::loadBits(unsigned buffer, Value at, unsigned width) {
  if (width == 32)
    return loadWord(buffer, at);
  if (width == 64)
    return loadWord(buffer, mul(at, 2));
  if (32 % width == 0) {
    int64_t perWord = 32 / width;
    Value word = loadWord(buffer, div(at, perWord));
    Value shift = toI32(mul(rem(at, perWord), width));
    return bitAnd(shiftRight(word, shift), (int64_t(1) << width) - 1);
  }
  // The element may lie in two words. A shift by 32 has no meaning, so the high
  // word moves in two steps.
  Value bit = mul(at, width);
  Value first = div(bit, 32);
  Value shift = toI32(rem(bit, 32));
  Value low = shiftRight(loadWord(buffer, first), shift);
  Value high = shiftLeft(loadWord(buffer, add(first, 1)), 1);
  high = shiftLeft(high, sub(i32(31), shift));
  return bitAnd(bitOr(low, high), (int64_t(1) << width) - 1);
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value ElementKernel::index(int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}
Value ElementKernel::i32(int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(int32_t(value)));
}
Value ElementKernel::f32(double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(float(value)));
}
Value ElementKernel::like(Value x, int64_t value) {
  return x.getType().isIndex() ? index(value) : i32(value);
}
Value ElementKernel::add(Value x, Value y) {
  return arith::AddIOp::create(b, loc, x, y);
}
Value ElementKernel::sub(Value x, Value y) {
  return arith::SubIOp::create(b, loc, x, y);
}
Value ElementKernel::mul(Value x, Value y) {
  return arith::MulIOp::create(b, loc, x, y);
}
Value ElementKernel::mul(Value x, int64_t y) {
  if (y == 0)
    return like(x, 0);
  return y == 1 ? x : mul(x, like(x, y));
}
Value ElementKernel::div(Value x, Value y) {
  return arith::DivUIOp::create(b, loc, x, y);
}
Value ElementKernel::rem(Value x, Value y) {
  return arith::RemUIOp::create(b, loc, x, y);
}
/// Whether a number is known to be a multiple of `of`.
static bool isMultiple(Value x, int64_t of) {
  if (std::optional<int64_t> constant = getConstantIntValue(OpFoldResult(x)))
    return *constant % of == 0;
  Operation *op = x.getDefiningOp();
  if (isa_and_nonnull<arith::AddIOp>(op))
    return isMultiple(op->getOperand(0), of) &&
           isMultiple(op->getOperand(1), of);
  if (isa_and_nonnull<arith::MulIOp>(op)) {
    if (isMultiple(op->getOperand(0), of) || isMultiple(op->getOperand(1), of))
      return true;
    // of = 2 * 3: (2 x) (3 y).
    auto factor = getConstantIntValue(OpFoldResult(op->getOperand(1)));
    return factor && *factor > 1 && of % *factor == 0 &&
           isMultiple(op->getOperand(0), of / *factor);
  }
  if (auto select = dyn_cast_or_null<arith::SelectOp>(op))
    return isMultiple(select.getTrueValue(), of) &&
           isMultiple(select.getFalseValue(), of);
  return false;
}

/// Takes the constants out of a sum and adds them to `constant`.
static Value stripConstants(ElementKernel &k, Value x, int64_t &constant) {
  auto sum = x.getDefiningOp<arith::AddIOp>();
  if (!sum)
    return x;
  for (unsigned i = 0; i < 2; ++i)
    if (auto known = getConstantIntValue(OpFoldResult(sum->getOperand(i)))) {
      constant += *known;
      return stripConstants(k, sum->getOperand(1 - i), constant);
    }
  int64_t before = constant;
  Value left = stripConstants(k, sum.getLhs(), constant);
  Value right = stripConstants(k, sum.getRhs(), constant);
  return constant == before ? x : k.add(left, right);
}

Value ElementKernel::div(Value x, int64_t y) {
  if (y == 1)
    return x;
  int64_t constant = 0;
  Value rest = stripConstants(*this, x, constant);
  if (constant > 0 && isMultiple(rest, y))
    return add(div(rest, like(x, y)), constant / y);
  return div(x, like(x, y));
}
Value ElementKernel::rem(Value x, int64_t y) {
  if (y == 1)
    return like(x, 0);
  int64_t constant = 0;
  Value rest = stripConstants(*this, x, constant);
  if (constant >= 0 && isMultiple(rest, y))
    return like(x, constant % y);
  return rem(x, like(x, y));
}
Value ElementKernel::shiftLeft(Value x, Value y) {
  return arith::ShLIOp::create(b, loc, x, y);
}
Value ElementKernel::shiftRight(Value x, Value y) {
  return arith::ShRUIOp::create(b, loc, x, y);
}
Value ElementKernel::shiftRightSigned(Value x, int64_t y) {
  return arith::ShRSIOp::create(b, loc, x, like(x, y));
}
Value ElementKernel::bitAnd(Value x, int64_t y) {
  return arith::AndIOp::create(b, loc, x, like(x, y));
}
Value ElementKernel::bitOr(Value x, Value y) {
  return arith::OrIOp::create(b, loc, x, y);
}
Value ElementKernel::compare(arith::CmpIPredicate predicate, Value x, Value y) {
  return arith::CmpIOp::create(b, loc, predicate, x, y);
}
Value ElementKernel::select(Value c, Value x, Value y) {
  return arith::SelectOp::create(b, loc, c, x, y);
}
Value ElementKernel::toI32(Value x) {
  if (x.getType().isInteger(32))
    return x;
  if (x.getType().isInteger(1))
    return arith::ExtUIOp::create(b, loc, b.getI32Type(), x);
  return arith::IndexCastOp::create(b, loc, b.getI32Type(), x);
}
Value ElementKernel::toIndex(Value x) {
  if (x.getType().isIndex())
    return x;
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), x);
}
Value ElementKernel::bitcast(Value x, Type type) {
  if (x.getType() == type)
    return x;
  return arith::BitcastOp::create(b, loc, type, x);
}

Value ElementKernel::fromHalf(Value bits) {
  Type f32 = b.getF32Type();
  if (hasHalf()) {
    Value half = arith::TruncIOp::create(b, loc, b.getIntegerType(16), bits);
    half = arith::BitcastOp::create(b, loc, b.getF16Type(), half);
    return arith::ExtFOp::create(b, loc, f32, half);
  }
  // By parts, since the device may flush f32 subnormals, or have no f16.
  Value sign = shiftLeft(bitAnd(bits, 0x8000), 16);
  Value exponent = bitAnd(shiftRight(bits, 10), 0x1f);
  Value mantissa = bitAnd(bits, 0x3ff);
  Value wide = shiftLeft(bitAnd(bits, 0x7fff), 13);
  Value normal = add(wide, (127 - 15) << 23);
  Value special = bitOr(i32(0x7f800000), shiftLeft(mantissa, 13));
  auto is = [&](int64_t value) {
    return compare(arith::CmpIPredicate::eq, exponent, i32(value));
  };
  Value small = arith::MulFOp::create(
      b, loc, arith::SIToFPOp::create(b, loc, f32, mantissa),
      this->f32(0x1p-24));
  Value magnitude = select(is(31), special, normal);
  magnitude = select(is(0), bitcast(small, b.getI32Type()), magnitude);
  return bitcast(bitOr(magnitude, sign), f32);
}

Value ElementKernel::toHalf(Value x) {
  Type type = b.getI32Type();
  if (hasHalf()) {
    Value half = arith::TruncFOp::create(b, loc, b.getF16Type(), x);
    half = arith::BitcastOp::create(b, loc, b.getIntegerType(16), half);
    return arith::ExtUIOp::create(b, loc, type, half);
  }
  Value bits = bitcast(x, type);
  Value sign = bitAnd(shiftRight(bits, 16), 0x8000);
  Value absolute = bitAnd(bits, 0x7fffffff);
  Value normal = shiftRight(sub(absolute, i32((127 - 15) << 23)), 13);
  Value special = bitOr(i32(0x7c00), bitAnd(shiftRight(absolute, 13), 0x3ff));
  Value scaled = arith::MulFOp::create(
      b, loc, bitcast(absolute, b.getF32Type()), this->f32(0x1p24));
  Value isSmall =
      compare(arith::CmpIPredicate::ult, absolute, i32((127 - 14) << 23));
  // Others would not fit an integer.
  scaled = select(isSmall, scaled, this->f32(0));
  Value small = arith::FPToSIOp::create(b, loc, type, scaled);
  Value isSpecial =
      compare(arith::CmpIPredicate::uge, absolute, i32(0x7f800000));
  Value magnitude = select(isSpecial, special, normal);
  return bitOr(select(isSmall, small, magnitude), sign);
}

Value ElementKernel::apply(AffineExpr expr, ValueRange dims) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dims[dim.getPosition()];
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return index(constant.getValue());
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return {};
  Value x = apply(binary.getLHS(), dims), y = apply(binary.getRHS(), dims);
  if (!x || !y)
    return {};
  switch (binary.getKind()) {
  case AffineExprKind::Add:
    return add(x, y);
  case AffineExprKind::Mul:
    return mul(x, y);
  case AffineExprKind::FloorDiv:
    return div(x, y);
  case AffineExprKind::Mod:
    return rem(x, y);
  default:
    return {};
  }
}

Value ElementKernel::linearize(ValueRange position, ValueRange extents) {
  if (position.empty())
    return index(0);
  Value linear = position[0];
  for (unsigned d = 1; d < position.size(); ++d)
    linear = add(mul(linear, extents[d]), position[d]);
  return linear;
}

SmallVector<Value> ElementKernel::delinearize(Value linear,
                                              ValueRange extents) {
  SmallVector<Value> position(extents.size());
  for (int64_t d = int64_t(extents.size()) - 1; d > 0; --d) {
    if (getConstantIntValue(OpFoldResult(extents[d])) == 1) {
      position[d] = index(0);
      continue;
    }
    position[d] = rem(linear, extents[d]);
    linear = div(linear, extents[d]);
  }
  if (!extents.empty())
    position[0] = linear;
  return position;
}

Value ElementKernel::loops(ValueRange extents, Value start,
                           llvm::function_ref<Value(ValueRange, Value)> body) {
  SmallVector<Value> position;
  std::function<Value(unsigned, Value)> nest = [&](unsigned depth,
                                                   Value carried) -> Value {
    if (depth == extents.size())
      return body(position, carried);
    std::optional<int64_t> extent =
        getConstantIntValue(OpFoldResult(extents[depth]));
    if (extent == 0)
      return carried;
    if (extent == 1) {
      position.push_back(index(0));
      Value result = nest(depth + 1, carried);
      position.pop_back();
      return result;
    }
    auto loop =
        scf::ForOp::create(b, loc, index(0), extents[depth], index(1), carried);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      position.push_back(loop.getInductionVar());
      Value next = nest(depth + 1, loop.getRegionIterArg(0));
      position.pop_back();
      scf::YieldOp::create(b, loc, next);
    }
    Value result = loop.getResult(0);
    // The conversion to SPIR-V leaves the result of a loop that does not run
    // undefined.
    if (!extent)
      result =
          select(compare(arith::CmpIPredicate::eq, extents[depth], index(0)),
                 carried, result);
    return result;
  };
  return nest(0, start);
}

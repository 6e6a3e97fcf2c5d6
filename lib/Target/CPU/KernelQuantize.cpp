//===- KernelQuantize.cpp - Quantizing in kernels ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelQuantize.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

SmallVector<Value> compress::cpu::widenRange(KernelBuilder &k, Value x,
                                             ValueRange range) {
  return {k.minF(x, range[0]), k.maxF(x, range[1])};
}

SmallVector<Value> compress::cpu::emptyRange(KernelBuilder &k, unsigned lanes) {
  return SmallVector<Value>(2, k.real(k.vector(lanes, k.f32()), 0.0f));
}

SmallVector<Value>
compress::cpu::emitRange(KernelBuilder &k, unsigned lanes, Value x,
                         int64_t count, ValueRange known,
                         llvm::function_ref<SmallVector<Value>(Value)> at) {
  int64_t full = count / lanes * lanes;
  SmallVector<Value> range(known);
  auto widenAt = [&](Value i, ValueRange carried) {
    return widenRange(k, k.loadVector(lanes, x, at(i)), carried);
  };
  if (full == lanes)
    range = widenAt(k.index(0), range);
  else if (full)
    range = k.loop(k.index(0), k.index(full), lanes, range, widenAt);
  // Lanes that are off read as zero, which the range holds anyway.
  if (full < count)
    range = widenRange(k,
                       k.loadMasked(lanes, x, at(k.index(full)),
                                    k.prefixMask(lanes, count - full)),
                       range);
  return range;
}

SmallVector<Value> compress::cpu::reduceRange(KernelBuilder &k,
                                              ValueRange range) {
  return {vector::ReductionOp::create(k.b, k.loc,
                                      vector::CombiningKind::MINNUMF, range[0]),
          vector::ReductionOp::create(
              k.b, k.loc, vector::CombiningKind::MAXNUMF, range[1])};
}

CodeGroup compress::cpu::emitCodeGroup(KernelBuilder &k, const CodeRange &codes,
                                       Value lo, Value hi) {
  Value one = k.real(1.0f), none = k.real(0.0f);
  if (!codes.hasZero) {
    Value magnitude = k.maxF(hi, k.subF(none, lo));
    Value scale = k.divF(magnitude,
                         k.real(float(std::max(std::abs(codes.lo), codes.hi))));
    Value isZero = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ,
                                         magnitude, none);
    return {k.select(isZero, one, scale), k.integer(k.i32(), codes.shift)};
  }
  Value scale = k.divF(k.subF(hi, lo), k.real(float(codes.hi - codes.lo)));
  Value isZero =
      arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ, scale, none);
  scale = k.select(isZero, one, scale);
  Value first = k.real(float(codes.lo)), last = k.real(float(codes.hi));
  Value zero = k.subF(first, k.divF(lo, scale));
  if (codes.floatZero)
    return {scale, k.bitcast(k.minF(k.maxF(zero, first), last), k.i32())};
  zero = k.roundEven(zero);
  zero = k.minF(k.maxF(zero, first), last);
  return {scale, k.add(k.convert(zero, k.i32()), codes.shift)};
}

CodeGroup compress::cpu::loadCodeGroup(KernelBuilder &k, const CodeRange &codes,
                                       const StaticParameters &parameters,
                                       Value group) {
  ValueRange args = k.getArguments();
  Value scale = k.load(args[1], group);
  if (!parameters.zeroWidth)
    return {scale, k.integer(k.i32(), codes.shift)};
  if (codes.floatZero)
    return {scale, k.bitcast(k.load(args[2], group), k.i32())};
  Value zero =
      k.convert(k.load(args[2], group), k.i32(), parameters.zeroUnsigned);
  return {scale, k.add(zero, codes.shift)};
}

Value compress::cpu::emitIsOrdinary(KernelBuilder &k, Value scale) {
  Value bits = k.bitcast(scale, k.i32());
  Value exponent = k.sub(k.shiftRight(bits, 23), k.integer(k.i32(), 67));
  Value significand = k.bitAnd(bits, 0x7fffff);
  return arith::AndIOp::create(
      k.b, k.loc, k.lessThan(exponent, k.integer(k.i32(), 120)),
      k.lessThan(significand, k.integer(k.i32(), 0x7fffff)));
}

Quantizer::Quantizer(KernelBuilder &k, const CodeRange &codes, CodeGroup group,
                     unsigned lanes, bool usesInverse)
    : scale(k.splat(group.scale, lanes)) {
  if (usesInverse) {
    inverse = k.splat(k.divF(k.real(1.0f), group.scale), lanes);
    least = k.splat(k.mulF(group.scale, k.real(-1e9f)), lanes);
  }
  // Clamping before the shift or after it is the same; the zero point of
  // the code type is exact in f32, and so is the sum while it matters.
  Value zero = k.sub(group.zero, k.integer(k.i32(), codes.shift));
  zeroF = k.splat(codes.floatZero ? k.bitcast(group.zero, k.f32())
                                  : k.convert(zero, k.f32()),
                  lanes);
  Type type = k.vector(lanes, k.f32());
  lo = k.real(type, codes.lo);
  hi = k.real(type, codes.hi);
  shift = codes.shift;
  hasZero = codes.hasZero;
  floatZero = codes.floatZero;
}

Value Quantizer::operator()(KernelBuilder &k, Value x) const {
  return k.convert(widened(k, x), k.i8());
}

Value Quantizer::widened(KernelBuilder &k, Value x) const {
  Value code = emitQuotient(k, x);
  if (floatZero)
    code = k.addF(code, zeroF);
  code = k.roundEven(code);
  if (hasZero && !floatZero)
    code = k.addF(code, zeroF);
  code = k.maxF(k.minF(code, hi), lo);
  return k.add(k.convert(code, k.i32()), shift);
}

/// The quotient as a division rounds it. With the rounded inverse of the
/// divisor, the first correction comes within a unit in the last place, and
/// from there the second one rounds correctly (Markstein, 1990).
Value Quantizer::emitQuotient(KernelBuilder &k, Value x) const {
  if (!inverse)
    return k.divF(x, scale);
  // Negative infinity would become NaN; positive infinity may, which has the
  // same code.
  x = k.maxF(least, x);
  Value quotient = k.mulF(x, inverse);
  Value negated = arith::NegFOp::create(k.b, k.loc, scale);
  for (unsigned i = 0; i < 2; ++i) {
    Value rest = k.multiplyAdd(quotient, negated, x, /*fused=*/true);
    quotient = k.multiplyAdd(rest, inverse, quotient, /*fused=*/true);
  }
  return quotient;
}

void compress::cpu::emitQuantized(
    KernelBuilder &k, const KernelISA &isa, const CodeRange &codes,
    CodeGroup group, llvm::function_ref<void(const Quantizer &)> body) {
  auto emit = [&](bool usesInverse) {
    body(Quantizer(k, codes, group, isa.getLanes(), usesInverse));
  };
  if (!isa.hasFMA)
    return emit(false);
  k.ifThen(
      emitIsOrdinary(k, group.scale), [&] { emit(true); },
      [&] { emit(false); });
}

std::string
compress::cpu::getEncodingName(const CodeRange &codes,
                               const std::optional<StaticParameters> &p) {
  std::string name = codes.shift ? "i8" : codes.lo < 0 ? "s8" : "u8";
  if (codes.hi - codes.lo < 254)
    name += llvm::formatv("of{0}", codes.hi - codes.lo + 1);
  else if (codes.lo == -127)
    name += "s";
  if (codes.hasZero)
    name += codes.floatZero ? "zf" : "z";
  if (p)
    name +=
        llvm::formatv("_static{0}{1}", p->zeroUnsigned ? "u" : "", p->zeroWidth)
            .str();
  return name;
}

void compress::cpu::appendParameterTypes(
    OpBuilder &b, SmallVectorImpl<Type> &types, const CodeRange &codes,
    const std::optional<StaticParameters> &p) {
  if (!p)
    return;
  types.push_back(MemRefType::get({ShapedType::kDynamic}, b.getF32Type()));
  if (codes.floatZero)
    types.push_back(MemRefType::get({ShapedType::kDynamic}, b.getF32Type()));
  else if (p->zeroWidth)
    types.push_back(MemRefType::get({ShapedType::kDynamic},
                                    b.getIntegerType(p->zeroWidth)));
}

void compress::cpu::appendOutTypes(OpBuilder &b, SmallVectorImpl<Type> &types,
                                   bool hasRanges) {
  auto dynamic = [&](Type element) {
    return MemRefType::get({ShapedType::kDynamic}, element);
  };
  types.push_back(dynamic(b.getI8Type()));
  types.push_back(dynamic(b.getF32Type()));
  types.push_back(dynamic(b.getI32Type()));
  if (hasRanges)
    types.push_back(dynamic(b.getF32Type()));
}

CodeGroup compress::cpu::emitRangesGroup(KernelBuilder &k,
                                         const CodeRange &codes, Value ranges,
                                         Value begin, Value end) {
  Value none = k.real(0.0f);
  SmallVector<Value> range =
      k.loop(begin, end, 1, {none, none}, [&](Value i, ValueRange known) {
        Value at = k.mul(i, 2);
        Value lo = k.load(ranges, at), hi = k.load(ranges, k.add(at, 1));
        return SmallVector<Value>{k.minF(lo, known[0]), k.maxF(hi, known[1])};
      });
  return emitCodeGroup(k, codes, range[0], range[1]);
}

void compress::cpu::emitTensorGroup(
    KernelBuilder &k, unsigned lanes, const CodeRange &codes,
    const std::optional<StaticParameters> &parameters, unsigned firstOut,
    unsigned rangesOut, int64_t rowLength, Value isSmall,
    llvm::function_ref<SmallVector<Value>(KernelBuilder &, Value row, Value i)>
        locate) {
  ValueRange args = k.getArguments();
  Value zero = k.index(0);
  CodeGroup group;
  if (parameters) {
    group = loadCodeGroup(k, codes, *parameters, zero);
  } else {
    k.tasks(k.index(kRangeTasks), isSmall, [&](KernelBuilder &k, Value task) {
      ValueRange args = k.getArguments();
      Value rows = k.mul(k.dim(args[0], 0),
                         cast<MemRefType>(args[0].getType()).getRank() == 3
                             ? k.dim(args[0], 1)
                             : k.index(1));
      Value chunk = k.ceilDiv(rows, kRangeTasks);
      Value begin = k.minimum(k.mul(task, chunk), rows);
      Value end = k.minimum(k.add(begin, chunk), rows);
      SmallVector<Value> range =
          reduceRange(k, k.loop(begin, end, 1, emptyRange(k, lanes),
                                [&](Value row, ValueRange known) {
                                  return emitRange(k, lanes, args[0], rowLength,
                                                   known, [&](Value i) {
                                                     return locate(k, row, i);
                                                   });
                                }));
      Value ranges = args[rangesOut];
      Value at = k.mul(task, 2);
      k.store(range[0], ranges, at);
      k.store(range[1], ranges, k.add(at, 1));
    });
    group =
        emitRangesGroup(k, codes, args[rangesOut], zero, k.index(kRangeTasks));
  }
  k.store(group.scale, args[firstOut + 1], zero);
  k.store(group.zero, args[firstOut + 2], zero);
}

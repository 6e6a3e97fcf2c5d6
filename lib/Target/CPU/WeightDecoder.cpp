//===- WeightDecoder.cpp - Codes to f32 in registers ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WeightDecoder.h"
#include "compress/Dialect/Compress/IR/Minifloat.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

CodeLayout::CodeLayout(Type codeType)
    : codeType(codeType), width(codeType.getIntOrFloatBitWidth()) {
  if (isBytes()) {
    unit = 4;
    words = 1;
  } else if (32 % width == 0) {
    unit = 32 / width;
    words = 1;
  } else {
    unit = 32;
    words = width;
  }
}

bool CodeLayout::isSigned() const {
  auto type = dyn_cast<IntegerType>(codeType);
  return type && !type.isUnsigned();
}

FloatPlacement::FloatPlacement(FloatType type, const KernelISA &isa) {
  Minifloat format = Minifloat::get(type);
  width = isa.hasF16C ? 16 : 32;
  unsigned mantissaBits = isa.hasF16C ? 10 : 23;
  magnitudeShift = mantissaBits - format.mantissaBits;
  signShift = width - format.width;
  // Products of f32 numbers that lack a large factor would be subnormal.
  factor = isa.hasF16C ? std::ldexp(1.0f, 15 - format.bias) : 1.0f;
}

bool compress::cpu::usesTable(const CodeLayout &layout, const KernelISA &isa) {
  return isa.permuteF32 && layout.width <= 4;
}

bool compress::cpu::usesNibbles(const WeightOnlyGEMM &gemm) {
  CodeLayout layout(gemm.codeType);
  if (!gemm.isa->permuteF32 || gemm.hasTable || gemm.zeroType ||
      layout.isFloat() || layout.width > 3)
    return false;
  if (layout.width < 3 || !layout.isSigned())
    return true;
  // Parts of a signed code that lies in two nibbles are up to seven times its
  // absolute value (-4 + 3). The error stays below (K + 6) * 2^-24 where the
  // sums of blocks are short.
  int64_t blockSums = (3 * gemm.block + 3) / 4 + 2;
  return 7 * blockSums + gemm.k / gemm.block + 1 < gemm.k + 6;
}

//===----------------------------------------------------------------------===//
// Decoder
//===----------------------------------------------------------------------===//

WeightDecoder::WeightDecoder(KernelBuilder &k, const WeightOnlyGEMM &gemm,
                             unsigned panelVectors, Value column,
                             Value inflated)
    : k(k), gemm(gemm), isa(*gemm.isa), layout(gemm.codeType),
      lanes(isa.getLanes()), panelVectors(panelVectors), column(column),
      packed(inflated ? inflated : k.getArguments()[1]),
      panelBase(inflated ? k.index(0)
                         : k.mul(column, layout.getColumnBytes(gemm.k))) {
  if (gemm.hasTable) {
    // Without permutations it stays in memory.
    if (isa.permute2F32)
      for (int64_t i = 0; i < gemm.getTableSize(); i += lanes)
        table.push_back(k.loadVector(lanes, getTable(), k.index(i)));
    return;
  }
  if (!usesTable(layout, isa))
    return;
  // Indices keep bits of the next code, so the table repeats.
  unsigned mask = (1u << layout.width) - 1;
  std::vector<float> codes;
  if (layout.isFloat())
    codes = getMinifloatTable(cast<FloatType>(gemm.codeType));
  SmallVector<float> values;
  for (unsigned i = 0; i < lanes; ++i) {
    unsigned code = i & mask;
    if (layout.isFloat())
      values.push_back(codes[code]);
    else
      values.push_back(layout.isSigned()
                           ? float(llvm::SignExtend64(code, layout.width))
                           : float(code));
  }
  table.push_back(arith::ConstantOp::create(
      k.b, k.loc,
      DenseElementsAttr::get(k.vector(lanes, k.f32()),
                             ArrayRef<float>(values))));
}

Value WeightDecoder::getTable() {
  return k.getArguments()[gemm.zeroType ? 4 : 3];
}

Value compress::cpu::loadScales(KernelBuilder &k, unsigned lanes, Value memref,
                                Type type, Value at) {
  Value scale = k.loadVector(lanes, memref, at);
  VectorType f32 = k.vector(lanes, k.f32());
  if (type.isInteger(8)) {
    // A power of two: its exponent; the smallest one is subnormal.
    Value bits = k.shiftLeft(k.convert(scale, k.i32(), true), 23);
    Value smallest = k.integer(bits.getType(), 0x400000);
    return k.bitcast(arith::MaxUIOp::create(k.b, k.loc, bits, smallest), f32);
  }
  if (type.isInteger(16))
    return k.bitcast(k.shiftLeft(k.convert(scale, k.i32(), true), 16), f32);
  return k.convert(scale, k.f32());
}

BlockParameters WeightDecoder::loadParameters(Value block, unsigned first,
                                              unsigned vectors) {
  ValueRange args = k.getArguments();
  BlockParameters result;
  result.first = first;
  int64_t blocks = llvm::divideCeil(gemm.k, gemm.block);
  Value base =
      k.add(k.mul(column, blocks), k.mul(block, int64_t(panelVectors) * lanes));
  float factor = 1;
  if (layout.isFloat() && table.empty())
    factor = FloatPlacement(cast<FloatType>(gemm.codeType), isa).factor;
  for (unsigned v = first; v < first + vectors; ++v) {
    Value at = k.add(base, v * lanes);
    Value scale = loadScales(k, lanes, args[2], gemm.scaleType, at);
    if (factor != 1)
      scale = k.mulF(scale, k.real(scale.getType(), factor));
    result.scales.push_back(scale);
    if (!gemm.zeroType)
      continue;
    Value zero = k.loadVector(lanes, args[3], at);
    if (!gemm.zeroType.isF32())
      zero = k.convert(
          k.convert(zero, k.i32(), gemm.zeroType.isUnsignedInteger()), k.f32());
    result.zeros.push_back(zero);
  }
  return result;
}

SmallVector<Value> WeightDecoder::forEachBlock(Value k0, int64_t extent,
                                               ValueRange carried,
                                               BlockBody body) {
  int64_t size = gemm.block;
  Value first = k.div(k0, size);
  if (extent <= size)
    return body(first, k0, extent, carried);
  int64_t full = extent / size;
  SmallVector<Value> values = k.loop(
      k.index(0), k.index(full), 1, carried, [&](Value i, ValueRange inner) {
        return body(k.add(first, i), k.add(k0, k.mul(i, size)), size, inner);
      });
  if (extent % size)
    values =
        body(k.add(first, full), k.add(k0, full * size), extent % size, values);
  return values;
}

SmallVector<Value> WeightDecoder::forEachUnit(
    Value k0, int64_t extent, ValueRange carried,
    llvm::function_ref<SmallVector<Value>(Value, unsigned, ValueRange)> body) {
  int64_t full = extent / layout.unit * layout.unit;
  SmallVector<Value> values(carried);
  if (full == layout.unit)
    values = body(k0, layout.unit, values);
  else if (full)
    values = k.loop(k.index(0), k.index(full), layout.unit, values,
                    [&](Value i, ValueRange inner) {
                      return body(k.add(k0, i), layout.unit, inner);
                    });
  if (full < extent)
    values = body(k.add(k0, full), extent - full, values);
  return values;
}

SmallVector<Value> WeightDecoder::forEachCode(const BlockParameters &parameters,
                                              Value k0, int64_t extent,
                                              ValueRange carried,
                                              CodeBody body) {
  return forEachUnit(k0, extent, carried,
                     [&](Value at, unsigned count, ValueRange inner) {
                       return emitUnit(parameters, at, count, inner, body);
                     });
}

Value WeightDecoder::loadNibble(const BlockParameters &parameters, Value k0,
                                ArrayRef<SmallVector<Value>> words, unsigned v,
                                int64_t nibble) {
  unsigned word = nibble / 8, byte = nibble % 8 / 2;
  Value bits = words[v][word];
  // Shifting by bytes is left to loads, which have nothing else to do. What
  // they take from behind the vector is not there behind the last one.
  bool isLast =
      word + 1 == layout.words && parameters.first + v + 1 == panelVectors;
  if (isLast)
    return k.shiftRight(bits, nibble % 8 * 4);
  if (byte) {
    int64_t wordBytes = int64_t(panelVectors) * lanes * 4;
    Value offset = k.mul(k.div(k0, layout.unit), layout.words * wordBytes);
    Value at = toVectorBase(k.add(offset, word * wordBytes + byte),
                            parameters.first + v, 4);
    bits = k.bitcast(k.loadVector(4 * lanes, packed, at), bits.getType());
  }
  return k.shiftRight(bits, nibble % 2 * 4);
}

SmallVector<Value>
WeightDecoder::forEachNibble(const BlockParameters &parameters, Value k0,
                             int64_t extent, ValueRange carried,
                             NibbleBody body) {
  VectorType f32 = k.vector(lanes, k.f32());
  int64_t width = layout.width;
  /// What bits of code `code` in nibble `nibble` of a unit are worth.
  auto getFactors = [&](int64_t nibble, int64_t code) -> Value {
    SmallVector<float> factors;
    for (int64_t value = 0; value < lanes; ++value) {
      int64_t sum = 0;
      for (int64_t i = 0; i < 4; ++i) {
        int64_t bit = 4 * nibble + i - code * width;
        if (bit < 0 || bit >= width || !((value >> i) & 1))
          continue;
        bool isNegative = layout.isSigned() && bit == width - 1;
        sum += (int64_t(1) << bit) * (isNegative ? -1 : 1);
      }
      factors.push_back(float(sum));
    }
    return arith::ConstantOp::create(
        k.b, k.loc, DenseElementsAttr::get(f32, ArrayRef<float>(factors)));
  };
  return forEachUnit(
      k0, extent, carried, [&](Value at, unsigned count, ValueRange inner) {
        auto words = loadWords(parameters, at);
        SmallVector<Value> values(inner);
        for (int64_t nibble = 0; 4 * nibble < count * width; ++nibble) {
          SmallVector<NibbleTerm> terms;
          int64_t last = (4 * nibble + 3) / width;
          for (int64_t code = 4 * nibble / width;
               code <= std::min<int64_t>(last, count - 1); ++code)
            terms.push_back({k.add(at, code), getFactors(nibble, code)});
          SmallVector<Value> nibbles;
          for (unsigned v = 0; v < words.size(); ++v)
            nibbles.push_back(loadNibble(parameters, at, words, v, nibble));
          values = body(terms, nibbles, values);
        }
        return values;
      });
}

Value WeightDecoder::toVectorBase(Value offset, unsigned v,
                                  unsigned bytesPerLane) {
  return k.add(k.add(panelBase, offset), v * lanes * bytesPerLane);
}

SmallVector<SmallVector<Value>>
WeightDecoder::loadWords(const BlockParameters &parameters, Value k0) {
  SmallVector<SmallVector<Value>> words(parameters.scales.size());
  if (layout.isBytes())
    return words;
  // Words of all columns, one after the other.
  int64_t wordBytes = int64_t(panelVectors) * lanes * 4;
  Value base = k.mul(k.div(k0, layout.unit), layout.words * wordBytes);
  for (auto [v, ofColumns] : llvm::enumerate(words))
    for (unsigned w = 0; w < layout.words; ++w) {
      Value at =
          toVectorBase(k.add(base, w * wordBytes), parameters.first + v, 4);
      ofColumns.push_back(k.bitcast(k.loadVector(4 * lanes, packed, at),
                                    k.vector(lanes, k.i32())));
    }
  return words;
}

SmallVector<Value> WeightDecoder::emitUnit(const BlockParameters &parameters,
                                           Value k0, unsigned count,
                                           ValueRange carried, CodeBody body) {
  unsigned vectors = parameters.scales.size();
  SmallVector<SmallVector<Value>> words = loadWords(parameters, k0);
  SmallVector<Value> values(carried);
  for (unsigned j = 0; j < count; ++j) {
    Value kk = k.add(k0, j);
    SmallVector<Value> weights;
    for (unsigned v = 0; v < vectors; ++v) {
      Value weight;
      if (layout.isBytes()) {
        Value at = toVectorBase(k.mul(kk, int64_t(panelVectors) * lanes),
                                parameters.first + v, 1);
        Value bytes = k.loadVector(lanes, packed, at);
        if (gemm.hasTable)
          weight = lookUp(k.convert(bytes, k.i32(), /*isUnsigned=*/true));
        else if (layout.isFloat())
          weight = placeFloat(bytes);
        else
          weight =
              k.convert(k.convert(bytes, k.i32(), !layout.isSigned()), k.f32());
      } else {
        weight = extract(words[v], j);
      }
      if (!parameters.zeros.empty())
        weight = k.subF(weight, parameters.zeros[v]);
      weights.push_back(weight);
    }
    values = body(kk, weights, values);
  }
  return values;
}

Value WeightDecoder::extract(ArrayRef<Value> words, unsigned j) {
  unsigned width = layout.width;
  unsigned word = j * width / 32, shift = j * width % 32;
  Value bits = words[word];
  if (shift + width > 32) {
    bits = k.bitOr(k.shiftRight(bits, shift),
                   k.shiftLeft(words[word + 1], 32 - shift));
    shift = 0;
  }
  if (gemm.hasTable || !table.empty())
    return lookUp(k.shiftRight(bits, shift));
  if (layout.isFloat())
    return placeFloat(k.shiftRight(bits, shift));
  if (layout.isSigned())
    bits =
        k.shiftRightSigned(k.shiftLeft(bits, 32 - width - shift), 32 - width);
  else
    bits = k.bitAnd(k.shiftRight(bits, shift), (int64_t(1) << width) - 1);
  return k.convert(bits, k.f32());
}

Value WeightDecoder::lookUp(Value codes) {
  VectorType f32 = k.vector(lanes, k.f32());
  if (table.empty()) {
    codes = k.bitAnd(codes, (int64_t(1) << layout.width) - 1);
    return vector::GatherOp::create(k.b, k.loc, f32, getTable(), k.index(0),
                                    codes, k.prefixMask(lanes, lanes),
                                    k.real(f32, 0.0f));
  }
  if (table.size() == 1)
    return k.call(isa.permuteF32, f32, {table[0], codes});
  // Pairs of vectors by the low five bits, then one of two by each bit above.
  SmallVector<Value> found;
  for (size_t i = 0; i < table.size(); i += 2)
    found.push_back(
        k.call(isa.permute2F32, f32, {table[i], codes, table[i + 1]}));
  for (int64_t bit = 32; found.size() > 1; bit *= 2) {
    Value zero = k.integer(codes.getType(), 0);
    Value isLow = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq,
                                        k.bitAnd(codes, bit), zero);
    SmallVector<Value> next;
    for (size_t i = 0; i < found.size(); i += 2)
      next.push_back(k.select(isLow, found[i], found[i + 1]));
    found = std::move(next);
  }
  return found[0];
}

Value WeightDecoder::placeFloat(Value codes) {
  FloatPlacement placement(cast<FloatType>(gemm.codeType), isa);
  if (layout.isBytes() && placement.width == 16) {
    // The sign is wherever the widened code is shifted to.
    Value halves = k.convert(codes, k.i16());
    int64_t magnitudes = int64_t(0x7f) << placement.magnitudeShift;
    halves = k.bitAnd(k.shiftLeft(halves, placement.magnitudeShift),
                      0x8000 | magnitudes);
    return k.convert(k.bitcast(halves, k.vector(lanes, k.b.getF16Type())),
                     k.f32());
  }
  codes = k.convert(codes, k.b.getIntegerType(placement.width),
                    /*isUnsigned=*/true);
  int64_t signBit = int64_t(1) << (layout.width - 1);
  Value magnitude = k.bitAnd(codes, signBit - 1);
  Value sign = k.shiftLeft(k.bitAnd(codes, signBit), placement.signShift);
  Value bits = k.shiftLeft(magnitude, placement.magnitudeShift);
  VectorType f32 = k.vector(lanes, k.f32());
  if (placement.width == 16) {
    bits = k.bitOr(bits, sign);
    return k.convert(k.bitcast(bits, k.vector(lanes, k.b.getF16Type())),
                     k.f32());
  }
  Minifloat format = Minifloat::get(cast<FloatType>(gemm.codeType));
  Value isSubnormal =
      k.lessThan(magnitude, k.integer(magnitude.getType(),
                                      int64_t(1) << format.mantissaBits));
  Value subnormal =
      k.mulF(k.convert(magnitude, k.f32()),
             k.real(f32, std::ldexp(1.0f, 1 - format.bias -
                                              int(format.mantissaBits))));
  bits = k.select(isSubnormal, k.bitcast(subnormal, bits.getType()),
                  k.add(bits, int64_t(127 - format.bias) << 23));
  return k.bitcast(k.bitOr(bits, sign), f32);
}

//===- KernelBlockPanel.cpp - Codes and scales of a panel -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelBlockPanel.h"
#include "WeightDecoder.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Up to this many steps of a block are unrolled.
static constexpr int64_t kUnrolledSteps = 16;

CodePlanes::CodePlanes(unsigned width, bool inPairs) : steps(1), words(0) {
  if (inPairs) {
    steps = 8;
    words = 5;
    return;
  }
  unsigned bit = 0;
  for (unsigned plane : {8u, 4u, 2u, 1u})
    if (width & plane) {
      planes.push_back({plane, bit, 0});
      bit += plane;
      steps = 8 / plane;
    }
  for (Plane &plane : planes) {
    plane.firstWord = words;
    words += steps * plane.width / 8;
  }
}

CodeShift CodeShift::none(const BlockDotGEMM &gemm) {
  CodeShift result;
  result.isSigned = gemm.activationUnsigned && gemm.width == 8;
  result.isFolded = !gemm.zeroType && !gemm.zero && !gemm.offset;
  return result;
}

CodeShift CodeShift::fold(const BlockDotGEMM &gemm) {
  CodeShift result = none(gemm);
  // Padding has the code zero, and nothing may be taken from that.
  bool hasPadding = gemm.k % 4 || (gemm.block < gemm.k && gemm.block % 4);
  if (result.isFolded || gemm.zeroType || hasPadding)
    return result;
  int64_t lo = result.isSigned ? -128 : 0, hi = lo + (1 << gemm.width) - 1;
  int64_t factor = gemm.zero == std::nearbyint(gemm.zero) ? 1 : 2;
  int64_t shift = gemm.zero ? int64_t(gemm.zero * factor) : gemm.offset;
  bool isSigned = factor * lo - shift < 0;
  if (factor * hi > 255 || factor * lo - shift < (isSigned ? -128 : 0) ||
      factor * hi - shift > (isSigned ? 127 : 255))
    return result;
  return {factor, shift, isSigned, /*isFolded=*/true};
}

BlockPanel::BlockPanel(KernelBuilder &k, const BlockDotGEMM &gemm,
                       const Panels &panels, Value panel, unsigned panelVectors,
                       int64_t validColumns, CodeShift shift,
                       int64_t stepMultiple)
    : k(k), gemm(gemm), isa(*gemm.isa), planes(gemm.getPlanes()), shift(shift),
      lanes(isa.getLanes()), width(int64_t(panelVectors) * isa.getLanes()),
      validColumns(validColumns),
      units(planes.getUnits(std::min(gemm.block, gemm.k))),
      widenedSteps(llvm::alignTo(units * planes.steps, stepMultiple)),
      column(k.mul(panel, panels.getFullColumns())),
      word(k.vector(isa.getLanes(), k.i32())) {
  ValueRange args = k.getArguments();
  unsigned next = 4;
  packed = args[next++];
  scales = args[next++];
  if (gemm.zeroType)
    zeros = args[next++];
  if (gemm.init == InitKind::Bias)
    bias = args[next++];
  out = args[args.size() - 2];
  packedBase = k.mul(column, gemm.getColumnBytes());
  // Float products of sums and zero points are exact up to here.
  int64_t most = gemm.zeroType ? 255 : (int64_t(1) << gemm.width) - 1;
  narrow = gemm.zero ||
           std::min(gemm.block, gemm.k) * 255 * most < (int64_t(1) << 24);
}

//===----------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------===//

SmallVector<Value> BlockPanel::forEachBlock(Value firstBlock, int64_t extent,
                                            ValueRange carried,
                                            BlockBody body) {
  int64_t full = extent / gemm.block, rest = extent % gemm.block;
  SmallVector<Value> values(carried);
  if (full == 1)
    values = body(k.index(0), firstBlock, gemm.block, values);
  else if (full)
    values = k.loop(k.index(0), k.index(full), 1, values,
                    [&](Value i, ValueRange inner) {
                      return body(i, k.add(firstBlock, i), gemm.block, inner);
                    });
  if (rest)
    values = body(k.index(full), k.add(firstBlock, full), rest, values);
  return values;
}

SmallVector<Value> BlockPanel::forEachPackedStep(Value block, int64_t length,
                                                 unsigned first,
                                                 unsigned vectors,
                                                 ValueRange carried,
                                                 StepBody body) {
  Value base =
      k.add(packedBase, k.mul(block, units * planes.words * width * 4));
  int64_t count = llvm::divideCeil(length, 4);
  auto emitUnit = [&](Value unit, int64_t stepCount, ValueRange carried) {
    Value at = k.add(base, k.mul(unit, planes.words * width * 4));
    bool expands = gemm.inPairs && isa.expandBytes;
    SmallVector<SmallVector<Value>> words(vectors);
    for (unsigned v = 0; v < vectors && !expands; ++v)
      for (unsigned w = 0; w < planes.words; ++w) {
        Value loaded =
            k.loadVector(4 * lanes, packed,
                         k.add(at, (w * width + (first + v) * lanes) * 4));
        words[v].push_back(k.bitcast(loaded, word));
      }
    SmallVector<Value> values(carried);
    Value step = k.mul(unit, planes.steps);
    for (unsigned s = 0; s < stepCount; ++s) {
      SmallVector<Value> codes;
      for (unsigned v = 0; v < vectors; ++v)
        codes.push_back(applyShift(expands        ? expandPair(at, first + v, s)
                                   : gemm.inPairs ? widenPair(words[v], s)
                                                  : widenPlanes(words[v], s)));
      values = body(k.add(step, s), codes, values);
    }
    return values;
  };
  int64_t full = count / planes.steps, rest = count % planes.steps;
  SmallVector<Value> values(carried);
  if (count <= kUnrolledSteps)
    for (int64_t unit = 0; unit < full; ++unit)
      values = emitUnit(k.index(unit), planes.steps, values);
  else
    values = k.loop(k.index(0), k.index(full), 1, values,
                    [&](Value unit, ValueRange inner) {
                      return emitUnit(unit, planes.steps, inner);
                    });
  if (rest)
    values = emitUnit(k.index(full), rest, values);
  return values;
}

Value BlockPanel::applyShift(Value codes) {
  if (shift.factor == 1 && !shift.shift)
    return codes;
  Value result = k.bitcast(codes, bytes());
  if (shift.factor == 2)
    result = k.add(result, result);
  return k.bitcast(k.sub(result, k.integer(bytes(), shift.shift)), word);
}

/// The codes of step `s` of a unit, one in every byte.
Value BlockPanel::widenPlanes(ArrayRef<Value> words, unsigned s) {
  Value result;
  for (const CodePlanes::Plane &plane : planes.planes) {
    unsigned bit = s * plane.width;
    Value part = words[plane.firstWord + bit / 8];
    if (plane.width < 8) {
      int64_t up = int64_t(plane.lowBit) - bit % 8;
      part = up > 0 ? k.shiftLeft(part, up) : k.shiftRight(part, -up);
      int64_t mask = ((1 << plane.width) - 1) << plane.lowBit;
      part = k.bitAnd(part, mask * 0x01010101);
    }
    result = result ? k.bitOr(result, part) : part;
  }
  return result;
}

/// The same of pairs at `at`: a load takes the values of the step and whatever
/// follows them.
Value BlockPanel::expandPair(Value at, unsigned vector, unsigned s) {
  auto wordAt = [&](unsigned word, int64_t byte) {
    return k.add(at, (word * width + vector * lanes) * 4 + byte);
  };
  Value values = k.loadVector(4 * lanes, packed, wordAt(s / 2, s % 2 * 32));
  Value mask = k.bitcast(
      k.bitcast(k.loadVector(8, packed, wordAt(planes.words - 1, 8 * s)),
                k.vector(1, k.b.getI64Type())),
      k.vector(4 * lanes, k.b.getI1Type()));
  Value result =
      k.call(isa.expandBytes, bytes(), {values, k.integer(bytes(), 0), mask});
  // 128 more in every byte.
  if (gemm.offset)
    result = k.add(result, k.integer(bytes(), gemm.offset));
  return k.bitcast(result, word);
}

/// Each value is shifted to its byte.
Value BlockPanel::widenPair(ArrayRef<Value> words, unsigned s) {
  Value values = k.shiftRight(words[s / 2], s % 2 * 16);
  Value result;
  for (unsigned i = 0; i < 2; ++i) {
    // Eight times the place.
    int64_t up = 3 - int64_t(4 * s + 2 * i);
    Value bits = up > 0 ? k.shiftLeft(words.back(), up)
                        : k.shiftRight(words.back(), -up);
    Value moved = arith::ShLIOp::create(
        k.b, k.loc, k.bitAnd(values, int64_t(0xff) << (8 * i)),
        k.bitAnd(bits, 3 << 3));
    result = result ? k.bitOr(result, moved) : moved;
  }
  // 128 more in every byte.
  if (gemm.offset)
    result = arith::XOrIOp::create(k.b, k.loc, result,
                                   k.integer(word, int32_t(0x80808080)));
  return result;
}

SmallVector<Value> BlockPanel::addCodes(ArrayRef<Value> codes,
                                        ValueRange sums) {
  SmallVector<Value> next(sums);
  if (sums.empty())
    return next;
  // One factor is unsigned, the other signed.
  SmallVector<Value> ones =
      splitBytes(k, isa, k.integer(word, 0x01010101), !shift.isSigned);
  for (auto [v, sum] : llvm::enumerate(next)) {
    SmallVector<Value> column = splitBytes(k, isa, codes[v], shift.isSigned);
    sum = shift.isSigned ? emitDot(k, isa, sum, ones, column)
                         : emitDot(k, isa, sum, column, ones);
  }
  return next;
}

void BlockPanel::emitWiden(Value firstBlock, int64_t extent, unsigned vectors,
                           Value buffer, Value codeSums) {
  forEachBlock(
      firstBlock, extent, {},
      [&](Value i, Value block, int64_t length,
          ValueRange) -> SmallVector<Value> {
        Value base = k.mul(i, getWidenedBytes());
        SmallVector<Value> sums;
        if (codeSums)
          sums.assign(vectors, k.integer(word, 0));
        sums = forEachPackedStep(
            block, length, 0, vectors, sums,
            [&](Value step, ArrayRef<Value> codes, ValueRange carried) {
              for (unsigned v = 0; v < vectors; ++v)
                k.storeVector(
                    k.bitcast(codes[v], bytes()), buffer,
                    k.add(k.add(base, k.mul(step, width * 4)), v * lanes * 4));
              return addCodes(codes, carried);
            });
        for (auto [v, sum] : llvm::enumerate(sums))
          k.storeVector(sum, codeSums, k.add(k.mul(i, width), v * lanes));
        return {};
      });
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

BlockPanel::Row BlockPanel::getRow(Value number) {
  Row row;
  row.number = number;
  row.codes = k.mul(number, isa.getRowBytes(gemm.k));
  row.sums = k.mul(number, gemm.getBlocks());
  row.groups = gemm.perRow ? k.mul(number, getGroups()) : k.index(0);
  return row;
}

BlockPanel::Columns BlockPanel::loadColumns(Value block, Value vector,
                                            Value codeSum) {
  int64_t weightBlocks = llvm::divideCeil(gemm.k, gemm.weightBlock);
  Value weightBlock = weightBlocks == 1
                          ? k.index(0)
                          : k.div(block, gemm.weightBlock / gemm.block);
  Value at =
      k.add(k.add(k.mul(column, weightBlocks), k.mul(weightBlock, width)),
            k.mul(vector, lanes));
  Columns result;
  result.scale = loadScales(k, lanes, scales, gemm.scaleType, at);
  if (shift.factor == 2)
    result.scale = k.mulF(result.scale, k.real(result.scale.getType(), 0.5f));
  if (!shift.isFolded) {
    if (gemm.zeroType)
      result.zero = k.convert(k.loadVector(lanes, zeros, at), k.i32(),
                              gemm.zeroType.isUnsignedInteger());
    if (narrow && result.zero)
      result.zero = k.convert(result.zero, k.f32());
    if (gemm.zero)
      result.zero = k.real(k.vector(lanes, k.f32()), gemm.zero);
  }
  result.codeSum = codeSum;
  if (narrow && codeSum)
    result.codeSum = k.convert(codeSum, k.f32());
  return result;
}

Value BlockPanel::addBlock(Value dots, const Columns &columns, const Row &row,
                           Value block, Value sum) {
  ValueRange args = k.getArguments();
  Value value = dots;
  Value group = row.groups;
  if (hasRowGroups())
    group = k.add(group, k.div(block, gemm.activationGroup / gemm.block));
  auto subtract = [&](Value factor, Value memref, Value at) {
    Value scalar = k.load(memref, at);
    if (!narrow) {
      value = k.sub(value, k.mul(factor, k.splat(scalar, lanes)));
      return;
    }
    // Subtracted by a multiplication with its negative.
    scalar = k.convert(k.sub(k.integer(k.i32(), 0), scalar), k.f32());
    value = k.multiplyAdd(factor, k.splat(scalar, lanes), value, isa.hasFMA);
  };
  if (narrow)
    value = k.convert(value, k.f32());
  if (columns.zero)
    subtract(columns.zero, args[3], k.add(row.sums, block));
  if (columns.codeSum)
    subtract(columns.codeSum, args[2], group);
  if (!narrow)
    value = k.convert(value, k.f32());
  if (hasRowGroups())
    value = k.mulF(value, k.splat(k.load(args[1], group), lanes));
  return k.multiplyAdd(value, columns.scale, sum, isa.hasFMA);
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

Value BlockPanel::maskOf(unsigned v) {
  int64_t valid = validColumns - int64_t(v) * lanes;
  return valid >= lanes ? Value() : k.prefixMask(lanes, valid);
}

Value BlockPanel::load(Value memref, ValueRange at, unsigned v) {
  Value mask = maskOf(v);
  return mask ? k.loadMasked(lanes, memref, at, mask)
              : k.loadVector(lanes, memref, at);
}

void BlockPanel::store(Value value, Value row, unsigned v) {
  SmallVector<Value> at{row, columnOf(v)};
  if (Value mask = maskOf(v))
    k.storeMasked(value, out, at, mask);
  else
    k.storeVector(value, out, at);
}

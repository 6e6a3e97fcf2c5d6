//===- KernelFloat.cpp - Float register tiles -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelFloat.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Multiply-adds in flight that hide their latency.
static constexpr unsigned kIndependentSums = 8;
/// Multiply-adds of one iteration of the sum loop, about.
static constexpr unsigned kIterationWork = 48;

//===----------------------------------------------------------------------===//
// Packed weights
//===----------------------------------------------------------------------===//

Panels compress::cpu::getFloatPanels(const KernelISA &isa, int64_t columns) {
  return Panels(columns, isa.getLanes(), isa.floatVectors);
}

bool compress::cpu::isPackedFloat(Type type) {
  return type.isF32() || type.isF16() || type.isBF16();
}

Type compress::cpu::getPackedFloatType(const KernelISA &isa, Type type) {
  if (type.isBF16() || (type.isF16() && !isa.hasF16C))
    return IntegerType::get(type.getContext(), 16);
  return type;
}

template <typename T>
static void packPanels(const Panels &panels, ArrayRef<T> source,
                       ArrayRef<int64_t> columns, ArrayRef<int64_t> rows,
                       T *out) {
  for (int64_t p = 0; p < panels.getCount(); ++p) {
    bool isFull = p < panels.numFull;
    int64_t first = p * panels.getFullColumns();
    int64_t valid = isFull ? panels.getFullColumns() : panels.getTailColumns();
    int64_t width = isFull ? panels.getFullColumns()
                           : int64_t(panels.tailVectors) * panels.lanes;
    for (int64_t row : rows) {
      for (int64_t column = 0; column < valid; ++column)
        out[column] = source[row + columns[first + column]];
      out += width;
    }
  }
}

HostTensor compress::cpu::packFloatWeights(const KernelISA &isa,
                                           const HostTensor &source,
                                           ArrayRef<int64_t> columns,
                                           ArrayRef<int64_t> rows) {
  Panels panels = getFloatPanels(isa, columns.size());
  auto result =
      HostTensor::allocate({int64_t(rows.size()) * panels.getPaddedColumns()},
                           getPackedFloatType(isa, source.getElementType()));
  if (source.getBitWidth() == 32)
    packPanels(panels, source.getData<uint32_t>(), columns, rows,
               result.getMutableData<uint32_t>().data());
  else
    packPanels(panels, source.getData<uint16_t>(), columns, rows,
               result.getMutableData<uint16_t>().data());
  return result;
}

Value compress::cpu::emitLoadWeights(KernelBuilder &k, const KernelISA &isa,
                                     Type stored, Value packed, Value at) {
  unsigned lanes = isa.getLanes();
  Value value = k.loadVector(lanes, packed, at);
  if (stored.isF32())
    return value;
  VectorType words = k.vector(lanes, k.i32()),
             floats = k.vector(lanes, k.f32());
  if (stored.isBF16())
    return k.bitcast(
        k.shiftLeft(k.convert(value, k.i32(), /*isUnsigned=*/true), 16),
        floats);
  if (isa.hasF16C)
    return k.convert(value, k.f32());
  // The bits of an f16 in the place of those of an f32 have an exponent that
  // is too small by 112, denormal numbers too.
  Value bits = k.convert(value, k.i32(), /*isUnsigned=*/true);
  Value magnitude = k.shiftLeft(k.bitAnd(bits, 0x7fff), 13);
  Value sign = k.shiftLeft(k.bitAnd(bits, 0x8000), 16);
  Value scaled =
      k.mulF(k.bitcast(magnitude, floats), k.real(floats, 0x1p+112f));
  Value isFinite = k.lessThan(magnitude, k.integer(words, 0x0f800000));
  Value special = k.bitOr(magnitude, k.integer(words, 0x7f800000));
  Value result = k.select(isFinite, k.bitcast(scaled, words), special);
  return k.bitcast(k.bitOr(result, sign), floats);
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

SmallVector<Value> compress::cpu::emitFloatTile(
    KernelBuilder &k, const KernelISA &isa, const DotAxis &axis,
    unsigned vectors, Value a, ValueRange rowBases, Value b, Value panelBase,
    ValueRange init, Type stored, std::optional<FloatPrefetch> prefetch) {
  if (!stored)
    stored = k.f32();
  unsigned lanes = isa.getLanes();
  unsigned numSums = rowBases.size() * vectors;
  int64_t width = int64_t(vectors) * lanes;
  // A tile of few sums is several, one for every so many k.
  unsigned sets = llvm::bit_ceil(llvm::divideCeil(kIndependentSums, numSums));
  unsigned unroll = std::max<unsigned>(
      {sets, 2, llvm::bit_floor(std::max(1u, kIterationWork / numSums))});
  unroll = std::min<unsigned>(unroll, llvm::bit_ceil<uint64_t>(axis.run));
  sets = std::min(sets, unroll);

  auto step = [&](Value aOffset, Value bOffset, unsigned number,
                  MutableArrayRef<Value> sums) {
    SmallVector<Value> columns;
    for (unsigned v = 0; v < vectors; ++v)
      columns.push_back(emitLoadWeights(k, isa, stored, b,
                                        k.add(bOffset, int64_t(v) * lanes)));
    unsigned set = number % sets;
    for (auto [r, base] : llvm::enumerate(rowBases)) {
      Value value = k.splat(k.load(a, k.add(base, aOffset)), lanes);
      for (unsigned v = 0; v < vectors; ++v) {
        Value &sum = sums[set * numSums + r * vectors + v];
        sum = k.multiplyAdd(value, columns[v], sum, isa.hasFMA);
      }
    }
  };
  auto steps = [&](Value aOffset, Value bOffset, unsigned count,
                   ValueRange carried) {
    SmallVector<Value> sums(carried);
    for (unsigned u = 0; u < count; ++u)
      step(k.add(aOffset, u), k.add(bOffset, u * width), u, sums);
    return sums;
  };

  // Lines to fetch in every iteration, and where this tile's part starts.
  Type element = cast<MemRefType>(b.getType()).getElementType();
  int64_t perLine = 512 / element.getIntOrFloatBitWidth();
  int64_t lines = 0;
  Value fetched;
  if (prefetch) {
    lines = llvm::divideCeil(unroll * width, perLine * prefetch->share);
    fetched = prefetch->base;
    if (prefetch->share > 1)
      fetched =
          k.add(fetched, k.mul(k.minimum(prefetch->index,
                                         k.index(int64_t(prefetch->share) - 1)),
                               axis.getNumRuns() * (axis.run / unroll) * lines *
                                   perLine));
  }
  auto fetch = [&](Value iteration) {
    for (int64_t line = 0; line < lines; ++line)
      memref::PrefetchOp::create(
          k.b, k.loc, b,
          ValueRange(k.add(k.add(fetched, k.mul(iteration, lines * perLine)),
                           line * perLine)),
          /*isWrite=*/false, /*localityHint=*/2, /*isDataCache=*/true);
  };

  SmallVector<Value> sums(init);
  VectorType type = k.vector(lanes, k.f32());
  while (sums.size() < size_t(numSums) * sets)
    sums.push_back(k.real(type, 0.0f));
  Value zero = k.index(0);
  sums = emitRuns(
      k, axis, 0, zero, zero, sums,
      [&](Value offset, Value run, ValueRange carried) -> SmallVector<Value> {
        Value base = k.add(panelBase, k.mul(run, axis.run * width));
        int64_t whole = axis.run / unroll * unroll;
        SmallVector<Value> next(carried);
        if (whole == unroll)
          next = steps(offset, base, unroll, next);
        else if (whole)
          next = k.loop(zero, k.index(whole / unroll), 1, next,
                        [&](Value i, ValueRange inner) {
                          if (lines)
                            fetch(k.add(k.mul(run, whole / unroll), i));
                          return steps(k.add(offset, k.mul(i, unroll)),
                                       k.add(base, k.mul(i, unroll * width)),
                                       unroll, inner);
                        });
        if (whole < axis.run)
          next = steps(k.add(offset, whole), k.add(base, whole * width),
                       axis.run - whole, next);
        return next;
      });
  for (; sets > 1; sets /= 2)
    for (unsigned i = 0; i < sets / 2 * numSums; ++i)
      sums[i] = k.addF(sums[i], sums[sets / 2 * numSums + i]);
  sums.resize(numSums);
  return sums;
}

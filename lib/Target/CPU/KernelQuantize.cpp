//===- KernelQuantize.cpp - Kernels that quantize activations ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The arithmetic of the quant encoding (QuantEncoding.cpp), operation for
// operation, on vectors.
//
//===----------------------------------------------------------------------===//

#include "KernelGEMM.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

namespace {
/// Scale and stored zero point of a group.
struct Group {
  Value scale, zero;
};
} // namespace

/// Widens the running range [lo, hi] by a vector of values; NaN changes
/// nothing.
static SmallVector<Value> widen(KernelBuilder &k, Value x, ValueRange range) {
  return {k.minF(x, range[0]), k.maxF(x, range[1])};
}

/// A range of nothing but zero, lane by lane.
static SmallVector<Value> emptyRange(KernelBuilder &k, unsigned lanes) {
  return SmallVector<Value>(2, k.real(k.vector(lanes, k.f32()), 0.0f));
}

/// Widens lane-wise ranges by `count` values that `at(i)` gives the position
/// of.
static SmallVector<Value>
emitRange(KernelBuilder &k, unsigned lanes, Value x, int64_t count,
          ValueRange known, llvm::function_ref<SmallVector<Value>(Value)> at) {
  int64_t full = count / lanes * lanes;
  SmallVector<Value> range(known);
  auto widenAt = [&](Value i, ValueRange carried) {
    return widen(k, k.loadVector(lanes, x, at(i)), carried);
  };
  if (full == lanes)
    range = widenAt(k.index(0), range);
  else if (full)
    range = k.loop(k.index(0), k.index(full), lanes, range, widenAt);
  // Lanes that are off read as zero, which the range holds anyway.
  if (full < count)
    range = widen(k,
                  k.loadMasked(lanes, x, at(k.index(full)),
                               k.prefixMask(lanes, count - full)),
                  range);
  return range;
}

/// The range of all lanes as two scalars.
static SmallVector<Value> reduceRange(KernelBuilder &k, ValueRange range) {
  return {vector::ReductionOp::create(k.b, k.loc,
                                      vector::CombiningKind::MINNUMF, range[0]),
          vector::ReductionOp::create(
              k.b, k.loc, vector::CombiningKind::MAXNUMF, range[1])};
}

/// The rule of `chooseScale` and of zero points.
static Group emitGroup(KernelBuilder &k, const CodeRange &codes, Value lo,
                       Value hi) {
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

/// Scale and zero point number `group` of a static encoding.
static Group loadGroup(KernelBuilder &k, const CodeRange &codes,
                       const StaticParameters &parameters, Value group) {
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

/// Whether `emitQuotient` may divide by `scale`: the theorem that it rests on
/// leaves out divisors whose significand is all ones, and nothing may overflow
/// or underflow that matters.
static Value emitIsOrdinary(KernelBuilder &k, Value scale) {
  Value bits = k.bitcast(scale, k.i32());
  Value exponent = k.sub(k.shiftRight(bits, 23), k.integer(k.i32(), 67));
  Value significand = k.bitAnd(bits, 0x7fffff);
  return arith::AndIOp::create(
      k.b, k.loc, k.lessThan(exponent, k.integer(k.i32(), 120)),
      k.lessThan(significand, k.integer(k.i32(), 0x7fffff)));
}

namespace {
/// Quantizes vectors with the parameters of one group.
class Quantizer {
public:
  /// With `usesInverse` the scale has to be ordinary.
  Quantizer(KernelBuilder &k, const CodeRange &codes, Group group,
            unsigned lanes, bool usesInverse = false)
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

  /// i8 codes as stored.
  Value operator()(KernelBuilder &k, Value x) const {
    return k.convert(widened(k, x), k.i8());
  }
  /// The same as i32.
  Value widened(KernelBuilder &k, Value x) const {
    Value code = emitQuotient(k, x);
    if (floatZero)
      code = k.addF(code, zeroF);
    code = k.roundEven(code);
    if (hasZero && !floatZero)
      code = k.addF(code, zeroF);
    code = k.maxF(k.minF(code, hi), lo);
    return k.add(k.convert(code, k.i32()), shift);
  }

private:
  /// The quotient as a division rounds it. With the rounded inverse of the
  /// divisor, the first correction comes within a unit in the last place, and
  /// from there the second one rounds correctly (Markstein, 1990).
  Value emitQuotient(KernelBuilder &k, Value x) const {
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

  Value scale, inverse, least, zeroF, lo, hi;
  int64_t shift;
  bool hasZero, floatZero;
};
} // namespace

static std::string getEncodingName(const CodeRange &codes,
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

static void appendParameterTypes(OpBuilder &b, SmallVectorImpl<Type> &types,
                                 const CodeRange &codes,
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

static void appendOutTypes(OpBuilder &b, SmallVectorImpl<Type> &types,
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

/// Fills in the one group of a tensor: from the parameters, or from the values
/// by way of one range per task. Rows are what `locate` finds.
static void emitTensorGroup(
    KernelBuilder &k, unsigned lanes, const CodeRange &codes,
    const std::optional<StaticParameters> &parameters, unsigned firstOut,
    unsigned rangesOut, int64_t rowLength, Value isSmall,
    llvm::function_ref<SmallVector<Value>(KernelBuilder &, Value row, Value i)>
        locate) {
  ValueRange args = k.getArguments();
  Value zero = k.index(0);
  Group group;
  if (parameters) {
    group = loadGroup(k, codes, *parameters, zero);
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
    Value none = k.real(0.0f);
    Value ranges = args[rangesOut];
    SmallVector<Value> range = k.loop(
        zero, k.index(2 * kRangeTasks), 2, {none, none},
        [&](Value i, ValueRange known) {
          Value lo = k.load(ranges, i), hi = k.load(ranges, k.add(i, 1));
          return SmallVector<Value>{k.minF(lo, known[0]), k.maxF(hi, known[1])};
        });
    group = emitGroup(k, codes, range[0], range[1]);
  }
  k.store(group.scale, args[firstOut + 1], zero);
  k.store(group.zero, args[firstOut + 2], zero);
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

namespace {
/// Quantizes one row, group by group.
class RowQuantizer {
public:
  RowQuantizer(KernelBuilder &k, const QuantizeRows &q, unsigned firstOut,
               Value row)
      : k(k), q(q), lanes(q.isa->getLanes()), row(row),
        base(k.mul(row, q.isa->getRowBytes(q.k))) {
    ValueRange args = k.getArguments();
    x = args[0];
    codes = args[firstOut];
    scales = args[firstOut + 1];
    zeros = args[firstOut + 2];
    if (q.sumBlock)
      sums = args[firstOut + 3];
  }

  void emit() {
    if (!q.perRow) {
      Value zero = k.index(0);
      emitSegments(k.index(0), q.k,
                   {k.load(scales, zero), k.load(zeros, zero)});
      return;
    }
    int64_t size = q.group ? std::min(q.group, q.k) : q.k;
    int64_t count = llvm::divideCeil(q.k, size);
    Value first = k.mul(row, count);
    if (count == 1)
      return emitGroup(k.index(0), size, first);
    k.loop(k.index(0), k.index(q.k / size), 1,
           [&](Value g) { emitGroup(k.mul(g, size), size, k.add(first, g)); });
    if (int64_t rest = q.k % size)
      emitGroup(k.index(q.k - rest), rest, k.add(first, count - 1));
  }

private:
  SmallVector<Value> at(Value i) { return {row, i}; }

  /// The elements [start, start + length), which make up group `number`.
  void emitGroup(Value start, int64_t length, Value number) {
    Group group;
    if (q.parameters) {
      group = loadGroup(k, q.range, *q.parameters, number);
    } else {
      SmallVector<Value> range = reduceRange(
          k, emitRange(k, lanes, x, length, emptyRange(k, lanes),
                       [&](Value i) { return at(k.add(start, i)); }));
      group = ::emitGroup(k, q.range, range[0], range[1]);
    }
    k.store(group.scale, scales, number);
    k.store(group.zero, zeros, number);
    emitSegments(start, length, group);
  }

  void emitSegments(Value start, int64_t length, const Group &group) {
    auto emit = [&](bool usesInverse) {
      emitSegments(start, length, group,
                   Quantizer(k, q.range, group, lanes, usesInverse));
    };
    if (!q.isa->hasFMA)
      return emit(false);
    k.ifThen(
        emitIsOrdinary(k, group.scale), [&] { emit(true); },
        [&] { emit(false); });
  }

  /// Quantizes elements of one group, a block of sums at a time.
  void emitSegments(Value start, int64_t length, const Group &group,
                    const Quantizer &quantize) {
    if (!q.sumBlock || q.sumBlock >= length)
      return emitSegment(start, length, group, quantize);
    k.loop(k.index(0), k.index(length / q.sumBlock), 1, [&](Value i) {
      emitSegment(k.add(start, k.mul(i, q.sumBlock)), q.sumBlock, group,
                  quantize);
    });
    if (int64_t rest = length % q.sumBlock)
      emitSegment(k.add(start, length - rest), rest, group, quantize);
  }

  void emitSegment(Value start, int64_t length, const Group &group,
                   const Quantizer &quantize) {
    int64_t full = length / lanes * lanes, tail = length - full;
    SmallVector<Value> sum;
    if (q.sumBlock)
      sum.push_back(k.integer(k.vector(lanes, k.i32()), 0));
    auto quantizeAt = [&](Value i, ValueRange carried) -> SmallVector<Value> {
      Value code = quantize.widened(k, k.loadVector(lanes, x, at(i)));
      k.storeVector(k.convert(code, k.i8()), codes, k.add(base, i));
      if (carried.empty())
        return {};
      return {k.add(carried[0], code)};
    };
    if (full == lanes)
      sum = quantizeAt(start, sum);
    else if (full)
      sum = k.loop(k.index(0), k.index(full), lanes, sum,
                   [&](Value i, ValueRange carried) {
                     return quantizeAt(k.add(start, i), carried);
                   });
    if (tail)
      sum = emitTail(k.add(start, full), tail, sum, quantize);
    if (!q.sumBlock)
      return;
    Value total = vector::ReductionOp::create(
        k.b, k.loc, vector::CombiningKind::ADD, sum[0]);
    total = k.sub(total, k.mul(group.zero, length));
    Value number = k.add(k.mul(row, int64_t(llvm::divideCeil(q.k, q.sumBlock))),
                         k.div(start, q.sumBlock));
    k.store(total, sums, number);
  }

  SmallVector<Value> emitTail(Value start, int64_t count, ValueRange sum,
                              const Quantizer &quantize) {
    Value mask = k.prefixMask(lanes, count);
    Value code = quantize.widened(k, k.loadMasked(lanes, x, at(start), mask));
    Value bytes = k.convert(code, k.i8());
    Value to = k.add(base, start);
    if (q.group || q.sumBlock) {
      // What follows may be of another group.
      k.storeMasked(bytes, codes, to, mask);
    } else {
      // Codes in the padding meet weights of zero.
      k.storeVector(vector::ExtractStridedSliceOp::create(
                        k.b, k.loc, bytes, ArrayRef<int64_t>{0},
                        ArrayRef<int64_t>{int64_t(llvm::alignTo(count, 4))},
                        ArrayRef<int64_t>{1}),
                    codes, to);
    }
    if (sum.empty())
      return {};
    return {k.add(sum[0], k.select(mask, code, k.integer(code.getType(), 0)))};
  }

  KernelBuilder &k;
  const QuantizeRows &q;
  unsigned lanes;
  Value row, base, x, codes, scales, zeros, sums;
};
} // namespace

std::string compress::cpu::generateQuantizeRows(ModuleOp module,
                                                const QuantizeRows &q) {
  const KernelISA &isa = *q.isa;
  std::string name = llvm::formatv("compress_quantize_{0}_k{1}_{2}_{3}",
                                   isa.name, q.k, q.perRow ? "row" : "tensor",
                                   getEncodingName(q.range, q.parameters));
  if (q.group)
    name += llvm::formatv("_g{0}", q.group);
  if (q.sumBlock)
    name += llvm::formatv("_s{0}", q.sumBlock);
  OpBuilder b(module.getContext());
  SmallVector<Type> types{
      MemRefType::get({ShapedType::kDynamic, q.k}, b.getF32Type())};
  appendParameterTypes(b, types, q.range, q.parameters);
  unsigned firstOut = types.size();
  bool hasRanges = !q.perRow && !q.parameters;
  unsigned rangesOut = firstOut + 3 + (q.sumBlock ? 1 : 0);
  appendOutTypes(b, types, hasRanges);
  if (q.sumBlock)
    types.insert(types.begin() + firstOut + 3,
                 MemRefType::get({ShapedType::kDynamic}, b.getI32Type()));

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value rows = k.dim(k.getArguments()[0], 0);
    Value isSmall = k.lessThan(
        rows, k.index(kSmallWork / 16 / std::max<int64_t>(1, q.k) + 1));
    if (!q.perRow)
      emitTensorGroup(k, isa.getLanes(), q.range, q.parameters, firstOut,
                      rangesOut, q.k, isSmall,
                      [](KernelBuilder &, Value row, Value i) {
                        return SmallVector<Value>{row, i};
                      });
    // Tiles of rows are scaled as a whole: what is left in memory behind the
    // last row may be denormal, which takes very long.
    if (isa.hasDotTiles && q.perRow && q.group) {
      int64_t groups = llvm::divideCeil(q.k, q.group);
      Value scales = k.getArguments()[firstOut + 1];
      Value end =
          k.minimum(k.mul(k.ceilDiv(rows, 16), 16 * groups), k.dim(scales, 0));
      k.loop(k.mul(rows, groups), end, 1,
             [&](Value i) { k.store(k.real(0), scales, i); });
    }
    constexpr int64_t blockRows = 8;
    k.tasks(
        k.ceilDiv(rows, blockRows), isSmall, [&](KernelBuilder &k, Value task) {
          Value begin = k.mul(task, blockRows);
          Value end =
              k.minimum(k.add(begin, blockRows), k.dim(k.getArguments()[0], 0));
          k.loop(begin, end, 1,
                 [&](Value row) { RowQuantizer(k, q, firstOut, row).emit(); });
        });
  });
  return name;
}

//===----------------------------------------------------------------------===//
// Images
//===----------------------------------------------------------------------===//

SmallVector<int64_t> QuantizeImages::getPadded() const {
  SmallVector<int64_t> sizes;
  for (auto [size, low, high] : llvm::zip_equal(spatial, padLow, padHigh))
    sizes.push_back(size + low + high);
  return sizes;
}

int64_t QuantizeImages::getImageBytes() const {
  int64_t bytes = channels;
  for (int64_t size : getPadded())
    bytes *= size;
  return bytes;
}

/// Writes the zero point to all of an image.
static void emitFill(KernelBuilder &k, Value codes, Value base, int64_t bytes,
                     Value zero) {
  constexpr int64_t width = 64;
  Value fill = k.splat(k.convert(zero, k.i8()), width);
  int64_t full = bytes / width * width;
  k.loop(k.index(0), k.index(full), width,
         [&](Value i) { k.storeVector(fill, codes, k.add(base, i)); });
  if (bytes == full)
    return;
  Value tail = k.splat(k.convert(zero, k.i8()), bytes - full);
  k.storeVector(tail, codes, k.add(base, full));
}

std::string compress::cpu::generateQuantizeImages(ModuleOp module,
                                                  const QuantizeImages &q) {
  const KernelISA &isa = *q.isa;
  unsigned lanes = isa.getLanes();
  std::string shape;
  for (auto [size, low, high] : llvm::zip_equal(q.spatial, q.padLow, q.padHigh))
    shape += llvm::formatv("_{0}p{1}p{2}", size, low, high).str();
  std::string name =
      llvm::formatv("compress_quantize_{0}_c{1}{2}_{3}", isa.name, q.channels,
                    shape, getEncodingName(q.range, q.parameters));
  int64_t pixels = 1;
  for (int64_t size : q.spatial)
    pixels *= size;
  SmallVector<int64_t> padded = q.getPadded(), strides(padded.size());
  int64_t stride = q.channels, origin = 0;
  for (int64_t d = int64_t(padded.size()) - 1; d >= 0; --d) {
    strides[d] = stride;
    origin += q.padLow[d] * stride;
    stride *= padded[d];
  }
  bool isPadded = padded != q.spatial;

  OpBuilder b(module.getContext());
  SmallVector<Type> types{MemRefType::get(
      {ShapedType::kDynamic, q.channels, pixels}, b.getF32Type())};
  appendParameterTypes(b, types, q.range, q.parameters);
  unsigned firstOut = types.size();
  appendOutTypes(b, types, !q.parameters);

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value images = k.dim(k.getArguments()[0], 0);
    Value isSmall = k.lessThan(
        images,
        k.index(kSmallWork / 16 / std::max<int64_t>(1, q.channels * pixels) +
                1));
    emitTensorGroup(k, lanes, q.range, q.parameters, firstOut, firstOut + 3,
                    pixels, isSmall, [&](KernelBuilder &k, Value row, Value i) {
                      return SmallVector<Value>{k.div(row, q.channels),
                                                k.rem(row, q.channels), i};
                    });
    if (isPadded) {
      // Rows of the outermost axis.
      int64_t parts = padded[0], bytes = q.getImageBytes() / parts;
      k.tasks(k.mul(images, parts), isSmall, [&](KernelBuilder &k, Value task) {
        ValueRange args = k.getArguments();
        Value zero = k.load(args[firstOut + 2], k.index(0));
        emitFill(k, args[firstOut], k.mul(task, bytes), bytes, zero);
      });
    }
    // Blocks of lanes x lanes values are turned from [channel, pixel] to
    // [pixel, channel].
    int64_t blocks = llvm::divideCeil(pixels, lanes);
    int64_t perTask = std::min<int64_t>(blocks, 16);
    int64_t parts = llvm::divideCeil(blocks, perTask);
    k.tasks(k.mul(images, parts), isSmall, [&](KernelBuilder &k, Value task) {
      ValueRange args = k.getArguments();
      Value x = args[0], codes = args[firstOut];
      Value image = k.div(task, parts);
      Value zero = k.index(0);
      Group group{k.load(args[firstOut + 1], zero),
                  k.load(args[firstOut + 2], zero)};
      Quantizer quantize(k, q.range, group, lanes);
      Value base = k.add(k.mul(image, q.getImageBytes()), origin);
      Value first = k.mul(k.rem(task, parts), perTask);
      Value last = k.minimum(k.add(first, perTask), k.index(blocks));
      Value tile = k.scratch({lanes, lanes}, k.i8());
      // One block of `count` pixels and `width` channels.
      auto block = [&](Value pixel, unsigned count, ValueRange targets,
                       Value channel, unsigned width) {
        // By way of a small buffer, so that the code stays short.
        Value mask = count < lanes ? k.prefixMask(lanes, count) : Value();
        Value valid =
            k.minimum(k.index(lanes), k.sub(k.index(q.channels), channel));
        k.loop(k.index(0), valid, 1, [&](Value c) {
          SmallVector<Value> at{image, k.add(channel, c), pixel};
          Value value = mask ? k.loadMasked(lanes, x, at, mask)
                             : k.loadVector(lanes, x, at);
          k.storeVector(quantize(k, value), tile, {c, zero});
        });
        SmallVector<Value> rows;
        for (unsigned c = 0; c < width; ++c)
          rows.push_back(k.loadVector(lanes, tile, {k.index(c), zero}));
        rows.resize(lanes, k.integer(k.vector(lanes, k.i8()), 0));
        SmallVector<Value> columns = k.transpose(rows);
        for (unsigned p = 0; p < count; ++p) {
          Value column = columns[p];
          if (width < lanes)
            column = vector::ExtractStridedSliceOp::create(
                k.b, k.loc, column, ArrayRef<int64_t>{0},
                ArrayRef<int64_t>{width}, ArrayRef<int64_t>{1});
          k.storeVector(column, codes, k.add(targets[p], channel));
        }
      };
      auto pixelBlock = [&](Value number, unsigned count, Value channel,
                            unsigned width) {
        Value pixel = k.mul(number, lanes);
        SmallVector<Value> targets;
        for (unsigned p = 0; p < count; ++p) {
          Value target = base;
          if (isPadded) {
            SmallVector<Value> position =
                k.delinearize(k.add(pixel, p), q.spatial);
            for (auto [at, stride] : llvm::zip_equal(position, strides))
              target = k.add(target, k.mul(at, stride));
          } else {
            target = k.add(target, k.mul(k.add(pixel, p), q.channels));
          }
          targets.push_back(target);
        }
        block(pixel, count, targets, channel, width);
      };
      // Pixels are the inner loop: a few streams of memory at a time.
      unsigned tail = pixels % lanes;
      auto channelBlock = [&](Value channel, unsigned width) {
        k.loop(first, last, 1, [&](Value number) {
          if (!tail)
            return pixelBlock(number, lanes, channel, width);
          if (blocks == 1)
            return pixelBlock(number, tail, channel, width);
          k.ifThen(
              k.lessThan(number, k.index(blocks - 1)),
              [&] { pixelBlock(number, lanes, channel, width); },
              [&] { pixelBlock(number, tail, channel, width); });
        });
      };
      int64_t full = q.channels / lanes * lanes;
      if (full)
        k.loop(k.index(0), k.index(full), lanes,
               [&](Value channel) { channelBlock(channel, lanes); });
      if (full < q.channels)
        channelBlock(k.index(full), q.channels - full);
    });
  });
  return name;
}

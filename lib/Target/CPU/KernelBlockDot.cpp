//===- KernelBlockDot.cpp - Integer products in scaled blocks ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelBlockDot.h"
#include "KernelCosts.h"
#include "WeightDecoder.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Above more rows than this codes are always widened once for all.
static constexpr int64_t kMostDirectRows = 32;
/// k of a widened part of a panel, unless a block is longer.
static constexpr int64_t kPartExtent = 256;
/// Rows that share a widened part.
static constexpr int64_t kSharingRows = 192;
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

namespace {
/// Code for one panel.
class PanelEmitter {
public:
  PanelEmitter(KernelBuilder &k, const BlockDotGEMM &gemm, const Panels &panels,
               Value panel, unsigned panelVectors, int64_t validColumns)
      : k(k), gemm(gemm), isa(*gemm.isa), planes(gemm.getPlanes()),
        lanes(isa.getLanes()), width(int64_t(panelVectors) * isa.getLanes()),
        validColumns(validColumns),
        units(planes.getUnits(std::min(gemm.block, gemm.k))),
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

  /// All of K for rows [at, at + count), `vectors` vectors from number `first`.
  void emitDirectTile(Value at, unsigned count, unsigned first,
                      unsigned vectors) {
    emitTile(at, count, first, vectors, k.index(0), gemm.k, {}, {},
             [&](Value value, Value row, unsigned v) {
               if (gemm.init == InitKind::Bias)
                 value = k.addF(value, load(bias, columnOf(v), v));
               if (gemm.init == InitKind::Accumulate)
                 value = k.addF(value, load(out, {row, columnOf(v)}, v));
               store(value, row, v);
             });
  }

  /// Adds the blocks of [k0, k0 + extent), widened in `buffer`, to the result.
  void emitWidenedTile(Value at, unsigned count, unsigned vectors,
                       Value firstBlock, int64_t extent, Value buffer,
                       Value codeSums) {
    emitTile(at, count, 0, vectors, firstBlock, extent, buffer, codeSums,
             [&](Value value, Value row, unsigned v) {
               store(k.addF(value, load(out, {row, columnOf(v)}, v)), row, v);
             });
  }

  /// Widens the codes of blocks to `buffer` [step, column, 4], and takes their
  /// sums [block, column].
  void emitWiden(Value firstBlock, int64_t extent, unsigned vectors,
                 Value buffer, Value codeSums) {
    forEachBlock(
        firstBlock, extent, {},
        [&](Value i, Value block, int64_t length,
            ValueRange) -> SmallVector<Value> {
          Value base = k.mul(i, units * planes.steps * width * 4);
          SmallVector<Value> sums;
          if (codeSums)
            sums.assign(vectors, k.integer(word, 0));
          sums = forEachPackedStep(
              block, length, 0, vectors, sums,
              [&](Value step, ArrayRef<Value> codes, ValueRange carried) {
                for (unsigned v = 0; v < vectors; ++v)
                  k.storeVector(k.bitcast(codes[v], bytes()), buffer,
                                k.add(k.add(base, k.mul(step, width * 4)),
                                      v * lanes * 4));
                return addCodes(codes, carried);
              });
          for (auto [v, sum] : llvm::enumerate(sums))
            k.storeVector(sum, codeSums, k.add(k.mul(i, width), v * lanes));
          return {};
        });
  }

  /// Writes what the result starts from.
  void emitInit(Value row, unsigned vectors) {
    if (gemm.init == InitKind::Accumulate)
      return;
    for (unsigned v = 0; v < vectors; ++v)
      store(gemm.init == InitKind::Bias ? load(bias, columnOf(v), v)
                                        : k.real(k.vector(lanes, k.f32()), 0),
            row, v);
  }

private:
  VectorType bytes() { return k.vector(4 * lanes, k.i8()); }
  bool isStoredSigned() const {
    return gemm.activationUnsigned && gemm.width == 8;
  }

  using BlockBody = llvm::function_ref<SmallVector<Value>(
      Value i, Value block, int64_t length, ValueRange carried)>;
  /// Blocks number `i` from `firstBlock` that cover `extent`.
  SmallVector<Value> forEachBlock(Value firstBlock, int64_t extent,
                                  ValueRange carried, BlockBody body) {
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

  using StepBody = llvm::function_ref<SmallVector<Value>(
      Value step, ArrayRef<Value> codes, ValueRange carried)>;
  /// The steps of a block with codes widened in registers.
  SmallVector<Value> forEachPackedStep(Value block, int64_t length,
                                       unsigned first, unsigned vectors,
                                       ValueRange carried, StepBody body) {
    Value base =
        k.add(packedBase, k.mul(block, units * planes.words * width * 4));
    int64_t count = llvm::divideCeil(length, 4);
    auto emitUnit = [&](Value unit, int64_t stepCount, ValueRange carried) {
      Value at = k.add(base, k.mul(unit, planes.words * width * 4));
      SmallVector<SmallVector<Value>> words(vectors);
      for (unsigned v = 0; v < vectors; ++v)
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
          codes.push_back(widen(words[v], s));
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

  /// The steps of block number `i` of a widened part.
  SmallVector<Value> forEachWidenedStep(Value i, int64_t length,
                                        unsigned vectors, Value buffer,
                                        ValueRange carried, StepBody body) {
    Value base = k.mul(i, units * planes.steps * width * 4);
    int64_t count = llvm::divideCeil(length, 4);
    auto emitStep = [&](Value step, ValueRange carried) {
      SmallVector<Value> codes;
      Value at = k.add(base, k.mul(step, width * 4));
      for (unsigned v = 0; v < vectors; ++v)
        codes.push_back(k.bitcast(
            k.loadVector(4 * lanes, buffer, k.add(at, v * lanes * 4)), word));
      return body(step, codes, carried);
    };
    SmallVector<Value> values(carried);
    if (count <= kUnrolledSteps) {
      for (int64_t step = 0; step < count; ++step)
        values = emitStep(k.index(step), values);
      return values;
    }
    return k.loop(k.index(0), k.index(count), 1, values, emitStep);
  }

  /// The codes of step `s` of a unit, one in every byte.
  Value widen(ArrayRef<Value> words, unsigned s) {
    if (gemm.inPairs)
      return widenPair(words, s);
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

  /// The same of pairs: each value is shifted to its byte.
  Value widenPair(ArrayRef<Value> words, unsigned s) {
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

  /// Adds the codes of a step to their sums, if these are taken.
  SmallVector<Value> addCodes(ArrayRef<Value> codes, ValueRange sums) {
    SmallVector<Value> next(sums);
    if (sums.empty())
      return next;
    SmallVector<Value> ones =
        splitBytes(k, isa, k.integer(word, 0x01010101), /*isSigned=*/false);
    for (auto [v, sum] : llvm::enumerate(next))
      sum = dot(sum, ones, splitBytes(k, isa, codes[v], isStoredSigned()));
    return next;
  }

  Value dot(Value sum, ArrayRef<Value> activation, ArrayRef<Value> codes) {
    return gemm.activationUnsigned ? emitDot(k, isa, sum, activation, codes)
                                   : emitDot(k, isa, sum, codes, activation);
  }

  /// What a tile needs to know of one row.
  struct Row {
    Value number;
    Value codes, sums; // offsets of its first code and block sum
    Value groups;      // offset of its first scale
  };
  Row getRow(Value number) {
    Row row;
    row.number = number;
    row.codes = k.mul(number, isa.getRowBytes(gemm.k));
    row.sums = k.mul(number, gemm.getBlocks());
    row.groups = gemm.perRow ? k.mul(number, getGroups()) : k.index(0);
    return row;
  }
  int64_t getGroups() const {
    return llvm::divideCeil(gemm.k, gemm.activationGroup);
  }
  Value getGroup(const Row &row, Value block) {
    if (getGroups() == 1)
      return row.groups;
    return k.add(row.groups, k.div(block, gemm.activationGroup / gemm.block));
  }

  /// One register tile over the blocks of [k0, k0 + extent): calls
  /// `finish(value, row, v)` with the sum for each row and vector.
  void emitTile(Value at, unsigned count, unsigned first, unsigned vectors,
                Value firstBlock, int64_t extent, Value buffer, Value codeSums,
                llvm::function_ref<void(Value, Value, unsigned)> finish) {
    ValueRange args = k.getArguments();
    VectorType f32 = k.vector(lanes, k.f32());
    SmallVector<Row> rows;
    for (unsigned r = 0; r < count; ++r)
      rows.push_back(getRow(k.add(at, r)));
    SmallVector<Value> sums(count * vectors, k.real(f32, 0));
    sums = forEachBlock(
        firstBlock, extent, sums,
        [&](Value i, Value block, int64_t length, ValueRange carried) {
          return emitBlock(rows, first, vectors, i, block, length, buffer,
                           codeSums, carried);
        });
    bool isScaled = getGroups() > 1;
    for (unsigned r = 0; r < count; ++r) {
      Value scale;
      if (!isScaled)
        scale = k.splat(k.load(args[1], rows[r].groups), lanes);
      for (unsigned v = 0; v < vectors; ++v) {
        Value value = sums[r * vectors + v];
        finish(scale ? k.mulF(value, scale) : value, rows[r].number, first + v);
      }
    }
  }

  SmallVector<Value> emitBlock(ArrayRef<Row> rows, unsigned first,
                               unsigned vectors, Value i, Value block,
                               int64_t length, Value buffer, Value codeSums,
                               ValueRange carried) {
    ValueRange args = k.getArguments();
    unsigned count = rows.size();
    SmallVector<Value> dots;
    for (const Row &row : rows) {
      Value start = k.integer(word, 0);
      if (!gemm.zeroType && !gemm.zero && gemm.offset)
        start = k.splat(
            k.mul(k.load(args[3], k.add(row.sums, block)), -gemm.offset),
            lanes);
      dots.append(vectors, start);
    }
    // In registers the sums of codes are carried behind the dot products.
    bool takesCodeSums = gemm.activationHasZero && !codeSums;
    if (takesCodeSums)
      dots.append(vectors, k.integer(word, 0));
    Value offset = k.mul(block, gemm.block);
    auto emitStep = [&](Value step, ArrayRef<Value> codes, ValueRange carried) {
      SmallVector<Value> next(carried.take_front(count * vectors));
      SmallVector<SmallVector<Value>> columns;
      for (Value code : codes)
        columns.push_back(splitBytes(k, isa, code, isStoredSigned()));
      for (auto [r, row] : llvm::enumerate(rows)) {
        Value at = k.add(k.add(row.codes, offset), k.mul(step, 4));
        Value loaded =
            k.bitcast(k.loadVector(4, args[0], at), k.vector(1, k.i32()));
        SmallVector<int64_t> zeroes(lanes, 0);
        SmallVector<Value> activation =
            splitBytes(k, isa, k.shuffle(loaded, loaded, zeroes),
                       /*isSigned=*/!gemm.activationUnsigned);
        for (unsigned v = 0; v < vectors; ++v) {
          Value &sum = next[r * vectors + v];
          sum = dot(sum, activation, columns[v]);
        }
      }
      llvm::append_range(next,
                         addCodes(codes, carried.drop_front(count * vectors)));
      return next;
    };
    dots =
        buffer
            ? forEachWidenedStep(i, length, vectors, buffer, dots, emitStep)
            : forEachPackedStep(block, length, first, vectors, dots, emitStep);

    SmallVector<Value> next(carried);
    int64_t weightBlocks = llvm::divideCeil(gemm.k, gemm.weightBlock);
    Value weightBlock = weightBlocks == 1
                            ? k.index(0)
                            : k.div(block, gemm.weightBlock / gemm.block);
    Value base = k.add(k.mul(column, weightBlocks), k.mul(weightBlock, width));
    for (unsigned v = 0; v < vectors; ++v) {
      Value at = k.add(base, (first + v) * lanes);
      Value scale = loadScales(k, lanes, scales, gemm.scaleType, at);
      Value zero, codeSum;
      if (gemm.zeroType)
        zero = k.convert(k.loadVector(lanes, zeros, at), k.i32(),
                         gemm.zeroType.isUnsignedInteger());
      if (takesCodeSums)
        codeSum = dots[count * vectors + v];
      else if (codeSums)
        codeSum =
            k.loadVector(lanes, codeSums, k.add(k.mul(i, width), v * lanes));
      if (narrow && zero)
        zero = k.convert(zero, k.f32());
      if (gemm.zero)
        zero = k.real(k.vector(lanes, k.f32()), gemm.zero);
      if (narrow && codeSum)
        codeSum = k.convert(codeSum, k.f32());
      for (auto [r, row] : llvm::enumerate(rows)) {
        Value value = dots[r * vectors + v];
        Value group = getGroup(row, block);
        auto subtract = [&](Value factor, Value scalar) {
          Value splat = k.splat(scalar, lanes);
          if (!narrow)
            value = k.sub(value, k.mul(factor, splat));
          else
            value = k.multiplyAdd(factor, splat, value, isa.hasFMA);
        };
        auto scalar = [&](Value memref, Value at) {
          Value loaded = k.load(memref, at);
          // Subtracted by a multiplication with its negative.
          return narrow
                     ? k.convert(k.sub(k.integer(k.i32(), 0), loaded), k.f32())
                     : loaded;
        };
        if (narrow)
          value = k.convert(value, k.f32());
        if (zero)
          subtract(zero, scalar(args[3], k.add(row.sums, block)));
        if (codeSum)
          subtract(codeSum, scalar(args[2], group));
        if (!narrow)
          value = k.convert(value, k.f32());
        if (getGroups() > 1)
          value = k.mulF(value, k.splat(k.load(args[1], group), lanes));
        Value &sum = next[r * vectors + v];
        sum = k.multiplyAdd(value, scale, sum, isa.hasFMA);
      }
    }
    return next;
  }

  Value columnOf(unsigned v) { return k.add(column, v * lanes); }
  /// The mask of vector `v` of the panel, null when all of it counts.
  Value maskOf(unsigned v) {
    int64_t valid = validColumns - int64_t(v) * lanes;
    return valid >= lanes ? Value() : k.prefixMask(lanes, valid);
  }
  Value load(Value memref, ValueRange at, unsigned v) {
    Value mask = maskOf(v);
    return mask ? k.loadMasked(lanes, memref, at, mask)
                : k.loadVector(lanes, memref, at);
  }
  void store(Value value, Value row, unsigned v) {
    SmallVector<Value> at{row, columnOf(v)};
    if (Value mask = maskOf(v))
      k.storeMasked(value, out, at, mask);
    else
      k.storeVector(value, out, at);
  }

  KernelBuilder &k;
  const BlockDotGEMM &gemm;
  const KernelISA &isa;
  CodePlanes planes;
  /// Lanes of a vector, columns of the panel, and those that are stored.
  int64_t lanes, width, validColumns;
  /// Units of a block.
  int64_t units;
  Value column, packedBase, packed, scales, zeros, bias, out;
  VectorType word;
  bool narrow;
};
} // namespace

/// Columns of register tiles whose codes are widened in registers: words and
/// sums of codes take registers too.
static unsigned getDirectVectors(const BlockDotGEMM &gemm, unsigned rows) {
  unsigned most = gemm.isa->maxVectors;
  return rows == 1 ? most : std::max(1u, most / 2);
}

static void emitDirect(KernelBuilder &k, const BlockDotGEMM &gemm,
                       const Panels &panels, Value isSmall) {
  k.tasks(
      k.index(panels.getCount()), isSmall, [&](KernelBuilder &k, Value task) {
        Value rows = k.dim(k.getArguments()[k.getArguments().size() - 2], 0);
        emitPanel(k, panels, task, [&](unsigned vectors, int64_t columns) {
          PanelEmitter e(k, gemm, panels, task, vectors, columns);
          emitRowTiles(k, 2, k.index(0), rows, std::nullopt,
                       [&](Value at, unsigned count) {
                         unsigned width = getDirectVectors(gemm, count);
                         for (unsigned first = 0; first < vectors;
                              first += width)
                           e.emitDirectTile(at, count, first,
                                            std::min(width, vectors - first));
                       });
        });
      });
}

static void emitWidened(KernelBuilder &k, const BlockDotGEMM &gemm,
                        const Panels &panels, Value isSmall) {
  Value rows = k.dim(k.getArguments().back(), 0);
  Value count = k.mul(k.ceilDiv(rows, kSharingRows), panels.getCount());
  k.tasks(count, isSmall, [&](KernelBuilder &k, Value task) {
    Value rows = k.dim(k.getArguments()[k.getArguments().size() - 2], 0);
    Value sharers = k.ceilDiv(rows, kSharingRows);
    Value panel = arith::DivUIOp::create(k.b, k.loc, task, sharers);
    Value begin = k.mul(k.sub(task, k.mul(panel, sharers)), kSharingRows);
    Value end = k.minimum(rows, k.add(begin, kSharingRows));
    CodePlanes planes = gemm.getPlanes();
    int64_t block = std::min(gemm.block, gemm.k);
    int64_t partBlocks =
        std::clamp<int64_t>(kPartExtent / block, 1, gemm.getBlocks());
    int64_t columns = gemm.isa->getPanelColumns();
    Value buffer = k.scratch(
        {partBlocks * planes.getUnits(block) * planes.steps * columns * 4},
        k.i8());
    Value codeSums;
    if (gemm.activationHasZero)
      codeSums = k.scratch({partBlocks * columns}, k.i32());
    emitPanel(k, panels, panel, [&](unsigned vectors, int64_t columns) {
      PanelEmitter e(k, gemm, panels, panel, vectors, columns);
      k.loop(begin, end, 1, [&](Value row) { e.emitInit(row, vectors); });
      auto emitPart = [&](Value firstBlock, int64_t extent) {
        e.emitWiden(firstBlock, extent, vectors, buffer, codeSums);
        emitRowTiles(k, gemm.isa->blockRows[vectors - 1], begin, end,
                     std::nullopt, [&](Value at, unsigned count) {
                       e.emitWidenedTile(at, count, vectors, firstBlock, extent,
                                         buffer, codeSums);
                     });
      };
      int64_t part = partBlocks * block, full = gemm.k / part;
      k.loop(k.index(0), k.index(full), 1,
             [&](Value i) { emitPart(k.mul(i, partBlocks), part); });
      if (int64_t rest = gemm.k % part)
        emitPart(k.index(full * partBlocks), rest);
    });
  });
}

static std::string getTypeName(Type type) {
  std::string name;
  llvm::raw_string_ostream os(name);
  os << type;
  return name;
}

std::string compress::cpu::generateBlockDotGEMM(ModuleOp module,
                                                const BlockDotGEMM &gemm) {
  KernelKind few =
      gemm.inPairs ? KernelKind::PairsFew : KernelKind::BlockDotFew;
  KernelKind many =
      gemm.inPairs ? KernelKind::PairsMany : KernelKind::BlockDotMany;
  int64_t directRows = getMostFewRows(
      *gemm.isa, few, many,
      KernelWork::dense(few, 1, gemm.n, gemm.k, gemm.width), kMostDirectRows);
  bool isDynamic = ShapedType::isDynamic(gemm.rows);
  bool direct = isDynamic || gemm.rows <= directRows;
  bool widened = isDynamic || gemm.rows > directRows;
  std::string name = llvm::formatv(
      "compress_gemm_{0}8{1}_w{2}_o{3}_d{4}_g{5}_{6}{7}{8}_a{9}_{10}_n{11}_k{"
      "12}_{13}{14}{15}{16}",
      gemm.activationUnsigned ? "u" : "s", gemm.activationHasZero ? "z" : "",
      gemm.inPairs ? "8of24" : std::to_string(gemm.width), gemm.offset,
      gemm.block, gemm.weightBlock, getTypeName(gemm.scaleType),
      gemm.zeroType ? "_z" : "",
      gemm.zeroType ? getTypeName(gemm.zeroType)
      : gemm.zero   ? "_zh" + std::to_string(int64_t(gemm.zero * 2))
                    : "",
      gemm.activationGroup, gemm.isa->name, gemm.n, gemm.k,
      getInitName(gemm.init), gemm.perRow ? "" : "_tensor",
      direct ? "_few" : "", widened ? "_many" : "");
  Panels panels(*gemm.isa, gemm.n);
  int64_t padded = panels.getPaddedColumns();
  int64_t weightBlocks = llvm::divideCeil(gemm.k, gemm.weightBlock);
  OpBuilder b(module.getContext());
  auto dynamic = [&](Type element) {
    return MemRefType::get({ShapedType::kDynamic}, element);
  };
  SmallVector<Type> types{
      dynamic(b.getI8Type()),
      dynamic(b.getF32Type()),
      dynamic(b.getI32Type()),
      dynamic(b.getI32Type()),
      MemRefType::get({gemm.getColumnBytes() * padded}, b.getI8Type()),
      MemRefType::get({weightBlocks * padded}, gemm.scaleType)};
  if (gemm.zeroType)
    types.push_back(MemRefType::get(
        {weightBlocks * padded},
        b.getIntegerType(gemm.zeroType.getIntOrFloatBitWidth())));
  if (gemm.init == InitKind::Bias)
    types.push_back(MemRefType::get({gemm.n}, b.getF32Type()));
  types.push_back(
      MemRefType::get({ShapedType::kDynamic, gemm.n}, b.getF32Type()));

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value rows = k.dim(k.getArguments().back(), 0);
    int64_t smallRows = kSmallWork / std::max<int64_t>(1, gemm.n * gemm.k) + 1;
    Value isSmall = k.lessThan(rows, k.index(smallRows));
    auto emitFew = [&] { emitDirect(k, gemm, panels, isSmall); };
    auto emitMany = [&] { emitWidened(k, gemm, panels, isSmall); };
    if (!widened)
      emitFew();
    else if (!direct)
      emitMany();
    else
      k.ifThen(k.lessOrEqual(rows, k.index(directRows)), emitFew, emitMany);
  });
  return name;
}

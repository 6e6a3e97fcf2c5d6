//===- KernelSparseGroups.cpp - Products with groups of outputs -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Activations are transposed first: the codes of one input, a byte for each row
// of a tile, lie side by side. A step then takes four inputs, wherever they
// are, and interleaves their bytes to words, four codes of one row each: what
// dot products and tile registers multiply.
//
// Interleaving by unpacking within 128-bit parts of vectors needs rows in
// another order, which is the one that transposing words by the same means
// leaves: row `lanes * i + 4 * part + b` is at byte `4 * i + b` of a part.
//
//===----------------------------------------------------------------------===//

#include "KernelSparse.h"
#include "mlir/Dialect/AMX/AMXDialect.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Inputs that one task transposes.
static constexpr int64_t kTransposedInputs = 1024;
/// Groups of outputs of one task, and those whose results are written together:
/// short pieces of long rows are slow to write.
static constexpr int64_t kTaskGroups = 8, kBatchGroups = 4;
/// Bytes of transposed activations that stay in a second-level cache.
static constexpr int64_t kCachedBytes = int64_t(1) << 20;
/// Tiles of weights whose inputs are brought together at a time.
static constexpr int64_t kStretch = 4;
/// Steps of four inputs in a tile.
static constexpr int64_t kTileSteps = kGroupInputs / 4;

namespace {
class Emitter {
public:
  Emitter(KernelBuilder &k, const SparseGroupGEMM &gemm)
      : k(k), gemm(gemm), isa(*gemm.isa), lanes(isa.getLanes()),
        tileRows(getSparseTileRows(isa)) {
    ValueRange args = k.getArguments();
    codes = args[0], rowScales = args[1], rowZeros = args[2], values = args[3],
    indices = args[4], tiles = args[5], columnSums = args[6],
    columnScales = args[7];
    unsigned next = 8;
    if (gemm.init == InitKind::Bias)
      bias = args[next++];
    out = args[next++];
    inputs = args[next++];
  }

  /// The inputs of part `part` for all rows of a tile; rows past the end repeat
  /// the last.
  void emitTranspose(Value tile, Value part);
  /// `vectors` vectors of rows of a tile times some groups of outputs.
  void emitGroups(Value tile, Value firstGroup, unsigned vectors);

private:
  VectorType words() { return k.vector(lanes, k.i32()); }
  VectorType bytes() { return k.vector(4 * lanes, k.i8()); }
  Value getInputs(Value tile) { return k.mul(tile, gemm.k * tileRows); }

  /// The lower or upper halves of 128-bit parts, element by element in turn.
  Value unpack(Value x, Value y, bool isHigh);
  /// The sums of a group, at `column` of `rowSums`.
  void emitGroup(Value group, Value tile, unsigned vectors, Value column);
  /// Finishes `valid` outputs from the first of `group` on.
  void emitOutputs(Value tile, Value group, Value column, int64_t valid);
  void emitInterleave(Value firstTile, int64_t count, Value firstInput,
                      unsigned vectors, Value to);
  /// Where the inputs of a tile are interleaved for tile registers: two places
  /// take turns.
  Value getPlace(Value tile) {
    return k.mul(k.rem(tile, 2), kTileSteps * 4 * tileRows);
  }
  void emitTileProducts(Value firstTile, int64_t count, Value firstInput,
                        unsigned vectors);
  void emitDotProducts(Value firstTile, int64_t count, unsigned vectors);
  void storeOutputs(Value sum, Value row, Value n, int64_t valid);

  KernelBuilder &k;
  const SparseGroupGEMM &gemm;
  const KernelISA &isa;
  int64_t lanes, tileRows;
  Value codes, rowScales, rowZeros, values, indices, tiles, columnSums,
      columnScales, bias, out, inputs;
  /// Interleaved bytes [vector, step, row, 4], sums of a group [output, row]
  /// and of a batch [row, output].
  Value buffer, sums, rowSums;
};
} // namespace

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

Value Emitter::unpack(Value x, Value y, bool isHigh) {
  auto type = cast<VectorType>(x.getType());
  int64_t size = type.getNumElements();
  int64_t part = 128 / type.getElementTypeBitWidth();
  SmallVector<int64_t> mask;
  for (int64_t first = isHigh ? part / 2 : 0; first < size; first += part)
    for (int64_t i = 0; i < part / 2; ++i) {
      mask.push_back(first + i);
      mask.push_back(size + first + i);
    }
  return k.shuffle(x, y, mask);
}

void Emitter::emitTranspose(Value tile, Value part) {
  static_assert(kSparseTileVectors == 4, "a word holds a byte of each");
  int64_t size = llvm::divideCeil(gemm.k, 4);
  Value begin = k.mul(part, kTransposedInputs / 4);
  Value end = k.minimum(k.add(begin, kTransposedInputs / 4), k.index(size));
  Value last = k.sub(k.dim(out, 0), k.index(1));
  SmallVector<int64_t> byteOrder;
  for (int64_t first = 0; first < 4 * lanes; first += 16)
    for (int64_t i = 0; i < 16; ++i)
      byteOrder.push_back(first + i % 4 * 4 + i / 4);
  Type i64 = k.b.getI64Type();
  // Words of all rows, `lanes` words at a time; what a load takes beyond a row
  // is the next one or the slack.
  auto emit = [&](Value word, int64_t validInputs) {
    SmallVector<SmallVector<Value>> columns;
    for (unsigned v = 0; v < kSparseTileVectors; ++v) {
      SmallVector<Value> rows;
      for (int64_t i = 0; i < lanes; ++i) {
        Value row =
            k.minimum(k.add(k.mul(tile, tileRows), v * lanes + i), last);
        Value at = k.add(k.mul(row, isa.getRowBytes(gemm.k)), k.mul(word, 4));
        rows.push_back(k.bitcast(k.loadVector(4 * lanes, codes, at), words()));
      }
      columns.push_back(k.transpose(rows));
    }
    Value to = k.add(getInputs(tile), k.mul(word, 4 * tileRows));
    for (int64_t w = 0; w < lanes && 4 * w < validInputs; ++w) {
      SmallVector<Value> parts;
      for (unsigned v = 0; v < kSparseTileVectors; ++v) {
        Value column = k.bitcast(columns[v][w], bytes());
        parts.push_back(
            k.bitcast(k.shuffle(column, column, byteOrder), words()));
      }
      auto wide = [&](Value value) {
        return k.bitcast(value, k.vector(lanes / 2, i64));
      };
      for (bool isHigh : {false, true}) {
        Value x = wide(unpack(parts[0], parts[1], isHigh));
        Value y = wide(unpack(parts[2], parts[3], isHigh));
        for (bool isOdd : {false, true}) {
          int64_t input = 4 * w + 2 * isHigh + isOdd;
          if (input < validInputs)
            k.storeVector(k.bitcast(unpack(x, y, isOdd), bytes()), inputs,
                          k.add(to, input * tileRows));
        }
      }
    }
  };
  int64_t whole = gemm.k / 4 / lanes * lanes;
  k.loop(begin, k.minimum(end, k.index(whole)), lanes,
         [&](Value word) { emit(word, 4 * lanes); });
  if (whole < size)
    k.ifThen(k.lessThan(k.index(whole), end),
             [&] { emit(k.index(whole), gemm.k - 4 * whole); });
}

/// Fills the buffer from `to` on for `count` tiles.
void Emitter::emitInterleave(Value firstTile, int64_t count, Value firstInput,
                             unsigned vectors, Value to) {
  int64_t steps = count * kTileSteps;
  Value first = k.mul(firstTile, kGroupInputs);
  VectorType halves = k.vector(2 * lanes, k.i16());
  auto emitStep = [&](Value step) {
    SmallVector<Value> rows;
    for (int64_t i = 0; i < 4; ++i) {
      Value at = k.add(k.add(first, k.mul(step, 4)), i);
      Value input = k.toIndex(k.load(indices, at));
      rows.push_back(k.loadVector(4 * lanes, inputs,
                                  k.add(firstInput, k.mul(input, tileRows))));
    }
    for (unsigned v = 0; v < vectors; ++v) {
      bool isHigh = v / 2;
      Value low = k.bitcast(unpack(rows[0], rows[1], isHigh), halves);
      Value high = k.bitcast(unpack(rows[2], rows[3], isHigh), halves);
      Value word = k.bitcast(unpack(low, high, v % 2), bytes());
      k.storeVector(word, buffer,
                    k.add(to, k.mul(k.add(step, v * steps), 4 * lanes)));
    }
  };
  constexpr int64_t unrolled = 4;
  k.loop(k.index(0), k.index(steps), unrolled, [&](Value step) {
    for (int64_t i = 0; i < unrolled; ++i)
      emitStep(k.add(step, i));
  });
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// While tile registers multiply, the inputs of the next tile are interleaved:
/// that of the next group after the last one.
void Emitter::emitTileProducts(Value firstTile, int64_t count, Value firstInput,
                               unsigned vectors) {
  auto resultType = amx::TileType::get({16, 16}, k.i32());
  auto type = amx::TileType::get({16, 64}, k.i8());
  Value stride = k.index(64);
  SmallVector<Value> results;
  for (unsigned v = 0; v < vectors; ++v)
    results.push_back(
        amx::TileLoadOp::create(k.b, k.loc, resultType, sums,
                                ValueRange{k.index(0), k.index(v * lanes)}));
  for (int64_t t = 0; t < count; ++t) {
    Value tile = k.add(firstTile, t);
    Value weights = amx::TileLoadOp::create(
        k.b, k.loc, type, values,
        ValueRange{k.mul(tile, kGroupOutputs * kGroupInputs)}, stride);
    Value place = getPlace(tile);
    for (unsigned v = 0; v < vectors; ++v) {
      Value rows = amx::TileLoadOp::create(
          k.b, k.loc, type, buffer,
          ValueRange{k.add(place, v * kTileSteps * 64)}, stride);
      results[v] = amx::TileMulIOp::create(k.b, k.loc, resultType, weights,
                                           rows, results[v],
                                           /*isZextLhs=*/false,
                                           /*isZextRhs=*/true);
    }
    Value next = k.add(tile, 1);
    emitInterleave(next, 1, firstInput, vectors, getPlace(next));
  }
  for (unsigned v = 0; v < vectors; ++v)
    amx::TileStoreOp::create(k.b, k.loc, sums,
                             ValueRange{k.index(0), k.index(v * lanes)},
                             results[v]);
}

void Emitter::emitDotProducts(Value firstTile, int64_t count,
                              unsigned vectors) {
  unsigned width = std::min(2u, vectors);
  int64_t together =
      std::min<int64_t>(kGroupOutputs, llvm::bit_floor(isa.dotRows[width - 1]));
  Value firstWeight = k.mul(firstTile, kGroupOutputs * kGroupInputs);
  for (unsigned v = 0; v < vectors; v += width)
    k.loop(k.index(0), k.index(kGroupOutputs), together, [&](Value n) {
      SmallVector<Value> start;
      for (int64_t i = 0; i < together; ++i)
        for (unsigned w = 0; w < width; ++w)
          start.push_back(k.loadVector(
              lanes, sums, {k.add(n, i), k.index((v + w) * lanes)}));
      SmallVector<Value> done = k.loop(
          k.index(0), k.index(count * kTileSteps), 1, start,
          [&](Value step, ValueRange carried) {
            SmallVector<Value> next(carried);
            SmallVector<SmallVector<Value>> rows;
            for (unsigned w = 0; w < width; ++w) {
              Value at =
                  k.mul(k.add(step, (v + w) * count * kTileSteps), 4 * lanes);
              rows.push_back(splitBytes(
                  k, isa,
                  k.bitcast(k.loadVector(4 * lanes, buffer, at), words()),
                  /*isSigned=*/false));
            }
            // [tile, output, step of the tile]
            Value at = k.add(
                k.mul(k.div(step, kTileSteps), kGroupOutputs * kGroupInputs),
                k.mul(k.rem(step, kTileSteps), 4));
            at = k.add(k.add(firstWeight, at), k.mul(n, kGroupInputs));
            for (int64_t i = 0; i < together; ++i) {
              Value word = k.bitcast(
                  k.loadVector(4, values, k.add(at, i * kGroupInputs)),
                  k.vector(1, k.i32()));
              SmallVector<int64_t> zeros(lanes, 0);
              SmallVector<Value> weights =
                  splitBytes(k, isa, k.shuffle(word, word, zeros),
                             /*isSigned=*/true);
              for (unsigned w = 0; w < width; ++w) {
                Value &sum = next[i * width + w];
                sum = emitDot(k, isa, sum, rows[w], weights);
              }
            }
            return next;
          });
      for (int64_t i = 0; i < together; ++i)
        for (unsigned w = 0; w < width; ++w)
          k.storeVector(done[i * width + w], sums,
                        {k.add(n, i), k.index((v + w) * lanes)});
    });
}

void Emitter::storeOutputs(Value sum, Value row, Value n, int64_t valid) {
  DotResults results{rowScales, rowZeros, columnSums,  columnScales,
                     bias,      out,      gemm.perRow, gemm.init};
  storeDotResults(k, isa, results, loadDotColumns(k, isa, results, n, valid),
                  row, sum);
}

void Emitter::emitGroup(Value group, Value tile, unsigned vectors,
                        Value column) {
  // A loop would become a call, and calls lose tile registers.
  for (unsigned v = 0; v < vectors; ++v)
    if (isa.hasDotTiles)
      amx::TileStoreOp::create(
          k.b, k.loc, sums, ValueRange{k.index(0), k.index(v * lanes)},
          amx::TileZeroOp::create(k.b, k.loc,
                                  amx::TileType::get({16, 16}, k.i32())));
    else
      for (int64_t n = 0; n < kGroupOutputs; ++n)
        k.storeVector(k.integer(words(), 0), sums,
                      {k.index(n), k.index(v * lanes)});
  Value begin = k.toIndex(k.load(tiles, group));
  Value end = k.toIndex(k.load(tiles, k.add(group, 1)));
  Value firstInput = getInputs(tile);
  auto emit = [&](Value first, int64_t count) {
    if (isa.hasDotTiles)
      return emitTileProducts(first, count, firstInput, vectors);
    emitInterleave(first, count, firstInput, vectors, k.index(0));
    emitDotProducts(first, count, vectors);
  };
  Value whole = k.sub(end, k.rem(k.sub(end, begin), kStretch));
  k.loop(begin, whole, kStretch, [&](Value first) { emit(first, kStretch); });
  k.loop(whole, end, 1, [&](Value first) { emit(first, 1); });

  for (unsigned v = 0; v < vectors; ++v)
    for (int64_t n = 0; n < kGroupOutputs; n += lanes) {
      SmallVector<Value> rows;
      for (int64_t i = 0; i < lanes; ++i)
        rows.push_back(
            k.loadVector(lanes, sums, {k.index(n + i), k.index(v * lanes)}));
      rows = k.transpose(rows);
      for (int64_t i = 0; i < lanes; ++i)
        k.storeVector(rows[i], rowSums,
                      {k.index(v * lanes + i), k.add(column, n)});
    }
}

void Emitter::emitOutputs(Value tile, Value group, Value column,
                          int64_t valid) {
  Value first = k.mul(tile, tileRows);
  Value count = k.minimum(k.index(tileRows), k.sub(k.dim(out, 0), first));
  Value output = k.mul(group, kGroupOutputs);
  k.loop(k.index(0), count, 1, [&](Value i) {
    Value row = k.add(first, i);
    for (int64_t n = 0; n < valid; n += lanes)
      storeOutputs(k.loadVector(lanes, rowSums, {i, k.add(column, n)}), row,
                   k.add(output, n), std::min(lanes, valid - n));
  });
}

void Emitter::emitGroups(Value tile, Value firstGroup, unsigned vectors) {
  buffer = k.scratch({kStretch * kTileSteps * 4 * tileRows}, k.i8());
  sums = k.scratch({kGroupOutputs, tileRows}, k.i32());
  rowSums = k.scratch({tileRows, kBatchGroups * kGroupOutputs}, k.i32());
  if (isa.hasDotTiles) {
    Value first = k.toIndex(k.load(tiles, firstGroup));
    emitInterleave(first, 1, getInputs(tile), vectors, getPlace(first));
  }
  int64_t whole = gemm.n / kGroupOutputs;
  int64_t rest = gemm.n % kGroupOutputs;
  Value groups = k.index(whole + (rest != 0));
  Value end = k.minimum(k.add(firstGroup, kTaskGroups), groups);
  k.loop(firstGroup, end, kBatchGroups, [&](Value batch) {
    Value next = k.add(batch, kBatchGroups);
    auto columnOf = [&](Value group) {
      return k.mul(k.sub(group, batch), kGroupOutputs);
    };
    k.loop(batch, k.minimum(next, groups), 1, [&](Value group) {
      emitGroup(group, tile, vectors, columnOf(group));
    });
    k.ifThen(
        k.lessOrEqual(next, k.index(whole)),
        [&] {
          emitOutputs(tile, batch, k.index(0), kBatchGroups * kGroupOutputs);
        },
        [&] {
          k.loop(batch, k.index(whole), 1, [&](Value group) {
            emitOutputs(tile, group, columnOf(group), kGroupOutputs);
          });
          if (rest)
            emitOutputs(tile, k.index(whole), columnOf(k.index(whole)), rest);
        });
  });
}

std::string
compress::cpu::generateSparseGroupGEMM(ModuleOp module,
                                       const SparseGroupGEMM &gemm) {
  const KernelISA &isa = *gemm.isa;
  int64_t lanes = isa.getLanes(), tileRows = getSparseTileRows(isa);
  bool isDynamic = ShapedType::isDynamic(gemm.rows);
  // Of the last tile of rows.
  bool few =
      isDynamic || (gemm.rows % tileRows && gemm.rows % tileRows <= lanes);
  bool many = isDynamic || gemm.rows > lanes;
  std::string name = llvm::formatv(
      "compress_gemm_sparse_u8s8_groups_{0}_n{1}_k{2}_{3}_{4}{5}{6}", isa.name,
      gemm.n, gemm.k, gemm.perRow ? "row" : "tensor", getInitName(gemm.init),
      few ? "_few" : "", many ? "_many" : "");
  OpBuilder b(module.getContext());
  auto dynamic = [&](Type element) {
    return MemRefType::get({ShapedType::kDynamic}, element);
  };
  Type i8 = b.getI8Type(), i32 = b.getI32Type(), f32 = b.getF32Type();
  SmallVector<Type> types{dynamic(i8),
                          dynamic(f32),
                          dynamic(i32),
                          dynamic(i8),
                          dynamic(b.getI16Type()),
                          dynamic(i32),
                          dynamic(i32),
                          dynamic(f32)};
  if (gemm.init == InitKind::Bias)
    types.push_back(MemRefType::get({gemm.n}, f32));
  types.push_back(MemRefType::get({ShapedType::kDynamic, gemm.n}, f32));
  types.push_back(dynamic(i8));

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    ValueRange args = k.getArguments();
    Value rows = k.dim(args[args.size() - 2], 0);
    Value isSmall =
        k.lessThan(k.mul(k.dim(args[3], 0), rows), k.index(kSmallWork));
    Value rowTiles = k.ceilDiv(rows, tileRows);
    int64_t parts = llvm::divideCeil(gemm.k, kTransposedInputs);
    k.tasks(k.mul(rowTiles, parts), isSmall, [&](KernelBuilder &k, Value task) {
      SmallVector<Value> at = k.delinearize(task, {0, parts});
      Emitter(k, gemm).emitTranspose(at[0], at[1]);
    });
    // Neighbouring tasks share their weights, and as many tiles of rows as a
    // second-level cache holds take turns.
    int64_t ranges = llvm::divideCeil(gemm.n, kGroupOutputs * kTaskGroups);
    int64_t turns =
        std::clamp<int64_t>(kCachedBytes / (gemm.k * tileRows), 1, 8);
    Value count = k.mul(k.ceilDiv(rowTiles, turns), ranges * turns);
    k.tasks(count, isSmall, [&](KernelBuilder &k, Value task) {
      SmallVector<Value> at = k.delinearize(task, {0, ranges, turns});
      Value tile = k.add(k.mul(at[0], turns), at[2]);
      Value rows = k.dim(k.getArguments()[args.size() - 2], 0);
      Value firstRow = k.mul(tile, tileRows);
      k.ifThen(k.lessThan(firstRow, rows), [&] {
        Emitter e(k, gemm);
        Value firstGroup = k.mul(at[1], kTaskGroups);
        auto emitFew = [&] { e.emitGroups(tile, firstGroup, 1); };
        auto emitMany = [&] {
          e.emitGroups(tile, firstGroup, kSparseTileVectors);
        };
        if (!many)
          return emitFew();
        if (!few)
          return emitMany();
        k.ifThen(k.lessOrEqual(k.sub(rows, firstRow), k.index(lanes)), emitFew,
                 emitMany);
      });
    });
  });
  return name;
}

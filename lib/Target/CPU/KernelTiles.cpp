//===- KernelTiles.cpp - Integer products by tile registers -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Intel AMX: a register holds 16 rows of 64 bytes, and one instruction
// multiplies 16 x 64 by 64 x 16 bytes. The panels of the dot kernels have the
// form that it wants: four k of a column side by side.
//
//===----------------------------------------------------------------------===//

#include "KernelGEMM.h"
#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

namespace {
/// Steps of four k in a whole tile.
constexpr int64_t kTileSteps = 16;

/// The k of one tile: where they are in a row, in bytes, and in a panel, in
/// steps.
struct TileChunk {
  int64_t offset, step, extent;
};

/// Chunks of `steps` steps that lie side by side.
void appendChunks(int64_t offset, int64_t step, int64_t steps,
                  SmallVectorImpl<TileChunk> &chunks) {
  for (int64_t s = 0; s < steps; s += kTileSteps)
    chunks.push_back(
        {offset + 4 * s, step + s, std::min(kTileSteps, steps - s)});
}

/// Four result tiles at a time, two by two or in one row: as many as registers
/// hold along with the factors.
class TileEmitter {
public:
  TileEmitter(KernelBuilder &k, unsigned vectors, unsigned rowTiles, Value a,
              Value rowBase, int64_t rowBytes, Value b, Value panelBase,
              bool isTiled, Value sums, TileSigns signs, Value sumRow = {})
      : k(k), vectors(vectors), rowTiles(rowTiles), a(a), rowBase(rowBase),
        rowBytes(rowBytes), b(b), panelBase(panelBase), isTiled(isTiled),
        sums(sums), signs(signs), type(amx::TileType::get({16, 16}, k.i32())),
        sumRow(sumRow ? sumRow : k.index(0)) {}

  void emitZeros() {
    forEachResult(0, vectors, [&](ValueRange at) {
      Value zero = amx::TileZeroOp::create(k.b, k.loc, type);
      amx::TileStoreOp::create(k.b, k.loc, sums, at, zero);
    });
  }

  /// Adds the products of chunks behind `offset` and `step` to the sums, or
  /// starts these. Results pass from one stretch to the next through memory, so
  /// that no register is live in a loop, and all columns of a stretch come
  /// before the next one, so that weights are read in the order in which they
  /// lie. `afterChunk(i)` is called behind the products of each chunk of each
  /// group of columns, i counting all of them.
  void emitStretch(Value offset, Value step, ArrayRef<TileChunk> chunks,
                   bool isFirst,
                   llvm::function_ref<void(int64_t)> afterChunk = {}) {
    int64_t number = 0;
    unsigned width = 4 / rowTiles;
    for (unsigned first = 0; first < vectors; first += width) {
      unsigned count = std::min(width, vectors - first);
      SmallVector<Value> results;
      forEachResult(first, count, [&](ValueRange at) {
        results.push_back(
            isFirst ? amx::TileZeroOp::create(k.b, k.loc, type).getResult()
                    : amx::TileLoadOp::create(k.b, k.loc, type, sums, at)
                          .getResult());
      });
      for (const TileChunk &chunk : chunks) {
        emitProducts(offset, step, chunk, first, count, results);
        if (afterChunk)
          afterChunk(number++);
      }
      unsigned next = 0;
      forEachResult(first, count, [&](ValueRange at) {
        amx::TileStoreOp::create(k.b, k.loc, sums, at, results[next++]);
      });
    }
  }

private:
  void forEachResult(unsigned first, unsigned columnTiles,
                     llvm::function_ref<void(ValueRange)> body) {
    for (unsigned i = 0; i < rowTiles; ++i)
      for (unsigned j = 0; j < columnTiles; ++j)
        body({k.add(sumRow, 16 * i), k.index(16 * (first + j))});
  }

  void emitProducts(Value offset, Value step, const TileChunk &chunk,
                    unsigned first, unsigned columnTiles,
                    MutableArrayRef<Value> results) {
    Value aStride = k.index(rowBytes),
          bStride = k.index(isTiled ? 64 : vectors * 64);
    SmallVector<Value> rows;
    for (unsigned i = 0; i < rowTiles; ++i) {
      Value at =
          k.add(k.add(rowBase, offset), chunk.offset + 16 * i * rowBytes);
      rows.push_back(amx::TileLoadOp::create(
          k.b, k.loc, amx::TileType::get({16, chunk.extent * 4}, k.i8()), a,
          ValueRange{at}, aStride));
    }
    for (unsigned j = 0; j < columnTiles; ++j) {
      Value at = k.add(k.add(panelBase, k.mul(step, vectors * 64)),
                       chunk.step * vectors * 64 +
                           (first + j) * 64 * (isTiled ? chunk.extent : 1));
      Value column = amx::TileLoadOp::create(
          k.b, k.loc, amx::TileType::get({chunk.extent, 64}, k.i8()), b,
          ValueRange{at}, bStride);
      for (auto [i, row] : llvm::enumerate(rows)) {
        Value &result = results[i * columnTiles + j];
        result =
            amx::TileMulIOp::create(k.b, k.loc, result.getType(), row, column,
                                    result, !signs.isSignedA, !signs.isSignedB);
      }
    }
  }

  KernelBuilder &k;
  unsigned vectors, rowTiles;
  Value a, rowBase;
  int64_t rowBytes;
  Value b, panelBase;
  /// Whether the bytes of a tile lie side by side (DotAxis::tileSteps).
  bool isTiled;
  Value sums;
  TileSigns signs;
  amx::TileType type;
  Value sumRow;
};

/// Adds `steps` steps from `offset` and `step` on, `perStretch` chunks at a
/// time; the first ones start the sums if `isFirst`.
void emitRun(KernelBuilder &k, TileEmitter &emitter, Value offset, Value step,
             int64_t steps, int64_t perStretch, bool isFirst) {
  int64_t stretch = kTileSteps * perStretch, full = steps / stretch * stretch;
  auto emitPart = [&](Value from, int64_t count, bool isFirst) {
    SmallVector<TileChunk> chunks;
    appendChunks(0, 0, count, chunks);
    emitter.emitStretch(k.add(offset, k.mul(from, 4)), k.add(step, from),
                        chunks, isFirst);
  };
  int64_t begin = 0;
  if (isFirst) {
    begin = std::min(stretch, steps);
    emitPart(k.index(0), begin, true);
  }
  if (begin < full)
    k.loop(k.index(begin), k.index(full), stretch,
           [&](Value from) { emitPart(from, stretch, false); });
  if (std::max(begin, full) < steps)
    emitPart(k.index(full), steps - full, false);
}
} // namespace

void compress::cpu::emitDotTileRegisters(KernelBuilder &k, int64_t steps,
                                         unsigned vectors, unsigned rows,
                                         Value a, Value rowBase,
                                         int64_t rowBytes, Value b,
                                         Value panelBase, Value sums) {
  TileEmitter emitter(k, vectors, rows / 16, a, rowBase, rowBytes, b, panelBase,
                      /*isTiled=*/true, sums, {});
  emitRun(k, emitter, k.index(0), k.index(0), steps, /*perStretch=*/16,
          /*isFirst=*/true);
}

void compress::cpu::emitDotTileBlock(KernelBuilder &k, int64_t steps,
                                     unsigned vectors, Value a, Value begin,
                                     Value end, int64_t rowBytes, Value b,
                                     Value panelBase, Value nextPanel,
                                     Value sums) {
  // 512 k of 64 columns are 32 KiB. Of 256 to 1024 k that is the fastest.
  constexpr int64_t kChunks = 8;
  int64_t stretch = kTileSteps * kChunks;
  auto emitPart = [&](Value from, int64_t count, bool isFirst) {
    SmallVector<TileChunk> chunks;
    appendChunks(0, 0, count, chunks);
    // Each group of 32 rows fetches its share of the next panel's part.
    int64_t lines = count * vectors,
            share = llvm::divideCeil(lines, kTileBlockRows / 32);
    k.loop(begin, end, 32, [&](Value at) {
      auto emit = [&](unsigned rows) {
        Value row = k.sub(at, begin);
        TileEmitter emitter(k, vectors, rows / 16, a, k.mul(at, rowBytes),
                            rowBytes, b, panelBase, /*isTiled=*/true, sums, {},
                            row);
        int64_t groups =
            llvm::divideCeil(vectors, 4 / (rows / 16)) * chunks.size();
        int64_t each = llvm::divideCeil(share, groups);
        Value line =
            k.add(k.add(nextPanel, k.mul(from, vectors * 64)),
                  k.mul(arith::DivUIOp::create(k.b, k.loc, row, k.index(32)),
                        share * 64));
        emitter.emitStretch(
            k.mul(from, 4), from, chunks, isFirst, [&](int64_t i) {
              for (int64_t p = i * each; p < std::min(share, (i + 1) * each);
                   ++p)
                memref::PrefetchOp::create(k.b, k.loc, b, k.add(line, 64 * p),
                                           /*isWrite=*/false,
                                           /*localityHint=*/2,
                                           /*isData=*/true);
            });
      };
      k.ifThen(
          k.lessOrEqual(k.sub(end, at), k.index(16)), [&] { emit(16); },
          [&] { emit(32); });
    });
  };
  int64_t first = std::min(stretch, steps), full = steps / stretch * stretch;
  emitPart(k.index(0), first, true);
  if (first < full)
    k.loop(k.index(first), k.index(full), stretch,
           [&](Value from) { emitPart(from, stretch, false); });
  if (std::max(first, full) < steps)
    emitPart(k.index(full), steps - full, false);
}

void compress::cpu::emitDotTileRegisters(KernelBuilder &k, const DotAxis &axis,
                                         unsigned vectors, unsigned rows,
                                         Value a, Value rowBase,
                                         int64_t rowBytes, Value b,
                                         Value panelBase, Value sums,
                                         TileSigns signs) {
  constexpr int64_t kUnrolledChunks = 96;
  TileEmitter emitter(k, vectors, rows / 16, a, rowBase, rowBytes, b, panelBase,
                      axis.tileSteps > 1, sums, signs);
  Value zero = k.index(0);
  int64_t steps = axis.getSteps();
  if (axis.getNumRuns() * int64_t(llvm::divideCeil(steps, kTileSteps)) <=
      kUnrolledChunks) {
    SmallVector<int64_t> offsets{0};
    for (auto [extent, stride] : axis.outer) {
      SmallVector<int64_t> next;
      for (int64_t base : offsets)
        for (int64_t i = 0; i < extent; ++i)
          next.push_back(base + i * stride);
      offsets = std::move(next);
    }
    SmallVector<TileChunk> chunks;
    for (auto [run, offset] : llvm::enumerate(offsets))
      appendChunks(offset, run * steps, steps, chunks);
    emitter.emitStretch(zero, zero, chunks, /*isFirst=*/true);
    return;
  }
  emitter.emitZeros();
  emitRuns(k, axis, 0, zero, zero, {},
           [&](Value offset, Value run, ValueRange) -> SmallVector<Value> {
             emitRun(k, emitter, offset, k.mul(run, steps), steps,
                     kUnrolledChunks, /*isFirst=*/false);
             return {};
           });
}

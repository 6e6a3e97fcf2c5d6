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

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

namespace {
/// Steps of four k in a whole tile, and whole tiles that are unrolled.
constexpr int64_t kTileSteps = 16, kUnrolledTiles = 8;

/// Four result tiles at a time, two by two or in one row: as many as registers
/// hold along with the factors.
class TileEmitter {
public:
  TileEmitter(KernelBuilder &k, unsigned vectors, Value a, Value rowBase,
              int64_t rowBytes, Value b, Value panelBase, Value sums)
      : k(k), vectors(vectors), a(a), rowBase(rowBase), rowBytes(rowBytes),
        b(b), panelBase(panelBase), sums(sums) {}

  void emit(int64_t steps, unsigned rowTiles) {
    auto type = amx::TileType::get({16, 16}, k.i32());
    forEachResult(rowTiles, 0, vectors, [&](ValueRange at) {
      Value zero = amx::TileZeroOp::create(k.b, k.loc, type);
      amx::TileStoreOp::create(k.b, k.loc, sums, at, zero);
    });
    // Results pass from one stretch to the next through memory, so that no
    // register is live in a loop, and all columns of a stretch come before the
    // next one, so that weights are read in the order in which they lie.
    unsigned width = 4 / rowTiles;
    auto emitStretch = [&](Value step, ArrayRef<int64_t> extents) {
      for (unsigned first = 0; first < vectors; first += width) {
        unsigned count = std::min(width, vectors - first);
        SmallVector<Value> results;
        forEachResult(rowTiles, first, count, [&](ValueRange at) {
          results.push_back(
              amx::TileLoadOp::create(k.b, k.loc, type, sums, at));
        });
        int64_t offset = 0;
        for (int64_t extent : extents) {
          emitProducts(k.add(step, offset), extent, rowTiles, first, count,
                       results);
          offset += extent;
        }
        unsigned next = 0;
        forEachResult(rowTiles, first, count, [&](ValueRange at) {
          amx::TileStoreOp::create(k.b, k.loc, sums, at, results[next++]);
        });
      }
    };
    constexpr int64_t stretch = kTileSteps * kUnrolledTiles;
    int64_t full = steps / stretch * stretch;
    k.loop(k.index(0), k.index(full), stretch, [&](Value step) {
      emitStretch(step, SmallVector<int64_t>(kUnrolledTiles, kTileSteps));
    });
    SmallVector<int64_t> rest((steps - full) / kTileSteps, kTileSteps);
    if (int64_t last = (steps - full) % kTileSteps)
      rest.push_back(last);
    if (!rest.empty())
      emitStretch(k.index(full), rest);
  }

private:
  void forEachResult(unsigned rowTiles, unsigned first, unsigned columnTiles,
                     llvm::function_ref<void(ValueRange)> body) {
    for (unsigned i = 0; i < rowTiles; ++i)
      for (unsigned j = 0; j < columnTiles; ++j)
        body({k.index(16 * i), k.index(16 * (first + j))});
  }

  /// Adds the products of `extent` steps from `step` on.
  void emitProducts(Value step, int64_t extent, unsigned rowTiles,
                    unsigned first, unsigned columnTiles,
                    MutableArrayRef<Value> results) {
    Value aStride = k.index(rowBytes), bStride = k.index(64);
    SmallVector<Value> rows;
    for (unsigned i = 0; i < rowTiles; ++i) {
      Value at = k.add(k.add(rowBase, k.mul(step, 4)), 16 * i * rowBytes);
      rows.push_back(amx::TileLoadOp::create(
          k.b, k.loc, amx::TileType::get({16, extent * 4}, k.i8()), a,
          ValueRange{at}, aStride));
    }
    for (unsigned j = 0; j < columnTiles; ++j) {
      Value at = k.add(k.add(panelBase, k.mul(step, vectors * 64)),
                       (first + j) * extent * 64);
      Value column = amx::TileLoadOp::create(
          k.b, k.loc, amx::TileType::get({extent, 64}, k.i8()), b,
          ValueRange{at}, bStride);
      for (auto [i, row] : llvm::enumerate(rows)) {
        Value &result = results[i * columnTiles + j];
        result = amx::TileMulIOp::create(k.b, k.loc, result.getType(), row,
                                         column, result, /*isZextLhs=*/true,
                                         /*isZextRhs=*/false);
      }
    }
  }

  KernelBuilder &k;
  unsigned vectors;
  Value a, rowBase;
  int64_t rowBytes;
  Value b, panelBase, sums;
};
} // namespace

void compress::cpu::emitDotTileRegisters(KernelBuilder &k, int64_t steps,
                                         unsigned vectors, unsigned rows,
                                         Value a, Value rowBase,
                                         int64_t rowBytes, Value b,
                                         Value panelBase, Value sums) {
  TileEmitter(k, vectors, a, rowBase, rowBytes, b, panelBase, sums)
      .emit(steps, rows / 16);
}

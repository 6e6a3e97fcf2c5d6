//===- KernelBlockTiles.cpp - Scaled blocks by tile registers ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Many rows with tile registers. A part of a panel is widened once, and sums in
// f32 stay in memory from part to part. Within a part, short blocks keep the
// f32 sums of one result tile in vector registers, which the integer sums of
// block after block are scaled and added to: that takes about as long as the
// loads and stores of tiles do. Long blocks are all about products, so four
// result tiles share what they load.
//
//===----------------------------------------------------------------------===//

#include "KernelBlockPanel.h"
#include "mlir/Dialect/AMX/AMXDialect.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// k of a block from which on it is long.
static constexpr int64_t kLongTileBlock = 256;
/// Rows of a tile, and steps of four k.
static constexpr int64_t kTileRows = 16, kTileSteps = 16;

/// Short blocks that are multiplied before the first of them is scaled: what
/// tile registers give takes long to arrive.
static constexpr int64_t kBlocksAhead = 3;

static bool isLong(const BlockDotGEMM &gemm) {
  return std::min(gemm.block, gemm.k) >= kLongTileBlock;
}

namespace {
class TilePanel : public BlockPanel {
public:
  TilePanel(KernelBuilder &k, const BlockDotGEMM &gemm, const Panels &panels,
            Value panel, unsigned panelVectors, int64_t validColumns,
            Value buffer, Value codeSums, Value dots, Value sums)
      : BlockPanel(k, gemm, panels, panel, panelVectors, validColumns,
                   CodeShift::fold(gemm), isLong(gemm) ? kTileSteps : 1),
        panelVectors(panelVectors), buffer(buffer), codeSums(codeSums),
        dots(dots), sums(sums) {}

  /// Starts the sums of `count` rows.
  void emitZeros(Value count) {
    k.loop(k.index(0), count, 1, [&](Value row) {
      for (unsigned v = 0; v < panelVectors; ++v)
        k.storeVector(k.real(k.vector(lanes, k.f32()), 0), sums,
                      {row, k.index(v * lanes)});
    });
  }

  /// Adds a part to the sums of the rows [begin, end).
  void emitPart(Value begin, Value end, Value firstBlock, int64_t extent) {
    emitWiden(firstBlock, extent, panelVectors, buffer, codeSums);
    if (isLong(gemm))
      emitLongBlocks(begin, end, firstBlock, extent);
    else
      emitShortBlocks(begin, end, firstBlock, extent);
  }

  /// Writes the results of the rows [begin, end).
  void emitResults(Value begin, Value end) {
    k.loop(begin, end, 1, [&](Value number) {
      Value scale;
      if (!hasRowGroups())
        scale =
            k.splat(k.load(k.getArguments()[1], getRow(number).groups), lanes);
      for (unsigned v = 0; v < panelVectors; ++v) {
        Value value = k.loadVector(lanes, sums,
                                   {k.sub(number, begin), k.index(v * lanes)});
        if (scale)
          value = k.mulF(value, scale);
        if (gemm.init == InitKind::Bias)
          value = k.addF(value, load(bias, columnOf(v), v));
        if (gemm.init == InitKind::Accumulate)
          value = k.addF(value, load(out, {number, columnOf(v)}, v));
        store(value, number, v);
      }
    });
  }

private:
  /// What the sum of row `row` starts from, where a constant could not be
  /// folded into the codes.
  Value startOf(const Row &row, Value block) {
    if (shift.isFolded || gemm.zeroType || gemm.zero || !gemm.offset)
      return {};
    Value sum = k.load(k.getArguments()[3], k.add(row.sums, block));
    return k.splat(k.mul(sum, -gemm.offset), lanes);
  }
  Value loadCodeSum(Value i, Value vector) {
    return codeSums ? k.loadVector(lanes, codeSums,
                                   k.add(k.mul(i, width), k.mul(vector, lanes)))
                    : Value();
  }

  void emitShortBlocks(Value begin, Value end, Value firstBlock,
                       int64_t extent);
  void emitProducts(Value at, Value vector, Value i, Value firstBlock,
                    int64_t length);
  SmallVector<Value> emitScaling(Value at, Value vector, Value i,
                                 Value firstBlock, ValueRange carried);
  /// The first row of `dots` for block number `i`.
  Value getPlace(Value i) {
    return k.mul(k.rem(i, kBlocksAhead + 1), kTileRows);
  }
  void emitLongBlocks(Value begin, Value end, Value firstBlock, int64_t extent);

  unsigned panelVectors;
  /// Widened codes and their sums, i32 [tile or row, column] and f32 [row,
  /// column].
  Value buffer, codeSums, dots, sums;
};
} // namespace

/// Integer sums of block number `i` of the part for 16 rows from `at` on.
void TilePanel::emitProducts(Value at, Value vector, Value i, Value firstBlock,
                             int64_t length) {
  auto type = amx::TileType::get({kTileRows, 16}, k.i32());
  Value result = amx::TileZeroOp::create(k.b, k.loc, type);
  Value a = k.add(k.mul(at, isa.getRowBytes(gemm.k)),
                  k.mul(k.add(firstBlock, i), gemm.block));
  Value b = k.add(k.mul(i, getWidenedBytes()), k.mul(vector, 64));
  for (int64_t first = 0, steps = llvm::divideCeil(length, 4); first < steps;
       first += kTileSteps) {
    int64_t count = std::min(kTileSteps, steps - first);
    Value rows = amx::TileLoadOp::create(
        k.b, k.loc, amx::TileType::get({kTileRows, 4 * count}, k.i8()),
        k.getArguments()[0], ValueRange{k.add(a, 4 * first)},
        k.index(isa.getRowBytes(gemm.k)));
    Value columns = amx::TileLoadOp::create(
        k.b, k.loc, amx::TileType::get({count, 64}, k.i8()), buffer,
        ValueRange{k.add(b, first * width * 4)}, k.index(width * 4));
    result = amx::TileMulIOp::create(k.b, k.loc, type, rows, columns, result,
                                     gemm.activationUnsigned, !shift.isSigned);
  }
  amx::TileStoreOp::create(k.b, k.loc, dots,
                           ValueRange{getPlace(i), k.index(0)}, result);
}

/// Adds those to the sums.
SmallVector<Value> TilePanel::emitScaling(Value at, Value vector, Value i,
                                          Value firstBlock,
                                          ValueRange carried) {
  Value block = k.add(firstBlock, i), place = getPlace(i);
  Columns columns = loadColumns(block, vector, loadCodeSum(i, vector));
  SmallVector<Value> next(carried);
  for (int64_t r = 0; r < kTileRows; ++r) {
    Row row = getRow(k.add(at, r));
    Value dot = k.loadVector(lanes, dots, {k.add(place, r), k.index(0)});
    if (Value start = startOf(row, block))
      dot = k.add(dot, start);
    next[r] = addBlock(dot, columns, row, block, next[r]);
  }
  return next;
}

void TilePanel::emitShortBlocks(Value begin, Value end, Value firstBlock,
                                int64_t extent) {
  int64_t full = extent / gemm.block, rest = extent % gemm.block;
  int64_t ahead = std::min(kBlocksAhead, full);
  k.loop(begin, end, kTileRows, [&](Value at) {
    k.loop(k.index(0), k.index(panelVectors), 1, [&](Value vector) {
      Value row = k.sub(at, begin), n = k.mul(vector, lanes);
      SmallVector<Value> values;
      for (int64_t r = 0; r < kTileRows; ++r)
        values.push_back(k.loadVector(lanes, sums, {k.add(row, r), n}));
      auto multiply = [&](Value i, int64_t length) {
        emitProducts(at, vector, i, firstBlock, length);
      };
      auto scale = [&](Value i, ValueRange carried) {
        return emitScaling(at, vector, i, firstBlock, carried);
      };
      for (int64_t i = 0; i < ahead; ++i)
        multiply(k.index(i), gemm.block);
      if (ahead < full)
        values = k.loop(k.index(0), k.index(full - ahead), 1, values,
                        [&](Value i, ValueRange carried) {
                          multiply(k.add(i, ahead), gemm.block);
                          return scale(i, carried);
                        });
      if (rest)
        multiply(k.index(full), rest);
      for (int64_t i = full - ahead; i < full + (rest != 0); ++i)
        values = scale(k.index(i), values);
      for (int64_t r = 0; r < kTileRows; ++r)
        k.storeVector(values[r], sums, {k.add(row, r), n});
    });
  });
}

void TilePanel::emitLongBlocks(Value begin, Value end, Value firstBlock,
                               int64_t extent) {
  int64_t rowBytes = isa.getRowBytes(gemm.k);
  forEachBlock(
      firstBlock, extent, {},
      [&](Value i, Value block, int64_t length,
          ValueRange) -> SmallVector<Value> {
        // Whole tiles: there are eight registers, each of one shape in all of
        // a function. Inputs behind the block meet zeros.
        DotAxis axis;
        axis.run = llvm::alignTo(length, 4 * kTileSteps);
        Value base = k.mul(i, getWidenedBytes());
        for (int64_t s = llvm::divideCeil(length, 4); s < axis.getSteps(); ++s)
          for (unsigned v = 0; v < panelVectors; ++v)
            k.storeVector(k.integer(bytes(), 0), buffer,
                          k.add(base, s * width * 4 + v * 64));
        SmallVector<Columns> columns;
        for (unsigned v = 0; v < panelVectors; ++v)
          columns.push_back(
              loadColumns(block, k.index(v), loadCodeSum(i, k.index(v))));
        auto emit = [&](Value at, unsigned rows) {
          emitDotTileRegisters(
              k, axis, panelVectors, rows, k.getArguments()[0],
              k.add(k.mul(at, rowBytes), k.mul(block, gemm.block)), rowBytes,
              buffer, base, dots, {!gemm.activationUnsigned, shift.isSigned});
          Value count = k.minimum(k.sub(end, at), k.index(rows));
          k.loop(k.index(0), count, 1, [&](Value r) {
            Row row = getRow(k.add(at, r));
            Value start = startOf(row, block);
            for (unsigned v = 0; v < panelVectors; ++v) {
              Value n = k.index(v * lanes);
              Value dot = k.loadVector(lanes, dots, {r, n});
              if (start)
                dot = k.add(dot, start);
              SmallVector<Value> to{k.add(k.sub(at, begin), r), n};
              Value sum = k.loadVector(lanes, sums, to);
              k.storeVector(addBlock(dot, columns[v], row, block, sum), sums,
                            to);
            }
          });
        };
        k.loop(begin, end, 2 * kTileRows, [&](Value at) {
          k.ifThen(
              k.lessOrEqual(k.sub(end, at), k.index(kTileRows)),
              [&] { emit(at, kTileRows); }, [&] { emit(at, 2 * kTileRows); });
        });
        return {};
      });
}

void compress::cpu::emitBlockTiles(KernelBuilder &k, const BlockDotGEMM &gemm,
                                   const Panels &panels, Value isSmall) {
  static_assert(kSharingRows % kTileRows == 0, "sums are of whole tiles");
  Value rows = k.dim(k.getArguments().back(), 0);
  Value count = k.mul(k.ceilDiv(rows, kSharingRows), panels.getCount());
  k.tasks(count, isSmall, [&](KernelBuilder &k, Value task) {
    Value rows = k.dim(k.getArguments()[k.getArguments().size() - 2], 0);
    Value sharers = k.ceilDiv(rows, kSharingRows);
    Value panel = arith::DivUIOp::create(k.b, k.loc, task, sharers);
    Value begin = k.mul(k.sub(task, k.mul(panel, sharers)), kSharingRows);
    Value end = k.minimum(rows, k.add(begin, kSharingRows));
    int64_t block = std::min(gemm.block, gemm.k);
    int64_t partBlocks =
        std::clamp<int64_t>(kPartExtent / block, 1, gemm.getBlocks());
    CodePlanes planes = gemm.getPlanes();
    int64_t columns = gemm.isa->getPanelColumns();
    Value buffer =
        k.scratch({partBlocks *
                   int64_t(llvm::alignTo(planes.getUnits(block) * planes.steps,
                                         isLong(gemm) ? kTileSteps : 1)) *
                   columns * 4},
                  k.i8());
    Value codeSums;
    if (gemm.activationHasZero)
      codeSums = k.scratch({partBlocks * columns}, k.i32());
    Value dots = isLong(gemm)
                     ? k.scratch({2 * kTileRows, columns}, k.i32())
                     : k.scratch({(kBlocksAhead + 1) * kTileRows, 16}, k.i32());
    Value sums = k.scratch({kSharingRows, columns}, k.f32());
    emitPanel(k, panels, panel, [&](unsigned vectors, int64_t columns) {
      TilePanel e(k, gemm, panels, panel, vectors, columns, buffer, codeSums,
                  dots, sums);
      Value count = k.sub(end, begin);
      e.emitZeros(k.mul(k.ceilDiv(count, kTileRows), kTileRows));
      int64_t part = partBlocks * block, full = gemm.k / part;
      k.loop(k.index(0), k.index(full), 1, [&](Value i) {
        e.emitPart(begin, end, k.mul(i, partBlocks), part);
      });
      if (int64_t rest = gemm.k % part)
        e.emitPart(begin, end, k.index(full * partBlocks), rest);
      e.emitResults(begin, end);
    });
  });
}

//===- KernelAttention.cpp - Attention kernels ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelAttention.h"
#include "KernelFloat.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <limits>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Vectors of columns of a register tile: with as many rows as there are
/// registers for, products are not bound by loads.
static constexpr unsigned kTileVectors = 2;
/// Rows that share packed keys and values, where there are heads enough for
/// all threads, and where there are not.
static constexpr int64_t kTaskRows = 128, kFewTaskRows = 64;
static constexpr int64_t kManyHeads = 8;
/// Bytes of packed keys, packed values and scores of a task.
static constexpr int64_t kMaxTaskBytes = 768 * 1024;

std::string AttentionOperand::getName() const {
  std::string name;
  for (int64_t stride : batch)
    name += llvm::utostr(stride) + "x";
  return name + llvm::utostr(row) + "x" + llvm::utostr(column);
}

static Panels getPanels(const KernelISA &isa, int64_t columns) {
  return Panels(columns, isa.getLanes(), kTileVectors);
}

bool Attention::isSupported() const {
  auto isPackable = [](const AttentionOperand &operand) {
    return operand.row == 1 || operand.column == 1;
  };
  if (!isPackable(k) || !isPackable(v) || out.column != 1)
    return false;
  int64_t scores = getPanels(*isa, columns).getPaddedColumns();
  int64_t results = getPanels(*isa, width).getPaddedColumns();
  int64_t tileRows = isa->floatRows[kTileVectors - 1];
  return 4 * (scores * (depth + tileRows) + columns * results) <= kMaxTaskBytes;
}

namespace {
/// The code of one task: some rows of one head.
class AttentionTask {
public:
  AttentionTask(KernelBuilder &k, const Attention &attention, Value task)
      : k(k), at(attention), isa(*attention.isa), lanes(isa.getLanes()),
        tileRows(isa.floatRows[kTileVectors - 1]),
        scorePanels(getPanels(isa, at.columns)),
        resultPanels(getPanels(isa, at.width)),
        scoreColumns(scorePanels.getPaddedColumns()) {
    ValueRange args = k.getArguments();
    q = args[0];
    out = args[args.size() - 2];
    if (at.mask)
      mask = args[3];
    Value block = k.rem(task, getBlocks(at));
    SmallVector<Value> head =
        k.delinearize(k.div(task, getBlocks(at)), at.batch);
    auto locate = [&](const AttentionOperand &operand) {
      Value base = k.index(0);
      for (auto [index, stride] : llvm::zip_equal(head, operand.batch))
        base = k.add(base, k.mul(index, stride));
      return base;
    };
    qBase = locate(at.q);
    outBase = locate(at.out);
    if (at.mask)
      maskBase = locate(*at.mask);
    begin = k.mul(block, getBlockRows(at));
    end = k.minimum(k.add(begin, getBlockRows(at)), k.index(at.rows));
    keys = k.scratch({at.depth * scoreColumns}, k.f32());
    values = k.scratch({at.columns * resultPanels.getPaddedColumns()}, k.f32());
    scores = k.scratch({tileRows * scoreColumns}, k.f32());
    pack(args[1], locate(at.k), at.depth, at.k.column, at.k.row, scorePanels,
         keys);
    pack(args[2], locate(at.v), at.columns, at.v.row, at.v.column, resultPanels,
         values);
  }

  static int64_t getBlockRows(const Attention &at) {
    int64_t heads = 1;
    for (int64_t extent : ArrayRef(at.batch).drop_front())
      heads *= extent;
    if (!at.batch.empty() && !ShapedType::isDynamic(at.batch[0]))
      heads *= at.batch[0];
    // A multiple of the rows of all tiles.
    int64_t rows = heads >= kManyHeads ? kTaskRows : kFewTaskRows;
    return rows / at.isa->floatRows[kTileVectors - 1] *
           at.isa->floatRows[kTileVectors - 1];
  }
  static int64_t getBlocks(const Attention &at) {
    return llvm::divideCeil(at.rows, getBlockRows(at));
  }

  void emit() {
    emitRowTiles(k, tileRows, begin, end, at.rows % tileRows,
                 [&](Value row, unsigned rows) { emitTile(row, rows); });
  }

private:
  /// [column, step] with these strides to [panel][step][column of the panel],
  /// the padding zero.
  void pack(Value from, Value base, int64_t steps, int64_t stepStride,
            int64_t columnStride, const Panels &panels, Value to) {
    auto packPanel = [&](Value panel, unsigned vectors, int64_t valid) {
      Value first = k.mul(panel, panels.getFullColumns());
      Value target = k.mul(first, steps);
      Value source = k.add(base, k.mul(first, columnStride));
      int64_t width = int64_t(vectors) * lanes;
      for (unsigned v = 0; v < vectors; ++v) {
        int64_t count = std::min<int64_t>(lanes, valid - v * lanes);
        Value in = k.add(source, columnStride * v * lanes);
        Value outAt = k.add(target, v * lanes);
        if (columnStride == 1)
          copyRows(from, in, steps, stepStride, count, to, outAt, width);
        else
          transposeRows(from, in, steps, columnStride, count, to, outAt, width);
      }
    };
    if (panels.numFull)
      k.loop(k.index(0), k.index(panels.numFull), 1, [&](Value panel) {
        packPanel(panel, panels.fullVectors, panels.getFullColumns());
      });
    if (panels.tailVectors)
      packPanel(k.index(panels.numFull), panels.tailVectors,
                panels.getTailColumns());
  }

  void copyRows(Value from, Value in, int64_t steps, int64_t stepStride,
                int64_t count, Value to, Value outAt, int64_t width) {
    k.loop(k.index(0), k.index(steps), 1, [&](Value step) {
      k.storeVector(load(from, k.add(in, k.mul(step, stepStride)), count), to,
                    k.add(outAt, k.mul(step, width)));
    });
  }

  /// `count` rows of consecutive steps.
  void transposeRows(Value from, Value in, int64_t steps, int64_t columnStride,
                     int64_t count, Value to, Value outAt, int64_t width) {
    auto emitBlock = [&](Value step, int64_t number) {
      SmallVector<Value> rows;
      for (int64_t r = 0; r < count; ++r)
        rows.push_back(
            load(from, k.add(k.add(in, r * columnStride), step), number));
      rows.resize(lanes, k.real(k.vector(lanes, k.f32()), 0.0f));
      rows = k.transpose(rows);
      for (int64_t s = 0; s < number; ++s)
        k.storeVector(rows[s], to, k.add(outAt, k.mul(k.add(step, s), width)));
    };
    int64_t full = steps / lanes * lanes;
    if (full)
      k.loop(k.index(0), k.index(full), lanes,
             [&](Value step) { emitBlock(step, lanes); });
    if (full < steps)
      emitBlock(k.index(full), steps - full);
  }

  Value load(Value from, Value position, int64_t count) {
    return count < int64_t(lanes)
               ? k.loadMasked(lanes, from, position, k.prefixMask(lanes, count))
               : k.loadVector(lanes, from, position);
  }

  void emitTile(Value row, unsigned rows) {
    emitScores(row, rows);
    SmallVector<Value> sums = emitExponentials(rows);
    emitResults(row, rows, sums);
  }

  /// Calls `body(first column, vectors, valid columns)` for each panel.
  void forEachPanel(const Panels &panels,
                    llvm::function_ref<void(Value, unsigned, int64_t)> body) {
    if (panels.numFull)
      k.loop(k.index(0), k.index(panels.numFull * panels.getFullColumns()),
             panels.getFullColumns(), [&](Value first) {
               body(first, panels.fullVectors, panels.getFullColumns());
             });
    if (panels.tailVectors)
      body(k.index(panels.numFull * panels.getFullColumns()),
           panels.tailVectors, panels.getTailColumns());
  }

  SmallVector<Value> zeros(unsigned count) {
    return SmallVector<Value>(count, k.real(k.vector(lanes, k.f32()), 0.0f));
  }

  void emitScores(Value row, unsigned rows) {
    DotAxis axis;
    axis.run = at.depth;
    if (at.q.column != 1) {
      axis.outer.push_back({at.depth, at.q.column});
      axis.run = 1;
    }
    SmallVector<Value> bases;
    for (unsigned r = 0; r < rows; ++r)
      bases.push_back(k.add(qBase, k.mul(k.add(row, r), at.q.row)));
    Type type = k.vector(lanes, k.f32());
    forEachPanel(scorePanels, [&](Value first, unsigned vectors,
                                  int64_t valid) {
      SmallVector<Value> sums =
          emitFloatTile(k, isa, axis, vectors, q, bases, keys,
                        k.mul(first, at.depth), zeros(rows * vectors));
      for (unsigned r = 0; r < rows; ++r)
        for (unsigned v = 0; v < vectors; ++v) {
          int64_t count = std::min<int64_t>(lanes, valid - v * lanes);
          Value column = k.add(first, v * lanes);
          Value score = sums[r * vectors + v];
          if (at.scale != 1)
            score = k.mulF(score, k.real(type, at.scale));
          if (at.mask)
            score = k.addF(score, loadMask(k.add(row, r), column, count));
          // What is not there must not be the largest, nor count.
          if (count < int64_t(lanes))
            score =
                k.select(k.prefixMask(lanes, count), score,
                         k.real(type, -std::numeric_limits<float>::infinity()));
          k.storeVector(score, scores, k.add(column, r * scoreColumns));
        }
    });
  }

  Value loadMask(Value row, Value column, int64_t count) {
    Value position = k.add(k.add(maskBase, k.mul(row, at.mask->row)),
                           k.mul(column, at.mask->column));
    if (at.mask->column == 0)
      return k.splat(k.load(mask, position), lanes);
    return load(mask, position, count);
  }

  /// Scores to exponentials of how far they are below the largest; returns
  /// their sums.
  SmallVector<Value> emitExponentials(unsigned rows) {
    Type type = k.vector(lanes, k.f32());
    auto scoresAt = [&](unsigned r, Value column) {
      return k.add(column, r * scoreColumns);
    };
    auto forEachVector = [&](ValueRange carried, KernelBuilder::LoopBody body) {
      return k.loop(k.index(0), k.index(scoreColumns), lanes, carried, body);
    };
    SmallVector<Value> largest = forEachVector(
        SmallVector<Value>(
            rows, k.real(type, -std::numeric_limits<float>::infinity())),
        [&](Value column, ValueRange carried) {
          SmallVector<Value> next;
          for (unsigned r = 0; r < rows; ++r)
            next.push_back(k.maxF(
                k.loadVector(lanes, scores, scoresAt(r, column)), carried[r]));
          return next;
        });
    for (Value &value : largest)
      value = k.splat(vector::ReductionOp::create(
                          k.b, k.loc, vector::CombiningKind::MAXNUMF, value),
                      lanes);
    SmallVector<Value> sums =
        forEachVector(zeros(rows), [&](Value column, ValueRange carried) {
          SmallVector<Value> next;
          for (unsigned r = 0; r < rows; ++r) {
            Value position = scoresAt(r, column);
            Value x = k.loadVector(lanes, scores, position);
            Value e = math::ExpOp::create(k.b, k.loc, k.subF(x, largest[r]));
            k.storeVector(e, scores, position);
            next.push_back(k.addF(carried[r], e));
          }
          return next;
        });
    for (Value &sum : sums)
      sum = k.splat(vector::ReductionOp::create(k.b, k.loc,
                                                vector::CombiningKind::ADD, sum,
                                                arith::FastMathFlags::reassoc),
                    lanes);
    return sums;
  }

  void emitResults(Value row, unsigned rows, ArrayRef<Value> sums) {
    DotAxis axis;
    axis.run = at.columns;
    SmallVector<Value> bases;
    for (unsigned r = 0; r < rows; ++r)
      bases.push_back(k.index(r * scoreColumns));
    forEachPanel(
        resultPanels, [&](Value first, unsigned vectors, int64_t valid) {
          SmallVector<Value> products =
              emitFloatTile(k, isa, axis, vectors, scores, bases, values,
                            k.mul(first, at.columns), zeros(rows * vectors));
          for (unsigned r = 0; r < rows; ++r)
            for (unsigned v = 0; v < vectors; ++v) {
              int64_t count = std::min<int64_t>(lanes, valid - v * lanes);
              Value result = k.divF(products[r * vectors + v], sums[r]);
              Value to = k.add(k.add(outBase, k.mul(k.add(row, r), at.out.row)),
                               k.add(first, v * lanes));
              if (count < int64_t(lanes))
                k.storeMasked(result, out, to, k.prefixMask(lanes, count));
              else
                k.storeVector(result, out, to);
            }
        });
  }

  KernelBuilder &k;
  const Attention &at;
  const KernelISA &isa;
  unsigned lanes, tileRows;
  Panels scorePanels, resultPanels;
  int64_t scoreColumns;
  Value q, out, mask, qBase, outBase, maskBase, begin, end;
  Value keys, values, scores;
};
} // namespace

std::string compress::cpu::generateAttention(ModuleOp module,
                                             const Attention &at) {
  std::string name = llvm::formatv(
      "compress_attention_f32_{0}_r{1}c{2}d{3}w{4}_q{5}_k{6}_v{7}_o{8}",
      at.isa->name, at.rows, at.columns, at.depth, at.width, at.q.getName(),
      at.k.getName(), at.v.getName(), at.out.getName());
  for (int64_t extent : ArrayRef(at.batch).drop_front())
    name += "_b" + llvm::utostr(extent);
  if (at.batch.size() && !ShapedType::isDynamic(at.batch[0]))
    name += "_n" + llvm::utostr(at.batch[0]);
  if (at.mask)
    name += "_m" + at.mask->getName();
  if (at.scale != 1)
    name += llvm::formatv("_s{0:x-8}", llvm::bit_cast<uint32_t>(at.scale));
  OpBuilder b(module.getContext());
  SmallVector<Type> types(
      at.mask ? 5 : 4, MemRefType::get({ShapedType::kDynamic}, b.getF32Type()));
  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    int64_t inner = at.rows * at.width;
    for (int64_t extent : ArrayRef(at.batch).drop_front())
      inner *= extent;
    Value first = k.div(k.dim(k.getArguments().back(), 0), inner);
    int64_t heads = inner / (at.rows * at.width);
    int64_t work = heads * at.rows * at.columns * (at.depth + at.width);
    Value isSmall =
        k.lessThan(first, k.index(kSmallWork / std::max<int64_t>(1, work) + 1));
    k.tasks(k.mul(first, heads * AttentionTask::getBlocks(at)), isSmall,
            [&](KernelBuilder &k, Value task) {
              AttentionTask(k, at, task).emit();
            });
  });
  return name;
}

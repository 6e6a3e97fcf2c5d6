//===- KernelGEMM.cpp - Integer matrix product kernels ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelGEMM.h"
#include "KernelCosts.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

Panels::Panels(const KernelISA &isa, int64_t columns)
    : Panels(columns, isa.getLanes(), isa.maxVectors) {}

Panels::Panels(int64_t columns, unsigned lanes, unsigned fullVectors)
    : columns(columns), lanes(lanes), fullVectors(fullVectors) {
  numFull = columns / getFullColumns();
  tailVectors = llvm::divideCeil(columns % getFullColumns(), lanes);
}

//===----------------------------------------------------------------------===//
// Four products per lane
//===----------------------------------------------------------------------===//

SmallVector<Value> compress::cpu::splitBytes(KernelBuilder &k,
                                             const KernelISA &isa, Value words,
                                             bool isSigned) {
  unsigned lanes = isa.getLanes();
  if (isa.dotU8S8)
    return {k.bitcast(words, k.vector(4 * lanes, k.i8()))};
  if (isa.dotS8S8) {
    // An upper bit stands for 128, and as s8 for -128.
    auto asBytes = [&](Value v) {
      return k.bitcast(v, k.vector(4 * lanes, k.i8()));
    };
    if (isSigned)
      return {asBytes(words), asBytes(words)};
    return {asBytes(k.bitAnd(words, 0x7f7f7f7f)),
            asBytes(k.bitAnd(words, int32_t(0x80808080)))};
  }
  if (isa.dotS16) {
    Value halves = k.bitcast(words, k.vector(2 * lanes, k.i16()));
    if (isSigned)
      return {k.shiftRightSigned(k.shiftLeft(halves, 8), 8),
              k.shiftRightSigned(halves, 8)};
    return {k.bitAnd(halves, 0xff), k.shiftRight(halves, 8)};
  }
  SmallVector<Value> bytes;
  for (unsigned i = 0; i < 4; ++i)
    bytes.push_back(isSigned
                        ? k.shiftRightSigned(k.shiftLeft(words, 24 - 8 * i), 24)
                        : k.bitAnd(k.shiftRight(words, 8 * i), 0xff));
  return bytes;
}

Value compress::cpu::emitDot(KernelBuilder &k, const KernelISA &isa, Value sum,
                             ArrayRef<Value> a, ArrayRef<Value> b) {
  if (isa.dotU8S8)
    return k.call(isa.dotU8S8, sum.getType(), {sum, a[0], b[0]});
  if (isa.dotS8S8) {
    auto dot = [&](Value start, unsigned i) {
      return k.call(isa.dotS8S8, sum.getType(), {start, a[i], b[i]});
    };
    return k.sub(dot(sum, 0), dot(k.integer(sum.getType(), 0), 1));
  }
  for (auto [x, y] : llvm::zip_equal(a, b))
    sum = k.add(sum, isa.dotS16 ? k.call(isa.dotS16, sum.getType(), {x, y})
                                : k.mul(x, y));
  return sum;
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

SmallVector<Value> compress::cpu::emitRuns(
    KernelBuilder &k, const DotAxis &axis, unsigned depth, Value offset,
    Value run, ValueRange sums,
    llvm::function_ref<SmallVector<Value>(Value, Value, ValueRange)> body) {
  if (depth == axis.outer.size())
    return body(offset, run, sums);
  int64_t extent = axis.outer[depth].first;
  int64_t stride = axis.outer[depth].second;
  auto next = [&](Value i, ValueRange carried) {
    Value inner = k.add(offset, k.mul(i, stride));
    Value number = k.add(k.mul(run, extent), i);
    return emitRuns(k, axis, depth + 1, inner, number, carried, body);
  };
  if (extent == 1)
    return next(k.index(0), sums);
  return k.loop(k.index(0), k.index(extent), 1, sums, next);
}

SmallVector<Value>
compress::cpu::emitDotTile(KernelBuilder &k, const KernelISA &isa,
                           const DotAxis &axis, unsigned vectors, Value a,
                           ValueRange rowBases, Value b, Value panelBase) {
  unsigned lanes = isa.getLanes();
  int64_t stepBytes = int64_t(vectors) * lanes * 4;
  VectorType sumType = k.vector(lanes, k.i32());
  SmallVector<Value> sums(rowBases.size() * vectors, k.integer(sumType, 0));
  auto step = [&](Value aOffset, Value bOffset, int64_t vectorBytes,
                  ValueRange carried) {
    SmallVector<Value> result(carried);
    SmallVector<SmallVector<Value>> columns;
    for (unsigned v = 0; v < vectors; ++v) {
      Value bytes = k.loadVector(4 * lanes, b, k.add(bOffset, v * vectorBytes));
      columns.push_back(
          splitBytes(k, isa, k.bitcast(bytes, sumType), /*isSigned=*/true));
    }
    for (auto [r, base] : llvm::enumerate(rowBases)) {
      Value bytes = k.loadVector(4, a, k.add(base, aOffset));
      Value word = k.bitcast(bytes, k.vector(1, k.i32()));
      SmallVector<int64_t> zeros(lanes, 0);
      SmallVector<Value> row = splitBytes(k, isa, k.shuffle(word, word, zeros),
                                          /*isSigned=*/false);
      for (unsigned v = 0; v < vectors; ++v) {
        Value &sum = result[r * vectors + v];
        sum = emitDot(k, isa, sum, row, columns[v]);
      }
    }
    return result;
  };
  Value zero = k.index(0);
  return emitRuns(
      k, axis, 0, zero, zero, sums,
      [&](Value offset, Value run, ValueRange carried) -> SmallVector<Value> {
        Value base = k.add(panelBase, k.mul(run, axis.getSteps() * stepBytes));
        if (axis.getSteps() == 1)
          return step(offset, base, lanes * 4, carried);
        if (axis.tileSteps == 1)
          return k.loop(zero, k.index(axis.getSteps()), 1, carried,
                        [&](Value s, ValueRange inner) {
                          return step(k.add(offset, k.mul(s, 4)),
                                      k.add(base, k.mul(s, stepBytes)),
                                      lanes * 4, inner);
                        });
        auto emitTile = [&](Value first, int64_t steps, ValueRange inner) {
          Value tile = k.add(base, k.mul(first, stepBytes));
          return k.loop(zero, k.index(steps), 1, inner,
                        [&](Value s, ValueRange innermost) {
                          return step(k.add(offset, k.mul(k.add(first, s), 4)),
                                      k.add(tile, k.mul(s, lanes * 4)),
                                      steps * lanes * 4, innermost);
                        });
        };
        int64_t whole = axis.getSteps() / axis.tileSteps * axis.tileSteps;
        SmallVector<Value> next(carried);
        if (whole)
          next = k.loop(zero, k.index(whole), axis.tileSteps, next,
                        [&](Value first, ValueRange inner) {
                          return emitTile(first, axis.tileSteps, inner);
                        });
        if (whole < axis.getSteps())
          next = emitTile(k.index(whole), axis.getSteps() - whole, next);
        return next;
      });
}

void compress::cpu::emitRowTiles(
    KernelBuilder &k, unsigned maxRows, Value begin, Value end,
    std::optional<unsigned> remainder,
    llvm::function_ref<void(Value, unsigned)> tile) {
  k.loop(begin, end, maxRows, [&](Value position) {
    if (remainder == 0u)
      return tile(position, maxRows);
    // The binary digits of what is left.
    auto emitRest = [&] {
      Value at = position;
      for (unsigned rows = llvm::bit_floor(maxRows - 1); rows; rows /= 2) {
        if (remainder) {
          if (*remainder & rows) {
            tile(at, rows);
            at = k.add(at, rows);
          }
          continue;
        }
        at = k.ifValue(
            k.lessOrEqual(k.add(at, rows), end),
            [&] {
              tile(at, rows);
              return SmallVector<Value>{k.add(at, rows)};
            },
            [&] { return SmallVector<Value>{at}; })[0];
      }
    };
    k.ifThen(
        k.lessOrEqual(k.index(maxRows), k.sub(end, position)),
        [&] { tile(position, maxRows); }, emitRest);
  });
}

void compress::cpu::emitPanel(
    KernelBuilder &k, const Panels &panels, Value panel,
    llvm::function_ref<void(unsigned, int64_t)> body) {
  auto full = [&] { body(panels.fullVectors, panels.getFullColumns()); };
  auto tail = [&] { body(panels.tailVectors, panels.getTailColumns()); };
  if (!panels.tailVectors)
    full();
  else if (!panels.numFull)
    tail();
  else
    k.ifThen(k.lessThan(panel, k.index(panels.numFull)), full, tail);
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

DotColumns compress::cpu::loadDotColumns(KernelBuilder &k, const KernelISA &isa,
                                         const DotResults &results, Value n,
                                         int64_t valid) {
  unsigned lanes = isa.getLanes();
  DotColumns columns;
  columns.n = n;
  if (valid < lanes)
    columns.mask = k.prefixMask(lanes, valid);
  columns.sums = k.loadVector(lanes, results.columnSums, n);
  columns.scales = k.loadVector(lanes, results.columnScales, n);
  if (results.bias)
    columns.bias = columns.mask
                       ? k.loadMasked(lanes, results.bias, n, columns.mask)
                       : k.loadVector(lanes, results.bias, n);
  return columns;
}

void compress::cpu::storeDotResults(KernelBuilder &k, const KernelISA &isa,
                                    const DotResults &results,
                                    const DotColumns &columns, Value row,
                                    Value sums) {
  unsigned lanes = isa.getLanes();
  Value group = results.perRow ? row : k.index(0);
  Value zero = k.splat(k.load(results.rowZeros, group), lanes);
  Value scale = k.splat(k.load(results.rowScales, group), lanes);
  Value value;
  if (results.floatZeros) {
    // Rounded once.
    Type type = isa.hasFMA ? k.f32() : k.b.getF64Type();
    Value factor = k.convert(k.bitcast(zero, k.vector(lanes, k.f32())), type);
    factor = arith::NegFOp::create(k.b, k.loc, factor);
    value = k.convert(k.multiplyAdd(factor, k.convert(columns.sums, type),
                                    k.convert(sums, type), isa.hasFMA),
                      k.f32());
  } else {
    value = k.convert(k.sub(sums, k.mul(zero, columns.sums)), k.f32());
  }
  value = k.mulF(value, k.mulF(scale, columns.scales));
  SmallVector<Value> at{row, columns.n};
  if (columns.bias)
    value = k.addF(value, columns.bias);
  if (results.init == InitKind::Accumulate)
    value = k.addF(
        value, columns.mask ? k.loadMasked(lanes, results.out, at, columns.mask)
                            : k.loadVector(lanes, results.out, at));
  if (columns.mask)
    k.storeMasked(value, results.out, at, columns.mask);
  else
    k.storeVector(value, results.out, at);
}

//===----------------------------------------------------------------------===//
// Matrix product
//===----------------------------------------------------------------------===//

StringRef compress::cpu::getInitName(InitKind init) {
  switch (init) {
  case InitKind::Zero:
    return "zero";
  case InitKind::Bias:
    return "bias";
  case InitKind::Accumulate:
    return "acc";
  }
  llvm_unreachable("covered switch");
}

/// The least number of rows for which tile registers are faster than vectors.
static int64_t getTileRows(const DotGEMM &gemm) {
  KernelKind few = KernelKind::DotFew, many = KernelKind::DotMany;
  return 1 + getMostFewRows(*gemm.isa, few, many,
                            KernelWork::dense(few, 1, gemm.n, gemm.k, 8), 15);
}

std::string compress::cpu::generateDotGEMM(ModuleOp module,
                                           const DotGEMM &gemm) {
  const KernelISA &isa = *gemm.isa;
  std::string name = llvm::formatv(
      "compress_gemm_u8s8_{0}_n{1}_k{2}_{3}_{4}", isa.name, gemm.n, gemm.k,
      gemm.perRow ? "row" : "tensor", getInitName(gemm.init));
  OpBuilder b(module.getContext());
  auto dynamic = [&](Type element) {
    return MemRefType::get({ShapedType::kDynamic}, element);
  };
  Panels panels(isa, gemm.n);
  DotAxis axis = getDotAxis(isa, gemm.k);
  int64_t padded = panels.getPaddedColumns();
  SmallVector<Type> types{
      dynamic(b.getI8Type()),
      dynamic(b.getF32Type()),
      dynamic(b.getI32Type()),
      MemRefType::get({axis.getPaddedExtent() * padded}, b.getI8Type()),
      MemRefType::get({padded}, b.getI32Type()),
      MemRefType::get({padded}, b.getF32Type())};
  if (gemm.init == InitKind::Bias)
    types.push_back(MemRefType::get({gemm.n}, b.getF32Type()));
  types.push_back(
      MemRefType::get({ShapedType::kDynamic, gemm.n}, b.getF32Type()));

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value rows = k.dim(k.getArguments().back(), 0);
    int64_t blockRows = isa.hasDotTiles ? kTileBlockRows : 96;
    Value blocks = k.ceilDiv(rows, blockRows);
    Value isSmall = k.lessThan(
        rows, k.index(kSmallWork / std::max<int64_t>(1, gemm.n * gemm.k) + 1));
    k.tasks(
        k.mul(blocks, panels.getCount()), isSmall,
        [&](KernelBuilder &k, Value task) {
          ValueRange args = k.getArguments();
          Value a = args[0], packed = args[3], out = args[args.size() - 2];
          DotResults results{args[1],
                             args[2],
                             args[4],
                             args[5],
                             gemm.init == InitKind::Bias ? args[6] : Value(),
                             out,
                             gemm.perRow,
                             gemm.init};
          Value rows = k.dim(out, 0);
          // Neighbouring tasks share a panel, so it stays in the cache.
          Value blocks = k.ceilDiv(rows, blockRows);
          Value panel = arith::DivUIOp::create(k.b, k.loc, task, blocks);
          Value block = k.sub(task, k.mul(panel, blocks));
          Value begin = k.mul(block, blockRows);
          Value end = k.minimum(rows, k.add(begin, blockRows));
          Value column = k.mul(panel, panels.getFullColumns());
          Value panelBase = k.mul(column, axis.getPaddedExtent());
          emitPanel(k, panels, panel, [&](unsigned vectors, int64_t columns) {
            unsigned lanes = isa.getLanes();
            auto loadColumns = [&](unsigned v) {
              return loadDotColumns(
                  k, isa, results, k.add(column, v * lanes),
                  std::min<int64_t>(lanes, columns - v * lanes));
            };
            auto finish = [&](Value row, const DotColumns &c, Value sum) {
              storeDotResults(k, isa, results, c, row, sum);
            };
            int64_t rowBytes = isa.getRowBytes(gemm.k);
            auto emitVectors = [&] {
              emitRowTiles(k, isa.dotRows[vectors - 1], begin, end,
                           std::nullopt, [&](Value at, unsigned count) {
                             SmallVector<Value> bases;
                             for (unsigned r = 0; r < count; ++r)
                               bases.push_back(k.mul(k.add(at, r), rowBytes));
                             SmallVector<Value> sums =
                                 emitDotTile(k, isa, axis, vectors, a, bases,
                                             packed, panelBase);
                             for (unsigned v = 0; v < vectors; ++v) {
                               DotColumns c = loadColumns(v);
                               for (unsigned r = 0; r < count; ++r)
                                 finish(k.add(at, r), c, sums[r * vectors + v]);
                             }
                           });
            };
            if (!isa.hasDotTiles)
              return emitVectors();
            Value sums =
                k.scratch({kTileBlockRows, isa.getPanelColumns()}, k.i32());
            auto emitResults = [&] {
              SmallVector<DotColumns> table;
              for (unsigned v = 0; v < vectors; ++v)
                table.push_back(loadColumns(v));
              k.loop(begin, end, 1, [&](Value row) {
                for (unsigned v = 0; v < vectors; ++v)
                  finish(row, table[v],
                         k.loadVector(lanes, sums,
                                      {k.sub(row, begin), k.index(v * lanes)}));
              });
            };
            // Few rows wait for the weights, which are read in order.
            auto emitTiles = [&](unsigned rows) {
              emitDotTileRegisters(k, axis.getSteps(), vectors, rows, a,
                                   k.mul(begin, rowBytes), rowBytes, packed,
                                   panelBase, sums);
              emitResults();
            };
            auto emitBlock = [&] {
              Value next = k.add(panelBase, axis.getPaddedExtent() *
                                                panels.getFullColumns());
              emitDotTileBlock(k, axis.getSteps(), vectors, a, begin, end,
                               rowBytes, packed, panelBase, next, sums);
              emitResults();
            };
            Value count = k.sub(end, begin);
            auto atMost = [&](int64_t rows) {
              return k.lessOrEqual(count, k.index(rows));
            };
            // A tile computes 16 rows whether they are there or not.
            k.ifThen(atMost(getTileRows(gemm) - 1), emitVectors, [&] {
              k.ifThen(
                  atMost(16), [&] { emitTiles(16); },
                  [&] {
                    k.ifThen(atMost(32), [&] { emitTiles(32); }, emitBlock);
                  });
            });
          });
        });
  });
  return name;
}

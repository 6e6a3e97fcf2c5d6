//===- KernelCodebook.cpp - Products with vector codebooks ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelCodebook.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Outputs of a task that looks up: all of them use its tables.
static constexpr int64_t kLookupOutputs = 2048;
/// Bytes of tables that stay in a first-level cache.
static constexpr int64_t kTableBytes = 32 * 1024;
/// Lookups of one output that are written out, and outputs side by side.
static constexpr int64_t kMostLookups = 16, kOutputsTogether = 8;
/// Bytes of indices of an output that are used together: a cache line.
static constexpr int64_t kGroupBytes = 64;
/// Outputs whose entries are copied together, inputs of each, and the register
/// tile.
static constexpr int64_t kCopiedOutputs = 16, kCopiedInputs = 1024;
static constexpr unsigned kTile = 4;

CodebookLayout::CodebookLayout(int64_t n, int64_t k, int64_t size, int64_t vec,
                               int64_t stages)
    : n(n), k(k), size(size), vec(vec), stages(stages),
      width(size <= 16    ? 4
            : size <= 256 ? 8
                          : 16) {
  groupBlocks = std::max<int64_t>(1, kGroupBytes * 8 / (width * stages));
  groupBlocks = std::min<int64_t>(groupBlocks, llvm::divideCeil(k, vec));
  // Whole bytes.
  if (width == 4 && groupBlocks * stages % 2)
    ++groupBlocks;
}

KernelWork compress::cpu::getCodebookWork(const KernelISA &isa,
                                          const CodebookLayout &layout,
                                          bool isLookup, double m) {
  double blocks = double(llvm::divideCeil(layout.k, layout.vec));
  KernelWork work{KernelKind::CodebookRows,
                  m,
                  double(layout.n),
                  double(layout.k),
                  double(layout.getBytes()),
                  double(layout.n) * blocks * double(layout.stages)};
  if (!isLookup) {
    work.n *= double(layout.k); // Every weight.
    return work;
  }
  // Products with all entries, once for each task, in whole vectors of rows.
  work.k *= double(layout.size * layout.stages *
                   llvm::divideCeil(layout.n, kLookupOutputs));
  work.kind = KernelKind::CodebookOne;
  if (m > 1) {
    work.kind = KernelKind::CodebookLookup;
    work.k *= std::ceil(m / isa.getLanes()) * isa.getLanes() / m;
  }
  return work;
}

namespace {
struct Emitter {
  Emitter(KernelBuilder &k, const CodebookGEMM &gemm)
      : k(k), gemm(gemm), layout(gemm.layout), lanes(gemm.isa->getLanes()) {
    ValueRange args = k.getArguments();
    x = args[0], indices = args[1], entries = args[2];
    if (gemm.init == InitKind::Bias)
      bias = args[3];
    // Tasks get their number after the arguments of the kernel.
    out = args[gemm.init == InitKind::Bias ? 4 : 3];
  }

  Value getRows() { return k.dim(x, 0); }
  VectorType vectorType() { return k.vector(lanes, k.f32()); }
  /// What result (m, n) starts from; null where that is zero.
  Value loadInit(Value m, Value n) {
    if (gemm.init == InitKind::Bias)
      return k.load(bias, n);
    return gemm.init == InitKind::Accumulate ? k.load(out, {m, n}) : Value();
  }

  /// Index number `number` (static) of those at byte or word `base`.
  Value loadIndex(Value base, int64_t number) {
    Value at = k.add(base, layout.width == 4 ? number / 2 : number);
    Value code = k.convert(k.load(indices, at), k.i32(), /*isUnsigned=*/true);
    if (layout.width == 4)
      code = number % 2 ? k.shiftRight(code, 4) : k.bitAnd(code, 15);
    return k.toIndex(code);
  }
  /// Where the indices of output `n` in group `group` start.
  Value getBase(Value group, Value n) {
    int64_t elements = layout.getGroupBytes() * 8 / std::max(8u, layout.width);
    return k.mul(k.add(k.mul(group, layout.getPaddedN()), n), elements);
  }

  KernelBuilder &k;
  const CodebookGEMM &gemm;
  const CodebookLayout &layout;
  int64_t lanes;
  Value x, indices, entries, bias, out;
};

//===----------------------------------------------------------------------===//
// Lookups
//===----------------------------------------------------------------------===//

/// One row, or as many as a vector has lanes: then tables and sums hold
/// vectors.
struct LookupEmitter : public Emitter {
  LookupEmitter(KernelBuilder &k, const CodebookGEMM &gemm, bool isSingle)
      : Emitter(k, gemm), isSingle(isSingle), width(isSingle ? 1 : lanes) {
    int64_t most = std::min(kMostLookups,
                            kTableBytes / (4 * layout.getPaddedSize() * width));
    chunk = 1;
    for (int64_t i = 2; i <= most; ++i)
      if (layout.getGroupIndices() % i == 0)
        chunk = i;
    // Pairs are not split.
    if (layout.width == 4 && chunk % 2)
      chunk = std::max<int64_t>(2, chunk - 1);
    if (layout.getGroupIndices() % chunk)
      chunk = layout.width == 4 ? 2 : 1;
    inputs = k.scratch({layout.getGroupInputs() * width}, k.f32());
    tables = k.scratch({chunk * layout.getPaddedSize() * width}, k.f32());
    sums = k.scratch({std::min(kLookupOutputs, layout.getPaddedN()) * width},
                     k.f32());
  }

  Type type() { return isSingle ? Type(k.f32()) : Type(vectorType()); }
  Value load(Value memref, Value at) {
    return isSingle ? k.load(memref, at)
                    : k.loadVector(lanes, memref, k.mul(at, lanes));
  }
  void store(Value value, Value memref, Value at) {
    if (isSingle)
      k.store(value, memref, at);
    else
      k.storeVector(value, memref, k.mul(at, lanes));
  }

  /// Copies the inputs of a group; zeros beyond the end.
  void emitInputs(Value row, Value group) {
    Value first = k.mul(group, layout.getGroupInputs());
    Value lastRow = k.sub(getRows(), k.index(1));
    k.loop(k.index(0), k.index(width), 1, [&](Value r) {
      Value m = k.add(row, r);
      Value isRow = k.lessThan(m, getRows());
      m = k.minimum(m, lastRow);
      k.loop(k.index(0), k.index(layout.getGroupInputs()), 1, [&](Value i) {
        Value at = k.add(first, i);
        Value value = k.load(x, {m, k.minimum(at, k.index(layout.k - 1))});
        Value isInput = k.lessThan(at, k.index(layout.k));
        Value isValid = arith::AndIOp::create(k.b, k.loc, isRow, isInput);
        k.store(k.select(isValid, value, k.real(0.0f)), inputs,
                k.add(k.mul(i, width), r));
      });
    });
  }

  /// The products of block `block` (within the group) with all entries of a
  /// stage, at `at` in the tables.
  void emitTable(Value block, Value stage, Value at) {
    int64_t size = layout.getPaddedSize();
    Value first = k.mul(block, layout.vec);
    auto entryAt = [&](int64_t j, Value e) {
      return k.add(k.add(k.mul(stage, layout.vec * size), j * size), e);
    };
    if (isSingle) {
      SmallVector<Value> values;
      for (int64_t j = 0; j < layout.vec; ++j)
        values.push_back(k.splat(k.load(inputs, k.add(first, j)), lanes));
      k.loop(k.index(0), k.index(size), lanes, [&](Value e) {
        Value sum;
        for (int64_t j = 0; j < layout.vec; ++j) {
          Value entry = k.loadVector(lanes, entries, entryAt(j, e));
          sum = sum ? k.multiplyAdd(values[j], entry, sum, gemm.isa->hasFMA)
                    : k.mulF(values[j], entry);
        }
        k.storeVector(sum, tables, k.add(at, e));
      });
      return;
    }
    SmallVector<Value> values;
    for (int64_t j = 0; j < layout.vec; ++j)
      values.push_back(load(inputs, k.add(first, j)));
    k.loop(k.index(0), k.index(layout.size), 1, [&](Value e) {
      Value sum;
      for (int64_t j = 0; j < layout.vec; ++j) {
        Value entry = k.splat(k.load(entries, entryAt(j, e)), lanes);
        sum = sum ? k.multiplyAdd(entry, values[j], sum, gemm.isa->hasFMA)
                  : k.mulF(entry, values[j]);
      }
      store(sum, tables, k.add(at, e));
    });
  }

  /// Adds a chunk of lookups to the sums of `count` outputs from `n`; `local`
  /// is the number of the first in the task.
  void emitLookups(Value group, Value offset, Value n, Value local,
                   int64_t count) {
    SmallVector<Value> values, bases;
    for (int64_t u = 0; u < count; ++u) {
      values.push_back(load(sums, k.add(local, u)));
      bases.push_back(k.add(getBase(group, k.add(n, u)), offset));
    }
    for (int64_t q = 0; q < chunk; ++q)
      for (int64_t u = 0; u < count; ++u) {
        Value at = k.add(loadIndex(bases[u], q), q * layout.getPaddedSize());
        values[u] = k.addF(values[u], load(tables, at));
      }
    for (int64_t u = 0; u < count; ++u)
      store(values[u], sums, k.add(local, u));
  }

  /// The rows from `row`, for outputs [begin, end).
  void emit(Value row, Value begin, Value end) {
    Value count = k.sub(end, begin);
    Value zero = isSingle ? k.real(0.0f) : k.real(vectorType(), 0.0f);
    k.loop(k.index(0), count, 1, [&](Value i) { store(zero, sums, i); });
    int64_t perByte = layout.width == 4 ? 2 : 1;
    k.loop(k.index(0), k.index(layout.getNumGroups()), 1, [&](Value group) {
      emitInputs(row, group);
      k.loop(k.index(0), k.index(layout.getGroupIndices()), chunk,
             [&](Value start) {
               k.loop(k.index(0), k.index(chunk), 1, [&](Value q) {
                 Value number = k.add(start, q);
                 emitTable(k.div(number, layout.stages),
                           k.rem(number, layout.stages),
                           k.mul(q, layout.getPaddedSize()));
               });
               Value offset = k.div(start, perByte);
               Value whole = k.sub(count, k.rem(count, kOutputsTogether));
               k.loop(k.index(0), whole, kOutputsTogether, [&](Value i) {
                 emitLookups(group, offset, k.add(begin, i), i,
                             kOutputsTogether);
               });
               k.loop(whole, count, 1, [&](Value i) {
                 emitLookups(group, offset, k.add(begin, i), i, 1);
               });
             });
    });
    Value last =
        isSingle ? k.add(row, 1) : k.minimum(getRows(), k.add(row, width));
    k.loop(row, last, 1, [&](Value m) {
      k.loop(k.index(0), count, 1, [&](Value i) {
        Value n = k.add(begin, i);
        Value value = k.load(sums, k.add(k.mul(i, width), k.sub(m, row)));
        if (Value start = loadInit(m, n))
          value = k.addF(value, start);
        k.store(value, out, {m, n});
      });
    });
  }

  bool isSingle;
  int64_t width, chunk;
  Value inputs, tables, sums;
};

//===----------------------------------------------------------------------===//
// Rows of the codebook
//===----------------------------------------------------------------------===//

struct RowsEmitter : public Emitter {
  RowsEmitter(KernelBuilder &k, const CodebookGEMM &gemm) : Emitter(k, gemm) {
    partGroups = std::clamp<int64_t>(kCopiedInputs / layout.getGroupInputs(), 1,
                                     layout.getNumGroups());
    stride = partGroups * layout.getGroupInputs();
    buffer = k.scratch({kCopiedOutputs * stride}, k.f32());
  }

  /// The entries of a group for the outputs from `n`, at `at` in the buffer.
  void emitCopy(Value group, Value n, Value at) {
    int64_t entryStride = layout.size * layout.vec;
    k.loop(k.index(0), k.index(kCopiedOutputs), 1, [&](Value i) {
      Value base = getBase(group, k.add(n, i));
      Value to = k.add(at, k.mul(i, stride));
      auto copy = [&](Value base, Value to, int64_t blocks) {
        for (int64_t b = 0; b < blocks; ++b) {
          Value sum;
          for (int64_t s = 0; s < layout.stages; ++s) {
            Value index = loadIndex(base, b * layout.stages + s);
            Value entry =
                k.loadVector(layout.vec, entries,
                             k.add(k.mul(index, layout.vec), s * entryStride));
            sum = sum ? k.addF(sum, entry) : entry;
          }
          k.storeVector(sum, buffer, k.add(to, b * layout.vec));
        }
      };
      // A few blocks written out; pairs are not split.
      int64_t together = layout.stages > 4 ? 2 : 4;
      int64_t whole = layout.groupBlocks / together * together;
      int64_t perByte = layout.width == 4 ? 2 : 1;
      k.loop(k.index(0), k.index(whole), together, [&](Value b) {
        copy(k.add(base, k.div(k.mul(b, layout.stages), perByte)),
             k.add(to, k.mul(b, layout.vec)), together);
      });
      if (whole < layout.groupBlocks)
        copy(k.add(base, whole * layout.stages / perByte),
             k.add(to, whole * layout.vec), layout.groupBlocks - whole);
    });
  }

  /// Adds the products of `count` rows from `m` with `columns` copied outputs
  /// from number `column`, over `extent` inputs from `k0`.
  void emitTile(Value m, unsigned count, Value n, Value column, Value k0,
                int64_t extent) {
    SmallVector<Value> sums(count * kTile, k.real(vectorType(), 0.0f));
    auto step = [&](Value i, ValueRange carried, Value mask) {
      SmallVector<Value> next(carried), weights;
      auto load = [&](Value memref, ValueRange at) {
        return mask ? k.loadMasked(lanes, memref, at, mask)
                    : k.loadVector(lanes, memref, at);
      };
      for (unsigned c = 0; c < kTile; ++c)
        weights.push_back(
            load(buffer, k.add(k.mul(k.add(column, c), stride), i)));
      for (unsigned r = 0; r < count; ++r) {
        Value value = load(x, {k.add(m, r), k.add(k0, i)});
        for (unsigned c = 0; c < kTile; ++c) {
          Value &sum = next[r * kTile + c];
          sum = k.multiplyAdd(value, weights[c], sum, gemm.isa->hasFMA);
        }
      }
      return next;
    };
    int64_t whole = extent / lanes * lanes;
    SmallVector<Value> totals = k.loop(
        k.index(0), k.index(whole), lanes, sums,
        [&](Value i, ValueRange carried) { return step(i, carried, {}); });
    if (whole < extent)
      totals =
          step(k.index(whole), totals, k.prefixMask(lanes, extent - whole));
    for (unsigned c = 0; c < kTile; ++c) {
      Value at = k.add(n, c);
      k.ifThen(k.lessThan(at, k.index(layout.n)), [&] {
        for (unsigned r = 0; r < count; ++r) {
          Value sum = vector::ReductionOp::create(
              k.b, k.loc, vector::CombiningKind::ADD, totals[r * kTile + c],
              arith::FastMathFlags::reassoc);
          Value row = k.add(m, r);
          k.store(k.addF(k.load(out, {row, at}), sum), out, {row, at});
        }
      });
    }
  }

  /// All rows, for outputs [begin, end), at most kCopiedOutputs.
  void emit(Value begin, Value end) {
    Value rows = getRows();
    if (gemm.init != InitKind::Accumulate)
      k.loop(k.index(0), rows, 1, [&](Value m) {
        k.loop(begin, end, 1, [&](Value n) {
          Value start = loadInit(m, n);
          k.store(start ? start : k.real(0.0f), out, {m, n});
        });
      });
    auto emitPart = [&](Value group, int64_t groups, int64_t extent) {
      k.loop(k.index(0), k.index(groups), 1, [&](Value g) {
        emitCopy(k.add(group, g), begin, k.mul(g, layout.getGroupInputs()));
      });
      Value k0 = k.mul(group, layout.getGroupInputs());
      emitRowTiles(
          k, kTile, k.index(0), rows, std::nullopt,
          [&](Value m, unsigned count) {
            k.loop(k.index(0), k.index(kCopiedOutputs), kTile, [&](Value c) {
              emitTile(m, count, k.add(begin, c), c, k0, extent);
            });
          });
    };
    int64_t whole = layout.k / stride;
    k.loop(k.index(0), k.index(whole), 1, [&](Value part) {
      emitPart(k.mul(part, partGroups), partGroups, stride);
    });
    if (int64_t rest = layout.k - whole * stride)
      emitPart(k.index(whole * partGroups),
               layout.getNumGroups() - whole * partGroups, rest);
  }

  int64_t partGroups, stride;
  Value buffer;
};
} // namespace

std::string compress::cpu::generateCodebookGEMM(ModuleOp module,
                                                const CodebookGEMM &gemm) {
  const CodebookLayout &layout = gemm.layout;
  std::string name = llvm::formatv(
      "compress_gemm_codebook_{0}x{1}_s{2}_{3}_n{4}_k{5}_{6}_{7}{8}",
      layout.size, layout.vec, layout.stages, gemm.isa->name, layout.n,
      layout.k, getInitName(gemm.init), gemm.isLookup ? "lookup" : "rows",
      gemm.rows == 1 ? "_one" : "");
  OpBuilder b(module.getContext());
  int64_t size = gemm.isLookup ? layout.getPaddedSize() : layout.size;
  SmallVector<Type> types{
      MemRefType::get({ShapedType::kDynamic, layout.k}, b.getF32Type()),
      layout.width == 16
          ? MemRefType::get({layout.getBytes() / 2}, b.getI16Type())
          : MemRefType::get({layout.getBytes()}, b.getI8Type()),
      MemRefType::get({layout.stages * layout.vec * size}, b.getF32Type())};
  if (gemm.init == InitKind::Bias)
    types.push_back(MemRefType::get({layout.n}, b.getF32Type()));
  types.push_back(
      MemRefType::get({ShapedType::kDynamic, layout.n}, b.getF32Type()));
  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value rows = k.dim(k.getArguments()[0], 0);
    int64_t smallRows =
        kSmallWork / 4 / std::max<int64_t>(1, layout.n * layout.k) + 1;
    Value isSmall = k.lessThan(rows, k.index(smallRows));
    int64_t outputs = gemm.isLookup ? kLookupOutputs : kCopiedOutputs;
    Value count = k.index(llvm::divideCeil(layout.n, outputs));
    k.ifThen(k.lessThan(k.index(0), rows), [&] {
      k.tasks(count, isSmall, [&](KernelBuilder &k, Value task) {
        Value rows = k.dim(k.getArguments()[0], 0);
        Value begin = k.mul(task, outputs);
        Value end = k.minimum(k.index(layout.n), k.add(begin, outputs));
        if (!gemm.isLookup)
          return RowsEmitter(k, gemm).emit(begin, end);
        if (gemm.rows == 1)
          return LookupEmitter(k, gemm, /*isSingle=*/true)
              .emit(k.index(0), begin, end);
        // Buffers of both ways, made before the loop.
        LookupEmitter many(k, gemm, /*isSingle=*/false);
        LookupEmitter single(k, gemm, /*isSingle=*/true);
        k.loop(k.index(0), rows, many.lanes, [&](Value row) {
          k.ifThen(
              k.lessThan(k.index(1), k.sub(rows, row)),
              [&] { many.emit(row, begin, end); },
              [&] { single.emit(row, begin, end); });
        });
      });
    });
  });
  return name;
}

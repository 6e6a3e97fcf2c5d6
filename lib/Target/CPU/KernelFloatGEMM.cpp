//===- KernelFloatGEMM.cpp - Float matrix product kernels -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A task is a block of rows times a panel of columns. Its sums are taken in
// parts of k: the part of the panel stays in the first-level cache while the
// rows pass by, and the weights of the next part are on their way. Few rows and
// many differ only in how much of that every tile has to fetch.
//
//===----------------------------------------------------------------------===//

#include "KernelFloat.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Rows whose activations stay in the second-level cache.
static constexpr int64_t kBlockRows = 128;
/// Tasks to have at least, so that threads finish at about the same time.
static constexpr int64_t kMinTasks = 16;
/// Bytes of f32 weights of a part.
static constexpr int64_t kPartBytes = 24 * 1024;

namespace {
class Emitter {
public:
  Emitter(KernelBuilder &k, const FloatGEMM &gemm, Value panelBase,
          Value column, unsigned vectors, int64_t columns)
      : k(k), gemm(gemm), isa(*gemm.isa), panelBase(panelBase), column(column),
        vectors(vectors), columns(columns), lanes(isa.getLanes()) {
    ValueRange args = k.getArguments();
    x = memref::CollapseShapeOp::create(k.b, k.loc, args[0],
                                        ArrayRef<ReassociationIndices>{{0, 1}});
    packed = args[1];
    unsigned next = 2;
    if (gemm.epilogue.hasBias)
      bias = args[next++];
    if (gemm.epilogue.hasAddend)
      addend = args[next++];
    out = args[args.size() - 2];
  }

  /// Rows [begin, end) of the panel.
  void emitBlock(Value begin, Value end, unsigned share) {
    int64_t part = getPart();
    int64_t whole = gemm.k / part * part;
    auto emitPart = [&](Value k0, int64_t extent, Value isFirst, Value isLast) {
      std::optional<unsigned> remainder;
      if (!ShapedType::isDynamic(gemm.rows))
        remainder = gemm.rows % getTileRows();
      emitRowTiles(k, getTileRows(), begin, end, remainder,
                   [&](Value at, unsigned count) {
                     Value tile = k.div(k.sub(at, begin), getTileRows());
                     emitTile(at, count, tile, share, k0, extent, isFirst,
                              isLast);
                   });
    };
    Value yes = k.integer(k.b.getI1Type(), 1),
          no = k.integer(k.b.getI1Type(), 0);
    if (whole == part)
      emitPart(k.index(0), part, yes, whole == gemm.k ? yes : no);
    else if (whole)
      k.loop(k.index(0), k.index(whole), part, [&](Value k0) {
        emitPart(k0, part, k.lessThan(k0, k.index(1)),
                 whole == gemm.k ? k.lessOrEqual(k.index(whole - part), k0)
                                 : no);
      });
    if (whole < gemm.k)
      emitPart(k.index(whole), gemm.k - whole, whole ? no : yes, yes);
  }

  /// Those of a full panel: blocks are multiples of it.
  unsigned getTileRows() const { return isa.floatRows[isa.floatVectors - 1]; }

private:
  /// k of a part. One that divides K spares the code of another.
  int64_t getPart() const {
    int64_t most = std::max<int64_t>(
        16, kPartBytes / 4 / (int64_t(isa.floatVectors) * lanes));
    if (gemm.k <= most + most / 2)
      return gemm.k;
    for (int64_t part = most + most / 4; part > most / 2; --part)
      if (gemm.k % part == 0)
        return part;
    return most;
  }

  /// Adds k in [k0, k0 + extent) to the sums of `count` rows from `at`.
  void emitTile(Value at, unsigned count, Value tile, unsigned share, Value k0,
                int64_t extent, Value isFirst, Value isLast) {
    int64_t width = int64_t(vectors) * lanes;
    SmallVector<Value> bases;
    for (unsigned r = 0; r < count; ++r)
      bases.push_back(k.add(k.mul(k.add(at, r), gemm.k), k0));
    auto forAll =
        [&](llvm::function_ref<Value(Value row, unsigned v, unsigned)> body) {
          SmallVector<Value> values;
          for (unsigned r = 0; r < count; ++r)
            for (unsigned v = 0; v < vectors; ++v)
              values.push_back(body(k.add(at, r), v, r * vectors + v));
          return values;
        };
    auto loadOut = [&] {
      return forAll([&](Value row, unsigned v, unsigned) {
        return load(out, {row, columnOf(v)}, v);
      });
    };
    SmallVector<Value> sums =
        gemm.accumulate
            ? loadOut()
            : choose(
                  isFirst,
                  [&] {
                    Value zero = k.real(k.vector(lanes, k.f32()), 0.0f);
                    return SmallVector<Value>(count * vectors, zero);
                  },
                  loadOut);
    DotAxis axis;
    axis.run = extent;
    Value base = k.add(panelBase, k.mul(k0, width));
    FloatPrefetch prefetch{k.add(base, extent * width), tile, share};
    sums = emitFloatTile(k, isa, axis, vectors, x, bases, packed, base, sums,
                         gemm.stored, prefetch);
    sums = choose(
        isLast,
        [&] {
          return forAll([&](Value row, unsigned v, unsigned i) {
            return gemm.epilogue.emit(
                k, sums[i], bias ? load(bias, columnOf(v), v) : Value(),
                addend ? load(addend, {row, columnOf(v)}, v) : Value());
          });
        },
        [&] { return sums; });
    forAll([&](Value row, unsigned v, unsigned i) {
      store(sums[i], row, v);
      return Value();
    });
  }

  SmallVector<Value>
  choose(Value condition, llvm::function_ref<SmallVector<Value>()> body,
         llvm::function_ref<SmallVector<Value>()> otherwise) {
    if (auto known = getConstantIntValue(condition))
      return *known ? body() : otherwise();
    return k.ifValue(condition, body, otherwise);
  }

  Value columnOf(unsigned v) { return k.add(column, int64_t(v) * lanes); }
  /// The mask of vector `v` of the panel, null when all of it counts.
  Value maskOf(unsigned v) {
    int64_t valid = columns - int64_t(v) * lanes;
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
  const FloatGEMM &gemm;
  const KernelISA &isa;
  Value panelBase, column;
  unsigned vectors;
  int64_t columns, lanes;
  Value x, packed, bias, addend, out;
};
} // namespace

/// Rows of a task, a multiple of those of a tile. There is at least one row.
static Value emitBlockRows(KernelBuilder &k, Value rows, const Panels &panels,
                           unsigned tileRows) {
  Value blocks = k.ceilDiv(rows, kBlockRows);
  Value wanted = k.index(
      llvm::divideCeil(kMinTasks, std::max<int64_t>(1, panels.getCount())));
  blocks = k.select(k.lessThan(blocks, wanted), wanted, blocks);
  Value each = arith::CeilDivUIOp::create(k.b, k.loc, rows, blocks);
  return k.mul(k.ceilDiv(each, tileRows), tileRows);
}

static void emitTask(KernelBuilder &k, const FloatGEMM &gemm,
                     const Panels &panels, Value task) {
  unsigned tileRows = gemm.isa->floatRows[gemm.isa->floatVectors - 1];
  Value rows = ShapedType::isDynamic(gemm.rows) ? k.dim(k.getArguments()[0], 0)
                                                : k.index(gemm.rows);
  Value blockRows = emitBlockRows(k, rows, panels, tileRows);
  // Tasks of the same rows follow each other and share them in the cache.
  Value block = k.div(task, panels.getCount());
  Value panel = k.rem(task, panels.getCount());
  Value begin = k.mul(block, blockRows);
  Value end = k.minimum(rows, k.add(begin, blockRows));
  Value column = k.mul(panel, panels.getFullColumns());
  Value panelBase = k.mul(column, gemm.k);
  emitPanel(k, panels, panel, [&](unsigned vectors, int64_t columns) {
    Emitter e(k, gemm, panelBase, column, vectors, columns);
    auto few = [&] { e.emitBlock(begin, end, 1); };
    auto many = [&] { e.emitBlock(begin, end, 2); };
    Value isFew = k.lessOrEqual(rows, k.index(e.getTileRows()));
    if (ShapedType::isDynamic(gemm.rows))
      k.ifThen(isFew, few, many);
    else if (gemm.rows <= e.getTileRows())
      few();
    else
      many();
  });
}

static StringRef getTypeName(Type type) {
  return type.isF32() ? "f32" : type.isF16() ? "f16" : "bf16";
}

std::string compress::cpu::generateFloatGEMM(ModuleOp module,
                                             const FloatGEMM &gemm) {
  std::string name =
      llvm::formatv("compress_gemm_f32_{0}_{1}_n{2}_k{3}_{4}{5}",
                    getTypeName(gemm.stored), gemm.isa->name, gemm.n, gemm.k,
                    gemm.accumulate ? "acc_" : "", gemm.epilogue.getName());
  if (!ShapedType::isDynamic(gemm.rows))
    name += "_m" + std::to_string(gemm.rows);
  Panels panels = getFloatPanels(*gemm.isa, gemm.n);
  OpBuilder b(module.getContext());
  auto matrix = [&](int64_t columns) {
    return MemRefType::get({ShapedType::kDynamic, columns}, b.getF32Type());
  };
  SmallVector<Type> types{
      matrix(gemm.k),
      MemRefType::get({gemm.k * panels.getPaddedColumns()},
                      getPackedFloatType(*gemm.isa, gemm.stored))};
  if (gemm.epilogue.hasBias)
    types.push_back(MemRefType::get({gemm.n}, b.getF32Type()));
  if (gemm.epilogue.hasAddend)
    types.push_back(matrix(gemm.n));
  types.push_back(matrix(gemm.n));

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    unsigned tileRows = gemm.isa->floatRows[gemm.isa->floatVectors - 1];
    Value rows = k.dim(k.getArguments()[0], 0);
    Value isSmall = k.lessThan(
        rows, k.index(kSmallWork / std::max<int64_t>(1, gemm.n * gemm.k) + 1));
    k.ifThen(k.lessThan(k.index(0), rows), [&] {
      Value blockRows = emitBlockRows(k, rows, panels, tileRows);
      Value blocks = arith::CeilDivUIOp::create(k.b, k.loc, rows, blockRows);
      k.tasks(k.mul(blocks, panels.getCount()), isSmall,
              [&](KernelBuilder &k, Value task) {
                emitTask(k, gemm, panels, task);
              });
    });
  });
  return name;
}

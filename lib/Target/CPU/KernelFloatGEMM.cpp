//===- KernelFloatGEMM.cpp - Float matrix product kernels -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A task is a block of rows times a group of panels. The sums are taken in
// parts of k: a part of the activations stays in the second-level cache while
// the group's panels pass by, a part of a panel while the rows do, and the
// weights that are next are on their way. With few rows all activations fit, a
// group is one panel, and its weights are one stream.
//
//===----------------------------------------------------------------------===//

#include "KernelFloat.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Rows of a task at most.
static constexpr int64_t kBlockRows = 128;
/// Tasks to have at least, or a multiple of that, so that threads finish at
/// about the same time.
static constexpr int64_t kMinTasks = 8;
/// Panels of a group at most: so many columns of the sums stay in the cache.
static constexpr int64_t kGroupPanels = 16;
/// Bytes of f32 weights of a part. It need not fit the first-level cache: a
/// tile takes 16 bytes a cycle from the second one, which loading and storing
/// the sums twice as often costs more than.
static constexpr int64_t kPartBytes = 96 * 1024;
/// Bytes of activations that stay in the second-level cache as they are.
static constexpr int64_t kCachedBytes = 256 * 1024;

/// Rows of a tile of any width, so that blocks are multiples of it.
static unsigned getTileRows(const KernelISA &isa) {
  return isa.floatRows[isa.floatVectors - 1];
}

namespace {
class Emitter {
public:
  Emitter(KernelBuilder &k, const FloatGEMM &gemm, const Panels &panels)
      : k(k), gemm(gemm), isa(*gemm.isa), panels(panels),
        lanes(isa.getLanes()) {
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

  /// Rows [begin, end) of panels [first, last); tiles fetch 1 / `share` each of
  /// the weights that are next.
  void emitBlock(Value begin, Value end, Value first, Value last,
                 unsigned share) {
    int64_t part = getPart();
    int64_t whole = gemm.k / part * part;
    auto emitPart = [&](Value k0, int64_t extent, Value isFirst, Value isLast) {
      k.loop(first, last, 1, [&](Value panel) {
        emitPanel(k, panels, panel, [&](unsigned vectors, int64_t columns) {
          Place place{
              vectors, columns, k.mul(panel, panels.getFullColumns()), {}, {}};
          place.base = k.add(k.mul(place.column, gemm.k),
                             k.mul(k0, int64_t(vectors) * lanes));
          // Where neighbours are of another width this is only about right.
          Value following = k.add(panel, 1);
          place.next = k.select(
              k.lessThan(following, last),
              k.add(place.base, panels.getFullColumns() * gemm.k),
              k.add(k.sub(place.base, k.mul(k.sub(panel, first),
                                            panels.getFullColumns() * gemm.k)),
                    extent * vectors * lanes));
          emitRows(begin, end, place, share, k0, extent, isFirst, isLast);
        });
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

private:
  /// A part of a panel.
  struct Place {
    unsigned vectors;
    int64_t columns; // that are not padding
    Value column;
    Value base, next; // in the packed weights
  };

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

  void emitRows(Value begin, Value end, const Place &place, unsigned share,
                Value k0, int64_t extent, Value isFirst, Value isLast) {
    unsigned tileRows = getTileRows(isa);
    std::optional<unsigned> remainder;
    if (!ShapedType::isDynamic(gemm.rows))
      remainder = gemm.rows % tileRows;
    emitRowTiles(
        k, tileRows, begin, end, remainder, [&](Value at, unsigned count) {
          Value tile = k.div(k.sub(at, begin), tileRows);
          emitTile(at, count, tile, place, share, k0, extent, isFirst, isLast);
        });
  }

  /// Adds k in [k0, k0 + extent) to the sums of `count` rows from `at`.
  void emitTile(Value at, unsigned count, Value tile, const Place &place,
                unsigned share, Value k0, int64_t extent, Value isFirst,
                Value isLast) {
    unsigned vectors = place.vectors;
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
        return load(out, {row, columnOf(place, v)}, v, place);
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
    FloatPrefetch prefetch{place.next, tile, share};
    sums = emitFloatTile(k, isa, axis, vectors, x, bases, packed, place.base,
                         sums, gemm.stored, prefetch);
    sums = choose(
        isLast,
        [&] {
          return forAll([&](Value row, unsigned v, unsigned i) {
            return gemm.epilogue.emit(
                k, sums[i],
                bias ? load(bias, columnOf(place, v), v, place) : Value(),
                addend ? load(addend, {row, columnOf(place, v)}, v, place)
                       : Value());
          });
        },
        [&] { return sums; });
    forAll([&](Value row, unsigned v, unsigned i) {
      store(sums[i], row, v, place);
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

  Value columnOf(const Place &place, unsigned v) {
    return k.add(place.column, int64_t(v) * lanes);
  }
  /// The mask of vector `v` of the panel, null when all of it counts.
  Value maskOf(const Place &place, unsigned v) {
    int64_t valid = place.columns - int64_t(v) * lanes;
    return valid >= lanes ? Value() : k.prefixMask(lanes, valid);
  }
  Value load(Value memref, ValueRange at, unsigned v, const Place &place) {
    Value mask = maskOf(place, v);
    return mask ? k.loadMasked(lanes, memref, at, mask)
                : k.loadVector(lanes, memref, at);
  }
  void store(Value value, Value row, unsigned v, const Place &place) {
    SmallVector<Value> at{row, columnOf(place, v)};
    if (Value mask = maskOf(place, v))
      k.storeMasked(value, out, at, mask);
    else
      k.storeVector(value, out, at);
  }

  KernelBuilder &k;
  const FloatGEMM &gemm;
  const KernelISA &isa;
  const Panels &panels;
  int64_t lanes;
  Value x, packed, bias, addend, out;
};
} // namespace

namespace {
/// How rows and panels are divided into tasks. There is at least one row.
struct Division {
  Division(KernelBuilder &k, const FloatGEMM &gemm, const Panels &panels) {
    rows = ShapedType::isDynamic(gemm.rows) ? k.dim(k.getArguments()[0], 0)
                                            : k.index(gemm.rows);
    auto larger = [&](Value x, Value y) {
      return k.select(k.lessThan(x, y), y, x);
    };
    int64_t count = panels.getCount(), tileRows = getTileRows(*gemm.isa);
    Value wanted = larger(k.ceilDiv(rows, kBlockRows),
                          k.index(llvm::divideCeil(kMinTasks, count)));
    Value each = arith::CeilDivUIOp::create(k.b, k.loc, rows, wanted);
    blockRows = k.mul(k.ceilDiv(each, tileRows), tileRows);
    blocks = arith::CeilDivUIOp::create(k.b, k.loc, rows, blockRows);
    Value enough =
        arith::CeilDivUIOp::create(k.b, k.loc, k.index(kMinTasks), blocks);
    Value most = k.index(count);
    int64_t least = llvm::divideCeil(count, kGroupPanels);
    if (least > kMinTasks)
      least = llvm::alignTo(least, kMinTasks);
    groups = k.minimum(larger(enough, k.index(least)), most);
    Value cachedRows = k.index(kCachedBytes / 4 / gemm.k);
    groups = k.select(k.lessOrEqual(rows, cachedRows), most, groups);
  }

  Value rows, blockRows, blocks, groups;
};
} // namespace

static void emitTask(KernelBuilder &k, const FloatGEMM &gemm,
                     const Panels &panels, Value task) {
  Division division(k, gemm, panels);
  auto divide = [&](Value x, Value y) -> Value {
    return arith::DivUIOp::create(k.b, k.loc, x, y);
  };
  // Tasks of the same rows follow each other and share them in the cache.
  Value block = divide(task, division.groups);
  Value group = k.sub(task, k.mul(block, division.groups));
  Value begin = k.mul(block, division.blockRows);
  Value end = k.minimum(division.rows, k.add(begin, division.blockRows));
  Value first = divide(k.mul(group, panels.getCount()), division.groups);
  Value last =
      divide(k.mul(k.add(group, 1), panels.getCount()), division.groups);
  Emitter e(k, gemm, panels);
  // One tile fetches all of the weights that are next, two half of them each;
  // many had better not fetch faster than memory reads.
  auto emit = [&](unsigned share) {
    e.emitBlock(begin, end, first, last, share);
  };
  int64_t few = getTileRows(*gemm.isa), some = 4 * few;
  if (!ShapedType::isDynamic(gemm.rows))
    emit(gemm.rows <= few ? 1 : gemm.rows <= some ? 2 : 6);
  else
    k.ifThen(
        k.lessOrEqual(division.rows, k.index(few)), [&] { emit(1); },
        [&] {
          k.ifThen(
              k.lessOrEqual(division.rows, k.index(some)), [&] { emit(2); },
              [&] { emit(6); });
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
    Value rows = k.dim(k.getArguments()[0], 0);
    Value isSmall = k.lessThan(
        rows, k.index(kSmallWork / std::max<int64_t>(1, gemm.n * gemm.k) + 1));
    k.ifThen(k.lessThan(k.index(0), rows), [&] {
      Division division(k, gemm, panels);
      k.tasks(k.mul(division.blocks, division.groups), isSmall,
              [&](KernelBuilder &k, Value task) {
                emitTask(k, gemm, panels, task);
              });
    });
  });
  return name;
}

//===- KernelBlockDot.cpp - Integer products in scaled blocks ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelBlockPanel.h"
#include "KernelCosts.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Above more rows than this codes are always widened once for all.
static constexpr int64_t kMostDirectRows = 32;
/// Up to this many steps of a block are unrolled.
static constexpr int64_t kUnrolledSteps = 16;

namespace {
/// Register tiles of vectors over one panel.
class PanelEmitter : public BlockPanel {
public:
  PanelEmitter(KernelBuilder &k, const BlockDotGEMM &gemm, const Panels &panels,
               Value panel, unsigned panelVectors, int64_t validColumns)
      : BlockPanel(k, gemm, panels, panel, panelVectors, validColumns,
                   CodeShift::none(gemm)) {}

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
  /// The steps of block number `i` of a widened part.
  SmallVector<Value> forEachWidenedStep(Value i, int64_t length,
                                        unsigned vectors, Value buffer,
                                        ValueRange carried, StepBody body) {
    Value base = k.mul(i, getWidenedBytes());
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

  Value dot(Value sum, ArrayRef<Value> activation, ArrayRef<Value> codes) {
    return gemm.activationUnsigned ? emitDot(k, isa, sum, activation, codes)
                                   : emitDot(k, isa, sum, codes, activation);
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
    bool isScaled = hasRowGroups();
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
        columns.push_back(splitBytes(
            k, isa, code,
            shift.isSigned || (isa.dotS8S8 && gemm.activationUnsigned)));
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
    for (unsigned v = 0; v < vectors; ++v) {
      Value codeSum;
      if (takesCodeSums)
        codeSum = dots[count * vectors + v];
      else if (codeSums)
        codeSum =
            k.loadVector(lanes, codeSums, k.add(k.mul(i, width), v * lanes));
      Columns columns = loadColumns(block, k.index(first + v), codeSum);
      for (auto [r, row] : llvm::enumerate(rows)) {
        Value &sum = next[r * vectors + v];
        sum = addBlock(dots[r * vectors + v], columns, row, block, sum);
      }
    }
    return next;
  }
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
  const BlockKinds &kinds = getBlockKinds(
      gemm.inPairs                                 ? BlockCodes::Pairs
      : std::min(gemm.block, gemm.k) >= kLeastLong ? BlockCodes::Long
                                                   : BlockCodes::Short);
  int64_t directRows = getMostFewRows(
      *gemm.isa, kinds.few, kinds.many,
      KernelWork::dense(kinds.few, 1, gemm.n, gemm.k, gemm.width),
      gemm.isa->hasDotTiles ? kFewestTileRows - 1 : kMostDirectRows);
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
    auto emitVectors = [&] { emitWidened(k, gemm, panels, isSmall); };
    auto emitTiles = [&] { emitBlockTiles(k, gemm, panels, isSmall); };
    auto emitMany = [&] {
      if (!gemm.isa->hasDotTiles || (!isDynamic && gemm.rows < kFewestTileRows))
        return emitVectors();
      if (!isDynamic)
        return emitTiles();
      k.ifThen(k.lessThan(rows, k.index(kFewestTileRows)), emitVectors,
               emitTiles);
    };
    if (!widened)
      emitFew();
    else if (!direct)
      emitMany();
    else
      k.ifThen(k.lessOrEqual(rows, k.index(directRows)), emitFew, emitMany);
  });
  return name;
}

//===- KernelWeightOnly.cpp - Products with compressed weights --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelWeightOnly.h"
#include "WeightDecoder.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Above more rows than this a decoded panel always pays for its way through
/// memory.
static constexpr int64_t kMostDirectRows = 32;
/// Rows of a tile where codes are decoded where they are multiplied.
static constexpr unsigned kTileRows = 4;
/// Rows of a tile whose codes may lie in two nibbles; tables of sums for more
/// leave too few registers.
static constexpr int64_t kMostSplitRows = 2;
/// Rows that share a decoded part of a panel.
static constexpr int64_t kBlockRows = 192;
/// k of a decoded part, unless a block is longer.
static constexpr int64_t kDecodedExtent = 256;

/// The kinds for few and for many rows, but for nibbles.
static std::pair<KernelKind, KernelKind> getKinds(const WeightOnlyGEMM &gemm) {
  CodeLayout layout(gemm.codeType);
  if (gemm.hasTable)
    return getTableKinds(layout.width);
  if (!layout.isBytes())
    return {KernelKind::CodesFew, KernelKind::CodesMany};
  if (layout.isFloat())
    return {KernelKind::SmallFloatFew, KernelKind::SmallFloatMany};
  return {KernelKind::BytesFew, KernelKind::BytesMany};
}

static KernelWork getNibbleWork(const WeightOnlyGEMM &gemm, double m,
                                double bytes) {
  double n = double(gemm.n), k = double(gemm.k);
  return {KernelKind::NibblesFew,
          m,
          n,
          k,
          bytes,
          n * k * CodeLayout(gemm.codeType).width / 4};
}

/// The work of any other kind.
static KernelWork getWork(const WeightOnlyGEMM &gemm, KernelKind kind) {
  return KernelWork::dense(kind, 1, gemm.n, gemm.k,
                           CodeLayout(gemm.codeType).width);
}

int64_t compress::cpu::getNibbleRows(const WeightOnlyGEMM &gemm) {
  if (!usesNibbles(gemm))
    return 0;
  // To decode codes of one or two bits takes longer for any number of rows.
  if (4 % CodeLayout(gemm.codeType).width == 0)
    return kTileRows;
  KernelWork codes = getWork(gemm, KernelKind::CodesFew);
  KernelWork nibbles = getNibbleWork(gemm, 1, codes.bytes);
  // Calibration is to measure both.
  return std::min(kMostSplitRows,
                  getMostFewRows(*gemm.isa, nibbles, codes, kMostSplitRows));
}

WeightOnlyWork compress::cpu::getWeightOnlyWork(const WeightOnlyGEMM &gemm,
                                                double m, double bytes) {
  auto [few, many] = getKinds(gemm);
  double n = double(gemm.n), k = double(gemm.k);
  WeightOnlyWork work{{few, m, n, k, bytes, n * k},
                      {many, m, n, k, bytes, n * k}};
  int64_t nibbleRows = getNibbleRows(gemm);
  if (nibbleRows == kTileRows || m <= double(nibbleRows))
    work.few = getNibbleWork(gemm, m, bytes);
  return work;
}

namespace {
/// The arguments of the kernel, and code that both ways share.
class Emitter {
public:
  Emitter(KernelBuilder &k, const WeightOnlyGEMM &gemm, const Panels &panels,
          Value panel, unsigned panelVectors, int64_t validColumns,
          Value inflated)
      : k(k), gemm(gemm), isa(*gemm.isa), lanes(isa.getLanes()),
        validColumns(validColumns), nibbleRows(getNibbleRows(gemm)),
        column(k.mul(panel, panels.getFullColumns())),
        decoder(k, gemm, panelVectors, column, inflated) {
    ValueRange args = k.getArguments();
    x = args[0];
    if (gemm.init == InitKind::Bias)
      bias = args[3 + (gemm.zeroType ? 1 : 0) + (gemm.hasTable ? 1 : 0)];
    out = args[args.size() - 2];
  }

  /// All of K for `count` rows from `at`, `vectors` vectors from number
  /// `first` of the panel; codes are used as they are decoded.
  void emitDirectTile(Value at, unsigned count, unsigned first,
                      unsigned vectors) {
    VectorType type = k.vector(lanes, k.f32());
    SmallVector<Value> zeros(count * vectors, k.real(type, 0.0f));
    SmallVector<Value> sums = decoder.forEachBlock(
        k.index(0), gemm.k, zeros,
        [&](Value block, Value k0, int64_t extent,
            ValueRange carried) -> SmallVector<Value> {
          BlockParameters parameters =
              decoder.loadParameters(block, first, vectors);
          auto splatOf = [&](unsigned r, Value kk) {
            return k.splat(k.load(x, {k.add(at, r), kk}), lanes);
          };
          auto addCodes = [&](Value kk, ArrayRef<Value> weights,
                              ValueRange parts) {
            SmallVector<Value> next(parts);
            for (unsigned r = 0; r < count; ++r) {
              Value value = splatOf(r, kk);
              for (unsigned v = 0; v < vectors; ++v) {
                Value &part = next[r * vectors + v];
                part = k.multiplyAdd(value, weights[v], part, isa.hasFMA);
              }
            }
            return next;
          };
          // Sums of products with codes of a nibble, for each that there can
          // be, are the same for all columns.
          auto addNibbles = [&](ArrayRef<NibbleTerm> terms,
                                ArrayRef<Value> nibbles, ValueRange parts) {
            SmallVector<Value> next(parts);
            for (unsigned r = 0; r < count; ++r) {
              Value table = k.mulF(splatOf(r, terms[0].k), terms[0].factors);
              for (const NibbleTerm &term : terms.drop_front())
                table = k.multiplyAdd(splatOf(r, term.k), term.factors, table,
                                      isa.hasFMA);
              for (unsigned v = 0; v < vectors; ++v) {
                Value &part = next[r * vectors + v];
                part = k.addF(
                    part, k.call(isa.permuteF32, type, {table, nibbles[v]}));
              }
            }
            return next;
          };
          SmallVector<Value> parts =
              count <= nibbleRows
                  ? decoder.forEachNibble(parameters, k0, extent, zeros,
                                          addNibbles)
                  : decoder.forEachCode(parameters, k0, extent, zeros,
                                        addCodes);
          SmallVector<Value> next(carried);
          for (unsigned i = 0; i < next.size(); ++i)
            next[i] = k.multiplyAdd(parts[i], parameters.scales[i % vectors],
                                    next[i], isa.hasFMA);
          return next;
        });
    for (unsigned r = 0; r < count; ++r)
      for (unsigned v = 0; v < vectors; ++v) {
        Value value = sums[r * vectors + v];
        Value row = k.add(at, r);
        if (Value start = loadInit(row, first + v))
          value = k.addF(value, start);
        store(value, row, first + v);
      }
  }

  /// Writes the decoded weights [k0, k0 + extent) of the panel to `buffer`.
  void emitDecode(Value k0, int64_t extent, unsigned vectors, Value buffer) {
    decoder.forEachBlock(
        k0, extent, {},
        [&](Value block, Value start, int64_t length,
            ValueRange) -> SmallVector<Value> {
          BlockParameters parameters =
              decoder.loadParameters(block, 0, vectors);
          return decoder.forEachCode(
              parameters, start, length, {},
              [&](Value kk, ArrayRef<Value> weights, ValueRange) {
                for (unsigned v = 0; v < vectors; ++v)
                  k.storeVector(k.mulF(weights[v], parameters.scales[v]),
                                buffer, {k.sub(kk, k0), k.index(v * lanes)});
                return SmallVector<Value>();
              });
        });
  }

  /// Adds the products with a decoded part to `count` rows of the result.
  void emitDecodedTile(Value at, unsigned count, unsigned vectors, Value k0,
                       int64_t extent, Value buffer) {
    SmallVector<Value> sums;
    for (unsigned r = 0; r < count; ++r)
      for (unsigned v = 0; v < vectors; ++v)
        sums.push_back(load(out, {k.add(at, r), columnOf(v)}, v));
    sums = k.loop(
        k.index(0), k.index(extent), 1, sums, [&](Value i, ValueRange carried) {
          SmallVector<Value> next(carried), weights;
          for (unsigned v = 0; v < vectors; ++v)
            weights.push_back(
                k.loadVector(lanes, buffer, {i, k.index(v * lanes)}));
          for (unsigned r = 0; r < count; ++r) {
            Value value =
                k.splat(k.load(x, {k.add(at, r), k.add(k0, i)}), lanes);
            for (unsigned v = 0; v < vectors; ++v) {
              Value &sum = next[r * vectors + v];
              sum = k.multiplyAdd(value, weights[v], sum, isa.hasFMA);
            }
          }
          return next;
        });
    for (unsigned r = 0; r < count; ++r)
      for (unsigned v = 0; v < vectors; ++v)
        store(sums[r * vectors + v], k.add(at, r), v);
  }

  /// Writes what the result starts from.
  void emitInit(Value row, unsigned vectors) {
    if (gemm.init == InitKind::Accumulate)
      return;
    for (unsigned v = 0; v < vectors; ++v) {
      Value start = loadInit(row, v);
      store(start ? start : k.real(k.vector(lanes, k.f32()), 0.0f), row, v);
    }
  }

private:
  Value columnOf(unsigned v) { return k.add(column, v * lanes); }
  /// The mask of vector `v` of the panel, null when all of it counts.
  Value maskOf(unsigned v) {
    int64_t valid = validColumns - int64_t(v) * lanes;
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
  Value loadInit(Value row, unsigned v) {
    if (gemm.init == InitKind::Zero)
      return {};
    if (gemm.init == InitKind::Bias)
      return load(bias, columnOf(v), v);
    return load(out, {row, columnOf(v)}, v);
  }

  KernelBuilder &k;
  const WeightOnlyGEMM &gemm;
  const KernelISA &isa;
  int64_t lanes, validColumns, nibbleRows;
  Value column, x, bias, out;
  WeightDecoder decoder;
};
} // namespace

/// A multiple of blocks, or of units inside of a long block.
static int64_t getDecodedExtent(const WeightOnlyGEMM &gemm) {
  if (gemm.block < kDecodedExtent)
    return kDecodedExtent / gemm.block * gemm.block;
  return gemm.block == gemm.k || gemm.block % kDecodedExtent == 0
             ? kDecodedExtent
             : gemm.block;
}

/// The codes of a panel if they are coded, else null.
static Value inflate(KernelBuilder &k, const WeightOnlyGEMM &gemm,
                     Value panel) {
  if (!gemm.coded)
    return {};
  // Before the result and the number of the task.
  ValueRange args = k.getArguments();
  return emitInflate(k, *gemm.isa, *gemm.coded, panel, args[1],
                     args[args.size() - 4], args[args.size() - 3]);
}

static void emitDirect(KernelBuilder &k, const WeightOnlyGEMM &gemm,
                       const Panels &panels, Value isSmall) {
  k.tasks(
      k.index(panels.getCount()), isSmall, [&](KernelBuilder &k, Value task) {
        Value rows = k.dim(k.getArguments()[0], 0);
        Value inflated = inflate(k, gemm, task);
        emitPanel(k, panels, task, [&](unsigned vectors, int64_t columns) {
          Emitter e(k, gemm, panels, task, vectors, columns, inflated);
          emitRowTiles(k, kTileRows, k.index(0), rows, std::nullopt,
                       [&](Value at, unsigned count) {
                         // Sums and partial sums of more rows fill the
                         // registers.
                         unsigned width =
                             count > 2 ? std::max(1u, gemm.isa->maxVectors / 2)
                                       : gemm.isa->maxVectors;
                         for (unsigned first = 0; first < vectors;
                              first += width)
                           e.emitDirectTile(at, count, first,
                                            std::min(width, vectors - first));
                       });
        });
      });
}

static void emitDecoded(KernelBuilder &k, const WeightOnlyGEMM &gemm,
                        const Panels &panels, Value isSmall) {
  Value rows = k.dim(k.getArguments()[0], 0);
  Value count = k.mul(k.ceilDiv(rows, kBlockRows), panels.getCount());
  k.tasks(count, isSmall, [&](KernelBuilder &k, Value task) {
    Value rows = k.dim(k.getArguments()[0], 0);
    Value blocks = k.ceilDiv(rows, kBlockRows);
    Value panel = arith::DivUIOp::create(k.b, k.loc, task, blocks);
    Value begin = k.mul(k.sub(task, k.mul(panel, blocks)), kBlockRows);
    Value end = k.minimum(rows, k.add(begin, kBlockRows));
    int64_t part = std::min(gemm.k, getDecodedExtent(gemm));
    Value buffer =
        k.scratch({part, int64_t(gemm.isa->getPanelColumns())}, k.f32());
    Value inflated = inflate(k, gemm, panel);
    emitPanel(k, panels, panel, [&](unsigned vectors, int64_t columns) {
      Emitter e(k, gemm, panels, panel, vectors, columns, inflated);
      k.loop(begin, end, 1, [&](Value row) { e.emitInit(row, vectors); });
      auto emitPart = [&](Value k0, int64_t extent) {
        e.emitDecode(k0, extent, vectors, buffer);
        emitRowTiles(k, gemm.isa->floatRows[vectors - 1], begin, end,
                     std::nullopt, [&](Value at, unsigned count) {
                       e.emitDecodedTile(at, count, vectors, k0, extent,
                                         buffer);
                     });
      };
      int64_t full = gemm.k / part * part;
      k.loop(k.index(0), k.index(full), part,
             [&](Value k0) { emitPart(k0, part); });
      if (full < gemm.k)
        emitPart(k.index(full), gemm.k - full);
    });
  });
}

/// Rows up to which codes are decoded where they are multiplied.
static int64_t getDirectRows(const WeightOnlyGEMM &gemm) {
  auto [few, many] = getKinds(gemm);
  return getMostFewRows(*gemm.isa, few, many, getWork(gemm, few),
                        kMostDirectRows);
}

static std::string getTypeName(Type type) {
  std::string name;
  llvm::raw_string_ostream os(name);
  os << type;
  return name;
}

std::string compress::cpu::generateWeightOnlyGEMM(ModuleOp module,
                                                  const WeightOnlyGEMM &gemm) {
  bool isDynamic = ShapedType::isDynamic(gemm.rows);
  int64_t directRows = getDirectRows(gemm);
  bool direct = isDynamic || gemm.rows <= directRows;
  bool decoded = isDynamic || gemm.rows > directRows;
  std::string name = llvm::formatv(
      "compress_gemm_f32_{0}{1}_g{2}_{3}{4}{5}_{6}_n{7}_k{8}_{9}{10}{11}",
      gemm.hasTable ? "table_" : "", getTypeName(gemm.codeType), gemm.block,
      getTypeName(gemm.scaleType), gemm.zeroType ? "_z" : "",
      gemm.zeroType ? getTypeName(gemm.zeroType) : "", gemm.isa->name, gemm.n,
      gemm.k, getInitName(gemm.init), direct ? "_few" : "",
      decoded ? "_many" : "");
  Panels panels(*gemm.isa, gemm.n);
  int64_t padded = panels.getPaddedColumns();
  int64_t blocks = llvm::divideCeil(gemm.k, gemm.block);
  OpBuilder b(module.getContext());
  SmallVector<Type> types{
      MemRefType::get({ShapedType::kDynamic, gemm.k}, b.getF32Type()),
      MemRefType::get(
          {CodeLayout(gemm.codeType).getColumnBytes(gemm.k) * padded},
          b.getI8Type()),
      MemRefType::get({blocks * padded}, gemm.scaleType)};
  if (gemm.zeroType)
    types.push_back(MemRefType::get({blocks * padded}, gemm.zeroType.isF32()
                                                           ? gemm.zeroType
                                                           : b.getI8Type()));
  if (gemm.hasTable)
    types.push_back(MemRefType::get({gemm.getTableSize()}, b.getF32Type()));
  if (gemm.init == InitKind::Bias)
    types.push_back(MemRefType::get({gemm.n}, b.getF32Type()));
  if (gemm.coded) {
    auto coded = getCodedTypes(b.getContext(), *gemm.coded);
    types[1] = coded[0];
    types.append({coded[1], coded[2]});
    name += (gemm.coded->coder == EntropyCoder::RANS ? "_rans" : "_huffman") +
            std::to_string(gemm.coded->numWords);
  }
  types.push_back(
      MemRefType::get({ShapedType::kDynamic, gemm.n}, b.getF32Type()));

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value rows = k.dim(k.getArguments()[0], 0);
    // Decoding a code costs about as much as four products.
    int64_t smallRows =
        kSmallWork / 4 / std::max<int64_t>(1, gemm.n * gemm.k) + 1;
    Value isSmall = k.lessThan(rows, k.index(smallRows));
    auto emitFew = [&] { emitDirect(k, gemm, panels, isSmall); };
    auto emitMany = [&] { emitDecoded(k, gemm, panels, isSmall); };
    if (!decoded)
      emitFew();
    else if (!direct)
      emitMany();
    else
      k.ifThen(k.lessOrEqual(rows, k.index(directRows)), emitFew, emitMany);
  });
  return name;
}

//===- KernelBits.cpp - Products of codes of a few bits ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelBits.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

std::string compress::cpu::generatePackBits(ModuleOp module,
                                            const PackBits &pack) {
  const KernelISA &isa = *pack.isa;
  std::string name = llvm::formatv("compress_pack_bits_{0}_k{1}_p{2}", isa.name,
                                   pack.k, pack.planes);
  OpBuilder b(module.getContext());
  auto dynamic = [&](Type element) {
    return MemRefType::get({ShapedType::kDynamic}, element);
  };
  SmallVector<Type> types{dynamic(b.getI8Type()), dynamic(b.getI32Type()),
                          dynamic(b.getI32Type())};
  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value rows = k.dim(k.getArguments()[2], 0);
    Value isSmall = k.lessThan(
        rows, k.index(kSmallWork / std::max<int64_t>(1, pack.k) + 1));
    constexpr int64_t blockRows = 8;
    k.tasks(
        k.ceilDiv(rows, blockRows), isSmall, [&](KernelBuilder &k, Value task) {
          ValueRange args = k.getArguments();
          Value codes = args[0], bits = args[1], sums = args[2];
          Value begin = k.mul(task, blockRows);
          Value end = k.minimum(k.add(begin, blockRows), k.dim(sums, 0));
          k.loop(begin, end, 1, [&](Value row) {
            Value from = k.mul(row, isa.getRowBytes(pack.k));
            Value to = k.mul(row, pack.getRowWords());
            // Codes behind the end of a row are of no use.
            auto packWord = [&](Value word, int64_t valid, ValueRange carried) {
              Value bytes = k.loadVector(kPlaneBits, codes,
                                         k.add(from, k.mul(word, kPlaneBits)));
              Value sum = carried[0];
              for (unsigned p = 0; p < pack.planes; ++p) {
                Value bit = k.bitAnd(bytes, int64_t(1) << p);
                Value isSet =
                    arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ne,
                                          bit, k.integer(bit.getType(), 0));
                Value plane = vector::BitCastOp::create(
                    k.b, k.loc, k.vector(1, k.i32()), isSet);
                Value packed =
                    vector::ExtractOp::create(k.b, k.loc, plane, int64_t(0));
                if (valid < kPlaneBits)
                  packed = k.bitAnd(packed, (int64_t(1) << valid) - 1);
                k.store(packed, bits,
                        k.add(to, k.add(k.mul(word, pack.planes), p)));
                Value count = math::CtPopOp::create(k.b, k.loc, packed);
                sum = k.add(sum, k.shiftLeft(count, p));
              }
              return SmallVector<Value>{sum};
            };
            SmallVector<Value> sum{k.integer(k.i32(), 0)};
            int64_t full = pack.k / kPlaneBits;
            if (full)
              sum = k.loop(k.index(0), k.index(full), 1, sum,
                           [&](Value word, ValueRange carried) {
                             return packWord(word, kPlaneBits, carried);
                           });
            if (int64_t rest = pack.k % kPlaneBits)
              sum = packWord(k.index(full), rest, sum);
            k.store(sum[0], sums, row);
          });
        });
  });
  return name;
}

std::optional<BitOperands> compress::cpu::packBits(const WeightMatrix &weight,
                                                   const KernelISA &isa) {
  Panels panels(isa, weight.getN());
  unsigned planes = weight.codes.getBitWidth();
  bool isSigned = weight.encoding.isSignedCode();
  int64_t n = weight.getN(), k = weight.getK();
  int64_t words = llvm::divideCeil(k, kPlaneBits);
  int64_t padded = panels.getPaddedColumns();
  MLIRContext *context = weight.encoding.getContext();
  Type i32 = IntegerType::get(context, 32);
  BitOperands result{HostTensor::allocate({padded * words * planes}, i32),
                     HostTensor::allocate({padded}, i32),
                     HostTensor::allocate({padded}, i32),
                     HostTensor::allocate({padded}, Float32Type::get(context))};
  auto bits = result.planes.getMutableData<int32_t>();
  auto zeros = result.zeros.getMutableData<int32_t>();
  auto sums = result.sums.getMutableData<int32_t>();
  auto scales = result.scales.getMutableData<float>();
  // Signed codes become unsigned ones.
  int64_t shift = isSigned ? int64_t(1) << (planes - 1) : 0;
  for (int64_t column = 0; column < n; ++column) {
    int64_t panel = std::min(column / panels.getFullColumns(), panels.numFull);
    int64_t first = panel * panels.getFullColumns();
    int64_t width = panel < panels.numFull ? panels.getFullColumns()
                                           : panels.tailVectors * panels.lanes;
    int64_t base = first * words * planes + column - first;
    int64_t sum = 0;
    for (int64_t i = 0; i < k; ++i) {
      uint64_t code = weight.getCodeBits(column, i) ^ uint64_t(shift);
      sum += int64_t(code);
      for (unsigned p = 0; p < planes; ++p)
        if (code >> p & 1)
          bits[base + (i / kPlaneBits * planes + p) * width] |=
              int32_t(uint32_t(1) << (i % kPlaneBits));
    }
    int64_t group = weight.getGroup(column, 0);
    double zero =
        2 * ((weight.zeros ? weight.zeros.getDouble(group) : weight.zero) +
             double(shift));
    if (!(std::fabs(zero) <= 16) || zero != std::nearbyint(zero))
      return std::nullopt;
    zeros[column] = int32_t(zero);
    sums[column] = int32_t(2 * sum - k * int64_t(zero));
    scales[column] = float(weight.scales.getDouble(group) / 2);
    // Half of the scale must be exact.
    if (double(scales[column]) * 2 != weight.scales.getDouble(group))
      return std::nullopt;
  }
  return result;
}

int64_t BitOperands::getByteSize() const {
  auto count = [](const HostTensor &tensor) {
    return HostTensor::getByteSize(tensor.getShape(), tensor.getElementType());
  };
  return count(planes) + count(zeros) + count(sums) + count(scales);
}

//===----------------------------------------------------------------------===//
// The product
//===----------------------------------------------------------------------===//

namespace {
/// One register tile of rows by vectors of columns.
class BitTile {
public:
  BitTile(KernelBuilder &k, const BitGEMM &gemm, unsigned vectors,
          Value activation, SmallVector<Value> rowBases, Value weight,
          Value panelBase)
      : k(k), gemm(gemm), lanes(gemm.isa->getLanes()), vectors(vectors),
        a(activation), rowBases(std::move(rowBases)), b(weight),
        panelBase(panelBase) {}

  /// i32 sums, row by row.
  SmallVector<Value> emit() {
    SmallVector<Value> sums(rowBases.size() * vectors,
                            k.integer(k.vector(lanes, k.i32()), 0));
    if (gemm.countsWords)
      return emitWords(k.index(0), gemm.getWords(), sums);
    int64_t most = getMostByteSteps(), words = gemm.getWords();
    auto emitPart = [&](Value first, int64_t count, ValueRange carried) {
      SmallVector<Value> counts(carried.size(),
                                k.integer(k.vector(4 * lanes, k.i8()), 0));
      counts = emitWords(first, count, counts);
      SmallVector<Value> result;
      for (auto [sum, bytes] : llvm::zip_equal(carried, counts))
        result.push_back(k.add(sum, addBytes(bytes)));
      return result;
    };
    int64_t full = words / most * most;
    if (full)
      sums = k.loop(k.index(0), k.index(full), most, sums,
                    [&](Value first, ValueRange carried) {
                      return emitPart(first, most, carried);
                    });
    if (full < words)
      sums = emitPart(k.index(full), words - full, sums);
    return sums;
  }

private:
  /// Words that counts in bytes have room for.
  int64_t getMostByteSteps() const {
    int64_t most =
        ((1 << gemm.activationPlanes) - 1) * ((1 << gemm.weightPlanes) - 1) * 8;
    return 255 / most;
  }

  /// The sum of the four bytes of each lane.
  Value addBytes(Value bytes) {
    Value x = k.bitcast(bytes, k.vector(lanes, k.i32()));
    x = k.add(k.bitAnd(x, 0xff00ff), k.bitAnd(k.shiftRight(x, 8), 0xff00ff));
    return k.bitAnd(k.add(x, k.shiftRight(x, 16)), 0xffff);
  }

  SmallVector<Value> emitWords(Value first, int64_t count, ValueRange sums) {
    int64_t wordBytes = gemm.weightPlanes * vectors * lanes;
    return k.loop(
        k.index(0), k.index(count), 1, sums, [&](Value i, ValueRange carried) {
          Value word = k.add(first, i);
          Value from = k.add(panelBase, k.mul(word, wordBytes));
          SmallVector<Value> result(carried), columns;
          for (unsigned c = 0; c < gemm.weightPlanes * vectors; ++c)
            columns.push_back(k.loadVector(lanes, b, k.add(from, c * lanes)));
          for (auto [r, base] : llvm::enumerate(rowBases)) {
            Value at = k.add(base, k.mul(word, gemm.activationPlanes));
            SmallVector<Value> row;
            for (unsigned p = 0; p < gemm.activationPlanes; ++p)
              row.push_back(k.splat(k.load(a, k.add(at, p)), lanes));
            for (unsigned v = 0; v < vectors; ++v) {
              Value &sum = result[r * vectors + v];
              sum = k.add(sum, countProducts(row, columns, v));
            }
          }
          return result;
        });
  }

  /// Counts of all pairs of planes by what they are worth, by Horner's rule.
  Value countProducts(ArrayRef<Value> row, ArrayRef<Value> columns,
                      unsigned v) {
    Value total;
    for (int level = gemm.activationPlanes + gemm.weightPlanes - 2; level >= 0;
         --level) {
      if (total)
        total = k.add(total, total);
      for (int i = 0; i < int(gemm.activationPlanes); ++i) {
        int j = level - i;
        if (j < 0 || j >= int(gemm.weightPlanes))
          continue;
        Value both =
            arith::AndIOp::create(k.b, k.loc, row[i], columns[j * vectors + v]);
        if (!gemm.countsWords)
          both = k.bitcast(both, k.vector(4 * lanes, k.i8()));
        Value count = math::CtPopOp::create(k.b, k.loc, both);
        total = total ? k.add(total, count) : count;
      }
    }
    return total;
  }

  KernelBuilder &k;
  const BitGEMM &gemm;
  unsigned lanes, vectors;
  Value a;
  SmallVector<Value> rowBases;
  Value b, panelBase;
};
} // namespace

std::string compress::cpu::generateBitGEMM(ModuleOp module,
                                           const BitGEMM &gemm) {
  const KernelISA &isa = *gemm.isa;
  std::string name =
      llvm::formatv("compress_gemm_bits{0}x{1}_{2}{3}_n{4}_k{5}_{6}{7}_{8}",
                    gemm.activationPlanes, gemm.weightPlanes, isa.name,
                    gemm.countsWords ? "_popcnt" : "", gemm.n, gemm.k,
                    gemm.perRow ? "row" : "tensor",
                    gemm.floatZero ? "_zf32" : "", getInitName(gemm.init));
  OpBuilder b(module.getContext());
  auto dynamic = [&](Type element) {
    return MemRefType::get({ShapedType::kDynamic}, element);
  };
  Panels panels(isa, gemm.n);
  int64_t padded = panels.getPaddedColumns(), words = gemm.getWords();
  auto columns = [&](Type element) {
    return MemRefType::get({padded}, element);
  };
  SmallVector<Type> types{
      dynamic(b.getI32Type()),
      dynamic(b.getI32Type()),
      dynamic(b.getF32Type()),
      dynamic(b.getI32Type()),
      MemRefType::get({padded * words * gemm.weightPlanes}, b.getI32Type()),
      columns(b.getI32Type()),
      columns(b.getI32Type()),
      columns(b.getF32Type())};
  if (gemm.init == InitKind::Bias)
    types.push_back(MemRefType::get({gemm.n}, b.getF32Type()));
  types.push_back(
      MemRefType::get({ShapedType::kDynamic, gemm.n}, b.getF32Type()));

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    constexpr int64_t blockRows = 96;
    Value rows = k.dim(k.getArguments().back(), 0);
    Value blocks = k.ceilDiv(rows, blockRows);
    // A lane counts the products of 32 codes at once.
    int64_t work = gemm.n * words * gemm.activationPlanes * gemm.weightPlanes;
    Value isSmall = k.lessThan(
        rows, k.index(kSmallWork / 4 / std::max<int64_t>(1, work) + 1));
    k.tasks(
        k.mul(blocks, panels.getCount()), isSmall,
        [&](KernelBuilder &k, Value task) {
          ValueRange args = k.getArguments();
          Value a = args[0], rowSums = args[1], packed = args[4],
                zeros = args[5], out = args[args.size() - 2];
          DotResults results{args[2],
                             args[3],
                             args[6],
                             args[7],
                             gemm.init == InitKind::Bias ? args[8] : Value(),
                             out,
                             gemm.perRow,
                             gemm.init,
                             gemm.floatZero};
          Value rows = k.dim(out, 0);
          // Neighbouring tasks share a panel, so it stays in the cache.
          Value blocks = k.ceilDiv(rows, blockRows);
          Value panel = arith::DivUIOp::create(k.b, k.loc, task, blocks);
          Value block = k.sub(task, k.mul(panel, blocks));
          Value begin = k.mul(block, blockRows);
          Value end = k.minimum(rows, k.add(begin, blockRows));
          Value column = k.mul(panel, panels.getFullColumns());
          Value panelBase = k.mul(column, words * gemm.weightPlanes);
          emitPanel(k, panels, panel, [&](unsigned vectors, int64_t columns) {
            unsigned lanes = isa.getLanes();
            // Counts in bytes and two planes of columns take more registers.
            unsigned tileRows = gemm.countsWords && gemm.weightPlanes == 1
                                    ? isa.dotRows[vectors - 1]
                                    : isa.blockRows[vectors - 1];
            emitRowTiles(
                k, tileRows, begin, end, std::nullopt,
                [&](Value at, unsigned count) {
                  SmallVector<Value> bases;
                  for (unsigned r = 0; r < count; ++r)
                    bases.push_back(
                        k.mul(k.add(at, r), words * gemm.activationPlanes));
                  SmallVector<Value> sums =
                      BitTile(k, gemm, vectors, a, bases, packed, panelBase)
                          .emit();
                  for (unsigned v = 0; v < vectors; ++v) {
                    Value n = k.add(column, v * lanes);
                    DotColumns c = loadDotColumns(
                        k, isa, results, n,
                        std::min<int64_t>(lanes, columns - v * lanes));
                    Value zero = k.loadVector(lanes, zeros, n);
                    for (unsigned r = 0; r < count; ++r) {
                      Value row = k.add(at, r);
                      Value sum = sums[r * vectors + v];
                      Value rowSum = k.splat(k.load(rowSums, row), lanes);
                      storeDotResults(
                          k, isa, results, c, row,
                          k.sub(k.add(sum, sum), k.mul(zero, rowSum)));
                    }
                  }
                });
          });
        });
  });
  return name;
}

//===- KernelSparseDot.cpp - Integer products, sparse weights ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kernel for many rows of KernelSparse.cpp with words of four codes in the
// lanes instead of floats.
//
//===----------------------------------------------------------------------===//

#include "KernelSparse.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Bytes of activations that stay in a first-level cache with what else is
/// read.
static constexpr int64_t kBlockBytes = 32 * 1024;
/// Words of a row that one task transposes.
static constexpr int64_t kTransposedWords = 256;

int64_t compress::cpu::getSparseDotBlock(const KernelISA &isa, int64_t words) {
  return std::clamp<int64_t>(kBlockBytes / (4 * words * getSparseTileRows(isa)),
                             1, 256);
}

namespace {
/// The arguments of the kernel.
struct Emitter : public SliceReader {
  Emitter(KernelBuilder &k, const SparseDotGEMM &gemm)
      : SliceReader(k, gemm.layout, k.getArguments()[4], k.getArguments()[5],
                    k.getArguments()[6], k.getArguments()[7]),
        gemm(gemm), isa(*gemm.isa), lanes(isa.getLanes()),
        tileRows(getSparseTileRows(isa)),
        wordRows(gemm.layout.words * tileRows) {
    ValueRange args = k.getArguments();
    codes = args[0], rowScales = args[1], rowZeros = args[2], values = args[3],
    columnSums = args[8], columnScales = args[9];
    unsigned next = 10;
    if (gemm.init == InitKind::Bias)
      bias = args[next++];
    out = args[next++];
    scratch = args[next++];
  }

  VectorType vectorType() { return k.vector(lanes, k.i32()); }
  /// Where the part of the scratch memory that belongs to a tile starts:
  /// words of inputs, then sums.
  Value getInputs(Value tile) {
    return k.mul(tile, gemm.getScratchRow() * tileRows);
  }
  Value getSums(Value tile) {
    return k.add(getInputs(tile), layout.k * wordRows);
  }

  void emitTranspose(Value tile, Value part);
  void emitTile(Value tile, Value range, unsigned vectors);

private:
  void emitSlice(Value slice, Value firstSum, Value firstInput,
                 unsigned vectors);
  void storeOutputs(Value sum, Value row, Value n, int64_t valid);

  const SparseDotGEMM &gemm;
  const KernelISA &isa;
  int64_t lanes, tileRows, wordRows;
  Value codes, rowScales, rowZeros, values, columnSums, columnScales, bias, out,
      scratch;
};
} // namespace

/// Words of a row of codes as [word, row of the tile]; rows past the end repeat
/// the last. Words past the end of a row are left as they are: no weight but
/// zero multiplies them.
void Emitter::emitTranspose(Value tile, Value part) {
  int64_t size = llvm::divideCeil(gemm.k, 4);
  Value rows = k.dim(out, 0);
  Value begin = k.mul(part, kTransposedWords);
  Value end = k.minimum(k.add(begin, kTransposedWords), k.index(size));
  int64_t whole = size / lanes * lanes;
  for (unsigned v = 0; v < kSparseTileVectors; ++v) {
    Value first = k.add(k.mul(tile, tileRows), v * lanes);
    k.ifThen(k.lessThan(first, rows), [&] {
      SmallVector<Value> from;
      for (int64_t i = 0; i < lanes; ++i)
        from.push_back(
            k.mul(k.minimum(k.add(first, i), k.sub(rows, k.index(1))),
                  isa.getRowBytes(gemm.k)));
      // What a load takes beyond a row is the next one or the slack.
      auto emit = [&](Value word, int64_t valid) {
        SmallVector<Value> vectors;
        for (Value row : from) {
          Value bytes =
              k.loadVector(4 * lanes, codes, k.add(row, k.mul(word, 4)));
          vectors.push_back(k.bitcast(bytes, vectorType()));
        }
        vectors = k.transpose(vectors);
        Value to =
            k.add(k.add(getInputs(tile), k.mul(word, tileRows)), v * lanes);
        for (int64_t i = 0; i < valid; ++i)
          k.storeVector(vectors[i], scratch, k.add(to, i * tileRows));
      };
      k.loop(begin, k.minimum(end, k.index(whole)), lanes,
             [&](Value word) { emit(word, lanes); });
      if (whole < size)
        k.ifThen(k.lessThan(k.index(whole), end),
                 [&] { emit(k.index(whole), size - whole); });
    });
  }
}

void Emitter::emitSlice(Value slice, Value firstSum, Value firstInput,
                        unsigned vectors) {
  std::pair<Value, Value> steps = getSteps(slice);
  int64_t together = getOutputsTogether(isa);
  k.loop(k.index(0), k.index(layout.height), together, [&](Value lane) {
    SmallVector<Value> at, start;
    Value firstOutput = k.add(k.mul(slice, layout.height), lane);
    for (int64_t j = 0; j < together; ++j) {
      Value n = loadIndex(outputs, k.add(firstOutput, j));
      at.push_back(k.add(firstSum, k.mul(n, tileRows)));
      for (unsigned v = 0; v < vectors; ++v)
        start.push_back(
            k.loadVector(lanes, scratch, k.add(at.back(), v * lanes)));
    }
    SmallVector<Value> done = k.loop(
        steps.first, steps.second, 1, start,
        [&](Value step, ValueRange carried) {
          SmallVector<Value> next(carried);
          Value entry = k.add(k.mul(step, layout.height), lane);
          // Lanes of a word are apart from those of the next by a slice.
          Value weight =
              k.mul(k.add(k.mul(step, layout.height * layout.words), lane), 4);
          for (int64_t j = 0; j < together; ++j) {
            Value index = loadIndex(indices, k.add(entry, j));
            Value input = k.add(firstInput, k.mul(index, wordRows));
            for (int64_t w = 0; w < layout.words; ++w) {
              Value bytes = k.loadVector(
                  4, values, k.add(weight, (w * layout.height + j) * 4));
              Value word = k.bitcast(bytes, k.vector(1, k.i32()));
              SmallVector<int64_t> zeros(lanes, 0);
              SmallVector<Value> weights =
                  splitBytes(k, isa, k.shuffle(word, word, zeros),
                             /*isSigned=*/true);
              for (unsigned v = 0; v < vectors; ++v) {
                Value words = k.loadVector(
                    lanes, scratch, k.add(input, w * tileRows + v * lanes));
                Value &sum = next[j * vectors + v];
                sum = emitDot(k, isa, sum,
                              splitBytes(k, isa, words, /*isSigned=*/false),
                              weights);
              }
            }
          }
          return next;
        });
    for (int64_t j = 0; j < together; ++j)
      for (unsigned v = 0; v < vectors; ++v)
        k.storeVector(done[j * vectors + v], scratch, k.add(at[j], v * lanes));
  });
}

void Emitter::storeOutputs(Value sum, Value row, Value n, int64_t valid) {
  DotResults results{rowScales, rowZeros, columnSums,  columnScales,
                     bias,      out,      gemm.perRow, gemm.init};
  storeDotResults(k, isa, results, loadDotColumns(k, isa, results, n, valid),
                  row, sum);
}

void Emitter::emitTile(Value tile, Value range, unsigned vectors) {
  Value firstSum = k.add(getSums(tile), k.mul(range, layout.range * tileRows));
  k.loop(k.index(0), k.mul(getWidth(range), tileRows), tileRows, [&](Value at) {
    for (unsigned v = 0; v < vectors; ++v)
      k.storeVector(k.integer(vectorType(), 0), scratch,
                    k.add(k.add(firstSum, at), v * lanes));
  });
  k.loop(k.index(0), k.index(layout.getBlocks()), 1, [&](Value b) {
    Value firstInput =
        k.add(getInputs(tile), k.mul(b, layout.block * wordRows));
    forEachSlice(range, b, [&](Value slice) {
      emitSlice(slice, firstSum, firstInput, vectors);
    });
  });
  Value rows = k.dim(out, 0);
  Value firstOutput = k.mul(range, layout.range);
  forEachOutputs(range, [&](Value n, int64_t valid) {
    Value from = k.add(firstSum, k.mul(k.sub(n, firstOutput), tileRows));
    for (unsigned v = 0; v < vectors; ++v) {
      SmallVector<Value> sums;
      for (int64_t i = 0; i < lanes; ++i)
        sums.push_back(k.loadVector(lanes, scratch,
                                    k.add(from, i * tileRows + v * lanes)));
      sums = k.transpose(sums);
      for (int64_t i = 0; i < lanes; ++i) {
        Value row = k.add(k.mul(tile, tileRows), v * lanes + i);
        k.ifThen(k.lessThan(row, rows),
                 [&] { storeOutputs(sums[i], row, n, valid); });
      }
    }
  });
}

std::string compress::cpu::generateSparseDotGEMM(ModuleOp module,
                                                 const SparseDotGEMM &gemm) {
  const SliceLayout &layout = gemm.layout;
  std::string name = llvm::formatv(
      "compress_gemm_sparse_u8s8_w{0}_{1}_n{2}_k{3}_b{4}_{5}_{6}", layout.words,
      gemm.isa->name, layout.n, gemm.k, layout.block,
      gemm.perRow ? "row" : "tensor", getInitName(gemm.init));
  OpBuilder b(module.getContext());
  auto dynamic = [&](Type element) {
    return MemRefType::get({ShapedType::kDynamic}, element);
  };
  Type i8 = b.getI8Type(), i32 = b.getI32Type(), f32 = b.getF32Type();
  SmallVector<Type> types{dynamic(i8),
                          dynamic(f32),
                          dynamic(i32),
                          dynamic(i8),
                          dynamic(b.getIntegerType(layout.indexWidth)),
                          dynamic(b.getI16Type()),
                          dynamic(i32),
                          dynamic(i32),
                          dynamic(i32),
                          dynamic(f32)};
  if (gemm.init == InitKind::Bias)
    types.push_back(MemRefType::get({layout.n}, f32));
  types.push_back(MemRefType::get({ShapedType::kDynamic, layout.n}, f32));
  types.push_back(dynamic(i32));

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    ValueRange args = k.getArguments();
    Value rows = k.dim(args[args.size() - 2], 0);
    Value isSmall =
        k.lessThan(k.mul(k.dim(args[3], 0), rows), k.index(kSmallWork));
    Value tiles = k.ceilDiv(rows, getSparseTileRows(*gemm.isa));
    int64_t parts =
        llvm::divideCeil(llvm::divideCeil(gemm.k, 4), kTransposedWords);
    k.tasks(k.mul(tiles, parts), isSmall, [&](KernelBuilder &k, Value task) {
      SmallVector<Value> at = k.delinearize(task, {0, parts});
      Emitter(k, gemm).emitTranspose(at[0], at[1]);
    });
    int64_t ranges = layout.getRanges();
    k.tasks(k.mul(tiles, ranges), isSmall, [&](KernelBuilder &k, Value task) {
      SmallVector<Value> at = k.delinearize(task, {0, ranges});
      Emitter e(k, gemm);
      Value left = k.sub(k.dim(k.getArguments()[args.size() - 2], 0),
                         k.mul(at[0], getSparseTileRows(*gemm.isa)));
      emitForRows(k, *gemm.isa, left,
                  [&](unsigned vectors) { e.emitTile(at[0], at[1], vectors); });
    });
  });
  return name;
}

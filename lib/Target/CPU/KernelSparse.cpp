//===- KernelSparse.cpp - Products with sparse weights ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelSparse.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Bytes of activations that stay in a first-level cache with what else is
/// read.
static constexpr int64_t kBlockBytes = 32 * 1024;
/// Bytes of decoded values on the stack.
static constexpr int64_t kDecodedBytes = 128 * 1024;
/// Inputs that one task transposes.
static constexpr int64_t kTransposedInputs = 512;

int64_t compress::cpu::getSparseTileRows(const KernelISA &isa) {
  return kSparseTileVectors * isa.getLanes();
}
int64_t compress::cpu::getSparseBlockInputs(const KernelISA &isa) {
  return std::min<int64_t>(256, kBlockBytes / 4 / getSparseTileRows(isa));
}
bool compress::cpu::isDecoded(const SliceLayout &layout) {
  return !layout.valueType.isF32();
}
bool compress::cpu::canDecodeSlices(const SliceLayout &layout) {
  return !isDecoded(layout) ||
         layout.maxSteps * layout.height * 4 <= kDecodedBytes;
}
bool SparseGEMM::mayBeMany() const {
  return ShapedType::isDynamic(rows) || rows > fewRows;
}

//===----------------------------------------------------------------------===//
// Shared
//===----------------------------------------------------------------------===//

void SliceReader::forEachSlice(Value range, Value b,
                               llvm::function_ref<void(Value)> body) {
  Value at = k.add(k.mul(range, layout.getBlocks()), b);
  k.loop(loadIndex(slices, at), loadIndex(slices, k.add(at, 1)), 1, body);
}

std::pair<Value, Value> SliceReader::getSteps(Value slice) {
  return {loadIndex(steps, slice), loadIndex(steps, k.add(slice, 1))};
}

Value SliceReader::getWidth(Value range) {
  return k.minimum(k.index(layout.range), k.sub(k.index(layout.getPaddedN()),
                                                k.mul(range, layout.range)));
}

void SliceReader::forEachOutputs(
    Value range, llvm::function_ref<void(Value, int64_t)> body) {
  int64_t lanes = layout.height;
  Value begin = k.mul(range, layout.range);
  Value end = k.minimum(k.add(begin, layout.range), k.index(layout.n));
  int64_t whole = layout.n / lanes * lanes;
  k.loop(begin, k.minimum(end, k.index(whole)), lanes,
         [&](Value n) { body(n, lanes); });
  if (whole < layout.n)
    k.ifThen(k.lessThan(k.index(whole), end),
             [&] { body(k.index(whole), layout.n - whole); });
}

Value compress::cpu::decodeStored(KernelBuilder &k, const KernelISA &isa,
                                  Type type, Value stored) {
  if (type.isF32())
    return stored;
  int64_t lanes = isa.getLanes();
  VectorType words = k.vector(lanes, k.i32());
  VectorType floats = k.vector(lanes, k.f32());
  if (type.isInteger(8))
    return k.convert(stored, k.f32());
  if (type.isInteger(16)) // bf16
    return k.bitcast(
        k.shiftLeft(k.convert(stored, k.i32(), /*isUnsigned=*/true), 16),
        floats);
  if (isa.hasF16C)
    return k.convert(stored, k.f32());
  // The exponent moves to where f32 has it, with the wrong bias. Infinities
  // were excluded when packing.
  Value bits = k.convert(k.bitcast(stored, k.vector(lanes, k.i16())), k.i32(),
                         /*isUnsigned=*/true);
  Value magnitude = k.bitcast(k.shiftLeft(k.bitAnd(bits, 0x7fff), 13), floats);
  magnitude = k.mulF(magnitude, k.real(floats, 0x1p112f));
  Value sign = k.shiftLeft(k.bitAnd(bits, 0x8000), 16);
  return k.bitcast(k.bitOr(k.bitcast(magnitude, words), sign), floats);
}

Value compress::cpu::makeDecodedValues(KernelBuilder &k,
                                       const SliceLayout &layout) {
  if (!isDecoded(layout))
    return {};
  return k.scratch(
      {int64_t(llvm::PowerOf2Ceil(layout.maxSteps)) * layout.height}, k.f32());
}

void SliceSums::clear(Value width) {
  KernelBuilder &k = reader.k;
  int64_t lanes = isa.getLanes(), tileRows = getSparseTileRows(isa);
  k.loop(k.index(0), k.mul(width, tileRows), tileRows, [&](Value at) {
    for (unsigned v = 0; v < vectors; ++v)
      k.storeVector(k.real(k.vector(lanes, k.f32()), 0.0f), sums,
                    k.add(k.add(firstSum, at), v * lanes));
  });
}

void SliceSums::add(Value slice, llvm::function_ref<Value(Value)> getInput) {
  KernelBuilder &k = reader.k;
  const SliceLayout &layout = reader.layout;
  int64_t lanes = isa.getLanes(), tileRows = getSparseTileRows(isa);
  auto [begin, end] = reader.getSteps(slice);
  Value first = k.mul(begin, layout.height);
  Value count = k.mul(k.sub(end, begin), layout.height);
  Value weights = values, firstWeight = first;
  if (decoded) {
    k.loop(k.index(0), count, layout.height, [&](Value at) {
      Value stored = k.loadVector(lanes, values, k.add(first, at));
      k.storeVector(decodeStored(k, isa, layout.valueType, stored), decoded,
                    at);
    });
    weights = decoded;
    firstWeight = k.index(0);
  }
  int64_t together = getOutputsTogether(isa);
  k.loop(k.index(0), k.index(layout.height), together, [&](Value lane) {
    SmallVector<Value> at, start;
    Value firstOutput = k.add(k.mul(slice, layout.height), lane);
    for (int64_t j = 0; j < together; ++j) {
      Value n = reader.loadIndex(reader.outputs, k.add(firstOutput, j));
      at.push_back(k.add(firstSum, k.mul(n, tileRows)));
      for (unsigned v = 0; v < vectors; ++v)
        start.push_back(k.loadVector(lanes, sums, k.add(at.back(), v * lanes)));
    }
    SmallVector<Value> done = k.loop(
        lane, k.add(count, lane), layout.height, start,
        [&](Value step, ValueRange carried) {
          SmallVector<Value> next(carried);
          for (int64_t j = 0; j < together; ++j) {
            Value entry = k.add(step, j);
            Value input =
                getInput(reader.loadIndex(reader.indices, k.add(first, entry)));
            Value weight =
                k.splat(k.load(weights, k.add(firstWeight, entry)), lanes);
            for (unsigned v = 0; v < vectors; ++v) {
              Value &sum = next[j * vectors + v];
              sum = k.multiplyAdd(
                  weight, k.loadVector(lanes, inputs, k.add(input, v * lanes)),
                  sum, isa.hasFMA);
            }
          }
          return next;
        });
    for (int64_t j = 0; j < together; ++j)
      for (unsigned v = 0; v < vectors; ++v)
        k.storeVector(done[j * vectors + v], sums, k.add(at[j], v * lanes));
  });
}

void compress::cpu::emitForRows(KernelBuilder &k, const KernelISA &isa,
                                Value rows,
                                llvm::function_ref<void(unsigned)> body) {
  int64_t lanes = isa.getLanes();
  k.ifThen(
      k.lessThan(k.index(2 * lanes), rows), [&] { body(kSparseTileVectors); },
      [&] {
        k.ifThen(
            k.lessThan(k.index(lanes), rows), [&] { body(2); },
            [&] { body(1); });
      });
}

int64_t compress::cpu::getOutputsTogether(const KernelISA &isa) {
  return isa.vectorBits == 512 ? 4 : 2;
}

namespace {
/// The arguments of the kernel, and code that both ways share.
struct Emitter : public SliceReader {
  Emitter(KernelBuilder &k, const SparseGEMM &gemm)
      : SliceReader(k, gemm.layout, k.getArguments()[2], k.getArguments()[3],
                    k.getArguments()[4], k.getArguments()[5]),
        gemm(gemm), isa(*gemm.isa), lanes(isa.getLanes()) {
    ValueRange args = k.getArguments();
    x = args[0], values = args[1];
    unsigned next = 6;
    if (layout.hasScales)
      scales = args[next++];
    if (gemm.init == InitKind::Bias)
      bias = args[next++];
    out = args[next++];
    if (gemm.mayBeMany())
      scratch = args[next++];
  }

  VectorType vectorType() { return k.vector(lanes, k.f32()); }
  Value zeros() { return k.real(vectorType(), 0.0f); }
  /// Where the part of the scratch memory that belongs to a tile starts:
  /// inputs, then sums.
  Value getInputs(Value tile) {
    return k.mul(tile, gemm.getScratchRow() * getSparseTileRows(isa));
  }
  Value getSums(Value tile) {
    return k.add(getInputs(tile), layout.k * getSparseTileRows(isa));
  }

  Value decode(Value stored) {
    return decodeStored(k, isa, layout.valueType, stored);
  }

  /// Finishes lanes of outputs from number `n` of row `row`.
  void storeOutputs(Value value, Value row, Value n, int64_t valid) {
    Value mask = valid < lanes ? k.prefixMask(lanes, valid) : Value();
    auto load = [&](Value memref, ValueRange at) {
      return mask ? k.loadMasked(lanes, memref, at, mask)
                  : k.loadVector(lanes, memref, at);
    };
    if (scales)
      value = k.mulF(value, k.loadVector(lanes, scales, n));
    SmallVector<Value> at{row, n};
    if (bias)
      value = k.addF(value, load(bias, n));
    if (gemm.init == InitKind::Accumulate)
      value = k.addF(value, load(out, at));
    if (mask)
      k.storeMasked(value, out, at, mask);
    else
      k.storeVector(value, out, at);
  }
  const SparseGEMM &gemm;
  const KernelISA &isa;
  int64_t lanes;
  Value x, values, scales, bias, out, scratch;
};
} // namespace

//===----------------------------------------------------------------------===//
// Few rows
//===----------------------------------------------------------------------===//

static Value gather(KernelBuilder &k, int64_t lanes, Value memref,
                    ValueRange at, Value indices) {
  VectorType type = k.vector(lanes, k.f32());
  return vector::GatherOp::create(k.b, k.loc, type, memref, at, indices,
                                  k.prefixMask(lanes, lanes),
                                  k.real(type, 0.0f));
}

static void emitFewRows(KernelBuilder &k, const SparseGEMM &gemm,
                        Value isSmall) {
  k.tasks(
      k.index(gemm.layout.getRanges()), isSmall,
      [&](KernelBuilder &k, Value range) {
        Emitter e(k, gemm);
        const SliceLayout &layout = gemm.layout;
        int64_t lanes = e.lanes;
        Value sums = k.scratch({layout.range}, k.f32());
        Value firstOutput = k.mul(range, layout.range);
        auto loadLanes = [&](Value memref, Value at) {
          return k.convert(k.loadVector(lanes, memref, at), k.i32(),
                           /*isUnsigned=*/true);
        };
        k.loop(k.index(0), k.dim(e.x, 0), 1, [&](Value row) {
          k.loop(k.index(0), k.index(layout.range), lanes,
                 [&](Value i) { k.storeVector(e.zeros(), sums, i); });
          k.loop(k.index(0), k.index(layout.getBlocks()), 1, [&](Value b) {
            Value firstInput = k.mul(b, layout.block);
            e.forEachSlice(range, b, [&](Value slice) {
              auto [begin, end] = e.getSteps(slice);
              Value sum = k.loop(
                  k.mul(begin, lanes), k.mul(end, lanes), lanes, e.zeros(),
                  [&](Value at, ValueRange sum) -> SmallVector<Value> {
                    Value index = loadLanes(e.indices, at);
                    Value value = e.decode(k.loadVector(lanes, e.values, at));
                    Value input =
                        gather(k, lanes, e.x, {row, firstInput}, index);
                    return {
                        k.multiplyAdd(input, value, sum[0], gemm.isa->hasFMA)};
                  })[0];
              Value to = loadLanes(e.outputs, k.mul(slice, lanes));
              sum = k.addF(sum, gather(k, lanes, sums, k.index(0), to));
              vector::ScatterOp::create(k.b, k.loc, Type(), sums, k.index(0),
                                        to, k.prefixMask(lanes, lanes), sum);
            });
          });
          e.forEachOutputs(range, [&](Value n, int64_t valid) {
            Value sum = k.loadVector(lanes, sums, k.sub(n, firstOutput));
            e.storeOutputs(sum, row, n, valid);
          });
        });
      });
}

//===----------------------------------------------------------------------===//
// Many rows
//===----------------------------------------------------------------------===//

/// Activations as [tile, input, row of the tile]; rows past the end repeat the
/// last.
static void emitTransposeInputs(KernelBuilder &k, const SparseGEMM &gemm,
                                Value tiles, Value isSmall) {
  int64_t size = gemm.layout.k;
  int64_t parts = llvm::divideCeil(size, kTransposedInputs);
  k.tasks(k.mul(tiles, parts), isSmall, [&](KernelBuilder &k, Value task) {
    Emitter e(k, gemm);
    int64_t lanes = e.lanes, tileRows = getSparseTileRows(*gemm.isa);
    Value rows = k.dim(e.x, 0);
    SmallVector<Value> at = k.delinearize(task, {0, parts});
    Value tile = at[0];
    Value begin = k.mul(at[1], kTransposedInputs);
    Value end = k.minimum(k.add(begin, kTransposedInputs), k.index(size));
    int64_t whole = size / lanes * lanes;
    for (unsigned v = 0; v < kSparseTileVectors; ++v) {
      Value first = k.add(k.mul(tile, tileRows), v * lanes);
      k.ifThen(k.lessThan(first, rows), [&] {
        SmallVector<Value> from;
        for (int64_t i = 0; i < lanes; ++i)
          from.push_back(k.minimum(k.add(first, i), k.sub(rows, k.index(1))));
        auto emit = [&](Value input, int64_t valid) {
          SmallVector<Value> vectors;
          for (Value row : from)
            vectors.push_back(valid == lanes
                                  ? k.loadVector(lanes, e.x, {row, input})
                                  : k.loadMasked(lanes, e.x, {row, input},
                                                 k.prefixMask(lanes, valid)));
          vectors = k.transpose(vectors);
          Value to = k.add(k.add(e.getInputs(tile), k.mul(input, tileRows)),
                           v * lanes);
          for (int64_t i = 0; i < valid; ++i)
            k.storeVector(vectors[i], e.scratch, k.add(to, i * tileRows));
        };
        k.loop(begin, k.minimum(end, k.index(whole)), lanes,
               [&](Value input) { emit(input, lanes); });
        if (whole < size)
          k.ifThen(k.lessThan(k.index(whole), end),
                   [&] { emit(k.index(whole), size - whole); });
      });
    }
  });
}

namespace {
/// One range of outputs for one tile of rows, `vectors` vectors of it.
struct TileEmitter : public Emitter {
  TileEmitter(KernelBuilder &k, const SparseGEMM &gemm, Value tile, Value range,
              unsigned vectors, Value decoded)
      : Emitter(k, gemm), tile(tile), range(range), vectors(vectors),
        decoded(decoded), tileRows(getSparseTileRows(isa)) {
    firstSum = k.add(getSums(tile), k.mul(range, layout.range * tileRows));
  }

  void emit() {
    // Vectors of rows that are not there are not computed.
    SliceSums tileSums{*this,   isa,     values,   decoded,
                       vectors, scratch, firstSum, scratch};
    tileSums.clear(getWidth(range));
    k.loop(k.index(0), k.index(layout.getBlocks()), 1, [&](Value b) {
      Value firstInput =
          k.add(getInputs(tile), k.mul(b, layout.block * tileRows));
      forEachSlice(range, b, [&](Value slice) {
        tileSums.add(slice, [&](Value index) {
          return k.add(firstInput, k.mul(index, tileRows));
        });
      });
    });
    emitOutputs();
  }

private:
  void emitOutputs() {
    Value rows = k.dim(x, 0);
    Value firstOutput = k.mul(range, layout.range);
    forEachOutputs(range, [&](Value n, int64_t valid) {
      Value from = k.add(firstSum, k.mul(k.sub(n, firstOutput), tileRows));
      for (unsigned v = 0; v < vectors; ++v) {
        SmallVector<Value> lanesOfRows;
        for (int64_t i = 0; i < lanes; ++i)
          lanesOfRows.push_back(k.loadVector(
              lanes, scratch, k.add(from, i * tileRows + v * lanes)));
        lanesOfRows = k.transpose(lanesOfRows);
        for (int64_t i = 0; i < lanes; ++i) {
          Value row = k.add(k.mul(tile, tileRows), v * lanes + i);
          k.ifThen(k.lessThan(row, rows),
                   [&] { storeOutputs(lanesOfRows[i], row, n, valid); });
        }
      }
    });
  }

  Value tile, range;
  unsigned vectors;
  Value decoded;
  int64_t tileRows;
  Value firstSum;
};
} // namespace

static void emitManyRows(KernelBuilder &k, const SparseGEMM &gemm,
                         Value isSmall) {
  int64_t tileRows = getSparseTileRows(*gemm.isa);
  Value tiles = k.ceilDiv(k.dim(k.getArguments()[0], 0), tileRows);
  emitTransposeInputs(k, gemm, tiles, isSmall);
  int64_t ranges = gemm.layout.getRanges();
  k.tasks(k.mul(tiles, ranges), isSmall, [&](KernelBuilder &k, Value task) {
    SmallVector<Value> at = k.delinearize(task, {0, ranges});
    Value decoded = makeDecodedValues(k, gemm.layout);
    Value left = k.sub(k.dim(k.getArguments()[0], 0), k.mul(at[0], tileRows));
    emitForRows(k, *gemm.isa, left, [&](unsigned vectors) {
      TileEmitter(k, gemm, at[0], at[1], vectors, decoded).emit();
    });
  });
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

std::string compress::cpu::generateSparseGEMM(ModuleOp module,
                                              const SparseGEMM &gemm) {
  const SliceLayout &layout = gemm.layout;
  bool many = gemm.mayBeMany();
  bool few = ShapedType::isDynamic(gemm.rows) || !many;
  std::string type;
  llvm::raw_string_ostream(type) << layout.valueType;
  std::string name =
      llvm::formatv("compress_gemm_sparse_{0}{1}_{2}_n{3}_k{4}_b{5}_{6}{7}{8}",
                    type, layout.hasScales ? "_scaled" : "", gemm.isa->name,
                    layout.n, layout.k, layout.block, getInitName(gemm.init),
                    few ? "_few" : "", many ? "_many" : "");
  if (few && many)
    name += "_to" + std::to_string(gemm.fewRows);
  if (isDecoded(layout) && many)
    name += "_s" + std::to_string(llvm::Log2_64_Ceil(layout.maxSteps));
  OpBuilder b(module.getContext());
  auto dynamic = [&](Type element) {
    return MemRefType::get({ShapedType::kDynamic}, element);
  };
  auto matrix = [&](int64_t columns) {
    return MemRefType::get({ShapedType::kDynamic, columns}, b.getF32Type());
  };
  SmallVector<Type> types{matrix(layout.k),
                          dynamic(layout.valueType),
                          dynamic(b.getIntegerType(layout.indexWidth)),
                          dynamic(b.getI16Type()),
                          dynamic(b.getI32Type()),
                          dynamic(b.getI32Type())};
  if (layout.hasScales)
    types.push_back(dynamic(b.getF32Type()));
  if (gemm.init == InitKind::Bias)
    types.push_back(MemRefType::get({layout.n}, b.getF32Type()));
  types.push_back(matrix(layout.n));
  if (many)
    types.push_back(dynamic(b.getF32Type()));

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value rows = k.dim(k.getArguments()[0], 0);
    // Rows of a tile share their entries; how many entries there are is not
    // part of the kernel, so this looks at the number of steps.
    Value entries = k.mul(k.dim(k.getArguments()[2], 0), rows);
    Value isSmall = k.lessThan(entries, k.index(kSmallWork));
    auto emitFew = [&] { emitFewRows(k, gemm, isSmall); };
    auto emitMany = [&] { emitManyRows(k, gemm, isSmall); };
    if (!few)
      emitMany();
    else if (!many)
      emitFew();
    else
      k.ifThen(k.lessOrEqual(rows, k.index(gemm.fewRows)), emitFew, emitMany);
  });
  return name;
}

//===- KernelSparse.h - Products with sparse weights ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// f32 activations times sparse weights, at a cost that goes with the number of
// stored values (see SliceLayout).
//
// Many rows: rows are in the lanes. Activations are transposed, so that the
// lanes of one input are whole vectors, and each entry is a broadcast weight
// times those. Few rows: the outputs of a slice are in the lanes, and
// activations are gathered.
//
// Products are summed in f32 block by block, so the difference to the reference
// is at most (K + 6) * 2^-24 * (|init| + sum |x| |w|).
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELSPARSE_H
#define COMPRESS_LIB_TARGET_CPU_KERNELSPARSE_H

#include "KernelGEMM.h"
#include "SparsePacking.h"

namespace compress::cpu {

/// out[m, n] = init + sum over k of x[m, k] * w[n, k].
///   ins x: f32 [M, K], values, indices, outputs, steps, slices (PackedSlices)
///       [, scales: f32 [padded N]] [, bias: f32 [N]]
///   outs out: f32 [M, N]
///       [, scratch: f32, `getScratchRow()` for each row of a tile] unless few
///       rows
struct SparseGEMM {
  const KernelISA *isa;
  SliceLayout layout;
  /// Rows if known, else ShapedType::kDynamic.
  int64_t rows;
  InitKind init;
  /// Up to this many rows go one by one: a gathered value serves one row, the
  /// lanes of a tile serve as many as there are.
  int64_t fewRows;

  bool mayBeMany() const;
  /// Transposed activations and sums.
  int64_t getScratchRow() const { return layout.k + layout.getPaddedN(); }
};
/// Rows that share an entry.
int64_t getSparseTileRows(const KernelISA &isa);
/// Inputs of a block of activations that fits a first-level cache.
int64_t getSparseBlockInputs(const KernelISA &isa);
/// Whether kernels can decode the values of the longest slice at once.
bool canDecodeSlices(const SliceLayout &layout);
std::string generateSparseGEMM(mlir::ModuleOp module, const SparseGEMM &gemm);

//===--- Integer products -------------------------------------------------===//

/// out[m, n] = init + (sum (a - zero[m]) * w[n]) * scale[m] * scales[n], with
/// weights in words (see packWords).
///   ins a: i8 rows of codes as DotGEMM takes them, scale: f32 [M or 1],
///       zero: i32 [M or 1], values, indices, outputs, steps, slices,
///       sums: i32 [padded N], scales: f32 [padded N] [, bias: f32 [N]]
///   outs out: f32 [M, N], scratch: i32, `getScratchRow()` for each row of a
///       tile
struct SparseDotGEMM {
  const KernelISA *isa;
  SliceLayout layout;
  /// k of a row of codes.
  int64_t k;
  bool perRow;
  InitKind init;

  int64_t getScratchRow() const {
    return layout.k * layout.words + layout.getPaddedN();
  }
};
/// Entries of a block of activations that fits a first-level cache.
int64_t getSparseDotBlock(const KernelISA &isa, int64_t words);
std::string generateSparseDotGEMM(mlir::ModuleOp module,
                                  const SparseDotGEMM &gemm);

/// The same for outputs that share their inputs (see PackedGroups): the bytes
/// of a tile's inputs are brought together once, then multiplied with all its
/// outputs, by tile registers where there are any.
///   ins a, scale, zero as above, values, indices, tiles (PackedGroups),
///       sums: i32 [padded N], scales: f32 [padded N] [, bias: f32 [N]]
///   outs out: f32 [M, N], scratch: i8, k for each row of a tile
struct SparseGroupGEMM {
  const KernelISA *isa;
  int64_t n, k;
  /// Rows if known, else ShapedType::kDynamic.
  int64_t rows;
  bool perRow;
  InitKind init;
};
std::string generateSparseGroupGEMM(mlir::ModuleOp module,
                                    const SparseGroupGEMM &gemm);

//===--- Shared -----------------------------------------------------------===//

/// Vectors of rows in a tile.
inline constexpr unsigned kSparseTileVectors = 4;

/// Walks through the packed form in a kernel.
struct SliceReader {
  SliceReader(KernelBuilder &k, const SliceLayout &layout, Value indices,
              Value outputs, Value steps, Value slices)
      : k(k), layout(layout), indices(indices), outputs(outputs), steps(steps),
        slices(slices) {}

  Value loadIndex(Value memref, Value at) {
    return k.toIndex(k.load(memref, at));
  }
  /// Loops over the slices of block `b` (an index) of range `range`.
  void forEachSlice(Value range, Value b,
                    llvm::function_ref<void(Value slice)> body);
  /// The first step of a slice and the end.
  std::pair<Value, Value> getSteps(Value slice);
  /// Outputs of a range, padding included.
  Value getWidth(Value range);
  /// Calls `body(n, valid)` for vectors of outputs of a range.
  void forEachOutputs(Value range,
                      llvm::function_ref<void(Value n, int64_t valid)> body);

  KernelBuilder &k;
  const SliceLayout &layout;
  Value indices, outputs, steps, slices;
};
/// Whether values are decoded once per slice, not read as they are.
bool isDecoded(const SliceLayout &layout);
/// Stored values as f32 lanes.
Value decodeStored(KernelBuilder &k, const KernelISA &isa, Type type,
                   Value stored);
/// Room for the decoded values of a slice; null if they are read as they are.
Value makeDecodedValues(KernelBuilder &k, const SliceLayout &layout);

/// Sums of a range of outputs for the rows of a tile, which are in the lanes of
/// `vectors` vectors.
struct SliceSums {
  SliceReader &reader;
  const KernelISA &isa;
  /// Stored values, and `makeDecodedValues`.
  Value values, decoded;
  unsigned vectors;
  /// f32; those of output i of the range from `firstSum` + i * tile rows on.
  Value sums, firstSum;
  /// f32
  Value inputs;

  /// Of `width` outputs.
  void clear(Value width);
  /// Adds the products of a slice; `getInput(index)` is where `inputs` has the
  /// rows of the input of that index.
  void add(Value slice, llvm::function_ref<Value(Value)> getInput);
};

/// Calls `body(vectors)` for the number of vectors that `rows` rows of a tile
/// are rounded up to.
void emitForRows(KernelBuilder &k, const KernelISA &isa, Value rows,
                 llvm::function_ref<void(unsigned vectors)> body);
/// Outputs of a slice that are computed together: one waits for its sums while
/// others add.
int64_t getOutputsTogether(const KernelISA &isa);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELSPARSE_H

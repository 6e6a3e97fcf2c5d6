//===- SparsePacking.h - Sparse weights in the layout of kernels -*- C++-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constant sparse weights seen as a matrix, and their layout for the kernels,
// made on the host at compile time.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_SPARSEPACKING_H
#define COMPRESS_LIB_TARGET_CPU_SPARSEPACKING_H

#include "KernelISA.h"
#include "QuantizedPacking.h"
#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress::cpu {

/// A constant `sparse` tensor of any axis order as a matrix [n, k]. An entry is
/// a stored value; those of output i are [offsets[i], offsets[i + 1]), with
/// increasing k.
struct SparseMatrix {
  SparseAttr encoding;
  int64_t n, k;
  std::vector<int64_t> offsets;
  /// Of each entry: its k, and its number among the stored values.
  std::vector<int32_t> inputs, slots;
  /// The stored values as numbers, f32.
  HostTensor values;
  /// What they are stored as: f32, f16, bf16 or i8. With `scales`, one per
  /// output, a value is code * scale.
  mlir::Type storedType;
  HostTensor stored;
  std::vector<float> scales;
  /// Words of four i8 that an entry has; 0 for a single value. See
  /// `packWords`, after which k counts these.
  int64_t words = 0;

  int64_t getNumEntries() const { return inputs.size(); }
  double getDensity() const {
    return double(getNumEntries()) / (double(n) * double(k));
  }
};

/// Sees the result of `op`, whose axis i runs over loop `map(i)`, as a matrix
/// with the loops of n and of k each in row-major order. Nothing when it is not
/// sparse or holds nothing. `extents` are those of the loops.
std::optional<SparseMatrix> getSparseMatrix(ConstantOp op, mlir::AffineMap map,
                                            llvm::ArrayRef<unsigned> n,
                                            llvm::ArrayRef<unsigned> k,
                                            llvm::ArrayRef<int64_t> extents);

/// 8-bit codes as a matrix of all codes, zero where none is stored, with a
/// scale per output.
WeightMatrix getAllCodes(const SparseMatrix &matrix);
/// The same of an n:m pattern.
std::optional<WeightMatrix> getCodesOfPattern(ConstantOp op,
                                              mlir::AffineMap map,
                                              llvm::ArrayRef<unsigned> n,
                                              llvm::ArrayRef<unsigned> k,
                                              llvm::ArrayRef<int64_t> extents);

/// Joins codes to entries of `words` words, each of four consecutive k: zero
/// where no value is stored.
SparseMatrix packWords(const SparseMatrix &weight, int64_t words);

/// How entries lie in the packed form. The matrix is cut into ranges of
/// `range` outputs and, within, blocks of `block` inputs; all of a block is
/// used before the next one. In a block the outputs are sorted by their number
/// of entries and taken `height` at a time: a slice. It has as many steps as
/// its first output has entries; a step is one entry of each output, zero where
/// an output has no more. Slices without entries are left out. So the loop over
/// the steps of neighbouring slices runs equally often, which a processor
/// predicts, and little is padded.
struct SliceLayout {
  int64_t n, k;
  int64_t height, range, block;
  /// Bits of an input's number in its block: 8 or 16.
  unsigned indexWidth;
  /// f32, f16, the bits of bf16 (i16), or i8.
  mlir::Type valueType;
  /// As in SparseMatrix. A step is then [words, height, 4].
  int64_t words;
  /// Whether there is a scale per output.
  bool hasScales;
  /// Steps of the longest slice.
  int64_t maxSteps;

  int64_t getRanges() const { return llvm::divideCeil(n, range); }
  int64_t getBlocks() const { return llvm::divideCeil(k, block); }
  /// Outputs with padding.
  int64_t getPaddedN() const { return llvm::alignTo(n, height); }
};

/// The packed form, in the order of the kernels' operands.
struct PackedSlices {
  SliceLayout layout;
  /// [steps, height]
  HostTensor values, indices;
  /// Numbers of outputs within their range, i16 [slices, height].
  HostTensor outputs;
  /// The first step of each slice, and the first slice of each block of each
  /// range, each with the end; i32.
  HostTensor steps, slices;
  /// f32 [padded n], or empty.
  HostTensor scales;

  int64_t getByteSize() const;
};

/// Outputs that are sorted together, and the unit of work of one thread.
inline constexpr int64_t kMaxRange = 512;

/// Packs for kernels that hold the activations of `blockInputs` inputs near. A
/// block is longer where so few entries would not pay. Ranges are rounded up to
/// whole slices.
PackedSlices packSlices(const SparseMatrix &weight, const KernelISA &isa,
                        int64_t blockInputs, int64_t rangeOutputs = kMaxRange);

//===--- Outputs that share their inputs ----------------------------------===//

/// Outputs and inputs of a tile of codes.
inline constexpr int64_t kGroupOutputs = 16, kGroupInputs = 64;

/// 8-bit codes of groups of `kGroupOutputs` neighbouring outputs, for the
/// inputs that any of a group has: blocks along the outputs need no more. The
/// inputs are taken `kGroupInputs` at a time, a tile; what is missing to a
/// whole number is zero.
struct PackedGroups {
  int64_t n, k;
  /// i8 [tile, output, input], and the inputs, i16 [tile, input], with a tile
  /// more that kernels may read.
  HostTensor values, indices;
  /// The first tile of each group, with the end; i32.
  HostTensor tiles;

  int64_t getByteSize() const;
};
/// `weight` has i8 codes and at most 65536 inputs.
PackedGroups packGroups(const SparseMatrix &weight);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_SPARSEPACKING_H

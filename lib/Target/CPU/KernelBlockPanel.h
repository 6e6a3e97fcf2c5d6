//===- KernelBlockPanel.h - Codes and scales of a panel ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the kernels of KernelBlockDot.h do to one panel of weights, whatever
// multiplies: widen codes to bytes, and add scaled integer sums in f32.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELBLOCKPANEL_H
#define COMPRESS_LIB_TARGET_CPU_KERNELBLOCKPANEL_H

#include "KernelBlockDot.h"

namespace compress::cpu {

/// k of a widened part of a panel, unless a block is longer.
inline constexpr int64_t kPartExtent = 256;
/// Rows that share a widened part.
inline constexpr int64_t kSharingRows = 192;

/// What widening does to codes on the way, so that integer sums need no
/// correction by a constant zero point: a code c becomes factor c - shift.
struct CodeShift {
  int64_t factor = 1, shift = 0;
  /// Whether what comes out is signed.
  bool isSigned = false;
  /// Whether there is no such correction.
  bool isFolded = false;

  /// Codes as they are stored.
  static CodeShift none(const BlockDotGEMM &gemm);
  /// Without the constant, where bytes hold that.
  static CodeShift fold(const BlockDotGEMM &gemm);
};

/// Code for one panel.
class BlockPanel {
public:
  BlockPanel(KernelBuilder &k, const BlockDotGEMM &gemm, const Panels &panels,
             Value panel, unsigned panelVectors, int64_t validColumns,
             CodeShift shift, int64_t stepMultiple = 1);

  /// Widens the codes of the blocks of [k0, k0 + extent) to `buffer`
  /// [block, step, column, 4], and takes their sums [block, column] if there
  /// is a memref for them.
  void emitWiden(Value firstBlock, int64_t extent, unsigned vectors,
                 Value buffer, Value codeSums);
  /// Bytes of a widened block.
  int64_t getWidenedBytes() const { return widenedSteps * width * 4; }

protected:
  mlir::VectorType bytes() { return k.vector(4 * lanes, k.i8()); }

  using BlockBody = llvm::function_ref<mlir::SmallVector<Value>(
      Value i, Value block, int64_t length, ValueRange carried)>;
  /// Blocks number `i` from `firstBlock` that cover `extent`.
  mlir::SmallVector<Value> forEachBlock(Value firstBlock, int64_t extent,
                                        ValueRange carried, BlockBody body);

  using StepBody = llvm::function_ref<mlir::SmallVector<Value>(
      Value step, llvm::ArrayRef<Value> codes, ValueRange carried)>;
  /// The steps of a block with codes widened in registers.
  mlir::SmallVector<Value> forEachPackedStep(Value block, int64_t length,
                                             unsigned first, unsigned vectors,
                                             ValueRange carried, StepBody body);
  /// Adds the codes of a step to their sums, if these are taken.
  mlir::SmallVector<Value> addCodes(llvm::ArrayRef<Value> codes,
                                    ValueRange sums);

  //===--- Scales ---------------------------------------------------------===//
  /// What a tile needs to know of one row: the offsets of its first code, block
  /// sum and scale.
  struct Row {
    Value number, codes, sums, groups;
  };
  Row getRow(Value number);
  /// Whether the scales of activations change along a row.
  bool hasRowGroups() const { return getGroups() > 1; }
  int64_t getGroups() const {
    return llvm::divideCeil(gemm.k, gemm.activationGroup);
  }
  /// What one vector of columns needs for a block: vectors, null where nothing
  /// is to be subtracted.
  struct Columns {
    Value scale, zero, codeSum;
  };
  /// `vector` of the panel may be a value; `codeSum` are i32 sums or null.
  Columns loadColumns(Value block, Value vector, Value codeSum);
  /// `sum` plus the scaled products of a block.
  Value addBlock(Value dots, const Columns &columns, const Row &row,
                 Value block, Value sum);

  //===--- Results --------------------------------------------------------===//
  Value columnOf(unsigned v) { return k.add(column, v * lanes); }
  /// The mask of vector `v` of the panel, null when all of it counts.
  Value maskOf(unsigned v);
  Value load(Value memref, ValueRange at, unsigned v);
  void store(Value value, Value row, unsigned v);

  KernelBuilder &k;
  const BlockDotGEMM &gemm;
  const KernelISA &isa;
  CodePlanes planes;
  CodeShift shift;
  /// Lanes of a vector, columns of the panel, and those that are stored.
  int64_t lanes, width, validColumns;
  /// Units of a block.
  int64_t units;
  /// Steps of a widened block.
  int64_t widenedSteps;
  Value column, packedBase, packed, scales, zeros, bias, out;
  mlir::VectorType word;
  /// Whether corrections are exact in f32.
  bool narrow;

private:
  Value applyShift(Value codes);
  Value expandPair(Value at, unsigned vector, unsigned s);
  Value widenPlanes(llvm::ArrayRef<Value> words, unsigned s);
  Value widenPair(llvm::ArrayRef<Value> words, unsigned s);
};

/// The kernel for many rows with tile registers.
void emitBlockTiles(KernelBuilder &k, const BlockDotGEMM &gemm,
                    const Panels &panels, Value isSmall);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELBLOCKPANEL_H

//===- MatrixInstruction.h - Which lane holds what --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Instructions by which the lanes of a warp multiply small matrices together,
//
//   c[m, n] += sum over k of a[m, k] b[n, k],
//
// as data: which elements the registers of a lane hold. Kernels take positions
// from here, and tests compare it with the vendors' manuals.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_GPU_MATRIXINSTRUCTION_H
#define COMPRESS_TARGET_GPU_MATRIXINSTRUCTION_H

#include "mlir/IR/Builders.h"
#include <functional>

namespace compress {

/// Where the registers of a lane lie in a matrix: register r holds what starts
/// at row
///   rowOfQuotient * (lane / split) + rowOfRemainder * (lane % split) + rows[r]
/// and at the column that the same says of columns.
struct FragmentLayout {
  int64_t split = 1;
  int64_t rowOfQuotient = 0, rowOfRemainder = 0;
  int64_t columnOfQuotient = 0, columnOfRemainder = 0;
  llvm::SmallVector<int64_t, 4> rows, columns;

  int64_t getRow(int64_t lane, unsigned r) const {
    return rowOfQuotient * (lane / split) + rowOfRemainder * (lane % split) +
           rows[r];
  }
  int64_t getColumn(int64_t lane, unsigned r) const {
    return columnOfQuotient * (lane / split) +
           columnOfRemainder * (lane % split) + columns[r];
  }
};

struct MatrixInstruction {
  enum class Element { BF16, F16, I8 };
  Element element;
  int64_t m, n, k, lanes;
  /// Registers of a and b are 32-bit words of consecutive k, columns; rows are
  /// those of m and n. Registers of c, f32 or i32, have rows m and columns n.
  FragmentLayout a, b, c;
  /// Whether of each four consecutive k of a row of a two are stored, so that
  /// the columns of a are those stored. A last word of a says which, as PTX
  /// does: four bits for each four of k, the lower two the first position.
  ///  - 16 bits an element: of row lane / 4 in the lower half of the word, of
  ///    eight rows later in the upper one; of the first 16 of k in lanes 4 i,
  ///    of the others in lanes 4 i + 1.
  ///  - 8 bits: of one row and 32 of k. Lanes 4 i and 4 i + 1 have the first
  ///    32, of row i and of eight rows later; the next two lanes the others.
  ///    No device has confirmed this yet.
  bool isSparse = false;
  /// The instruction itself; null to compute the same step by step.
  std::function<llvm::SmallVector<mlir::Value>(
      mlir::OpBuilder &, mlir::Location, mlir::ValueRange a, mlir::ValueRange b,
      mlir::ValueRange c)>
      emit;

  int64_t getPerWord() const { return element == Element::I8 ? 4 : 2; }
};

/// PTX `mma.sync.m16n8k16` of bf16 or f16 and `mma.sync.m16n8k32` of s8 (PTX
/// ISA, "Matrix Fragments for mma").
MatrixInstruction getPTXInstruction(MatrixInstruction::Element element);

/// PTX `mma.sp.m16n8k32` of bf16 or f16 and `mma.sp.m16n8k64` of s8, with
/// selector 0 ("Sparse matrix storage").
MatrixInstruction getPTXSparseInstruction(MatrixInstruction::Element element);

/// CDNA `v_mfma_*_16x16x*` (AMD Instinct ISA, "Matrix Arithmetic
/// Instructions"), each lane with `words` words of a and of b.
MatrixInstruction getMFMAInstruction(MatrixInstruction::Element element,
                                     int64_t words);

} // namespace compress

#endif // COMPRESS_TARGET_GPU_MATRIXINSTRUCTION_H

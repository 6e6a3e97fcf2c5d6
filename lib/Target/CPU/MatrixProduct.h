//===- MatrixProduct.h - Products with a weight on one side -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What claims of matrix products with constant weights share: which axes are
// rows, columns and sums, and constants of plain floats seen as a matrix.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_MATRIXPRODUCT_H
#define COMPRESS_LIB_TARGET_CPU_MATRIXPRODUCT_H

#include "KernelBuilder.h"
#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress::cpu {

/// A contraction seen as `out[m.., n..] += x[m.., k..] * w[n, k]`, the axes of
/// the weight in any order; loops by number.
struct MatrixAxes {
  Value activation, weight;
  mlir::AffineMap weightMap;
  llvm::SmallVector<unsigned> m, n, k;
};

/// Sees the left operand (`weightFirst`) or the right one as the weight;
/// nothing when the axes of the others are not in that order, or with batches.
std::optional<MatrixAxes> matchMatrixAxes(ContractOp op, bool weightFirst);

/// A constant of plain floats as w[n, k]: element `columns[n] + rows[k]` of
/// `values`, each in row-major order of its loops.
struct FloatMatrix {
  HostTensor values; // f32, f16 or bf16
  llvm::SmallVector<int64_t> columns, rows;

  int64_t getN() const { return columns.size(); }
  int64_t getK() const { return rows.size(); }
};

/// The contents of an `arith.constant` or a dense `compress.constant` of f32
/// values. Nothing for others, and for splats, which take no room as they are.
std::optional<HostTensor> getFloatConstant(Value value);
std::optional<FloatMatrix> getFloatMatrix(const MatrixAxes &axes,
                                          llvm::ArrayRef<int64_t> extents);

/// Offsets of all positions of a nest of loops in row-major order, each loop
/// with the offset of its every index.
llvm::SmallVector<int64_t>
enumerateOffsets(llvm::ArrayRef<llvm::SmallVector<int64_t>> loops);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_MATRIXPRODUCT_H

//===- SecondMoments.h - Products of inputs, and their factor ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_NUMERIC_SECONDMOMENTS_H
#define COMPRESS_NUMERIC_SECONDMOMENTS_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace compress {

/// X X^T [channels, channels] of samples X [channels, rows], row-major: sums,
/// no means. The same for any number of threads.
std::vector<double> getSecondMoments(llvm::ArrayRef<float> samples,
                                     int64_t channels, int64_t rows);

/// Replaces the lower triangle of a symmetric matrix [size, size] by its
/// Cholesky factor L, matrix = L L^T, and the upper one by zeros. False when
/// the matrix is not positive definite or has values that are not finite; it
/// is then of no use.
bool factorizeCholesky(llvm::MutableArrayRef<double> matrix, int64_t size);

} // namespace compress

#endif // COMPRESS_NUMERIC_SECONDMOMENTS_H

//===- ReferenceSums.h - What products and convolutions mean ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Contractions in double precision, that results of kernels are compared with.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_UNITTESTS_TARGET_CPU_REFERENCESUMS_H
#define COMPRESS_UNITTESTS_TARGET_CPU_REFERENCESUMS_H

#include "QuantizedKernelTestUtils.h"

namespace compress::test {

/// The elements of a result, and for each the sum of the absolute values of its
/// terms: what the errors of rounding are measured by.
struct ReferenceSums {
  std::vector<int64_t> shape;
  std::vector<double> values, magnitudes;

  /// Sums of nothing but what they start from: an element of `start` for each
  /// column, or channel (axis 1), or for each element.
  ReferenceSums(std::vector<int64_t> shape, Init init, const Array &start);
  /// Adds a tensor of the same shape.
  void add(const Array &term);
  /// Fails the test unless `found` is of this shape and nowhere off by more
  /// than `factor` times the magnitude.
  void expectNear(const Array &found, double factor,
                  llvm::StringRef what) const;
};

/// How many times the magnitude the error of a sum of k products is at most, as
/// kernels promise.
double getRoundingFactor(int64_t k);

/// x [m, k] by w, [n, k] if `transposed`, else [k, n].
ReferenceSums multiply(const Array &x, const Array &w, bool transposed,
                       Init init = Init::Zero, const Array &start = {});

/// Images [n, c, spatial...] with filters [f, c / g, kernel...] in g groups, to
/// [n, f, spatial...] of extents `out`; `low` is the padding before an image.
ReferenceSums convolve(const Array &images, const Array &filters,
                       llvm::ArrayRef<int64_t> strides,
                       llvm::ArrayRef<int64_t> dilations,
                       llvm::ArrayRef<int64_t> low, llvm::ArrayRef<int64_t> out,
                       Init init = Init::Zero, const Array &start = {});

} // namespace compress::test

#endif // COMPRESS_UNITTESTS_TARGET_CPU_REFERENCESUMS_H

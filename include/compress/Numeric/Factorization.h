//===- Factorization.h - Fitting the factors of an einsum -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Given a tensor and the equation of its factorization, finds the factors: low
// rank, singular values, Kronecker, Tucker, CP, tensor train and any other
// einsum by the same two steps.
//
// 1. Factors are split off one at a time by a truncated singular value
//    decomposition of the tensor's unfolding. For two factors this is optimal
//    (Eckart and Young; for Kronecker products, Van Loan and Pitsianis 1993),
//    for chains it is TT-SVD (Oseledets 2011), for Tucker the sequentially
//    truncated HOSVD (Vannieuwenhoven et al. 2012).
// 2. Where that is not optimal, alternating least squares: one factor at a
//    time is replaced by the best one, the others fixed (CP-ALS; for Tucker
//    the same fixed points as HOOI). The error never increases.
//
// Results are the same on every run and for any number of threads.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_NUMERIC_FACTORIZATION_H
#define COMPRESS_NUMERIC_FACTORIZATION_H

#include "compress/Numeric/Einsum.h"
#include <vector>

namespace compress {

struct FactorizationOptions {
  /// Sweeps of alternating least squares over all factors.
  unsigned maxSweeps = 100;
  /// Stop when a sweep lowers the squared error by less than this fraction.
  double tolerance = 1e-4;
  /// For forms without a closed initializer (CP): how many random starts are
  /// tried besides the one from singular vectors.
  unsigned restarts = 2;
  uint32_t seed = 0;
  /// Importance of each index of each dimension of the result, nonnegative:
  /// the error of an element counts by the product. Empty, or one vector per
  /// dimension, each empty or as long as the dimension. A dimension's weights
  /// are used if all its names occur in one factor only (the same one), and
  /// ignored otherwise.
  llvm::ArrayRef<std::vector<double>> importance;
};

struct Factorization {
  /// Row-major values of each factor.
  std::vector<std::vector<double>> factors;
  /// Squared Frobenius norm of the (unweighted) tensor, and of what the
  /// factors miss.
  double norm = 0, error = 0;
  /// The (weighted) squared error after each update of a factor in the run that
  /// was kept; empty for a closed form.
  std::vector<double> trace;
};

/// Fits the factors. `sizes` has the extent of every name; `tensor` is
/// row-major over the result's dimensions. Magnitudes are shared evenly
/// among factors (the square root of the singular values each, for two that
/// share one name);
/// a factor that has only one name, which others share, takes them all (the
/// singular values in `i j = i r, r, r j`). Entries along contracted names of
/// two or of tree-shaped factors are sorted by falling weight, so that
/// the first ones are a good factorization of lower rank.
///
/// Errors: a number of values that does not match, values not finite.
llvm::Expected<Factorization> fitFactors(const Einsum &einsum,
                                         llvm::ArrayRef<int64_t> sizes,
                                         llvm::ArrayRef<double> tensor,
                                         const FactorizationOptions &options);

/// Improves given factors by alternating least squares; those that `frozen`
/// names stay as they are. With one factor that may change the result is
/// optimal. Options as above, but for `restarts`. Errors as above.
llvm::Expected<Factorization> refineFactors(
    const Einsum &einsum, llvm::ArrayRef<int64_t> sizes,
    llvm::ArrayRef<double> tensor, std::vector<std::vector<double>> factors,
    const std::vector<bool> &frozen, const FactorizationOptions &options);

/// The tensor that factors stand for, row-major over the result's dimensions,
/// in double precision.
std::vector<double>
contractFactors(const Einsum &einsum, llvm::ArrayRef<int64_t> sizes,
                llvm::ArrayRef<std::vector<double>> factors);

/// A truncated singular value decomposition of a row-major `rows` x `cols`
/// matrix: `left` is rows x rank and `right` rank x cols, both with orthonormal
/// vectors and padded with zeros where rank exceeds min(rows, cols). The
/// largest entry of each left vector is positive.
struct SingularValues {
  std::vector<double> left, values, right;
};
/// Exact (Eigen's divide and conquer) for small matrices and large ranks; else
/// randomized subspace iteration (Halko, Martinsson and Tropp 2011), seeded,
/// until the captured energy settles. Values must be finite.
SingularValues truncatedSVD(llvm::ArrayRef<double> matrix, int64_t rows,
                            int64_t cols, int64_t rank, uint32_t seed = 0);

} // namespace compress

#endif // COMPRESS_NUMERIC_FACTORIZATION_H

//===- TruncatedSVD.cpp - Truncated singular value decomposition *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"
#include "compress/Numeric/Factorization.h"
#include <Eigen/QR>
#include <Eigen/SVD>

using namespace compress;
using namespace compress::numeric;

/// An orthonormal basis of the columns of `x`, which is tall.
static Matrix orthonormalize(const Matrix &x) {
  Eigen::HouseholderQR<Eigen::MatrixXd> qr(x);
  return qr.householderQ() * Eigen::MatrixXd::Identity(x.rows(), x.cols());
}

/// Halko, Martinsson and Tropp 2011, algorithm 4.4 with a stopping rule.
static void decomposeRandomized(ConstMatrixView a, int64_t rank, uint32_t seed,
                                Matrix &left, Eigen::VectorXd &values,
                                Matrix &right) {
  const int64_t width = rank + 10, maxIterations = 12;
  Random random(seed);
  Matrix sample(a.cols(), width);
  for (int64_t i = 0; i < sample.size(); ++i)
    sample.data()[i] = random.next();
  Matrix basis(a.rows(), width), projected(a.cols(), width);
  multiply(a, sample, basis);
  basis = orthonormalize(basis);
  double total = a.squaredNorm(), missed = total;
  for (int64_t iteration = 0;; ++iteration) {
    multiplyTransposed(a, basis, projected);
    double nowMissed = std::max(total - projected.squaredNorm(), 0.0);
    bool settled = nowMissed > 0.999 * missed || nowMissed <= 1e-14 * total;
    if (settled || iteration == maxIterations)
      break;
    missed = nowMissed;
    multiply(a, orthonormalize(projected), basis);
    basis = orthonormalize(basis);
  }
  // a is about basis * transpose(projected), and projected = q * r.
  Eigen::HouseholderQR<Eigen::MatrixXd> qr(projected);
  Eigen::MatrixXd q =
      qr.householderQ() * Eigen::MatrixXd::Identity(projected.rows(), width);
  Eigen::MatrixXd r =
      qr.matrixQR().topRows(width).triangularView<Eigen::Upper>();
  Eigen::BDCSVD<Eigen::MatrixXd> svd(r.transpose(),
                                     Eigen::ComputeThinU | Eigen::ComputeThinV);
  left.resize(a.rows(), rank);
  multiply(basis, Matrix(svd.matrixU().leftCols(rank)), left);
  values = svd.singularValues().head(rank);
  right = (q * svd.matrixV().leftCols(rank)).transpose();
}

SingularValues compress::truncatedSVD(llvm::ArrayRef<double> matrix,
                                      int64_t rows, int64_t cols, int64_t rank,
                                      uint32_t seed) {
  fixCacheSizes();
  ConstMatrixView a(matrix.data(), rows, cols);
  int64_t smaller = std::min(rows, cols), kept = std::min(rank, smaller);
  SingularValues result;
  result.left.assign(rows * rank, 0);
  result.values.assign(rank, 0);
  result.right.assign(rank * cols, 0);
  if (!kept)
    return result;
  Matrix left, right;
  Eigen::VectorXd values;
  if (smaller > 256 && rank + 10 < smaller * 3 / 4) {
    decomposeRandomized(a, rank, seed, left, values, right);
  } else {
    Eigen::BDCSVD<Eigen::MatrixXd> svd(a, Eigen::ComputeThinU |
                                              Eigen::ComputeThinV);
    left = svd.matrixU().leftCols(kept);
    values = svd.singularValues().head(kept);
    right = svd.matrixV().leftCols(kept).transpose();
  }
  MatrixView outLeft(result.left.data(), rows, rank);
  MatrixView outRight(result.right.data(), rank, cols);
  for (int64_t i = 0; i < kept; ++i) {
    Eigen::Index largest;
    left.col(i).cwiseAbs().maxCoeff(&largest);
    double sign = left(largest, i) < 0 ? -1 : 1;
    outLeft.col(i) = sign * left.col(i);
    outRight.row(i) = sign * right.row(i);
    result.values[i] = values[i];
  }
  return result;
}

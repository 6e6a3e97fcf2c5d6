//===- SecondMoments.cpp - Products of inputs, and their factor -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Numeric/SecondMoments.h"
#include "Contraction.h"
#include <Eigen/Cholesky>

using namespace compress;
using namespace compress::numeric;

std::vector<double> compress::getSecondMoments(llvm::ArrayRef<float> samples,
                                               int64_t channels, int64_t rows) {
  fixCacheSizes();
  using FloatView =
      Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic,
                                     Eigen::RowMajor>>;
  std::vector<double> moments(channels * channels, 0.0);
  if (channels == 0 || rows == 0)
    return moments;
  // Doubles of a few samples at a time: X may be large.
  constexpr int64_t part = 512;
  FloatView x(samples.data(), channels, rows);
  MatrixView sums(moments.data(), channels, channels);
  for (int64_t begin = 0; begin < rows; begin += part) {
    Eigen::MatrixXd some =
        x.middleCols(begin, std::min(part, rows - begin)).cast<double>();
    sums.selfadjointView<Eigen::Lower>().rankUpdate(some);
  }
  sums.triangularView<Eigen::StrictlyUpper>() = sums.transpose();
  return moments;
}

bool compress::factorizeCholesky(llvm::MutableArrayRef<double> matrix,
                                 int64_t size) {
  fixCacheSizes();
  MatrixView view(matrix.data(), size, size);
  Eigen::LLT<Eigen::Ref<Matrix>> factor(view);
  view.triangularView<Eigen::StrictlyUpper>().setZero();
  // A NaN compares as no failure.
  return factor.info() == Eigen::Success && view.allFinite();
}

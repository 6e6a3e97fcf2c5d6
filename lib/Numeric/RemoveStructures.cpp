//===- RemoveStructures.cpp - Inputs that a layer can do without *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Numeric/RemoveStructures.h"
#include "Contraction.h"
#include <Eigen/Cholesky>
#include <limits>

using namespace compress;
using namespace compress::numeric;

std::vector<int64_t>
compress::removeStructures(llvm::ArrayRef<double> hessian, int64_t inputs,
                           llvm::MutableArrayRef<double> weights,
                           int64_t structure, int64_t numKept, bool update) {
  fixCacheSizes();
  int64_t vectors = inputs ? int64_t(weights.size()) / inputs : 0;
  Eigen::LLT<Eigen::MatrixXd> factor(
      ConstMatrixView(hessian.data(), inputs, inputs));
  if (inputs == 0 || factor.info() != Eigen::Success)
    return {};
  // Of the inputs that are left; symmetric, so its columns are its rows.
  Eigen::MatrixXd inverse =
      factor.solve(Eigen::MatrixXd::Identity(inputs, inputs));
  MatrixView own(weights.data(), vectors, inputs);
  // What scores see: without an update, what a full one would cost later.
  Eigen::MatrixXd w = own;

  int64_t structures = inputs / structure;
  std::vector<bool> removed(structures, false);
  for (int64_t left = structures; left > numKept; --left) {
    int64_t best = -1;
    double least = std::numeric_limits<double>::infinity();
    for (int64_t s = 0; s < structures; ++s) {
      if (removed[s])
        continue;
      int64_t at = s * structure;
      double score;
      if (structure == 1) {
        score = w.col(at).squaredNorm() / inverse(at, at);
      } else {
        Eigen::MatrixXd part = inverse.block(at, at, structure, structure);
        auto columns = w.middleCols(at, structure);
        score = (columns.transpose().array() *
                 part.llt().solve(columns.transpose()).array())
                    .sum();
      }
      if (score < least || best < 0) {
        least = score;
        best = s;
      }
    }
    int64_t at = best * structure;
    removed[best] = true;
    Eigen::MatrixXd part = inverse.block(at, at, structure, structure);
    Eigen::MatrixXd rows = inverse.middleRows(at, structure);
    Eigen::MatrixXd solved = part.llt().solve(rows);
    w.noalias() -= (w.middleCols(at, structure) * solved).eval();
    w.middleCols(at, structure).setZero();
    inverse.noalias() -= rows.transpose() * solved;
    // Exactly nothing is left of it.
    inverse.middleRows(at, structure).setZero();
    inverse.middleCols(at, structure).setZero();
  }
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < inputs; ++i) {
    bool gone = removed[i / structure];
    if (!gone)
      kept.push_back(i);
    if (update)
      own.col(i) = w.col(i);
    else if (gone)
      own.col(i).setZero();
  }
  return kept;
}

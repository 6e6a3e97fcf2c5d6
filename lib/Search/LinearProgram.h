//===- LinearProgram.h - Normal forms for COIN-OR's solvers -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_SEARCH_LINEARPROGRAM_H
#define COMPRESS_LIB_SEARCH_LINEARPROGRAM_H

#include "compress/Search/Search.h"

namespace compress {

/// A column in [0, 1] for each option of each variable, in their order; a row
/// that a variable takes one option, then a row for each limit, then one for
/// each cut. Scaled to what the solvers' absolute tolerances expect. The matrix
/// is stored by columns.
struct LinearProgram {
  /// `cuts` are options for all variables that may not be taken together.
  LinearProgram(const NormalForm &normal, double scale,
                llvm::ArrayRef<std::vector<unsigned>> cuts = {});

  int getNumRows() const { return rowLower.size(); }
  int getNumColumns() const { return objective.size(); }
  /// What a limit is divided by.
  static double getRowScale(double limit);

  std::vector<int> starts, rows;
  std::vector<double> values, objective, lower, upper, rowLower, rowUpper;
};

} // namespace compress

#endif // COMPRESS_LIB_SEARCH_LINEARPROGRAM_H

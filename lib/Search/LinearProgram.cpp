//===- LinearProgram.cpp - Normal forms for COIN-OR's solvers ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LinearProgram.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace compress;

double LinearProgram::getRowScale(double limit) {
  return limit == 0 ? 1 : std::fabs(limit);
}

LinearProgram::LinearProgram(const NormalForm &normal, double scale,
                             llvm::ArrayRef<std::vector<unsigned>> cuts) {
  size_t variables = normal.variables.size(), limits = normal.limits.size();
  starts.push_back(0);
  for (auto [v, variable] : llvm::enumerate(normal.variables)) {
    double least = variable.options.front().objective;
    for (auto [o, option] : llvm::enumerate(variable.options)) {
      auto add = [&](int row, double value) {
        rows.push_back(row);
        values.push_back(value);
      };
      add(v, 1);
      for (size_t k = 0; k < limits; ++k)
        if (option.uses[k] != 0)
          add(variables + k, option.uses[k] / getRowScale(normal.limits[k]));
      for (auto [c, cut] : llvm::enumerate(cuts))
        if (cut[v] == o)
          add(variables + limits + c, 1);
      starts.push_back(rows.size());
      objective.push_back((option.objective - least) * scale);
    }
  }
  lower.assign(objective.size(), 0);
  upper.assign(objective.size(), 1);
  constexpr double infinity = std::numeric_limits<double>::max();
  rowLower.assign(variables, 1);
  rowUpper.assign(variables, 1);
  for (double limit : normal.limits) {
    rowLower.push_back(-infinity);
    rowUpper.push_back(limit / getRowScale(limit));
  }
  for (size_t c = 0; c < cuts.size(); ++c) {
    rowLower.push_back(-infinity);
    rowUpper.push_back(double(variables) - 1);
  }
}

//===- Relaxation.cpp - Limits with a price ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Relaxation.h"
#include "LinearProgram.h"
#include "llvm/ADT/STLExtras.h"
#include <Clp_C_Interface.h>
#include <cmath>

using namespace compress;
using llvm::ArrayRef;

namespace {
class Dual {
public:
  explicit Dual(const NormalForm &normal) : normal(normal) {
    // The price at which a unit of a limit outweighs any objective.
    double span = 0;
    for (const Variable &variable : normal.variables)
      span += variable.options.back().objective -
              variable.options.front().objective;
    for (size_t k = 0; k < normal.limits.size(); ++k) {
      double step = std::numeric_limits<double>::infinity();
      for (const Variable &variable : normal.variables) {
        std::vector<double> uses;
        for (const Option &option : variable.options)
          uses.push_back(option.uses[k]);
        llvm::sort(uses);
        for (size_t i = 1; i < uses.size(); ++i)
          if (uses[i] > uses[i - 1])
            step = std::min(step, uses[i] - uses[i - 1]);
      }
      largest.push_back(std::isinf(step) ? 0 : 2 * span / step);
    }
  }

  Relaxation run();

private:
  /// The value of the dual at some prices; sets `options` and `excess`, which
  /// is a supergradient.
  double evaluate(ArrayRef<double> prices);
  void consider(std::vector<unsigned> candidate);
  /// Maximizes along one price.
  void searchAlong(size_t k, std::vector<double> &prices);
  void solveLinearProgram();

  const NormalForm &normal;
  std::vector<double> largest;
  std::vector<unsigned> options;
  std::vector<double> excess;
  Relaxation result;
  double bestObjective = std::numeric_limits<double>::infinity();
};
} // namespace

double Dual::evaluate(ArrayRef<double> prices) {
  options.clear();
  excess.clear();
  double value = 0;
  for (auto [price, limit] : llvm::zip_equal(prices, normal.limits)) {
    value -= price * limit;
    excess.push_back(-limit);
  }
  for (const Variable &variable : normal.variables) {
    double least = std::numeric_limits<double>::infinity();
    unsigned chosen = 0;
    for (auto [index, option] : llvm::enumerate(variable.options)) {
      double sum = option.objective;
      for (auto [price, use] : llvm::zip_equal(prices, option.uses))
        sum += price * use;
      if (sum < least) {
        least = sum;
        chosen = index;
      }
    }
    value += least;
    options.push_back(chosen);
    for (auto [sum, use] :
         llvm::zip_equal(excess, variable.options[chosen].uses))
      sum += use;
  }
  if (value > result.bound) {
    result.bound = value;
    result.prices.assign(prices.begin(), prices.end());
  }
  if (normal.isFeasible(options) &&
      normal.getObjective(options) < bestObjective)
    consider(options);
  return value;
}

void Dual::consider(std::vector<unsigned> candidate) {
  improve(normal, candidate);
  double objective = normal.getObjective(candidate);
  if (objective < bestObjective) {
    bestObjective = objective;
    result.best = std::move(candidate);
  }
}

/// The dual is concave: bisect on the sign of its slope.
void Dual::searchAlong(size_t k, std::vector<double> &prices) {
  double low = 0, high = largest[k];
  prices[k] = 0;
  double atZero = evaluate(prices);
  if (excess[k] <= 0)
    return;
  double bestPrice = 0, bestValue = atZero;
  for (int step = 0; step < 100 && low < high; ++step) {
    // Prices span many orders of magnitude.
    double middle = step < 40 && high > 4 * low && low > 0
                        ? std::sqrt(low * high)
                        : low + (high - low) / 2;
    if (middle <= low || middle >= high)
      break;
    prices[k] = middle;
    double value = evaluate(prices);
    if (value > bestValue) {
      bestValue = value;
      bestPrice = middle;
    }
    (excess[k] > 0 ? low : high) = middle;
  }
  prices[k] = bestPrice;
}

/// The best prices are the dual values of the linear program. Its solution
/// splits few variables, so that rounding it is nearly right; for rounded ones
/// that break a limit, the limits are tightened by a share.
void Dual::solveLinearProgram() {
  double span = 0;
  for (const Variable &variable : normal.variables)
    span +=
        variable.options.back().objective - variable.options.front().objective;
  double scale = span > 0 ? 1e4 / span : 1;
  LinearProgram program(normal, scale);
  Clp_Simplex *model = Clp_newModel();
  Clp_setLogLevel(model, 0);
  Clp_loadProblem(model, program.getNumColumns(), program.getNumRows(),
                  program.starts.data(), program.rows.data(),
                  program.values.data(), program.lower.data(),
                  program.upper.data(), program.objective.data(),
                  program.rowLower.data(), program.rowUpper.data());
  Clp_setPrimalTolerance(model, 1e-9);
  Clp_setDualTolerance(model, 1e-9);
  std::vector<double> prices(normal.limits.size(), 0);
  for (double share : {0.0, 1e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05}) {
    for (size_t k = 0; k < prices.size(); ++k) {
      double limit = program.rowUpper[normal.variables.size() + k];
      Clp_rowUpper(model)[normal.variables.size() + k] =
          limit - share * std::fabs(limit);
    }
    if (share == 0)
      Clp_initialSolve(model);
    else
      Clp_dual(model, 0);
    if (Clp_status(model) != 0)
      break;
    const double *duals = Clp_dualRowSolution(model) + normal.variables.size();
    for (size_t k = 0; k < prices.size(); ++k)
      prices[k] =
          std::max(0.0, -duals[k] / scale /
                            LinearProgram::getRowScale(normal.limits[k]));
    evaluate(prices);
    std::vector<unsigned> rounded;
    const double *solution = Clp_primalColumnSolution(model);
    for (const Variable &variable : normal.variables) {
      const double *end = solution + variable.options.size();
      rounded.push_back(std::max_element(solution, end) - solution);
      solution = end;
    }
    if (normal.isFeasible(rounded))
      consider(std::move(rounded));
  }
  Clp_deleteModel(model);
}

Relaxation Dual::run() {
  std::vector<double> prices(normal.limits.size(), 0);
  evaluate(prices);
  if (normal.limits.size() == 1)
    searchAlong(0, prices);
  else if (normal.limits.size() > 1)
    solveLinearProgram();
  // Higher prices until something fits.
  prices = result.prices;
  for (auto [price, most] : llvm::zip_equal(prices, largest))
    price = std::max(price, most * 1e-9);
  for (int step = 0; step < 60 && !result.best && !prices.empty(); ++step) {
    evaluate(prices);
    for (double &price : prices)
      price *= 2;
  }
  return std::move(result);
}

Relaxation compress::relax(const NormalForm &normal) {
  return Dual(normal).run();
}

void compress::improve(const NormalForm &normal,
                       std::vector<unsigned> &options) {
  std::vector<double> left = normal.limits;
  for (auto [variable, option] : llvm::zip_equal(normal.variables, options))
    for (auto [rest, use] :
         llvm::zip_equal(left, variable.options[option].uses))
      rest -= use;
  while (true) {
    double bestGain = 0;
    std::optional<std::pair<unsigned, unsigned>> best;
    for (auto [v, variable] : llvm::enumerate(normal.variables)) {
      const Option &now = variable.options[options[v]];
      // Options are sorted by objective.
      for (unsigned o = 0; o < options[v]; ++o) {
        const Option &next = variable.options[o];
        double objective = now.objective - next.objective, use = 0;
        bool fits = objective > 0;
        for (auto [rest, before, after, limit] :
             llvm::zip_equal(left, now.uses, next.uses, normal.limits)) {
          fits &= after - before <= rest;
          use += std::max(0.0, after - before) /
                 std::max(std::fabs(limit), 1e-300);
        }
        double gain =
            use > 0 ? objective / use : std::numeric_limits<double>::infinity();
        if (fits && gain > bestGain) {
          bestGain = gain;
          best = {v, o};
        }
      }
    }
    if (!best)
      return;
    auto [v, o] = *best;
    const Variable &variable = normal.variables[v];
    for (auto [rest, before, after] : llvm::zip_equal(
             left, variable.options[options[v]].uses, variable.options[o].uses))
      rest -= after - before;
    options[v] = o;
  }
}

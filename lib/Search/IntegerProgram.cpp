//===- IntegerProgram.cpp - The search `ilp` --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Binary columns for the options (LinearProgram.h), solved by CBC, COIN-OR's
// branch and cut.
//
//===----------------------------------------------------------------------===//

#include "LinearProgram.h"
#include "Relaxation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <Cbc_C_Interface.h>
#include <mutex>

using namespace compress;
using llvm::StringRef;
using llvm::Twine;

namespace {

class IntegerProgramSearch : public Search {
public:
  StringRef getName() const override { return "ilp"; }
  StringRef getSummary() const override {
    return "the best, by integer programming (CBC)";
  }
  bool isExact() const override { return true; }

protected:
  llvm::Expected<std::optional<Assignment>>
  find(const Problem &problem, const NormalForm &normal,
       const SolveOptions &options) const override;
};

using Options = std::vector<unsigned>;

/// One run of the solver; `cuts` are assignments that rounding let through
/// though they break a limit. Nothing when infeasible.
llvm::Expected<std::optional<Options>> runSolver(const NormalForm &normal,
                                                 double scale,
                                                 llvm::ArrayRef<Options> cuts) {
  LinearProgram program(normal, scale, cuts);
  Cbc_Model *model = Cbc_newModel();
  Cbc_loadProblem(model, program.getNumColumns(), program.getNumRows(),
                  program.starts.data(), program.rows.data(),
                  program.values.data(), program.lower.data(),
                  program.upper.data(), program.objective.data(),
                  program.rowLower.data(), program.rowUpper.data());
  for (int i = 0; i < program.getNumColumns(); ++i)
    Cbc_setInteger(model, i);
  Cbc_setLogLevel(model, 0);
  // Exact as far as floating point goes. By default the solver takes a solution
  // that is 1e-5 worse for as good.
  for (auto [name, value] :
       {std::pair("log", "0"), std::pair("primalTolerance", "1e-9"),
        std::pair("dualTolerance", "1e-9"), std::pair("integerT", "1e-9"),
        std::pair("allowableGap", "0"), std::pair("ratioGap", "0"),
        std::pair("increment", "1e-9")})
    Cbc_setParameter(model, name, value);
  Cbc_solve(model);
  std::optional<Options> found;
  bool proven = Cbc_isProvenOptimal(model);
  bool infeasible = Cbc_isProvenInfeasible(model);
  if (proven) {
    const double *solution = Cbc_getColSolution(model);
    found.emplace();
    for (const Variable &variable : normal.variables) {
      const double *end = solution + variable.options.size();
      found->push_back(std::max_element(solution, end) - solution);
      solution = end;
    }
  }
  Cbc_deleteModel(model);
  if (!proven && !infeasible)
    return llvm::createStringError("ilp: the solver stopped early");
  return found;
}

} // namespace

llvm::Expected<std::optional<Assignment>>
IntegerProgramSearch::find(const Problem &problem, const NormalForm &normal,
                           const SolveOptions &) const {
  if (normal.variables.empty())
    return normal.getAssignment(problem, {});
  // What the objectives differ by at most becomes 1e4: the solver's tolerances
  // are absolute. The best that a relaxation finds is a better scale than the
  // worst level.
  double span = 0, floor = 0;
  for (const Variable &variable : normal.variables) {
    floor += variable.options.front().objective;
    span +=
        variable.options.back().objective - variable.options.front().objective;
  }
  Relaxation relaxation = relax(normal);
  if (relaxation.best) {
    double best = normal.getObjective(*relaxation.best) - floor;
    if (best > 0)
      span = best;
  }
  double scale = span > 0 ? 1e4 / span : 1;

  // The solver keeps state between runs.
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<Options> cuts;
  constexpr size_t maxCuts = 100;
  while (cuts.size() < maxCuts) {
    auto found = runSolver(normal, scale, cuts);
    if (!found)
      return found.takeError();
    if (!*found)
      return std::nullopt;
    if (!normal.isFeasible(**found)) {
      cuts.push_back(std::move(**found));
      continue;
    }
    Assignment assignment = normal.getAssignment(problem, **found);
    assignment.bound = assignment.get(problem.objective);
    return assignment;
  }
  return llvm::createStringError("ilp: the solver breaks the limits");
}

std::unique_ptr<Search> compress::createIntegerProgramSearch() {
  return std::make_unique<IntegerProgramSearch>();
}

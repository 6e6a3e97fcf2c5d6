//===- Lagrange.cpp - The search `lagrange` ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Relaxation.h"

using namespace compress;
using llvm::StringRef;

namespace {
class LagrangeSearch : public Search {
public:
  StringRef getName() const override { return "lagrange"; }
  StringRef getSummary() const override {
    return "a price for each limit; nearly the best, with a bound";
  }

protected:
  llvm::Expected<std::optional<Assignment>>
  find(const Problem &problem, const NormalForm &normal,
       const SolveOptions &) const override {
    Relaxation relaxation = relax(normal);
    if (!relaxation.best)
      return std::nullopt;
    Assignment assignment = normal.getAssignment(problem, *relaxation.best);
    // Rounding must not prove more than is true.
    assignment.bound =
        std::min(relaxation.bound, assignment.get(problem.objective));
    return assignment;
  }
};
} // namespace

std::unique_ptr<Search> compress::createLagrangeSearch() {
  return std::make_unique<LagrangeSearch>();
}

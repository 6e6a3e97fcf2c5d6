//===- PlanCosts.h - What plans cost besides bytes --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_PLANCOSTS_H
#define COMPRESS_LIB_PIPELINES_PLANCOSTS_H

#include "ChoosePlan.h"

namespace compress {

/// Adds the costs "flops", "bops" and "joules" with the limits on them, where
/// the request has one or minimizes one.
llvm::Error addWorkCosts(const PlanRequest &request, const PlanSubject &subject,
                         Problem &problem);

/// Bytes of all sites that the limits on the size and on bits per weight allow;
/// nothing without such a limit.
llvm::Expected<std::optional<uint64_t>>
getSiteBudget(const PlanRequest &request, const PlanSubject &subject);

/// Adds the cost "memory": what a plan takes while it runs is known when it has
/// run, so its limit is one on the bytes of the sites, corrected by what was
/// too much until it is kept. `solve` finds a plan within the limits of a
/// problem. Errors: what is the least that was found.
llvm::Expected<Assignment> solveWithinMemory(
    const PlanRequest &request, const PlanSubject &subject, Problem &problem,
    llvm::function_ref<llvm::Expected<Assignment>(Problem &)> solve,
    std::vector<std::string> &notes);

/// One level wherever it may be, else the first that may be, such as f32;
/// within the limits.
std::optional<Assignment> makeUniform(const Problem &problem, size_t level);

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_PLANCOSTS_H

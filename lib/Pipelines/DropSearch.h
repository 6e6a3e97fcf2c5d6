//===- DropSearch.h - Limits on what the model loses ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_DROPSEARCH_H
#define COMPRESS_LIB_PIPELINES_DROPSEARCH_H

#include "ChoosePlan.h"

namespace compress {

/// The plan of least cost (`request.objective`) whose measured drop is at most
/// `request.maxDrop`, by bisection over limits on the cost. `notes` gets how
/// many plans were measured. Errors: the drop of the most faithful plan.
llvm::Expected<Assignment> solveWithinDrop(const PlanRequest &request,
                                           const PlanSubject &subject,
                                           Problem table,
                                           std::vector<std::string> &notes);

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_DROPSEARCH_H

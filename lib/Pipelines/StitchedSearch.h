//===- StitchedSearch.h - What runs of the model tell a search --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_STITCHEDSEARCH_H
#define COMPRESS_LIB_PIPELINES_STITCHEDSEARCH_H

#include "ChoosePlan.h"

namespace compress {

/// Multiplies the errors of each site by what an error there does to the
/// outputs: the site alone is run at a level with an error of about 1 %, or, if
/// asked for, at each level. After that, sums of errors predict the squared
/// relative output error. Sites are divided among the subject's processes.
llvm::Error weighErrors(const PlanRequest &request, const PlanSubject &subject,
                        Problem &problem, StitchedModel &model);

/// Looks for plans that are better than `seed` when they are run
/// (`request.refine` generations); never returns a worse one.
llvm::Expected<Assignment> refine(const PlanRequest &request,
                                  const PlanSubject &subject,
                                  const Problem &problem,
                                  const Assignment &seed, StitchedModel &model,
                                  std::vector<std::string> &notes);

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_STITCHEDSEARCH_H

//===- RemovalCredit.h - Bytes that shrink with a removal -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_REMOVALCREDIT_H
#define COMPRESS_LIB_PIPELINES_REMOVALCREDIT_H

#include "ChoosePlan.h"

namespace compress {

/// The same problem, where removing inputs at a site also saves what becomes of
/// the weights and biases that compute these inputs: at least so many bytes as
/// whatever levels these weights take. The bytes that always go with a removal
/// are counted at the site that removes, so a row of the result does not say
/// what one weight takes, but totals are no smaller than what is stored.
/// Levels of other weights that would keep them from shrinking are excluded.
/// Nothing where nothing is saved.
std::optional<Problem> creditRemovals(const PlanSubject &subject,
                                      llvm::ArrayRef<Level> levels,
                                      const Problem &problem);

/// Sets the sizes of a plan's entries to what each weight takes, as `problem`
/// (without credits) says.
void restoreSizes(Plan &plan, const PlanSubject &subject,
                  const Problem &problem);

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_REMOVALCREDIT_H

//===- LatencySearch.h - Limits on the time ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_LATENCYSEARCH_H
#define COMPRESS_LIB_PIPELINES_LATENCYSEARCH_H

#include "ChoosePlan.h"
#include <map>

namespace compress {

/// Keeps a limit on the time of the whole model. Sites are timed alone, which
/// leaves out what they share (caches, fused operations), so what is found is
/// timed as a whole and the limit on the sum corrected until it is kept.
class LatencySearch {
public:
  LatencySearch(const PlanRequest &request, const PlanSubject &subject,
                std::vector<std::string> &notes)
      : request(request), subject(subject), notes(notes) {}

  /// Adds the cost "seconds" and its limit.
  llvm::Error addSeconds(Problem &problem);
  /// Another limit for `run`.
  double setLimit(const LatencyLimit &latency) {
    return limit = latency.getSeconds(whole);
  }
  /// Corrects the limit of `problem`, which is that of the answer at the end.
  llvm::Expected<Assignment> run(Problem &problem);
  /// The same where `solve` keeps another limit that is measured, too: what it
  /// cannot find within the time is an error.
  llvm::Expected<Assignment>
  run(Problem &problem,
      llvm::function_ref<llvm::Expected<Assignment>(const Problem &)> solve);

private:
  /// Seconds of all that computes inputs of a site for it alone, and shrinks
  /// with levels that remove some. Counted with this site: float without a
  /// removal; whatever else makes it faster is counted where its weights are.
  llvm::Expected<double> getShrinkable(const Site &site, const SiteChoices &row,
                                       double asFloat);
  /// The time of a level that removes inputs; `whole`: of the site and what
  /// shrinks, as floats. False where nothing else shrinks; a level that may be
  /// left out is then excluded.
  llvm::Expected<bool> timeRemoval(const Site &site, const Level &level,
                                   const SiteChoices &row, double whole,
                                   Choice &choice);
  /// Whether the plan keeps the limit when it is timed.
  llvm::Expected<bool> check(const Problem &problem, const Assignment &found);
  llvm::Error getInfeasible() const;
  llvm::Expected<double> time(const Problem &problem,
                              const Assignment &assignment);

  const PlanRequest &request;
  const PlanSubject &subject;
  std::vector<std::string> &notes;
  Quantity seconds = 0;
  /// The limit, the time of the float model, and of what is no site.
  double limit = 0, whole = 0, rest = 0;
  std::map<std::vector<unsigned>, double> timed;
  /// The least time of what was checked.
  double best = std::numeric_limits<double>::infinity();
};

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_LATENCYSEARCH_H

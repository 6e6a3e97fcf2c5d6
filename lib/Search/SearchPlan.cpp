//===- SearchPlan.cpp - The pass compress-search ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/LevelTable.h"
#include "compress/Search/Passes.h"
#include "llvm/ADT/StringExtras.h"

namespace compress {
#define GEN_PASS_DEF_SEARCHPLAN
#include "compress/Search/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

namespace {
struct SearchPlan : compress::impl::SearchPlanBase<SearchPlan> {
  using SearchPlanBase::SearchPlanBase;

  llvm::Error run() {
    auto chosenSearch = lookupSearch(search);
    if (!chosenSearch)
      return chosenSearch.takeError();
    auto parsed = parseLevels(levels.empty() ? "f32,int8,int4-g32"
                                             : llvm::join(levels, ","));
    if (!parsed)
      return parsed.takeError();
    Budget budget;
    if (budgetBytes < -1)
      return llvm::createStringError("budget-bytes is a number of bytes or -1");
    if (budgetBytes >= 0)
      budget.bytes = budgetBytes;

    SiteOptions options;
    options.maxSmallElements = minElements - 1;
    SiteList list = findSites(getOperation(), options);
    auto table = buildLevelTable(list.sites, *parsed);
    if (!table)
      return table.takeError();
    auto assignment = (*chosenSearch)->solve(*table, budget);
    if (!assignment)
      return assignment.takeError();
    Plan plan = makePlan(list.sites, *table, *assignment);
    if (!planOut.empty())
      if (llvm::Error error = plan.save(planOut))
        return error;
    plan.toAttributes(list.sites);
    numSites += list.sites.size();
    numBytesBefore += list.getBytes();
    numBytesAfter += assignment->bytes;
    return llvm::Error::success();
  }

  void runOnOperation() override {
    if (llvm::Error error = run()) {
      getOperation().emitError() << llvm::toString(std::move(error));
      signalPassFailure();
    }
  }
};
} // namespace

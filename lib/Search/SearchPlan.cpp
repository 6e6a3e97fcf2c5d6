//===- SearchPlan.cpp - The pass compress-search ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/LevelTable.h"
#include "compress/Search/Passes.h"
#include "compress/Search/SharedOperands.h"
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
    if (budgetBytes < -1)
      return llvm::createStringError("budget-bytes is a number of bytes or -1");
    std::vector<SiteRule> siteRules;
    for (const std::string &text : rules) {
      auto rule = SiteRule::parse(text);
      if (!rule)
        return rule.takeError();
      siteRules.push_back(std::move(*rule));
    }

    SiteOptions options;
    options.maxSmallElements = minElements - 1;
    SiteList list = findSites(getOperation(), options);
    addExactLevels(*parsed, list.sites);
    auto table = buildLevelTable(list.sites, *parsed);
    if (!table)
      return table.takeError();
    if (llvm::Error error = table->apply(siteRules))
      return error;
    for (const std::string &pattern : same)
      if (llvm::Error error = table->couple(pattern))
        return error;
    std::vector<std::string> notes;
    if (llvm::Error error = coupleSharedOperands(*table, list.sites, *parsed,
                                                 {siblings, siteRules}, notes))
      return error;
    for (const std::string &note : notes)
      getOperation().emitRemark() << note;
    Quantity bytes = *table->lookupCost("bytes");
    if (budgetBytes >= 0)
      table->setLimit(bytes, double(budgetBytes));
    SolveOptions solveOptions;
    solveOptions.seed = seed;
    auto assignment = (*chosenSearch)->solve(*table, solveOptions);
    if (!assignment)
      return assignment.takeError();
    Plan plan = makePlan(list.sites, *table, *assignment);
    if (!planOut.empty())
      if (llvm::Error error = plan.save(planOut))
        return error;
    plan.toAttributes(list.sites);
    numSites += list.sites.size();
    numBytesBefore += list.getBytes();
    numBytesAfter += uint64_t(assignment->get(bytes));
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

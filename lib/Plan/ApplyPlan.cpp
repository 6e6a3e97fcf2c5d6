//===- ApplyPlan.cpp - The pass compress-apply-plan -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Plan/Apply.h"
#include "compress/Plan/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace compress {
#define GEN_PASS_DEF_APPLYPLAN
#include "compress/Plan/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

namespace {
struct ApplyPlan : compress::impl::ApplyPlanBase<ApplyPlan> {
  using ApplyPlanBase::ApplyPlanBase;

  llvm::Expected<Plan> makePlan(const SiteList &list) {
    if (!plan.empty() && !level.empty())
      return llvm::createStringError("give either plan or level, not both");
    if (!plan.empty())
      return Plan::load(plan);
    if (level.empty())
      return Plan::fromAttributes(list.sites);
    auto parsed = Level::parse(level);
    if (!parsed)
      return parsed.takeError();
    return Plan::uniform(list.sites, *parsed);
  }

  void runOnOperation() override {
    ApplyOptions options;
    options.sites.maxSmallElements = minElements - 1;
    auto fail = [&](llvm::Error error) {
      getOperation().emitError() << llvm::toString(std::move(error));
      signalPassFailure();
    };
    auto chosen = makePlan(findSites(getOperation(), options.sites));
    if (!chosen)
      return fail(chosen.takeError());
    auto report = applyPlan(getOperation(), *chosen, options);
    if (!report)
      return fail(report.takeError());
    for (const SiteResult &site : report->sites) {
      numEncoded += site.level != "f32";
      numBytesBefore += site.bytesBefore;
      numBytesAfter += site.bytesAfter;
    }
  }
};
} // namespace

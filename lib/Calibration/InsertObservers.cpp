//===- InsertObservers.cpp - The pass compress-insert-observers -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Calibration/Observe.h"
#include "compress/Calibration/Passes.h"

namespace compress {
#define GEN_PASS_DEF_INSERTOBSERVERS
#include "compress/Calibration/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

namespace {
struct InsertObservers : compress::impl::InsertObserversBase<InsertObservers> {
  using InsertObserversBase::InsertObserversBase;

  void runOnOperation() override {
    SiteOptions options;
    options.maxSmallElements = minElements - 1;
    SiteList list = findSites(getOperation(), options);
    Statistics statistics = insertObservers(list.sites);
    numSites += list.sites.size();
    numObservers += statistics.size();
  }
};
} // namespace

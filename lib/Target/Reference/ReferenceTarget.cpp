//===- ReferenceTarget.cpp - Decode, then dense -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Reference/ReferenceTarget.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace compress;

namespace {
class ReferenceTarget : public Target {
public:
  StringRef getName() const override { return "reference"; }
  StringRef getSummary() const override {
    return "decode, then compute densely in sequential loops on this CPU";
  }
  llvm::Error checkAvailable(const TargetOptions &) const override {
    return llvm::Error::success();
  }
  Attribute describe(MLIRContext *context,
                     const TargetOptions &options) const override {
    Builder b(context);
    return TargetDeviceSpecAttr::get(
        context, {DataLayoutEntryAttr::get(b.getStringAttr("triple"),
                                           b.getStringAttr(options.triple))});
  }
  void populateClaimPatterns(RewritePatternSet &,
                             const TargetOptions &) const override {}
  // Decoding and computing densely is the definition.
  bool usesContractRules() const override { return false; }
  std::optional<double> estimateSeconds(ContractOp,
                                        const TargetOptions &) const override {
    return std::nullopt;
  }
  void buildLoweringPipeline(OpPassManager &pm,
                             const TargetOptions &) const override {
    HostLoweringOptions options;
    options.optimize = false;
    buildHostLoweringPipeline(pm, options);
  }
};
} // namespace

std::unique_ptr<Target> compress::createReferenceTarget() {
  return std::make_unique<ReferenceTarget>();
}

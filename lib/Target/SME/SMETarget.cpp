//===- SMETarget.cpp - Arm's Scalable Matrix Extension ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/SME/SMETarget.h"
#include "TilePatterns.h"
#include "compress/Target/CPU/CPUTarget.h"
#include "mlir/Dialect/ArmSME/IR/ArmSME.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/IR/Builders.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace compress;

/// What code is made for where nothing is said, and this is another machine.
static constexpr llvm::StringLiteral kTriple = "aarch64-unknown-linux-gnu";

static bool isAArch64(StringRef triple) {
  return llvm::Triple(llvm::Triple::normalize(triple)).isAArch64();
}

namespace {
class SMETarget : public Target {
public:
  StringRef getName() const override { return "sme"; }
  StringRef getSummary() const override {
    return "aarch64 Linux with Arm SME: outer products in f32 and of 8-bit "
           "codes, at any streaming vector length; the rest as for cpu";
  }

  llvm::Error resolve(TargetOptions &options) const override {
    if (options.triple.empty() && !isAArch64(llvm::sys::getProcessTriple()))
      options.triple = kTriple.str();
    if (llvm::Error error = options.resolve())
      return error;
    bool isNamed = llvm::any_of(
        llvm::SubtargetFeatures(options.features).getFeatures(),
        [](StringRef feature) {
          return llvm::SubtargetFeatures::StripFlag(feature) == "sme";
        });
    if (isAArch64(options.triple) && !isNamed)
      options.features += options.features.empty() ? "+sme" : ",+sme";
    return llvm::Error::success();
  }

  llvm::Error checkAvailable(const TargetOptions &options) const override {
    llvm::Triple triple(options.triple);
    if (!triple.isAArch64() || !triple.isOSLinux())
      return llvm::createStringError("Arm SME is of aarch64 Linux, not of " +
                                     options.triple);
    if (!options.hasFeature("sme"))
      return llvm::createStringError("the features turn SME off");
    return llvm::Error::success();
  }

  llvm::Error checkDevice() const override {
    llvm::Triple triple(llvm::sys::getProcessTriple());
    if (!triple.isAArch64() || !triple.isOSLinux())
      return llvm::createStringError(
          "this machine is " + triple.str() +
          "; its code runs on aarch64 Linux with Arm SME, or in QEMU 10");
    if (!llvm::sys::getHostCPUFeatures().lookup("sme"))
      return llvm::createStringError("this processor has no Arm SME");
    return llvm::Error::success();
  }

  Attribute describe(MLIRContext *context,
                     const TargetOptions &options) const override {
    Builder b(context);
    auto entry = [&](StringRef key, Attribute value) {
      return DataLayoutEntryAttr::get(b.getStringAttr(key), value);
    };
    return TargetDeviceSpecAttr::get(
        context,
        {entry("triple", b.getStringAttr(options.triple)),
         entry("cpu", b.getStringAttr(options.cpu)),
         entry("features", b.getStringAttr(options.features)),
         entry("vector_length", b.getStringAttr("any, found when it runs")),
         entry("outer_products", b.getStringAttr("f32, s8 and u8 to i32")),
         entry("tiles_of_32_bits", b.getI64IntegerAttr(4))});
  }

  void registerDialects(DialectRegistry &registry) const override {
    registry.insert<arm_sme::ArmSMEDialect>();
    cpu->registerDialects(registry);
  }

  void populateClaimPatterns(RewritePatternSet &patterns,
                             const TargetOptions &options) const override {
    sme::populateTilePatterns(patterns, /*isLast=*/false);
    sme::populateTileGather(patterns, /*isLast=*/false);
    cpu->populateClaimPatterns(patterns, options);
  }
  void populateFallbackPatterns(RewritePatternSet &patterns,
                                const TargetOptions &options) const override {
    sme::populateTilePatterns(patterns, /*isLast=*/true);
    sme::populateTileGather(patterns, /*isLast=*/true);
    cpu->populateFallbackPatterns(patterns, options);
  }

  // Streaming units differ too much to say: measure.
  std::optional<double> estimateSeconds(ContractOp,
                                        const TargetOptions &) const override {
    return std::nullopt;
  }

  void buildLoweringPipeline(OpPassManager &pm,
                             const TargetOptions &options) const override {
    cpu->buildLoweringPipeline(pm, options);
  }

private:
  /// Runs what outer products do not.
  std::unique_ptr<Target> cpu = createCPUTarget();
};
} // namespace

std::unique_ptr<Target> compress::createSMETarget() {
  return std::make_unique<SMETarget>();
}

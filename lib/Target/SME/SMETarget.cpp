//===- SMETarget.cpp - Arm's Scalable Matrix Extension ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/SME/SMETarget.h"
#include "../Elements/ElementCosts.h"
#include "TilePatterns.h"
#include "compress/Target/CPU/CPUTarget.h"
#include "compress/Target/Contraction.h"
#include "mlir/Dialect/ArmSME/IR/ArmSME.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/IR/Builders.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"
#include "llvm/TargetParser/Triple.h"
#include <cmath>

using namespace mlir;
using namespace compress;

/// What code is made for where nothing is said, and this is another machine.
static constexpr llvm::StringLiteral kTriple = "aarch64-unknown-linux-gnu";

/// What a unit with vectors of 512 bits at 2 GHz does in a second, one outer
/// product a cycle, and what a core decodes: nominal, no hardware was measured.
namespace nominal {
constexpr double kBytes = 50e9, kFloatOps = 1e12, kByteOps = 4e12,
                 kScalarOps = 6e9;
} // namespace nominal
/// Of how many rows and columns a task decodes at a time.
static constexpr double kTaskRows = 128, kTaskColumns = 64;

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
         entry("tiles_of_32_bits", b.getI64IntegerAttr(4)),
         entry("computes_in", b.getStringAttr("f32, codes in i32")),
         entry("memory_levels",
               b.getStrArrayAttr({"tiles", "packed blocks", "memory"})),
         entry("rows_tiles", b.getI64ArrayAttr({sme::kFewRows, -1})),
         entry("rows_cpu", b.getI64ArrayAttr({0, sme::kFewRows - 1})),
         entry("bytes_per_second", b.getF64FloatAttr(nominal::kBytes)),
         entry("peak_f32", b.getF64FloatAttr(nominal::kFloatOps)),
         entry("peak_i8", b.getF64FloatAttr(nominal::kByteOps)),
         entry("peaks_from",
               b.getStringAttr("nominal, vectors of 512 bits at 2 GHz"))});
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

  std::optional<double>
  estimateSeconds(ContractOp op, const TargetOptions &options) const override {
    SmallVector<int64_t> extents = getLoopExtents(op);
    if (llvm::is_contained(extents, ShapedType::kDynamic))
      return std::nullopt;
    double rows = 1, columns = 1, both = 1, sums = 1;
    for (auto [d, extent] : llvm::enumerate(extents)) {
      bool left = op.getMap(0).isFunctionOfDim(d);
      bool right = op.getMap(1).isFunctionOfDim(d);
      (op.isReductionDim(d) ? sums
       : left && right      ? both
       : right              ? columns
                            : rows) *= double(extent);
    }
    if (std::min(rows, columns) < sme::kFewRows)
      return cpu->estimateSeconds(op, options);
    using device::ElementWork;
    ElementWork left =
        device::getElementWork(op.getLhs().getType(), both * rows * sums);
    ElementWork right =
        device::getElementWork(op.getRhs().getType(), both * columns * sums);
    double share = left.share * right.share;
    bool isByte = device::areCodes(op);
    double multiply = 2 * both * rows * columns * sums * share /
                      (isByte ? nominal::kByteOps : nominal::kFloatOps);
    // Each task decodes, or packs, what it multiplies; codes as they are.
    if (isByte)
      left.ops = right.ops = 1;
    double decode = both * sums * share *
                    (rows * std::ceil(columns / kTaskColumns) * left.ops +
                     columns * std::ceil(rows / kTaskRows) * right.ops) /
                    (nominal::kScalarOps * std::max(options.threads, 1));
    double memory = (left.bytes + right.bytes + 4 * both * rows * columns) /
                    nominal::kBytes;
    return std::max(memory, multiply + decode);
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

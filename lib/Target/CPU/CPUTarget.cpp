//===- CPUTarget.cpp - The CPU target ---------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/CPU/CPUTarget.h"
#include "compress/Target/Contraction.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace compress;

namespace {
/// What one core does per second, by instruction set: the ceilings that the
/// analytic cost divides by. Orders of magnitude of current server cores; the
/// search asks for ratios, not for seconds.
struct Peak {
  const char *feature;
  double f32Flops;
  double int8Ops;
};
constexpr Peak kPeaks[] = {
    {"avx512vnni", 100e9, 400e9},
    {"avx512f", 100e9, 150e9},
    {"avxvnni", 60e9, 200e9},
    {"avx2", 50e9, 70e9},
    {"", 10e9, 10e9},
};
/// Bytes per second that one core reads from memory.
constexpr double kBandwidth = 12e9;

class CPUTarget : public Target {
public:
  StringRef getName() const override { return "cpu"; }
  StringRef getSummary() const override {
    return "x86-64 and other LLVM CPUs: oneDNN for dense f32, generated "
           "integer "
           "dot products for quantized weights, OpenMP";
  }

  llvm::Error checkAvailable(const TargetOptions &) const override {
    return llvm::Error::success();
  }

  Attribute describe(MLIRContext *context,
                     const TargetOptions &options) const override {
    Builder b(context);
    auto entry = [&](StringRef key, Attribute value) {
      return DataLayoutEntryAttr::get(b.getStringAttr(key), value);
    };
    return TargetDeviceSpecAttr::get(
        context, {entry("triple", b.getStringAttr(options.triple)),
                  entry("cpu", b.getStringAttr(options.cpu)),
                  entry("features", b.getStringAttr(options.features)),
                  entry("int8_dot_product",
                        b.getStringAttr(findPeak(options).feature))});
  }

  void populateClaimPatterns(RewritePatternSet &patterns,
                             const TargetOptions &options) const override {
    populateCPUQuantizedPatterns(patterns, options);
    populateCPUFloatPatterns(patterns, options);
    populateCPUSparsePatterns(patterns, options);
    populateCPUDensePatterns(patterns, options);
  }

  void populateFallbackPatterns(RewritePatternSet &patterns,
                                const TargetOptions &options) const override {
    populateCPUFallbackPatterns(patterns, options);
  }

  std::optional<double>
  estimateSeconds(ContractOp op, const TargetOptions &options) const override {
    if (!matchMatmul(op) && !matchConv(op))
      return std::nullopt;
    double operations = 2;
    for (int64_t extent : getLoopExtents(op)) {
      if (ShapedType::isDynamic(extent))
        return std::nullopt;
      operations *= double(extent);
    }
    auto bytesOf = [](Value value) -> double {
      if (auto type = dyn_cast<CompressedTensorType>(value.getType()))
        return double(type.getStorageBits()) / 8;
      auto type = cast<RankedTensorType>(value.getType());
      return double(type.getNumElements()) *
             type.getElementType().getIntOrFloatBitWidth() / 8;
    };
    auto isInteger = [](Value value) {
      auto type = dyn_cast<CompressedTensorType>(value.getType());
      auto quant = type ? dyn_cast<QuantAttr>(type.getEncoding()) : QuantAttr();
      return quant && !quant.isFloatCode() && quant.getCodeWidth() <= 8;
    };
    Peak peak = findPeak(options);
    bool integer = isInteger(op.getLhs()) && isInteger(op.getRhs());
    double compute = operations / (integer ? peak.int8Ops : peak.f32Flops);
    double traffic =
        (bytesOf(op.getLhs()) + bytesOf(op.getRhs()) + bytesOf(op.getInit())) /
        kBandwidth;
    return std::max(compute, traffic);
  }

  void buildLoweringPipeline(OpPassManager &pm,
                             const TargetOptions &) const override {
    buildHostLoweringPipeline(pm, HostLoweringOptions());
  }

private:
  static Peak findPeak(const TargetOptions &options) {
    for (const Peak &peak : kPeaks)
      if (!*peak.feature || options.hasFeature(peak.feature))
        return peak;
    llvm_unreachable("the last row matches everything");
  }
};
} // namespace

std::unique_ptr<Target> compress::createCPUTarget() {
  return std::make_unique<CPUTarget>();
}

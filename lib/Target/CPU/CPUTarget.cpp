//===- CPUTarget.cpp - The CPU target ---------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/CPU/CPUTarget.h"
#include "CostModel.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/IR/Builders.h"
#include <thread>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

namespace {
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
                  entry("instruction_set",
                        b.getStringAttr(selectKernelISA(options).name))});
  }

  void populateClaimPatterns(RewritePatternSet &patterns,
                             const TargetOptions &options) const override {
    populateCPUWidenPatterns(patterns);
    populateCPUQuantizedPatterns(patterns, options);
    populateCPUFloatPatterns(patterns, options);
    populateCPUSparsePatterns(patterns, options);
    populateCPUCodedPatterns(patterns, options);
    populateCPUCodebookPatterns(patterns, options);
    populateCPUDensePatterns(patterns, options);
  }

  void populateFallbackPatterns(RewritePatternSet &patterns,
                                const TargetOptions &options) const override {
    populateCPUFallbackPatterns(patterns, options);
  }

  std::optional<double>
  estimateSeconds(ContractOp op, const TargetOptions &options) const override {
    int threads = options.threads > 0
                      ? options.threads
                      : int(std::thread::hardware_concurrency());
    return estimateContract(selectKernelISA(options), op, threads,
                            options.coded);
  }

  void buildLoweringPipeline(OpPassManager &pm,
                             const TargetOptions &) const override {
    buildHostLoweringPipeline(pm, HostLoweringOptions());
  }
};
} // namespace

std::unique_ptr<Target> compress::createCPUTarget() {
  return std::make_unique<CPUTarget>();
}

//===- Target.h - What code runs a model, and what it costs -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The extension point for devices. A target describes a device, claims the
// contractions that it runs well, says what they cost, and lowers the rest.
// What it does not claim goes the reference way: decode, then dense.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_TARGET_H
#define COMPRESS_TARGET_TARGET_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Error.h"
#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace compress {

/// When entropy-coded weights are inflated: once, when a model is loaded; in
/// each run, block by block, so that memory holds them as they are; or, by
/// default, in each run where that is predicted to take little of its time.
enum class CodedWeights { Auto, Load, Block };

/// A function that generated code calls, for a JIT.
struct RuntimeSymbol {
  const char *name;
  void *address;
};

/// Where the code is to run. Empty strings stand for this machine.
struct TargetOptions {
  std::string triple;
  std::string cpu;
  /// LLVM feature string such as "+avx512vnni,-amx-tile"; empty derives it from
  /// `cpu`.
  std::string features;
  /// Threads that run it, for predicted times only; 0: all of this machine's
  /// cores.
  int threads = 0;
  CodedWeights coded = CodedWeights::Auto;

  /// Replaces empty strings by what this machine is. Errors name a triple or
  /// CPU that LLVM does not know.
  llvm::Error resolve();
  bool hasFeature(llvm::StringRef name) const;
};

/// Reads and spells "auto", "load", "block".
std::optional<CodedWeights> parseCodedWeights(llvm::StringRef text);
llvm::StringRef stringify(CodedWeights coded);

class Target {
public:
  virtual ~Target() = default;
  virtual llvm::StringRef getName() const = 0;
  /// One line for --help.
  virtual llvm::StringRef getSummary() const = 0;

  /// Replaces what the options leave open: by what this machine is, unless the
  /// target stands for another one.
  virtual llvm::Error resolve(TargetOptions &options) const {
    return options.resolve();
  }

  /// This target for one kind of device, as in "cuda:sm_90"; the error says
  /// which there are.
  virtual llvm::Expected<std::unique_ptr<Target>>
  forDevice(llvm::StringRef device) const;

  /// Whether code for this target can be made with these options; the error
  /// says why not.
  virtual llvm::Error checkAvailable(const TargetOptions &options) const = 0;

  /// Whether this machine has a device that runs such code now; the error says
  /// why not. Code can be made without one.
  virtual llvm::Error checkDevice() const { return llvm::Error::success(); }

  /// The `dlti.target_device_spec` of the device, plus our capability entries.
  virtual mlir::Attribute describe(mlir::MLIRContext *context,
                                   const TargetOptions &options) const = 0;

  /// The dialects of what this target generates.
  virtual void registerDialects(mlir::DialectRegistry &registry) const {}

  /// Patterns that turn a `compress.contract` (with what surrounds it) into a
  /// `compress.kernel`, for the forms that the device runs well.
  virtual void populateClaimPatterns(mlir::RewritePatternSet &patterns,
                                     const TargetOptions &options) const = 0;

  /// Whether contractions that no pattern claims are taken apart by the rules
  /// of their encodings (`compress-rewrite-contract`) and offered again.
  virtual bool usesContractRules() const { return true; }

  /// Patterns for contractions that neither a claim nor a rule took, such as
  /// those that a claim left to a rule which then did not pay. Applied last.
  virtual void populateFallbackPatterns(mlir::RewritePatternSet &patterns,
                                        const TargetOptions &options) const {}

  /// Predicted seconds of one execution, by types alone: operands need not be
  /// constants. Nothing where shapes are not static, or where the target knows
  /// no time. What matters are relations: between ways to store one weight, and
  /// between ways to run it, for which claims ask the same model.
  virtual std::optional<double>
  estimateSeconds(ContractOp op, const TargetOptions &options) const = 0;

  /// Adds the passes from `linalg` and `compress` operations on tensors to the
  /// LLVM dialect, entry point included.
  virtual void buildLoweringPipeline(mlir::OpPassManager &pm,
                                     const TargetOptions &options) const = 0;

  /// The archive with the runtime of the device that model libraries link
  /// besides the common one, such as "libCompressRuntimeX.a"; empty for none.
  virtual llvm::StringRef getRuntimeLibrary() const { return ""; }
  /// The functions in it that generated code calls.
  virtual llvm::ArrayRef<RuntimeSymbol> getRuntimeSymbols() const { return {}; }
};

/// Targets by name, or by name and kind of device ("cuda:sm_90").
class TargetRegistry {
public:
  static TargetRegistry &get();
  void add(std::unique_ptr<Target> target);
  /// The error lists the known names.
  llvm::Expected<const Target *> lookup(llvm::StringRef name) const;
  std::vector<const Target *> getTargets() const;

private:
  std::vector<std::unique_ptr<Target>> targets;
  /// Those for one kind of device, once asked for.
  mutable std::map<std::string, std::unique_ptr<Target>> forDevices;
  mutable std::mutex mutex;
};

/// Adds every target of this project to the registry; later calls do nothing.
void registerAllTargets();

} // namespace compress

#endif // COMPRESS_TARGET_TARGET_H

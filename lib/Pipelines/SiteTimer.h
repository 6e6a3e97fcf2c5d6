//===- SiteTimer.h - The time of a level at a site --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_SITETIMER_H
#define COMPRESS_LIB_PIPELINES_SITETIMER_H

#include "ShapedModel.h"
#include "compress/Pipelines/Evaluate.h"
#include "compress/Plan/LevelDatabase.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace compress {

/// Times the operations of sites alone, with the shapes that they have when the
/// model runs on a sample: each is compiled as a model of its own, with the
/// code that the whole model would get, and run in this process.
class SiteTimer {
public:
  struct Options {
    const Target *target;
    TargetOptions machine;
    int threads = 0;
    uint64_t seed = 0;
  };

  /// `model` is a simplified float module, `sample` what it runs on.
  static llvm::Expected<SiteTimer> create(mlir::ModuleOp model,
                                          llvm::ArrayRef<NpyArray> sample,
                                          const LevelDatabase &database,
                                          Options options);

  /// Seconds of all uses of a site with a level, without what running any model
  /// takes. Found in the database's cache when it was measured on this kind of
  /// machine before; sites whose operation, shapes and stored type are equal
  /// share one measurement. Errors: a shape that depends on the data, code
  /// that cannot be made.
  llvm::Expected<double> getSeconds(const Site &site, const Level &level);

  /// Seconds of all that shrinks when `removal`, a level that removes inputs of
  /// this site, is applied, the site's operation included: after the removal,
  /// or before with `isFloat`. Nothing where nothing else shrinks.
  llvm::Expected<std::optional<double>>
  getGroupSeconds(const Site &site, const Level &removal, bool isFloat);

  /// Seconds of the same as the target predicts them from types alone; nothing
  /// where it knows none. Compiles and runs nothing.
  llvm::Expected<std::optional<double>> predictSeconds(const Site &site,
                                                       const Level &level);

  size_t getNumMeasured() const { return numMeasured; }

private:
  SiteTimer() = default;
  /// `use` is of this object's module, with known shapes; `site` is what the
  /// database knows.
  llvm::Expected<double> getUseSeconds(const Site &site, const SiteUse &use,
                                       const Level &level);
  /// Times one operation, cloned into a module.
  llvm::Expected<double> measure(const Site &site, const SiteUse &use,
                                 const Level &level);
  /// Times what was measured before only once.
  llvm::Expected<double>
  getCached(const std::string &key,
            llvm::function_ref<llvm::Expected<double>()> measure);
  /// What all keys of times start with.
  std::string getMachineKey() const;
  llvm::Expected<double> run(mlir::ModuleOp module);
  llvm::Expected<std::optional<double>>
  predictUse(const SiteUse &use, const Level &level, CompressedTensorType type);
  /// What every run takes: the call, the entry, the allocation of outputs.
  llvm::Expected<double> getOverhead();

  ShapedModel shaped;
  const LevelDatabase *database = nullptr;
  Options options;
  /// Of a model that does next to nothing, once it was timed.
  std::optional<double> overhead;
  size_t numMeasured = 0;
  llvm::StringMap<double> known;
};

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_SITETIMER_H

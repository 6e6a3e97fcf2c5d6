//===- StitchedModel.h - A model whose weights are inputs -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_STITCHEDMODEL_H
#define COMPRESS_LIB_PIPELINES_STITCHEDMODEL_H

#include "compress/Pipelines/Evaluate.h"
#include "compress/Plan/LevelDatabase.h"
#include "mlir/IR/BuiltinOps.h"

namespace compress {

/// The float model, compiled once with the weights of its sites as inputs, so
/// that any plan can be run without compiling it. Weights are what the levels
/// decode to; activations are not rounded.
class StitchedModel {
public:
  /// `model` is a simplified float module; `samples` are what it runs on, at
  /// most `maxSamples` of them.
  static llvm::Expected<StitchedModel>
  create(mlir::ModuleOp model, llvm::ArrayRef<Site> sites,
         const CalibrationData &samples, size_t maxSamples,
         const LevelDatabase &database, const Target &target,
         const TargetOptions &machine, int threads);

  size_t getNumSamples() const { return inputs.size(); }

  /// The squared error of the outputs relative to those of the float model,
  /// over some samples; the sum over outputs. `levels` has a level for each
  /// site.
  llvm::Expected<double> getError(llvm::ArrayRef<const Level *> levels,
                                  llvm::ArrayRef<size_t> samples);

  /// The drop that a measure sees on some samples; `labelled` are the data that
  /// this model was made with.
  llvm::Expected<double> getDrop(llvm::ArrayRef<const Level *> levels,
                                 llvm::ArrayRef<size_t> samples,
                                 const QualityMeasure &measure,
                                 const EvaluationData &labelled);

  /// The model with the weights of a plan, until the next call of a method.
  llvm::Expected<JITModel *> load(llvm::ArrayRef<const Level *> levels);

private:
  StitchedModel() = default;
  /// The weight of a site as this level decodes it.
  llvm::Expected<NpyArray> getWeight(size_t site, const Level &level);

  llvm::ArrayRef<Site> sites;
  const LevelDatabase *database = nullptr;
  std::optional<JITModel> jit;
  std::vector<std::vector<NpyArray>> inputs, outputs;
  /// Which samples of the data these are.
  std::vector<int64_t> indices;
  /// By site, then spelling; dropped when they take too much memory.
  std::vector<llvm::StringMap<NpyArray>> weights;
  size_t weightBytes = 0;
};

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_STITCHEDMODEL_H

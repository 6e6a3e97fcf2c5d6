//===- Reestimation.h - Statistics of outputs, estimated again --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_REESTIMATION_H
#define COMPRESS_LIB_PIPELINES_REESTIMATION_H

#include "compress/Calibration/Statistics.h"
#include "compress/Dialect/ONNX/Transforms/BatchNorm.h"
#include "compress/Pipelines/CodeGen.h"
#include "compress/Site/Site.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace compress {

/// How models with `compress.observe` are run on the calibration data.
struct ObservedRuns {
  std::function<llvm::Expected<JITModel>(mlir::OwningOpRef<mlir::ModuleOp>)>
      compile;
  std::function<llvm::Error(JITModel &, Statistics &)> run;
};

/// Gives each channel of a layer's output in the compressed model the mean and
/// the variance that it has in the float model, as AdaQuant (I. Hubara et al.)
/// does by estimating batch normalization again. What was folded takes both up:
/// the mean in the bias, the variance in the weight's scales, where there is
/// one for each output. Normalizations that could not be folded get other
/// statistics. All is measured by running the compressed model, whose
/// activations are rounded and whose earlier layers are already corrected: one
/// model, whose corrections are inputs.
class Reestimation {
public:
  /// Where a model that is still float can be corrected. Holds on to its
  /// operations, which a plan may then be applied to.
  class Places {
  public:
    explicit Places(mlir::FunctionOpInterface main);

  private:
    friend class Reestimation;
    /// The output of a layer or of a normalization that could not be folded.
    struct Place {
      /// The same in each copy of the model.
      std::string name, site;
      mlir::Operation *op;
      /// Axis of the channels.
      int64_t axis;
      /// Of layers.
      std::optional<WeightOperand> role;
      std::optional<onnx::BatchNorm> norm;
      /// What the output is to be multiplied with, and then to get added.
      std::vector<double> factors, offsets;
    };
    std::vector<Place> places;
  };

  /// Statistics of the float model.
  static llvm::Expected<Reestimation> create(mlir::ModuleOp floatModel,
                                             const ObservedRuns &runs);

  struct Result {
    unsigned numLayers = 0, numScaled = 0, numNorms = 0, numRuns = 0;
    /// The largest difference of a mean, in standard deviations, and of a
    /// standard deviation that is corrected, as a share.
    double meansBefore = 0, meansAfter = 0, deviationsBefore = 0,
           deviationsAfter = 0;
    /// Layers whose variances stay, and why.
    std::vector<std::pair<std::string, std::string>> kept;
    /// Bytes of biases that were not there.
    uint64_t bytes = 0;

    /// For the report.
    void addNotes(std::vector<std::string> &notes) const;
  };
  /// Corrects a copy of the float model that a plan was applied to.
  llvm::Expected<Result> apply(mlir::ModuleOp model, Places &places,
                               const ObservedRuns &runs) const;

private:
  using Place = Places::Place;
  /// Of the channels of a value.
  struct Moments {
    std::vector<double> means, variances;
  };
  /// A model that is watched.
  class Watched;

  llvm::StringMap<Moments> floatMoments;
};

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_REESTIMATION_H

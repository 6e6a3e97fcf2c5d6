//===- BiasCorrection.h - Means of outputs, kept by biases ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_BIASCORRECTION_H
#define COMPRESS_LIB_PIPELINES_BIASCORRECTION_H

#include "compress/Calibration/Statistics.h"
#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Site/Site.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace compress {

/// The values of a bias that `CompressibleOpInterface::getBias` found; none
/// where they cannot be read.
std::vector<double> getBiasValues(mlir::Value bias);
/// Replaces the bias of a layer, or adds one; returns the bytes that are new.
/// Biases that others use too are kept for these.
llvm::Expected<uint64_t> setBiasValues(mlir::Operation *op,
                                       const WeightOperand &role,
                                       llvm::StringRef site,
                                       llvm::ArrayRef<double> values);

/// Shifts biases so that the mean of each channel of a layer's output is that
/// of the float layer on the calibration data: by (W - W') E[x], as in M. Nagel
/// et al., "Data-Free Quantization Through Weight Equalization and Bias
/// Correction", and in AdaQuant, where batch normalization, which is folded
/// into biases here, is estimated again. Convolutions count each position of
/// the window alike, also where it hangs over a border.
class BiasCorrection {
public:
  /// Finds the layers of a model that is still float: operations that know of
  /// a bias (`CompressibleOpInterface::getBias`).
  BiasCorrection(mlir::FunctionOpInterface main, const Statistics &statistics);

  /// What `apply` did.
  struct Result {
    unsigned numCorrected = 0, numLayers = 0;
    /// Bytes of biases that were not there.
    uint64_t bytes = 0;
  };
  /// Corrects the same model after a plan was applied to it. Layers whose
  /// weight is still float are left alone.
  llvm::Expected<Result> apply();

private:
  struct Layer {
    std::string site;
    mlir::Operation *op;
    WeightOperand role;
    HostTensor weight;
    /// E[x] of each input channel.
    std::vector<double> means;
  };
  std::vector<Layer> layers;
};

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_BIASCORRECTION_H

//===- BatchNorm.h - Statistics of batch normalizations ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_BATCHNORM_H
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_BATCHNORM_H

#include "compress/Dialect/ONNX/IR/ONNXOps.h"

namespace compress::onnx {

/// A normalization by constant statistics, one pair for each channel (axis 1).
struct BatchNorm {
  BatchNormalizationOp op;
  llvm::SmallVector<double> scales, biases, means, variances;
  double epsilon = 0;

  /// Replaces the statistics, here and in the IR.
  void setStatistics(llvm::ArrayRef<double> means,
                     llvm::ArrayRef<double> variances);
};

/// Those that are left in `root`, in the order of the program.
std::vector<BatchNorm> findBatchNorms(mlir::Operation *root);

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_BATCHNORM_H

//===- FoldBatchNorm.td - onnx-fold-batch-norm -------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_FOLDBATCHNORM_FOLDBATCHNORM_TD
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_FOLDBATCHNORM_FOLDBATCHNORM_TD

include "mlir/Pass/PassBase.td"

def FoldBatchNorm : Pass<"onnx-fold-batch-norm", "::mlir::func::FuncOp"> {
  let summary = "Fold batch normalization into the weights before it";
  let description = [{
    Rewrites `BatchNormalization` (inference) of the result of a `Conv`,
    `ConvTranspose`, `Gemm`, or `MatMul`, also with a constant `Add` between, as
    new weights and a bias, computed in double precision:

        a = scale / sqrt(var + epsilon)
        W' = a * W          b' = a * (b - mean) + B

    ```mlir
    %0 = onnx.Conv(%x, %w) : ...
    %1 = onnx.BatchNormalization(%0, %scale, %b, %mean, %var) : ...
    // becomes
    %1 = onnx.Conv(%x, %w1, %b1) : ...
    ```

    A normalization stays as it is when a weight or a parameter is not constant,
    when the weight or the intermediate value has other users, in training
    mode, and when the factor is not finite.
  }];
  let statistics = [
    Statistic<"numFolded", "folded", "Normalizations folded into weights">,
    Statistic<"numKept", "kept", "Normalizations left in place">
  ];
  let dependentDialects = ["::compress::onnx::ONNXDialect"];
}

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_FOLDBATCHNORM_FOLDBATCHNORM_TD

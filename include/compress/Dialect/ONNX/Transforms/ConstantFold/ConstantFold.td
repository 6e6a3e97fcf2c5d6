//===- ConstantFold.td - onnx-constant-fold ----------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_CONSTANTFOLD_CONSTANTFOLD_TD
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_CONSTANTFOLD_CONSTANTFOLD_TD

include "mlir/Pass/PassBase.td"

def ConstantFold : Pass<"onnx-constant-fold", "::mlir::func::FuncOp"> {
  let summary = "Evaluate constant operators and drop those that do nothing";
  let description = [{
    Evaluates operators whose operands are constant (or, for `Shape` and `Size`,
    whose operand has a static shape) on the host, replaces `onnx.Constant` by
    `onnx.Initializer`, and removes operators that only pass a value on:
    `Identity`, `Dropout` at inference, `Cast` to the same type, `Transpose`
    that keeps the order, `Reshape`, `Expand`, `Pad` and `Slice` that change
    nothing, and sums of one operand.

    Floating-point results are computed in double precision and rounded once,
    which for `+ - * /` and square roots is exactly the single-precision result.

    `DequantizeLinear` of a constant stays: it is how compressed weights are
    written in ONNX.

    A result is stored when it is no larger than `max-bytes` or than its
    constant operands together; tensors that repeat one value cost nothing.

    ```mlir
    %0 = onnx.Constant() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
    %1 = onnx.Mul(%0, %w) : (tensor<f32>, tensor<3xf32>) -> tensor<3xf32>
    // becomes
    %1 = onnx.Initializer "1" = dense<...> : tensor<3xf32>
    ```
  }];
  let options = [
    Option<"maxBytes", "max-bytes", "int64_t", /*default=*/"1 << 20",
           "Largest result, in bytes, that may grow the program">
  ];
  let statistics = [
    Statistic<"numFolded", "folded", "Operators evaluated">,
    Statistic<"numRemoved", "removed", "Operators that did nothing">
  ];
  let dependentDialects = ["::compress::onnx::ONNXDialect"];
}

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_CONSTANTFOLD_CONSTANTFOLD_TD

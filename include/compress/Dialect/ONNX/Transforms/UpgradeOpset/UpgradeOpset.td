//===- UpgradeOpset.td - onnx-upgrade-opset ----------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_UPGRADEOPSET_UPGRADEOPSET_TD
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_UPGRADEOPSET_UPGRADEOPSET_TD

include "mlir/Pass/PassBase.td"

def UpgradeOpset : Pass<"onnx-upgrade-opset", "::mlir::ModuleOp"> {
  let summary = "Rewrite a model for a newer version of the ONNX operator set";
  let description = [{
    Gives every operator whose signature or meaning changed between the opset
    that the module imports and `version` an equivalent form in the new one,
    then raises the import and, where the new opset needs it, the IR version.
    A model at or above `version` is left alone.

    ```mlir
    // opset 11
    %1 = onnx.Unsqueeze(%x) {legacy_axes = array<i64: 0>} : ...
    %2 = onnx.Softmax(%y) {axis = 1 : i64} : (tensor<2x3x4xf32>) -> ...
    // version=13
    %axes = onnx.Initializer "Unsqueeze_axes" = dense<0> : tensor<1xi64>
    %1 = onnx.Unsqueeze(%x, %axes) : ...
    %f = onnx.Flatten(%y) {axis = 1 : i64} : ... -> tensor<2x12xf32>
    %s = onnx.Softmax(%f) {axis = 1 : i64} : ...
    %2 = onnx.Reshape(%s, %shape_of_y) : ... -> tensor<2x3x4xf32>
    ```

    An operator that cannot be upgraded is an error that names the node: among
    others, subgraphs and model functions, which the dialect carries without a
    model, training-mode batch normalization, and resizing by scales that are
    not constant.
  }];
  let options = [
    Option<"version", "version", "int64_t", /*default=*/"0",
           "Opset to upgrade to; 0 is the newest that the dialect models">
  ];
  let statistics = [
    Statistic<"numUpgraded", "upgraded", "Operators rewritten">
  ];
  let dependentDialects = ["::compress::onnx::ONNXDialect"];
}

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_UPGRADEOPSET_UPGRADEOPSET_TD

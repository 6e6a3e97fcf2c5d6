//===- InferShapes.td - onnx-infer-shapes ------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_INFERSHAPES_INFERSHAPES_TD
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_INFERSHAPES_INFERSHAPES_TD

include "mlir/Pass/PassBase.td"

def InferShapes : Pass<"onnx-infer-shapes", "::mlir::func::FuncOp"> {
  let summary = "Give every value of an ONNX graph its type";
  let description = [{
    Propagates element types and shapes through all operators of the onnx
    dialect under the rules of the opset that the module imports. Dynamic
    dimensions stay `?`. Operators whose result shape depends on an operand's
    value (`Reshape`, `Slice`, `Expand`, ...) use the value where it is constant
    or computed from shapes; such computations are followed symbolically, so a
    dynamic batch size survives them and cancels in inferred dimensions:

    ```mlir
    %s = onnx.Shape(%x) : (tensor<?x4x8xf32>) -> tensor<*x!onnx.unknown>
    %n = onnx.Gather(%s, %zero) {axis = 0 : i64} : ...
    %shape = onnx.Concat(%n, %minus_one) {axis = 0 : i64} : ...
    %y = onnx.Reshape(%x, %shape) : ... -> tensor<?x32xf32>
    ```

    Sizes that contradict each other are an error that names the node. A type
    that the model declares for an intermediate value fills in what cannot be
    inferred; where the two disagree the inferred one is taken, with a warning.
    Custom operators keep their declared types.
  }];
  let options = [
    Option<"batch", "batch", "int64_t", /*default=*/"0",
           "Size that replaces the dynamic leading dimension of every graph "
           "input; 0 leaves them dynamic">
  ];
  let statistics = [
    Statistic<"numInferred", "inferred", "Results whose type was refined">,
    Statistic<"numUnranked", "unranked", "Results of unknown rank">
  ];
  let dependentDialects = ["::compress::onnx::ONNXDialect"];
}

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_INFERSHAPES_INFERSHAPES_TD

//===- ONNXToCompress.td - convert-onnx-qdq-to-compress ----*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_ONNXTOCOMPRESS_ONNXTOCOMPRESS_TD
#define COMPRESS_CONVERSION_ONNXTOCOMPRESS_ONNXTOCOMPRESS_TD

include "mlir/Pass/PassBase.td"

def ConvertONNXQDQToCompress
    : Pass<"convert-onnx-qdq-to-compress", "::mlir::func::FuncOp"> {
  let summary = "Read quantized tensors of an ONNX graph as compressed tensors";
  let description = [{
    - A node that `convert-compress-to-onnx` marked with the exact compressed
      type is restored, with the subgraph behind it, to what it was, whatever
      its encoding: the same type and the same bytes. The file is not trusted:
      what does not fit, or is no legal payload, stays as it is with a warning.
    - `DequantizeLinear` of constant codes, written by any tool, becomes
      `compress.constant` and `compress.decode`. A zero point that is zero
      everywhere is dropped.
    - `QuantizeLinear` followed by `DequantizeLinear` with the same constant
      parameters becomes `compress.encode` and `compress.decode`;
      `DynamicQuantizeLinear` followed by `DequantizeLinear` likewise, without
      parameters.

    ```mlir
    %d = onnx.DequantizeLinear(%codes, %scale) {axis = 0 : i64}
       : (tensor<4x8xi8>, tensor<4xf32>) -> tensor<4x8xf32>
    // becomes
    %w = compress.constant [...]
       : !compress.tensor<4x8xf32, quant<i8, group = [1, *], scale = f32>>
    %d = compress.decode %w : ...
    ```

    What has no compressed type (32-bit codes of biases, parameters that are
    computed, values of unknown rank) stays as it is; `remarks` says why.
  }];
  let options = [
    Option<"remarks", "remarks", "bool", /*default=*/"false",
           "Emit a remark for every quantized tensor that is left alone">
  ];
  let statistics = [
    Statistic<"numRestored", "restored", "Tensors restored from metadata">,
    Statistic<"numWeights", "weights", "Constants read without metadata">,
    Statistic<"numActivations", "activations",
              "Activations read without metadata">
  ];
  let dependentDialects = ["::compress::CompressDialect",
                           "::compress::onnx::ONNXDialect",
                           "::mlir::arith::ArithDialect"];
}

#endif // COMPRESS_CONVERSION_ONNXTOCOMPRESS_ONNXTOCOMPRESS_TD

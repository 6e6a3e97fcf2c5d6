//===- CompressToONNX.td - convert-compress-to-onnx --------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_COMPRESSTOONNX_COMPRESSTOONNX_TD
#define COMPRESS_CONVERSION_COMPRESSTOONNX_COMPRESSTOONNX_TD

include "mlir/Pass/PassBase.td"

def ConvertCompressToONNX
    : Pass<"convert-compress-to-onnx", "::mlir::ModuleOp"> {
  let summary = "Write compressed tensors as standard ONNX operators";
  let description = [{
    Replaces every `compress.decode` by ONNX operators that compute the same
    numbers, so that the module exports as a model for any runtime.

    - A quantized constant that `DequantizeLinear` can express (one scale for
      the tensor, for each index of one axis, or for each block along one axis)
      becomes initializers `W_quantized`, `W_scale`, `W_zero_point` and that
      node. Any other (blocks along several axes, scales that are quantized and
      zero points that are not integers, code types that the consumer lacks)
      becomes a small subgraph.
    - A constant in any other encoding becomes the subgraph of standard
      operators that its decode describes (`describeDecode`): lookups by
      `Gather` for `codebook`, `CumSum` and `ScatterElements` for `sparse`,
      `Einsum` for `factored`, `Mul` for `scaled`, `Gather` for `permuted`,
      butterflies of `Add` and `Sub` for `rotated`, integer arithmetic for
      `generated`. Components in turn are written by these rules, so that a
      quantized factor is a `DequantizeLinear`.
    - `coded` constants are carried as what they code: ONNX has no entropy
      coding. Import codes them again.
    - An encoded activation becomes `QuantizeLinear` and `DequantizeLinear` with
      static parameters, `DynamicQuantizeLinear` for one 8-bit group, or a
      subgraph that follows the rule of `compress.encode` exactly.
    - The opset is raised as far as the operators need it (see
      `onnx-upgrade-opset`).

    ```mlir
    %w = compress.constant [dense_resource<codes>, dense_resource<scales>]
       {compress.site = "W"}
       : !compress.tensor<4x8xf32, quant<i8, group = [1, *], scale = f32>>
    %d = compress.decode %w : ...
    // becomes
    %q = onnx.Initializer "W_quantized" = ... : tensor<4x8xi8>
    %s = onnx.Initializer "W_scale" = ... : tensor<4xf32>
    %d = onnx.DequantizeLinear(%q, %s) {axis = 0 : i64} : ...
    ```

    `metadata_props` on the last node hold the exact type (`compress.type`), and
    on initializers which component they store (`compress.leaf`), from which
    `convert-onnx-qdq-to-compress` restores the compressed tensor without loss. The
    nodes of a subgraph share one `compress.part`. Where something is `coded`,
    `compress.exchange` is the type of what is stored instead. Integers of widths
    that ONNX lacks are stored in the next wider type.

    NaN in an activation is carried through, where `compress.encode` gives it a
    code; all other values agree bit for bit, except that a runtime may add up
    the products of `factored` in another order. Activations can be `dense` and
    `quant`; other encodings are for constants.
  }];
  let options = [
    Option<"profile", "profile", "std::string", /*default=*/"\"onnxruntime\"",
           "Who will run the model: 'onnxruntime' (what the CPU provider of "
           "ONNX Runtime 1.31 accepts) or 'standard' (everything that ONNX "
           "defines, such as 4-bit float codes and power-of-two scales)">,
    Option<"opset", "opset", "std::string", /*default=*/"\"auto\"",
           "Opset of the result: 'auto' raises the model's only as far as "
           "needed, a number is the version to reach">
  ];
  let statistics = [
    Statistic<"numWeights", "weights", "Compressed constants written">,
    Statistic<"numActivations", "activations", "Encoded activations written">,
    Statistic<"numSubgraphs", "subgraphs",
              "Tensors that needed more than quantization operators">
  ];
  let dependentDialects = ["::compress::onnx::ONNXDialect"];
}

#endif // COMPRESS_CONVERSION_COMPRESSTOONNX_COMPRESSTOONNX_TD

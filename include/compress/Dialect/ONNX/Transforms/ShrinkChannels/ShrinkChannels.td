//===- ShrinkChannels.td - onnx-shrink-channels ------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_SHRINKCHANNELS_SHRINKCHANNELS_TD
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_SHRINKCHANNELS_SHRINKCHANNELS_TD

include "mlir/Pass/PassBase.td"

def ShrinkChannels : Pass<"onnx-shrink-channels", "::mlir::func::FuncOp"> {
  let summary = "Stop computing channels that a sparse weight does not read";
  let description = [{
    Where a product's weight is `sparse<channels>` along its inputs, and all
    that computes these inputs can do so channel by channel, the channels that
    are not kept are taken out of it: weights and biases lose these outputs,
    values between get smaller, attention heads disappear from reshapes,
    transposes and batched products, and the weight itself becomes its stored
    values. Results are the same.

    ```mlir
    %up = onnx.Initializer "up" = ... : tensor<64x256xf32>
    %h = onnx.MatMul(%x, %up) : ... -> tensor<?x256xf32>
    %a = onnx.Relu(%h) : ...
    %c = compress.constant ... : !compress.tensor<256x64xf32,
        sparse<channels<0>, nnz = 96, of = f32>>
    %down = compress.decode %c : ... to tensor<256x64xf32>
    %y = onnx.MatMul(%a, %down) : ...
    // becomes
    %up = onnx.Initializer "up" = ... : tensor<64x96xf32>
    %h = onnx.MatMul(%x, %up) : ... -> tensor<?x96xf32>
    %a = onnx.Relu(%h) : ...
    %down = onnx.Initializer "down" = ... : tensor<96x64xf32>
    %y = onnx.MatMul(%a, %down) : ...
    ```

    Nothing changes where another value needs the channels (a residual, a
    normalization over them), or where kept channels are no whole heads.
  }];
  let statistics = [
    Statistic<"numShrunk", "shrunk", "Weights whose inputs are computed in part">,
    Statistic<"numKept", "kept", "Weights whose inputs are all computed still">
  ];
  let dependentDialects = ["::compress::onnx::ONNXDialect"];
}

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_SHRINKCHANNELS_SHRINKCHANNELS_TD

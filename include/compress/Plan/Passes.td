//===- Passes.td - Plan passes -----------------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_PLAN_PASSES_TD
#define COMPRESS_PLAN_PASSES_TD

include "mlir/Pass/PassBase.td"

def ApplyPlan
    : InterfacePass<"compress-apply-plan", "mlir::FunctionOpInterface"> {
  let summary = "Encodes the weights of a function as a plan says";
  let description = [{
    Gives every site its level: from a plan file, or one level for all sites,
    or, with neither, from the `compress.level` attributes of the operations.
    The weight becomes a `compress.constant` that is decoded where it is used;
    levels that round activations add `compress.encode` and `compress.decode`
    on the activation operand.

    ```mlir
    %w = onnx.Initializer "fc.weight" = dense_resource<w> : tensor<64x32xf32>
    %y = onnx.MatMul(%x, %w) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
    ```
    with `level=int8` becomes
    ```mlir
    %c = compress.constant [dense_resource<codes>, dense_resource<scales>]
       : !compress.tensor<64x32xf32, quant<i8, group = [*, 1], scale = f32>>
    %w = compress.decode %c : !compress.tensor<...>
    %y = onnx.MatMul(%x, %w) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
    ```
    Levels with static activations (`w8a8`) need calibration data, which only
    `compress-compile` collects; here they are an error.
  }];
  let options = [
    Option<"plan", "plan", "std::string", "",
           "YAML file with a level for each site">,
    Option<"level", "level", "std::string", "", "the level of all sites">,
    Option<"minElements", "min-elements", "int64_t", "65",
           "smallest weight that is a site">,
  ];
  let statistics = [
    Statistic<"numEncoded", "encoded", "Sites encoded">,
    Statistic<"numBytesBefore", "bytes-before", "Bytes of all sites before">,
    Statistic<"numBytesAfter", "bytes-after", "Bytes of all sites after">,
  ];
  let dependentDialects = [
    "::compress::CompressDialect", "::mlir::arith::ArithDialect"
  ];
}

#endif // COMPRESS_PLAN_PASSES_TD

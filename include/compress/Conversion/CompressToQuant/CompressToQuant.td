//===- CompressToQuant.td - convert-compress-to-quant ------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_COMPRESSTOQUANT_COMPRESSTOQUANT_TD
#define COMPRESS_CONVERSION_COMPRESSTOQUANT_COMPRESSTOQUANT_TD

include "mlir/Pass/PassBase.td"

def ConvertCompressToQuant : Pass<"convert-compress-to-quant"> {
  let summary = "Compressed tensors as tensors of quant.uniform";
  let description = [{
    The inverse of `convert-quant-to-compress`, for tensors of `quant` encoding
    whose scales and zero points are known at compile time:

    - `compress.constant`, `compress.pack`: `quant.scast` of the codes
    - `compress.encode` with parameters: `quant.qcast`
    - `compress.decode`: `quant.dcast`
    - `compress.unpack`: `quant.scast` to the codes, and constants

    ```mlir
    %w = compress.constant [dense<1> : tensor<4x8xi8>, dense<0.5> : tensor<4x1xf32>]
       : !compress.tensor<4x8xf32, quant<i8, group = [1, *], scale = f32>>
    %d = compress.decode %w : ...
    // becomes
    %codes = arith.constant dense<1> : tensor<4x8xi8>
    %q = quant.scast %codes : tensor<4x8xi8>
      to tensor<4x8x!quant.uniform<i8<-127:127>:f32:0, {0.5, 0.5, 0.5, 0.5}>>
    %d = quant.dcast %q : ... to tensor<4x8xf32>
    ```

    The type holds one number per group, printed wherever it is named; large
    tensors with small groups make unwieldy IR.

    Upstream's canonicalization takes `x` for `quant.dcast(quant.qcast(x))`, so
    it removes quantization of activations that is only simulated.

    What has no `quant.uniform` type stays, with a remark that says why: other
    encodings, float codes, nested or float zero points, nested scales, blocks
    that do not divide the shape, parameters computed at run time, scales that
    are not positive or not exact in the element type, operations on compressed
    tensors that `quant` does not have.
  }];
  let options = [
    Option<"strict", "strict", "bool", /*default=*/"false",
           "What cannot be converted is an error instead of a remark">
  ];
  let statistics = [
    Statistic<"numConverted", "converted", "Compressed values converted">,
    Statistic<"numLeft", "left", "Compressed values that stay">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::quant::QuantDialect"];
}

#endif // COMPRESS_CONVERSION_COMPRESSTOQUANT_COMPRESSTOQUANT_TD

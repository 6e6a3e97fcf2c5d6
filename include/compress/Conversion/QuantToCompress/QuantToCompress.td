//===- QuantToCompress.td - convert-quant-to-compress ------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_QUANTTOCOMPRESS_QUANTTOCOMPRESS_TD
#define COMPRESS_CONVERSION_QUANTTOCOMPRESS_QUANTTOCOMPRESS_TD

include "mlir/Pass/PassBase.td"

def ConvertQuantToCompress : Pass<"convert-quant-to-compress"> {
  let summary = "Tensors of quant.uniform as compressed tensors";
  let description = [{
    The casts of the `quant` dialect become operations on compressed tensors;
    scales and zero points move from the type into constants:

    - `quant.scast` of stored integers: `compress.constant` if they are a
      constant, else `compress.pack`
    - `quant.qcast`: `compress.encode` with parameters
    - `quant.dcast`: `compress.decode`
    - `quant.scast` to stored integers: `compress.unpack`

    ```mlir
    %q = quant.scast %codes
       : tensor<4x8xi8> to tensor<4x8x!quant.uniform<i8<-127:127>:f32, 0.5>>
    %d = quant.dcast %q : tensor<4x8x!quant.uniform<i8<-127:127>:f32, 0.5>> to tensor<4x8xf32>
    // becomes
    %scales = arith.constant dense<0.5> : tensor<1x1xf32>
    %q = compress.pack %codes, %scales : tensor<4x8xi8>, tensor<1x1xf32>
      -> !compress.tensor<4x8xf32, quant<i8, group = [*, *], scale = f32>>
    %d = compress.decode %q : ...
    ```

    Per-tensor, per-axis and sub-channel types become groups. A signed type of
    the symmetric range with all zero points 0 (an unsigned one of the whole
    range) has no zeros; every other type of the whole range has.

    Scales are rounded to the expressed type, in which `quant` computes. Values
    are the same as those that `lower-quant-ops` gives as long as codes less
    zero points are exact in the expressed type; in f16 and bf16 they need not
    be, and there `quant` leaves the rounding open.

    What has no compressed type stays, with a remark that says why: storage
    ranges that the encoding cannot state, storage of more than 16 bits, other
    quantized types (`quant.any`, `quant.calibrated`), scalars and unranked
    tensors, quantized values that other operations produce or use.
  }];
  let options = [
    Option<"strict", "strict", "bool", /*default=*/"false",
           "What cannot be converted is an error instead of a remark">
  ];
  let statistics = [
    Statistic<"numConverted", "converted", "Quantized values converted">,
    Statistic<"numLeft", "left", "Quantized values that stay">
  ];
  let dependentDialects = ["::compress::CompressDialect",
                           "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif // COMPRESS_CONVERSION_QUANTTOCOMPRESS_QUANTTOCOMPRESS_TD

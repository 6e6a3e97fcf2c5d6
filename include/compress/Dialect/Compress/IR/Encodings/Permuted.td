//===- Permuted.td - Another encoding with an axis permuted *- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_PERMUTED_TD
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_PERMUTED_TD

include "compress/Dialect/Compress/IR/Encodings/Encoding.td"

def Compress_PermutedAttr : Compress_Encoding<"Permuted", "permuted",
    ["getNumParameters", "verifyPayload", "withComponentEncodings", "buildEncode",
     "buildGather", "rewriteContract", "recodeHost", "simplify",
     "countMultiplyAdds"]> {
  let summary = "Another encoding with one axis permuted";
  let description = [{
    Components `inner : shape`, in the encoding `of` and of the logical element
    type, and `permutation : [d] x index`, unsigned, of the size d of `axis`.
    The value at j along the axis is `inner` at `permutation[j]`. Encoding
    without a permutation takes the identity.

    ```mlir
    // GPTQ with act-order
    !compress.tensor<64x128xf32, permuted<axis = 1, index = i32, of = quant<i4, group = [1, 32], scale = f16>>>
    ```
  }];
  let parameters = (ins
    "int64_t":$axis,
    "::mlir::IntegerType":$index,
    "::compress::EncodingAttrInterface":$of
  );
  let assemblyFormat = [{
    `<` `axis` `=` $axis `,` `index` `=` $index `,` `of` `=` custom<Encoding>($of) `>`
  }];
  let genVerifyDecl = 1;
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_PERMUTED_TD

//===- Scaled.td - Scales over another encoding ------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_SCALED_TD
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_SCALED_TD

include "compress/Dialect/Compress/IR/Encodings/Encoding.td"

def Compress_ScaledAttr : Compress_Encoding<"Scaled", "scaled",
    ["getNumParameters", "withComponentEncodings", "buildEncode",
     "buildGather", "rewriteContract", "simplify",
     "countMultiplyAdds"]> {
  let summary = "Another encoding times one scale per group";
  let description = [{
    Components `inner : shape`, in the encoding `of`, and
    `scales : ceil(shape / group)`, in the encoding `scale`; logical tensors of
    f32 (f64 for a logical f64). The value is `inner * scale`, then cast.
    Encoding takes the largest magnitude of each group as its scale (1 where
    that is 0), so that the inner values lie in [-1, 1].

    ```mlir
    // QLoRA's NF4
    !compress.tensor<64x128xf32, scaled<group = [1, 64], scale = f32, of = codebook<16, of = generated<nf4>>>>
    ```
  }];
  let parameters = (ins
    ArrayRefParameter<"int64_t", "block size per dimension, kDynamic is the whole">:$group,
    "::compress::EncodingAttrInterface":$scale,
    "::compress::EncodingAttrInterface":$of
  );
  let assemblyFormat = [{
    `<` `group` `=` custom<Group>($group) `,` `scale` `=` custom<Encoding>($scale)
        `,` `of` `=` custom<Encoding>($of) `>`
  }];
  let genVerifyDecl = 1;
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_SCALED_TD

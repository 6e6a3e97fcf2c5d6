//===- Rotated.td - Another encoding in an orthogonal basis *- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_ROTATED_TD
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_ROTATED_TD

include "compress/Dialect/Compress/IR/Encodings/Encoding.td"
include "mlir/IR/EnumAttr.td"

def Compress_Rotation : I32Enum<"Rotation", "orthogonal transform", [
  I32EnumCase<"Hadamard", 0, "hadamard">
]> {
  let cppNamespace = "::compress";
}

def Compress_RotatedAttr : Compress_Encoding<"Rotated", "rotated",
    ["withComponentEncodings", "buildEncode", "buildGather",
     "rewriteContract", "simplify",
     "countMultiplyAdds"]> {
  let summary = "Another encoding in a Walsh-Hadamard basis";
  let description = [{
    One component, `inner : shape` in the encoding `of`, a logical tensor of f32
    (f64 for a logical f64). Along `axis`, consecutive blocks of `block`
    elements (a power of two) are multiplied by the Walsh-Hadamard matrix in
    natural order over sqrt(block). What is left at the end is cut into the
    powers of two of its binary form, largest first, so that the transform is
    orthogonal and its own inverse for every size. It is computed by butterflies
    of distance 1, 2, 4, ... and one final multiplication, in f32 (f64).

    Random signs (QuIP#, QuaRot) are a scale outside it:
    `scaled<group = [*, 1], scale = generated<rademacher, seed = 1>, of = rotated<...>>`.

    ```mlir
    !compress.tensor<64x128xf32, rotated<hadamard, axis = 1, block = 128, of = quant<i4, group = [1, 32], scale = f16>>>
    ```
  }];
  let parameters = (ins
    EnumParameter<Compress_Rotation>:$kind,
    "int64_t":$axis,
    "int64_t":$block,
    "::compress::EncodingAttrInterface":$of
  );
  let assemblyFormat = [{
    `<` $kind `,` `axis` `=` $axis `,` `block` `=` $block `,`
        `of` `=` custom<Encoding>($of) `>`
  }];
  let genVerifyDecl = 1;
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_ROTATED_TD

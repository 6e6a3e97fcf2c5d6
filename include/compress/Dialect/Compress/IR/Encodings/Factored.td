//===- Factored.td - A contraction of factors --------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_FACTORED_TD
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_FACTORED_TD

include "compress/Dialect/Compress/IR/Encodings/Encoding.td"

def Compress_FactoredAttr : Compress_Encoding<"Factored", "factored",
    ["withComponentEncodings", "buildGather", "rewriteContract", "recodeHost",
     "countMultiplyAdds"]> {
  let summary = "A contraction of factors, each with its own encoding";
  let description = [{
    `equation` is an einsum, result first: for each dimension a name, or names in
    parentheses that split it (row-major), then `=` and the names of each
    factor's dimensions, separated by commas. `sizes` gives the extents of names
    that the shape does not fix: contracted ones, and those in parentheses.

    | form | equation |
    |---|---|
    | low rank | `i j = i r, r j` |
    | singular values | `i j = i r, r, r j` |
    | Tucker-2 of a convolution | `o i h w = o p, p q h w, i q` |
    | full Tucker | `i j k = p q r, i p, j q, k r` |
    | CP | `i j k = i r, j r, k r` |
    | tensor train (MPO) | `(a b) (c d) = a c r, r b d` |
    | Kronecker | `(a b) (c d) = a c, b d` |
    | dictionary x column-sparse codes | `i j = i k, k j` |

    Components: the factors, logical tensors of f32 (f64 for a logical f64).
    Factors are contracted from left to right, two at a time; a name is summed
    over as soon as neither a later factor nor the result has it, in f32 (f64),
    in the order of its indices. Then the result is cast.

    Encoding finds the factors of least squared error: by singular value
    decompositions, and where these are not optimal, alternating least squares.
    `prefix` decodes only the first entries along contracted names, with all of
    them stored: nested ranks, chosen without encoding again. A cast to a smaller
    prefix keeps the factors as they are.

    ```mlir
    !compress.tensor<64x128xf32, factored<"i j = i r, r j", sizes = {r = 8}, of = [f16, f16]>>
    !compress.tensor<64x128xf32, factored<"i j = i r, r j", sizes = {r = 8}, prefix = {r = 4}, of = [f16, f16]>>
    ```
  }];
  let parameters = (ins
    StringRefParameter<"the einsum">:$equation,
    "::mlir::DictionaryAttr":$sizes,
    OptionalParameter<"::mlir::DictionaryAttr">:$prefix,
    ArrayRefParameter<"::compress::EncodingAttrInterface">:$of
  );
  let assemblyFormat = [{
    `<` $equation `,` `sizes` `=` custom<NamedSizes>($sizes) `,`
        (`prefix` `=` custom<NamedSizes>($prefix)^ `,`)?
        `of` `=` custom<EncodingList>($of) `>`
  }];
  let genVerifyDecl = 1;
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_FACTORED_TD

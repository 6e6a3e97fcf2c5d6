//===- Sum.td - A sum of encodings -------------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_SUM_TD
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_SUM_TD

include "compress/Dialect/Compress/IR/Encodings/Encoding.td"

def Compress_SumAttr : Compress_Encoding<"Sum", "sum",
    ["withComponentEncodings", "buildEncode", "buildGather",
     "rewriteContract", "simplify",
     "countMultiplyAdds"]> {
  let summary = "The sum of several encodings of the same shape";
  let description = [{
    Components `term0`, `term1`, ...: logical tensors of f32 (f64 for a logical
    f64), added in order, then cast. Encoding fits each term to what the ones
    before it left over.

    ```mlir
    // SpQR, LLM.int8(): low bits and sparse outliers
    !compress.tensor<64x128xf32, sum<[quant<i4, group = [1, 32], scale = f16>,
                                      sparse<csr<i16>, nnz = 80, of = f16>]>>
    ```
  }];
  let parameters = (ins
    ArrayRefParameter<"::compress::EncodingAttrInterface">:$of
  );
  let assemblyFormat = "`<` custom<EncodingList>($of) `>`";
  let genVerifyDecl = 1;
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_SUM_TD

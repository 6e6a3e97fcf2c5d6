//===- Dense.td - Plain values -----------------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_DENSE_TD
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_DENSE_TD

include "compress/Dialect/Compress/IR/Encodings/Encoding.td"

def Compress_DenseAttr : Compress_Encoding<"Dense", "dense",
    ["buildDecode", "buildEncode", "buildGather", "decodeHost",
     "countMultiplyAdds"]> {
  let summary = "Stored as plain values of another element type";
  let description = [{
    One component, `values : shape x T`. Decoding casts each value to the
    logical element type. `T` is a float type (including 8-, 6- and 4-bit
    ones) or an integer type of 1 to 64 bits; `iN` is signed, `uiN` unsigned.

    Casting to a narrower float rounds to nearest even and saturates at the
    largest finite value; casting to an integer rounds to nearest even and
    saturates. `f8E8M0FNU` holds powers of two; the nearest is stored.

    ```mlir
    !compress.tensor<4x8xf32, dense<f16>>
    ```
    Bits per value: the width of `T`.
  }];
  let parameters = (ins "::mlir::Type":$storageType);
  let assemblyFormat = "`<` $storageType `>`";
  let genVerifyDecl = 1;
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_DENSE_TD

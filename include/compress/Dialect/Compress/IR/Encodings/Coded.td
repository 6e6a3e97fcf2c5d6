//===- Coded.td - Losslessly packed bytes ------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_CODED_TD
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_CODED_TD

include "compress/Dialect/Compress/IR/Encodings/Encoding.td"
include "mlir/IR/EnumAttr.td"

def Compress_Coder : I32Enum<"Coder", "entropy coder", [
  I32EnumCase<"Huffman", 0, "huffman">,
  I32EnumCase<"RANS", 1, "rans">,
  I32EnumCase<"Zstd", 2, "zstd">
]> {
  let cppNamespace = "::compress";
}

def Compress_CodedAttr : Compress_Encoding<"Coded", "coded",
    ["verifyPayload", "refine", "withComponentEncodings", "buildDecode", "decodeHost", "rewriteContract",
     "recodeHost", "simplify", "getExchangeForm",
     "countMultiplyAdds"]> {
  let summary = "Another encoding whose leaves are entropy coded";
  let description = [{
    One component `stream<k> : [bytes[k]] x i8` for each leaf of the encoding
    `of`; a leaf is restored exactly. A leaf is seen as planes of symbols of at
    most 8 bits: integers of up to 8 bits and floats of up to 8 bits are one
    plane; wider integers are bytes, lowest first; wider floats are their
    exponent (in parts of at most 8 bits, lowest first), then mantissa and sign
    likewise (ZipNN, DFloat11).

    Every stream begins with the number of elements. A stream of `huffman`
    (canonical, code lengths of at most 12 bits) or `rans` (12-bit frequencies)
    then holds, for each plane, a table; then for each plane the start of each
    block of `block` symbols as a 32-bit offset in the stream; then the blocks,
    which decode independently. With `zstd` one frame (RFC 8878) over the packed
    bytes of the leaf follows; it has no blocks, so that `block` is not given.
    A leaf that would not shrink is stored as it is after the number of
    elements. The exact layouts are in docs/Encodings.md and in
    compress/Support/EntropyCoding.h.

    The logical shape is static, and nothing inside `of` is coded.

    ```mlir
    !compress.tensor<64x128xbf16, coded<huffman, bytes = [11873], of = bf16>>
    !compress.tensor<64x128xbf16, coded<rans, block = 1024, bytes = [?], of = bf16>>
    ```
  }];
  let parameters = (ins
    EnumParameter<Compress_Coder>:$coder,
    DefaultValuedParameter<"int64_t", "4096", "symbols per block">:$block,
    ArrayRefParameter<"int64_t", "bytes of each stream; kDynamic until known">:$bytes,
    "::compress::EncodingAttrInterface":$of
  );
  let assemblyFormat = [{
    `<` $coder `,` (`block` `=` $block^ `,`)? `bytes` `=` custom<Counts>($bytes)
        `,` `of` `=` custom<Encoding>($of) `>`
  }];
  let extraClassDeclaration = [{
    /// The type that the streams of `type`, a tensor of this encoding, restore.
    ::compress::CompressedTensorType
    getInnerType(::compress::CompressedTensorType type) const;
    /// Emits IR that restores the component that encoding `of` has as a whole:
    /// a dense tensor of storage, or a compressed tensor.
    ::mlir::FailureOr<::mlir::Value>
    buildInflate(::mlir::OpBuilder &builder, ::mlir::Location loc,
                 ::compress::CompressedTensorType type,
                 ::mlir::ValueRange streams) const;
  }];
  let genVerifyDecl = 1;
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_CODED_TD

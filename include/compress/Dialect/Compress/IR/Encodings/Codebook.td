//===- Codebook.td - Indices into tables of values ---------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_CODEBOOK_TD
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_CODEBOOK_TD

include "compress/Dialect/Compress/IR/Encodings/Encoding.td"

def Compress_CodebookAttr : Compress_Encoding<"Codebook", "codebook",
    ["getNumParameters", "verifyPayload", "withComponentEncodings",
     "buildGather"]> {
  let summary = "Indices into tables of values or vectors, in one or more stages";
  let description = [{
    The tensor is cut into blocks of shape `vec` (single elements by default);
    each block is an entry of a table of `size` entries, or the sum of one entry
    from each of `stages` tables. Blocks at the end of a dimension may hang
    over; what hangs over is not part of the tensor. One set of tables serves
    each `group` of elements (the whole tensor by default).

    Components, with `V` the number of elements of a block, both leading axes
    only where they are more than one:

    - `indices : [stages] x ceil(shape / vec) x i(ceil(log2(size)))`, unsigned;
    - `codebooks : [ceil(shape / group)...] x [stages] x size x [V]`, a logical
      tensor of f32 (f64 for a logical f64) in the encoding `of`; the axes of
      the group grid are there only if `group` is given.

    A table has at most 65536 entries of at most 65536 elements, and a group
    consists of whole blocks. Encoding fits the tables by k-means (optimal for
    scalars, in stages for sums) and takes the entries nearest to the values as
    the tables decode.

    Decoding sums the entries in stage order in f32 (f64), then casts. With
    `of = generated<nf4>` and the like the table costs no bytes.

    ```mlir
    // 16 values from k-means, stored as f16; QLoRA's NF4 before scaling
    !compress.tensor<64x128xf32, codebook<16, of = f16>>
    !compress.tensor<64x128xf32, codebook<16, of = generated<nf4>>>
    // AQLM 2x8: two codebooks of 256 vectors of 8 along the last axis
    !compress.tensor<64x128xf32, codebook<256, of = f16, vec = [1, 8], stages = 2>>
    // SqueezeLLM: one table for each row
    !compress.tensor<64x128xf32, codebook<8, of = f16, group = [1, *]>>
    ```
  }];
  let parameters = (ins
    "int64_t":$size,
    "::compress::EncodingAttrInterface":$of,
    OptionalArrayRefParameter<"int64_t", "block shape; empty is one element">:$vec,
    DefaultValuedParameter<"int64_t", "1">:$stages,
    OptionalArrayRefParameter<"int64_t", "elements per set of tables; empty is all">:$group
  );
  let assemblyFormat = [{
    `<` $size `,` `of` `=` custom<Encoding>($of)
        `` custom<CodebookOptions>($vec, $stages, $group) `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Bits of an index.
    unsigned getIndexWidth() const;
    /// The block shape for tensors of this rank, and its number of elements.
    ::llvm::SmallVector<int64_t> getVectorShape(int64_t rank) const;
    int64_t getVectorSize() const;
    /// Blocks per dimension.
    ::llvm::SmallVector<int64_t>
    getIndexGrid(::llvm::ArrayRef<int64_t> shape) const;
    /// Sets of tables per dimension; all ones without `group`.
    ::llvm::SmallVector<int64_t>
    getGroupGrid(::llvm::ArrayRef<int64_t> shape) const;
  }];
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_CODEBOOK_TD

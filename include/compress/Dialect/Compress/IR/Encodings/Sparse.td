//===- Sparse.td - Some values stored, the rest zero -------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_SPARSE_TD
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_SPARSE_TD

include "compress/Dialect/Compress/IR/Encodings/Encoding.td"

def Compress_SparseAttr : Compress_Encoding<"Sparse", "sparse",
    ["getNumParameters", "verifyPayload", "refine", "withComponentEncodings",
     "buildGather", "rewriteContract", "recodeHost", "simplify",
     "countMultiplyAdds"]> {
  let summary = "Values at some positions, zero elsewhere";
  let description = [{
    Components `values`, in the encoding `of` and of the logical element type,
    then the positions, which are parameters. The shape is static. Patterns:

    - `bitmask`: values `[nnz]`, row-major; `mask : shape x i1`.
    - `csr<I>`, I one of i8, i16, i32: dimensions but the last are rows. values
      `[nnz]`, row by row; `columns : [nnz] x I` (unsigned, increasing within a
      row) and `row_offsets : [rows + 1] x i32`, from 0 to nnz, not decreasing.
      A tensor of rank 1 is one row.
    - `nm<n:m>` along an axis (the last unless `axis` is given), 1 <= n < m <=
      32: every m consecutive elements store n. The axis becomes ceil(d / m) * n
      in `values` and in `positions : i(ceil(log2(m)))` (unsigned), which
      increase within a block. In a block that hangs over the end, positions
      past it do not count.
    - `block<b0 x b1 ...>`: values `[nnz] x b0 x b1 ...`, in row-major order of
      blocks; `mask : ceil(shape / b) x i1`. What hangs over does not count.
    - `channels<axis>`: the axis has nnz entries in `values`;
      `kept : [nnz] x i32`, increasing.

    `nnz` (stored values, blocks, channels) depends on the data: `?` until it is
    known; `of` must then be legal for values of unknown number, which excludes
    what needs a static shape, such as `sparse`.

    Encoding keeps what is largest in magnitude (blocks and channels: in
    Euclidean norm; of equals, what comes first): n of each block, or `nnz`.
    Where `nnz` is `?` it keeps all that is not zero, so only the sign of a
    zero can be lost before the values are encoded. Given positions are kept as
    they are.

    ```mlir
    !compress.tensor<64x128xf32, sparse<bitmask, nnz = 819, of = f16>>
    !compress.tensor<64x128xf32, sparse<csr<i16>, nnz = 819, of = quant<i8, group = [*], scale = f32>>>
    !compress.tensor<64x128xf32, sparse<nm<2:4>, of = quant<i4, group = [1, 32], scale = f16>>>
    !compress.tensor<64x128xf32, sparse<block<4x16>, nnz = 7, of = f32>>
    !compress.tensor<64x128xf32, sparse<channels<0>, nnz = 48, of = f32>>
    ```
  }];
  let parameters = (ins
    "::compress::SparsePattern":$pattern,
    ArrayRefParameter<"int64_t", "what the pattern takes">:$arguments,
    "int64_t":$nnz,
    "::compress::EncodingAttrInterface":$of
  );
  let assemblyFormat = [{
    `<` custom<SparsePattern>($pattern, $arguments, $nnz) `,`
        `of` `=` custom<Encoding>($of) `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// `nm`: stored and total elements of a block. The axis, for `nm` and
    /// `channels`, for tensors of this rank.
    int64_t getN() const { return getArguments()[0]; }
    int64_t getM() const { return getArguments()[1]; }
    int64_t getAxis(int64_t rank) const;
    bool hasCount() const {
      return getPattern() != ::compress::SparsePattern::NM;
    }
    /// The logical shape of `values`.
    ::llvm::SmallVector<int64_t>
    getValuesShape(::llvm::ArrayRef<int64_t> shape) const;
    /// The same with another number of stored values, or values.
    SparseAttr withNnz(int64_t nnz) const;
    SparseAttr withOf(::compress::EncodingAttrInterface of) const;
    /// The leaves of the positions that keep what scores highest, by the rule
    /// above with scores, one per element, in place of magnitudes. Where `nnz`
    /// is `?`, the share `density` (0 to 1, rounded to a whole number) of the
    /// values, blocks or channels; all with a score other than zero without
    /// it.
    ::llvm::SmallVector<::compress::HostTensor>
    choosePositions(::compress::CompressedTensorType type,
                    ::llvm::ArrayRef<double> scores,
                    std::optional<double> density = std::nullopt) const;
  }];
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_SPARSE_TD

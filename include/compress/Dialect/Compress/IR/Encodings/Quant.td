//===- Quant.td - Uniform and float codes with scales ------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_QUANT_TD
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_QUANT_TD

include "compress/Dialect/Compress/IR/Encodings/Encoding.td"

def Compress_QuantAttr : Compress_Encoding<"Quant", "quant",
    ["getNumParameters", "withComponentEncodings", "buildDecode", "buildEncode", "buildGather",
     "decodeHost",
     "countMultiplyAdds"]> {
  let summary = "Uniform or floating-point codes with one scale per group";
  let description = [{
    Components `codes : shape x T`, `scales` and, if `zero` is given, `zeros`,
    both of shape `ceil(shape / group)`. Decoding gives, per element,

        (code - zero) * scale        for integer codes
        code * scale                 for float codes

    in f32 (f64 for a logical f64), then cast to the logical element type.

    - `T`: `iN` (signed) or `uiN` (unsigned), 1 <= N <= 16, or a float type of
      at most 8 bits.
    - `group`: one block size per dimension; `*` is the whole dimension. All
      `*` is per-tensor, `1` on one axis and `*` elsewhere per-axis or
      per-token, `[1, 32]` per-block, `[16, 16]` two-dimensional blocks. The
      last block of a dimension may be short.
    - `scale`: the encoding of the scales. A float type `S` stands for
      `dense<S>`; `f8E8M0FNU` gives the OCP MX formats. Any other encoding
      nests: `scale = quant<ui8, group = [1, 8], scale = f16>`. The scales are a
      logical tensor of f32.
    - `zero`: the encoding of the zero points (integer codes only), a logical
      tensor of i32 when it is a `dense` integer and of f32 otherwise; float
      zero points need not be integers.

    ```mlir
    !compress.tensor<64x128xf32, quant<i8, group = [1, *], scale = f32>>
    !compress.tensor<64x128xf32, quant<ui4, group = [1, 32], scale = f16, zero = ui4>>
    !compress.tensor<64x128xf32, quant<f4E2M1FN, group = [1, 32], scale = f8E8M0FNU>>
    ```
  }];
  let parameters = (ins
    "::mlir::Type":$codeType,
    ArrayRefParameter<"int64_t", "block size per dimension, kDynamic is the whole">:$group,
    "::compress::EncodingAttrInterface":$scale,
    OptionalParameter<"::compress::EncodingAttrInterface">:$zero
  );
  let assemblyFormat = [{
    `<` $codeType `,` `group` `=` custom<Group>($group) `,`
        `scale` `=` custom<Encoding>($scale)
        (`,` `zero` `=` custom<Encoding>($zero)^)? `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool isFloatCode() const;
    /// Whether integer codes are signed (`iN`).
    bool isSignedCode() const;
    unsigned getCodeWidth() const;
    /// The smallest and largest code that encoding produces: the symmetric
    /// range `[-(2^(N-1) - 1), 2^(N-1) - 1]` for signed codes without zero
    /// points and N > 1, else the whole range of the type. For float codes,
    /// plus and minus the largest finite value.
    std::pair<double, double> getCodeRange() const;
    /// The shape of scales and zeros for a logical shape.
    ::llvm::SmallVector<int64_t>
    getGroupGrid(::llvm::ArrayRef<int64_t> shape) const;
    /// The component types of scales and zeros.
    ::mlir::Type getScaleComponentType(::llvm::ArrayRef<int64_t> shape) const;
    ::mlir::Type getZeroComponentType(::llvm::ArrayRef<int64_t> shape) const;
    /// Turns one value range per group (row-major over the group grid) into
    /// the leaves of scales and zeros: the shared rule behind dynamic encoding
    /// and every range estimator. Ranges must be finite with lo <= hi.
    ::llvm::Expected<::llvm::SmallVector<::compress::HostTensor>>
    parametersFromRanges(::compress::CompressedTensorType type,
                         ::llvm::ArrayRef<float> lo,
                         ::llvm::ArrayRef<float> hi) const;
  }];
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_QUANT_TD

//===- Generated.td - Tensors that are computed, not stored *- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_GENERATED_TD
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_GENERATED_TD

include "compress/Dialect/Compress/IR/Encodings/Encoding.td"
include "mlir/IR/EnumAttr.td"

def Compress_GeneratedKind : I32Enum<"GeneratedKind", "kind of computed tensor", [
  I32EnumCase<"Zeros", 0, "zeros">,
  I32EnumCase<"Ones", 1, "ones">,
  I32EnumCase<"Identity", 2, "identity">,
  I32EnumCase<"Hadamard", 3, "hadamard">,
  I32EnumCase<"Linear", 4, "linear">,
  I32EnumCase<"Power", 5, "power">,
  I32EnumCase<"Pow2", 6, "pow2">,
  I32EnumCase<"Minifloat", 13, "minifloat">,
  I32EnumCase<"NF4", 7, "nf4">,
  I32EnumCase<"FP4", 8, "fp4">,
  I32EnumCase<"Ternary", 9, "ternary">,
  I32EnumCase<"Rademacher", 10, "rademacher">,
  I32EnumCase<"Uniform", 11, "uniform">,
  I32EnumCase<"Normal", 12, "normal">
]> {
  let cppNamespace = "::compress";
}

def Compress_GeneratedAttr : Compress_Encoding<"Generated", "generated",
    ["buildDecode", "buildEncode", "buildGather", "decodeHost"]> {
  let summary = "A tensor that is computed from its type";
  let description = [{
    No components. `i` is the row-major index of an element, `n` the number of
    elements.

    | kind | value |
    |---|---|
    | `zeros`, `ones` | 0, 1 |
    | `identity` | 1 where all coordinates are equal, else 0 |
    | `hadamard` | the product over pairs of coordinates of a matrix, (-1)^popcount(row and column); rank 2 |
    | `linear` | -1 + 2 i / (n - 1) rounded to f32; 0 if n = 1; n <= 65536 |
    | `power` | sign(x) abs(x)^param of the `linear` x, rounded to f32 (NUPES); n <= 65536 |
    | `pow2` | 0, then 1, -1, 1/2, -1/2, 1/4, ...; n <= 256 |
    | `minifloat` | the float with the bits of i: a sign, `param` exponent bits (1 to 7, bias 2^(param - 1) - 1), the rest mantissa; subnormals, no infinity or NaN; n a power of two up to 65536 |
    | `nf4`, `fp4` | the 16 values of 4-bit NormalFloat (QLoRA) and of the FP4 of bitsandbytes; n = 16 |
    | `ternary` | -1, 0, 1; n = 3 |
    | `rademacher` | +1 or -1 |
    | `uniform` | in [-1, 1), a multiple of 2^-23 |
    | `normal` | mean 0, variance 1: the sum of eight 16-bit uniform integers (Irwin-Hall), shifted and scaled |

    The last three take the words of Philox4x32-10 (Salmon et al., 2011) with
    key (seed, 0) and counter (i, 0, 0, 0): integer arithmetic, so they
    are the same bits on every target. Encoding a tensor stores nothing.

    ```mlir
    !compress.tensor<64x128xf32, generated<normal, seed = 7>>
    !compress.tensor<16xf32, generated<nf4>>
    ```
  }];
  let parameters = (ins
    EnumParameter<Compress_GeneratedKind>:$kind,
    DefaultValuedParameter<"uint32_t", "0">:$seed,
    OptionalParameter<"::mlir::FloatAttr">:$param
  );
  let assemblyFormat = [{
    `<` $kind `` custom<GeneratedOptions>($seed, $param) `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Whether the values come from a table that the compiler computes.
    bool isTable() const;
    /// That table, `count` numbers of f32.
    ::std::vector<float> getTable(int64_t count) const;
  }];
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_GENERATED_TD

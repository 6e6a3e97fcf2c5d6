//===- Passes.td - Passes of the compress dialect ----------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_TRANSFORMS_PASSES_TD
#define COMPRESS_DIALECT_COMPRESS_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def CompressFuseContract : Pass<"compress-fuse-contract"> {
  let summary = "Turns multiply-add linalg operations into compress.contract";
  let description = [{
    Every `linalg` operation that sums products of two operands (matrix
    products, batched ones, convolutions of any layout and grouping) becomes a
    `compress.contract`. Operands that are `compress.decode` of something are
    replaced by the compressed value, so that a target sees what is stored.

    ```mlir
    %w = compress.decode %packed : !compress.tensor<...>
    %y = linalg.matmul ins(%x, %w : ...) outs(%init : ...) -> ...
    // becomes
    %y = compress.contract ins(%x, %packed : ...) outs(%init : ...) ...
    ```
  }];
  let statistics = [
    Statistic<"numContractions", "contractions", "Contractions formed">,
    Statistic<"numDecodesFolded", "decodes-folded",
              "Operands taken in compressed form">
  ];
}

def CompressLowerContract : Pass<"compress-lower-contract"> {
  let summary = "Lowers compress.contract to decode and linalg.generic";
  let description = [{
    The reference way for contractions that no target pattern claimed. With
    `remarks` each one that has a compressed operand is reported.
  }];
  let options = [
    Option<"remarks", "remarks", "bool", "false",
           "Emit a remark for every compressed contraction lowered this way">
  ];
  let dependentDialects = ["::mlir::linalg::LinalgDialect",
                           "::mlir::arith::ArithDialect"];
  let statistics = [
    Statistic<"numLowered", "lowered", "Contractions lowered">
  ];
}

def CompressRewriteContract : Pass<"compress-rewrite-contract"> {
  let summary = "Computes contractions on the parts of compressed operands";
  let description = [{
    Applies the structural rule of each encoding, from the outside in, where it
    has one: `sum` becomes contractions into one accumulator, `factored` a chain
    in its cheapest order, scales, permutations and rotations move to the
    activation or the result. What has no rule is left to be decoded.

    ```mlir
    %y = compress.contract ins(%x, %w : tensor<8x64xf32>,
             !compress.tensor<64x32xf32, sum<[A, B]>>) outs(%init : ...) ...
    // becomes
    %0 = compress.contract ins(%x, %a : ..., !compress.tensor<64x32xf32, A>) outs(%init : ...) ...
    %y = compress.contract ins(%x, %b : ..., !compress.tensor<64x32xf32, B>) outs(%0 : ...) ...
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numRewritten", "rewritten", "Contractions rewritten">
  ];
}

def CompressSimplifyEncodings : Pass<"compress-simplify-encodings"> {
  let summary = "Simplifies the encodings of constants by the laws of the algebra";
  let description = [{
    Nested sums flatten, permutations compose, a permutation that does nothing
    and blocks of one element go away, and so on. With `allow-rounding` also the
    laws that hold up to rounding: scales of scales merge, a rotation applied
    twice cancels, sums flatten everywhere. Without, values are the same bit for
    bit; canonicalization does that much too.
  }];
  let options = [
    Option<"allowRounding", "allow-rounding", "bool", "false",
           "Apply laws that hold up to rounding">,
    Option<"remarks", "remarks", "bool", "false",
           "Emit a remark for every constant that changes">
  ];
  let statistics = [
    Statistic<"numSimplified", "simplified", "Constants simplified">
  ];
}

def CompressFoldConstants : Pass<"compress-fold-constants"> {
  let summary = "Evaluates encode, decode and cast of constants";
  let description = [{
    With the host reference, so that the program holds the result instead. This
    undoes the compression of weights: a choice, and not part of
    canonicalization.
  }];
  let options = [
    Option<"maxElements", "max-elements", "uint64_t", "65536",
           "Largest tensor to fold">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"numFolded", "folded", "Operations folded">];
}

def CompressLowerEncodings : Pass<"compress-lower-encodings"> {
  let summary = "Lowers encode, decode, cast and gather to linalg";
  let description = [{
    Replaces every compressed value by its components, using the `build...`
    methods of its encoding, until no compressed type is left. Constants become
    `arith.constant` components; sub-byte leaves stay packed bytes and are
    unpacked where they are read.

    A compressed value that enters or leaves through a function boundary or a
    region is an error: components have to be passed instead.
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
}

#endif // COMPRESS_DIALECT_COMPRESS_TRANSFORMS_PASSES_TD

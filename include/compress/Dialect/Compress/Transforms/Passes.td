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
    "::mlir::tensor::TensorDialect"
  ];
}

#endif // COMPRESS_DIALECT_COMPRESS_TRANSFORMS_PASSES_TD

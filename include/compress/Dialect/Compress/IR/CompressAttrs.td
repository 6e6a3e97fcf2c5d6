//===- CompressAttrs.td - Encodings ------------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_COMPRESSATTRS_TD
#define COMPRESS_DIALECT_COMPRESS_IR_COMPRESSATTRS_TD

include "compress/Dialect/Compress/IR/Encodings/Codebook.td"
include "compress/Dialect/Compress/IR/Encodings/Coded.td"
include "compress/Dialect/Compress/IR/Encodings/Dense.td"
include "compress/Dialect/Compress/IR/Encodings/Factored.td"
include "compress/Dialect/Compress/IR/Encodings/Generated.td"
include "compress/Dialect/Compress/IR/Encodings/Permuted.td"
include "compress/Dialect/Compress/IR/Encodings/Quant.td"
include "compress/Dialect/Compress/IR/Encodings/Rotated.td"
include "compress/Dialect/Compress/IR/Encodings/Scaled.td"
include "compress/Dialect/Compress/IR/Encodings/Sparse.td"
include "compress/Dialect/Compress/IR/Encodings/Sum.td"

#endif // COMPRESS_DIALECT_COMPRESS_IR_COMPRESSATTRS_TD

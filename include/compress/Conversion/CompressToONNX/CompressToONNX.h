//===- CompressToONNX.h - convert-compress-to-onnx --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_COMPRESSTOONNX_COMPRESSTOONNX_H
#define COMPRESS_CONVERSION_COMPRESSTOONNX_COMPRESSTOONNX_H

#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace compress {

/// Keys of `metadata_props` that make the conversion reversible.
namespace metadata {
/// On the node that gives the decoded value: the `!compress.tensor` type.
constexpr llvm::StringLiteral type = "compress.type";
/// On the same node: the type whose leaves the initializers hold, where it is
/// not that of `type` (entropy coding is undone).
constexpr llvm::StringLiteral exchange = "compress.exchange";
/// On the same node: the level that the plan chose, if known.
constexpr llvm::StringLiteral level = "compress.level";
/// On the same node: the site, the name of the weight before compression.
constexpr llvm::StringLiteral site = "compress.site";
/// On the nodes of one subgraph: its name.
constexpr llvm::StringLiteral part = "compress.part";
/// On an initializer: the number of the leaf that it stores.
constexpr llvm::StringLiteral leaf = "compress.leaf";
} // namespace metadata

#define GEN_PASS_DECL_CONVERTCOMPRESSTOONNX
#include "compress/Conversion/CompressToONNX/CompressToONNX.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Conversion/CompressToONNX/CompressToONNX.h.inc"

} // namespace compress

#endif // COMPRESS_CONVERSION_COMPRESSTOONNX_COMPRESSTOONNX_H

//===- ExpandExperts.h - onnx-expand-experts --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_EXPANDEXPERTS_EXPANDEXPERTS_H
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_EXPANDEXPERTS_EXPANDEXPERTS_H

#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Pass/Pass.h"

namespace compress::onnx {

/// Marks where an expert begins, by masking the tokens of others
/// (`routedIn`), and its outputs, which are zero for them (`routedOut`).
inline constexpr llvm::StringLiteral routedAttr = "compress.routed";
inline constexpr llvm::StringLiteral routedIn = "in", routedOut = "out";

/// A mixture that was expanded.
struct ExpertLayer {
  std::string node;
  /// Experts that a token goes to at most.
  int64_t numChosen = 1;
  /// The name of the first weight of each expert; its input is zero for tokens
  /// that are routed to others.
  std::vector<std::string> weights;
};

/// Does what the pass does.
std::vector<ExpertLayer> expandExperts(mlir::FunctionOpInterface function,
                                       double threshold);

#define GEN_PASS_DECL_EXPANDEXPERTS
#include "compress/Dialect/ONNX/Transforms/ExpandExperts/ExpandExperts.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Dialect/ONNX/Transforms/ExpandExperts/ExpandExperts.h.inc"

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_EXPANDEXPERTS_EXPANDEXPERTS_H

//===- CompactExperts.h - onnx-compact-experts ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_COMPACTEXPERTS_COMPACTEXPERTS_H
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_COMPACTEXPERTS_COMPACTEXPERTS_H

#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace compress::onnx {

#define GEN_PASS_DECL_COMPACTEXPERTS
#include "compress/Dialect/ONNX/Transforms/CompactExperts/CompactExperts.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Dialect/ONNX/Transforms/CompactExperts/CompactExperts.h.inc"

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_COMPACTEXPERTS_COMPACTEXPERTS_H

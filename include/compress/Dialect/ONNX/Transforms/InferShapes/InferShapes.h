//===- InferShapes.h - onnx-infer-shapes ------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_INFERSHAPES_INFERSHAPES_H
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_INFERSHAPES_INFERSHAPES_H

#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace compress::onnx {

#define GEN_PASS_DECL_INFERSHAPES
#include "compress/Dialect/ONNX/Transforms/InferShapes/InferShapes.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Dialect/ONNX/Transforms/InferShapes/InferShapes.h.inc"

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_INFERSHAPES_INFERSHAPES_H

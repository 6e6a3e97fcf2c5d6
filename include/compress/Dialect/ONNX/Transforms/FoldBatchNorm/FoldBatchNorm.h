//===- FoldBatchNorm.h - onnx-fold-batch-norm -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_FOLDBATCHNORM_FOLDBATCHNORM_H
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_FOLDBATCHNORM_FOLDBATCHNORM_H

#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace compress::onnx {

#define GEN_PASS_DECL_FOLDBATCHNORM
#include "compress/Dialect/ONNX/Transforms/FoldBatchNorm/FoldBatchNorm.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Dialect/ONNX/Transforms/FoldBatchNorm/FoldBatchNorm.h.inc"

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_FOLDBATCHNORM_FOLDBATCHNORM_H

//===- ONNXToCompress.h - convert-onnx-qdq-to-compress ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_ONNXTOCOMPRESS_ONNXTOCOMPRESS_H
#define COMPRESS_CONVERSION_ONNXTOCOMPRESS_ONNXTOCOMPRESS_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace compress {

#define GEN_PASS_DECL_CONVERTONNXQDQTOCOMPRESS
#include "compress/Conversion/ONNXToCompress/ONNXToCompress.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Conversion/ONNXToCompress/ONNXToCompress.h.inc"

} // namespace compress

#endif // COMPRESS_CONVERSION_ONNXTOCOMPRESS_ONNXTOCOMPRESS_H

//===- ONNXDialect.h - the onnx dialect ---------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef COMPRESS_DIALECT_ONNX_IR_ONNXDIALECT_H
#define COMPRESS_DIALECT_ONNX_IR_ONNXDIALECT_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"

#include "compress/Dialect/ONNX/IR/ONNXDialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "compress/Dialect/ONNX/IR/ONNXTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "compress/Dialect/ONNX/IR/ONNXAttrs.h.inc"

#endif // COMPRESS_DIALECT_ONNX_IR_ONNXDIALECT_H

//===- ONNXOps.h - ops of the onnx dialect ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ONNXOps.td explains the conventions of operands and attributes.

#ifndef COMPRESS_DIALECT_ONNX_IR_ONNXOPS_H
#define COMPRESS_DIALECT_ONNX_IR_ONNXOPS_H

#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace compress::onnx::detail {
/// Operand (result) `index` of `op`; null when the list is shorter or the value
/// is of type `none`.
mlir::Value givenOperand(mlir::Operation *op, unsigned index);
mlir::Value givenResult(mlir::Operation *op, unsigned index);
} // namespace compress::onnx::detail

#define GET_OP_CLASSES
#include "compress/Dialect/ONNX/IR/ONNXOps.h.inc"

#endif // COMPRESS_DIALECT_ONNX_IR_ONNXOPS_H

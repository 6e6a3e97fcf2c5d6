//===- ONNXParse.h - custom assembly directives ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef LIB_DIALECT_ONNX_IR_ONNXPARSE_H
#define LIB_DIALECT_ONNX_IR_ONNXPARSE_H

#include "mlir/IR/BuiltinAttributeInterfaces.h"
#include "mlir/IR/OpImplementation.h"

namespace compress::onnx {

/// `elements`, whose type is that of the result.
mlir::ParseResult parseElementsOfType(mlir::OpAsmParser &parser,
                                      mlir::ElementsAttr &value,
                                      mlir::Type &type);
void printElementsOfType(mlir::OpAsmPrinter &printer, mlir::Operation *op,
                         mlir::ElementsAttr value, mlir::Type type);

} // namespace compress::onnx

#endif // LIB_DIALECT_ONNX_IR_ONNXPARSE_H

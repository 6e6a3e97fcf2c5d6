//===- ONNXDialect.cpp - the onnx dialect, its types and attributes -------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace compress::onnx;

#include "compress/Dialect/ONNX/IR/ONNXDialect.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "compress/Dialect/ONNX/IR/ONNXTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "compress/Dialect/ONNX/IR/ONNXAttrs.cpp.inc"

void ONNXDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "compress/Dialect/ONNX/IR/ONNXTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "compress/Dialect/ONNX/IR/ONNXAttrs.cpp.inc"
      >();
  registerONNXDialectOperations(this);
}

//===- ONNXToLinalg.h - convert-onnx-to-linalg ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_ONNXTOLINALG_ONNXTOLINALG_H
#define COMPRESS_CONVERSION_ONNXTOLINALG_ONNXTOLINALG_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace compress {

/// Whether `convert-onnx-to-linalg` has a lowering for the standard operator
/// (which may still refuse some attributes).
bool hasLinalgLowering(llvm::StringRef opType);

#define GEN_PASS_DECL_CONVERTONNXTOLINALG
#include "compress/Conversion/ONNXToLinalg/ONNXToLinalg.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Conversion/ONNXToLinalg/ONNXToLinalg.h.inc"

} // namespace compress

#endif // COMPRESS_CONVERSION_ONNXTOLINALG_ONNXTOLINALG_H

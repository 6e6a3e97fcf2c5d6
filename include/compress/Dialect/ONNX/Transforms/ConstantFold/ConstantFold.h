//===- ConstantFold.h - onnx-constant-fold ----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_TRANSFORMS_CONSTANTFOLD_CONSTANTFOLD_H
#define COMPRESS_DIALECT_ONNX_TRANSFORMS_CONSTANTFOLD_CONSTANTFOLD_H

#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace compress::onnx {

/// Whether `evaluate` knows the operator. Says nothing about types.
bool canEvaluate(llvm::StringRef opType);

/// Computes the results of `node` on the host. `inputs` has one entry per
/// operand, empty for those that are not given; result types must be ranked
/// and static (run onnx-infer-shapes first). Fails without a diagnostic when
/// the operator, a type or an attribute is not supported.
mlir::FailureOr<llvm::SmallVector<HostTensor>>
evaluate(const Node &node, llvm::ArrayRef<HostTensor> inputs);

#define GEN_PASS_DECL_CONSTANTFOLD
#include "compress/Dialect/ONNX/Transforms/ConstantFold/ConstantFold.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Dialect/ONNX/Transforms/ConstantFold/ConstantFold.h.inc"

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_TRANSFORMS_CONSTANTFOLD_CONSTANTFOLD_H

//===- Operands.h - Operands of claimed operations --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_ELEMENTS_OPERANDS_H
#define COMPRESS_LIB_TARGET_ELEMENTS_OPERANDS_H

#include "LazyTensor.h"
#include "mlir/IR/PatternMatch.h"

namespace compress::device {

/// Fails; `isLast` in the end, when no claim comes after, says why the host
/// computes `op`.
mlir::LogicalResult leave(mlir::PatternRewriter &rewriter, mlir::Operation *op,
                          bool isLast, const llvm::Twine &reason);

/// The elements of an operand. What the device cannot decode element by element
/// is decoded by the host, once if it is a constant, when `decodeOnHost`.
mlir::FailureOr<Element> readOperand(ElementKernel &k, LazyTensorBuilder &lazy,
                                     Value operand, bool decodeOnHost);

/// What the sum of a contraction starts from: zero, a vector along one axis, or
/// a tensor.
std::optional<Element> readInit(ElementKernel &k, LazyTensorBuilder &lazy,
                                ContractOp op);

/// Element `at` of a buffer of indices of `width` bits, brought into
/// [0, extent): negative ones count from the end, others go to the nearest.
Value loadIndex(ElementKernel &k, unsigned buffer, Value at, unsigned width,
                int64_t extent);

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_ELEMENTS_OPERANDS_H

//===- FloatClaims.h - What float claims share ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_FLOATCLAIMS_H
#define COMPRESS_LIB_TARGET_CPU_FLOATCLAIMS_H

#include "KernelFloatEpilogue.h"
#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/IR/PatternMatch.h"

namespace compress::cpu {

/// The elementwise operations that follow a contraction and that its kernel
/// can do, as long as nothing else needs what is between them.
struct EpilogueMatch {
  FloatEpilogue epilogue;
  /// The tensor that is added, if any, of the result's type.
  Value addend;
  /// The last of the operations, the contraction itself if there is none.
  mlir::Operation *last = nullptr;
};
/// What follows `op`, a contraction or an operation that was taken along.
EpilogueMatch matchFloatEpilogue(mlir::Operation *op);

/// Puts `result`, made before `match.last`, in its place and erases `op`. Of
/// the operations between, dead code is left.
void replaceWithEpilogue(mlir::PatternRewriter &rewriter, ContractOp op,
                         const EpilogueMatch &match, Value result);

/// Sees [n, g, c, spatial...] as [n, g * c, spatial...] where that only undoes
/// an expansion.
Value peelGroups(Value value, unsigned spatial);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_FLOATCLAIMS_H

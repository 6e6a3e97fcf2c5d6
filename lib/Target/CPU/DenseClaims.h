//===- DenseClaims.h - What dense claims share ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_DENSECLAIMS_H
#define COMPRESS_LIB_TARGET_CPU_DENSECLAIMS_H

#include "compress/Target/Target.h"

namespace compress::cpu {

using mlir::Location;
using mlir::OpBuilder;
using mlir::Value;

/// `operand`, decoded if it is compressed.
Value decoded(OpBuilder &b, Location loc, Value operand);
/// What runtime kernels take for no bias.
Value emptyBias(OpBuilder &b, Location loc);
Value i64(OpBuilder &b, Location loc, int64_t value);

/// Groups adjacent axes: `groups[i]` lists the axes that become axis i; an
/// empty group becomes an axis of extent one.
Value regroup(OpBuilder &b, Location loc, Value value,
              llvm::ArrayRef<llvm::SmallVector<int64_t>> groups);
/// The inverse of `regroup`, back to the shape of `like`.
Value ungroup(OpBuilder &b, Location loc, Value value, Value like,
              llvm::ArrayRef<llvm::SmallVector<int64_t>> groups);
/// `result + init`, for an init that no bias stands for.
Value addInit(OpBuilder &b, Location loc, Value result, Value init);

/// Attention of generated kernels, in AttentionPatterns.cpp.
void populateAttentionPatterns(mlir::RewritePatternSet &patterns,
                               const TargetOptions &options);
/// Convolutions of the runtime, in DenseConvPatterns.cpp.
void populateDenseConvPatterns(mlir::RewritePatternSet &patterns);
/// Convolutions of generated kernels, in FloatConvPatterns.cpp.
void populateFloatConvPatterns(mlir::RewritePatternSet &patterns,
                               const TargetOptions &options);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_DENSECLAIMS_H

//===- CPUTarget.h - The CPU target -----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_CPU_CPUTARGET_H
#define COMPRESS_TARGET_CPU_CPUTARGET_H

#include "compress/Target/Target.h"

namespace compress {

std::unique_ptr<Target> createCPUTarget();

/// Matrix products with weights in parts whose rules did not pay: decoded.
void populateCPUFallbackPatterns(mlir::RewritePatternSet &patterns,
                                 const TargetOptions &options);

/// Dense f32 contractions: convolutions with constant filters by generated
/// kernels, all else by the runtime (oneDNN or its portable loops).
void populateCPUDensePatterns(mlir::RewritePatternSet &patterns,
                              const TargetOptions &options);

/// Matrix products with constant float weights, by generated kernels.
void populateCPUFloatPatterns(mlir::RewritePatternSet &patterns,
                              const TargetOptions &options);

/// Codes of fewer than 8 bits, of activations and of filters that are
/// multiplied with codes, in 8 bits, for the patterns below.
void populateCPUWidenPatterns(mlir::RewritePatternSet &patterns);
/// Quantized contractions: integer dot products and weight-only products, by
/// generated kernels.
void populateCPUQuantizedPatterns(mlir::RewritePatternSet &patterns,
                                  const TargetOptions &options);

/// Contractions with sparse weights, by generated kernels that touch only what
/// is stored.
void populateCPUSparsePatterns(mlir::RewritePatternSet &patterns,
                               const TargetOptions &options);

/// Contractions with vector and additive codebooks, by generated kernels.
void populateCPUCodebookPatterns(mlir::RewritePatternSet &patterns,
                                 const TargetOptions &options);

/// Contractions with entropy-coded weights, by generated kernels.
void populateCPUCodedPatterns(mlir::RewritePatternSet &patterns,
                              const TargetOptions &options);

} // namespace compress

#endif // COMPRESS_TARGET_CPU_CPUTARGET_H

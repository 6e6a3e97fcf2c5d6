//===- SparseClaims.h - What claims of sparse weights share -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_SPARSECLAIMS_H
#define COMPRESS_LIB_TARGET_CPU_SPARSECLAIMS_H

#include "QuantizedClaims.h"
#include "SparsePacking.h"

namespace compress::cpu {

/// Whether all stored values are finite: others would spread through padding.
bool isFinite(const SparseMatrix &weight);
/// The operands that walk through a packed weight.
void appendSlices(Emitter &e, const PackedSlices &packed,
                  const std::string &site, llvm::SmallVectorImpl<Value> &ins);

/// Convolutions, in SparseConvPatterns.cpp.
void populateSparseConvPatterns(mlir::RewritePatternSet &patterns,
                                const TargetOptions &options);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_SPARSECLAIMS_H

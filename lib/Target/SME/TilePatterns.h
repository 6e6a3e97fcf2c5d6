//===- TilePatterns.h - Claims of contractions and lookups ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_SME_TILEPATTERNS_H
#define COMPRESS_LIB_TARGET_SME_TILEPATTERNS_H

#include "mlir/IR/PatternMatch.h"

namespace compress::sme {

/// Below so many rows the array is mostly idle, and reading weights is what
/// takes time: the CPU's kernels do that better.
inline constexpr int64_t kFewRows = 4;

/// Claims of contractions as outer products. With `isLast`, constants that
/// cannot be read element by element are decoded when the model is loaded;
/// without, they are left to the rules of their encodings.
void populateTilePatterns(mlir::RewritePatternSet &patterns, bool isLast);
/// Claims of lookups, likewise.
void populateTileGather(mlir::RewritePatternSet &patterns, bool isLast);

} // namespace compress::sme

#endif // COMPRESS_LIB_TARGET_SME_TILEPATTERNS_H

//===- TilePatterns.h - Claims of contractions and lookups ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_SME_TILEPATTERNS_H
#define COMPRESS_LIB_TARGET_SME_TILEPATTERNS_H

#include "mlir/IR/PatternMatch.h"

namespace compress::sme {

/// Claims of contractions as outer products. With `isLast`, constants that
/// cannot be read element by element are decoded when the model is loaded;
/// without, they are left to the rules of their encodings.
void populateTilePatterns(mlir::RewritePatternSet &patterns, bool isLast);
/// Claims of lookups, likewise.
void populateTileGather(mlir::RewritePatternSet &patterns, bool isLast);

} // namespace compress::sme

#endif // COMPRESS_LIB_TARGET_SME_TILEPATTERNS_H

//===- ContractRules.h - Structural rules of contractions -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_TRANSFORMS_CONTRACTRULES_H
#define COMPRESS_DIALECT_COMPRESS_TRANSFORMS_CONTRACTRULES_H

#include "mlir/IR/PatternMatch.h"

namespace compress {

/// The rule of each encoding, `EncodingAttrInterface::rewriteContract`, and the
/// taking apart of constants that it needs.
void populateContractRules(mlir::RewritePatternSet &patterns);

/// Applies the rules to every contraction inside `op`, once and to what they
/// give, until none applies. Returns how many were rewritten.
unsigned applyContractRules(mlir::Operation *op);

/// Applies one rule to each contraction inside `op` that has one, and none to
/// what they give: in between, a target may claim parts. Returns how many were
/// rewritten.
unsigned applyContractRulesOnce(mlir::Operation *op);

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_TRANSFORMS_CONTRACTRULES_H

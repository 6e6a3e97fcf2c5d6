//===- SharedOperands.h - Sites that choose together ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_SEARCH_SHAREDOPERANDS_H
#define COMPRESS_SEARCH_SHAREDOPERANDS_H

#include "compress/Plan/Level.h"
#include "compress/Search/Search.h"
#include "compress/Site/Site.h"

namespace compress {

/// Groups of sites, as indices: matrix products of one shape that read the same
/// activations through the same kind of operation, so that their weights could
/// be one (query, key and value projections, gate and up projections). Each
/// group has at least two sites; in program order.
std::vector<std::vector<unsigned>> findSiblings(llvm::ArrayRef<Site> sites);

struct SharedOperandOptions {
  /// Siblings take the same level, for a target or runtime that merges them.
  bool siblings = false;
  /// Sites that these name are left to the user.
  llvm::ArrayRef<SiteRule> rules;
};

/// Couples what shares an operand: an activation that feeds several sites is
/// stored in one encoding, so levels that compress it in different ways do not
/// meet there (levels that leave it alone go with any); and siblings, if asked
/// for. Sites that are coupled already, or named by a rule, are left out. For
/// each group with none or too many combinations, which is left free, and for
/// each group of siblings `notes` gets a sentence.
llvm::Error coupleSharedOperands(Problem &problem, llvm::ArrayRef<Site> sites,
                                 llvm::ArrayRef<Level> levels,
                                 const SharedOperandOptions &options,
                                 std::vector<std::string> &notes);

} // namespace compress

#endif // COMPRESS_SEARCH_SHAREDOPERANDS_H

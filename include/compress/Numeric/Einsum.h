//===- Einsum.h - Einsum equations and contraction orders -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_NUMERIC_EINSUM_H
#define COMPRESS_NUMERIC_EINSUM_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>

namespace compress {

/// A set of names of an equation: bit n stands for name n.
using NameSet = uint64_t;

/// An einsum, result first: `(a b) (c d) = a c r, r b d`.
///
/// For each dimension of the result there is a name, or names in parentheses
/// that split the dimension (row-major); after `=` come the names of each
/// factor's dimensions, factors separated by commas. Names are identifiers.
struct Einsum {
  /// In order of first appearance; elsewhere a name is its number here.
  llvm::SmallVector<std::string> names;
  /// The names that make up each dimension of the result.
  llvm::SmallVector<llvm::SmallVector<unsigned>> dims;
  llvm::SmallVector<llvm::SmallVector<unsigned>> factors;

  static constexpr unsigned maxNames = 32;

  /// Errors point out the place: a name used twice in the result or in one
  /// factor, a name of the result that no factor has, more than `maxNames`
  /// names, no factors, bad characters.
  static llvm::Expected<Einsum> parse(llvm::StringRef text);

  std::optional<unsigned> lookup(llvm::StringRef name) const;
  /// The names of the result, groups taken apart.
  llvm::SmallVector<unsigned> getResultNames() const;
  NameSet getResultSet() const;
  /// Whether the name is summed over.
  bool isContracted(unsigned name) const {
    return !(getResultSet() >> name & 1);
  }
  /// Whether the name stands alone for a dimension of the result, which thus
  /// fixes its size.
  bool isWholeDim(unsigned name) const;
};

/// The set of these names.
NameSet makeNameSet(llvm::ArrayRef<unsigned> names);

/// One contraction of two operands. Operands are numbered from 0; step i makes
/// operand `number of operands + i`.
struct ContractionStep {
  unsigned lhs, rhs;
  /// The names that the result has.
  NameSet result;
  /// Multiplications and additions.
  double flops;
};

struct ContractionPlan {
  llvm::SmallVector<ContractionStep> steps;
  double flops = 0;
};

/// The pairwise order of contracting `operands`, each given by its names, that
/// takes the fewest operations; names in `keep` stay, others are summed over
/// as soon as no other operand has them. Optimal for up to eight operands (all
/// orders are searched), greedy beyond. `sizes` are the extents of the names.
ContractionPlan planContraction(llvm::ArrayRef<NameSet> operands, NameSet keep,
                                llvm::ArrayRef<int64_t> sizes);

} // namespace compress

#endif // COMPRESS_NUMERIC_EINSUM_H

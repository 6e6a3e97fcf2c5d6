//===- Relaxation.h - Limits with a price -----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_SEARCH_RELAXATION_H
#define COMPRESS_LIB_SEARCH_RELAXATION_H

#include "compress/Search/Search.h"

namespace compress {

/// The Lagrangian dual: each limit gets a price, every variable takes the
/// option that is cheapest with it, and the sum is a lower bound.
struct Relaxation {
  /// A price for each limit, at least 0.
  std::vector<double> prices;
  /// What the prices prove.
  double bound = -std::numeric_limits<double>::infinity();
  /// The best feasible options met on the way, improved by exchanges; nothing
  /// when none was feasible.
  std::optional<std::vector<unsigned>> best;
};

/// The prices are optimal.
Relaxation relax(const NormalForm &normal);

/// Changes one option at a time, the most objective per use first, while that
/// helps and fits.
void improve(const NormalForm &normal, std::vector<unsigned> &options);

} // namespace compress

#endif // COMPRESS_LIB_SEARCH_RELAXATION_H

//===- LevelTable.h - What each level costs at each site --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_SEARCH_LEVELTABLE_H
#define COMPRESS_SEARCH_LEVELTABLE_H

#include "compress/Plan/LevelDatabase.h"
#include "compress/Search/JobPool.h"
#include "compress/Search/Search.h"

namespace compress {

/// Encodes every site at every level, in parallel on the context's threads and
/// on the processes of `pool` (null: on this one), and keeps the error and the
/// cost "bytes". The error of a choice is the layer's relative output error
/// (`LayerError::relative`), which is comparable between sites, plus what
/// rounding its activations adds. The result does not depend on the number of
/// threads or processes, nor on what the database holds already. A level that a
/// site cannot have is excluded there, with the reason. Errors: a site that can
/// have none, a level that needs calibration data.
llvm::Expected<Problem>
buildLevelTable(llvm::ArrayRef<Site> sites, llvm::ArrayRef<Level> levels,
                const LevelDatabase &database = LevelDatabase(),
                const ProgressCallback &progress = nullptr,
                JobPool *pool = nullptr);

/// The cost that holds what a target predicts, in seconds.
inline constexpr llvm::StringLiteral kPredictedSeconds = "predicted seconds";

/// The assignment as a plan with predicted bits, bytes, errors and, where the
/// problem has such costs, times.
Plan makePlan(llvm::ArrayRef<Site> sites, const Problem &problem,
              const Assignment &assignment);

} // namespace compress

#endif // COMPRESS_SEARCH_LEVELTABLE_H

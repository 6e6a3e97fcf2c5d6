//===- KMeans.h - Weighted clustering of scalars and vectors ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Points are row-major, `dim` coordinates each. Weights are nonnegative, one
// for each coordinate of each point, or empty (all 1); if they sum to zero
// they count as 1. The error is the sum of weight * (coordinate - center)^2.
// Coordinates that are not finite are left out of the fit. Results are the same
// on every run and for any number of threads. With fewer distinct points than
// centers the last ones repeat; without points they are 0.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_NUMERIC_KMEANS_H
#define COMPRESS_NUMERIC_KMEANS_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace compress {

struct KMeansOptions {
  /// Rounds of Lloyd's iteration at most.
  unsigned iterations = 30;
  /// For several stages: rounds of fitting each again to what the others leave.
  unsigned refits = 4;
  uint32_t seed = 0;
};

/// `count` centers of scalars, rising. Optimal (dynamic programming, as
/// Ckmeans.1d.dp: Wang and Song 2011) while distinct values times `count` is
/// moderate; above that, values are binned first, or for thousands of centers
/// Lloyd's iteration starts from quantiles.
std::vector<double> clusterScalars(llvm::ArrayRef<double> values,
                                   llvm::ArrayRef<double> weights,
                                   int64_t count,
                                   const KMeansOptions &options = {});

/// `count` x `dim` centers by Lloyd's iteration from k-means++ seeds (Arthur
/// and Vassilvitskii 2007); a center that lost its points moves to the point
/// with the largest error. Fitted on a sample when there are very many points.
std::vector<double> clusterVectors(llvm::ArrayRef<double> points, int64_t dim,
                                   llvm::ArrayRef<double> weights,
                                   int64_t count,
                                   const KMeansOptions &options = {});

/// `stages` x `count` x `dim` centers whose sums, one per stage, approximate
/// the points: each stage fits what the ones before leave, then each is fitted
/// again with the others fixed.
std::vector<double> clusterAdditive(llvm::ArrayRef<double> points, int64_t dim,
                                    llvm::ArrayRef<double> weights,
                                    int64_t count, int64_t stages,
                                    const KMeansOptions &options = {});

/// For each point the center with the least weighted error, the first among
/// equals. `centers` has at least one row; those that are not finite are taken
/// only if there is no other.
std::vector<uint32_t> assignNearest(llvm::ArrayRef<double> points, int64_t dim,
                                    llvm::ArrayRef<double> weights,
                                    llvm::ArrayRef<double> centers);

/// `stages` x points indices into `stages` tables (stage-major, as
/// `clusterAdditive` gives them): nearest stage by stage, then each stage again
/// with the others fixed, until no index changes or `rounds` are over. Exact
/// for one stage.
std::vector<uint32_t> assignAdditive(llvm::ArrayRef<double> points, int64_t dim,
                                     llvm::ArrayRef<double> weights,
                                     llvm::ArrayRef<double> centers,
                                     int64_t stages, unsigned rounds = 8);

} // namespace compress

#endif // COMPRESS_NUMERIC_KMEANS_H

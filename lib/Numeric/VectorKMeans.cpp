//===- VectorKMeans.cpp - Clustering of vectors, in stages ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"
#include "compress/Numeric/KMeans.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Parallel.h"
#include <algorithm>
#include <cmath>

using namespace compress;
using namespace compress::numeric;
using llvm::ArrayRef;
using llvm::MutableArrayRef;

namespace {
/// Points with weights that are finite and not negative; coordinates that are
/// not finite are 0 and weigh nothing.
struct Points {
  std::vector<double> values, weights;
  int64_t dim;

  Points(ArrayRef<double> points, int64_t dim, ArrayRef<double> givenWeights);
  int64_t size() const { return values.size() / dim; }
  const double *row(int64_t i) const { return &values[i * dim]; }
  const double *weightRow(int64_t i) const { return &weights[i * dim]; }
};

/// Centers with each coordinate's values side by side: the distances to many
/// centers are computed at once.
class CenterTable {
public:
  CenterTable(ArrayRef<double> centers, int64_t dim)
      : dim(dim), count(centers.size() / dim), coordinates(centers.size()) {
    for (int64_t k = 0; k < count; ++k)
      for (int64_t j = 0; j < dim; ++j)
        coordinates[j * count + k] = centers[k * dim + j];
  }
  int64_t size() const { return count; }
  /// The nearest center, the first among equals, and its weighted error.
  std::pair<uint32_t, double> findNearest(const double *point,
                                          const double *weight) const {
    const int64_t blockSize = 256;
    double distance[blockSize];
    uint32_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (int64_t begin = 0; begin < count; begin += blockSize) {
      int64_t size = std::min(blockSize, count - begin);
      std::fill_n(distance, size, 0.0);
      for (int64_t j = 0; j < dim; ++j) {
        const double *row = &coordinates[j * count + begin];
        double x = point[j], w = weight[j];
        for (int64_t k = 0; k < size; ++k) {
          double difference = x - row[k];
          distance[k] += w * (difference * difference);
        }
      }
      for (int64_t k = 0; k < size; ++k)
        if (distance[k] < least) {
          least = distance[k];
          best = begin + k;
        }
    }
    return {best, least};
  }

private:
  int64_t dim, count;
  std::vector<double> coordinates;
};
} // namespace

Points::Points(ArrayRef<double> points, int64_t dim,
               ArrayRef<double> givenWeights)
    : values(points.begin(), points.end()), weights(points.size(), 1),
      dim(dim) {
  auto usable = [](double w) { return std::isfinite(w) && w > 0; };
  if (llvm::any_of(givenWeights, usable))
    for (auto [w, given] : llvm::zip(weights, givenWeights))
      w = usable(given) ? given : 0;
  for (auto [value, weight] : llvm::zip(values, weights))
    if (!std::isfinite(value))
      value = weight = 0;
}

/// Calls `body(i)` for every point, in parallel when there is much to do.
static void forPoints(int64_t count, double workEach,
                      llvm::function_ref<void(int64_t)> body) {
  const int64_t blockSize = 1024;
  int64_t numBlocks = (count + blockSize - 1) / blockSize;
  auto run = [&](size_t block) {
    int64_t end = std::min<int64_t>((block + 1) * blockSize, count);
    for (int64_t i = block * blockSize; i < end; ++i)
      body(i);
  };
  if (double(count) * workEach > 1e6) {
    llvm::parallelFor(0, numBlocks, run);
    return;
  }
  for (int64_t block = 0; block < numBlocks; ++block)
    run(block);
}

/// Fills the nearest center of each point and its error; returns whether any
/// changed.
static bool assign(const Points &points, ArrayRef<double> centers,
                   MutableArrayRef<uint32_t> nearest,
                   MutableArrayRef<double> errors) {
  CenterTable table(centers, points.dim);
  std::vector<uint32_t> before(nearest.begin(), nearest.end());
  forPoints(points.size(), double(table.size()) * points.dim, [&](int64_t i) {
    std::tie(nearest[i], errors[i]) =
        table.findNearest(points.row(i), points.weightRow(i));
  });
  return !std::equal(before.begin(), before.end(), nearest.begin());
}

/// k-means++: each further center is a point, drawn with a probability in
/// proportion to its error so far.
static std::vector<double> seedCenters(const Points &points, int64_t count,
                                       uint32_t seed) {
  Random random(seed);
  int64_t n = points.size(), dim = points.dim;
  std::vector<double> centers;
  centers.reserve(count * dim);
  std::vector<double> errors(n, std::numeric_limits<double>::infinity());
  int64_t chosen = random.nextInteger() % n;
  for (int64_t k = 0; k < count; ++k) {
    const double *center = points.row(chosen);
    centers.insert(centers.end(), center, center + dim);
    double total = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double *x = points.row(i), *w = points.weightRow(i);
      double error = 0;
      for (int64_t j = 0; j < dim; ++j)
        error += w[j] * (x[j] - center[j]) * (x[j] - center[j]);
      errors[i] = std::min(errors[i], error);
      total += errors[i];
    }
    if (!(total > 0)) {
      // Every point is a center already.
      while (int64_t(centers.size()) < count * dim)
        centers.push_back(centers[centers.size() - dim]);
      break;
    }
    double at = (random.next() + 1) / 2 * total;
    for (chosen = 0; chosen + 1 < n && at >= errors[chosen]; ++chosen)
      at -= errors[chosen];
  }
  return centers;
}

/// Moves centers to the weighted means of their points. A center without points
/// moves to the point that is worst off.
static void moveCenters(const Points &points, ArrayRef<uint32_t> nearest,
                        MutableArrayRef<double> errors,
                        MutableArrayRef<double> centers) {
  int64_t dim = points.dim, count = centers.size() / dim;
  std::vector<double> sum(centers.size(), 0), weight(centers.size(), 0);
  std::vector<int64_t> members(count, 0);
  for (int64_t i = 0; i < points.size(); ++i) {
    int64_t k = nearest[i];
    ++members[k];
    for (int64_t j = 0; j < dim; ++j) {
      sum[k * dim + j] += points.weightRow(i)[j] * points.row(i)[j];
      weight[k * dim + j] += points.weightRow(i)[j];
    }
  }
  for (size_t i = 0; i < centers.size(); ++i)
    if (weight[i] > 0)
      centers[i] = sum[i] / weight[i];
  int64_t empty = llvm::count(members, 0);
  if (!empty)
    return;
  // The worst points, in order.
  std::vector<int64_t> worst(points.size());
  for (int64_t i = 0; i < points.size(); ++i)
    worst[i] = i;
  auto isWorse = [&](int64_t a, int64_t b) {
    return errors[a] != errors[b] ? errors[a] > errors[b] : a < b;
  };
  int64_t wanted = std::min<int64_t>(empty, points.size());
  std::partial_sort(worst.begin(), worst.begin() + wanted, worst.end(),
                    isWorse);
  int64_t next = 0;
  for (int64_t k = 0; k < count && next < wanted; ++k)
    if (!members[k] && errors[worst[next]] > 0) {
      std::copy_n(points.row(worst[next]), dim, &centers[k * dim]);
      ++next;
    }
}

/// Fits on at most this many points per center.
static Points sample(const Points &points, int64_t count, uint32_t seed) {
  int64_t limit = std::max<int64_t>(256 * count, 1 << 16);
  if (points.size() <= limit)
    return points;
  // One point of each of `limit` runs of equal length.
  Random random(seed ^ 0x5851f42d4c957f2dull);
  Points result({}, points.dim, {});
  for (int64_t s = 0; s < limit; ++s) {
    int64_t begin = s * points.size() / limit;
    int64_t end = (s + 1) * points.size() / limit;
    int64_t i = begin + random.nextInteger() % (end - begin);
    llvm::append_range(result.values, ArrayRef(points.row(i), points.dim));
    llvm::append_range(result.weights,
                       ArrayRef(points.weightRow(i), points.dim));
  }
  return result;
}

static std::vector<double> fit(const Points &all, int64_t count,
                               const KMeansOptions &options) {
  if (all.size() == 0)
    return std::vector<double>(count * all.dim, 0);
  if (all.dim == 1)
    return clusterScalars(all.values, all.weights, count, options);
  Points points = sample(all, count, options.seed);
  std::vector<double> centers = seedCenters(points, count, options.seed);
  std::vector<uint32_t> nearest(points.size(), ~0u);
  std::vector<double> errors(points.size());
  for (unsigned iteration = 0; iteration < options.iterations; ++iteration) {
    if (!assign(points, centers, nearest, errors))
      break;
    moveCenters(points, nearest, errors, centers);
  }
  return centers;
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

/// Adds `sign` times the assigned centers of a stage to the residuals.
static void addStage(Points &residual, ArrayRef<double> centers,
                     ArrayRef<uint32_t> indices, double sign) {
  int64_t dim = residual.dim;
  for (int64_t i = 0; i < residual.size(); ++i)
    for (int64_t j = 0; j < dim; ++j)
      residual.values[i * dim + j] += sign * centers[indices[i] * dim + j];
}

/// Sets each stage's indices to the nearest, given the others; `residual` is
/// what all stages leave. Returns whether any index changed.
static bool reassign(Points &residual, ArrayRef<double> centers,
                     std::vector<uint32_t> &indices, int64_t stages) {
  int64_t n = residual.size(), table = centers.size() / stages;
  std::vector<double> errors(n);
  bool changed = false;
  for (int64_t s = 0; s < stages; ++s) {
    ArrayRef<double> own = centers.slice(s * table, table);
    auto stage = MutableArrayRef(indices).slice(s * n, n);
    addStage(residual, own, stage, 1);
    changed |= assign(residual, own, stage, errors);
    addStage(residual, own, stage, -1);
  }
  return changed;
}

std::vector<double> compress::clusterVectors(ArrayRef<double> points,
                                             int64_t dim,
                                             ArrayRef<double> weights,
                                             int64_t count,
                                             const KMeansOptions &options) {
  if (count <= 0 || dim <= 0)
    return {};
  return fit(Points(points, dim, weights), count, options);
}

std::vector<double> compress::clusterAdditive(ArrayRef<double> points,
                                              int64_t dim,
                                              ArrayRef<double> weights,
                                              int64_t count, int64_t stages,
                                              const KMeansOptions &options) {
  if (count <= 0 || dim <= 0 || stages <= 0)
    return {};
  if (stages == 1)
    return clusterVectors(points, dim, weights, count, options);
  Points residual = sample(Points(points, dim, weights), count, options.seed);
  int64_t n = residual.size(), table = count * dim;
  std::vector<double> centers;
  std::vector<uint32_t> indices(stages * n, 0);
  std::vector<double> errors(n);
  for (int64_t s = 0; s < stages; ++s) {
    KMeansOptions stageOptions = options;
    stageOptions.seed += s;
    llvm::append_range(centers, fit(residual, count, stageOptions));
    ArrayRef<double> own = ArrayRef(centers).slice(s * table, table);
    auto stage = MutableArrayRef(indices).slice(s * n, n);
    assign(residual, own, stage, errors);
    addStage(residual, own, stage, -1);
  }
  // Each step lowers the error or leaves it.
  for (unsigned refit = 0; refit < options.refits; ++refit) {
    for (int64_t s = 0; s < stages; ++s) {
      auto own = MutableArrayRef(centers).slice(s * table, table);
      auto stage = MutableArrayRef(indices).slice(s * n, n);
      addStage(residual, own, stage, 1);
      assign(residual, own, stage, errors);
      moveCenters(residual, stage, errors, own);
      assign(residual, own, stage, errors);
      addStage(residual, own, stage, -1);
    }
  }
  return centers;
}

//===----------------------------------------------------------------------===//
// Assignment
//===----------------------------------------------------------------------===//

/// Scalars: binary search in the sorted table. Weights do not matter.
static std::vector<uint32_t> assignScalars(ArrayRef<double> points,
                                           ArrayRef<double> centers) {
  std::vector<uint32_t> order;
  for (uint32_t k = 0; k < centers.size(); ++k)
    if (std::isfinite(centers[k]))
      order.push_back(k);
  std::vector<uint32_t> result(points.size(), 0);
  if (order.empty())
    return result;
  llvm::sort(order, [&](uint32_t a, uint32_t b) {
    return centers[a] != centers[b] ? centers[a] < centers[b] : a < b;
  });
  order.erase(std::unique(order.begin(), order.end(),
                          [&](uint32_t a, uint32_t b) {
                            return centers[a] == centers[b];
                          }),
              order.end());
  forPoints(points.size(), 16, [&](int64_t i) {
    double x = points[i];
    if (std::isnan(x))
      return;
    auto above = std::partition_point(
        order.begin(), order.end(), [&](uint32_t k) { return centers[k] < x; });
    if (above == order.begin()) {
      result[i] = order.front();
      return;
    }
    uint32_t below = above[-1];
    result[i] = below;
    if (above == order.end())
      return;
    double left = x - centers[below], right = centers[*above] - x;
    if (right < left || (right == left && *above < below))
      result[i] = *above;
  });
  return result;
}

std::vector<uint32_t> compress::assignNearest(ArrayRef<double> points,
                                              int64_t dim,
                                              ArrayRef<double> weights,
                                              ArrayRef<double> centers) {
  if (dim == 1)
    return assignScalars(points, centers);
  Points all(points, dim, weights);
  std::vector<uint32_t> nearest(all.size(), 0);
  std::vector<double> errors(all.size());
  assign(all, centers, nearest, errors);
  return nearest;
}

std::vector<uint32_t>
compress::assignAdditive(ArrayRef<double> points, int64_t dim,
                         ArrayRef<double> weights, ArrayRef<double> centers,
                         int64_t stages, unsigned rounds) {
  if (stages == 1)
    return assignNearest(points, dim, weights, centers);
  Points residual(points, dim, weights);
  int64_t n = residual.size(), table = centers.size() / stages;
  std::vector<uint32_t> indices(stages * n, 0);
  std::vector<double> errors(n);
  for (int64_t s = 0; s < stages; ++s) {
    ArrayRef<double> own = centers.slice(s * table, table);
    auto stage = MutableArrayRef(indices).slice(s * n, n);
    assign(residual, own, stage, errors);
    addStage(residual, own, stage, -1);
  }
  for (unsigned round = 0; round < rounds; ++round)
    if (!reassign(residual, centers, indices, stages))
      break;
  return indices;
}

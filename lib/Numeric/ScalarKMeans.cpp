//===- ScalarKMeans.cpp - Optimal clustering on a line ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Numeric/KMeans.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cmath>

using namespace compress;
using llvm::ArrayRef;

namespace {
/// A value and how much it counts.
struct Weighted {
  double value, weight;
};

/// Sorted distinct values with their moments summed up: the cost of any run of
/// neighbours in one cluster takes constant time.
class Line {
public:
  explicit Line(std::vector<Weighted> sorted);

  size_t size() const { return points.size(); }
  ArrayRef<Weighted> getPoints() const { return points; }
  /// Sum of weight * (value - mean)^2 over [begin, end).
  double cost(size_t begin, size_t end) const {
    double w = weight[end] - weight[begin];
    double first = moment[end] - moment[begin];
    if (w <= 0)
      return 0;
    return std::max(square[end] - square[begin] - first * first / w, 0.0);
  }
  double mean(size_t begin, size_t end) const {
    double w = weight[end] - weight[begin];
    double value =
        w > 0 ? (moment[end] - moment[begin]) / w + shift : points[begin].value;
    // Rounding of the sums must not carry it outside.
    return std::clamp(value, points[begin].value, points[end - 1].value);
  }

private:
  std::vector<Weighted> points;
  /// Sums over the points before; values are relative to `shift`, which keeps
  /// the differences accurate.
  std::vector<double> weight, moment, square;
  double shift = 0;
};
} // namespace

Line::Line(std::vector<Weighted> sorted) : points(std::move(sorted)) {
  double total = 0;
  for (const Weighted &p : points) {
    shift += p.value * p.weight;
    total += p.weight;
  }
  shift /= total;
  weight.push_back(0);
  moment.push_back(0);
  square.push_back(0);
  for (const Weighted &p : points) {
    double x = p.value - shift;
    weight.push_back(weight.back() + p.weight);
    moment.push_back(moment.back() + p.weight * x);
    square.push_back(square.back() + p.weight * x * x);
  }
}

/// Merges equal values of a sorted list.
static void mergeEqual(std::vector<Weighted> &points) {
  size_t kept = 0;
  for (const Weighted &p : points) {
    if (kept && points[kept - 1].value == p.value)
      points[kept - 1].weight += p.weight;
    else
      points[kept++] = p;
  }
  points.resize(kept);
}

/// Sums points into bins; `bin(i)` is the bin of point i and never falls with
/// growing value. Each bin is represented by its mean.
template <typename Bin>
static std::vector<Weighted> sumBins(ArrayRef<Weighted> points, size_t numBins,
                                     Bin bin) {
  std::vector<double> weight(numBins, 0), moment(numBins, 0);
  for (auto [i, p] : llvm::enumerate(points)) {
    size_t b = std::min<size_t>(bin(i), numBins - 1);
    weight[b] += p.weight;
    moment[b] += p.weight * p.value;
  }
  std::vector<Weighted> result;
  for (auto [w, m] : llvm::zip(weight, moment))
    if (w > 0)
      result.push_back({m / w, w});
  return result;
}

/// Points that stand for sorted `points`, at most `limit`: half of the bins
/// by weight and half by value, so that both dense and sparse regions keep
/// their detail.
static std::vector<Weighted> thinOut(const std::vector<Weighted> &points,
                                     size_t limit) {
  double total = 0, seen = 0, low = points.front().value;
  double range = points.back().value - low;
  for (const Weighted &p : points)
    total += p.weight;
  return sumBins(points, limit, [&](size_t i) {
    double at = seen / total / 2 + (points[i].value - low) / range / 2;
    seen += points[i].weight;
    return size_t(at * limit);
  });
}

/// Ends of the clusters of the best split into `count`: dynamic programming
/// over the number of clusters. The best start of the last cluster never falls
/// with its end, so each row is filled by halving.
static std::vector<size_t> splitOptimally(const Line &line, size_t count) {
  size_t n = line.size();
  std::vector<double> last(n + 1), row(n + 1);
  std::vector<uint32_t> start(count * (n + 1), 0);
  for (size_t end = 0; end <= n; ++end)
    last[end] = line.cost(0, end);
  for (size_t k = 1; k < count; ++k) {
    uint32_t *best = &start[k * (n + 1)];
    auto fill = [&](auto &self, size_t lo, size_t hi, size_t from,
                    size_t to) -> void {
      if (lo > hi)
        return;
      size_t end = lo + (hi - lo) / 2;
      double least = std::numeric_limits<double>::infinity();
      size_t at = std::min(from, end);
      for (size_t begin = from, stop = std::min(to, end); begin <= stop;
           ++begin) {
        double total = last[begin] + line.cost(begin, end);
        if (total < least) {
          least = total;
          at = begin;
        }
      }
      row[end] = least;
      best[end] = at;
      if (end > lo)
        self(self, lo, end - 1, from, at);
      self(self, end + 1, hi, at, to);
    };
    fill(fill, 0, n, 0, n);
    std::swap(last, row);
  }
  std::vector<size_t> ends(count);
  size_t end = n;
  for (size_t k = count; k--;) {
    ends[k] = end;
    end = k ? start[k * (n + 1) + end] : 0;
  }
  return ends;
}

/// Lloyd's iteration from rising `centers`.
static void iterate(const Line &line, std::vector<double> &centers,
                    unsigned iterations) {
  ArrayRef<Weighted> points = line.getPoints();
  for (unsigned iteration = 0; iteration < iterations; ++iteration) {
    bool changed = false;
    size_t begin = 0;
    for (size_t k = 0; k < centers.size(); ++k) {
      size_t end = points.size();
      if (k + 1 < centers.size()) {
        double middle = centers[k] + (centers[k + 1] - centers[k]) / 2;
        end = std::partition_point(
                  points.begin() + begin, points.end(),
                  [&](const Weighted &p) { return p.value <= middle; }) -
              points.begin();
      }
      if (end > begin) {
        double mean = line.mean(begin, end);
        changed |= mean != centers[k];
        centers[k] = mean;
      }
      begin = end;
    }
    if (!changed)
      break;
  }
}

/// Finite values with a positive weight, sorted and merged.
static std::vector<Weighted> collect(ArrayRef<double> values,
                                     ArrayRef<double> weights) {
  auto usable = [](double w) { return std::isfinite(w) && w > 0; };
  bool weighted = llvm::any_of(weights, usable);
  double low = std::numeric_limits<double>::infinity(), high = -low;
  std::vector<Weighted> points;
  points.reserve(values.size());
  for (auto [i, value] : llvm::enumerate(values)) {
    double w = weighted ? weights[i] : 1;
    if (!std::isfinite(value) || !usable(w))
      continue;
    points.push_back({value, w});
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // Sorting many values is slow; a million bins are as good.
  const size_t many = 1 << 20;
  double range = high - low;
  if (points.size() > 4 * many && std::isnormal(range))
    return sumBins(points, many, [&](size_t i) {
      return size_t((points[i].value - low) / range * many);
    });
  llvm::sort(points, [](const Weighted &a, const Weighted &b) {
    return std::pair(a.value, a.weight) < std::pair(b.value, b.weight);
  });
  mergeEqual(points);
  return points;
}

std::vector<double> compress::clusterScalars(ArrayRef<double> values,
                                             ArrayRef<double> weights,
                                             int64_t count,
                                             const KMeansOptions &options) {
  std::vector<Weighted> points = collect(values, weights);
  std::vector<double> centers;
  if (count <= 0)
    return centers;
  if (points.size() <= size_t(count)) {
    for (const Weighted &p : points)
      centers.push_back(p.value);
    centers.resize(count, centers.empty() ? 0 : centers.back());
    return centers;
  }
  // Squares must stay in range.
  double scale = 0;
  for (const Weighted &p : points)
    scale = std::max(scale, std::abs(p.value));
  for (Weighted &p : points)
    p.value /= scale;

  Line line(points);
  // The table of the dynamic program has this many entries at most.
  const size_t maxEntries = 1 << 23;
  size_t limit = std::min<size_t>(maxEntries / count, 1 << 15);
  if (limit >= 4 * size_t(count)) {
    bool thinned = points.size() > limit;
    Line reduced = thinned ? Line(thinOut(points, limit)) : line;
    size_t clusters = std::min<size_t>(count, reduced.size());
    size_t begin = 0;
    for (size_t end : splitOptimally(reduced, clusters)) {
      // A cluster may be empty when fewer reach the least error.
      if (end > begin)
        centers.push_back(reduced.mean(begin, end));
      begin = end;
    }
    centers.resize(count, centers.back());
    if (thinned)
      iterate(line, centers, options.iterations);
  } else {
    for (const Weighted &p : thinOut(points, count))
      centers.push_back(p.value);
    centers.resize(count, centers.back());
    iterate(line, centers, options.iterations);
  }
  llvm::sort(centers);
  for (double &center : centers)
    center *= scale;
  return centers;
}

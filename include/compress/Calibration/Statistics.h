//===- Statistics.h - What calibration learns about activations -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one statistics collector that all methods share. It is filled once, from
// runs of the float model, and uses memory that does not grow with the data.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CALIBRATION_STATISTICS_H
#define COMPRESS_CALIBRATION_STATISTICS_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <vector>

namespace compress {

/// Counts of values in equal bins over [-range, range), `range` a power of two
/// that doubles when a value does not fit. Bins of a range nest in those of the
/// next, so the result does not depend on the order of the values, nor on how
/// they were split between merged histograms.
class Histogram {
public:
  static constexpr unsigned numBins = 2048;

  /// Adds finite values.
  void add(const float *values, size_t count);
  void merge(const Histogram &other);

  uint64_t getTotal() const { return total; }
  /// 0 as long as there are only zeros.
  double getRange() const;
  double getBinWidth() const { return 2 * getRange() / numBins; }
  double getBinCenter(unsigned bin) const {
    return (bin + 0.5) * getBinWidth() - getRange();
  }
  llvm::ArrayRef<uint64_t> getCounts() const { return counts; }
  /// Number of values that are exactly zero; not in the bins.
  uint64_t getNumZeros() const { return zeros; }
  /// The value below which the fraction `q` (0 to 1) of the values lies,
  /// interpolated within its bin. 0 for an empty histogram.
  double quantile(double q) const;

private:
  void growTo(int newExponent);
  bool empty() const { return counts.empty(); }

  /// The range is 2^exponent.
  int exponent = 0;
  std::vector<uint64_t> counts;
  uint64_t zeros = 0, total = 0;
};

/// Statistics of one activation tensor over all samples.
class TensorStatistics {
public:
  /// Upper bounds of the reservoir: rows, and floats in all rows.
  static constexpr int64_t maxReservoirRows = 1024;
  static constexpr int64_t maxReservoirFloats = 1 << 20;

  /// `channelAxis`: the axis that per-channel statistics keep apart; -1: none.
  /// `seed` decides which rows the reservoir samples.
  explicit TensorStatistics(int64_t channelAxis = -1, uint64_t seed = 0)
      : channelAxis(channelAxis), randomState(seed) {}

  /// Adds one tensor; `strides` are in elements. Errors (nothing is added): a
  /// NaN or an infinity, a rank without the channel axis, a number of channels
  /// that differs from before.
  llvm::Error update(const float *data, llvm::ArrayRef<int64_t> shape,
                     llvm::ArrayRef<int64_t> strides);
  /// Adds what another collector with the same channel axis has seen. The
  /// reservoir becomes a sample of both.
  llvm::Error merge(const TensorStatistics &other);

  /// Number of values seen, over all channels.
  uint64_t getCount() const { return count; }
  /// 0 when nothing was seen.
  float getMin() const { return count ? min : 0; }
  float getMax() const { return count ? max : 0; }
  int64_t getChannelAxis() const { return channelAxis; }
  /// 0 until the first update; 1 without a channel axis.
  int64_t getNumChannels() const { return sums.size(); }
  /// Per channel: E[x], E[x^2] (the diagonal of the second moment matrix), and
  /// max |x|.
  std::vector<double> getMeans() const;
  std::vector<double> getSecondMoments() const;
  llvm::ArrayRef<float> getAbsMax() const { return absMax; }
  const Histogram &getHistogram() const { return histogram; }
  /// Sampled vectors along the channel axis, row-major [rows, channels].
  llvm::ArrayRef<float> getReservoir() const { return reservoir; }
  int64_t getNumReservoirRows() const {
    return sums.empty() ? 0 : reservoir.size() / sums.size();
  }

private:
  void sampleRow(const float *row, int64_t stride);

  int64_t channelAxis;
  uint64_t randomState;
  uint64_t count = 0, rows = 0;
  float min = 0, max = 0;
  std::vector<double> sums, squares;
  std::vector<float> absMax;
  Histogram histogram;
  std::vector<float> reservoir;
};

/// The statistics of the activations of a function's sites.
class Statistics {
public:
  explicit Statistics(uint64_t seed = 0) : seed(seed) {}

  /// A new collector; returns its id. `name` is for diagnostics.
  unsigned add(llvm::StringRef name, int64_t channelAxis);
  /// Says that `use` number `index` of site `site` reads collector `id`.
  void setUse(llvm::StringRef site, unsigned index, unsigned id);

  unsigned size() const { return collectors.size(); }
  TensorStatistics &get(unsigned id) { return *collectors[id].statistics; }
  llvm::StringRef getName(unsigned id) const { return collectors[id].name; }
  /// The statistics of the activation of one use of a site; null when it was
  /// not observed or nothing was seen.
  const TensorStatistics *lookup(llvm::StringRef site, unsigned use = 0) const;
  /// E[x^2] per activation channel over all observed uses of a site; empty when
  /// there are none.
  std::vector<double> getSecondMoments(llvm::StringRef site) const;

private:
  struct Collector {
    std::string name;
    std::unique_ptr<TensorStatistics> statistics;
  };
  uint64_t seed;
  std::vector<Collector> collectors;
  /// Site name to collector ids, one for each use; -1: not observed.
  llvm::StringMap<std::vector<int>> sites;
};

} // namespace compress

#endif // COMPRESS_CALIBRATION_STATISTICS_H

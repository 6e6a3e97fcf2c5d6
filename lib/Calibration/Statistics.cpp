//===- Statistics.cpp - What calibration learns about activations *- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Calibration/Statistics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <algorithm>
#include <cmath>

using namespace compress;

//===----------------------------------------------------------------------===//
// Histogram
//===----------------------------------------------------------------------===//

double Histogram::getRange() const {
  return empty() ? 0.0 : std::ldexp(1.0, exponent);
}

void Histogram::growTo(int newExponent) {
  if (empty()) {
    counts.assign(numBins, 0);
    exponent = newExponent;
    return;
  }
  constexpr int half = numBins / 2;
  for (; exponent < newExponent; ++exponent) {
    // Pairs of bins become one; they meet at zero. Once all values sit in the
    // two middle bins, doubling leaves them there.
    std::vector<uint64_t> wider(numBins, 0);
    for (int bin = 0; bin < int(numBins); ++bin)
      wider[half / 2 + bin / 2] += counts[bin];
    bool settled = wider == counts;
    counts = std::move(wider);
    if (settled) {
      exponent = newExponent;
      break;
    }
  }
}

void Histogram::add(const float *values, size_t count) {
  float absMax = 0;
  for (size_t i = 0; i < count; ++i)
    absMax = std::max(absMax, std::fabs(values[i]));
  total += count;
  if (absMax == 0) {
    zeros += count;
    return;
  }
  // The smallest exponent with absMax < 2^exponent.
  int needed;
  (void)std::frexp(absMax, &needed);
  if (empty() || needed > exponent)
    growTo(needed);
  double inverseWidth = std::ldexp(double(numBins / 2), -exponent);
  for (size_t i = 0; i < count; ++i) {
    if (values[i] == 0) {
      ++zeros;
      continue;
    }
    int bin = int(std::floor(values[i] * inverseWidth)) + int(numBins / 2);
    ++counts[bin];
  }
}

void Histogram::merge(const Histogram &other) {
  total += other.total;
  zeros += other.zeros;
  if (other.empty())
    return;
  Histogram wider = other;
  if (empty())
    growTo(other.exponent);
  growTo(std::max(exponent, other.exponent));
  wider.growTo(exponent);
  for (auto [mine, theirs] : llvm::zip_equal(counts, wider.counts))
    mine += theirs;
}

double Histogram::quantile(double q) const {
  if (!total || empty())
    return 0;
  double target = std::clamp(q, 0.0, 1.0) * double(total);
  double below = 0;
  double width = getBinWidth(), range = getRange();
  double last = -range;
  for (unsigned bin = 0; bin < numBins; ++bin) {
    if (bin == numBins / 2 && zeros) {
      below += double(zeros);
      if (below >= target)
        return 0;
      last = 0;
    }
    if (!counts[bin])
      continue;
    double start = bin * width - range;
    double reached = below + double(counts[bin]);
    if (reached >= target)
      return start + width * (target - below) / double(counts[bin]);
    below = reached;
    last = start + width;
  }
  return last;
}

//===----------------------------------------------------------------------===//
// TensorStatistics
//===----------------------------------------------------------------------===//

/// SplitMix64 (Steele, Lea, Flood 2014): the standard library's distributions
/// are not the same everywhere.
static uint64_t nextRandom(uint64_t &state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// A dense row-major copy of a strided tensor.
static std::vector<float> makeDense(const float *data,
                                    llvm::ArrayRef<int64_t> shape,
                                    llvm::ArrayRef<int64_t> strides,
                                    int64_t count) {
  std::vector<float> dense(count);
  llvm::SmallVector<int64_t> position(shape.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    dense[i] = *data;
    for (int64_t dim = int64_t(shape.size()) - 1; dim >= 0; --dim) {
      data += strides[dim];
      if (++position[dim] < shape[dim])
        break;
      data -= strides[dim] * shape[dim];
      position[dim] = 0;
    }
  }
  return dense;
}

static bool isDense(llvm::ArrayRef<int64_t> shape,
                    llvm::ArrayRef<int64_t> strides) {
  int64_t expected = 1;
  for (int64_t dim = int64_t(shape.size()) - 1; dim >= 0; --dim) {
    if (shape[dim] != 1 && strides[dim] != expected)
      return false;
    expected *= shape[dim];
  }
  return true;
}

llvm::Error TensorStatistics::update(const float *data,
                                     llvm::ArrayRef<int64_t> shape,
                                     llvm::ArrayRef<int64_t> strides) {
  int64_t rank = shape.size();
  if (channelAxis >= rank)
    return llvm::createStringError("a tensor of rank %d has no axis %d",
                                   int(rank), int(channelAxis));
  int64_t channels = channelAxis < 0 ? 1 : shape[channelAxis];
  if (!sums.empty() && int64_t(sums.size()) != channels)
    return llvm::createStringError("%lld channels follow %lld",
                                   (long long)channels, (long long)sums.size());
  int64_t size = 1, inner = 1;
  for (int64_t dim : shape)
    size *= dim;
  if (size == 0)
    return llvm::Error::success();
  if (channelAxis >= 0)
    for (int64_t dim : shape.drop_front(channelAxis + 1))
      inner *= dim;
  std::vector<float> copy;
  if (!isDense(shape, strides)) {
    copy = makeDense(data, shape, strides, size);
    data = copy.data();
  }

  float lo = data[0], hi = data[0];
  for (int64_t i = 0; i < size; ++i) {
    if (!std::isfinite(data[i]))
      return llvm::createStringError(
          "the values contain %s", std::isnan(data[i]) ? "NaN" : "an infinity");
    lo = std::min(lo, data[i]);
    hi = std::max(hi, data[i]);
  }
  min = count ? std::min(min, lo) : lo;
  max = count ? std::max(max, hi) : hi;
  count += size;
  histogram.add(data, size);

  sums.resize(channels, 0);
  squares.resize(channels, 0);
  absMax.resize(channels, 0);
  int64_t outer = size / channels / inner;
  for (int64_t o = 0; o < outer; ++o) {
    const float *block = data + o * channels * inner;
    for (int64_t c = 0; c < channels; ++c) {
      double sum = 0, square = 0;
      float top = 0;
      for (int64_t i = 0; i < inner; ++i) {
        float x = block[c * inner + i];
        sum += x;
        square += double(x) * x;
        top = std::max(top, std::fabs(x));
      }
      sums[c] += sum;
      squares[c] += square;
      absMax[c] = std::max(absMax[c], top);
    }
    for (int64_t i = 0; i < inner; ++i)
      sampleRow(block + i, inner);
  }
  return llvm::Error::success();
}

static uint64_t getReservoirCapacity(int64_t channels) {
  return std::clamp<int64_t>(TensorStatistics::maxReservoirFloats / channels, 1,
                             TensorStatistics::maxReservoirRows);
}

void TensorStatistics::sampleRow(const float *row, int64_t stride) {
  // Algorithm R (Vitter 1985).
  int64_t channels = sums.size();
  uint64_t capacity = getReservoirCapacity(channels);
  uint64_t slot = rows++;
  if (slot >= capacity) {
    slot = nextRandom(randomState) % rows;
    if (slot >= capacity)
      return;
  } else {
    reservoir.resize((slot + 1) * channels);
  }
  for (int64_t c = 0; c < channels; ++c)
    reservoir[slot * channels + c] = row[c * stride];
}

llvm::Error TensorStatistics::merge(const TensorStatistics &other) {
  if (!other.count)
    return llvm::Error::success();
  if (!count) {
    uint64_t state = randomState;
    int64_t axis = channelAxis;
    *this = other;
    randomState = state;
    channelAxis = axis;
    return llvm::Error::success();
  }
  if (sums.size() != other.sums.size())
    return llvm::createStringError("%lld channels follow %lld",
                                   (long long)other.sums.size(),
                                   (long long)sums.size());
  int64_t channels = sums.size();
  for (int64_t c = 0; c < channels; ++c) {
    sums[c] += other.sums[c];
    squares[c] += other.squares[c];
    absMax[c] = std::max(absMax[c], other.absMax[c]);
  }
  min = std::min(min, other.min);
  max = std::max(max, other.max);
  count += other.count;
  histogram.merge(other.histogram);
  // Draw each place from one of the two samples, by how much each stands for.
  uint64_t mine = getNumReservoirRows(), theirs = other.getNumReservoirRows();
  uint64_t capacity = getReservoirCapacity(channels);
  std::vector<float> merged;
  uint64_t i = 0, j = 0;
  while ((i < mine || j < theirs) && merged.size() / channels < capacity) {
    bool takeOther =
        j < theirs &&
        (i >= mine || nextRandom(randomState) % (rows + other.rows) >= rows);
    const float *row = takeOther ? &other.reservoir[j++ * channels]
                                 : &reservoir[i++ * channels];
    merged.insert(merged.end(), row, row + channels);
  }
  reservoir = std::move(merged);
  rows += other.rows;
  return llvm::Error::success();
}

static std::vector<double> perRow(const std::vector<double> &sums,
                                  uint64_t count) {
  std::vector<double> result = sums;
  double rows = sums.empty() ? 0 : double(count) / double(sums.size());
  for (double &value : result)
    value = rows ? value / rows : 0;
  return result;
}

std::vector<double> TensorStatistics::getMeans() const {
  return perRow(sums, count);
}

std::vector<double> TensorStatistics::getSecondMoments() const {
  return perRow(squares, count);
}

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

unsigned Statistics::add(llvm::StringRef name, int64_t channelAxis) {
  unsigned id = collectors.size();
  // Every collector draws from a stream of its own.
  uint64_t state = seed + id;
  collectors.push_back({name.str(), std::make_unique<TensorStatistics>(
                                        channelAxis, nextRandom(state))});
  return id;
}

void Statistics::setUse(llvm::StringRef site, unsigned index, unsigned id) {
  std::vector<int> &ids = sites[site];
  if (ids.size() <= index)
    ids.resize(index + 1, -1);
  ids[index] = id;
}

const TensorStatistics *Statistics::lookup(llvm::StringRef site,
                                           unsigned use) const {
  auto it = sites.find(site);
  if (it == sites.end() || use >= it->second.size() || it->second[use] < 0)
    return nullptr;
  const TensorStatistics *found = collectors[it->second[use]].statistics.get();
  return found->getCount() ? found : nullptr;
}

std::vector<double> Statistics::getSecondMoments(llvm::StringRef site) const {
  std::vector<double> moments;
  double seen = 0;
  auto it = sites.find(site);
  if (it == sites.end())
    return moments;
  for (unsigned use = 0; use < it->second.size(); ++use) {
    const TensorStatistics *one = lookup(site, use);
    if (!one || one->getChannelAxis() < 0)
      continue;
    std::vector<double> these = one->getSecondMoments();
    if (moments.empty())
      moments.assign(these.size(), 0);
    if (these.size() != moments.size())
      return {};
    double rows = double(one->getCount()) / double(these.size());
    for (auto [sum, value] : llvm::zip_equal(moments, these))
      sum += value * rows;
    seen += rows;
  }
  for (double &value : moments)
    value /= seen;
  return moments;
}

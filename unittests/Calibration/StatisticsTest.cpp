//===- StatisticsTest.cpp - Tests of the statistics collector ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Calibration/Observe.h"
#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <random>

using namespace compress;

static std::vector<float> makeNormal(size_t count, unsigned seed,
                                     float scale = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(engine);
  return values;
}

static std::string take(llvm::Error error) {
  return llvm::toString(std::move(error));
}

TEST(Histogram, DoesNotDependOnOrderOrSplit) {
  std::vector<float> values = makeNormal(5000, 1);
  values.insert(values.end(), {0, 0, 1e-12f, -1000, 512, 511.999f});
  Histogram whole;
  whole.add(values.data(), values.size());
  for (unsigned seed = 0; seed < 5; ++seed) {
    std::shuffle(values.begin(), values.end(), std::mt19937(seed));
    Histogram first, second;
    size_t cut = 100 + 1000 * seed;
    for (size_t i = 0; i < cut; ++i)
      first.add(&values[i], 1);
    second.add(&values[cut], values.size() - cut);
    first.merge(second);
    EXPECT_EQ(first.getRange(), whole.getRange());
    EXPECT_EQ(first.getCounts(), whole.getCounts());
    EXPECT_EQ(first.getNumZeros(), whole.getNumZeros());
    EXPECT_EQ(first.getTotal(), values.size());
  }
  EXPECT_EQ(whole.getRange(), 1024);
}

TEST(Histogram, EveryValueIsCountedInItsBin) {
  // Powers of two are the upper ends of ranges.
  for (float value : {1.0f, -1.0f, 0.5f, 3.0e38f, 1e-40f, -1e-45f, 7.0f}) {
    Histogram histogram;
    histogram.add(&value, 1);
    uint64_t sum = 0;
    for (auto [bin, count] : llvm::enumerate(histogram.getCounts()))
      if (count) {
        sum += count;
        EXPECT_NEAR(histogram.getBinCenter(bin), value,
                    histogram.getBinWidth() * 0.5 * (1 + 1e-6));
      }
    EXPECT_EQ(sum, 1u) << value;
  }
}

TEST(Histogram, QuantilesAreWithinABin) {
  std::vector<float> values = makeNormal(20000, 3);
  Histogram histogram;
  histogram.add(values.data(), values.size());
  std::sort(values.begin(), values.end());
  for (double q : {0.001, 0.01, 0.25, 0.5, 0.9, 0.999}) {
    double exact = values[size_t(q * double(values.size()))];
    EXPECT_NEAR(histogram.quantile(q), exact, 2 * histogram.getBinWidth()) << q;
  }
  EXPECT_GE(histogram.quantile(1), values.back());
  EXPECT_LE(histogram.quantile(0), values.front() + histogram.getBinWidth());
  EXPECT_EQ(Histogram().quantile(0.5), 0);
}

TEST(TensorStatistics, PerChannelMoments) {
  // Channels in the middle, as in convolutions; one row is strided.
  std::vector<float> data = {1, 2, 3, 4, 5, 6, -7, 8, 9, 10, 11, 12};
  TensorStatistics statistics(/*channelAxis=*/1);
  ASSERT_EQ(take(statistics.update(data.data(), {2, 3, 2}, {6, 2, 1})), "");
  EXPECT_EQ(statistics.getCount(), 12u);
  EXPECT_EQ(statistics.getMin(), -7);
  EXPECT_EQ(statistics.getMax(), 12);
  ASSERT_EQ(statistics.getNumChannels(), 3);
  EXPECT_DOUBLE_EQ(statistics.getSecondMoments()[0], (1 + 4 + 49 + 64) / 4.0);
  EXPECT_DOUBLE_EQ(statistics.getMeans()[2], (5 + 6 + 11 + 12) / 4.0);
  EXPECT_EQ(statistics.getAbsMax()[0], 8);
  EXPECT_EQ(statistics.getNumReservoirRows(), 4);

  // The transposed view of the same memory gives the same numbers.
  TensorStatistics transposed(/*channelAxis=*/0);
  ASSERT_EQ(take(transposed.update(data.data(), {3, 2, 2}, {2, 6, 1})), "");
  EXPECT_EQ(transposed.getSecondMoments(), statistics.getSecondMoments());
  EXPECT_EQ(transposed.getMeans(), statistics.getMeans());
}

TEST(TensorStatistics, RefusesBadTensors) {
  TensorStatistics statistics(1);
  std::vector<float> data = {1, 2, 3, 4, 5, 6};
  ASSERT_EQ(take(statistics.update(data.data(), {2, 3}, {3, 1})), "");
  EXPECT_EQ(take(statistics.update(data.data(), {3, 2}, {2, 1})),
            "2 channels follow 3");
  EXPECT_EQ(take(statistics.update(data.data(), {6}, {1})),
            "a tensor of rank 1 has no axis 1");
  data[4] = NAN;
  EXPECT_EQ(take(statistics.update(data.data(), {2, 3}, {3, 1})),
            "the values contain NaN");
  data[4] = -INFINITY;
  EXPECT_EQ(take(statistics.update(data.data(), {2, 3}, {3, 1})),
            "the values contain an infinity");
  EXPECT_EQ(statistics.getCount(), 6u);
}

TEST(TensorStatistics, MergeEqualsOnePass) {
  std::vector<float> data = makeNormal(1200, 7);
  TensorStatistics whole(1), first(1), second(1);
  ASSERT_EQ(take(whole.update(data.data(), {300, 4}, {4, 1})), "");
  ASSERT_EQ(take(first.update(data.data(), {100, 4}, {4, 1})), "");
  ASSERT_EQ(take(second.update(&data[400], {200, 4}, {4, 1})), "");
  ASSERT_EQ(take(first.merge(second)), "");
  EXPECT_EQ(first.getCount(), whole.getCount());
  EXPECT_EQ(first.getMin(), whole.getMin());
  EXPECT_EQ(first.getMax(), whole.getMax());
  EXPECT_EQ(first.getHistogram().getCounts(), whole.getHistogram().getCounts());
  for (int c = 0; c < 4; ++c)
    EXPECT_NEAR(first.getSecondMoments()[c], whole.getSecondMoments()[c],
                1e-12);
  TensorStatistics empty(1);
  ASSERT_EQ(take(empty.merge(whole)), "");
  EXPECT_EQ(empty.getSecondMoments(), whole.getSecondMoments());
}

TEST(TensorStatistics, ReservoirIsBoundedAndRepeatable) {
  std::vector<float> data(3 * 5000);
  for (size_t i = 0; i < data.size(); ++i)
    data[i] = float(i / 3);
  auto sample = [&](uint64_t seed) {
    TensorStatistics statistics(1, seed);
    EXPECT_EQ(take(statistics.update(data.data(), {5000, 3}, {3, 1})), "");
    EXPECT_EQ(statistics.getNumReservoirRows(),
              TensorStatistics::maxReservoirRows);
    return statistics.getReservoir().vec();
  };
  std::vector<float> rows = sample(1);
  EXPECT_EQ(rows, sample(1));
  EXPECT_NE(rows, sample(2));
  // Rows stay whole, and late rows are as likely as early ones.
  double mean = 0;
  for (size_t row = 0; row < rows.size(); row += 3) {
    EXPECT_EQ(rows[row], rows[row + 2]);
    mean += rows[row] * 3.0 / double(rows.size());
  }
  EXPECT_NEAR(mean, 2500, 400);
}

TEST(ObserverSink, ConvertsAndReportsTheFirstError) {
  Statistics statistics;
  unsigned id = statistics.add("input of 'w'", 0);
  statistics.setUse("w", 0, id);
  EXPECT_EQ(statistics.lookup("w"), nullptr);
  ObserverSink sink(statistics);
  double doubles[] = {1, 2, 3};
  uint16_t halves[] = {0x3c00, 0x4000, 0x4200};
  uint16_t bfloats[] = {0x3f80, 0x4000, 0x4040};
  sink.observe(id, COMPRESS_DTYPE_F64, {3}, {1}, doubles);
  sink.observe(id, COMPRESS_DTYPE_F16, {3}, {1}, halves);
  sink.observe(id, COMPRESS_DTYPE_BF16, {3}, {1}, bfloats);
  EXPECT_EQ(take(sink.takeError()), "");
  ASSERT_NE(statistics.lookup("w"), nullptr);
  EXPECT_EQ(statistics.lookup("w")->getMeans(), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(statistics.getSecondMoments("w"), (std::vector<double>{1, 4, 9}));
  EXPECT_TRUE(statistics.getSecondMoments("other").empty());

  int32_t ints[] = {1, 2, 3};
  sink.observe(id, COMPRESS_DTYPE_I32, {3}, {1}, ints);
  sink.observe(7, COMPRESS_DTYPE_I32, {3}, {1}, ints);
  EXPECT_EQ(take(sink.takeError()),
            "calibration: input of 'w': values of type 6 cannot be observed");
}

//===- MinifloatTest.cpp - Small float formats ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Minifloat.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/APFloat.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <random>

using namespace mlir;
using namespace compress;

static std::vector<FloatType> getFormats(MLIRContext *context) {
  return {Float8E5M2Type::get(context),     Float8E4M3Type::get(context),
          Float8E4M3FNType::get(context),   Float8E5M2FNUZType::get(context),
          Float8E4M3FNUZType::get(context), Float8E4M3B11FNUZType::get(context),
          Float8E3M4Type::get(context),     Float6E3M2FNType::get(context),
          Float6E2M3FNType::get(context),   Float4E2M1FNType::get(context)};
}

TEST(Minifloat, EveryCodeEncodesToItself) {
  MLIRContext context;
  for (FloatType type : getFormats(&context)) {
    Minifloat format = Minifloat::get(type);
    std::vector<float> table = getMinifloatTable(type);
    for (unsigned code = 0; code < table.size(); ++code) {
      if (!std::isfinite(table[code]))
        continue;
      EXPECT_EQ(encodeMinifloat(table[code], format), code)
          << "width " << format.width << " value " << table[code];
    }
  }
}

// The independent oracle: the nearest of all finite values, even code on ties,
// saturating.
TEST(Minifloat, RoundsToNearestEven) {
  MLIRContext context;
  std::mt19937 random(7);
  for (FloatType type : getFormats(&context)) {
    Minifloat format = Minifloat::get(type);
    std::vector<float> table = getMinifloatTable(type);
    unsigned half = table.size() / 2;
    auto nearest = [&](float value) {
      float magnitude = std::min(std::fabs(value), format.maxValue);
      unsigned best = 0;
      for (unsigned code = 0; code < half; ++code) {
        if (!std::isfinite(table[code]))
          continue;
        double distance = std::fabs(double(table[code]) - magnitude);
        double bestDistance = std::fabs(double(table[best]) - magnitude);
        if (distance < bestDistance ||
            (distance == bestDistance && code % 2 == 0))
          best = code;
      }
      if (best == 0 && !format.hasNegativeZero)
        return 0u;
      return best | (std::signbit(value) ? half : 0);
    };
    std::uniform_real_distribution<float> exponent(-20, 12), mantissa(-2, 2);
    for (int i = 0; i < 2000; ++i) {
      float value = mantissa(random) * std::exp2(exponent(random));
      ASSERT_EQ(encodeMinifloat(value, format), nearest(value)) << value;
    }
    // Exact ties between neighbours.
    for (unsigned code = 0; code + 1 < half; ++code)
      if (std::isfinite(table[code]) && std::isfinite(table[code + 1])) {
        float tie = (table[code] + table[code + 1]) / 2;
        ASSERT_EQ(encodeMinifloat(tie, format), nearest(tie)) << tie;
        ASSERT_EQ(encodeMinifloat(-tie, format), nearest(-tie)) << -tie;
      }
  }
}

TEST(Minifloat, LargeAndUndefinedValuesSaturate) {
  MLIRContext context;
  for (FloatType type : getFormats(&context)) {
    Minifloat format = Minifloat::get(type);
    float inf = std::numeric_limits<float>::infinity();
    EXPECT_EQ(encodeMinifloat(inf, format), format.maxCode);
    EXPECT_EQ(encodeMinifloat(-inf, format),
              format.maxCode | (1u << (format.width - 1)));
    EXPECT_EQ(encodeMinifloat(std::nanf(""), format) &
                  ((1u << (format.width - 1)) - 1),
              format.maxCode);
  }
}

// OCP Microscaling Formats (MX) 1.0, section 5.3: the largest normals.
TEST(Minifloat, MatchesTheSpecifiedRanges) {
  MLIRContext context;
  auto max = [](FloatType type) { return Minifloat::get(type).maxValue; };
  EXPECT_EQ(max(Float8E5M2Type::get(&context)), 57344.0f);
  EXPECT_EQ(max(Float8E4M3FNType::get(&context)), 448.0f);
  EXPECT_EQ(max(Float6E3M2FNType::get(&context)), 28.0f);
  EXPECT_EQ(max(Float6E2M3FNType::get(&context)), 7.5f);
  EXPECT_EQ(max(Float4E2M1FNType::get(&context)), 6.0f);
}

TEST(Minifloat, PowersOfTwo) {
  MLIRContext context;
  auto type = Float8E8M0FNUType::get(&context);
  Minifloat format = Minifloat::get(type);
  EXPECT_TRUE(format.isPowerOfTwo);
  EXPECT_EQ(encodeMinifloat(1.0f, format), 127u);
  EXPECT_EQ(encodeMinifloat(1.49f, format), 127u);
  EXPECT_EQ(encodeMinifloat(1.5f, format), 128u);
  EXPECT_EQ(encodeMinifloat(0.0f, format), 0u);
  EXPECT_EQ(encodeMinifloat(3.4e38f, format), 254u);
  EXPECT_EQ(getMinifloatTable(type)[127], 1.0f);
}

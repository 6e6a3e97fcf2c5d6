//===- HostTensorTest.cpp - Host buffers ------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/HostTensor.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace mlir;
using namespace compress;

namespace {
class HostTensorTest : public ::testing::Test {
protected:
  MLIRContext context;
  Builder b{&context};
};

TEST_F(HostTensorTest, PacksEveryWidthWithoutPadding) {
  std::mt19937_64 random(1);
  for (unsigned width = 1; width <= 64; ++width) {
    int64_t count = 67;
    HostTensor tensor = HostTensor::allocate({count}, b.getIntegerType(width));
    EXPECT_EQ(tensor.getBytes().size(), (count * width + 7) / 8);
    std::vector<uint64_t> expected(count);
    // Out of order, so that a write that spills over its neighbours shows.
    std::vector<int64_t> order(count);
    for (int64_t i = 0; i < count; ++i)
      order[i] = (i * 29) % count;
    for (int64_t i : order) {
      expected[i] = random() & llvm::maskTrailingOnes<uint64_t>(width);
      tensor.setBits(i, expected[i]);
    }
    for (int64_t i = 0; i < count; ++i)
      ASSERT_EQ(tensor.getBits(i), expected[i]) << "width " << width;
  }
}

TEST_F(HostTensorTest, LeastSignificantBitsComeFirst) {
  HostTensor tensor = HostTensor::allocate({3}, b.getIntegerType(4));
  tensor.setBits(0, 0x1);
  tensor.setBits(1, 0xA);
  tensor.setBits(2, 0x7);
  EXPECT_EQ(static_cast<unsigned char>(tensor.getBytes()[0]), 0xA1);
  EXPECT_EQ(static_cast<unsigned char>(tensor.getBytes()[1]), 0x07);
}

TEST_F(HostTensorTest, SignednessFollowsTheType) {
  HostTensor s = HostTensor::allocate({1}, b.getIntegerType(4));
  s.setBits(0, 0xF);
  EXPECT_EQ(s.getInt(0), -1);
  HostTensor u = s.bitcast(b.getIntegerType(4, /*isSigned=*/false));
  EXPECT_EQ(u.getInt(0), 15);
  HostTensor boolean = HostTensor::allocate({1}, b.getI1Type());
  boolean.setBits(0, 1);
  EXPECT_EQ(boolean.getInt(0), 1);
}

TEST_F(HostTensorTest, IntegersRoundToEvenAndSaturate) {
  HostTensor tensor = HostTensor::allocate({1}, b.getI8Type());
  auto store = [&](double value) {
    tensor.setDouble(0, value);
    return tensor.getInt(0);
  };
  EXPECT_EQ(store(2.5), 2);
  EXPECT_EQ(store(3.5), 4);
  EXPECT_EQ(store(-2.5), -2);
  EXPECT_EQ(store(1e30), 127);
  EXPECT_EQ(store(-1e30), -128);
  EXPECT_EQ(store(std::nan("")), 127);
  HostTensor wide = HostTensor::allocate({1}, b.getI64Type());
  wide.setDouble(0, 1e30);
  EXPECT_EQ(wide.getInt(0), INT64_MAX);
  wide.setDouble(0, -1e30);
  EXPECT_EQ(wide.getInt(0), INT64_MIN);
}

TEST_F(HostTensorTest, AttributesRoundTrip) {
  HostTensor tensor = HostTensor::allocate({2, 3}, b.getIntegerType(4));
  for (int64_t i = 0; i < 6; ++i)
    tensor.setBits(i, i + 5);
  auto attr = tensor.toResource("codes");
  auto back = HostTensor::fromAttr(attr);
  ASSERT_TRUE(bool(back));
  for (int64_t i = 0; i < 6; ++i)
    EXPECT_EQ(back->getBits(i), uint64_t(i + 5));
  // Inline attributes keep sub-byte elements one to a byte; they convert.
  auto type = RankedTensorType::get({4}, b.getIntegerType(4));
  SmallVector<APInt> values;
  for (int i = 0; i < 4; ++i)
    values.push_back(APInt(4, i + 7));
  auto dense = HostTensor::fromAttr(DenseElementsAttr::get(type, values));
  ASSERT_TRUE(bool(dense));
  for (int64_t i = 0; i < 4; ++i)
    EXPECT_EQ(dense->getBits(i), uint64_t(i + 7));
}

TEST_F(HostTensorTest, ResourceOfWrongSizeIsAnError) {
  HostTensor tensor = HostTensor::allocate({4}, b.getI8Type());
  auto attr =
      DenseResourceElementsAttr::get(RankedTensorType::get({5}, b.getI8Type()),
                                     tensor.toResource("short").getRawHandle());
  auto back = HostTensor::fromAttr(attr);
  ASSERT_FALSE(bool(back));
  EXPECT_NE(llvm::toString(back.takeError()).find("4 bytes where 5"),
            std::string::npos);
}
} // namespace

//===- QuantEncodingTest.cpp - Reference semantics of quant -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/ScaleAlong.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace mlir;
using namespace compress;

namespace {
class QuantEncodingTest : public ::testing::Test {
protected:
  void SetUp() override { context.loadDialect<CompressDialect>(); }
  CompressedTensorType parse(StringRef text) {
    return cast<CompressedTensorType>(parseType(text, &context));
  }
  HostTensor random(ArrayRef<int64_t> shape, float scale = 1) {
    std::mt19937 engine(3);
    std::normal_distribution<float> normal(0, scale);
    HostTensor tensor = HostTensor::allocate(shape, Float32Type::get(&context));
    for (float &value : tensor.getMutableData<float>())
      value = normal(engine);
    return tensor;
  }
  HostTensor roundTrip(CompressedTensorType type, const HostTensor &value) {
    auto leaves =
        llvm::cantFail(type.getEncoding().encodeHost(type, value, {}));
    return llvm::cantFail(type.getEncoding().decodeHost(type, leaves));
  }
  MLIRContext context;
};

// Bits counted by hand: codes, scales, zero points, nested scales of scales.
TEST_F(QuantEncodingTest, StorageBitsCountEverything) {
  EXPECT_EQ(parse("!compress.tensor<64x128xf32, f16>").getStorageBits(),
            64u * 128 * 16);
  EXPECT_EQ(parse("!compress.tensor<64x128xf32, quant<i8, group = [1, *], "
                  "scale = f32>>")
                .getStorageBits(),
            64u * 128 * 8 + 64 * 32);
  // The last of five blocks is short but has a scale of its own.
  EXPECT_EQ(parse("!compress.tensor<3x130xf32, quant<ui4, group = [1, 32], "
                  "scale = f16, zero = ui4>>")
                .getStorageBits(),
            3u * 130 * 4 + 3 * 5 * 16 + 3 * 5 * 4);
  EXPECT_EQ(parse("!compress.tensor<64x256xf32, quant<i4, group = [1, 32], "
                  "scale = quant<ui6, group = [1, 8], scale = f16>>>")
                .getStorageBits(),
            64u * 256 * 4 + 64 * 8 * 6 + 64 * 16);
  EXPECT_EQ(parse("!compress.tensor<0x256xf32, quant<i4, group = [1, 32], "
                  "scale = f16>>")
                .getStorageBits(),
            0u);
  EXPECT_DOUBLE_EQ(parse("!compress.tensor<32x32xf32, quant<f4E2M1FN, group = "
                         "[1, 32], scale = f8E8M0FNU>>")
                       .getBitsPerElement(),
                   4.25);
}

// Within the range nothing is further from its code than half a step.
TEST_F(QuantEncodingTest, ErrorIsAtMostHalfAStep) {
  for (unsigned width : {2, 3, 4, 5, 8, 12, 16})
    for (const char *zero : {"", ", zero = i16"})
      for (const char *group : {"[*, *]", "[1, *]", "[1, 32]", "[3, 5]"}) {
        auto type = parse(("!compress.tensor<7x67xf32, quant<i" +
                           std::to_string(width) + ", group = " + group +
                           ", scale = f32" + zero + ">>"));
        HostTensor value = random({7, 67});
        auto encoding = type.getEncoding();
        auto leaves = llvm::cantFail(encoding.encodeHost(type, value, {}));
        HostTensor decoded = llvm::cantFail(encoding.decodeHost(type, leaves));
        float worst = 0;
        for (float scale : leaves[1].getData<float>())
          worst = std::max(worst, scale);
        for (int64_t i = 0; i < value.getNumElements(); ++i)
          ASSERT_LE(std::fabs(value.getDouble(i) - decoded.getDouble(i)),
                    // Zero points are rounded, which shifts the range by up to
                    // half a step more.
                    worst * (*zero ? 1.001 : 0.5001))
              << width << zero << group;
      }
}

TEST_F(QuantEncodingTest, ZeroDecodesToZeroWithIntegerZeroPoints) {
  auto type = parse("!compress.tensor<64xf32, quant<ui8, group = [*], scale = "
                    "f32, zero = ui8>>");
  HostTensor value = random({64});
  auto data = value.getMutableData<float>();
  for (float &x : data)
    x = std::fabs(x) + 5;
  data[3] = 0;
  EXPECT_EQ(roundTrip(type, value).getDouble(3), 0.0);
}

TEST_F(QuantEncodingTest, AllZeroGroupsStayZero) {
  for (const char *text :
       {"quant<i8, group = [1, 32], scale = f32>",
        "quant<ui4, group = [1, 32], scale = f16, zero = ui4>",
        "quant<f4E2M1FN, group = [1, 32], scale = f8E8M0FNU>",
        "quant<f8E4M3FN, group = [*, *], scale = f32>",
        "quant<i4, group = [1, 8], scale = quant<ui6, group = [1, 4], scale = "
        "f16>>"}) {
    auto type =
        parse(("!compress.tensor<2x64xf32, " + StringRef(text) + ">").str());
    HostTensor zeros =
        HostTensor::allocate({2, 64}, Float32Type::get(&context));
    HostTensor decoded = roundTrip(type, zeros);
    for (int64_t i = 0; i < 128; ++i)
      ASSERT_EQ(decoded.getDouble(i), 0.0) << text;
  }
}

// OCP MX 1.0, 6.3: the shared scale is 2^(floor(log2(max)) - emax), so the
// largest element keeps its binade, and powers of two are exact.
TEST_F(QuantEncodingTest, MicroscalingScaleRule) {
  auto type = parse("!compress.tensor<1x32xf32, quant<f4E2M1FN, group = [1, "
                    "32], scale = f8E8M0FNU>>");
  HostTensor value = HostTensor::allocate({1, 32}, Float32Type::get(&context));
  auto data = value.getMutableData<float>();
  data[0] = 7.9f; // floor(log2) = 2, emax = 2: scale 1, saturates to 6
  data[1] = 4.0f;
  data[2] = -1.5f;
  data[3] = 0.25f; // a tie between 0 and 0.5 goes to even: 0
  auto leaves = llvm::cantFail(type.getEncoding().encodeHost(type, value, {}));
  EXPECT_EQ(leaves[1].getBits(0), 127u);
  HostTensor decoded =
      llvm::cantFail(type.getEncoding().decodeHost(type, leaves));
  EXPECT_EQ(decoded.getDouble(0), 6.0);
  EXPECT_EQ(decoded.getDouble(1), 4.0);
  EXPECT_EQ(decoded.getDouble(2), -1.5);
  EXPECT_EQ(decoded.getDouble(3), 0.0);
}

// A Q4_K-like form: 4-bit codes, 6-bit scales and minimums, f16 scales of both.
TEST_F(QuantEncodingTest, NestedScalesDecodeByTheFormula) {
  auto type = parse(
      "!compress.tensor<1x64xf32, quant<ui4, group = [1, 32], scale = "
      "quant<ui6, "
      "group = [1, *], scale = f16>, zero = quant<ui6, group = [1, *], scale = "
      "f16>>>");
  SmallVector<RankedTensorType> types = type.getLeafTypes();
  ASSERT_EQ(types.size(), 5u);
  SmallVector<HostTensor> leaves;
  for (RankedTensorType leaf : types)
    leaves.push_back(
        HostTensor::allocate(leaf.getShape(), leaf.getElementType()));
  for (int64_t i = 0; i < 64; ++i)
    leaves[0].setBits(i, i % 16);
  leaves[1].setBits(0, 10);
  leaves[1].setBits(1, 63);
  leaves[2].setDouble(0, 0.125);
  leaves[3].setBits(0, 5);
  leaves[3].setBits(1, 0);
  leaves[4].setDouble(0, 0.5);
  HostTensor decoded =
      llvm::cantFail(type.getEncoding().decodeHost(type, leaves));
  for (int64_t i = 0; i < 64; ++i) {
    float scale = (i < 32 ? 10 : 63) * 0.125f;
    float zero = (i < 32 ? 5 : 0) * 0.5f;
    EXPECT_EQ(decoded.getDouble(i), (float(i % 16) - zero) * scale);
  }
}

TEST_F(QuantEncodingTest, EmptyTensors) {
  auto type = parse("!compress.tensor<0x32xf32, quant<i4, group = [1, 32], "
                    "scale = f16>>");
  HostTensor value = HostTensor::allocate({0, 32}, Float32Type::get(&context));
  EXPECT_EQ(roundTrip(type, value).getNumElements(), 0);
}
// Codes stay, decoded values are multiplied; scales that are shared take none.
TEST_F(QuantEncodingTest, FactorsGoIntoScales) {
  HostTensor value = random({6, 40});
  auto scale = [&](StringRef encoding, int64_t axis) {
    auto type = parse(("!compress.tensor<6x40xf32, " + encoding + ">").str());
    EncodedTensor before = llvm::cantFail(encodeTensor(type, value));
    std::vector<double> factors;
    for (int64_t i = 0; i < value.getShape()[axis]; ++i)
      factors.push_back(1 + 0.25 * double(i % 7));
    auto after = scaleAlong(before, axis, factors);
    if (!after) {
      llvm::consumeError(after.takeError());
      return false;
    }
    EXPECT_EQ(before.type, after->type);
    HostTensor x = llvm::cantFail(decodeTensor(before)),
               y = llvm::cantFail(decodeTensor(*after));
    for (int64_t i = 0; i < value.getNumElements(); ++i) {
      double factor = factors[axis == 0 ? i / 40 : i % 40];
      EXPECT_NEAR(y.getDouble(i), factor * x.getDouble(i),
                  2e-3 * std::fabs(y.getDouble(i)));
    }
    return true;
  };
  EXPECT_TRUE(scale("quant<i4, group = [1, 32], scale = f32>", 0));
  EXPECT_TRUE(scale("quant<ui4, group = [1, *], scale = f16, zero = ui4>", 0));
  EXPECT_TRUE(scale("scaled<group = [1, *], scale = f32, of = quant<i8, "
                    "group = [*, *], scale = f32>>",
                    0));
  EXPECT_TRUE(scale("scaled<group = [*, *], scale = f32, of = quant<i8, "
                    "group = [1, *], scale = f32>>",
                    0));
  EXPECT_TRUE(scale("f16", 1));
  EXPECT_FALSE(scale("quant<i4, group = [1, 32], scale = f32>", 1));
  EXPECT_FALSE(scale("quant<i8, group = [*, *], scale = f32>", 0));
  EXPECT_FALSE(scale("quant<i4, group = [1, 8], scale = quant<ui6, group = "
                     "[1, 5], scale = f16>>",
                     0));
}
} // namespace

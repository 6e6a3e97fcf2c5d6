//===- CompositeEncodingTest.cpp - Generated, rotated, scaled, ... --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Minifloat.h"
#include "mlir/AsmParser/AsmParser.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace mlir;
using namespace compress;

namespace {
struct CompositeEncodingTest : public ::testing::Test {
  CompositeEncodingTest() { context.loadDialect<CompressDialect>(); }

  CompressedTensorType parse(StringRef text) {
    return cast<CompressedTensorType>(
        parseType(("!compress.tensor<" + text + ">").str(), &context));
  }
  std::vector<float> decode(StringRef text,
                            SmallVector<HostTensor> leaves = {}) {
    return llvm::cantFail(decodeTensor({parse(text), leaves})).toFloats();
  }
  HostTensor random(ArrayRef<int64_t> shape) {
    HostTensor value = HostTensor::allocate(shape, Float32Type::get(&context));
    std::mt19937 engine(5);
    std::normal_distribution<float> normal;
    for (float &x : value.getMutableData<float>())
      x = normal(engine);
    return value;
  }
  /// Encodes and decodes a random tensor; the largest error.
  double roundTrip(StringRef text) {
    CompressedTensorType type = parse(text);
    HostTensor value = random(type.getShape());
    auto decoded =
        llvm::cantFail(decodeTensor(llvm::cantFail(encodeTensor(type, value))));
    double error = 0;
    for (int64_t i = 0, e = value.getNumElements(); i < e; ++i)
      error =
          std::max(error, std::fabs(value.getDouble(i) - decoded.getDouble(i)));
    return error;
  }

  MLIRContext context;
};

// The known answer of Random123 for counter 0 and key 0 is 6627e8d5.
TEST_F(CompositeEncodingTest, PhiloxKnownAnswer) {
  EXPECT_EQ(decode("1xf32, generated<rademacher>")[0], -1.0f);
  EXPECT_EQ(decode("1xf32, generated<uniform>")[0],
            float(0x6627e8 - (1 << 23)) * 0x1p-23f);
  int64_t sum = 0;
  for (uint32_t word : {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u})
    sum += (word & 0xffff) + (word >> 16);
  EXPECT_EQ(decode("1xf32, generated<normal>")[0],
            float(sum - 262140) *
                float(1.0 / std::sqrt(8.0 * (65536.0 * 65536.0 - 1) / 12)));
}

TEST_F(CompositeEncodingTest, RandomMoments) {
  for (StringRef kind : {"rademacher", "uniform", "normal"}) {
    std::vector<float> values =
        decode(("100x200xf32, generated<" + kind + ", seed = 9>").str());
    double mean = 0, square = 0;
    for (float x : values) {
      mean += x / values.size();
      square += double(x) * x / values.size();
    }
    // Five standard errors of 20000 samples.
    EXPECT_NEAR(mean, 0, 5.0 / std::sqrt(20000.0)) << kind.str();
    EXPECT_NEAR(square, kind == "uniform" ? 1.0 / 3 : 1.0, 0.06) << kind.str();
  }
  EXPECT_NE(decode("8xf32, generated<normal, seed = 1>"),
            decode("8xf32, generated<normal, seed = 2>"));
}

// The formats that have no infinity or NaN are the ones of the types.
TEST_F(CompositeEncodingTest, MinifloatIsTheFloatType) {
  struct {
    FloatType type;
    const char *text;
  } cases[] = {
      {Float4E2M1FNType::get(&context),
       "16xf32, generated<minifloat, param = 2.0 : f32>"},
      {Float6E2M3FNType::get(&context),
       "64xf32, generated<minifloat, param = 2.0 : f32>"},
      {Float6E3M2FNType::get(&context),
       "64xf32, generated<minifloat, param = 3.0 : f32>"},
  };
  for (auto &entry : cases)
    EXPECT_EQ(decode(entry.text), getMinifloatTable(entry.type)) << entry.text;
  EXPECT_EQ(decode("8xf32, generated<minifloat, param = 1.0 : f32>"),
            (std::vector<float>{0, 1, 2, 3, -0.0f, -1, -2, -3}));
}

TEST_F(CompositeEncodingTest, Tables) {
  EXPECT_EQ(decode("5xf32, generated<linear>"),
            (std::vector<float>{-1, -0.5f, 0, 0.5f, 1}));
  EXPECT_EQ(decode("5xf32, generated<power, param = 2.0 : f32>"),
            (std::vector<float>{-1, -0.25f, 0, 0.25f, 1}));
  EXPECT_EQ(decode("6xf32, generated<pow2>"),
            (std::vector<float>{0, 1, -1, 0.5f, -0.5f, 0.25f}));
  std::vector<float> nf4 = decode("16xf32, generated<nf4>");
  EXPECT_TRUE(std::is_sorted(nf4.begin(), nf4.end()));
  EXPECT_EQ(decode("2x2xf32, generated<hadamard>"),
            (std::vector<float>{1, 1, 1, -1}));
  EXPECT_EQ(decode("2x3xf32, generated<identity>"),
            (std::vector<float>{1, 0, 0, 0, 1, 0}));
}

// Orthogonal and its own inverse, whatever the size.
TEST_F(CompositeEncodingTest, RotationKeepsLengthAndCancels) {
  for (int64_t n : {1, 2, 3, 7, 8, 12, 37, 64, 100})
    for (int64_t block : {1, 4, 32, 64}) {
      std::string rotated =
          "rotated<hadamard, axis = 1, block = " + std::to_string(block) +
          ", of = ";
      std::string shape = "3x" + std::to_string(n) + "xf32, ";
      HostTensor value = random({3, n});
      std::vector<float> once = decode(shape + rotated + "f32>", {value});
      for (int64_t row = 0; row < 3; ++row) {
        double before = 0, after = 0;
        for (int64_t i = 0; i < n; ++i) {
          before += std::pow(value.getDouble(row * n + i), 2);
          after += std::pow(once[row * n + i], 2);
        }
        EXPECT_NEAR(after, before, 1e-5 * before);
      }
      std::vector<float> twice =
          decode(shape + rotated + rotated + "f32>>", {value});
      for (size_t i = 0; i < twice.size(); ++i)
        EXPECT_NEAR(twice[i], value.getDouble(i), 1e-5);
    }
  // By the definition: block 2 of (1, 3, 5), and 5 alone.
  HostTensor value =
      HostTensor::fromFloats({1, 3}, Float32Type::get(&context), {1, 3, 5});
  float root = float(1 / std::sqrt(2.0));
  EXPECT_EQ(decode("1x3xf32, rotated<hadamard, axis = 1, block = 2, of = f32>",
                   {value}),
            (std::vector<float>{4 * root, -2 * root, 5}));
}

// A rotation spreads an outlier, so that few bits lose less.
TEST_F(CompositeEncodingTest, RotationHelpsOutliers) {
  HostTensor value = random({1, 256});
  value.getMutableData<float>()[17] = 100;
  auto meanError = [&](StringRef text) {
    CompressedTensorType type = parse(text);
    auto decoded =
        llvm::cantFail(decodeTensor(llvm::cantFail(encodeTensor(type, value))));
    double sum = 0;
    for (int64_t i = 0; i < 256; ++i)
      sum += std::pow(value.getDouble(i) - decoded.getDouble(i), 2);
    return sum;
  };
  EXPECT_LT(meanError("1x256xf32, rotated<hadamard, axis = 1, block = 256, "
                      "of = quant<i4, group = [*, *], scale = f32>>"),
            0.5 * meanError("1x256xf32, int4"));
}

TEST_F(CompositeEncodingTest, EncodeThenDecode) {
  EXPECT_EQ(roundTrip("7x9xf32, permuted<axis = 1, index = i8, of = f32>"), 0);
  EXPECT_LT(roundTrip("7x9xf32, scaled<group = [1, 4], scale = f32, of = f32>"),
            1e-6);
  // Two terms of eight bits: the second takes what the first left.
  double one =
      roundTrip("7x9xf32, sum<[quant<i8, group = [*, *], scale = f32>]>");
  double two =
      roundTrip("7x9xf32, sum<[quant<i8, group = [*, *], scale = f32>, "
                "quant<i8, group = [*, *], scale = f32>]>");
  EXPECT_LT(two, one / 100);
}

TEST_F(CompositeEncodingTest, PermutationReadsWhereItSays) {
  HostTensor inner =
      HostTensor::fromFloats({4}, Float32Type::get(&context), {10, 11, 12, 13});
  HostTensor permutation =
      HostTensor::allocate({4}, IntegerType::get(&context, 8));
  const int sources[] = {2, 0, 3, 1};
  for (auto [j, from] : llvm::enumerate(sources))
    permutation.setBits(j, from);
  EXPECT_EQ(decode("4xf32, permuted<axis = 0, index = i8, of = f32>",
                   {inner, permutation}),
            (std::vector<float>{12, 10, 13, 11}));
  permutation.setBits(0, 4);
  EXPECT_EQ(
      llvm::toString(
          decodeTensor(
              {parse("4xf32, permuted<axis = 0, index = i8, of = f32>"),
               {inner, permutation}})
              .takeError()),
      "permutation entry 0 is 4, which is not below the size 4 of the axis");
  permutation.setBits(0, 0);
  EXPECT_EQ(llvm::toString(
                decodeTensor(
                    {parse("4xf32, permuted<axis = 0, index = i8, of = f32>"),
                     {inner, permutation}})
                    .takeError()),
            "permutation names 0 twice");
}
} // namespace

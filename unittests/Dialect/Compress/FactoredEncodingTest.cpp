//===- FactoredEncodingTest.cpp - The factored encoding ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Fit.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace mlir;
using namespace compress;

namespace {
class FactoredEncodingTest : public ::testing::Test {
protected:
  FactoredEncodingTest() { context.loadDialect<CompressDialect>(); }

  CompressedTensorType parse(const std::string &text) {
    auto type = dyn_cast_or_null<CompressedTensorType>(
        parseType("!compress.tensor<" + text + ">", &context));
    EXPECT_TRUE(type) << text;
    return type;
  }

  HostTensor makeNormal(ArrayRef<int64_t> shape, Type type) {
    HostTensor value = HostTensor::allocate(shape, type);
    std::normal_distribution<double> normal;
    for (int64_t i = 0; i < value.getNumElements(); ++i)
      value.setDouble(i, normal(engine));
    return value;
  }

  /// Random leaves; all factors are plain f32.
  SmallVector<HostTensor> makeLeaves(CompressedTensorType type) {
    SmallVector<HostTensor> leaves;
    for (RankedTensorType leaf : type.getLeafTypes())
      leaves.push_back(makeNormal(leaf.getShape(), leaf.getElementType()));
    return leaves;
  }

  HostTensor roundTrip(CompressedTensorType type, const HostTensor &value) {
    return llvm::cantFail(
        decodeTensor(llvm::cantFail(encodeTensor(type, value))));
  }

  static double squaredError(const HostTensor &a, const HostTensor &b) {
    double error = 0;
    for (int64_t i = 0; i < a.getNumElements(); ++i)
      error += std::pow(a.getDouble(i) - b.getDouble(i), 2);
    return error;
  }
  static double squaredNorm(const HostTensor &a) {
    double norm = 0;
    for (int64_t i = 0; i < a.getNumElements(); ++i)
      norm += std::pow(a.getDouble(i), 2);
    return norm;
  }

  MLIRContext context;
  std::mt19937 engine{4};
};

// Each form against loops that are written out for it.

TEST_F(FactoredEncodingTest, LowRank) {
  CompressedTensorType type = parse("5x7xf32, factored<\"i j = i r, r j\", "
                                    "sizes = {r = 3}, of = [f32, f32]>");
  SmallVector<HostTensor> leaves = makeLeaves(type);
  HostTensor decoded = llvm::cantFail(decodeTensor({type, leaves}));
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t j = 0; j < 7; ++j) {
      float sum = 0;
      for (int64_t r = 0; r < 3; ++r)
        sum += float(leaves[0].getDouble(i * 3 + r)) *
               float(leaves[1].getDouble(r * 7 + j));
      EXPECT_EQ(decoded.getDouble(i * 7 + j), sum);
    }
}

TEST_F(FactoredEncodingTest, PrefixReadsTheFirstEntries) {
  CompressedTensorType type = parse(
      "5x7xf32, factored<\"i j = i r, r, r j\", sizes = {r = 4}, prefix = "
      "{r = 2}, of = [f32, f32, f32]>");
  SmallVector<HostTensor> leaves = makeLeaves(type);
  EXPECT_EQ(leaves[1].getNumElements(), 4);
  HostTensor decoded = llvm::cantFail(decodeTensor({type, leaves}));
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t j = 0; j < 7; ++j) {
      float sum = 0;
      for (int64_t r = 0; r < 2; ++r) {
        float left = float(leaves[0].getDouble(i * 4 + r)) *
                     float(leaves[1].getDouble(r));
        sum += left * float(leaves[2].getDouble(r * 7 + j));
      }
      EXPECT_EQ(decoded.getDouble(i * 7 + j), sum);
    }
}

TEST_F(FactoredEncodingTest, TensorTrainMatrix) {
  CompressedTensorType type = parse(
      "6x10xf32, factored<\"(a b) (c d) = a c r, r b d\", sizes = {a = 2, "
      "b = 3, c = 5, d = 2, r = 3}, of = [f32, f32]>");
  SmallVector<HostTensor> leaves = makeLeaves(type);
  HostTensor decoded = llvm::cantFail(decodeTensor({type, leaves}));
  for (int64_t i = 0; i < 6; ++i)
    for (int64_t j = 0; j < 10; ++j) {
      int64_t a = i / 3, b = i % 3, c = j / 2, d = j % 2;
      float sum = 0;
      for (int64_t r = 0; r < 3; ++r)
        sum += float(leaves[0].getDouble((a * 5 + c) * 3 + r)) *
               float(leaves[1].getDouble((r * 3 + b) * 2 + d));
      EXPECT_EQ(decoded.getDouble(i * 10 + j), sum);
    }
}

TEST_F(FactoredEncodingTest, TuckerOfAConvolution) {
  CompressedTensorType type = parse(
      "4x3x2x2xf64, factored<\"o i h w = o p, p q h w, i q\", sizes = {p = "
      "2, q = 2}, of = [f64, f64, f64]>");
  SmallVector<HostTensor> leaves = makeLeaves(type);
  HostTensor decoded = llvm::cantFail(decodeTensor({type, leaves}));
  for (int64_t o = 0; o < 4; ++o)
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t hw = 0; hw < 4; ++hw) {
        double sum = 0;
        for (int64_t p = 0; p < 2; ++p)
          for (int64_t q = 0; q < 2; ++q)
            sum += leaves[0].getDouble(o * 2 + p) *
                   leaves[1].getDouble((p * 2 + q) * 4 + hw) *
                   leaves[2].getDouble(i * 2 + q);
        EXPECT_NEAR(decoded.getDouble((o * 3 + i) * 4 + hw), sum, 1e-14);
      }
}

TEST_F(FactoredEncodingTest, OddForms) {
  // One factor, transposed; names that only one factor has; nothing left.
  CompressedTensorType type =
      parse("3x4xf32, factored<\"i j = j i\", sizes = {}, of = [f32]>");
  SmallVector<HostTensor> leaves = makeLeaves(type);
  HostTensor decoded = llvm::cantFail(decodeTensor({type, leaves}));
  EXPECT_EQ(decoded.getDouble(1 * 4 + 2), leaves[0].getDouble(2 * 3 + 1));
  type = parse("3xf32, factored<\"i = i d\", sizes = {d = 2}, of = [f32]>");
  leaves = makeLeaves(type);
  decoded = llvm::cantFail(decodeTensor({type, leaves}));
  EXPECT_EQ(decoded.getDouble(1),
            float(leaves[0].getDouble(2)) + float(leaves[0].getDouble(3)));
  type = parse("f32, factored<\"= r, r\", sizes = {r = 2}, of = [f32, f32]>");
  leaves = makeLeaves(type);
  decoded = llvm::cantFail(decodeTensor({type, leaves}));
  EXPECT_EQ(decoded.getDouble(0),
            float(leaves[0].getDouble(0)) * float(leaves[1].getDouble(0)) +
                float(leaves[0].getDouble(1)) * float(leaves[1].getDouble(1)));
  type = parse("2x3xf32, factored<\"i j = i r, r j\", sizes = {r = 0}, of = "
               "[f32, f32]>");
  decoded = llvm::cantFail(decodeTensor({type, makeLeaves(type)}));
  EXPECT_EQ(squaredNorm(decoded), 0);
  type = parse("0x3xf32, factored<\"(a b) j = a j, b j\", sizes = {a = 0, b = "
               "2}, of = [f32, f32]>");
  EXPECT_EQ(roundTrip(type, HostTensor::allocate(type.getShape(),
                                                 Float32Type::get(&context)))
                .getNumElements(),
            0);
}

TEST_F(FactoredEncodingTest, EncodeRecoversTheForm) {
  for (const char *text :
       {"8x9xf32, factored<\"i j = i r, r j\", sizes = {r = 3}, of = [f32, "
        "f32]>",
        "6x10xf32, factored<\"(a b) (c d) = a c, b d\", sizes = {a = 2, b = 3, "
        "c "
        "= 5, d = 2}, of = [f32, f32]>",
        "4x5x6xf32, factored<\"i j k = i r, r j s, s k\", sizes = {r = 2, s = "
        "3}, of = [f32, f32, f32]>",
        "6x5x3x3xf32, factored<\"o i h w = o p, p q h w, i q\", sizes = {p = "
        "3, "
        "q = 2}, of = [f32, f32, f32]>"}) {
    SCOPED_TRACE(text);
    CompressedTensorType type = parse(text);
    HostTensor value = llvm::cantFail(decodeTensor({type, makeLeaves(type)}));
    EXPECT_LE(squaredError(roundTrip(type, value), value),
              1e-10 * squaredNorm(value));
  }
}

TEST_F(FactoredEncodingTest, LaterFactorsMakeUpForRounding) {
  Type f32 = Float32Type::get(&context);
  HostTensor value = makeNormal({24, 32}, f32);
  auto measure = [&](const std::string &of) {
    return squaredError(
        roundTrip(parse("24x32xf32, factored<\"i j = i r, r j\", sizes = {r = "
                        "12}, of = [" +
                        of + "]>"),
                  value),
        value);
  };
  double best = measure("f32, f32");
  double left = measure("quant<i3, group = [*, 1], scale = f32>, f32");
  double right = measure("f32, quant<i3, group = [1, *], scale = f32>");
  EXPECT_GT(left, best);
  // Only the second factor can be fitted again.
  EXPECT_LT(left, right);
}

TEST_F(FactoredEncodingTest, GeneratedFactorsAreFitted) {
  // A random basis of all dimensions represents everything.
  HostTensor value = makeNormal({6, 8}, Float32Type::get(&context));
  EXPECT_LT(
      squaredError(roundTrip(parse("6x8xf32, factored<\"i j = i r, r j\", "
                                   "sizes = {r = 8}, of = [f32, "
                                   "generated<normal, seed = 5>]>"),
                             value),
                   value),
      1e-8);
  // A smaller one leaves what is orthogonal to it.
  double error = squaredError(
      roundTrip(parse("6x8xf32, factored<\"i j = i r, r j\", sizes "
                      "= {r = 4}, of = [f32, generated<normal, "
                      "seed = 5>]>"),
                value),
      value);
  EXPECT_LT(error, 0.8 * squaredNorm(value));
}

TEST_F(FactoredEncodingTest, CastToAPrefixKeepsFactors) {
  HostTensor value = makeNormal({8, 9}, Float32Type::get(&context));
  auto full = llvm::cantFail(encodeTensor(
      parse("8x9xf32, factored<\"i j = i r, r j\", sizes = {r = 6}, of = [f16, "
            "f16]>"),
      value));
  CompressedTensorType half = parse(
      "8x9xf32, factored<\"i j = i r, r j\", sizes = {r = 6}, prefix = {r "
      "= 3}, of = [f16, f16]>");
  auto cut = llvm::cantFail(castTensor(full, half));
  EXPECT_EQ(cut.type, half);
  EXPECT_EQ(cut.leaves[0].getBytes(), full.leaves[0].getBytes());
  // Sorted, so that the prefix is the best of its rank.
  double error = squaredError(llvm::cantFail(decodeTensor(cut)), value);
  double best = squaredError(
      roundTrip(
          parse("8x9xf32, factored<\"i j = i r, r j\", sizes = {r = 3}, of "
                "= [f16, f16]>"),
          value),
      value);
  EXPECT_LT(error, 1.01 * best);
  // A longer prefix would bring values back: it is encoded anew.
  auto back = llvm::cantFail(castTensor(cut, full.type));
  EXPECT_LT(squaredError(llvm::cantFail(decodeTensor(back)),
                         llvm::cantFail(decodeTensor(cut))),
            1e-4 * squaredNorm(value));
}

TEST_F(FactoredEncodingTest, ImportanceLowersTheWeightedError) {
  HostTensor value = makeNormal({16, 20}, Float32Type::get(&context));
  CompressedTensorType type = parse("16x20xf32, factored<\"i j = i r, r j\", "
                                    "sizes = {r = 4}, of = [f32, f32]>");
  std::vector<std::vector<double>> importance(2);
  for (int64_t j = 0; j < 20; ++j)
    importance[1].push_back(j < 4 ? 50 : 1);
  auto measure = [&](const FactorizationOptions &options) {
    auto leaves = llvm::cantFail(fitFactored(type, value, options));
    HostTensor decoded = llvm::cantFail(decodeTensor({type, leaves}));
    double error = 0;
    for (int64_t i = 0; i < value.getNumElements(); ++i)
      error += importance[1][i % 20] *
               std::pow(decoded.getDouble(i) - value.getDouble(i), 2);
    return error;
  };
  FactorizationOptions aware;
  aware.importance = importance;
  EXPECT_LT(measure(aware), 0.8 * measure({}));
}

TEST_F(FactoredEncodingTest, NotFiniteIsAnError) {
  HostTensor value = HostTensor::fromFloats({2, 2}, Float32Type::get(&context),
                                            {1, NAN, 2, 3});
  auto encoded = encodeTensor(
      parse("2x2xf32, factored<\"i j = i r, r j\", sizes = {r = 1}, of = [f32, "
            "f32]>"),
      value);
  ASSERT_FALSE(bool(encoded));
  EXPECT_EQ(llvm::toString(encoded.takeError()),
            "cannot factorize a tensor with values that are not finite");
}
} // namespace

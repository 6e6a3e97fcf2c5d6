//===- CodebookEncodingTest.cpp - The codebook encoding ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Fit.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace mlir;
using namespace compress;

namespace {
class CodebookEncodingTest : public ::testing::Test {
protected:
  CodebookEncodingTest() { context.loadDialect<CompressDialect>(); }

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

  MLIRContext context;
  std::mt19937 engine{3};
};

/// Decodes by the formula, one element at a time. Tables are plain.
double decodeElement(CodebookAttr attr, ArrayRef<int64_t> shape,
                     ArrayRef<int64_t> at, const HostTensor &indices,
                     const HostTensor &tables) {
  int64_t block = 0, within = 0, group = 0, numBlocks = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    int64_t v = attr.getVec().empty() ? 1 : attr.getVec()[d];
    int64_t g =
        attr.getGroup().empty() || ShapedType::isDynamic(attr.getGroup()[d])
            ? shape[d]
            : attr.getGroup()[d];
    int64_t blocks = (shape[d] + v - 1) / v, groups = (shape[d] + g - 1) / g;
    block = block * blocks + at[d] / v;
    numBlocks *= blocks;
    within = within * v + at[d] % v;
    group = group * groups + at[d] / g;
  }
  float sum = 0;
  for (int64_t stage = 0; stage < attr.getStages(); ++stage) {
    uint64_t index = indices.getBits(stage * numBlocks + block);
    float entry = tables.getDouble(
        ((group * attr.getStages() + stage) * attr.getSize() + index) *
            attr.getVectorSize() +
        within);
    sum = stage ? sum + entry : entry;
  }
  return sum;
}

TEST_F(CodebookEncodingTest, DecodeFollowsTheFormula) {
  for (const char *text :
       {"7x10xf32, codebook<12, of = f32>",
        "7x10xf32, codebook<5, of = f32, vec = [1, 4]>",
        "7x10xf32, codebook<9, of = f32, vec = [2, 3], stages = 3>",
        "7x10xf32, codebook<3, of = f32, group = [2, *]>",
        "7x10xf32, codebook<4, of = f32, vec = [1, 2], stages = 2, "
        "group = [3, 4]>",
        "3x5x4xf32, codebook<2, of = f32, vec = [2, 1, 3], group = [*, 2, *]>",
        "6xf32, codebook<1, of = f32>"}) {
    SCOPED_TRACE(text);
    CompressedTensorType type = parse(text);
    auto attr = cast<CodebookAttr>(type.getEncoding());
    SmallVector<RankedTensorType> leafTypes = type.getLeafTypes();
    HostTensor indices = HostTensor::allocate(leafTypes[0].getShape(),
                                              leafTypes[0].getElementType());
    for (int64_t i = 0; i < indices.getNumElements(); ++i)
      indices.setBits(i, engine() % attr.getSize());
    HostTensor tables =
        makeNormal(leafTypes[1].getShape(), Float32Type::get(&context));
    HostTensor decoded =
        llvm::cantFail(decodeTensor({type, {indices, tables}}));
    SmallVector<int64_t> at(type.getRank(), 0);
    for (int64_t i = 0; i < decoded.getNumElements(); ++i) {
      int64_t rest = i;
      for (int64_t d = type.getRank(); d--;) {
        at[d] = rest % type.getDimSize(d);
        rest /= type.getDimSize(d);
      }
      ASSERT_EQ(decoded.getDouble(i),
                decodeElement(attr, type.getShape(), at, indices, tables))
          << i;
    }
  }
}

TEST_F(CodebookEncodingTest, FewValuesAreExact) {
  Type f32 = Float32Type::get(&context);
  HostTensor value = HostTensor::allocate({5, 6}, f32);
  for (int64_t i = 0; i < 30; ++i)
    value.setDouble(i, (i * 7 % 4) * 0.1);
  EXPECT_EQ(
      squaredError(roundTrip(parse("5x6xf32, codebook<4, of = f32>"), value),
                   value),
      0);
  // Six vectors of which two are the same.
  EXPECT_EQ(
      squaredError(
          roundTrip(parse("5x6xf32, codebook<15, of = f32, vec = [1, 2]>"),
                    value),
          value),
      0);
  Type f64 = Float64Type::get(&context);
  HostTensor wide = HostTensor::allocate({3}, f64);
  for (int64_t i = 0; i < 3; ++i)
    wide.setDouble(i, 1 + i * 1e-12);
  EXPECT_EQ(squaredError(roundTrip(parse("3xf64, codebook<3, of = f64>"), wide),
                         wide),
            0);
}

TEST_F(CodebookEncodingTest, IndicesAreNearestInTheDecodedTable) {
  HostTensor value = makeNormal({16, 24}, Float32Type::get(&context));
  for (const char *encoding :
       {"codebook<16, of = generated<nf4>>", "codebook<7, of = f8E4M3FN>",
        "codebook<16, of = quant<i4, group = [*], scale = f16>>",
        "codebook<3, of = generated<ternary>>",
        "codebook<16, of = sparse<bitmask, nnz = ?, of = f32>>"}) {
    SCOPED_TRACE(encoding);
    CompressedTensorType type = parse(std::string("16x24xf32, ") + encoding);
    auto encoded = llvm::cantFail(encodeTensor(type, value));
    HostTensor decoded = llvm::cantFail(decodeTensor(encoded));
    SmallVector<ComponentValue> parts =
        splitLeaves(encoded.type, encoded.leaves);
    HostTensor table = llvm::cantFail(decodeComponent(parts[1]));
    for (int64_t i = 0; i < value.getNumElements(); ++i) {
      double nearest = INFINITY;
      for (int64_t k = 0; k < table.getNumElements(); ++k)
        nearest = std::min(nearest,
                           std::fabs(table.getDouble(k) - value.getDouble(i)));
      ASSERT_EQ(std::fabs(decoded.getDouble(i) - value.getDouble(i)), nearest);
    }
  }
}

TEST_F(CodebookEncodingTest, GivenTablesAreKept) {
  CompressedTensorType type = parse("4x6xf32, codebook<4, of = f16, "
                                    "group = [2, *]>");
  HostTensor value = makeNormal({4, 6}, Float32Type::get(&context));
  HostTensor tables = HostTensor::fromFloats(
      {2, 1, 4}, Float16Type::get(&context), {-1, 0, 1, 2, -2, -0.5, 0.5, 3});
  auto leaves = llvm::cantFail(
      type.getEncoding().encodeHost(type, value, ArrayRef(tables)));
  ASSERT_EQ(leaves.size(), 2u);
  EXPECT_EQ(leaves[1].getBytes(), tables.getBytes());
  HostTensor decoded = llvm::cantFail(decodeTensor({type, leaves}));
  for (int64_t i = 0; i < 24; ++i) {
    double nearest = INFINITY;
    for (int64_t k = 0; k < 4; ++k)
      nearest = std::min(nearest, std::fabs(tables.getDouble(i / 12 * 4 + k) -
                                            value.getDouble(i)));
    EXPECT_EQ(std::fabs(decoded.getDouble(i) - value.getDouble(i)), nearest);
  }
}

TEST_F(CodebookEncodingTest, ErrorFallsWithSizeStagesAndGroups) {
  HostTensor value = makeNormal({32, 48}, Float32Type::get(&context));
  auto measure = [&](const std::string &encoding) {
    return squaredError(roundTrip(parse("32x48xf32, " + encoding), value),
                        value);
  };
  double base = measure("codebook<4, of = f32>");
  EXPECT_LT(measure("codebook<8, of = f32>"), 0.5 * base);
  EXPECT_LT(measure("codebook<4, of = f32, stages = 2>"), 0.5 * base);
  EXPECT_LT(measure("codebook<4, of = f32, group = [1, *]>"), base);
  // Eight times the table does better than twice its width would lose.
  EXPECT_LT(measure("codebook<64, of = f32, vec = [1, 2]>"),
            measure("codebook<4, of = f32, vec = [1, 2]>"));
  EXPECT_LT(measure("codebook<16, of = f32, vec = [1, 2]>"), 1.05 * base);
}

TEST_F(CodebookEncodingTest, ImportanceLowersTheWeightedError) {
  HostTensor value = makeNormal({16, 32}, Float32Type::get(&context));
  std::vector<float> importance(value.getNumElements());
  for (size_t i = 0; i < importance.size(); ++i)
    importance[i] = i % 32 < 4 ? 100 : 0.1f;
  for (const char *encoding :
       {"codebook<4, of = f32>", "codebook<16, of = f32, vec = [2, 2]>"}) {
    CompressedTensorType type = parse(std::string("16x32xf32, ") + encoding);
    auto measure = [&](ArrayRef<float> weights) {
      auto leaves =
          llvm::cantFail(fitCodebook(type, value, weights, KMeansOptions()));
      HostTensor decoded = llvm::cantFail(decodeTensor({type, leaves}));
      double error = 0;
      for (int64_t i = 0; i < value.getNumElements(); ++i)
        error += importance[i] *
                 std::pow(decoded.getDouble(i) - value.getDouble(i), 2);
      return error;
    };
    EXPECT_LT(measure(importance), 0.95 * measure({})) << encoding;
  }
}

TEST_F(CodebookEncodingTest, OddInputs) {
  Type f32 = Float32Type::get(&context);
  for (const char *text :
       {"0x4xf32, codebook<4, of = f32, vec = [1, 2], group = [1, *]>",
        "0xf32, codebook<3, of = generated<ternary>>",
        "0x0xf32, codebook<5, of = f32, stages = 2>"}) {
    CompressedTensorType type = parse(text);
    EXPECT_EQ(roundTrip(type, HostTensor::allocate(type.getShape(), f32))
                  .getNumElements(),
              0);
  }
  // What is not finite finds some entry.
  HostTensor value =
      HostTensor::fromFloats({4}, f32, {NAN, INFINITY, -INFINITY, 1});
  HostTensor decoded = roundTrip(parse("4xf32, codebook<2, of = f32>"), value);
  EXPECT_EQ(decoded.getDouble(3), 1);
  EXPECT_TRUE(std::isfinite(decoded.getDouble(0)));
  HostTensor scalar = HostTensor::fromFloats({}, f32, {2.5});
  EXPECT_EQ(roundTrip(parse("f32, codebook<2, of = f32>"), scalar).getDouble(0),
            2.5);
}

TEST_F(CodebookEncodingTest, SizeCountsTables) {
  // 2 x 8 bits for 8 values, 2 * 256 * 8 f16 for all of them.
  CompressedTensorType type =
      parse("64x128xf32, codebook<256, of = f16, vec = [1, 8], stages = 2>");
  int64_t bits = 0;
  for (RankedTensorType leaf : type.getLeafTypes())
    bits += leaf.getNumElements() *
            int64_t(HostTensor::getWidth(leaf.getElementType()));
  EXPECT_EQ(bits, 64 * 128 * 2 + 2 * 256 * 8 * 16);
}
} // namespace

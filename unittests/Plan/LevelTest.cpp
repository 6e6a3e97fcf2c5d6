//===- LevelTest.cpp - From level names to types ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Plan/Level.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace compress;

namespace {

WeightOperand matrix() {
  WeightOperand role;
  role.operand = 1;
  role.activation = 0;
  role.reductionAxes = {0};
  role.outputAxes = {1};
  role.activationChannelAxis = 1;
  return role;
}

WeightOperand convolution() {
  WeightOperand role;
  role.operand = 1;
  role.activation = 0;
  role.outputAxes = {0};
  role.reductionAxes = {1, 2, 3};
  role.activationChannelAxis = 1;
  return role;
}

WeightOperand table() {
  WeightOperand role;
  role.operand = 0;
  role.outputAxes = {0};
  role.reductionAxes = {1};
  return role;
}

class LevelTest : public ::testing::Test {
protected:
  LevelTest() { context.loadDialect<CompressDialect>(); }

  /// The encoding as text, or the error.
  std::string encodingOf(StringRef spelling, ArrayRef<int64_t> shape,
                         const WeightOperand &role) {
    auto level = Level::parse(spelling);
    if (!level)
      return llvm::toString(level.takeError());
    auto type = level->getWeightType(
        RankedTensorType::get(shape, Float32Type::get(&context)), role);
    if (!type)
      return llvm::toString(type.takeError());
    std::string text;
    llvm::raw_string_ostream(text) << type->getEncoding();
    StringRef result = text;
    result.consume_front("#compress.");
    return result.str();
  }

  MLIRContext context;
};

std::string errorOf(StringRef spelling) {
  auto level = Level::parse(spelling);
  return level ? "" : llvm::toString(level.takeError());
}

TEST_F(LevelTest, NamesGiveEncodings) {
  struct {
    const char *level, *encoding;
  } const cases[] = {
      {"int8", "quant<i8, group = [*, 1], scale = f32>"},
      {"int2", "quant<i2, group = [*, 1], scale = f32>"},
      {"int16-asym", "quant<i16, group = [*, 1], scale = f32, zero = i16>"},
      {"int4-g32", "quant<i4, group = [32, 1], scale = f16>"},
      {"int4-g32-asym", "quant<i4, group = [32, 1], scale = f16, zero = i4>"},
      {"uint4-g64", "quant<ui4, group = [64, 1], scale = f16, zero = ui4>"},
      {"int8-dynamic", "quant<i8, group = [*, 1], scale = f32>"},
      {"w8a8", "quant<i8, group = [*, 1], scale = f32>"},
      {"w4a8-g32", "quant<i4, group = [32, 1], scale = f16>"},
      {"fp8", "quant<f8E4M3FN, group = [*, 1], scale = f32>"},
      {"fp8-e5m2", "quant<f8E5M2, group = [*, 1], scale = f32>"},
      {"fp4-g16", "quant<f4E2M1FN, group = [16, 1], scale = f16>"},
      {"mxfp4", "quant<f4E2M1FN, group = [32, 1], scale = f8E8M0FNU>"},
      {"mxfp6", "quant<f6E3M2FN, group = [32, 1], scale = f8E8M0FNU>"},
      {"mxfp8", "quant<f8E4M3FN, group = [32, 1], scale = f8E8M0FNU>"},
      {"nvfp4", "quant<f4E2M1FN, group = [16, 1], scale = quant<f8E4M3FN, "
                "group = [*, *], scale = f32>>"},
      {"drop", "generated<zeros>"},
      {"fp16", "dense<f16>"},
      {"bf16", "dense<bf16>"},
  };
  for (const auto &test : cases)
    EXPECT_EQ(encodingOf(test.level, {128, 64}, matrix()), test.encoding)
        << test.level;
}

TEST_F(LevelTest, EveryExampleOfEveryFamilyParses) {
  for (const LevelFamily &family : getLevelFamilies()) {
    ASSERT_FALSE(family.examples.empty());
    for (const std::string &example : family.examples) {
      auto level = Level::parse(example);
      ASSERT_TRUE(bool(level)) << llvm::toString(level.takeError());
      EXPECT_EQ(level->getSpelling(), example);
      if (level->isNone())
        continue;
      unsigned suited = 0;
      for (auto [shape, role] :
           {std::pair<std::vector<int64_t>, WeightOperand>{{128, 64}, matrix()},
            {{8, 1, 3, 3}, convolution()},
            {{64, 16, 3, 3}, convolution()},
            {{300, 48}, table()}}) {
        RankedTensorType type =
            RankedTensorType::get(shape, Float32Type::get(&context));
        auto weight = level->getWeightType(type, role);
        if (!weight) {
          // Patterns and factors do not suit every shape; the message says so.
          EXPECT_NE(llvm::toString(weight.takeError()), "") << example;
          continue;
        }
        ++suited;
        EXPECT_TRUE(level->getMethod().supports(weight->getEncoding()));
        // No level may store more than it was given, as far as the type
        // tells; a pattern pads an axis that is shorter than its group.
        bool padded = StringRef(family.syntax).contains("N:M") &&
                      llvm::is_contained(shape, 1);
        if (isRefined(*weight) && !padded)
          EXPECT_LT(weight->getBitsPerElement(), 32) << example;
      }
      // Compressed rows are those of a matrix; tables have no inputs to
      // remove, and nothing can do without its only one.
      bool isSpecial = StringRef(example).starts_with("csr") ||
                       StringRef(example).starts_with("rows");
      EXPECT_EQ(suited, isSpecial ? 2u : 4u) << example;
    }
  }
}

TEST_F(LevelTest, GroupsByShape) {
  auto group = [&](ArrayRef<int64_t> shape, const WeightOperand &role) {
    return encodingOf("int4-g32", shape, role);
  };
  // Blocks along the first reduction axis.
  EXPECT_EQ(group({64, 32, 3, 3}, convolution()),
            "quant<i4, group = [1, 32, 1, 1], scale = f16>");
  // The whole of a short axis.
  EXPECT_EQ(group({64, 16, 3, 3}, convolution()),
            "quant<i4, group = [1, *, 1, 1], scale = f16>");
  // Everything that an output sums over.
  EXPECT_EQ(group({64, 1, 3, 3}, convolution()),
            "quant<i4, group = [1, *, *, *], scale = f16>");
  // Three channels would be one scale for three codes.
  EXPECT_EQ(group({64, 3, 7, 7}, convolution()),
            "quant<i4, group = [1, *, *, *], scale = f16>");
  EXPECT_EQ(group({100, 48}, table()),
            "quant<i4, group = [1, 32], scale = f16>");
  EXPECT_EQ(encodingOf("int8", {100, 48}, table()),
            "quant<i8, group = [1, *], scale = f32>");
  EXPECT_EQ(encodingOf("int8", {64, 3, 7, 7}, convolution()),
            "quant<i8, group = [1, *, *, *], scale = f32>");
}

TEST_F(LevelTest, SpellingsAreCanonical) {
  auto canonical = [](StringRef spelling) {
    return llvm::cantFail(Level::parse(spelling)).getSpelling().str();
  };
  EXPECT_EQ(canonical("int8:rtn"), "int8");
  EXPECT_EQ(canonical(" int8:rtn( range = mse ) "), "int8:rtn(range=mse)");
  EXPECT_EQ(canonical("int4-g32:rtn(range=percentile,percentile=99)"),
            "int4-g32:rtn(percentile=99,range=percentile)");
  EXPECT_EQ(canonical("fp16:rtn"), "fp16:rtn");
  auto levels = llvm::cantFail(
      parseLevels("f32,int8:rtn(range=percentile,percentile=99),mxfp4"));
  ASSERT_EQ(levels.size(), 3u);
  EXPECT_EQ(levels[1].getSpelling(),
            "int8:rtn(percentile=99,range=percentile)");
}

TEST_F(LevelTest, SaysWhatIsWrong) {
  EXPECT_TRUE(StringRef(errorOf("int9000"))
                  .contains("integer codes have 2 to 16 bits"));
  EXPECT_TRUE(
      StringRef(errorOf("int1")).contains("integer codes have 2 to 16 bits"));
  EXPECT_TRUE(StringRef(errorOf("int99999999999999999999"))
                  .contains("integer codes have 2 to 16 bits"));
  EXPECT_EQ(errorOf("int4-g0"),
            "level 'int4-g0': a group has 2 to 999999999 elements");
  EXPECT_TRUE(StringRef(errorOf("uint4-asym")).contains("drop '-asym'"));
  EXPECT_TRUE(StringRef(errorOf("int4_g32"))
                  .starts_with("unknown level 'int4_g32'; known are f32, "));
  EXPECT_TRUE(StringRef(errorOf("")).starts_with("unknown level ''"));
  EXPECT_EQ(
      errorOf("int8:magic"),
      "level 'int8:magic': unknown method 'magic'; known are adaquant, cast, "
      "depths, fit, kmeans, magnitude, obs, rate, rtn, svd");
  EXPECT_TRUE(StringRef(errorOf("int8:")).contains("unknown method ''"));
  EXPECT_EQ(errorOf("int8:rtn(range=mse"),
            "level 'int8:rtn(range=mse': expected ')' at the end");
  EXPECT_EQ(errorOf("int8:rtn()"),
            "level 'int8:rtn()': expected option=value, found ''");
  EXPECT_EQ(errorOf("int8:rtn(range=mse,range=mse)"),
            "level 'int8:rtn(range=mse,range=mse)': option 'range' is given "
            "twice");
  EXPECT_EQ(errorOf("f32:rtn"), "level 'f32:rtn': 'f32' takes no method");
  EXPECT_TRUE(StringRef(errorOf("fp7")).starts_with("unknown level"));
  EXPECT_TRUE(StringRef(errorOf("mxint8")).starts_with("unknown level"));
}

TEST_F(LevelTest, HelpListsEverything) {
  std::string help;
  llvm::raw_string_ostream os(help);
  printLevelHelp(os);
  for (const char *word : {"mxfp4", "int4-g32", "w8a8", "rtn", "cast"})
    EXPECT_TRUE(StringRef(help).contains(word)) << word;
}

} // namespace

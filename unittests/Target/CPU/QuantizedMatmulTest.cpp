//===- QuantizedMatmulTest.cpp - Quantized matrix products ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MatmulTestUtils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::test;

namespace {
const std::string kToken =
    "quant<ui8, group = [1, *], scale = f32, zero = ui8>";
const std::string kTensor =
    "quant<ui8, group = [*, *], scale = f32, zero = ui8>";
const std::string kSymmetric = "quant<i8, group = [*, *], scale = f32>";
std::string channelInt8(bool transposed) {
  return transposed ? "quant<i8, group = [1, *], scale = f32>"
                    : "quant<i8, group = [*, 1], scale = f32>";
}

const int64_t kRows[] = {0, 1, 2, 3, 5, 7, 16, 33};
} // namespace

TEST(IntegerMatmul, OddShapes) {
  for (const std::string &isa : getRunnableISAs()) {
    bool isBest = isa == getRunnableISAs()[0];
    for (int64_t n : {1, 10, 16, 63, 64, 65, 130})
      for (int64_t k : {1, 3, 4, 31, 32, 33, 64, 100}) {
        // The best instruction set sees the whole grid, others a part of it.
        if (!isBest && (n + k) % 5)
          continue;
        Matmul op{n, k, kToken, channelInt8(n % 2)};
        op.transposed = n % 2;
        op.init = Init(k % 3);
        auto compiled = op.compile(*getOptions(isa));
        ASSERT_TRUE(compiled->isClaimed());
        for (int64_t m : kRows)
          op.check(*compiled, Array::random({m, k}, m + 1), isa);
      }
  }
}

TEST(IntegerMatmul, ManyRows) {
  // More rows than one block has, sums longer than what stays near: several
  // parts, the last of them short.
  for (const std::string &isa : getRunnableISAs()) {
    bool isBest = isa == getRunnableISAs()[0];
    for (auto [n, k] : {std::pair<int64_t, int64_t>{70, 1100},
                        {17, 1024},
                        {64, 515},
                        {33, 300}}) {
      if (!isBest && n != 70)
        continue;
      Matmul op{n, k, kToken, channelInt8(false)};
      auto compiled = op.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed());
      for (int64_t m : {17, 48, 65, 128, 131, 181})
        op.check(*compiled, Array::random({m, k}, m + 1), isa);
    }
  }
}

TEST(IntegerMatmul, Activations) {
  std::vector<std::pair<std::string, std::vector<float>>> encodings{
      {kTensor, {}},
      {kSymmetric, {}},
      {kTensor, {0.02f, 100}},
      {kSymmetric, {0.02f}},
      {"quant<i8, group = [*, *], scale = f32, zero = i8>", {0.02f, -100}},
      {"quant<i8, group = [1, *], scale = f32, zero = i8>", {}},
      {"quant<i8, group = [1, *], scale = f32>", {}},
      {"quant<ui8, group = [*, *], scale = f32>", {}},
  };
  for (const std::string &isa : getRunnableISAs())
    for (auto &[encoding, parameters] : encodings) {
      Matmul op{20, 77, encoding, channelInt8(false)};
      op.staticParameters = parameters;
      auto compiled = op.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed());
      for (int64_t m : kRows)
        op.check(*compiled, Array::random({m, 77}, m + 1), isa + encoding);
    }
}

TEST(IntegerMatmul, Extremes) {
  // Sums of the largest magnitude that 32 bits have to hold.
  for (const std::string &isa : getRunnableISAs())
    for (float sign : {1.0f, -1.0f}) {
      constexpr int64_t k = 65536;
      Matmul op{16, k, kSymmetric, channelInt8(true)};
      op.activation = "quant<ui8, group = [*, *], scale = f32>";
      op.staticParameters = {1.0f};
      op.transposed = true;
      op.weights = Array::filled({16, k}, sign);
      auto compiled = op.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed());
      op.check(*compiled, Array::filled({2, k}, 300.0f), isa);
    }
}

TEST(IntegerMatmul, SpecialValues) {
  for (const std::string &isa : getRunnableISAs()) {
    Matmul op{8, 40, kToken, channelInt8(false)};
    auto compiled = op.compile(*getOptions(isa));
    Array x = Array::random({4, 40}, 1);
    std::fill_n(x.values.begin(), 40, 0.0f);      // a row of zeros
    std::fill_n(x.values.begin() + 40, 40, 2.5f); // no negative value
    for (int i = 0; i < 40; ++i)
      x.values[80 + i] = -1.0f - i; // no positive value
    x.values[125] = NAN;
    Array y = (*compiled)({x});
    Array clean = x;
    // The reference ignores NaN in ranges and encodes it as the largest code.
    Array a = roundTrip(op.getActivationType(), x);
    EXPECT_FALSE(std::isnan(a.values[125]));
    clean.values = a.values;
    Array w = roundTrip(op.getWeightType(), op.weights);
    for (int64_t i = 0; i < 4; ++i)
      for (int64_t j = 0; j < 8; ++j) {
        double sum = 0;
        for (int64_t l = 0; l < 40; ++l)
          sum += double(a.values[i * 40 + l]) * w.values[l * 8 + j];
        EXPECT_NEAR(y.values[i * 8 + j], sum, 1e-3) << isa;
      }
  }
}

TEST(IntegerMatmul, WeightsDoNotGrow) {
  Matmul op{256, 512, kToken, channelInt8(true)};
  op.transposed = true;
  auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
  // Codes, scales and sums.
  EXPECT_LE(compiled->getConstantBytes(), 256 * 512 + 256 * 8);
}

TEST(IntegerMatmul, DISABLED_Speed) {
  for (auto [m, n, k] : {std::tuple<int64_t, int64_t, int64_t>{1, 4096, 4096},
                         {16, 4096, 4096},
                         {128, 4096, 4096},
                         {512, 512, 512},
                         {128, 1024, 1024}})
    for (const std::string &isa : getRunnableISAs()) {
      Matmul op{n, k, kToken, channelInt8(true)};
      op.transposed = true;
      auto compiled = op.compile(*getOptions(isa));
      double seconds = compiled->time({Array::random({m, k}, 1)});
      printf("%-12s m=%4ld n=%4ld k=%4ld %8.3f ms %8.1f GOPS\n", isa.c_str(), m,
             n, k, seconds * 1e3, 2e-9 * m * n * k / seconds);
    }
}

//===----------------------------------------------------------------------===//
// Weights only
//===----------------------------------------------------------------------===//

namespace {
/// A `quant` encoding with blocks of `block` along K (0 for all of it).
std::string makeEncoding(const std::string &code, int64_t block,
                         bool transposed, const std::string &scale,
                         const std::string &zero = "") {
  std::string size = block ? std::to_string(block) : "*";
  return "quant<" + code + ", group = [" +
         (transposed ? "1, " + size : size + ", 1") + "], scale = " + scale +
         (zero.empty() ? "" : ", zero = " + zero) + ">";
}
} // namespace

TEST(WeightOnlyMatmul, Encodings) {
  struct Case {
    const char *code;
    int64_t block;
    const char *scale, *zero;
  };
  const Case cases[] = {
      {"i8", 0, "f32", ""},
      {"i4", 32, "f16", ""},
      {"ui4", 32, "f16", "ui4"},
      {"ui4", 16, "f32", "f32"},
      {"i4", 0, "f32", ""},
      {"i4", 64, "bf16", "i4"},
      {"ui8", 32, "f32", "ui8"},
      {"i8", 16, "f16", "i8"},
      {"i3", 32, "f16", ""},
      {"ui5", 0, "f32", "ui5"},
      {"i6", 32, "f32", ""},
      {"i7", 64, "f32", ""},
      {"i2", 16, "f16", ""},
      {"ui2", 32, "f16", "f16"},
      {"ui1", 32, "f32", "f32"},
      {"f8E4M3FN", 0, "f32", ""},
      {"f8E5M2", 32, "f8E8M0FNU", ""},
      {"f4E2M1FN", 32, "f8E8M0FNU", ""},
      {"f6E3M2FN", 32, "f8E8M0FNU", ""},
      {"f6E2M3FN", 32, "f8E8M0FNU", ""},
      {"f8E4M3FNUZ", 32, "f32", ""},
  };
  for (const std::string &isa : getRunnableISAs()) {
    bool isBest = isa == getRunnableISAs()[0];
    for (auto [i, c] : llvm::enumerate(cases))
      for (auto [n, k] : {std::pair<int64_t, int64_t>{65, 100},
                          {20, 64},
                          {130, 33},
                          {7, 600}}) {
        if ((!isBest || i > 3) && (n + i) % (isBest ? 3 : 8))
          continue;
        bool transposed = i % 2;
        std::string encoding =
            makeEncoding(c.code, c.block, transposed, c.scale, c.zero);
        Matmul op{n, k, "", encoding};
        op.transposed = transposed;
        op.init = Init((i + n) % 3);
        auto compiled = op.compile(*getOptions(isa));
        ASSERT_TRUE(compiled->isClaimed()) << isa << " " << encoding;
        for (int64_t m : {0, 1, 2, 3, 7, 8, 9, 33})
          op.check(*compiled, Array::random({m, k}, m + 1),
                   isa + " " + encoding);
      }
  }
}

TEST(WeightOnlyMatmul, FewBitsFewRows) {
  // Codes that fill a nibble with others, lie in two of them, or end in one.
  // Signed codes of three bits in long blocks are taken one by one.
  const std::pair<const char *, int64_t> cases[] = {
      {"ui1", 32}, {"i2", 0}, {"i3", 32}, {"i3", 0}, {"ui3", 64}};
  const std::string isa = getRunnableISAs()[0];
  for (auto [i, c] : llvm::enumerate(cases)) {
    auto [n, k] = i % 2 ? std::pair<int64_t, int64_t>{130, 1003}
                        : std::pair<int64_t, int64_t>{49, 614};
    std::string encoding = makeEncoding(c.first, c.second, false, "f16");
    Matmul op{n, k, "", encoding};
    op.init = Init(i % 3);
    auto compiled = op.compile(*getOptions(isa));
    ASSERT_TRUE(compiled->isClaimed()) << encoding;
    for (int64_t m : {1, 2, 4, 7})
      op.check(*compiled, Array::random({m, k}, m + 1), encoding);
  }
}

TEST(WeightOnlyMatmul, Tables) {
  // Widths from 1 to 8, with and without scales, tables that are not full.
  const char *encodings[] = {
      ("scaled<group = [32, 1], scale = f16, of = codebook<16, of = "
       "generated<nf4>>>"),
      "codebook<2, of = f32>",
      "codebook<7, of = f16>",
      "scaled<group = [*, 1], scale = f32, of = codebook<13, of = f16>>",
      "scaled<group = [64, 1], scale = bf16, of = codebook<32, of = f32>>",
      "codebook<64, of = f32>",
      "codebook<100, of = f32>",
      "scaled<group = [*, *], scale = f32, of = codebook<256, of = f16>>",
  };
  for (const std::string &isa : getRunnableISAs()) {
    bool isBest = isa == getRunnableISAs()[0];
    for (auto [i, encoding] : llvm::enumerate(encodings)) {
      // What is looked up in registers does not depend on the dot product.
      if (!isBest && (StringRef(isa).starts_with("avx512") || i % 3))
        continue;
      auto [n, k] = i % 2 ? std::pair<int64_t, int64_t>{65, 100}
                          : std::pair<int64_t, int64_t>{20, 133};
      Matmul op{n, k, "", encoding};
      op.init = Init(i % 3);
      auto compiled = op.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed()) << isa << " " << encoding;
      for (int64_t m : {1, 3, 33})
        op.check(*compiled, Array::random({m, k}, m + 1), isa + " " + encoding);
    }
  }
}

TEST(WeightOnlyMatmul, LongBlocksAndPanels) {
  // More than one decoded part, blocks longer than it, the last one short.
  for (int64_t block : {0, 32, 96, 512, 300}) {
    Matmul op{80, 1100, "", makeEncoding("i8", block, true, "f32")};
    op.transposed = true;
    auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
    ASSERT_TRUE(compiled->isClaimed()) << block;
    for (int64_t m : {1, 6, 20, 200})
      op.check(*compiled, Array::random({m, 1100}, m + 1),
               "block " + std::to_string(block));
  }
}

TEST(WeightOnlyMatmul, EncodedActivation) {
  // Zero points that are no integers need the decoded activation.
  Matmul op{40, 64, kToken, makeEncoding("i4", 32, true, "f16", "f16")};
  op.transposed = true;
  auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
  ASSERT_TRUE(compiled->isClaimed());
  op.check(*compiled, Array::random({5, 64}, 1), "encoded activation");
}

TEST(WeightOnlyMatmul, WeightsDoNotGrow) {
  Matmul op{512, 1024, "", makeEncoding("i4", 32, true, "f16")};
  op.transposed = true;
  auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
  ASSERT_TRUE(compiled->isClaimed());
  EXPECT_EQ(compiled->getConstantBytes(), 512 * 1024 / 2 + 512 * 32 * 2);
}

TEST(WeightOnlyMatmul, LeavesOthersAlone) {
  auto isClaimed = [](const std::string &encoding, int64_t k) {
    Matmul op{16, k, "", encoding};
    op.transposed = true;
    return op.compile(*getOptions(getRunnableISAs()[0]))->isClaimed();
  };
  EXPECT_FALSE(isClaimed("quant<i12, group = [1, *], scale = f32>", 64));
  // Tables of a part of the weight.
  EXPECT_FALSE(isClaimed("codebook<16, of = f32, group = [1, *]>", 64));
  // A block that no unit of codes fits into.
  EXPECT_FALSE(isClaimed("quant<i4, group = [1, 12], scale = f32>", 64));
  EXPECT_FALSE(
      isClaimed("quant<i4, group = [1, 32], scale = quant<ui8, group = [1, *], "
                "scale = f32>>",
                64));
}

TEST(BlockIntegerMatmul, Encodings) {
  struct Case {
    const char *code;
    int64_t block;
    const char *scale, *zero;
  };
  const Case weights[] = {
      {"i4", 32, "f32", ""},       {"i4", 32, "f16", "i4"},
      {"ui4", 16, "f32", "ui8"},   {"i4", 0, "f32", ""},
      {"i8", 32, "f32", ""},       {"ui8", 64, "bf16", "ui8"},
      {"i3", 32, "f16", ""},       {"ui2", 20, "f32", "ui8"},
      {"i2", 64, "f8E8M0FNU", ""}, {"ui1", 32, "f32", "ui1"},
      {"i5", 96, "f32", ""},       {"ui6", 0, "f32", "ui6"},
      {"i7", 48, "f32", "i8"},     {"ui8", 0, "f32", "ui8"},
  };
  const std::string activations[] = {
      kToken,
      kTensor,
      "quant<i8, group = [1, *], scale = f32>",
      "quant<i8, group = [1, 32], scale = f32>",
      "quant<ui8, group = [1, 64], scale = f32, zero = ui8>",
      "quant<i8, group = [1, 16], scale = f32, zero = i8>",
  };
  for (const std::string &isa : getRunnableISAs()) {
    bool isBest = isa == getRunnableISAs()[0];
    unsigned number = 0;
    for (auto [i, c] : llvm::enumerate(weights))
      for (auto [j, activation] : llvm::enumerate(activations)) {
        if ((i + j) % (isBest ? 2 : 7))
          continue;
        // Groups of one side must divide those of the other.
        StringRef group =
            StringRef(activation).split("[1, ").second.split("]").first;
        int64_t size = 0;
        if (!group.getAsInteger(10, size) && c.block && size % c.block &&
            c.block % size)
          continue;
        const std::pair<int64_t, int64_t> shapes[] = {
            {65, 100}, {20, 64}, {130, 331}, {7, 1200}};
        auto [n, k] = shapes[++number % 4];
        bool transposed = number / 4 % 2;
        Matmul op{n, k, activation,
                  makeEncoding(c.code, c.block, transposed, c.scale, c.zero)};
        op.transposed = transposed;
        op.init = Init(number % 3);
        std::string what = isa + " " + op.weight + " " + activation;
        auto compiled = op.compile(*getOptions(isa));
        ASSERT_TRUE(compiled->isClaimed()) << what;
        for (int64_t m : {0, 1, 2, 3, 7, 33})
          op.check(*compiled, Array::random({m, k}, m + 1), what);
      }
  }
}

TEST(BlockIntegerMatmul, Extremes) {
  // The largest sums of products, row sums and zero points, in long blocks.
  for (const char *code : {"i8", "ui8", "i4", "ui4"})
    for (int64_t block : {0, 32, 512}) {
      bool isUnsigned = code[0] == 'u';
      Matmul op{
          5, 2560, kToken,
          makeEncoding(code, block, true, "f32", isUnsigned ? "ui8" : "")};
      op.transposed = true;
      op.weights = Array::filled({5, 2560}, -1.0f);
      for (int64_t i = 0; i < 2560; ++i)
        op.weights.values[i] = i % 2 ? 1.0f : -1.0f;
      auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
      ASSERT_TRUE(compiled->isClaimed()) << code << block;
      for (int64_t m : {1, 4}) {
        Array x = Array::filled({m, 2560}, 3.0f);
        op.check(*compiled, x, code);
        x.values[0] = -3.0f;
        op.check(*compiled, x, code);
      }
    }
}

TEST(BlockIntegerMatmul, ManyRows) {
  // More rows than share a widened part; blocks that are no whole tiles.
  struct Case {
    const char *code;
    int64_t block, n, k;
    const char *zero;
    std::string activation;
  };
  const std::string symmetric = "quant<i8, group = [1, *], scale = f32>";
  const Case cases[] = {
      {"i4", 320, 70, 1000, "", kToken},
      {"ui3", 256, 20, 700, "ui8", symmetric},
      {"i8", 0, 65, 812, "",
       "quant<i8, group = [1, *], scale = f32, zero = i8>"},
      {"i4", 36, 33, 200, "", symmetric},
      {"i4", 128, 80, 512, "", "quant<i8, group = [1, 128], scale = f32>"},
  };
  for (const std::string &isa : getRunnableISAs()) {
    bool isBest = isa == getRunnableISAs()[0];
    for (auto [i, c] : llvm::enumerate(cases)) {
      if (!isBest && i != 0)
        continue;
      Matmul op{c.n, c.k, c.activation,
                makeEncoding(c.code, c.block, true, "f32", c.zero)};
      op.transposed = true;
      op.init = Init(i % 3);
      std::string what = isa + " " + op.weight + " " + c.activation;
      auto compiled = op.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed()) << what;
      for (int64_t m : {5, 16, 17, 200})
        op.check(*compiled, Array::random({m, c.k}, m + 1), what);
    }
  }
}

TEST(BlockIntegerMatmul, NarrowActivations) {
  // Codes of fewer than 8 bits on the left, found when the model runs.
  struct Case {
    const char *code;
    int64_t block;
    const char *zero;
    std::string activation;
  };
  const Case cases[] = {
      {"i4", 32, "", "quant<i4, group = [1, *], scale = f32>"},
      {"ui4", 16, "ui8", "quant<ui4, group = [1, *], scale = f32, zero = ui4>"},
      {"i8", 0, "", "quant<i6, group = [1, *], scale = f32>"},
      {"i3", 64, "", "quant<i5, group = [1, 64], scale = f32>"},
      {"ui2", 0, "ui8", "quant<ui3, group = [*, *], scale = f32, zero = ui3>"},
      {"i5", 32, "", "quant<i7, group = [1, 32], scale = f32, zero = i7>"},
  };
  for (const std::string &isa : getRunnableISAs())
    for (auto [i, c] : llvm::enumerate(cases)) {
      if (isa != getRunnableISAs()[0] && i)
        continue;
      Matmul op{50, 200, c.activation,
                makeEncoding(c.code, c.block, true, "f32", c.zero)};
      op.transposed = true;
      op.init = Init(i % 3);
      std::string what = isa + " " + op.weight + " " + c.activation;
      auto compiled = op.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed()) << what;
      EXPECT_TRUE(compiled->hasKernel("compress_quantize")) << what;
      for (int64_t m : {0, 1, 6, 40})
        op.check(*compiled, Array::random({m, 200}, m + 1), what);
    }
}

TEST(BlockIntegerMatmul, RowsAroundTiles) {
  // Tile registers take 16 rows: fewer, one more, and what is left over of two
  // tiles, with blocks that are whole tiles of inputs and ones that are not.
  const std::string symmetric = "quant<i8, group = [1, *], scale = f32>";
  for (auto [i, block] : llvm::enumerate(std::vector<int64_t>{32, 40, 0}))
    for (bool inPairs : {false, true}) {
      if (inPairs && block)
        continue;
      Matmul op{70, 320, i % 2 ? symmetric : kToken,
                inPairs ? "sparse<nm<2:4>, of = quant<i8, group = [1, *], "
                          "scale = f32>>"
                        : makeEncoding("i4", block, true, "f32", "")};
      op.transposed = true;
      op.init = Init(i % 3);
      auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
      ASSERT_TRUE(compiled->isClaimed()) << block;
      for (int64_t m : {4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 25, 31, 32})
        op.check(*compiled, Array::random({m, 320}, m + 1),
                 op.weight + " " + op.activation);
    }
}

static std::string makeTable(StringRef table, StringRef group,
                             StringRef scale) {
  return ("scaled<group = " + group + ", scale = " + scale +
          ", of = codebook<" + table + ">>")
      .str();
}

TEST(BlockIntegerMatmul, IntegerTables) {
  const std::string binary = "2, of = generated<linear>",
                    ternary = "3, of = generated<ternary>";
  struct Case {
    std::string weight, activation;
  };
  const Case cases[] = {
      {makeTable(ternary, "[32, 1]", "f16"),
       "quant<i8, group = [1, 32], scale = f32>"},
      {makeTable(binary, "[32, 1]", "f16"),
       "quant<i8, group = [1, 32], scale = f32>"},
      {makeTable(ternary, "[*, 1]", "f32"), kToken},
      {makeTable(binary, "[*, 1]", "f32"), kToken},
      {makeTable(binary, "[64, 1]", "bf16"), kTensor},
      {"codebook<3, of = generated<ternary>>", kToken},
  };
  for (const std::string &isa : getRunnableISAs())
    for (auto [i, c] : llvm::enumerate(cases)) {
      bool isBest = isa == getRunnableISAs()[0];
      if (!isBest && i != 1 && i != 2)
        continue;
      auto [n, k] = i % 2 ? std::pair<int64_t, int64_t>{65, 612}
                          : std::pair<int64_t, int64_t>{20, 133};
      Matmul op{n, k, c.activation, c.weight};
      op.init = Init(i % 3);
      std::string what = isa + " " + c.weight + " " + c.activation;
      auto compiled = op.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed()) << what;
      for (int64_t m : {0, 1, 3, 33})
        op.check(*compiled, Array::random({m, k}, m + 1), what);
    }
}

TEST(BlockIntegerMatmul, PairsOfFour) {
  auto encoding = [](StringRef values) {
    return ("sparse<nm<2:4>, of = quant<i8, " + values + ", scale = f32>>")
        .str();
  };
  const std::string activations[] = {
      kToken, kTensor, "quant<i8, group = [1, 32], scale = f32>",
      "quant<ui8, group = [1, 64], scale = f32, zero = ui8>",
      "quant<i8, group = [1, *], scale = f32, zero = i8>"};
  for (const std::string &isa : getRunnableISAs())
    for (auto [i, activation] : llvm::enumerate(activations)) {
      bool isBest = isa == getRunnableISAs()[0];
      if (!isBest && i != 0 && i != 2)
        continue;
      const std::pair<int64_t, int64_t> shapes[] = {
          {65, 100}, {20, 64}, {130, 332}, {7, 1200}};
      auto [n, k] = shapes[i % 4];
      Matmul op{n, k, activation, encoding("group = [1, *]")};
      op.transposed = true;
      op.init = Init(i % 3);
      std::string what = isa + " " + activation;
      auto compiled = op.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed()) << what;
      for (int64_t m : {0, 1, 2, 3, 33})
        op.check(*compiled, Array::random({m, k}, m + 1), what);
    }
  // Two values and four bits of place for four weights, as pairs or as a bit
  // for each.
  Matmul op{512, 1024, kToken, encoding("group = [1, *]")};
  op.transposed = true;
  auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
  ASSERT_TRUE(compiled->isClaimed());
  EXPECT_LE(compiled->getConstantBytes(), 512 * 1024 * 5 / 8 + 512 * 12);
}

TEST(BlockIntegerMatmul, BinaryWeightsStayBits) {
  Matmul op{512, 1024, kToken,
            makeTable("2, of = generated<linear>", "[32, 1]", "f16")};
  auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
  ASSERT_TRUE(compiled->isClaimed());
  EXPECT_EQ(compiled->getConstantBytes(), 512 * 1024 / 8 + 512 * 32 * 2);
}

TEST(BlockIntegerMatmul, WeightsDoNotGrow) {
  Matmul op{512, 1024, kToken, makeEncoding("i3", 32, true, "f16")};
  op.transposed = true;
  auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
  ASSERT_TRUE(compiled->isClaimed());
  EXPECT_EQ(compiled->getConstantBytes(), 512 * 1024 * 3 / 8 + 512 * 32 * 2);
}

TEST(BlockIntegerMatmul, LeavesOthersAlone) {
  // Groups of which none divides the other: the activation is decoded.
  Matmul op{16, 192, "quant<i8, group = [1, 48], scale = f32>",
            makeEncoding("i4", 64, true, "f32")};
  op.transposed = true;
  auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
  ASSERT_TRUE(compiled->isClaimed());
  op.check(*compiled, Array::random({3, 192}, 1), "uneven groups");
}

TEST(BlockIntegerMatmul, DISABLED_Speed) {
  for (const std::string &activation :
       {kToken, std::string("quant<i8, group = [1, *], scale = f32>"),
        std::string("quant<i8, group = [1, 32], scale = f32>")})
    for (const char *code : {"i2", "i3", "i4", "i8"}) {
      Matmul op{4096, 4096, activation, makeEncoding(code, 32, true, "f32")};
      op.transposed = true;
      auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
      for (int64_t m : {1, 2, 4, 16, 128}) {
        double seconds = compiled->time({Array::random({m, 4096}, 1)});
        double bytes = compiled->getConstantBytes();
        printf(
            "%s %.20s m=%4ld n=4096 k=4096 %8.3f ms %8.1f Gop/s %6.1f GB/s\n",
            code, activation.c_str(), m, seconds * 1e3,
            2e-9 * m * 4096 * 4096 / seconds, bytes * 1e-9 / seconds);
      }
    }
}

TEST(WeightOnlyMatmul, DISABLED_Speed) {
  for (auto [code, block, scale] :
       {std::tuple<const char *, int64_t, const char *>{"i4", 32, "f16"},
        {"i8", 0, "f32"},
        {"f4E2M1FN", 32, "f8E8M0FNU"},
        {"f8E4M3FN", 0, "f32"}})
    for (const std::string &isa : getRunnableISAs()) {
      Matmul op{4096, 4096, "", makeEncoding(code, block, true, scale)};
      op.transposed = true;
      auto compiled = op.compile(*getOptions(isa));
      for (int64_t m : {1, 8, 16, 128}) {
        double seconds = compiled->time({Array::random({m, 4096}, 1)});
        printf("%-12s %-9s m=%4ld n=4096 k=4096 %8.3f ms %8.1f GFLOPS\n",
               isa.c_str(), code, m, seconds * 1e3,
               2e-9 * m * 4096 * 4096 / seconds);
      }
    }
}

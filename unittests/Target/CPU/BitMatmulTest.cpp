//===- BitMatmulTest.cpp - Products of codes of a few bits ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MatmulTestUtils.h"

using namespace mlir;
using namespace compress;
using namespace compress::test;

namespace {
/// One scale per output of weights [K, N].
std::string quant(const std::string &code, const std::string &zero = "") {
  return "quant<" + code + ", group = [*, 1], scale = f32" +
         (zero.empty() ? "" : ", zero = " + zero) + ">";
}
std::string table(const std::string &entries) {
  return "scaled<group = [*, 1], scale = f32, of = codebook<" + entries + ">>";
}
const std::string kBinary = table("2, of = generated<linear>");
const std::string kTernary = table("3, of = generated<ternary>");
/// The least and the largest value of a token.
const std::string kBit = "quant<ui1, group = [1, *], scale = f32, zero = f32>";
} // namespace

TEST(BitMatmul, OddShapes) {
  for (const std::string &isa : getRunnableISAs()) {
    bool isBest = isa == getRunnableISAs()[0];
    for (int64_t n : {1, 65, 130})
      for (int64_t k : {1, 33, 1100}) {
        if (!isBest && (n != 65 || k != 1100))
          continue;
        Matmul op{n, k, kBit, kBinary};
        op.init = Init(k % 3);
        auto compiled = op.compile(*getOptions(isa));
        ASSERT_TRUE(compiled->isClaimed());
        for (int64_t m : {0, 1, 2, 7, 33})
          op.check(*compiled, Array::random({m, k}, m + 1), isa);
      }
  }
}

TEST(BitMatmul, Encodings) {
  struct Case {
    std::string activation, weight;
    std::vector<float> parameters;
  };
  const Case cases[] = {
      // -0.4 and 0.4
      {"quant<ui1, group = [*, *], scale = f32, zero = f32>",
       kBinary,
       {0.8f, 0.5f}},
      {"quant<ui1, group = [*, *], scale = f32, zero = f32>", kTernary, {}},
      {"quant<i2, group = [1, *], scale = f32>", kTernary, {}},
      {"quant<i2, group = [1, *], scale = f32>", kBinary, {}},
      {"quant<ui2, group = [1, *], scale = f32, zero = ui2>", quant("i2"), {}},
      {"quant<ui2, group = [1, *], scale = f32, zero = f32>",
       quant("ui2", "ui2"),
       {}},
      {"quant<i2, group = [*, *], scale = f32, zero = i8>",
       quant("i2"),
       {0.4f, -1}},
      {"quant<i1, group = [1, *], scale = f32>", quant("i1"), {}},
      {"quant<ui1, group = [1, *], scale = f32>", quant("ui1", "ui1"), {}},
  };
  for (const std::string &isa : getRunnableISAs()) {
    bool isBest = isa == getRunnableISAs()[0];
    for (auto [i, c] : llvm::enumerate(cases)) {
      if (!isBest && i % 4 != 2)
        continue;
      int64_t k = 333;
      Matmul op{20, k, c.activation, c.weight};
      op.staticParameters = c.parameters;
      auto compiled = op.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed()) << c.activation << " " << c.weight;
      for (int64_t m : {1, 5, 18})
        op.check(*compiled, Array::random({m, k}, m + 1),
                 isa + " " + c.activation + " " + c.weight);
    }
  }
}

TEST(BitMatmul, Extremes) {
  // All bits set in long sums, which counts in bytes have to hold.
  for (const std::string &isa :
       {getRunnableISAs().front(), getRunnableISAs().back()}) {
    constexpr int64_t k = 65536;
    Matmul op{16, k, "quant<ui2, group = [*, *], scale = f32>",
              quant("ui2", "ui2")};
    op.staticParameters = {1.0f};
    op.weights = Array::filled({k, 16}, 1.0f);
    auto compiled = op.compile(*getOptions(isa));
    ASSERT_TRUE(compiled->isClaimed());
    op.check(*compiled, Array::filled({2, k}, 9.0f), isa);
  }
}

TEST(BitMatmul, WeightsAreBits) {
  Matmul op{256, 512, kBit, kBinary};
  auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
  // A bit, and a scale, a sum and a zero point for each output.
  EXPECT_LE(compiled->getConstantBytes(), 256 * 512 / 8 + 256 * 12);
}

TEST(BitMatmul, DISABLED_Speed) {
  for (auto [m, n, k] : {std::tuple<int64_t, int64_t, int64_t>{1, 4096, 4096},
                         {16, 4096, 4096},
                         {128, 4096, 4096}})
    for (const std::string &isa : getRunnableISAs())
      for (const auto &[activation, weight] :
           {std::pair(kBit, kBinary),
            {"quant<i2, group = [1, *], scale = f32>", kTernary}}) {
        Matmul op{n, k, activation, weight};
        auto compiled = op.compile(*getOptions(isa));
        double seconds = compiled->time({Array::random({m, k}, 1)});
        printf("%-12s m=%4ld %s %8.3f ms %8.1f GOPS\n", isa.c_str(), m,
               activation.c_str(), seconds * 1e3, 2e-9 * m * n * k / seconds);
      }
}

//===- CostModelTest.cpp - Predicted times ----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a search and the claims rely on, for every instruction set: orders and
// relations, not seconds.
//
//===----------------------------------------------------------------------===//

#include "CostModel.h"
#include "KernelCosts.h"
#include "QuantizedKernelTestUtils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;
using namespace compress::test;

namespace {
constexpr int64_t kSize = 2048;

struct CostModel : public ::testing::TestWithParam<const char *> {
  const KernelISA &getISA() {
    TargetOptions options;
    options.triple = "x86_64-unknown-linux-gnu";
    options.cpu = "x86-64";
    options.features = GetParam();
    if (StringRef(GetParam()).contains("neon"))
      options.triple = "aarch64-unknown-linux-gnu";
    return selectKernelISA(options);
  }
  double get(double m, const std::string &encoding, bool codes = false,
             int threads = 1) {
    ProductShape shape{m, kSize, kSize};
    shape.codes = codes;
    std::string type = std::to_string(kSize) + "x" + std::to_string(kSize) +
                       "xf32, " + encoding;
    return estimateProduct(getISA(), parseType(type), shape, threads);
  }
  /// csr with this share of values stored.
  std::string sparse(double density) {
    return "sparse<csr<i16>, nnz = " +
           std::to_string(int64_t(density * kSize * kSize)) + ", of = f32>";
  }
  std::string lowRank(int64_t rank) {
    return "factored<\"i j = i r, r j\", sizes = {r = " + std::to_string(rank) +
           "}, of = [f32, f32]>";
  }
  const std::string dense = "dense<f32>";
  const std::string int8 = "quant<i8, group = [*, 1], scale = f32>";
  const std::string int4 = "quant<i4, group = [32, 1], scale = f16>";
  const std::string int3 = "quant<i3, group = [32, 1], scale = f16>";
  const std::string int2 = "quant<i2, group = [32, 1], scale = f16>";
};
} // namespace

TEST_P(CostModel, EveryKindHasFigures) {
  const KernelISA &isa = getISA();
  for (unsigned i = 0; i < kNumKernelKinds; ++i) {
    auto kind = KernelKind(i);
    bool needsTiles =
        kind == KernelKind::DotMany || kind == KernelKind::BlockDotTiles ||
        kind == KernelKind::LongBlocksTiles || kind == KernelKind::PairsTiles;
    if (needsTiles && !isa.hasDotTiles)
      continue;
    if (kind == KernelKind::NibblesFew && !isa.permuteF32)
      continue;
    KernelWork work = KernelWork::dense(kind, 16, kSize, kSize, 32);
    double seconds = estimateSeconds(isa, work);
    EXPECT_GT(seconds, 1e-7) << getKernelKindName(kind).str();
    EXPECT_LT(seconds, 10) << getKernelKindName(kind).str();
  }
}

TEST_P(CostModel, FiguresSayWhereTheyAreFrom) {
  StringRef origin = getCostOrigin(getISA());
  bool isMeasured = origin == "measured";
  EXPECT_TRUE(isMeasured || origin.starts_with("nominal, those of "))
      << getISA().name;
  StringRef name = getISA().name;
  EXPECT_EQ(isMeasured, name != "portable" && !name.starts_with("neon"));
}

TEST_P(CostModel, ZerosPayUntilAllCodesAreFaster) {
  const std::string of = ", of = quant<i8, group = [*, *, *], scale = f32>>";
  const std::string block =
      "sparse<block<1x16>, nnz = " + std::to_string(kSize * kSize / 16 / 5) +
      of;
  const std::string pairs =
      "sparse<nm<2:4>, of = quant<i8, group = [*, 1], scale = f32>>";
  for (double m : {1, 4, 16, 128, 512}) {
    // At worst zeros are put back.
    EXPECT_LE(get(m, block, true), get(m, int8, true)) << m;
    EXPECT_LE(get(m, pairs, true), get(m, int8, true)) << m;
  }
}

TEST_P(CostModel, FewBitsPayForFewRows) {
  EXPECT_LT(get(1, int4, true), 0.75 * get(1, dense));
  // Narrow vectors take as long to make floats of codes as memory to give
  // floats.
  if (getISA().vectorBits < 512)
    return;
  EXPECT_LT(get(1, int4), 0.7 * get(1, dense));
  EXPECT_LT(get(1, int4), get(1, int8) * 1.1);
}

TEST_P(CostModel, NibblesPayForFewRows) {
  const std::string wholeInt3 = "quant<i3, group = [*, 1], scale = f16>";
  const std::string withZeros =
      "quant<ui2, group = [32, 1], scale = f16, zero = ui2>";
  if (!getISA().permuteF32) {
    // Fewer bits are fewer bytes at best.
    EXPECT_GT(get(1, int2), 0.5 * get(1, int4));
    return;
  }
  EXPECT_LT(get(1, int2), get(1, int3));
  EXPECT_LT(get(1, int3), get(1, int4));
  EXPECT_LT(get(2, int2), get(2, int4));
  // Tables of sums pay for one row or two.
  for (double m : {4, 8}) {
    EXPECT_NEAR(get(m, int2), get(m, int4), 0.3 * get(m, int4)) << m;
    EXPECT_NEAR(get(m, int3), get(m, int4), 0.15 * get(m, int4)) << m;
  }
  EXPECT_LT(get(1, int2), 0.75 * get(1, int4));
  // What the kernel cannot look up by nibbles is not predicted so.
  auto getCodes = [&](double bytes) {
    double entries = kSize * kSize;
    return estimateSeconds(
        getISA(), {KernelKind::CodesFew, 1, kSize, kSize, bytes, entries});
  };
  EXPECT_DOUBLE_EQ(get(1, withZeros),
                   getCodes(kSize * kSize * (2 + 18.0 / 32) / 8));
  EXPECT_DOUBLE_EQ(get(1, wholeInt3),
                   getCodes(kSize * kSize * 3.0 / 8 + 2 * kSize));
  // For many rows codes are decoded, whatever their width.
  EXPECT_NEAR(get(512, int2), get(512, int4), 0.05 * get(512, int4));
}

TEST_P(CostModel, BitsPayForFewRows) {
  const KernelISA &isa = getISA();
  auto getBits = [&](double m, unsigned bits, const std::string &encoding) {
    ProductShape shape{m, kSize, kSize};
    shape.codes = true;
    shape.codeBits = bits;
    return estimateProduct(isa, parseType("2048x2048xf32, " + encoding), shape,
                           1);
  };
  const std::string two = "quant<i2, group = [*, 1], scale = f32>";
  double bytes = kSize * kSize / 4;
  for (double m : {1, 16, 128}) {
    EXPECT_LE(getBits(m, 2, two), getBits(m, 4, two)) << m;
    // Codes of any width are multiplied as codes.
    EXPECT_LE(getBits(m, 2, int4), 1.01 * get(m, int4, true)) << m;
  }
  EXPECT_LT(getBits(1, 2, two), 0.5 * get(1, dense));
  if (!isa.hasDotTiles)
    return;
  EXPECT_TRUE(areBitsFaster(isa, 1, kSize, kSize, 4, bytes));
  for (unsigned pairs : {2, 4})
    EXPECT_FALSE(areBitsFaster(isa, 128, kSize, kSize, pairs, bytes)) << pairs;
}

TEST_P(CostModel, ChannelsOfCodesByTheirNumberAndDepth) {
  auto channels = [](int64_t count, int64_t depth) {
    return "sparse<block<1x2048>, nnz = " + std::to_string(count) +
           ", of = quant<i" + std::to_string(depth) +
           ", group = [1, *, *], scale = f16>>";
  };
  for (double m : {1, 16, 128}) {
    EXPECT_LT(get(m, channels(256, 3)), get(m, channels(1024, 3))) << m;
    EXPECT_LT(get(m, channels(1024, 3)), get(m, channels(2048, 3))) << m;
    EXPECT_LT(get(m, channels(1024, 3)), get(m, channels(2048, 8))) << m;
    // A sum takes what its terms take.
    double sum =
        get(m, "sum<[" + channels(512, 3) + ", " + channels(1536, 5) + "]>");
    EXPECT_NEAR(sum, get(m, channels(512, 3)) + get(m, channels(1536, 5)), 1e-9)
        << m;
  }
  if (getISA().vectorBits == 512)
    EXPECT_LT(get(1, channels(2048, 3)), get(1, dense));
}

TEST_P(CostModel, BytesPayForManyRows) {
  // Without dot products of bytes, pairs of 16 bits are as wide as floats.
  const KernelISA &isa = getISA();
  if (!isa.dotU8S8 && !isa.dotS8S8)
    return;
  double best = get(128, int8, true);
  EXPECT_LT(best, get(128, dense));
  EXPECT_LT(best, get(128, int4));
  EXPECT_LE(best, get(128, int4, true));
  // Decoding is never free.
  EXPECT_GT(get(128, int4), get(128, dense) * 0.95);
}

TEST_P(CostModel, SparsityPaysAboveAShare) {
  EXPECT_LT(get(128, sparse(0.05)), 0.5 * get(128, dense));
  EXPECT_LT(get(128, sparse(0.05)), get(128, sparse(0.1)));
  EXPECT_LT(get(128, sparse(0.1)), get(128, dense));
  // Half of the values: as fast as what it decodes to.
  EXPECT_GE(get(128, sparse(0.6)), 0.6 * get(128, dense));
}

TEST_P(CostModel, RankDecides) {
  EXPECT_LT(get(128, lowRank(kSize / 8)), 0.45 * get(128, dense));
  EXPECT_LT(get(128, lowRank(64)), get(128, lowRank(256)));
  EXPECT_LE(get(128, lowRank(kSize)), get(128, dense));
}

TEST_P(CostModel, MoreWorkTakesLonger) {
  for (const std::string &weight :
       {dense, int8, int4, int2, sparse(0.2), lowRank(128)})
    for (bool codes : {false, true}) {
      double last = 0;
      for (double m : {1, 4, 16, 64, 128, 512}) {
        double seconds = get(m, weight, codes);
        EXPECT_GE(seconds, last * 0.999) << weight << " " << m;
        EXPECT_LE(get(m, weight, codes, 2), seconds) << weight;
        EXPECT_GE(get(m, weight, codes, 2), seconds / 2) << weight;
        last = seconds;
      }
    }
}

TEST_P(CostModel, CrossoverIsWhereTimesCross) {
  const KernelISA &isa = getISA();
  KernelWork work = KernelWork::dense(KernelKind::CodesFew, 1, 512, 1024, 4);
  int64_t most = getMostFewRows(isa, KernelKind::CodesFew,
                                KernelKind::CodesMany, work, 32);
  EXPECT_GE(most, 1);
  // The time of the call, which both have, does not decide.
  auto get = [&](KernelKind kind, int64_t m) {
    work.kind = kind;
    work.m = m;
    return estimateSeconds(isa, work) - getKernelCost(isa, kind).call;
  };
  for (int64_t m = most; m <= 32; ++m) {
    double few = get(KernelKind::CodesFew, m);
    double many = get(KernelKind::CodesMany, m);
    if (m > most)
      EXPECT_GT(few, many) << m;
    else
      EXPECT_LE(few, many * (1 + 1e-9)) << m;
  }
}

INSTANTIATE_TEST_SUITE_P(
    InstructionSets, CostModel,
    ::testing::Values("+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx512vnni,"
                      "+avx512vbmi2,+avx2,+fma,+f16c,+amx-tile,+amx-int8",
                      "+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx512vnni,"
                      "+avx2,+fma,+f16c",
                      "+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx2,+fma,+f16c",
                      "+avxvnni,+avx2,+fma,+f16c", "+avx2,+fma,+f16c", "+sse2",
                      "", "+neon", "+neon,+dotprod", "+neon,+dotprod,+i8mm"));

TEST(CostModelOfKernels, EveryInstructionSetIsTested) {
  TargetOptions options;
  options.triple = "x86_64-unknown-linux-gnu";
  options.cpu = "x86-64";
  options.features = "+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx512vnni,"
                     "+avx512vbmi2,+avx2,+fma,+f16c,+amx-tile,+amx-int8";
  EXPECT_STREQ(selectKernelISA(options).name, "amx");
}

TEST(CostModelOfContractions, NeedsStaticShapes) {
  MLIRContext *context = &test::getContext();
  OpBuilder b(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(b.getUnknownLoc());
  Type f32 = b.getF32Type();
  const Target *target = nullptr;
  registerAllTargets();
  target = *TargetRegistry::get().lookup("cpu");
  TargetOptions options;
  ASSERT_FALSE(bool(options.resolve()));
  options.threads = 1;
  std::optional<double> known[2];
  for (bool isStatic : {false, true}) {
    int64_t m = isStatic ? 16 : ShapedType::kDynamic;
    auto x = RankedTensorType::get({m, 64}, f32);
    auto y = RankedTensorType::get({m, 96}, f32);
    Type weight =
        parseType("64x96xf32, quant<i4, group = [32, 1], scale = f16>");
    b.setInsertionPointToEnd(module->getBody());
    auto function = func::FuncOp::create(
        b, b.getUnknownLoc(), isStatic ? "known" : "unknown",
        b.getFunctionType({x, weight, y}, {y}));
    Block *body = function.addEntryBlock();
    b.setInsertionPointToStart(body);
    buildProduct(b, y, body->getArgument(0), body->getArgument(0),
                 body->getArgument(1), /*transposed=*/false, Init::Tensor,
                 body->getArgument(2));
    function.walk([&](ContractOp op) {
      known[isStatic] = target->estimateSeconds(op, options);
    });
  }
  EXPECT_FALSE(known[0].has_value());
  ASSERT_TRUE(known[1].has_value());
  EXPECT_GT(*known[1], 0);
  EXPECT_LT(*known[1], 1e-3);
}

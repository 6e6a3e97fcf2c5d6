//===- SumMatmulTest.cpp - Sums and wrapped weights -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReferenceSums.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::test;

namespace {
struct SumMatmul {
  int64_t n, k;
  std::string weight; // encoding of [k, n]
  bool hasBias = false;
  int64_t rows = ShapedType::kDynamic;
  std::string activation = {}; // encoding; f32 when empty
  bool shuffles = false;       // the last leaf is a permutation
  Array decoded = {};          // of the weight, set by compile()

  std::unique_ptr<Compiled> compile(const TargetOptions &options) {
    MLIRContext *context = &test::getContext();
    Array values = Array::random({k, n}, 7 * n + k, 0.3f);
    CompressedTensorType type = parseType(
        std::to_string(k) + "x" + std::to_string(n) + "xf32, " + weight);
    std::vector<HostTensor> leaves = encode(type, values);
    type = refineType(type, leaves);
    if (shuffles)
      for (int64_t j = 0, e = leaves.back().getNumElements(); j < e; ++j)
        leaves.back().setBits(j, (j * 37 + 5) % e);
    HostTensor plain =
        llvm::cantFail(type.getEncoding().decodeHost(type, leaves));
    decoded = {{k, n}, plain.toFloats()};

    Type f32 = Float32Type::get(context);
    auto x = RankedTensorType::get({rows, k}, f32);
    auto y = RankedTensorType::get({rows, n}, f32);
    SmallVector<Type> inputs{x};
    if (hasBias)
      inputs.push_back(RankedTensorType::get({n}, f32));
    auto build = [&](OpBuilder &b, ValueRange args) -> Value {
      Location loc = b.getUnknownLoc();
      Value lhs = args[0];
      if (!activation.empty())
        lhs = EncodeOp::create(b, loc, getActivationType(), lhs, ValueRange());
      Value rhs = compress::ConstantOp::create(b, loc, type, leaves);
      return buildProduct(b, y, args[0], lhs, rhs, /*transposed=*/false,
                          hasBias ? Init::Bias : Init::Zero,
                          hasBias ? args[1] : Value());
    };
    return std::make_unique<Compiled>(options, inputs, y, build,
                                      /*usesRules=*/true);
  }

  CompressedTensorType getActivationType() const {
    return parseType("?x" + std::to_string(k) + "xf32, " + activation);
  }

  /// Runs on `m` rows and compares with the exact sum of decoded values. The
  /// terms of a sum may be larger than it, and the products with factors are
  /// rounded one after another: `magnitude` says by what the bound grows.
  void check(const Compiled &compiled, int64_t m, double magnitude,
             const std::string &what) {
    Array x = Array::random({m, k}, m + 1);
    std::vector<Array> inputs{x};
    if (hasBias)
      inputs.push_back(Array::random({n}, 3));
    Array y = compiled(inputs);
    ASSERT_EQ(y.shape, (std::vector<int64_t>{m, n})) << what;
    if (!activation.empty() && m)
      x = roundTrip(getActivationType(), x);
    multiply(x, decoded, /*transposed=*/false,
             hasBias ? Init::Bias : Init::Zero, hasBias ? inputs[1] : Array())
        .expectNear(y, magnitude * getRoundingFactor(k),
                    what + ": m=" + std::to_string(m));
  }
};

const std::string kOutliers = "sparse<csr<i16>, nnz = 150, of = f16>";
std::string quant(const std::string &code) {
  return "quant<" + code + ", group = [32, 1], scale = f16>";
}
std::string lowRank(int64_t rank, const std::string &of) {
  return "factored<\"k n = k r, r n\", sizes = {r = " + std::to_string(rank) +
         "}, of = [" + of + ", " + of + "]>";
}
} // namespace

TEST(SumMatmul, EachTermHasItsKernel) {
  struct Case {
    std::string weight;
    unsigned kernels;
  };
  const Case cases[] = {
      {"sum<[" + kOutliers + ", " + quant("i4") + "]>", 2},
      {"sum<[" + quant("i4") + ", " + lowRank(5, "f16") + "]>", 3},
      {"sum<[" + kOutliers + ", " + quant("i4") + ", " + lowRank(16, "f32") +
           "]>",
       4},
      {"sum<[" + quant("i2") + ", " + quant("i3") + "]>", 2},
      {"sum<[" + quant("i3") + ", sparse<block<1x4>, nnz = 30, of = f32>]>", 2},
  };
  for (const std::string &isa : getRunnableISAs())
    for (auto [number, c] : llvm::enumerate(cases)) {
      bool isBest = isa == getRunnableISAs()[0];
      if (!isBest && number != 2)
        continue;
      SumMatmul op{number % 2 ? 70 : 64, 100, c.weight};
      op.hasBias = number % 2 == 0;
      if (!isBest)
        op.rows = 1;
      auto compiled = op.compile(*getOptions(isa));
      EXPECT_TRUE(compiled->isClaimed()) << isa << " " << c.weight;
      EXPECT_EQ(compiled->getNumKernels(), c.kernels) << isa << " " << c.weight;
      for (int64_t m : {0, 1, 3, 33})
        if (isBest || m == op.rows)
          op.check(*compiled, m, 4, isa + " " + c.weight);
    }
}

TEST(SumMatmul, EncodedActivation) {
  // One kernel encodes for the integer product; other terms decode.
  SumMatmul op{64, 96,
               "sum<[" + kOutliers + ", " + quant("i4") + ", " +
                   lowRank(8, "f16") + "]>"};
  op.activation = "quant<ui8, group = [1, *], scale = f32, zero = ui8>";
  auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
  EXPECT_TRUE(compiled->isClaimed());
  for (int64_t m : {1, 17})
    op.check(*compiled, m, 4, "encoded");
}

TEST(WrappedMatmul, CodesHaveTheirKernel) {
  const std::string perToken =
                        "quant<ui8, group = [1, *], scale = f32, zero = ui8>",
                    perBlock = "quant<i8, group = [1, 32], scale = f32>";
  auto permuted = [](int64_t axis, const std::string &of) {
    return "permuted<axis = " + std::to_string(axis) +
           ", index = i16, of = " + of + ">";
  };
  auto rotated = [](int64_t axis, const std::string &of) {
    return "rotated<hadamard, axis = " + std::to_string(axis) +
           ", block = 32, of = " + of + ">";
  };
  const std::string nf4 = "scaled<group = [32, 1], scale = f16, of = "
                          "codebook<16, of = generated<nf4>>>";
  struct Case {
    std::string weight, activation;
    unsigned kernels;
    bool shuffles;
  };
  const Case cases[] = {
      {rotated(0, quant("i4")), "", 1, false},
      {rotated(1, quant("i4")), "", 1, false},
      {permuted(0, quant("i4")), "", 1, true},
      {permuted(1, quant("i3")), "", 1, true},
      {"scaled<group = [1, *], scale = f32, of = " + quant("i4") + ">", "", 1,
       false},
      {"scaled<group = [*, 1], scale = f16, of = " + nf4 + ">", "", 1, false},
      {"scaled<group = [1, *], scale = f32, of = " + rotated(1, nf4) + ">", "",
       1, false},
      // Permuted codes are codes, scaled and rotated ones are not.
      {permuted(0, quant("i4")), perToken, 2, true},
      {permuted(0, quant("i4")), perBlock, 1, true},
      {permuted(1, quant("i4")), perBlock, 2, true},
      {rotated(0, quant("i4")), perToken, 1, false},
      {rotated(0, quant("i4")),
       "rotated<hadamard, axis = 1, block = 32, of = " + perBlock + ">", 2,
       false},
  };
  for (const std::string &isa : getRunnableISAs())
    for (auto [number, c] : llvm::enumerate(cases)) {
      bool isBest = isa == getRunnableISAs()[0];
      if (!isBest && number != 8)
        continue;
      SumMatmul op{number % 2 ? 70 : 64, 96, c.weight};
      op.hasBias = number % 2 == 0;
      op.activation = c.activation;
      op.shuffles = c.shuffles;
      std::string what = isa + " " + c.weight + " " + c.activation;
      auto compiled = op.compile(*getOptions(isa));
      EXPECT_TRUE(compiled->isClaimed()) << what;
      EXPECT_EQ(compiled->getNumKernels(), c.kernels) << what;
      // Weights are packed, not decoded.
      EXPECT_GE(compiled->getConstantBytes(), op.n * op.k * 3 / 8) << what;
      for (int64_t m : {0, 1, 3, 33})
        op.check(*compiled, m, 32, what);
    }
}

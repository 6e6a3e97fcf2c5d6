//===- FloatMatmulTest.cpp - Products with float weights --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReferenceSums.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::test;

namespace {
struct FloatMatmul {
  int64_t n, k;
  /// The storage of the weight.
  std::string stored = "f32";
  bool transposed = false;
  Init init = Init::Zero;
  /// What follows: the addition of the last input, and a clamp.
  bool addend = false;
  bool relu6 = false;
  int64_t rows = ShapedType::kDynamic;
  Array weights = {};

  RankedTensorType getResultType() const {
    return RankedTensorType::get({rows, n},
                                 Float32Type::get(&test::getContext()));
  }
  CompressedTensorType getWeightType() const {
    auto shape = transposed ? std::pair(n, k) : std::pair(k, n);
    return parseType(std::to_string(shape.first) + "x" +
                     std::to_string(shape.second) + "xf32, dense<" + stored +
                     ">");
  }

  std::unique_ptr<Compiled> compile(StringRef isa) {
    weights = Array::random(transposed ? std::vector<int64_t>{n, k}
                                       : std::vector<int64_t>{k, n},
                            7 * n + k, 0.3f);
    RankedTensorType y = getResultType();
    SmallVector<Type> inputs{
        RankedTensorType::get({rows, k}, y.getElementType())};
    if (init == Init::Bias)
      inputs.push_back(RankedTensorType::get({n}, y.getElementType()));
    if (init == Init::Tensor)
      inputs.push_back(y);
    if (addend)
      inputs.push_back(y);
    return std::make_unique<Compiled>(
        *getOptions(isa), inputs, y,
        [&](OpBuilder &b, ValueRange args) { return build(b, args); });
  }

  Value elementwise(OpBuilder &b, ValueRange inputs, Value like,
                    llvm::function_ref<Value(OpBuilder &, ValueRange)> body) {
    Location loc = b.getUnknownLoc();
    SmallVector<AffineMap> maps(inputs.size() + 1, b.getMultiDimIdentityMap(2));
    SmallVector<utils::IteratorType> iterators(2,
                                               utils::IteratorType::parallel);
    Value out = tensor::EmptyOp::create(
        b, loc, tensor::getMixedSizes(b, loc, like), b.getF32Type());
    return linalg::GenericOp::create(
               b, loc, TypeRange(out.getType()), inputs, out, maps, iterators,
               [&](OpBuilder &nested, Location, ValueRange args) {
                 linalg::YieldOp::create(nested, loc, body(nested, args));
               })
        .getResult(0);
  }

  Value build(OpBuilder &b, ValueRange args) {
    Location loc = b.getUnknownLoc();
    CompressedTensorType type = getWeightType();
    Value rhs =
        compress::ConstantOp::create(b, loc, type, encode(type, weights));
    Value y =
        buildProduct(b, getResultType(), args[0], args[0], rhs, transposed,
                     init, init == Init::Zero ? Value() : args[1]);
    if (addend)
      y = elementwise(b, {args.back(), y}, y, [&](OpBuilder &o, ValueRange a) {
        return arith::AddFOp::create(o, loc, a[0], a[1]).getResult();
      });
    if (relu6)
      y = elementwise(b, y, y, [&](OpBuilder &o, ValueRange a) {
        auto constant = [&](float value) {
          return arith::ConstantOp::create(o, loc, o.getF32FloatAttr(value));
        };
        Value low = arith::MaximumFOp::create(o, loc, a[0], constant(0));
        return arith::MinimumFOp::create(o, loc, constant(6), low).getResult();
      });
    return y;
  }

  void check(const Compiled &compiled, int64_t m, StringRef what) {
    Array x = Array::random({m, k}, m + 1);
    std::vector<Array> inputs{x};
    if (init == Init::Bias)
      inputs.push_back(Array::random({n}, 3));
    if (init == Init::Tensor)
      inputs.push_back(Array::random({m, n}, 4));
    if (addend)
      inputs.push_back(Array::random({m, n}, 5, 3.0f));
    std::vector<Array> original = inputs;
    Array y = compiled(inputs);
    ASSERT_EQ(y.shape, (std::vector<int64_t>{m, n})) << what.str();
    Array w = roundTrip(getWeightType(), weights);
    ReferenceSums sums = multiply(x, w, transposed, init,
                                  init == Init::Zero ? Array() : original[1]);
    if (addend)
      sums.add(original.back());
    if (relu6)
      for (double &sum : sums.values)
        sum = std::fmin(std::fmax(sum, 0.0), 6.0);
    sums.expectNear(
        y, getRoundingFactor(k),
        (what + ": m=" + Twine(m) + " n=" + Twine(n) + " k=" + Twine(k)).str());
  }
};

const int64_t kRows[] = {0, 1, 7, 9, 33};
} // namespace

TEST(FloatMatmul, OddShapes) {
  for (const std::string &isa : getRunnableISAs()) {
    bool isBest = isa == getRunnableISAs()[0];
    for (int64_t n : {1, 52})
      for (int64_t k : {1, 39, 900}) {
        if (!isBest && k == 1)
          continue;
        FloatMatmul op{n, k};
        op.transposed = n % 2;
        op.init = Init(k % 3);
        auto compiled = op.compile(isa);
        ASSERT_TRUE(compiled->isClaimed());
        for (int64_t m : kRows)
          op.check(*compiled, m, isa);
      }
  }
}

TEST(FloatMatmul, StaticRows) {
  for (int64_t m : {1, 5, 8, 16, 19}) {
    FloatMatmul op{70, 530};
    op.rows = m;
    op.init = Init::Bias;
    auto compiled = op.compile(getRunnableISAs()[0]);
    ASSERT_TRUE(compiled->isClaimed());
    op.check(*compiled, m, "static");
  }
}

// More activations than stay in the cache: groups of panels, blocks of rows.
TEST(FloatMatmul, Groups) {
  FloatMatmul op{500, 1030};
  op.init = Init::Tensor;
  auto compiled = op.compile(getRunnableISAs()[0]);
  for (int64_t m : {100, 300})
    op.check(*compiled, m, "groups");
}

TEST(FloatMatmul, StoredTypes) {
  for (const std::string &isa : getRunnableISAs())
    for (const char *stored : {"f16", "bf16"}) {
      FloatMatmul op{60, 150, stored};
      auto compiled = op.compile(isa);
      ASSERT_TRUE(compiled->isClaimed());
      // Padding to whole vectors, but not to f32.
      EXPECT_LE(compiled->getConstantBytes(), 64 * 150 * 2);
      for (int64_t m : kRows)
        op.check(*compiled, m, isa);
    }
}

TEST(FloatMatmul, Epilogue) {
  for (const std::string &isa : getRunnableISAs())
    for (bool addend : {false, true})
      for (Init init : {Init::Zero, Init::Bias, Init::Tensor}) {
        // The best instruction set sees all of them, others the longest.
        if (isa != getRunnableISAs()[0] && !(addend && init == Init::Bias))
          continue;
        FloatMatmul op{40, 400};
        op.init = init;
        op.addend = addend;
        op.relu6 = true;
        auto compiled = op.compile(isa);
        ASSERT_TRUE(compiled->isClaimed());
        for (int64_t m : {1, 8, 13})
          op.check(*compiled, m, isa);
      }
}

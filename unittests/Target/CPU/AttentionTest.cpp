//===- AttentionTest.cpp - Attention kernels --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "QuantizedKernelTestUtils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::test;

namespace {
/// softmax(q k^T / divisor + mask) v of `heads` heads.
struct AttentionCase {
  int64_t heads, rows, columns, depth, width;
  /// Operands [batch, position, head, channel], transposed as importers do.
  bool hasPositionsFirst = true;
  /// The shape of the mask; empty for none.
  std::vector<int64_t> mask = {};
  float divisor = 3;
  int64_t batch = 2;

  std::vector<int64_t> getShape(int64_t positions, int64_t channels) const {
    if (hasPositionsFirst)
      return {batch, positions, heads, channels};
    return {batch, heads, positions, channels};
  }

  Value build(OpBuilder &b, ValueRange args) const {
    Location loc = b.getUnknownLoc();
    Type f32 = b.getF32Type();
    Value size = tensor::DimOp::create(b, loc, args[0], 0);
    auto empty = [&](ArrayRef<int64_t> inner) {
      SmallVector<OpFoldResult> sizes{size};
      for (int64_t extent : inner)
        sizes.push_back(b.getIndexAttr(extent));
      return Value(tensor::EmptyOp::create(b, loc, sizes, f32));
    };
    auto constant = [&](float value) {
      return Value(arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value)));
    };
    auto fill = [&](float value, Value out) {
      return linalg::FillOp::create(b, loc, constant(value), out).getResult(0);
    };
    auto transpose = [&](Value value, ArrayRef<int64_t> inner,
                         ArrayRef<int64_t> permutation) {
      return linalg::TransposeOp::create(b, loc, value, empty(inner),
                                         permutation)
          ->getResult(0);
    };
    Value q = args[0], k = args[1], v = args[2];
    if (hasPositionsFirst) {
      q = transpose(q, {heads, rows, depth}, {0, 2, 1, 3});
      k = transpose(k, {heads, depth, columns}, {0, 2, 3, 1});
      v = transpose(v, {heads, columns, width}, {0, 2, 1, 3});
    } else {
      k = transpose(k, {heads, depth, columns}, {0, 1, 3, 2});
    }
    auto map = [&](unsigned loops, ArrayRef<unsigned> dims) {
      return AffineMap::getMultiDimMapWithTargets(loops, dims, b.getContext());
    };
    auto contract = [&](Value x, Value y, Value init) -> Value {
      SmallVector<Attribute> kinds(4, b.getStringAttr("parallel"));
      kinds.push_back(b.getStringAttr("reduction"));
      return ContractOp::create(
          b, loc, init.getType(), x, y, init,
          b.getAffineMapArrayAttr({map(5, {0, 1, 2, 4}), map(5, {0, 1, 4, 3}),
                                   map(5, {0, 1, 2, 3})}),
          b.getArrayAttr(kinds));
    };
    using Body = llvm::function_ref<Value(OpBuilder &, Location, ValueRange)>;
    auto generic = [&](ValueRange inputs, Value out, ArrayRef<AffineMap> maps,
                       bool isReduction, Body body) {
      SmallVector<utils::IteratorType> kinds(4, utils::IteratorType::parallel);
      if (isReduction)
        kinds[3] = utils::IteratorType::reduction;
      return linalg::GenericOp::create(
                 b, loc, TypeRange(out.getType()), inputs, ValueRange(out),
                 maps, kinds,
                 [&](OpBuilder &b, Location loc, ValueRange in) {
                   linalg::YieldOp::create(b, loc, body(b, loc, in));
                 })
          .getResult(0);
    };
    AffineMap all = map(4, {0, 1, 2, 3}), row = map(4, {0, 1, 2});
    Value scores = contract(q, k, fill(0, empty({heads, rows, columns})));
    Value by = constant(divisor);
    scores = generic(scores, empty({heads, rows, columns}), {all, all}, false,
                     [&](OpBuilder &b, Location loc, ValueRange in) {
                       return arith::DivFOp::create(b, loc, in[0], by);
                     });
    if (!mask.empty()) {
      SmallVector<AffineExpr> exprs;
      for (auto [axis, extent] : llvm::enumerate(mask))
        exprs.push_back(extent == 1 ? b.getAffineConstantExpr(0)
                                    : b.getAffineDimExpr(axis));
      scores = generic({args[3], scores}, empty({heads, rows, columns}),
                       {AffineMap::get(4, 0, exprs, b.getContext()), all, all},
                       false, [&](OpBuilder &b, Location loc, ValueRange in) {
                         return arith::AddFOp::create(b, loc, in[0], in[1]);
                       });
    }
    Value largest =
        generic(scores, fill(-INFINITY, empty({heads, rows})), {all, row}, true,
                [&](OpBuilder &b, Location loc, ValueRange in) {
                  return arith::MaximumFOp::create(b, loc, in[1], in[0]);
                });
    Value powers = generic(
        {scores, largest}, empty({heads, rows, columns}), {all, row, all},
        false, [&](OpBuilder &b, Location loc, ValueRange in) {
          return math::ExpOp::create(
              b, loc, arith::SubFOp::create(b, loc, in[0], in[1]));
        });
    Value sum = generic(powers, fill(0, empty({heads, rows})), {all, row}, true,
                        [&](OpBuilder &b, Location loc, ValueRange in) {
                          return arith::AddFOp::create(b, loc, in[1], in[0]);
                        });
    Value shares =
        generic({powers, sum}, empty({heads, rows, columns}), {all, row, all},
                false, [&](OpBuilder &b, Location loc, ValueRange in) {
                  return arith::DivFOp::create(b, loc, in[0], in[1]);
                });
    Value result = contract(shares, v, fill(0, empty({heads, rows, width})));
    if (hasPositionsFirst)
      result = transpose(result, {rows, heads, width}, {0, 2, 1, 3});
    return result;
  }

  void check(const std::string &isa) const {
    SCOPED_TRACE(isa + ": " + std::to_string(rows) + "x" +
                 std::to_string(columns) + "x" + std::to_string(depth) + "x" +
                 std::to_string(width));
    Type f32 = Float32Type::get(&test::getContext());
    std::vector<Array> inputs{Array::random(getShape(rows, depth), 1),
                              Array::random(getShape(columns, depth), 2),
                              Array::random(getShape(columns, width), 3)};
    if (!mask.empty())
      inputs.push_back(Array::random(mask, 4));
    SmallVector<Type> types;
    for (const Array &input : inputs) {
      SmallVector<int64_t> shape(input.shape.begin(), input.shape.end());
      if (types.size() < 3)
        shape[0] = ShapedType::kDynamic;
      types.push_back(RankedTensorType::get(shape, f32));
    }
    std::vector<int64_t> outShape = getShape(rows, width);
    outShape[0] = ShapedType::kDynamic;
    Compiled compiled(
        *getOptions(isa), types, RankedTensorType::get(outShape, f32),
        [&](OpBuilder &b, ValueRange args) { return build(b, args); });
    ASSERT_TRUE(compiled.isClaimed());
    EXPECT_EQ(compiled.getNumKernels(), 1u);
    Array y = compiled(inputs);
    ASSERT_EQ(y.shape, getShape(rows, width));
    auto at = [&](const Array &x, int64_t n, int64_t h, int64_t p, int64_t c) {
      auto s = x.shape;
      return x
          .values[hasPositionsFirst ? ((n * s[1] + p) * s[2] + h) * s[3] + c
                                    : ((n * s[1] + h) * s[2] + p) * s[3] + c];
    };
    for (int64_t n = 0; n < batch; ++n)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = 0; i < rows; ++i) {
          std::vector<double> score(columns);
          for (int64_t j = 0; j < columns; ++j) {
            for (int64_t c = 0; c < depth; ++c)
              score[j] +=
                  double(at(inputs[0], n, h, i, c)) * at(inputs[1], n, h, j, c);
            score[j] /= divisor;
            if (!mask.empty()) {
              int64_t position = 0, index[] = {n, h, i, j};
              for (unsigned axis = 0; axis < 4; ++axis)
                position =
                    position * mask[axis] + (mask[axis] == 1 ? 0 : index[axis]);
              score[j] += inputs[3].values[position];
            }
          }
          double largest = *llvm::max_element(score), sum = 0;
          for (double &value : score)
            sum += value = std::exp(value - largest);
          for (int64_t c = 0; c < width; ++c) {
            double expected = 0, magnitude = 0;
            for (int64_t j = 0; j < columns; ++j) {
              double product = score[j] / sum * at(inputs[2], n, h, j, c);
              expected += product;
              magnitude += std::fabs(product);
            }
            // Errors of scores, of which none is above 32, come out as
            // relative ones; the exponential has a few units in the last place.
            ASSERT_NEAR(at(y, n, h, i, c), expected,
                        (32 * (depth + 4) + columns + 16) * 0x1p-24 * magnitude)
                << n << " " << h << " " << i << " " << c;
          }
        }
  }
};
} // namespace

TEST(Attention, EveryInstructionSet) {
  const AttentionCase cases[] = {
      {3, 37, 45, 20, 17},
      {2, 16, 128, 32, 32, true, {1, 1, 1, 128}},
      {2, 9, 5, 3, 70, false, {2, 1, 9, 5}},
      {9, 130, 31, 8, 16, false, {1, 9, 130, 1}, 1.0f},
  };
  for (const std::string &isa : getRunnableISAs()) {
    bool isBest = isa == getRunnableISAs()[0];
    for (auto [i, c] : llvm::enumerate(cases))
      if (isBest || i % 2 == 0)
        c.check(isa);
  }
}

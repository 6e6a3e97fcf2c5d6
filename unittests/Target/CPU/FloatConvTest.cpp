//===- FloatConvTest.cpp - f32 convolutions of generated kernels *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "QuantizedKernelTestUtils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::test;

namespace {
/// A convolution in two spatial axes, `depthwise` with one filter per channel.
struct Case {
  int64_t channels, filters;
  std::array<int64_t, 2> image, kernel, strides, dilations, low, high;
  bool bias = false, addend = false, relu = false;
  bool depthwise = false;
  int64_t batch = 1;
  /// Of the filters, as they are if empty.
  std::string encoding = "";

  CompressedTensorType getFilterType() const {
    std::string shape;
    for (int64_t size : getFilterShape())
      shape += std::to_string(size) + "x";
    return parseType(shape + "f32, " + encoding);
  }
  std::vector<int64_t> getFilterShape() const {
    if (depthwise)
      return {filters, kernel[0], kernel[1]};
    return {filters, channels, kernel[0], kernel[1]};
  }

  int64_t summed() const { return depthwise ? 1 : channels; }
  int64_t padded(unsigned d) const { return image[d] + low[d] + high[d]; }
  int64_t out(unsigned d) const {
    return (padded(d) - (kernel[d] - 1) * dilations[d] - 1) / strides[d] + 1;
  }

  Array reference(const Array &x, const Array &w, const Array &b,
                  const Array &y, Array &bound) const {
    Array result = Array::filled({batch, filters, out(0), out(1)}, 0);
    bound = result;
    for (int64_t n = 0; n < batch; ++n)
      for (int64_t f = 0; f < filters; ++f)
        for (int64_t i = 0; i < out(0); ++i)
          for (int64_t j = 0; j < out(1); ++j) {
            double sum = 0, magnitude = 0;
            for (int64_t c = 0; c < summed(); ++c)
              for (int64_t s = 0; s < kernel[0]; ++s)
                for (int64_t t = 0; t < kernel[1]; ++t) {
                  int64_t h = i * strides[0] + s * dilations[0] - low[0];
                  int64_t v = j * strides[1] + t * dilations[1] - low[1];
                  if (h < 0 || h >= image[0] || v < 0 || v >= image[1])
                    continue;
                  int64_t from = depthwise ? f : c;
                  double product =
                      double(x.values[((n * channels + from) * image[0] + h) *
                                          image[1] +
                                      v]) *
                      w.values[((f * summed() + c) * kernel[0] + s) *
                                   kernel[1] +
                               t];
                  sum += product;
                  magnitude += std::fabs(product);
                }
            int64_t at = ((n * filters + f) * out(0) + i) * out(1) + j;
            if (bias) {
              sum += b.values[f];
              magnitude += std::fabs(b.values[f]);
            }
            if (addend) {
              sum += y.values[at];
              magnitude += std::fabs(y.values[at]);
            }
            result.values[at] = relu ? std::max(sum, 0.0) : sum;
            bound.values[at] =
                (summed() * kernel[0] * kernel[1] + 6) * 0x1p-24 * magnitude;
          }
    return result;
  }

  Value build(OpBuilder &b, ValueRange args, const Array &weights) const {
    Location loc = b.getUnknownLoc();
    MLIRContext *context = b.getContext();
    Type f32 = b.getF32Type();
    Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
    Value x = args[0];
    if (low[0] || low[1] || high[0] || high[1]) {
      auto sizes = [&](const std::array<int64_t, 2> &pads) {
        return SmallVector<OpFoldResult>{b.getIndexAttr(0), b.getIndexAttr(0),
                                         b.getIndexAttr(pads[0]),
                                         b.getIndexAttr(pads[1])};
      };
      x = tensor::PadOp::create(b, loc, Type(), x, sizes(low), sizes(high),
                                zero);
    }
    Value w;
    if (encoding.empty())
      w = arith::ConstantOp::create(
          b, loc,
          DenseElementsAttr::get(RankedTensorType::get(getFilterShape(), f32),
                                 ArrayRef<float>(weights.values)));
    else
      w = compress::ConstantOp::create(b, loc, getFilterType(),
                                       encode(getFilterType(), weights));
    SmallVector<OpFoldResult> sizes{
        tensor::getMixedSize(b, loc, args[0], 0), b.getIndexAttr(filters),
        b.getIndexAttr(out(0)), b.getIndexAttr(out(1))};
    Value init = tensor::EmptyOp::create(b, loc, sizes, f32);
    if (bias)
      init = linalg::BroadcastOp::create(b, loc, args[1], init,
                                         ArrayRef<int64_t>{0, 2, 3})
                 ->getResult(0);
    else
      init = linalg::FillOp::create(b, loc, zero, init).getResult(0);
    // n, f, i, j[, c], s, t
    unsigned loops = depthwise ? 6 : 7;
    auto dim = [&](unsigned d) { return b.getAffineDimExpr(d); };
    AffineExpr s = dim(loops - 2), t = dim(loops - 1);
    AffineExpr channel = depthwise ? dim(1) : dim(4);
    auto map = [&](ArrayRef<AffineExpr> exprs) {
      return AffineMap::get(loops, 0, exprs, context);
    };
    SmallVector<AffineExpr> filter{dim(1)};
    if (!depthwise)
      filter.push_back(dim(4));
    filter.append({s, t});
    SmallVector<utils::IteratorType> kinds(4, utils::IteratorType::parallel);
    kinds.append(loops - 4, utils::IteratorType::reduction);
    Value result = makeContract(
        b, loc, x, w, init,
        {map({dim(0), channel, dim(2) * strides[0] + s * dilations[0],
              dim(3) * strides[1] + t * dilations[1]}),
         map(filter), map({dim(0), dim(1), dim(2), dim(3)})},
        kinds);
    AffineMap identity = AffineMap::getMultiDimIdentityMap(4, context);
    auto elementwise = [&](ValueRange inputs, auto body) {
      SmallVector<AffineMap> maps(inputs.size() + 1, identity);
      SmallVector<utils::IteratorType> parallel(4,
                                                utils::IteratorType::parallel);
      Value empty = tensor::EmptyOp::create(b, loc, sizes, f32);
      return linalg::GenericOp::create(
                 b, loc, TypeRange(empty.getType()), inputs, ValueRange(empty),
                 maps, parallel,
                 [&](OpBuilder &b, Location loc, ValueRange in) {
                   linalg::YieldOp::create(b, loc, Value(body(b, loc, in)));
                 })
          .getResult(0);
    };
    if (addend)
      result = elementwise({args.back(), result},
                           [](OpBuilder &b, Location loc, ValueRange in) {
                             return arith::AddFOp::create(b, loc, in[0], in[1]);
                           });
    if (relu)
      result = elementwise(
          ValueRange(result), [&](OpBuilder &b, Location loc, ValueRange in) {
            return arith::MaximumFOp::create(b, loc, in[0], zero);
          });
    return result;
  }

  static Value makeContract(OpBuilder &b, Location loc, Value x, Value w,
                            Value init, ArrayRef<AffineMap> maps,
                            ArrayRef<utils::IteratorType> kinds) {
    SmallVector<Attribute> names;
    for (utils::IteratorType kind : kinds)
      names.push_back(b.getStringAttr(
          kind == utils::IteratorType::parallel ? "parallel" : "reduction"));
    return ContractOp::create(b, loc, init.getType(), x, w, init,
                              b.getAffineMapArrayAttr(maps),
                              b.getArrayAttr(names));
  }

  void check(const std::string &isa) const {
    SCOPED_TRACE(isa + ": " + std::to_string(channels) + " to " +
                 std::to_string(filters) + ", image " +
                 std::to_string(image[0]) + "x" + std::to_string(image[1]) +
                 ", kernel " + std::to_string(kernel[0]) + "x" +
                 std::to_string(kernel[1]));
    Type f32 = Float32Type::get(&test::getContext());
    int64_t dynamic = ShapedType::kDynamic;
    auto xType =
        RankedTensorType::get({dynamic, channels, image[0], image[1]}, f32);
    auto yType = RankedTensorType::get({dynamic, filters, out(0), out(1)}, f32);
    SmallVector<Type> inputs{xType};
    if (bias)
      inputs.push_back(RankedTensorType::get({filters}, f32));
    if (addend)
      inputs.push_back(yType);
    Array w = Array::random(getFilterShape(), 1);
    Array x = Array::random({batch, channels, image[0], image[1]}, 2);
    Array b = Array::random({filters}, 3);
    Array y = Array::random({batch, filters, out(0), out(1)}, 4);
    Compiled compiled(*getOptions(isa), inputs, yType,
                      [&](OpBuilder &builder, ValueRange args) {
                        return build(builder, args, w);
                      });
    ASSERT_TRUE(compiled.isClaimed());
    std::vector<Array> values{x};
    if (bias)
      values.push_back(b);
    if (addend)
      values.push_back(y);
    Array result = compiled(values), bound;
    Array stored = encoding.empty() ? w : roundTrip(getFilterType(), w);
    Array expected = reference(x, stored, b, y, bound);
    ASSERT_EQ(result.shape, expected.shape);
    for (int64_t i = 0; i < result.size(); ++i)
      ASSERT_LE(std::fabs(result.values[i] - expected.values[i]),
                bound.values[i])
          << "at " << i;
  }
};

std::vector<Case> getCases() {
  return {
      // Colour planes with padding, as a first layer.
      {3,
       20,
       {13, 11},
       {3, 3},
       {2, 2},
       {1, 1},
       {1, 1},
       {1, 0},
       true,
       false,
       true},
      // A plain matrix product, a panel and a tail, two images.
      {19,
       37,
       {7, 9},
       {1, 1},
       {1, 1},
       {1, 1},
       {0, 0},
       {0, 0},
       true,
       true,
       true,
       false,
       2},
      // Rows that skip pixels.
      {8, 16, {9, 9}, {1, 1}, {2, 2}, {1, 1}, {0, 0}, {0, 0}},
      // Padded windows, unequal on all sides, several blocks.
      {5, 66, {17, 25}, {3, 2}, {1, 1}, {1, 1}, {1, 0}, {2, 1}, true},
      // Windows without padding, dilated.
      {6, 9, {12, 14}, {3, 3}, {1, 2}, {2, 1}, {0, 0}, {0, 0}, false, true},
      // A sum long enough to be taken in parts.
      {192,
       64,
       {5, 6},
       {3, 3},
       {1, 1},
       {1, 1},
       {1, 1},
       {1, 1},
       true,
       false,
       true},
      // One filter per channel.
      {35,
       35,
       {10, 9},
       {3, 3},
       {1, 1},
       {1, 1},
       {1, 1},
       {1, 1},
       true,
       false,
       true,
       true,
       2},
      {16,
       16,
       {11, 11},
       {5, 5},
       {2, 2},
       {1, 1},
       {0, 0},
       {0, 0},
       false,
       false,
       false,
       true},
  };
}

TEST(FloatConv, EveryInstructionSet) {
  for (const std::string &isa : getRunnableISAs())
    for (const Case &c : getCases())
      c.check(isa);
}

TEST(FloatConv, EncodedFilters) {
  // Decoded, then packed when the program runs.
  for (const std::string &isa :
       {getRunnableISAs().front(), getRunnableISAs().back()})
    for (Case c : getCases()) {
      std::string size = c.depthwise ? "[1, *, *]" : "[1, *, *, *]";
      c.encoding = "quant<i8, group = " + size + ", scale = f32>";
      c.check(isa);
    }
}
} // namespace

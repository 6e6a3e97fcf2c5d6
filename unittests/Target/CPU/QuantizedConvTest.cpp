//===- QuantizedConvTest.cpp - Quantized convolutions -----------*- C++ -*-===//
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
/// Where zero padding stands among the operations on the input.
enum class Pad { BeforeEncode, AfterDecode };
struct Conv {
  int64_t channels, filters;
  std::vector<int64_t> image, kernel, strides, dilations, low, high;
  Pad pad = Pad::AfterDecode;
  Init init = Init::Zero;
  bool isStatic = false;
  bool isDepthwise = false;
  int64_t groups = 1;
  /// Codes of the images, and whether each has a scale of its own.
  std::string codes = "ui8";
  bool perImage = false;
  /// Biases are a constant, not an argument.
  bool hasConstantBias = false;
  Array weights = {};

  /// Channels that one filter sums over.
  int64_t summed() const { return isDepthwise ? 1 : channels / groups; }
  unsigned rank() const { return image.size(); }
  int64_t padded(unsigned d) const { return image[d] + low[d] + high[d]; }
  int64_t out(unsigned d) const {
    return (padded(d) - (kernel[d] - 1) * dilations[d] - 1) / strides[d] + 1;
  }
  std::string stars(unsigned count) const {
    std::string text;
    for (unsigned i = 0; i < count; ++i)
      text += i ? ", *" : "*";
    return text;
  }
  CompressedTensorType getInputType(bool isPadded) const {
    std::string shape = "?x" + std::to_string(channels);
    for (unsigned d = 0; d < rank(); ++d)
      shape += "x" + std::to_string(isPadded ? padded(d) : image[d]);
    std::string group = (perImage ? "1, " : "*, ") + stars(rank() + 1);
    return parseType(shape + "xf32, quant<" + codes + ", group = [" + group +
                     "], scale = f32, zero = " + codes + ">");
  }
  CompressedTensorType getWeightType() const {
    std::string shape =
        std::to_string(filters) + "x" + std::to_string(summed());
    for (int64_t size : kernel)
      shape += "x" + std::to_string(size);
    return parseType(shape + "xf32, quant<i8, group = [1, " +
                     stars(rank() + 1) + "], scale = f32>");
  }
  std::vector<int64_t> shapeOf(int64_t n, int64_t c, bool isOut) const {
    std::vector<int64_t> shape{n, c};
    for (unsigned d = 0; d < rank(); ++d)
      shape.push_back(isOut ? out(d) : image[d]);
    return shape;
  }

  std::unique_ptr<Compiled> compile(const TargetOptions &options) {
    std::vector<int64_t> shape{filters, summed()};
    shape.insert(shape.end(), kernel.begin(), kernel.end());
    weights = Array::random(shape, channels * filters, 0.2f);
    biases = Array::random({filters}, 3);
    Type f32 = Float32Type::get(&test::getContext());
    int64_t dynamic = ShapedType::kDynamic;
    auto x = RankedTensorType::get(shapeOf(dynamic, channels, false), f32);
    auto y = RankedTensorType::get(shapeOf(dynamic, filters, true), f32);
    SmallVector<Type> inputs{x};
    if (init == Init::Bias && !hasConstantBias)
      inputs.push_back(RankedTensorType::get({filters}, f32));
    if (init == Init::Tensor)
      inputs.push_back(y);
    return std::make_unique<Compiled>(
        options, inputs, y,
        [&](OpBuilder &b, ValueRange args) { return build(b, args, y); });
  }

  Value build(OpBuilder &b, ValueRange args, RankedTensorType y) {
    Location loc = b.getUnknownLoc();
    auto padIt = [&](Value value) -> Value {
      unsigned plain =
          cast<RankedTensorType>(value.getType()).getRank() - rank();
      SmallVector<OpFoldResult> lows(plain, b.getIndexAttr(0)), highs(lows);
      bool any = false;
      for (unsigned d = 0; d < rank(); ++d) {
        lows.push_back(b.getIndexAttr(low[d]));
        highs.push_back(b.getIndexAttr(high[d]));
        any |= low[d] || high[d];
      }
      if (!any)
        return value;
      Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
      return tensor::PadOp::create(b, loc, Type(), value, lows, highs, zero);
    };
    Value lhs = args[0];
    bool first = pad == Pad::BeforeEncode;
    if (first)
      lhs = padIt(lhs);
    CompressedTensorType inputType = getInputType(first);
    SmallVector<Value> parameters;
    if (isStatic) {
      SmallVector<int64_t> ones(rank() + 2, 1);
      parameters.push_back(arith::ConstantOp::create(
          b, loc,
          DenseElementsAttr::get(RankedTensorType::get(ones, b.getF32Type()),
                                 kScale)));
      parameters.push_back(arith::ConstantOp::create(
          b, loc,
          DenseElementsAttr::get(RankedTensorType::get(ones, b.getI8Type()),
                                 APInt(8, uint64_t(kZero)))));
    }
    lhs = EncodeOp::create(b, loc, inputType, lhs, parameters);
    if (!first || isDepthwise || groups > 1)
      lhs = DecodeOp::create(b, loc, lhs);
    if (isDepthwise)
      lhs = addUnitAxis(b, lhs);
    if (groups > 1)
      lhs = splitAxis(b, lhs, 1, args[0]);
    if (!first)
      lhs = padIt(lhs);
    CompressedTensorType type = getWeightType();
    Value rhs =
        compress::ConstantOp::create(b, loc, type, encode(type, weights));
    if (groups > 1)
      rhs = splitAxis(b, DecodeOp::create(b, loc, rhs), 0, args[0]);
    Value start;
    if (init == Init::Tensor) {
      start = args[1];
    } else {
      SmallVector<OpFoldResult> sizes{tensor::getMixedSize(b, loc, args[0], 0)};
      for (int64_t size : y.getShape().drop_front())
        sizes.push_back(b.getIndexAttr(size));
      start = tensor::EmptyOp::create(b, loc, sizes, b.getF32Type());
      int64_t axes = groups > 1 ? 2 : 1;
      SmallVector<int64_t> others{0};
      for (unsigned d = 0; d < rank(); ++d)
        others.push_back(1 + axes + d);
      if (groups > 1) {
        sizes[1] = b.getIndexAttr(groups);
        sizes.insert(sizes.begin() + 2, b.getIndexAttr(filters / groups));
        start = tensor::EmptyOp::create(b, loc, sizes, b.getF32Type());
      }
      Value bias;
      if (init == Init::Bias) {
        bias = args.size() > 1
                   ? args[1]
                   : Value(arith::ConstantOp::create(
                         b, loc,
                         DenseElementsAttr::get(
                             RankedTensorType::get({filters}, b.getF32Type()),
                             ArrayRef<float>(biases.values))));
        if (groups > 1)
          bias = splitAxis(b, bias, 0, args[0]);
      }
      if (init == Init::Zero)
        start =
            linalg::FillOp::create(
                b, loc,
                Value(arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0))),
                start)
                .getResult(0);
      else
        start = linalg::BroadcastOp::create(b, loc, bias, start, others)
                    ->getResult(0);
    }
    if (groups == 1)
      return buildConv(b, y, lhs, rhs, start, strides, dilations, isDepthwise);
    if (init == Init::Tensor)
      start = splitAxis(b, start, 1, args[0]);
    Value result =
        buildConv(b, cast<RankedTensorType>(start.getType()), lhs, rhs, start,
                  strides, dilations, /*isDepthwise=*/false,
                  /*hasGroups=*/true);
    SmallVector<ReassociationIndices> axes{{0}, {1, 2}};
    for (unsigned d = 0; d < rank(); ++d)
      axes.push_back({3 + int64_t(d)});
    return tensor::CollapseShapeOp::create(b, loc, y, result, axes);
  }

  /// [.., c, ..] as [.., groups, c / groups, ..]; `images` has the first extent
  /// where that is not known.
  Value splitAxis(OpBuilder &b, Value value, int64_t axis, Value images) {
    auto type = cast<RankedTensorType>(value.getType());
    Location loc = b.getUnknownLoc();
    SmallVector<int64_t> shape;
    SmallVector<OpFoldResult> sizes;
    SmallVector<ReassociationIndices> axes;
    for (int64_t d = 0; d < type.getRank(); ++d) {
      SmallVector<int64_t> parts{type.getDimSize(d)};
      if (d == axis)
        parts = {groups, type.getDimSize(d) / groups};
      axes.emplace_back();
      for (int64_t part : parts) {
        axes.back().push_back(shape.size());
        shape.push_back(part);
        sizes.push_back(ShapedType::isDynamic(part)
                            ? tensor::getMixedSize(b, loc, images, 0)
                            : b.getIndexAttr(part));
      }
    }
    return tensor::ExpandShapeOp::create(
        b, loc, RankedTensorType::get(shape, type.getElementType()), value,
        axes, sizes);
  }

  /// [n, c, ...] as [n, c, 1, ...].
  Value addUnitAxis(OpBuilder &b, Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape.insert(shape.begin() + 2, 1);
    SmallVector<ReassociationIndices> groups{{0}, {1}, {2, 3}};
    for (unsigned d = 1; d < rank(); ++d)
      groups.push_back({3 + int64_t(d)});
    Location loc = b.getUnknownLoc();
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, value);
    sizes.insert(sizes.begin() + 2, b.getIndexAttr(1));
    return tensor::ExpandShapeOp::create(
        b, loc, RankedTensorType::get(shape, type.getElementType()), value,
        groups, sizes);
  }

  void check(const Compiled &compiled, int64_t n, StringRef what) {
    Array x = Array::random(shapeOf(n, channels, false), 5);
    // Images of different ranges.
    for (int64_t i = 0; i < x.size(); ++i)
      x.values[i] *= 1 + 2 * (i / (x.size() / n));
    std::vector<Array> inputs{x};
    if (init == Init::Bias && !hasConstantBias)
      inputs.push_back(biases);
    if (init == Init::Tensor)
      inputs.push_back(Array::random(shapeOf(n, filters, true), 4));
    Array y = compiled(inputs);
    ASSERT_EQ(y.shape, shapeOf(n, filters, true)) << what.str();
    Array a = x;
    if (isStatic)
      for (float &value : a.values) {
        float code = std::nearbyint(value / kScale) + kZero;
        value = (std::fmin(std::fmax(code, 0.0f), 255.0f) - kZero) * kScale;
      }
    else if (n)
      // Padding changes neither the range nor the codes.
      a = roundTrip(getInputType(false), x);
    Array w = roundTrip(getWeightType(), weights);
    int64_t length = summed();
    std::vector<int64_t> sizes;
    for (unsigned d = 0; d < rank(); ++d) {
      length *= kernel[d];
      sizes.push_back(out(d));
    }
    convolve(a, w, strides, dilations, low, sizes, init,
             init == Init::Bias ? biases : inputs.back())
        .expectNear(y, getRoundingFactor(length), what);
  }

  static constexpr float kScale = 0.02f;
  static constexpr int64_t kZero = 117;
  Array biases = {};
};

Conv make2D(int64_t c, int64_t f, int64_t size, int64_t kernel, int64_t stride,
            int64_t dilation, int64_t low, int64_t high) {
  return {c,
          f,
          {size, size + 1},
          {kernel, kernel},
          {stride, stride},
          {dilation, dilation},
          {low, low},
          {high, high}};
}
} // namespace

TEST(IntegerConv, Shapes) {
  std::vector<Conv> convs{
      make2D(1, 3, 6, 3, 1, 1, 1, 1),
      make2D(3, 16, 9, 3, 1, 1, 0, 0),
      make2D(3, 20, 11, 5, 2, 1, 2, 1),
      make2D(17, 65, 7, 3, 1, 1, 1, 1),
      make2D(16, 64, 10, 1, 1, 1, 0, 0),
      make2D(32, 48, 10, 1, 2, 1, 0, 0),
      make2D(20, 10, 12, 3, 1, 2, 2, 2),
      make2D(5, 7, 12, 3, 2, 3, 3, 3),
      make2D(4, 130, 3, 3, 1, 1, 1, 1),
      make2D(8, 8, 14, 1, 1, 1, 1, 0),
      {6, 9, {19}, {4}, {2}, {1}, {1}, {2}},
      {3, 5, {5, 6, 7}, {2, 3, 2}, {1, 2, 1}, {1, 1, 2}, {1, 0, 1}, {0, 1, 1}},
  };
  for (const std::string &isa : getRunnableISAs()) {
    bool isBest = isa == getRunnableISAs()[0];
    for (auto [i, shape] : llvm::enumerate(convs)) {
      if (!isBest && i % 3)
        continue;
      Conv conv = shape;
      conv.init = Init(i % 3);
      conv.pad = Pad(i / 2 % 2);
      conv.isStatic = i % 5 == 1;
      auto compiled = conv.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed()) << i;
      for (int64_t n : {0, 1, 3})
        conv.check(*compiled, n,
                   isa + " shape " + std::to_string(i) + " images " +
                       std::to_string(n));
    }
  }
}

TEST(IntegerConv, PadAndInitCombinations) {
  for (Pad pad : {Pad::BeforeEncode, Pad::AfterDecode})
    for (Init init : {Init::Zero, Init::Bias, Init::Tensor})
      for (bool isStatic : {false, true}) {
        Conv conv = make2D(6, 12, 8, 3, 1, 1, 1, 1);
        conv.pad = pad;
        conv.init = init;
        conv.isStatic = isStatic;
        auto compiled = conv.compile(*getOptions(getRunnableISAs()[0]));
        ASSERT_TRUE(compiled->isClaimed());
        conv.check(*compiled, 2, "combination");
      }
}

TEST(IntegerConv, Depthwise) {
  std::vector<Conv> convs{
      make2D(64, 64, 4, 3, 1, 1, 1, 1), make2D(5, 5, 12, 3, 2, 1, 0, 1),
      make2D(37, 37, 11, 5, 1, 2, 4, 4), make2D(16, 16, 9, 1, 1, 1, 0, 0)};
  for (const std::string &isa : getRunnableISAs())
    for (auto [i, shape] : llvm::enumerate(convs)) {
      Conv conv = shape;
      conv.isDepthwise = true;
      conv.init = Init(i % 3);
      conv.pad = Pad(i / 2 % 2);
      conv.isStatic = i % 2;
      auto compiled = conv.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed()) << i;
      for (int64_t n : {0, 1, 3})
        conv.check(*compiled, n, isa + " shape " + std::to_string(i));
    }
}

TEST(IntegerConv, Groups) {
  // Groups, channels and filters of all of them, and the window. Few channels
  // in many groups, ones of a vector, and ones of several tiles.
  struct Case {
    int64_t groups, channels, filters, size, kernel, stride, dilation, low,
        high;
  };
  std::vector<Case> cases{
      {2, 4, 6, 7, 3, 1, 1, 1, 1},   {32, 128, 128, 5, 3, 1, 1, 1, 1},
      {3, 9, 3, 8, 3, 2, 1, 0, 1},   {4, 64, 64, 9, 3, 1, 2, 2, 2},
      {5, 20, 35, 6, 1, 1, 1, 0, 0}, {2, 128, 160, 6, 3, 1, 1, 1, 1},
      {7, 7, 21, 6, 3, 1, 1, 1, 0},  {2, 96, 34, 11, 3, 2, 1, 1, 1},
      {2, 64, 32, 4, 1, 1, 1, 0, 0},
  };
  for (const std::string &isa : getRunnableISAs())
    for (auto [i, part] : llvm::enumerate(cases)) {
      if (isa != getRunnableISAs()[0] && i != 1 && i != 7)
        continue;
      Conv conv = make2D(part.channels, part.filters, part.size, part.kernel,
                         part.stride, part.dilation, part.low, part.high);
      conv.groups = part.groups;
      conv.init = Init(i % 2);
      conv.hasConstantBias = true;
      conv.isStatic = i / 2 % 2;
      conv.perImage = i % 3 == 2 && !conv.isStatic;
      auto compiled = conv.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed()) << i;
      EXPECT_TRUE(compiled->hasKernel("compress_conv_codes")) << isa << i;
      for (int64_t n : {0, 1, 3})
        conv.check(*compiled, n, isa + " shape " + std::to_string(i));
    }
}

TEST(IntegerConv, DynamicScales) {
  for (const std::string &isa : getRunnableISAs())
    for (auto [i, codes] :
         llvm::enumerate(std::vector<std::string>{"ui8", "i8", "ui4", "i6"}))
      for (bool perImage : {false, true}) {
        if (isa != getRunnableISAs()[0] && (i != 1 || perImage))
          continue;
        Conv conv = make2D(18, 20, 9, 3, 1 + i % 2, 1, 1, i < 2);
        conv.codes = codes;
        conv.perImage = perImage;
        conv.init = Init::Bias;
        conv.hasConstantBias = true;
        conv.pad = Pad(i / 2);
        conv.isDepthwise = i == 1 && perImage;
        if (conv.isDepthwise)
          conv.filters = conv.channels;
        auto compiled = conv.compile(*getOptions(isa));
        ASSERT_TRUE(compiled->isClaimed()) << i;
        EXPECT_TRUE(compiled->hasKernel(conv.isDepthwise
                                            ? "compress_depthwise_codes"
                                            : "compress_conv_codes"))
            << codes;
        for (int64_t n : {0, 1, 3})
          conv.check(*compiled, n, isa + " codes " + codes);
      }
}

TEST(IntegerConv, DISABLED_Speed) {
  for (auto [c, f, size, kernel, stride] :
       {std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t>{3, 64, 224, 7,
                                                                2},
        {64, 64, 56, 3, 1},
        {256, 64, 56, 1, 1},
        {128, 128, 28, 3, 1},
        {256, 256, 14, 3, 1},
        {512, 512, 7, 3, 1}})
    for (const std::string &isa : getRunnableISAs()) {
      int64_t pad = kernel / 2;
      Conv conv{
          c,      f,          {size, size}, {kernel, kernel}, {stride, stride},
          {1, 1}, {pad, pad}, {pad, pad}};
      conv.isStatic = true;
      auto compiled = conv.compile(*getOptions(isa));
      double seconds = compiled->time({Array::random({1, c, size, size}, 1)});
      printf("%-12s c=%3ld f=%3ld %3ldx%-3ld kernel %ld stride %ld %8.3f ms "
             "%8.1f GOPS\n",
             isa.c_str(), c, f, size, size, kernel, stride, seconds * 1e3,
             2e-9 * f * c * kernel * kernel * conv.out(0) * conv.out(1) /
                 seconds);
    }
}

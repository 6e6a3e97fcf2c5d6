//===- CodeConvTest.cpp - Chains of quantized convolutions ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two convolutions with an encoding between them, against their meaning in
// double precision. A code may differ by one where the quotient is next to the
// middle between two codes, and nowhere else.
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
/// Images [n, c, h, w] in double precision, with what each may be off.
struct Images {
  int64_t n, c, h, w;
  std::vector<double> values, slack;

  Images(int64_t n, int64_t c, int64_t h, int64_t w)
      : n(n), c(c), h(h), w(w), values(n * c * h * w), slack(values.size()) {}
  int64_t at(int64_t i, int64_t j, int64_t y, int64_t x) const {
    return ((i * c + j) * h + y) * w + x;
  }
};

struct Window {
  int64_t filters, kernel, stride = 1, dilation = 1, low = 0, high = 0;
  bool isDepthwise = false;
};

enum class Between { Nothing, Pool, Concat, ConcatPool };

struct Chain {
  int64_t channels, height, width;
  Window first, second;
  bool hasBias = true, clamps = true;
  Between between = Between::Nothing;
  /// The second argument is added to the first result.
  bool adds = false;
  /// The first result is multiplied and added to channel by channel.
  bool scales = false;
  /// The values between, too, are added to the result.
  bool keepsFloats = false;
  double zero = 0;

  static constexpr float kInput = 0.02f, kMiddle = 0.05f;
};

Array makeWeights(int64_t channels, const Window &window) {
  return Array::random({window.filters, window.isDepthwise ? 1 : channels,
                        window.kernel, window.kernel},
                       channels + window.filters, 0.3f);
}

CompressedTensorType getWeightType(int64_t channels, const Window &window) {
  std::string text = std::to_string(window.filters) + "x" +
                     std::to_string(window.isDepthwise ? 1 : channels);
  for (int i = 0; i < 2; ++i)
    text += "x" + std::to_string(window.kernel);
  return parseType(text + "xf32, quant<i8, group = [1, *, *, *], scale = f32>");
}

/// Builds the chain.
struct Build {
  OpBuilder &b;
  Location loc;

  Value real(float value) {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
  }

  Value encode(Value value, float scale, double zero) {
    std::string shape;
    for (int64_t size : cast<RankedTensorType>(value.getType()).getShape())
      shape += (ShapedType::isDynamic(size) ? "?" : std::to_string(size)) + "x";
    CompressedTensorType type = parseType(
        shape + "f32, quant<ui8, group = [*, *, *, *], scale = f32, zero = "
                "ui8>");
    SmallVector<int64_t> ones(4, 1);
    Value parameters[] = {
        arith::ConstantOp::create(
            b, loc,
            DenseElementsAttr::get(RankedTensorType::get(ones, b.getF32Type()),
                                   scale)),
        arith::ConstantOp::create(
            b, loc,
            DenseElementsAttr::get(RankedTensorType::get(ones, b.getI8Type()),
                                   APInt(8, uint64_t(zero))))};
    return EncodeOp::create(b, loc, type, value, parameters);
  }

  Value pad(Value value, const Window &window, float with) {
    if (!window.low && !window.high)
      return value;
    SmallVector<OpFoldResult> lows(4, b.getIndexAttr(0)), highs(lows);
    for (int i = 2; i < 4; ++i) {
      lows[i] = b.getIndexAttr(window.low);
      highs[i] = b.getIndexAttr(window.high);
    }
    return tensor::PadOp::create(b, loc, Type(), value, lows, highs,
                                 real(with));
  }

  /// [n, c, ...] as [n, c, 1, ...].
  Value addUnitAxis(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape.insert(shape.begin() + 2, 1);
    SmallVector<ReassociationIndices> groups{{0}, {1}, {2, 3}, {4}};
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, value);
    sizes.insert(sizes.begin() + 2, b.getIndexAttr(1));
    return tensor::ExpandShapeOp::create(
        b, loc, RankedTensorType::get(shape, type.getElementType()), value,
        groups, sizes);
  }

  Value conv(Value encoded, Value batch, const Window &window, bool hasBias) {
    auto images = cast<CompressedTensorType>(encoded.getType());
    int64_t channels = images.getShape()[1];
    Value lhs = encoded;
    if (window.low || window.high || window.isDepthwise)
      lhs = pad(DecodeOp::create(b, loc, encoded), window, 0);
    CompressedTensorType type = getWeightType(channels, window);
    Value rhs = compress::ConstantOp::create(
        b, loc, type, test::encode(type, makeWeights(channels, window)));
    SmallVector<OpFoldResult> sizes{tensor::getMixedSize(b, loc, batch, 0),
                                    b.getIndexAttr(window.filters)};
    SmallVector<int64_t> shape{ShapedType::kDynamic, window.filters};
    for (int i = 2; i < 4; ++i) {
      shape.push_back((images.getShape()[i] + window.low + window.high -
                       (window.kernel - 1) * window.dilation - 1) /
                          window.stride +
                      1);
      sizes.push_back(b.getIndexAttr(shape.back()));
    }
    Value start = tensor::EmptyOp::create(b, loc, sizes, b.getF32Type());
    if (hasBias) {
      Array bias = Array::random({window.filters}, 3);
      Value values = arith::ConstantOp::create(
          b, loc,
          DenseElementsAttr::get(
              RankedTensorType::get({window.filters}, b.getF32Type()),
              ArrayRef<float>(bias.values)));
      start = linalg::BroadcastOp::create(b, loc, values, start,
                                          ArrayRef<int64_t>{0, 2, 3})
                  ->getResult(0);
    } else {
      start = linalg::FillOp::create(b, loc, real(0), start).getResult(0);
    }
    MLIRContext *context = b.getContext();
    auto dim = [&](unsigned i) { return getAffineDimExpr(i, context); };
    SmallVector<AffineExpr> in{dim(0)}, filter{dim(1), dim(4), dim(5), dim(6)},
        out{dim(0), dim(1), dim(2), dim(3)};
    if (window.isDepthwise) {
      lhs = addUnitAxis(lhs);
      in.push_back(dim(1));
    }
    in.push_back(dim(4));
    for (int i = 0; i < 2; ++i)
      in.push_back(dim(2 + i) * window.stride + dim(5 + i) * window.dilation);
    SmallVector<Attribute> iterators(4, b.getStringAttr("parallel"));
    iterators.append(3, b.getStringAttr("reduction"));
    return ContractOp::create(
        b, loc, RankedTensorType::get(shape, b.getF32Type()), lhs, rhs, start,
        b.getAffineMapArrayAttr({AffineMap::get(7, 0, in, context),
                                 AffineMap::get(7, 0, filter, context),
                                 AffineMap::get(7, 0, out, context)}),
        b.getArrayAttr(iterators));
  }

  Value elementwise(ValueRange values,
                    llvm::function_ref<Value(ValueRange)> compute) {
    auto type = cast<RankedTensorType>(values[0].getType());
    Value init = tensor::EmptyOp::create(
        b, loc, tensor::getMixedSizes(b, loc, values[0]), b.getF32Type());
    SmallVector<AffineMap> maps(values.size() + 1, b.getMultiDimIdentityMap(4));
    SmallVector<utils::IteratorType> loops(4, utils::IteratorType::parallel);
    return linalg::GenericOp::create(
               b, loc, TypeRange(type), values, init, maps, loops,
               [&](OpBuilder &, Location, ValueRange args) {
                 linalg::YieldOp::create(b, loc, compute(args));
               })
        .getResult(0);
  }

  Value channelwise(Value value, const Array &numbers, bool multiplies) {
    Value constant = arith::ConstantOp::create(
        b, loc,
        DenseElementsAttr::get(
            RankedTensorType::get({numbers.size(), 1, 1}, b.getF32Type()),
            ArrayRef<float>(numbers.values)));
    AffineMap map = b.getMultiDimIdentityMap(4);
    AffineExpr zero = b.getAffineConstantExpr(0);
    SmallVector<AffineMap> maps{
        map,
        AffineMap::get(4, 0, {b.getAffineDimExpr(1), zero, zero},
                       b.getContext()),
        map};
    SmallVector<utils::IteratorType> loops(4, utils::IteratorType::parallel);
    Value init = tensor::EmptyOp::create(
        b, loc, tensor::getMixedSizes(b, loc, value), b.getF32Type());
    return linalg::GenericOp::create(
               b, loc, TypeRange(value.getType()), ValueRange{value, constant},
               init, maps, loops,
               [&](OpBuilder &, Location, ValueRange args) {
                 Value result =
                     multiplies
                         ? Value(
                               arith::MulFOp::create(b, loc, args[0], args[1]))
                         : arith::AddFOp::create(b, loc, args[0], args[1]);
                 linalg::YieldOp::create(b, loc, result);
               })
        .getResult(0);
  }

  /// The maximum of 3 x 3 windows, two pixels apart, padded by one.
  Value pool(Value value) {
    float lowest = -std::numeric_limits<float>::infinity();
    value = pad(value, {0, 3, 2, 1, 1, 1}, lowest);
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, value);
    for (int i = 2; i < 4; ++i)
      sizes[i] = b.getIndexAttr((type.getDimSize(i) - 3) / 2 + 1);
    Value init = tensor::EmptyOp::create(b, loc, sizes, b.getF32Type());
    init = linalg::FillOp::create(b, loc, real(lowest), init).getResult(0);
    Value window = tensor::EmptyOp::create(b, loc, ArrayRef<int64_t>{3, 3},
                                           b.getF32Type());
    MLIRContext *context = b.getContext();
    auto dim = [&](unsigned i) { return getAffineDimExpr(i, context); };
    SmallVector<AffineMap> maps{
        AffineMap::get(
            6, 0, {dim(0), dim(1), dim(2) * 2 + dim(4), dim(3) * 2 + dim(5)},
            context),
        AffineMap::get(6, 0, {dim(4), dim(5)}, context),
        AffineMap::get(6, 0, {dim(0), dim(1), dim(2), dim(3)}, context)};
    SmallVector<utils::IteratorType> loops(4, utils::IteratorType::parallel);
    loops.append(2, utils::IteratorType::reduction);
    return linalg::GenericOp::create(
               b, loc, init.getType(), ValueRange{value, window}, init, maps,
               loops,
               [](OpBuilder &b, Location loc, ValueRange args) {
                 Value result =
                     arith::MaximumFOp::create(b, loc, args[2], args[0]);
                 linalg::YieldOp::create(b, loc, result);
               })
        .getResult(0);
  }

  /// Both, one after the other along the channels.
  Value concat(Value x, Value y) {
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, x);
    int64_t first = cast<RankedTensorType>(x.getType()).getDimSize(1),
            second = cast<RankedTensorType>(y.getType()).getDimSize(1);
    sizes[1] = b.getIndexAttr(first + second);
    Value result = tensor::EmptyOp::create(b, loc, sizes, b.getF32Type());
    SmallVector<OpFoldResult> offsets(4, b.getIndexAttr(0)),
        strides(4, b.getIndexAttr(1));
    for (Value value : {x, y}) {
      result = tensor::InsertSliceOp::create(
          b, loc, value, result, offsets, tensor::getMixedSizes(b, loc, value),
          strides);
      offsets[1] = b.getIndexAttr(first);
    }
    return result;
  }
};

Value build(const Chain &chain, OpBuilder &b, ValueRange args) {
  Build e{b, b.getUnknownLoc()};
  Value input = e.encode(args[0], Chain::kInput, 117);
  auto first = [&](bool isSecond) {
    Window window = chain.first;
    Value value = e.conv(input, args[0], window, chain.hasBias);
    if (chain.scales) {
      value = e.channelwise(value, Array::random({window.filters}, 8), true);
      value = e.channelwise(value, Array::random({window.filters}, 9), false);
    }
    if (chain.adds)
      value = e.elementwise({value, args[1]}, [&](ValueRange x) -> Value {
        return arith::AddFOp::create(b, e.loc, x[0], x[1]);
      });
    // The branches of a concatenation differ by their clamps.
    float low = isSecond ? 0.25f : 0.0f;
    if (chain.clamps)
      value = e.elementwise(value, [&](ValueRange x) -> Value {
        return arith::MaximumFOp::create(b, e.loc, x[0], e.real(low));
      });
    return value;
  };
  Value middle = first(false);
  if (chain.between == Between::Concat || chain.between == Between::ConcatPool)
    middle = e.concat(middle, first(true));
  if (chain.between == Between::Pool || chain.between == Between::ConcatPool)
    middle = e.pool(middle);
  Value codes = e.encode(middle, Chain::kMiddle, chain.zero);
  Value result = e.conv(codes, args[0], chain.second, false);
  if (chain.keepsFloats)
    result = e.elementwise({result, middle}, [&](ValueRange x) -> Value {
      return arith::AddFOp::create(b, e.loc, x[0], x[1]);
    });
  return result;
}

//===----------------------------------------------------------------------===//
// The meaning
//===----------------------------------------------------------------------===//

Images quantize(const Images &images, float scale, double zero) {
  Images result = images;
  for (size_t i = 0; i < images.values.size(); ++i) {
    double quotient = images.values[i] / scale;
    double code =
        std::min(std::max(std::nearbyint(quotient) + zero, 0.0), 255.0);
    result.values[i] = (code - zero) * scale;
    double middle = std::fabs(quotient - std::floor(quotient) - 0.5);
    result.slack[i] =
        middle <= images.slack[i] / scale + 1e-6 * std::fabs(quotient) ? scale
                                                                       : 0;
  }
  return result;
}

Images convolve(const Images &images, const Window &window, bool hasBias) {
  std::vector<HostTensor> w = test::encode(getWeightType(images.c, window),
                                           makeWeights(images.c, window));
  Array bias = Array::random({window.filters}, 3);
  auto extent = [&](int64_t size) {
    return (size + window.low + window.high -
            (window.kernel - 1) * window.dilation - 1) /
               window.stride +
           1;
  };
  Images result(images.n, window.filters, extent(images.h), extent(images.w));
  int64_t summed = window.isDepthwise ? 1 : images.c;
  int64_t taps = window.kernel * window.kernel;
  for (int64_t n = 0; n < result.n; ++n)
    for (int64_t f = 0; f < result.c; ++f)
      for (int64_t y = 0; y < result.h; ++y)
        for (int64_t x = 0; x < result.w; ++x) {
          double sum = hasBias ? bias.values[f] : 0, slack = 0;
          double start = sum;
          for (int64_t c = 0; c < summed; ++c)
            for (int64_t t = 0; t < taps; ++t) {
              int64_t row = y * window.stride +
                            t / window.kernel * window.dilation - window.low;
              int64_t column = x * window.stride +
                               t % window.kernel * window.dilation - window.low;
              if (row < 0 || row >= images.h || column < 0 ||
                  column >= images.w)
                continue;
              int64_t at =
                  images.at(n, window.isDepthwise ? f : c, row, column);
              double weight =
                  w[0].getInt((f * summed + c) * taps + t) * w[1].getDouble(f);
              sum += images.values[at] * weight;
              slack += images.slack[at] * std::fabs(weight);
            }
          int64_t at = result.at(n, f, y, x);
          result.values[at] = sum;
          // Integer sums are exact.
          result.slack[at] =
              slack +
              8 * std::ldexp(std::fabs(sum) + 2 * std::fabs(start), -24);
        }
  return result;
}

Images maximum(const Images &images) {
  Images result(images.n, images.c, (images.h - 1) / 2 + 1,
                (images.w - 1) / 2 + 1);
  for (int64_t n = 0; n < result.n; ++n)
    for (int64_t c = 0; c < result.c; ++c)
      for (int64_t y = 0; y < result.h; ++y)
        for (int64_t x = 0; x < result.w; ++x) {
          double value = -INFINITY, slack = 0;
          for (int64_t row = 2 * y - 1; row <= 2 * y + 1; ++row)
            for (int64_t column = 2 * x - 1; column <= 2 * x + 1; ++column)
              if (row >= 0 && row < images.h && column >= 0 &&
                  column < images.w) {
                int64_t at = images.at(n, c, row, column);
                value = std::max(value, images.values[at]);
                slack = std::max(slack, images.slack[at]);
              }
          result.values[result.at(n, c, y, x)] = value;
          result.slack[result.at(n, c, y, x)] = slack;
        }
  return result;
}

Images evaluate(const Chain &chain, const Array &x, const Array *addend) {
  Images input(x.shape[0], chain.channels, chain.height, chain.width);
  input.values.assign(x.values.begin(), x.values.end());
  Images sums =
      convolve(quantize(input, Chain::kInput, 117), chain.first, chain.hasBias);
  if (chain.scales) {
    Array factors = Array::random({sums.c}, 8),
          terms = Array::random({sums.c}, 9);
    for (size_t i = 0; i < sums.values.size(); ++i) {
      int64_t channel = i / (sums.h * sums.w) % sums.c;
      double factor = factors.values[channel], term = terms.values[channel];
      // Factor and bias are rounded once more.
      sums.slack[i] = 2 * std::fabs(factor) * sums.slack[i] +
                      std::ldexp(std::fabs(term), -22);
      sums.values[i] = sums.values[i] * factor + term;
    }
  }
  if (addend)
    for (size_t i = 0; i < sums.values.size(); ++i) {
      sums.values[i] += addend->values[i];
      sums.slack[i] += std::ldexp(std::fabs(addend->values[i]), -22);
    }
  auto clamp = [&](double low) {
    Images result = sums;
    if (chain.clamps)
      for (double &value : result.values)
        value = std::max(value, low);
    return result;
  };
  Images middle = clamp(0);
  if (chain.between == Between::Concat ||
      chain.between == Between::ConcatPool) {
    Images other = clamp(0.25),
           both(middle.n, 2 * middle.c, middle.h, middle.w);
    int64_t size = middle.c * middle.h * middle.w;
    for (int64_t n = 0; n < middle.n; ++n)
      for (int64_t i = 0; i < size; ++i)
        for (int64_t part = 0; part < 2; ++part) {
          const Images &from = part ? other : middle;
          both.values[(2 * n + part) * size + i] = from.values[n * size + i];
          both.slack[(2 * n + part) * size + i] = from.slack[n * size + i];
        }
    middle = both;
  }
  if (chain.between == Between::Pool || chain.between == Between::ConcatPool)
    middle = maximum(middle);
  Images result = convolve(quantize(middle, Chain::kMiddle, chain.zero),
                           chain.second, false);
  if (chain.keepsFloats)
    for (size_t i = 0; i < result.values.size(); ++i) {
      result.values[i] += middle.values[i];
      result.slack[i] +=
          middle.slack[i] + std::ldexp(std::fabs(middle.values[i]), -22);
    }
  return result;
}

void check(const Chain &chain, const std::string &isa,
           const std::string &what) {
  Type f32 = Float32Type::get(&test::getContext());
  Array one = Array::random({1, chain.channels, chain.height, chain.width}, 5);
  Images first = convolve(Images(1, chain.channels, chain.height, chain.width),
                          chain.first, false);
  Array none = Array::filled({1, first.c, first.h, first.w}, 0);
  Images shape = evaluate(chain, one, nullptr);
  int64_t dynamic = ShapedType::kDynamic;
  SmallVector<Type> inputs{RankedTensorType::get(
      {dynamic, chain.channels, chain.height, chain.width}, f32)};
  if (chain.adds)
    inputs.push_back(
        RankedTensorType::get({dynamic, first.c, first.h, first.w}, f32));
  Compiled compiled(
      *getOptions(isa), inputs,
      RankedTensorType::get({dynamic, shape.c, shape.h, shape.w}, f32),
      [&](OpBuilder &b, ValueRange args) { return build(chain, b, args); });
  ASSERT_TRUE(compiled.isClaimed()) << what;
  for (int64_t n : {1, 3}) {
    std::vector<Array> arrays{
        Array::random({n, chain.channels, chain.height, chain.width}, 5, 2)};
    if (chain.adds)
      arrays.push_back(Array::random({n, first.c, first.h, first.w}, 7));
    Array found = compiled(arrays);
    Images expected =
        evaluate(chain, arrays[0], chain.adds ? &arrays[1] : nullptr);
    ASSERT_EQ(found.size(), int64_t(expected.values.size())) << what;
    int64_t uncertain = 0;
    for (int64_t i = 0; i < found.size(); ++i) {
      uncertain += expected.slack[i] > 1e-2;
      if (!(std::fabs(found.values[i] - expected.values[i]) <=
            expected.slack[i] + 1e-30))
        FAIL() << what << " images " << n << " at " << i << ": found "
               << found.values[i] << ", expected " << expected.values[i]
               << ", bound " << expected.slack[i];
    }
    // The bound means little where many codes are uncertain.
    EXPECT_LE(uncertain, found.size() / 4 + 8) << what;
  }
}

std::vector<Chain> getChains() {
  Chain plain{16, 7, 9, {24, 3, 1, 1, 1, 1}, {5, 1}};
  std::vector<Chain> chains{plain};
  auto add = [&](auto change) {
    Chain chain = plain;
    change(chain);
    chains.push_back(chain);
  };
  // Tiles and their rests; channels that are no multiple of anything.
  add([](Chain &c) { c.channels = 64, c.first = {70, 1}, c.zero = 9; });
  add([](Chain &c) { c.channels = 3, c.first = {17, 7, 2, 1, 3, 3}; });
  add([](Chain &c) { c.channels = 20, c.first = {130, 3, 1, 2, 2, 2}; });
  add([](Chain &c) { c.channels = 18, c.first = {32, 1, 2}; });
  add([](Chain &c) { c.channels = 64, c.first = {64, 3}, c.clamps = false; });
  add([](Chain &c) { c.channels = 96, c.first = {33, 3, 2, 1, 0, 1}; });
  // One pixel, and fewer pixels than a tile has rows.
  add([](Chain &c) { c.height = 1, c.width = 1, c.hasBias = false; });
  add([](Chain &c) {
    c.height = 3, c.width = 4, c.first = {64, 3, 1, 1, 1, 1};
  });
  // More than one block.
  add([](Chain &c) { c.channels = 64, c.height = 61, c.width = 50; });
  add([](Chain &c) { c.adds = true, c.second = {24, 3, 1, 1, 1, 1}; });
  add([](Chain &c) {
    c.adds = c.keepsFloats = true, c.second = {24, 1}, c.zero = 3;
  });
  add([](Chain &c) { c.scales = true, c.channels = 37; });
  add([](Chain &c) { c.between = Between::Pool, c.zero = 40; });
  add([](Chain &c) { c.between = Between::Concat, c.clamps = true; });
  add([](Chain &c) {
    c.between = Between::ConcatPool, c.second = {9, 3, 1, 1, 1, 1};
  });
  add([](Chain &c) {
    c.between = Between::Pool, c.keepsFloats = true, c.second = {24, 1};
  });
  add([](Chain &c) {
    c.channels = 37, c.first = {37, 3, 1, 1, 1, 1, true};
    c.second = {37, 5, 2, 1, 2, 2, true};
  });
  add([](Chain &c) {
    c.channels = 32, c.first = {32, 3, 2, 2, 2, 1, true}, c.zero = 5;
  });
  return chains;
}
} // namespace

TEST(CodeConv, Chains) {
  std::vector<std::string> isas = getRunnableISAs();
  for (auto [i, isa] : llvm::enumerate(isas))
    for (auto [j, chain] : llvm::enumerate(getChains()))
      if (i == 0 || (i + j) % 6 == 0)
        check(chain, isa, isa + " chain " + std::to_string(j));
}

//===- SparseConvTest.cpp - Convolutions with sparse filters ----*- C++ -*-===//
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
#include <random>

using namespace mlir;
using namespace compress;
using namespace compress::test;

namespace {
struct SparseConv {
  int64_t channels, filters;
  std::vector<int64_t> image, kernel, strides, dilations, low, high;
  std::string weight = "sparse<bitmask, nnz = ?, of = f32>";
  double density = 0.2;
  Init init = Init::Zero;
  Array decoded = {}; // of the filters, set by compile()

  unsigned rank() const { return image.size(); }
  int64_t out(unsigned d) const {
    return (image[d] + low[d] + high[d] - (kernel[d] - 1) * dilations[d] - 1) /
               strides[d] +
           1;
  }
  std::vector<int64_t> shapeOf(int64_t n, int64_t c, bool isOut) const {
    std::vector<int64_t> shape{n, c};
    for (unsigned d = 0; d < rank(); ++d)
      shape.push_back(isOut ? out(d) : image[d]);
    return shape;
  }

  std::unique_ptr<Compiled> compile(const TargetOptions &options) {
    std::vector<int64_t> shape{filters, channels};
    shape.insert(shape.end(), kernel.begin(), kernel.end());
    Array values = Array::random(shape, filters + 7 * channels, 0.3f);
    std::mt19937 engine(filters + 3 * channels);
    std::uniform_real_distribution<double> uniform;
    for (float &value : values.values)
      if (uniform(engine) >= density)
        value = 0;
    // Something is stored, and some filters are empty.
    values.values[0] = 0.5f;
    std::string text;
    for (int64_t size : shape)
      text += std::to_string(size) + "x";
    CompressedTensorType type = parseType(text + "f32, " + weight);
    std::vector<HostTensor> leaves = encode(type, values);
    type = refineType(type, leaves);
    HostTensor plain =
        llvm::cantFail(type.getEncoding().decodeHost(type, leaves));
    decoded = {shape, plain.toFloats()};

    Type f32 = Float32Type::get(&test::getContext());
    int64_t dynamic = ShapedType::kDynamic;
    auto x = RankedTensorType::get(shapeOf(dynamic, channels, false), f32);
    auto y = RankedTensorType::get(shapeOf(dynamic, filters, true), f32);
    SmallVector<Type> inputs{x};
    if (init == Init::Bias)
      inputs.push_back(RankedTensorType::get({filters}, f32));
    if (init == Init::Tensor)
      inputs.push_back(y);
    return std::make_unique<Compiled>(options, inputs, y,
                                      [&](OpBuilder &b, ValueRange args) {
                                        return build(b, args, y, type, leaves);
                                      });
  }

  Value build(OpBuilder &b, ValueRange args, RankedTensorType y,
              CompressedTensorType type, ArrayRef<HostTensor> leaves) {
    Location loc = b.getUnknownLoc();
    SmallVector<OpFoldResult> lows(2, b.getIndexAttr(0)), highs(lows);
    for (unsigned d = 0; d < rank(); ++d) {
      lows.push_back(b.getIndexAttr(low[d]));
      highs.push_back(b.getIndexAttr(high[d]));
    }
    Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
    Value lhs =
        tensor::PadOp::create(b, loc, Type(), args[0], lows, highs, zero);
    Value rhs = compress::ConstantOp::create(b, loc, type, leaves);
    Value start;
    if (init == Init::Tensor) {
      start = args[1];
    } else {
      SmallVector<OpFoldResult> sizes{tensor::getMixedSize(b, loc, args[0], 0)};
      SmallVector<int64_t> others{0};
      for (unsigned d = 0; d < rank() + 1; ++d) {
        sizes.push_back(b.getIndexAttr(y.getDimSize(1 + d)));
        if (d)
          others.push_back(1 + d);
      }
      start = tensor::EmptyOp::create(b, loc, sizes, b.getF32Type());
      start = init == Init::Zero
                  ? linalg::FillOp::create(b, loc, zero, start).getResult(0)
                  : linalg::BroadcastOp::create(b, loc, args[1], start, others)
                        ->getResult(0);
    }
    return buildConv(b, y, lhs, rhs, start, strides, dilations);
  }

  /// Compares with the exact sums of decoded filters.
  void check(const Compiled &compiled, int64_t n, const std::string &what) {
    Array x = Array::random(shapeOf(n, channels, false), n + 5);
    std::vector<Array> inputs{x};
    if (init == Init::Bias)
      inputs.push_back(Array::random({filters}, 3));
    if (init == Init::Tensor)
      inputs.push_back(Array::random(shapeOf(n, filters, true), 4));
    Array y = compiled(inputs);
    ASSERT_EQ(y.shape, shapeOf(n, filters, true)) << what;
    std::vector<int64_t> sizes;
    int64_t k = channels;
    for (unsigned d = 0; d < rank(); ++d) {
      sizes.push_back(out(d));
      k *= kernel[d];
    }
    convolve(x, decoded, strides, dilations, low, sizes, init, inputs.back())
        .expectNear(y, getRoundingFactor(k), what);
  }
};
} // namespace

static void checkAll(SparseConv conv, const std::string &what) {
  bool isBest = true;
  for (const std::string &isa : getRunnableISAs()) {
    SCOPED_TRACE(isa);
    auto compiled = conv.compile(*getOptions(isa));
    ASSERT_TRUE(compiled->isClaimed()) << what;
    conv.check(*compiled, 1, what);
    if (isBest) {
      conv.check(*compiled, 0, what);
      conv.check(*compiled, 3, what);
    }
    isBest = false;
  }
}

TEST(SparseConv, Windows) {
  checkAll({3, 5, {7, 9}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}, "1x1");
  checkAll({5, 17, {8, 8}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, "same");
  checkAll({4, 3, {20, 19}, {3, 5}, {1, 1}, {1, 1}, {0, 2}, {2, 0}}, "uneven");
  checkAll({3, 16, {15, 18}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
           "strided");
  checkAll({2, 4, {17, 16}, {2, 3}, {3, 2}, {1, 1}, {0, 1}, {1, 2}}, "strides");
  checkAll({3, 4, {16, 17}, {3, 3}, {1, 1}, {2, 3}, {2, 3}, {2, 3}}, "dilated");
  checkAll({3, 4, {13, 17}, {3, 3}, {2, 3}, {3, 2}, {3, 0}, {1, 4}}, "all");
  checkAll({4, 6, {3, 3}, {5, 5}, {1, 1}, {1, 1}, {4, 4}, {4, 4}},
           "more padding than image");
  checkAll({4, 6, {5, 5}, {5, 5}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}, "a pixel");
}

TEST(SparseConv, OneAxis) {
  checkAll({3, 5, {33}, {4}, {1}, {1}, {1}, {2}}, "1-D");
  checkAll({3, 20, {40}, {3}, {2}, {2}, {2}, {2}}, "1-D with strides");
}

TEST(SparseConv, Starts) {
  SparseConv conv{5, 18, {9, 11}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
  conv.init = Init::Bias;
  checkAll(conv, "bias");
  conv.init = Init::Tensor;
  checkAll(conv, "tensor");
}

TEST(SparseConv, Encodings) {
  SparseConv conv{6, 21, {9, 10}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
  for (const char *weight :
       {"sparse<csr<i16>, nnz = ?, of = f32>",
        "sparse<bitmask, nnz = ?, of = f16>",
        "sparse<bitmask, nnz = ?, of = bf16>",
        "sparse<bitmask, nnz = ?, of = quant<i8, group = [*], scale = f32>>"}) {
    conv.weight = weight;
    checkAll(conv, weight);
  }
}

/// More inputs than a block, more filters than a range has.
TEST(SparseConv, Large) {
  SparseConv conv{70, 530, {6, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
  conv.density = 0.05;
  auto compiled = conv.compile(*getOptions(getRunnableISAs()[0]));
  ASSERT_TRUE(compiled->hasKernel("compress_conv_sparse"));
  conv.check(*compiled, 1, "large");
}

/// With few zeros a dense convolution is faster: they are put back at load.
TEST(SparseConv, FewZerosAreLeft) {
  SparseConv conv{5, 8, {9, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
  conv.density = 0.9;
  auto compiled = conv.compile(*getOptions(getRunnableISAs()[0]));
  ASSERT_TRUE(compiled->isClaimed());
  EXPECT_FALSE(compiled->hasKernel("compress_conv_sparse"));
  conv.check(*compiled, 1, "few zeros");
}

//===- CodedMatmulTest.cpp - Products with coded weights --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// However coded weights are inflated, results are those of the product with
// what is inside, bit for bit.
//
//===----------------------------------------------------------------------===//

#include "QuantizedKernelTestUtils.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace compress;
using namespace compress::test;

namespace {
struct CodedMatmul {
  int64_t n, k;
  std::string inside;
  Init init = Init::Zero;
  bool isConstant = false;

  /// Without a coder, of what is inside.
  std::unique_ptr<Compiled>
  compile(TargetOptions options, const std::string &coder, CodedWeights when) {
    options.coded = when;
    MLIRContext *context = &test::getContext();
    std::vector<int64_t> shape{k, n};
    std::string prefix = std::to_string(k) + "x" + std::to_string(n) + "xf32, ";
    CompressedTensorType inner = parseType(prefix + inside);
    std::string unknown;
    for (size_t i = 0; i < inner.getLeafTypes().size(); ++i)
      unknown += i ? ", ?" : "?";
    CompressedTensorType type =
        coder.empty() ? inner
                      : parseType(prefix + "coded<" + coder + ", bytes = [" +
                                  unknown + "], of = " + inside + ">");
    // Long tails leave most codes near zero.
    Array values = Array::random(shape, 7 * n + k, 0.3f);
    for (float &value : values.values)
      value = isConstant ? 1.0f : value * value * value;
    std::vector<HostTensor> leaves = encode(type, values);
    type = refineType(type, leaves);
    Type f32 = Float32Type::get(context);
    auto x = RankedTensorType::get({ShapedType::kDynamic, k}, f32);
    auto y = RankedTensorType::get({ShapedType::kDynamic, n}, f32);
    SmallVector<Type> inputs{x};
    if (init == Init::Bias)
      inputs.push_back(RankedTensorType::get({n}, f32));
    if (init == Init::Tensor)
      inputs.push_back(y);
    return std::make_unique<Compiled>(
        options, inputs, y, [&](OpBuilder &b, ValueRange args) -> Value {
          Value rhs =
              compress::ConstantOp::create(b, b.getUnknownLoc(), type, leaves);
          return buildProduct(b, y, args[0], args[0], rhs, /*transposed=*/false,
                              init, init == Init::Zero ? Value() : args[1]);
        });
  }

  std::vector<Array> getInputs(int64_t m) const {
    std::vector<Array> inputs{Array::random({m, k}, m + 1)};
    if (init == Init::Bias)
      inputs.push_back(Array::random({n}, 3));
    if (init == Init::Tensor)
      inputs.push_back(Array::random({m, n}, 4));
    return inputs;
  }

  /// Returns whether coded weights were claimed: not where they are no smaller.
  bool check(const std::string &isa, const std::string &coder) {
    TargetOptions options = *getOptions(isa);
    std::string what = isa + " " + coder + " " + inside + " " +
                       std::to_string(n) + "x" + std::to_string(k);
    auto plain = compile(options, "", CodedWeights::Auto);
    auto load = compile(options, coder, CodedWeights::Load);
    auto block = compile(options, coder, CodedWeights::Block);
    EXPECT_TRUE(plain->isClaimed()) << what;
    EXPECT_EQ(load->isClaimed(), block->isClaimed()) << what;
    if (!plain->isClaimed() || !load->isClaimed() || !block->isClaimed())
      return false;
    // One kernel more makes the table, and one inflates.
    EXPECT_EQ(load->getNumKernels(), plain->getNumKernels() + 2) << what;
    EXPECT_EQ(block->getNumKernels(), plain->getNumKernels() + 1) << what;
    for (int64_t m : {0, 1, 3, 40}) {
      Array expected = (*plain)(getInputs(m));
      for (Compiled *coded : {load.get(), block.get()}) {
        Array result = (*coded)(getInputs(m));
        EXPECT_EQ(result.shape, expected.shape) << what;
        if (result.shape != expected.shape)
          return true;
        EXPECT_EQ(std::memcmp(result.values.data(), expected.values.data(),
                              expected.values.size() * sizeof(float)),
                  0)
            << what << " m=" << m
            << (coded == load.get() ? " at load" : " by block");
      }
    }
    return true;
  }
};
} // namespace

TEST(CodedMatmul, EveryInstructionSet) {
  for (const std::string &isa : getRunnableISAs())
    for (const char *coder : {"huffman", "rans"}) {
      CodedMatmul whole{70, 96, "quant<i4, group = [32, 1], scale = f16>",
                        Init::Bias};
      EXPECT_TRUE(whole.check(isa, coder)) << isa;
      CodedMatmul odd{70, 145, "quant<i8, group = [*, 1], scale = f32>",
                      Init::Tensor};
      EXPECT_TRUE(odd.check(isa, coder)) << isa;
    }
}

TEST(CodedMatmul, ShapesAndCodes) {
  std::string isa = getRunnableISAs()[0];
  int number = 0, claimed = 0;
  for (int64_t n : {16, 65, 200})
    for (int64_t k : {33, 320})
      for (const char *inside :
           {"quant<i3, group = [*, 1], scale = f32>",
            "quant<ui4, group = [32, 1], scale = f16, zero = ui4>",
            "quant<f8E4M3FN, group = [*, 1], scale = f32>"}) {
        if (k % 32 && StringRef(inside).contains("32, 1"))
          continue;
        claimed += CodedMatmul{n, k, inside, Init(number % 3)}.check(
            isa, number % 2 ? "rans" : "huffman");
        ++number;
      }
  EXPECT_GT(claimed, number / 2);
}

TEST(CodedMatmul, OneSymbol) {
  // Codes of which all are equal take no bits at all.
  for (const std::string &isa : getRunnableISAs())
    for (const char *coder : {"huffman", "rans"})
      EXPECT_TRUE(
          (CodedMatmul{64, 128, "quant<i8, group = [*, 1], scale = f32>",
                       Init::Zero, /*isConstant=*/true}
               .check(isa, coder)));
}

TEST(CodedMatmul, MemoryStaysCoded) {
  TargetOptions options = *getOptions(getRunnableISAs()[0]);
  CodedMatmul op{512, 2048, "quant<i8, group = [*, 1], scale = f32>"};
  int64_t plain =
      op.compile(options, "", CodedWeights::Auto)->getConstantBytes();
  for (const char *coder : {"huffman", "rans"})
    EXPECT_LT(
        op.compile(options, coder, CodedWeights::Block)->getConstantBytes(),
        plain * 0.8);
}

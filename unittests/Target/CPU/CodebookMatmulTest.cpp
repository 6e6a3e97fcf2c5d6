//===- CodebookMatmulTest.cpp - Products with vector codebooks --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelCodebook.h"
#include "ReferenceSums.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::test;

namespace {
struct CodebookMatmul {
  int64_t n, k;
  int64_t size, vec, stages;
  bool transposed = false; // [N, K]
  Init init = Init::Zero;
  /// Rows known when compiling; dynamic else.
  int64_t rows = ShapedType::kDynamic;
  Array decoded = {}; // of the weight, set by compile()

  std::string getEncoding() const {
    std::string text = "codebook<" + std::to_string(size) +
                       ", of = generated<normal, seed = 5>";
    std::string along = std::to_string(vec);
    if (vec > 1)
      text += transposed ? ", vec = [1, " + along + "]"
                         : ", vec = [" + along + ", 1]";
    if (stages > 1)
      text += ", stages = " + std::to_string(stages);
    return text + ">";
  }

  std::unique_ptr<Compiled> compile(const TargetOptions &options) {
    MLIRContext *context = &test::getContext();
    std::vector<int64_t> shape =
        transposed ? std::vector<int64_t>{n, k} : std::vector<int64_t>{k, n};
    CompressedTensorType type =
        parseType(std::to_string(shape[0]) + "x" + std::to_string(shape[1]) +
                  "xf32, " + getEncoding());
    std::vector<HostTensor> leaves =
        encode(type, Array::random(shape, 7 * n + k));
    HostTensor plain =
        llvm::cantFail(type.getEncoding().decodeHost(type, leaves));
    decoded = {shape, plain.toFloats()};
    Type f32 = Float32Type::get(context);
    auto x = RankedTensorType::get({rows, k}, f32);
    auto y = RankedTensorType::get({rows, n}, f32);
    SmallVector<Type> inputs{x};
    if (init == Init::Bias)
      inputs.push_back(RankedTensorType::get({n}, f32));
    if (init == Init::Tensor)
      inputs.push_back(y);
    return std::make_unique<Compiled>(
        options, inputs, y, [&](OpBuilder &b, ValueRange args) -> Value {
          Value rhs =
              compress::ConstantOp::create(b, b.getUnknownLoc(), type, leaves);
          return buildProduct(b, y, args[0], args[0], rhs, transposed, init,
                              init == Init::Zero ? Value() : args[1]);
        });
  }

  /// Runs on `m` rows and compares with the exact sum of decoded values.
  void check(const Compiled &compiled, int64_t m, const std::string &what) {
    Array x = Array::random({m, k}, m + 1);
    std::vector<Array> inputs{x};
    if (init == Init::Bias)
      inputs.push_back(Array::random({n}, 3));
    if (init == Init::Tensor)
      inputs.push_back(Array::random({m, n}, 4));
    Array original = inputs.back();
    Array y = compiled(inputs);
    ASSERT_EQ(y.shape, (std::vector<int64_t>{m, n})) << what;
    // Entries are those of a standard normal distribution.
    constexpr double largest = 6;
    ReferenceSums sums = multiply(x, decoded, transposed, init, original);
    sums.magnitudes =
        multiply(x, Array::filled(decoded.shape, largest * stages), transposed,
                 init, original)
            .magnitudes;
    sums.expectNear(y, (k + stages + 8) * std::ldexp(1.0, -23),
                    what + ": m=" + std::to_string(m) +
                        " n=" + std::to_string(n) + " k=" + std::to_string(k));
  }
};
} // namespace

TEST(CodebookMatmul, SizesVectorsAndStages) {
  for (const std::string &isa : getRunnableISAs()) {
    int number = 0;
    for (int64_t size : {3, 16, 40, 256, 700})
      for (int64_t vec : {1, 2, 3, 8, 16})
        for (int64_t stages : {1, 2, 3}) {
          if (vec == 1 && stages == 1)
            continue;
          ++number;
          // The best instruction set sees a third, others less.
          if (number % (isa == getRunnableISAs()[0] ? 3 : 13))
            continue;
          CodebookMatmul op{37, 75, size, vec, stages};
          op.transposed = number % 2;
          op.init = Init(number % 3);
          auto compiled = op.compile(*getOptions(isa));
          std::string what = isa + " " + op.getEncoding();
          ASSERT_TRUE(compiled->isClaimed()) << what;
          for (int64_t m : {0, 1, 2, 5, 16, 17, 35})
            op.check(*compiled, m, what);
        }
  }
}

TEST(CodebookMatmul, OddShapes) {
  std::string isa = getRunnableISAs()[0];
  for (int64_t n : {1, 15, 16, 33, 130})
    for (int64_t k : {1, 7, 64, 513})
      for (bool isLarge : {false, true}) {
        CodebookMatmul op{n, k, isLarge ? 600 : 20, 4, 2};
        op.transposed = n % 2;
        auto compiled = op.compile(*getOptions(isa));
        ASSERT_TRUE(compiled->isClaimed());
        for (int64_t m : {1, 3, 18})
          op.check(*compiled, m, isa);
      }
}

TEST(CodebookMatmul, SeveralTasks) {
  std::string isa = getRunnableISAs()[0];
  for (int64_t size : {64, 1000}) {
    CodebookMatmul op{4200, 48, size, 8, 2};
    auto compiled = op.compile(*getOptions(isa));
    ASSERT_TRUE(compiled->isClaimed());
    for (int64_t m : {1, 20})
      op.check(*compiled, m, isa);
  }
}

TEST(CodebookMatmul, KnownRows) {
  for (const std::string &isa : getRunnableISAs())
    for (int64_t rows : {1, 4}) {
      CodebookMatmul op{48, 96, 32, 4, 2};
      op.rows = rows;
      auto compiled = op.compile(*getOptions(isa));
      ASSERT_TRUE(compiled->isClaimed());
      op.check(*compiled, rows, isa);
    }
}

TEST(CodebookMatmul, StaysCompressed) {
  // 2 bits a weight, where f32 would be 16 times as much.
  CodebookMatmul op{256, 1024, 256, 8, 2};
  auto compiled = op.compile(*getOptions(getRunnableISAs()[0]));
  ASSERT_TRUE(compiled->isClaimed());
  int64_t entries = 2 * 256 * 8 * 4;
  EXPECT_LE(compiled->getConstantBytes(), 256 * 1024 / 4 + entries + 1024);
}

TEST(CodebookMatmul, LeavesWhatItCannotDo) {
  std::string isa = getRunnableISAs()[0];
  // Blocks of outputs, and longer ones than registers hold.
  CodebookMatmul op{64, 96, 16, 8, 1};
  op.transposed = true;
  EXPECT_TRUE(op.compile(*getOptions(isa))->isClaimed());
  CodebookMatmul other{64, 96, 16, 48, 1};
  auto compiled = other.compile(*getOptions(isa));
  for (int64_t m : {1, 5})
    other.check(*compiled, m, isa);
}

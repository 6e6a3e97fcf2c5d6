//===- MatmulTest.cpp - compress_rt_matmul_f32 ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "RuntimeTestUtils.h"

#include <cmath>
#include <cstring>

using namespace compress::runtime;
using namespace compress::runtime::test;

namespace {

using Sizes = std::vector<int64_t>;

/// Computes in double and compares element by element.
void expectMatmul(Tensor<float> &a, Tensor<float> &b, Tensor<float> &bias,
                  Tensor<float> &c, bool relu) {
  size_t rank = a.sizes.size();
  int64_t depth = a.sizes[rank - 1];
  int mismatches = 0;
  c.forEach([&](const Sizes &i) {
    Sizes ai = i, bi = i;
    for (size_t d = 0; d + 2 < rank; ++d) {
      if (a.sizes[d] == 1)
        ai[d] = 0;
      if (b.sizes[d] == 1)
        bi[d] = 0;
    }
    double sum = bias.sizes[0] ? bias.at({i[rank - 1]}) : 0, scale = 1e-3;
    for (int64_t k = 0; k < depth; ++k) {
      ai[rank - 1] = bi[rank - 2] = k;
      sum += double(a.at(ai)) * b.at(bi);
      scale += std::fabs(double(a.at(ai)) * b.at(bi));
    }
    if (relu && sum < 0)
      sum = 0;
    if (std::fabs(sum - c.at(i)) > 1e-5 * scale && ++mismatches < 4)
      ADD_FAILURE() << "got " << c.at(i) << ", expected " << sum;
  });
  EXPECT_EQ(mismatches, 0);
}

struct Case {
  Sizes aBatch, bBatch, cBatch;
  int64_t M, N, K;
  bool transposeA = false, transposeB = false;
  int64_t slack = 0;
};

class Matmul : public testing::TestWithParam<Case> {};

Tensor<float> make(Sizes batch, int64_t rows, int64_t columns, bool transpose,
                   int64_t slack) {
  batch.push_back(rows);
  batch.push_back(columns);
  std::vector<int> order;
  for (size_t d = 0; d < batch.size(); ++d)
    order.push_back(static_cast<int>(d));
  if (transpose)
    std::swap(order[order.size() - 1], order[order.size() - 2]);
  return Tensor<float>(batch, order, slack);
}

TEST_P(Matmul, MatchesNaive) {
  const Case &p = GetParam();
  Harness harness;
  int64_t slot = 0;
  for (bool withBias : {false, true}) {
    for (bool relu : {false, true}) {
      auto a = make(p.aBatch, p.M, p.K, p.transposeA, p.slack);
      auto b = make(p.bBatch, p.K, p.N, p.transposeB, p.slack);
      auto c = make(p.cBatch, p.M, p.N, false, p.slack);
      Tensor<float> bias({withBias ? p.N : 0});
      a.fill(1);
      b.fill(2);
      bias.fill(3);
      // Twice: the second time the kernel is already there.
      for (int round = 0; round < 2; ++round) {
        c.fill(4, 5, 6);
        ASSERT_EQ(harness.run([&](void *ctx) {
          _mlir_ciface_compress_rt_matmul_f32(ctx, slot, a.ref(), b.ref(),
                                              bias.ref(), c.ref(), relu);
        }),
                  COMPRESS_OK)
            << harness.model->lastError();
        expectMatmul(a, b, bias, c, relu);
      }
      ++slot;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Matmul,
    testing::Values(Case{{}, {}, {}, 1, 1, 1}, Case{{}, {}, {}, 1, 17, 33},
                    Case{{}, {}, {}, 65, 1, 7}, Case{{}, {}, {}, 7, 300, 129},
                    Case{{}, {}, {}, 64, 64, 64},
                    Case{{}, {}, {}, 5, 9, 11, true, false},
                    Case{{}, {}, {}, 5, 9, 11, false, true},
                    Case{{}, {}, {}, 5, 9, 11, true, true},
                    Case{{}, {}, {}, 6, 10, 12, false, false, 5},
                    Case{{}, {}, {}, 6, 10, 12, true, true, 3},
                    Case{{3}, {3}, {3}, 4, 5, 6}, Case{{3}, {1}, {3}, 4, 5, 6},
                    Case{{1}, {3}, {3}, 4, 5, 6}, Case{{1}, {1}, {1}, 4, 5, 6},
                    Case{{7}, {1}, {7}, 1, 5, 6},
                    Case{{2, 3}, {2, 3}, {2, 3}, 8, 9, 10},
                    Case{{2, 3}, {1, 3}, {2, 3}, 8, 9, 10, false, true},
                    Case{{2, 1}, {1, 3}, {2, 3}, 8, 9, 10, true, false},
                    Case{{2, 3}, {1, 1}, {2, 3}, 8, 9, 10},
                    Case{{2, 3}, {1, 1}, {2, 3}, 8, 9, 10, false, false, 2},
                    Case{{2, 1, 3, 2}, {1, 4, 1, 2}, {2, 4, 3, 2}, 3, 4, 5},
                    Case{{}, {}, {}, 4, 5, 0}, Case{{}, {}, {}, 0, 5, 3},
                    Case{{0}, {1}, {0}, 2, 5, 3}));

/// [B, S, H, D] seen as [B, H, S, D], as attention does, and strides on every
/// dimension of the last matrix.
TEST(MatmulStrides, AttentionAndScattered) {
  Harness harness;
  Tensor<float> q({2, 4, 10, 16}, {0, 2, 1, 3}),
      k({2, 4, 16, 10}, {0, 3, 1, 2});
  Tensor<float> scores({2, 4, 10, 10}), none({0});
  Tensor<float> out({2, 4, 10, 10}, {2, 0, 3, 1});
  q.fill(1);
  k.fill(2);
  ASSERT_EQ(harness.run([&](void *ctx) {
    _mlir_ciface_compress_rt_matmul_f32(ctx, 0, q.ref(), k.ref(), none.ref(),
                                        scores.ref(), 0);
    _mlir_ciface_compress_rt_matmul_f32(ctx, 1, q.ref(), k.ref(), none.ref(),
                                        out.ref(), 0);
  }),
            COMPRESS_OK);
  expectMatmul(q, k, none, scores, false);
  expectMatmul(q, k, none, out, false);
}

/// An operand broadcast through stride 0 inside the matrix.
TEST(MatmulStrides, ZeroStride) {
  Harness harness;
  Tensor<float> a({6, 5}), b({5, 7}), bias({7}), c({6, 7});
  a.fill(1);
  b.fill(2);
  a.strides[0] = 0;
  bias.strides[0] = 0;
  bias.fill(3);
  harness.run([&](void *ctx) {
    _mlir_ciface_compress_rt_matmul_f32(ctx, 0, a.ref(), b.ref(), bias.ref(),
                                        c.ref(), 1);
  });
  expectMatmul(a, b, bias, c, true);
}

/// Weights in the weight file may be reordered once; shapes and threads may
/// change from call to call.
TEST(MatmulWeights, ConstantAndDynamic) {
  std::vector<float> file(64 * 48);
  std::mt19937 rng(9);
  for (float &f : file)
    f = static_cast<float>(int(rng() % 2001) - 1000) / 1000;
  Harness harness(1, 1, file.data(), file.size() * 4);
  Tensor<float> none({0});
  for (int64_t rows : {1, 20, 1, 3, 20, 33}) {
    harness.model->setThreads(rows == 3 ? 2 : 1);
    Tensor<float> a({rows, 64}), b({64, 48}), c({rows, 48});
    a.fill(rows);
    std::copy(file.begin(), file.end(), b.storage.begin() + 3);
    harness.run([&](void *ctx) {
      int64_t weights[] = {reinterpret_cast<int64_t>(file.data()),
                           reinterpret_cast<int64_t>(file.data()),
                           0,
                           64,
                           48,
                           48,
                           1};
      CompressUnrankedMemRef w = {
          2, reinterpret_cast<CompressMemRefHead *>(weights)};
      _mlir_ciface_compress_rt_matmul_f32(ctx, 0, a.ref(), &w, none.ref(),
                                          c.ref(), 0);
    });
    expectMatmul(a, b, none, c, false);
  }
}

TEST(MatmulErrors, EndTheRun) {
  Harness harness;
  Tensor<float> a({2, 3}), b({4, 5}), c({2, 5}), none({0}), bias({4}),
      b3({3, 5});
  bool returned = false;
  auto call = [&](int64_t slot, Tensor<float> &rhs, Tensor<float> &bias,
                  int64_t activation) {
    returned = false;
    return harness.run([&](void *ctx) {
      _mlir_ciface_compress_rt_matmul_f32(ctx, slot, a.ref(), rhs.ref(),
                                          bias.ref(), c.ref(), activation);
      returned = true;
    });
  };
  EXPECT_EQ(call(0, b, none, 0), COMPRESS_ERROR_SHAPE);
  EXPECT_FALSE(returned);
  EXPECT_STREQ(harness.model->lastError(),
               "matmul_f32 at slot 0: dimensions do not fit: A [2, 3] x B [4, "
               "5] + bias [0] to C [2, 5]");
  EXPECT_EQ(call(0, b3, bias, 0), COMPRESS_ERROR_SHAPE);
  EXPECT_EQ(call(0, b3, none, 9), COMPRESS_ERROR_SHAPE);
  EXPECT_EQ(call(4, b3, none, 0), COMPRESS_ERROR_INTERNAL);
  EXPECT_EQ(call(-1, b3, none, 0), COMPRESS_ERROR_INTERNAL);
  // The instance works on.
  EXPECT_EQ(call(0, b3, none, 0), COMPRESS_OK);
  EXPECT_TRUE(returned);
}

/// The portable loops are tested by themselves even where oneDNN serves.
TEST(MatmulPortable, MatchesNaive) {
  for (bool transpose : {false, true}) {
    Tensor<float> a({37, 53}), bias({519}), c({37, 519});
    Tensor<float> b({53, 519}, transpose ? std::vector<int>{1, 0}
                                         : std::vector<int>{0, 1});
    a.fill(1);
    b.fill(2);
    bias.fill(3);
    MatmulProblem p = {};
    p.M = 37;
    p.N = 519;
    p.K = 53;
    p.aM = a.strides[0], p.aK = a.strides[1];
    p.bK = b.strides[0], p.bN = b.strides[1];
    p.cM = c.strides[0], p.cN = c.strides[1];
    p.A = &a.at({0, 0}), p.B = &b.at({0, 0}), p.C = &c.at({0, 0});
    p.bias = &bias.at({0});
    p.biasStride = 1;
    p.relu = true;
    matmulPortable(p);
    expectMatmul(a, b, bias, c, true);
  }
}

} // namespace

//===- DeviceCostTest.cpp - Predicted times of devices ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a search relies on where nothing can be timed: every target has a time
// for every encoding, and orders that follow from bytes and operations.
//
//===----------------------------------------------------------------------===//

#include "compress/InitAll.h"
#include "compress/Target/Target.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace compress;

namespace {
constexpr int64_t kSize = 2048;

struct DeviceCost : public ::testing::TestWithParam<const char *> {
  DeviceCost() {
    registerAllTargets();
    DialectRegistry registry;
    compress::registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.loadDialect<func::FuncDialect, tensor::TensorDialect>();
    target = llvm::cantFail(TargetRegistry::get().lookup(GetParam()));
    llvm::cantFail(target->resolve(options));
  }

  /// x [rows, K] times weights [K, N]; -1 where no time is known.
  double get(int64_t rows, StringRef weight, StringRef activation = "f32") {
    auto parse = [&](int64_t size, StringRef encoding) {
      Type type =
          parseType("!compress.tensor<" + std::to_string(size) + "x" +
                        std::to_string(kSize) + "xf32, " + encoding.str() + ">",
                    &context);
      EXPECT_TRUE(type) << encoding.str();
      return type;
    };
    OpBuilder b(&context);
    Location loc = b.getUnknownLoc();
    OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
    b.setInsertionPointToStart(module->getBody());
    auto result = RankedTensorType::get({rows, kSize}, b.getF32Type());
    Type types[] = {parse(rows, activation), parse(kSize, weight), result};
    auto function = func::FuncOp::create(b, loc, "main_graph",
                                         b.getFunctionType(types, {}));
    Block *block = function.addEntryBlock();
    b.setInsertionPointToStart(block);
    AffineExpr m, n, k;
    bindDims(&context, m, n, k);
    auto map = [&](AffineExpr x, AffineExpr y) {
      return AffineMap::get(3, 0, {x, y}, &context);
    };
    auto op = ContractOp::create(
        b, loc, result, block->getArgument(0), block->getArgument(1),
        block->getArgument(2),
        b.getAffineMapArrayAttr({map(m, k), map(n, k), map(m, n)}),
        b.getStrArrayAttr({"parallel", "parallel", "reduction"}));
    return target->estimateSeconds(op, options).value_or(-1);
  }

  MLIRContext context;
  const Target *target;
  TargetOptions options;
  const char *int8 = "quant<i8, group = [1, *], scale = f32>";
  const char *int4 = "quant<i4, group = [1, 32], scale = f16>";
};
} // namespace

TEST_P(DeviceCost, EveryEncodingHasATime) {
  for (const char *weight :
       {"f32", "f16", int8, int4, "codebook<16, of = f16>",
        "sparse<nm<2:4>, of = f32>", "sparse<bitmask, nnz = 80000, of = f16>",
        "sparse<csr<i16>, nnz = 80000, of = f16>",
        "factored<\"i j = i r, r j\", sizes = {r = 64}, of = [f16, f16]>",
        "sum<[quant<i4, group = [1, 32], scale = f16>, sparse<csr<i16>, nnz = "
        "800, of = f16>]>",
        "permuted<axis = 1, index = i11, of = quant<i4, group = [1, 32], scale "
        "= f16>>",
        "rotated<hadamard, axis = 1, block = 128, of = quant<i4, group = [1, "
        "32], scale = f16>>"})
    for (int64_t rows : {1, 64}) {
      double seconds = get(rows, weight);
      EXPECT_GT(seconds, 1e-7) << weight << ", rows " << rows;
      EXPECT_LT(seconds, 10) << weight << ", rows " << rows;
    }
}

TEST_P(DeviceCost, MoreWorkTakesLonger) {
  for (const char *weight : {"f32", int8, int4})
    for (const char *activation : {"f32", int8}) {
      double last = 0;
      for (int64_t rows : {4, 16, 64, 256, 1024}) {
        double seconds = get(rows, weight, activation);
        EXPECT_GE(seconds, last * 0.999) << weight << " " << rows;
        last = seconds;
      }
      EXPECT_GT(last, get(4, weight, activation)) << weight;
    }
}

TEST_P(DeviceCost, CodesPayForManyRows) {
  EXPECT_LT(get(1024, int8, int8), get(1024, "f32"));
  // Decoding is never free.
  EXPECT_GE(get(1024, int4), get(1024, "f32") * 0.999);
}

/// A warp reads what is stored once: few bits pay where there is one row.
TEST_P(DeviceCost, FewBitsPayForOneRowOfWarps) {
  if (StringRef(GetParam()).contains(':'))
    EXPECT_LT(get(1, int4), get(1, "f32"));
}

TEST_P(DeviceCost, LowRanksPay) {
  EXPECT_LT(get(256, "factored<\"i j = i r, r j\", sizes = {r = 64}, of = "
                     "[f32, f32]>"),
            get(256, "f32"));
}

INSTANTIATE_TEST_SUITE_P(Targets, DeviceCost,
                         ::testing::Values("sme", "vulkan", "cuda:sm_90",
                                           "rocm:gfx942"),
                         [](const auto &info) {
                           return StringRef(info.param).split(':').first.str();
                         });

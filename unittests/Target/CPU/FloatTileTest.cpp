//===- FloatTileTest.cpp - Float register tiles -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelFloat.h"
#include "QuantizedKernelTestUtils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;
using namespace compress::test;

namespace {
struct Tile {
  unsigned rows, vectors;
  DotAxis axis;
  Type stored;
  unsigned prefetchShare = 0;
  /// Elements of A between rows, and in all.
  int64_t rowStride = 5, size = 1000;

  int64_t getK() const { return axis.getNumRuns() * axis.run; }
  /// Where element `k` of the sum lies in a row of A.
  int64_t getOffset(int64_t k) const {
    int64_t run = k / axis.run, offset = k % axis.run;
    for (auto [extent, stride] : llvm::reverse(axis.outer)) {
      offset += run % extent * stride;
      run /= extent;
    }
    return offset;
  }

  void check(StringRef name) const {
    const TargetOptions options = *getOptions(name);
    const KernelISA &isa = selectKernelISA(options);
    ASSERT_EQ(name, isa.name);
    int64_t width = int64_t(vectors) * isa.getLanes(), size = this->size;
    Array weights = Array::random({getK(), width}, 5);
    HostTensor source =
        HostTensor::fromFloats(weights.shape, stored, weights.values);
    weights.values = source.toFloats();
    HostTensor packed = source.reshape({getK() * width})
                            .bitcast(getPackedFloatType(isa, stored));

    MLIRContext *context = &test::getContext();
    Type f32 = Float32Type::get(context);
    auto in = RankedTensorType::get({size}, f32);
    auto out = RankedTensorType::get({rows, width}, f32);
    Compiled compiled(
        options, {in, out}, out, [&](OpBuilder &b, ValueRange args) -> Value {
          auto dynamic = [&](ArrayRef<int64_t> shape, Type type) -> Type {
            return MemRefType::get(shape, type);
          };
          auto module =
              b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
          Type types[] = {dynamic({size}, f32),
                          dynamic({getK() * width}, packed.getElementType()),
                          dynamic({rows, width}, f32)};
          getOrCreateKernel(module, "tile", types, [&](KernelBuilder &k) {
            ValueRange memrefs = k.getArguments();
            SmallVector<Value> bases, init;
            for (unsigned r = 0; r < rows; ++r) {
              bases.push_back(k.index(r * rowStride));
              for (unsigned v = 0; v < vectors; ++v)
                init.push_back(
                    k.loadVector(isa.getLanes(), memrefs[2],
                                 {k.index(r), k.index(v * isa.getLanes())}));
            }
            std::optional<FloatPrefetch> prefetch;
            if (prefetchShare)
              prefetch = FloatPrefetch{k.index(64), k.index(1), prefetchShare};
            SmallVector<Value> sums =
                emitFloatTile(k, isa, axis, vectors, memrefs[0], bases,
                              memrefs[1], k.index(0), init, stored, prefetch);
            for (unsigned i = 0; i < sums.size(); ++i)
              k.storeVector(sums[i], memrefs[2],
                            {k.index(i / vectors),
                             k.index(i % vectors * isa.getLanes())});
          });
          Location loc = b.getUnknownLoc();
          Value constant =
              arith::ConstantOp::create(b, loc, packed.toResource("weights"));
          return KernelOp::create(b, loc, TypeRange(out), "tile",
                                  ValueRange{args[0], constant}, ValueRange(),
                                  args[1], /*stateful=*/false,
                                  /*side_effect=*/false)
              .getResult(0);
        });
    Array a = Array::random({size}, 1), init = Array::random({rows, width}, 2);
    Array sums = compiled({a, init});
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t n = 0; n < width; ++n) {
        double sum = init.values[r * width + n], magnitude = std::fabs(sum);
        for (int64_t k = 0; k < getK(); ++k) {
          double product = double(a.values[r * rowStride + getOffset(k)]) *
                           weights.values[k * width + n];
          sum += product;
          magnitude += std::fabs(product);
        }
        ASSERT_NEAR(sums.values[r * width + n], sum,
                    (getK() + 6) * std::ldexp(magnitude, -24))
            << name.str() << ": " << rows << " x " << vectors << " at " << r
            << ", " << n;
      }
  }
};
} // namespace

TEST(FloatTile, RowsAndVectors) {
  Type f32 = Float32Type::get(&test::getContext());
  for (const std::string &isa : getRunnableISAs())
    for (unsigned rows : {1, 3, 8})
      for (unsigned vectors : {1, 2, 3}) {
        Tile tile{rows, vectors, {}, f32};
        tile.axis.run = 37;
        tile.check(isa);
      }
}

TEST(FloatTile, Runs) {
  Type f32 = Float32Type::get(&test::getContext());
  for (int64_t run : {1, 2, 3, 4, 21}) {
    Tile tile{2, 2, {}, f32};
    tile.axis.outer = {{3, 200}, {1, 7}, {4, 32}};
    tile.axis.run = run;
    tile.prefetchShare = run % 3;
    tile.check(getRunnableISAs()[0]);
  }
}

TEST(FloatTile, StoredTypes) {
  MLIRContext *context = &test::getContext();
  for (const std::string &isa : getRunnableISAs())
    for (Type stored :
         {Type(Float16Type::get(context)), Type(BFloat16Type::get(context))}) {
      Tile tile{4, 1, {}, stored};
      tile.axis.run = 50;
      tile.check(isa);
    }
}

TEST(FloatTile, Packing) {
  MLIRContext *context = &test::getContext();
  const KernelISA &isa = selectKernelISA(*getOptions("portable"));
  // w[n, k] stored [k, n] with n odd.
  constexpr int64_t n = 11, k = 3;
  Array w = Array::random({k, n}, 3);
  HostTensor source =
      HostTensor::fromFloats(w.shape, Float32Type::get(context), w.values);
  HostTensor packed = packFloatWeights(
      isa, source, llvm::to_vector(llvm::seq<int64_t>(0, n)), {0, n, 2 * n});
  ASSERT_EQ(packed.getNumElements(), 3 * 12);
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < 12; ++j) {
      int64_t at = j < 8 ? i * 8 + j : 3 * 8 + i * 4 + j - 8;
      EXPECT_EQ(packed.getDouble(at), j < n ? w.values[i * n + j] : 0.0f);
    }
}

TEST(FloatTile, SpecialHalves) {
  // All f16 bit patterns through the integer conversion and the instruction.
  MLIRContext *context = &test::getContext();
  Type f16 = Float16Type::get(context), f32 = Float32Type::get(context);
  constexpr int64_t count = 65536;
  HostTensor halves = HostTensor::allocate({count}, f16);
  for (int64_t i = 0; i < count; ++i)
    halves.setBits(i, i);
  for (StringRef name : {"avx2", "portable"}) {
    auto options = getOptions(name);
    if (!options)
      continue;
    const KernelISA &isa = selectKernelISA(*options);
    auto out = RankedTensorType::get({count}, f32);
    HostTensor packed = halves.bitcast(getPackedFloatType(isa, f16));
    Compiled compiled(
        *options, {out}, out, [&](OpBuilder &b, ValueRange args) -> Value {
          auto module =
              b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
          Type types[] = {MemRefType::get({count}, packed.getElementType()),
                          MemRefType::get({count}, f32)};
          getOrCreateKernel(module, "halves", types, [&](KernelBuilder &k) {
            k.loop(k.index(0), k.index(count), isa.getLanes(), [&](Value at) {
              k.storeVector(
                  emitLoadWeights(k, isa, f16, k.getArguments()[0], at),
                  k.getArguments()[1], at);
            });
          });
          Location loc = b.getUnknownLoc();
          Value constant =
              arith::ConstantOp::create(b, loc, packed.toResource("halves"));
          return KernelOp::create(b, loc, TypeRange(out), "halves", constant,
                                  ValueRange(), args[0], /*stateful=*/false,
                                  /*side_effect=*/false)
              .getResult(0);
        });
    Array values = compiled({Array::filled({count}, 0)});
    for (int64_t i = 0; i < count; ++i) {
      double expected = halves.getDouble(i);
      if (std::isnan(expected))
        ASSERT_TRUE(std::isnan(values.values[i])) << name.str() << " " << i;
      else
        ASSERT_EQ(values.values[i], expected) << name.str() << " " << i;
    }
  }
}

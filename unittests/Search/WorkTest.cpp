//===- WorkTest.cpp - Operations, bit operations, energy --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/Work.h"
#include "../Support/TempDir.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Interfaces/CompressibleOpInterfaceImpl.h"
#include "compress/Plan/Apply.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <cmath>
#include <fstream>

using namespace mlir;
using namespace compress;
using compress::test::TempDir;

namespace {

class WorkTest : public ::testing::Test {
protected:
  WorkTest() {
    DialectRegistry registry;
    registry.insert<CompressDialect, onnx::ONNXDialect, func::FuncDialect>();
    onnx::registerCompressibleOpInterfaceExternalModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  /// The only site of a function.
  const Site &parse(StringRef text) {
    module = parseSourceString<ModuleOp>(text, &context);
    list = findSites(*module->getOps<func::FuncOp>().begin());
    return list.sites.front();
  }
  const Site &parseMatMul(StringRef rows = "6") {
    return parse(("func.func @f(%x: tensor<" + rows + "x16xf32>) -> tensor<" +
                  rows +
                  "x8xf32> {\n"
                  "%w = onnx.Initializer \"w\" = dense<0.5> : "
                  "tensor<16x8xf32>\n"
                  "%0 = onnx.MatMul(%x, %w) : (tensor<" +
                  rows + "x16xf32>, tensor<16x8xf32>) -> tensor<" + rows +
                  "x8xf32>\nreturn %0 : tensor<" + rows + "x8xf32>\n}")
                     .str());
  }
  /// 3 x 3 with stride 2: 16 x 16 pixels become 8 x 8.
  const Site &parseConv() {
    return parse(R"mlir(
func.func @f(%x: tensor<2x64x16x16xf32>) -> tensor<2x64x8x8xf32> {
  %w = onnx.Initializer "w" = dense<0.5> : tensor<64x64x3x3xf32>
  %0 = onnx.Conv(%x, %w) {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>}
      : (tensor<2x64x16x16xf32>, tensor<64x64x3x3xf32>) -> tensor<2x64x8x8xf32>
  return %0 : tensor<2x64x8x8xf32>
})mlir");
  }

  CompressedTensorType stored(StringRef text) {
    return cast<CompressedTensorType>(parseType(text, &context));
  }
  static Level level(StringRef name) {
    return llvm::cantFail(Level::parse(name));
  }
  double flops(const Site &site, StringRef type) {
    return llvm::cantFail(measureWork(site, level("int8"), stored(type))).flops;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  SiteList list;
};

} // namespace

TEST_F(WorkTest, OnlyWhatIsStoredIsMultiplied) {
  const Site &site = parseMatMul();
  SiteWork asFloat = llvm::cantFail(measureWork(site, level("f32"), {}));
  EXPECT_EQ(asFloat.flops, 2 * 6 * 16 * 8);
  EXPECT_EQ(asFloat.bops, 6 * 16 * 8 * 32 * 32);
  auto f = [&](StringRef encoding) {
    return flops(site, ("!compress.tensor<16x8xf32, " + encoding + ">").str());
  };
  EXPECT_EQ(f("quant<i4, group = [*, 1], scale = f32>"), 2 * 6 * 16 * 8);
  EXPECT_EQ(f("sparse<bitmask, nnz = 10, of = f16>"), 2 * 6 * 10);
  EXPECT_EQ(f("sparse<csr<i16>, nnz = 11, of = quant<i8, group = [*], scale = "
              "f32>>"),
            2 * 6 * 11);
  EXPECT_EQ(f("sparse<nm<2:4>, of = f32>"), 2 * 6 * 64);
  EXPECT_EQ(f("sparse<channels<0>, nnz = 3, of = f32>"), 2 * 6 * 3 * 8);
  EXPECT_EQ(f("sum<[quant<i4, group = [*, 1], scale = f32>, sparse<csr<i16>, "
              "nnz = 5, of = f16>]>"),
            2 * 6 * (16 * 8 + 5));
  // A low rank meets the activation factor by factor.
  EXPECT_EQ(f("factored<\"i j = i r, r j\", sizes = {r = 2}, of = [f32, f32]>"),
            2 * 6 * (16 * 2 + 2 * 8));
  // A sparse factor counts what it stores.
  EXPECT_EQ(f("factored<\"i j = i r, r j\", sizes = {r = 2}, of = "
              "[sparse<bitmask, nnz = 7, of = f32>, f32]>"),
            2 * 6 * (7 + 2 * 8));
  // Butterflies of 16 = 2^4 along the activation: half a multiply-add each.
  EXPECT_EQ(f("rotated<hadamard, axis = 0, block = 16, of = f32>"),
            2 * 6 * (16 * 8 + 16 * 4 / 2));
  EXPECT_EQ(f("permuted<axis = 0, index = i8, of = f32>"), 2 * 6 * 16 * 8);
}

TEST_F(WorkTest, FullRanksAreDecoded) {
  // 16 x 8 + 8 x 8 a row, or once 16 x 8 x 8 and 16 x 8 a row.
  StringRef type = "!compress.tensor<16x8xf32, factored<\"i j = i r, r j\", "
                   "sizes = {r = 8}, of = [f32, f32]>>";
  EXPECT_EQ(flops(parseMatMul("6"), type), 2 * 6 * (16 * 8 + 8 * 8));
  EXPECT_EQ(flops(parseMatMul("100"), type), 2 * (16 * 8 * 8 + 100 * 16 * 8));
}

TEST_F(WorkTest, BitOperationsMultiplyTheWidths) {
  const Site &site = parseMatMul();
  double macs = 6 * 16 * 8;
  auto bops = [&](StringRef name) {
    Level own = level(name);
    auto encoded = llvm::cantFail(encodeSite(site, own, nullptr));
    return llvm::cantFail(measureWork(site, own, encoded.type)).bops;
  };
  EXPECT_EQ(bops("int8"), macs * 8 * 32);
  EXPECT_EQ(bops("int4-g32"), macs * 4 * 32);
  EXPECT_EQ(bops("int8-dynamic"), macs * 8 * 8);
}

TEST_F(WorkTest, EnergyIsOperationsAndBytes) {
  const Site &site = parseMatMul();
  EnergyModel model;
  double macs = 6 * 16 * 8, cached = 6 * 16 * 4 + 6 * 8 * 4;
  SiteWork work = llvm::cantFail(measureWork(site, level("f32"), {}));
  EXPECT_NEAR(work.joules,
              1e-12 * (macs * (3.7 + 0.9) + 16 * 8 * 4 * 162.5 + cached * 12.5),
              1e-18);
  // The more bytes and bits, the more energy.
  Level int8 = level("int8"), both = level("int8-dynamic");
  auto type = llvm::cantFail(encodeSite(site, int8, nullptr)).type;
  double weights = llvm::cantFail(measureWork(site, int8, type)).joules;
  double integers = llvm::cantFail(measureWork(site, both, type)).joules;
  EXPECT_LT(weights, work.joules);
  EXPECT_LT(integers, weights);
  model.memoryByte = model.cacheByte = 0;
  EXPECT_NEAR(llvm::cantFail(measureWork(site, both, type, model)).joules,
              1e-12 * macs * (0.2 + 0.1), 1e-20);
}

TEST_F(WorkTest, ConvolutionsCountPixels) {
  const Site &site = parseConv();
  double inputs = 2 * 16 * 16, outputs = 2 * 8 * 8;
  EXPECT_EQ(llvm::cantFail(measureWork(site, level("f32"), {})).flops,
            2 * outputs * 64 * 64 * 3 * 3);
  auto f = [&](StringRef equation, StringRef sizes, int factors) {
    std::string of = "f32";
    for (int i = 1; i < factors; ++i)
      of += ", f32";
    return flops(site,
                 ("!compress.tensor<64x64x3x3xf32, factored<\"" + equation +
                  "\", sizes = {" + sizes + "}, of = [" + of + "]>>")
                     .str());
  };
  // Tucker: a 1x1 convolution of all pixels, a small one, a 1x1 of those left.
  EXPECT_EQ(f("o i h w = o p, p q h w, i q", "p = 8, q = 8", 3),
            2 * (inputs * 64 * 8 + outputs * 8 * 8 * 9 + outputs * 8 * 64));
  // CP: the window is put together once.
  EXPECT_EQ(f("o i h w = o r, i r, h r, w r", "r = 1", 4),
            2 * (inputs * 64 + 9 + outputs * 9 + outputs * 64));
}

TEST_F(WorkTest, TransposedConvolutionsCountPixelsOfTheInput) {
  const Site &site = parse(R"mlir(
func.func @f(%x: tensor<1x4x5x5xf32>) -> tensor<1x6x11x11xf32> {
  %w = onnx.Initializer "w" = dense<0.5> : tensor<4x6x3x3xf32>
  %0 = onnx.ConvTranspose(%x, %w) {strides = array<i64: 2, 2>}
      : (tensor<1x4x5x5xf32>, tensor<4x6x3x3xf32>) -> tensor<1x6x11x11xf32>
  return %0 : tensor<1x6x11x11xf32>
})mlir");
  EXPECT_EQ(llvm::cantFail(measureWork(site, level("f32"), {})).flops,
            2.0 * 5 * 5 * 4 * 6 * 3 * 3);
}

TEST_F(WorkTest, UnknownShapesAreAnError) {
  const Site &site = parseMatMul("?");
  auto work = measureWork(site, level("f32"), {});
  EXPECT_EQ(llvm::toString(work.takeError()),
            "site 'w': the shapes that it works on are not known");
}

TEST_F(WorkTest, EnergyModelsAreFiles) {
  TempDir directory;
  auto load = [&](const char *text) {
    std::string path = directory.file("chip.yaml");
    std::ofstream(path) << text;
    return EnergyModel::load(path);
  };
  EnergyModel model =
      llvm::cantFail(load("int8-multiply: 0.07\nmemory-byte: 20\n"));
  EXPECT_EQ(model.int8Multiply, 0.07);
  EXPECT_EQ(model.memoryByte, 20);
  EXPECT_EQ(model.f32Add, EnergyModel().f32Add);
  EXPECT_NE(llvm::toString(load("memory-byte: -1\n").takeError())
                .find("'memory-byte' is not a number of picojoules"),
            std::string::npos);
  EXPECT_NE(llvm::toString(load("\nint9: 1\n").takeError()).find(":2: "),
            std::string::npos);
  EXPECT_NE(
      llvm::toString(EnergyModel::load(directory.file("none")).takeError())
          .find("none: "),
      std::string::npos);
}

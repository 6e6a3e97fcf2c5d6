//===- ApplyTest.cpp - Sites, statistics and plans on IR --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Plan/Apply.h"
#include "compress/Calibration/Observe.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Interfaces/CompressibleOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace compress;

static constexpr const char source[] = R"mlir(
func.func @f(%x: tensor<?x16xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %a = onnx.Initializer "a" = dense<0.3> : tensor<16x8xf32>
  %b = onnx.Initializer "b" = dense<0.7> : tensor<8x16xf32>
  %s = onnx.Initializer "small" = dense<0.7> : tensor<2xf32>
  %0 = onnx.MatMul(%x, %a) : (tensor<?x16xf32>, tensor<16x8xf32>) -> tensor<?x8xf32>
  %1 = onnx.Gemm(%x, %b) {transB = 1 : i64, onnx.node_name = "second"}
      : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x8xf32>
  return %0, %1 : tensor<?x8xf32>, tensor<?x8xf32>
}
)mlir";

namespace {

class ApplyTest : public ::testing::Test {
protected:
  ApplyTest() {
    DialectRegistry registry;
    registry.insert<CompressDialect, onnx::ONNXDialect, func::FuncDialect,
                    arith::ArithDialect>();
    onnx::registerCompressibleOpInterfaceExternalModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    module = parseSourceString<ModuleOp>(source, &context);
    function = *module->getOps<func::FuncOp>().begin();
  }

  static std::string print(Operation *op) {
    std::string text;
    llvm::raw_string_ostream(text) << *op;
    return text;
  }

  Plan uniform(StringRef level) {
    return Plan::uniform(findSites(function).sites,
                         llvm::cantFail(Level::parse(level)));
  }

  /// Statistics of an instrumented copy that "ran" on these values.
  Statistics calibrate(ArrayRef<float> values) {
    func::FuncOp copy = function.clone();
    Statistics statistics = insertObservers(findSites(copy).sites);
    EXPECT_TRUE(succeeded(verify(copy)));
    ObserverSink sink(statistics);
    int64_t rows = values.size() / 16;
    copy.walk([&](ObserveOp op) {
      sink.observe(op.getId(), COMPRESS_DTYPE_F32, {rows, 16}, {16, 1},
                   values.data());
    });
    EXPECT_EQ(llvm::toString(sink.takeError()), "");
    copy.erase();
    return statistics;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  func::FuncOp function;
};

TEST_F(ApplyTest, FindsSites) {
  SiteList list = findSites(function);
  ASSERT_EQ(list.sites.size(), 2u);
  EXPECT_EQ(list.sites[0].name, "a");
  EXPECT_EQ(list.sites[0].getOpName(), "onnx.MatMul");
  EXPECT_EQ(list.sites[1].getNodeName(), "second");
  EXPECT_EQ(list.sites[1].getBytes(), 512u);
  EXPECT_TRUE(list.sites[1].uses[0].isMatrixProduct());
  EXPECT_EQ(list.sites[1].getRole().reductionAxes[0], 1);
  EXPECT_EQ(list.getBytes(), 1024u);
}

TEST_F(ApplyTest, StaticActivationsComeFromStatistics) {
  std::vector<float> values(32, 1.0f);
  values[5] = -2;
  values[20] = 8.2f;
  Statistics statistics = calibrate(values);
  // Both sites read one activation.
  EXPECT_EQ(statistics.size(), 1u);
  std::vector<double> moments = statistics.getSecondMoments("b");
  ASSERT_EQ(moments.size(), 16u);
  EXPECT_DOUBLE_EQ(moments[5], 2.5);

  ApplyOptions options;
  options.statistics = &statistics;
  auto report = llvm::cantFail(applyPlan(function, uniform("w8a8"), options));
  EXPECT_TRUE(succeeded(verify(*module)));
  SmallVector<EncodeOp> encodes;
  function.walk([&](EncodeOp op) { encodes.push_back(op); });
  ASSERT_EQ(encodes.size(), 1u);
  ASSERT_EQ(encodes[0].getParameters().size(), 2u);
  // Range [-2, 8.2]: scale 0.04, zero point 50.
  auto number = [&](unsigned i) {
    auto constant =
        encodes[0].getParameters()[i].getDefiningOp<arith::ConstantOp>();
    return llvm::cantFail(
        HostTensor::fromAttr(cast<ElementsAttr>(constant.getValue())));
  };
  EXPECT_NEAR(number(0).getDouble(0), 0.04, 1e-6);
  EXPECT_EQ(number(1).getBits(0), 50u);

  ASSERT_EQ(report.sites.size(), 2u);
  EXPECT_EQ(report.sites[0].level, "w8a8");
  EXPECT_EQ(report.sites[0].bytesAfter, 128u + 8 * 4);
  EXPECT_DOUBLE_EQ(report.sites[0].bits, 8 + 8 * 32.0 / 128);
}

TEST_F(ApplyTest, FailureLeavesTheFunctionAlone) {
  std::string before = print(*module);
  auto report = applyPlan(function, uniform("w8a8"));
  ASSERT_FALSE(bool(report));
  EXPECT_EQ(llvm::toString(report.takeError()),
            "site 'a': level 'w8a8' needs statistics of its activation; give "
            "calibration data");
  EXPECT_EQ(print(*module), before);
}

TEST_F(ApplyTest, PartsOfAPlanAndAttributes) {
  Plan plan = uniform("int8");
  plan.sites.erase(plan.sites.begin());
  plan.toAttributes(findSites(function).sites);
  Plan again = llvm::cantFail(Plan::fromAttributes(findSites(function).sites));
  ASSERT_EQ(again.sites.size(), 1u);
  EXPECT_EQ(again.sites[0].name, "b");
  auto report = llvm::cantFail(applyPlan(function, again));
  EXPECT_EQ(report.sites[0].level, "f32");
  EXPECT_EQ(report.sites[0].bytesAfter, report.sites[0].bytesBefore);
  EXPECT_EQ(report.sites[1].level, "int8");
  Plan written = report.toPlan("m.onnx");
  EXPECT_EQ(written.sites.size(), 2u);
  // What is compressed is a site no more.
  EXPECT_EQ(findSites(function).sites.size(), 1u);
}

TEST_F(ApplyTest, ThreadsDoNotMatter) {
  Statistics statistics = calibrate(std::vector<float>(64, 0.5f));
  ApplyOptions options;
  options.statistics = &statistics;
  Plan plan = uniform("int4-g32:rtn(range=mse)");
  OwningOpRef<ModuleOp> copy = module->clone();
  llvm::cantFail(applyPlan(function, plan, options));
  context.disableMultithreading();
  llvm::cantFail(
      applyPlan(*copy->getOps<func::FuncOp>().begin(), plan, options));
  auto leaves = [](ModuleOp root) {
    std::vector<std::vector<char>> bytes;
    root.walk([&](ConstantOp op) {
      for (const HostTensor &leaf : op.getLeaves())
        bytes.push_back(leaf.getBytes().vec());
    });
    return bytes;
  };
  EXPECT_EQ(leaves(*module), leaves(*copy));
  EXPECT_EQ(leaves(*module).size(), 4u);
}

} // namespace

TEST_F(ApplyTest, ErrorsOfLayersKnowCorrelations) {
  // Channels 0 and 1 are always alike, so opposite errors of their weights
  // cancel, and equal ones add up.
  std::vector<float> values(64 * 16);
  for (int row = 0; row < 64; ++row)
    for (int c = 0; c < 16; ++c)
      values[row * 16 + c] = std::sin(row * 1.3 + (c < 2 ? 0 : c * 0.7));
  Statistics statistics = calibrate(values);
  SiteList list = findSites(function);
  for (const Site &site : list.sites) {
    bool isTransposed = site.name == "b";
    auto weight = llvm::cantFail(HostTensor::fromAttr(site.elements));
    auto getError = [&](double first, double second) {
      std::vector<float> changed;
      for (int64_t i = 0; i < weight.getNumElements(); ++i)
        changed.push_back(float(weight.getDouble(i)));
      // Output 3.
      changed[isTransposed ? 3 * 16 + 0 : 0 * 8 + 3] += float(first);
      changed[isTransposed ? 3 * 16 + 1 : 1 * 8 + 3] += float(second);
      auto decoded = HostTensor::fromFloats(weight.getShape(),
                                            weight.getElementType(), changed);
      auto error = measureOutputError(site, weight, decoded, statistics);
      EXPECT_TRUE(error.has_value());
      // Against the outputs themselves.
      double noise = 0, energy = 0;
      for (int row = 0; row < 64; ++row)
        for (int n = 0; n < 8; ++n) {
          double before = 0, after = 0;
          for (int c = 0; c < 16; ++c) {
            int64_t i = isTransposed ? n * 16 + c : c * 8 + n;
            before += values[row * 16 + c] * weight.getDouble(i);
            after += values[row * 16 + c] * double(changed[i]);
          }
          noise += (after - before) * (after - before);
          energy += before * before;
        }
      EXPECT_NEAR(error->relative, noise / energy, 1e-4 * noise / energy + 1e-9)
          << site.name;
      EXPECT_NEAR(error->absolute, noise / 64, 1e-4 * noise / 64 + 1e-9);
      return error->relative;
    };
    double alone = getError(0.1, 0);
    EXPECT_NEAR(getError(0.1, 0.1), 4 * alone, 1e-3 * alone);
    EXPECT_LT(getError(0.1, -0.1), 1e-6 * alone);
  }
}

//===- SharedOperandsTest.cpp - Sites that choose together ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/SharedOperands.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Interfaces/CompressibleOpInterfaceImpl.h"
#include "compress/Search/LevelTable.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace compress;

namespace {

/// q, k and v read the input, and so does the narrower g; o reads another
/// value of the same type; b is used by two products, of both values.
constexpr char text[] = R"(
func.func @f(%x: tensor<?x32xf32>) -> (tensor<?x32xf32>, tensor<?x16xf32>,
                                       tensor<?x32xf32>) {
  %q = onnx.Initializer "q" = dense<0.3> : tensor<32x32xf32>
  %k = onnx.Initializer "k" = dense<0.7> : tensor<32x32xf32>
  %o = onnx.Initializer "o" = dense<0.2> : tensor<32x32xf32>
  %v = onnx.Initializer "v" = dense<0.9> : tensor<32x32xf32>
  %g = onnx.Initializer "g" = dense<0.9> : tensor<32x16xf32>
  %b = onnx.Initializer "b" = dense<0.1> : tensor<32x32xf32>
  %0 = onnx.MatMul(%x, %q) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %1 = onnx.MatMul(%x, %k) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %2 = onnx.Add(%0, %1) : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  %3 = onnx.MatMul(%2, %o) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %4 = onnx.MatMul(%x, %v) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %5 = onnx.MatMul(%x, %g) : (tensor<?x32xf32>, tensor<32x16xf32>) -> tensor<?x16xf32>
  %6 = onnx.MatMul(%x, %b) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %7 = onnx.MatMul(%6, %b) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %8 = onnx.Add(%3, %4) : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  return %8, %5, %7 : tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x32xf32>
})";

class SharedOperandsTest : public ::testing::Test {
protected:
  SharedOperandsTest() {
    DialectRegistry registry;
    registry.insert<CompressDialect, onnx::ONNXDialect, func::FuncDialect>();
    onnx::registerCompressibleOpInterfaceExternalModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    module = parseSourceString<ModuleOp>(text, &context);
    list = findSites(*module->getOps<func::FuncOp>().begin());
  }

  /// The table of some levels, coupled.
  Problem couple(StringRef names, SharedOperandOptions options = {},
                 StringRef same = "") {
    std::vector<Level> levels = llvm::cantFail(parseLevels(names));
    Problem problem = llvm::cantFail(buildLevelTable(list.sites, levels));
    if (!same.empty())
      llvm::cantFail(problem.couple(same));
    llvm::cantFail(
        coupleSharedOperands(problem, list.sites, levels, options, notes));
    return problem;
  }
  /// Choices by site name; all others take choice 0.
  std::vector<unsigned>
  choose(llvm::ArrayRef<std::pair<StringRef, unsigned>> some) {
    std::vector<unsigned> choices;
    for (const Site &site : list.sites) {
      choices.push_back(0);
      for (auto [name, choice] : some)
        if (site.name == name)
          choices.back() = choice;
    }
    return choices;
  }
  std::vector<std::string> getNames(ArrayRef<unsigned> group) {
    std::vector<std::string> names;
    for (unsigned index : group)
      names.push_back(list.sites[index].name);
    return names;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  SiteList list;
  std::vector<std::string> notes;
};

using Names = std::vector<std::string>;

} // namespace

TEST_F(SharedOperandsTest, FindsSiblings) {
  auto groups = findSiblings(list.sites);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(getNames(groups[0]), (Names{"q", "k", "v"}));
}

TEST_F(SharedOperandsTest, WeightsAloneAreFree) {
  Problem problem = couple("int8,int4-g32,sparse-50%");
  EXPECT_TRUE(problem.couplings.empty());
  EXPECT_TRUE(notes.empty());
}

TEST_F(SharedOperandsTest, SiblingsAgreeWhenAskedFor) {
  Problem problem = couple("int8,int4-g32", {true, {}});
  EXPECT_TRUE(isAllowed(problem, choose({{"o", 1}, {"g", 1}, {"b", 1}})));
  EXPECT_TRUE(isAllowed(problem, choose({{"q", 1}, {"k", 1}, {"v", 1}})));
  EXPECT_FALSE(isAllowed(problem, choose({{"q", 1}, {"k", 1}})));
  EXPECT_EQ(notes.size(), 1u);
}

TEST_F(SharedOperandsTest, TheUserDecidesFirst) {
  std::vector<SiteRule> rules = {
      llvm::cantFail(SiteRule::parse("q=int8,int4-g32"))};
  Problem ruled = couple("int8,int4-g32", {true, rules});
  EXPECT_TRUE(isAllowed(ruled, choose({{"q", 1}})));
  EXPECT_FALSE(isAllowed(ruled, choose({{"k", 1}})));
  Problem same = couple("int8,int4-g32", {true, {}}, "[qo]");
  EXPECT_TRUE(isAllowed(same, choose({{"q", 1}, {"o", 1}})));
  EXPECT_TRUE(isAllowed(same, choose({{"k", 1}, {"v", 1}})));
  EXPECT_FALSE(isAllowed(same, choose({{"k", 1}})));
}

TEST_F(SharedOperandsTest, AnActivationHasOneEncoding) {
  // Per token, in groups of 32 of a token, left alone.
  Problem problem =
      couple("int8-dynamic,int4-g32-dynamic-ag32,int4-g32,int4-g32-dynamic");
  EXPECT_TRUE(isAllowed(problem, choose({})));
  EXPECT_TRUE(isAllowed(problem, choose({{"q", 2}, {"g", 2}})));
  EXPECT_TRUE(isAllowed(problem, choose({{"o", 1}})));
  EXPECT_FALSE(isAllowed(problem, choose({{"q", 1}})));
  EXPECT_FALSE(isAllowed(problem, choose({{"g", 1}, {"q", 2}})));
  EXPECT_TRUE(isAllowed(
      problem, choose({{"q", 1}, {"k", 1}, {"v", 2}, {"g", 1}, {"b", 2}})));
  // Searches keep it, too.
  auto found = llvm::cantFail(lookupSearch("dp"))->solve(problem);
  ASSERT_TRUE(bool(found));
  EXPECT_TRUE(isAllowed(problem, found->choices));
}

TEST_F(SharedOperandsTest, EqualEncodingsCoupleNothing) {
  EXPECT_TRUE(couple("int8-dynamic,int4-g64-dynamic,int8").couplings.empty());
}

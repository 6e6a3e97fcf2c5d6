//===- ErrorBudgetTest.cpp - The fewest bytes for an error ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Least bytes under a limit on the error, over bits, sparsity and rank in one
// table (L-GreCo), on layers that were really encoded.
//
//===----------------------------------------------------------------------===//

#include "Instances.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Interfaces/CompressibleOpInterfaceImpl.h"
#include "compress/Search/LevelTable.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <set>

using namespace mlir;
using namespace compress;

namespace {
class ErrorBudgetTest : public ::testing::Test {
protected:
  ErrorBudgetTest() {
    DialectRegistry registry;
    registry.insert<CompressDialect, onnx::ONNXDialect, func::FuncDialect>();
    onnx::registerCompressibleOpInterfaceExternalModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    // Layers that suit different families: dense, mostly near zero, of low
    // rank with some noise, and a small one.
    std::mt19937 engine(1);
    auto uniform = [&] { return double(engine() % 20001) / 10000 - 1; };
    std::string body, value = "%x";
    auto add = [&](int index, int rows, int columns,
                   function_ref<double(int, int)> get) {
      std::string name = "w" + std::to_string(index);
      std::string type = "tensor<" + std::to_string(rows) + "x" +
                         std::to_string(columns) + "xf32>";
      std::string weight =
          "%" + name + " = onnx.Initializer \"" + name + "\" = dense<[";
      for (int i = 0; i < rows; ++i) {
        weight += i ? ", [" : "[";
        for (int j = 0; j < columns; ++j)
          weight += (j ? ", " : "") + std::to_string(get(i, j));
        weight += "]";
      }
      std::string result = "%y" + std::to_string(index);
      body += weight + "]> : " + type + "\n" + result + " = onnx.MatMul(" +
              value + ", %" + name + ") : (tensor<?x" + std::to_string(rows) +
              "xf32>, " + type + ") -> tensor<?x" + std::to_string(columns) +
              "xf32>\n";
      value = result;
    };
    add(0, 64, 64, [&](int, int) { return uniform(); });
    add(1, 64, 96, [&](int, int) {
      double x = uniform();
      return x * x * x * x * x * x * x;
    });
    std::vector<double> left(96 * 4), right(4 * 64);
    for (double &x : left)
      x = uniform();
    for (double &x : right)
      x = uniform();
    add(2, 96, 64, [&](int i, int j) {
      double sum = uniform() / 100;
      for (int r = 0; r < 4; ++r)
        sum += left[i * 4 + r] * right[r * 64 + j];
      return sum;
    });
    add(3, 64, 32, [&](int i, int) { return uniform() * (1 + i % 5); });
    std::string text = "func.func @f(%x: tensor<?x64xf32>) -> tensor<?x32xf32> "
                       "{\n" +
                       body + "return " + value + " : tensor<?x32xf32>\n}";
    module = parseSourceString<ModuleOp>(text, &context);
    list = findSites(*module->getOps<func::FuncOp>().begin());
    levels = llvm::cantFail(
        parseLevels("f32,int8,int6-g32,int4-g32,int3-g32,sparse-50%,sparse-80%,"
                    "sparse-50%+int8,lowrank-0.5,lowrank-0.1"));
    problem = llvm::cantFail(buildLevelTable(list.sites, levels));
    problem.objective = *problem.lookupCost("bytes");
  }

  double getBytes(const Assignment &assignment) const {
    return assignment.get(problem.objective);
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  SiteList list;
  std::vector<Level> levels;
  Problem problem;
};
} // namespace

TEST_F(ErrorBudgetTest, FewestBytesOverAllFamilies) {
  ASSERT_EQ(problem.sites.size(), 4u);
  std::vector<Assignment> all = enumerateAll(problem);
  EXPECT_EQ(all.size(), 10000u);
  std::set<std::string> used;
  size_t better = 0, budgets = 0;
  for (double budget = 1e-5; budget < 1; budget *= 1.5) {
    problem.setLimit(errorQuantity, budget);
    Assignment found = llvm::cantFail(getSearch("dp").solve(problem));
    EXPECT_LE(found.error, budget * (1 + 1e-12));

    std::optional<double> least = getBest(problem, all);
    ASSERT_TRUE(least);
    EXPECT_EQ(getBytes(found), *least) << budget;

    Assignment uniform = llvm::cantFail(getSearch("uniform").solve(problem));
    EXPECT_LE(uniform.error, budget * (1 + 1e-12));
    EXPECT_LE(getBytes(found), getBytes(uniform)) << budget;
    better += getBytes(found) < getBytes(uniform);
    ++budgets;
    for (auto [row, choice] : llvm::zip_equal(problem.sites, found.choices))
      used.insert(row.choices[choice].level);
  }
  // All families take part, and most budgets need more than one level.
  auto uses = [&](StringRef family) {
    return llvm::any_of(used, [&](const std::string &level) {
      return StringRef(level).contains(family);
    });
  };
  EXPECT_TRUE(uses("int")) << used.size();
  EXPECT_TRUE(uses("sparse")) << used.size();
  EXPECT_TRUE(uses("lowrank")) << used.size();
  EXPECT_GT(better * 2, budgets);
}

TEST_F(ErrorBudgetTest, SolvedAgainWhenErrorsChange) {
  // Training moves the weights: the same table, other errors and budget.
  problem.setLimit(errorQuantity, 0.02);
  Assignment first = llvm::cantFail(getSearch("dp").solve(problem));
  for (Choice &choice : problem.sites[0].choices)
    choice.error *= 4;
  EXPECT_GT(makeAssignment(problem, first.choices).error, first.error);
  Assignment second = llvm::cantFail(getSearch("dp").solve(problem));
  EXPECT_LE(second.error, 0.02 * (1 + 1e-12));
  EXPECT_GE(getBytes(second), getBytes(first));
  problem.setLimit(errorQuantity, 0);
  Assignment exact = llvm::cantFail(getSearch("dp").solve(problem));
  EXPECT_EQ(exact.error, 0);
}

//===- EinsumTest.cpp - Equations and contraction orders --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Numeric/Einsum.h"
#include "llvm/Support/Error.h"
#include "gtest/gtest.h"

using namespace compress;

static std::string getError(llvm::StringRef text) {
  llvm::Expected<Einsum> einsum = Einsum::parse(text);
  return einsum ? "" : llvm::toString(einsum.takeError());
}

TEST(EinsumTest, Parse) {
  llvm::Expected<Einsum> einsum = Einsum::parse(" (a b)(c d) = a c r,r b d ");
  ASSERT_TRUE(bool(einsum));
  EXPECT_EQ(einsum->names.size(), 5u);
  EXPECT_EQ(einsum->dims.size(), 2u);
  EXPECT_EQ(einsum->factors.size(), 2u);
  auto number = [&](const char *name) { return *einsum->lookup(name); };
  EXPECT_EQ(einsum->dims[1],
            (llvm::SmallVector<unsigned>{number("c"), number("d")}));
  EXPECT_EQ(einsum->factors[1], (llvm::SmallVector<unsigned>{
                                    number("r"), number("b"), number("d")}));
  EXPECT_TRUE(einsum->isContracted(number("r")));
  EXPECT_FALSE(einsum->isContracted(number("a")));
  EXPECT_FALSE(einsum->isWholeDim(number("a")));
  EXPECT_FALSE(einsum->lookup("e").has_value());
}

TEST(EinsumTest, ParseErrorsNameThePlace) {
  EXPECT_EQ(getError("i j i r, r j"),
            "equation \"i j i r, r j\": name i appears twice in the result at "
            "character 5, before \"i r, r j\"");
  EXPECT_EQ(getError("i j"),
            "equation \"i j\": expected '=' after the result at the end");
  EXPECT_EQ(getError("i (j = i, j"),
            "equation \"i (j = i, j\": expected a name or ')' at character 6, "
            "before \"= i, j\"");
  EXPECT_EQ(getError("i () = i"), "equation \"i () = i\": expected a name "
                                  "after '(' at character 4, before \") = i\"");
  EXPECT_EQ(getError("i = i,"),
            "equation \"i = i,\": expected a name in factor 2 at the end");
  EXPECT_EQ(getError("i j = i"),
            "equation \"i j = i\": no factor has j of the result at the end");
  EXPECT_EQ(getError("i = i i"), "equation \"i = i i\": name i appears twice "
                                 "in factor 1 at character 7, before \"i\"");
  EXPECT_EQ(getError("i = i; j"), "equation \"i = i; j\": expected a name or "
                                  "',' at character 6, before \"; j\"");
  EXPECT_EQ(getError("2 = i"), "equation \"2 = i\": expected a name, '(' or "
                               "'=' at character 1, before \"2 = i\"");
  std::string many = "=";
  for (int i = 0; i < 33; ++i)
    many += " n" + std::to_string(i);
  EXPECT_NE(getError(many).find("more than 32 names"), std::string::npos);
}

TEST(EinsumTest, PlanTakesTheCheapestOrder) {
  // x (m x k) * u (k x r) * v (r x n): through the rank when it is small, else
  // the factors first.
  NameSet m = 1, k = 2, r = 4, n = 8;
  ContractionPlan plan =
      planContraction({m | k, k | r, r | n}, m | n, {32, 512, 8, 512});
  ASSERT_EQ(plan.steps.size(), 2u);
  EXPECT_EQ(plan.steps[0].result, m | r);
  EXPECT_EQ(plan.flops, 2.0 * 32 * 512 * 8 * 2);
  plan = planContraction({m | k, k | r, r | n}, m | n, {4096, 8, 512, 8});
  EXPECT_EQ(plan.steps[0].result, k | n);
  EXPECT_TRUE(planContraction({m | k}, m, {2, 3}).steps.empty());
}

TEST(EinsumTest, PlanOfManyOperandsEndsWithTheResult) {
  // A chain of ten 2 x 2 matrices: greedy.
  llvm::SmallVector<NameSet> operands;
  for (unsigned i = 0; i < 10; ++i)
    operands.push_back(NameSet(3) << i);
  NameSet ends = 1 | NameSet(1) << 10;
  ContractionPlan plan =
      planContraction(operands, ends, std::vector<int64_t>(11, 2));
  ASSERT_EQ(plan.steps.size(), 9u);
  EXPECT_EQ(plan.steps.back().result, ends);
}

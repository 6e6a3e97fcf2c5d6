//===- SearchTest.cpp - Problems, rules and messages ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Instances.h"
#include "gtest/gtest.h"

using namespace compress;

static std::string getError(llvm::StringRef search, const Problem &problem) {
  auto found = getSearch(search).solve(problem);
  return found ? "" : llvm::toString(found.takeError());
}

static Problem makeTwo() {
  Problem problem;
  problem.costs = {{"bytes"}};
  problem.sites = {
      {"a",
       {{"f32", 0, {40}, ""}, {"int8", 1, {10}, ""}, {"int4", 3, {5}, ""}}},
      {"b",
       {{"int4", 2, {10}, ""}, {"f32", 0, {80}, ""}, {"int8", 1, {20}, ""}}}};
  return problem;
}

TEST(Uniform, PicksTheBestLevelThatFits) {
  Problem problem = makeTwo();
  auto levelAt = [&](double bytes) {
    problem.setLimit(0, bytes);
    Assignment result = llvm::cantFail(getSearch("uniform").solve(problem));
    EXPECT_LE(result.costs[0], bytes);
    std::string level = problem.sites[0].choices[result.choices[0]].level;
    EXPECT_EQ(level, problem.sites[1].choices[result.choices[1]].level);
    return level;
  };
  EXPECT_EQ(levelAt(120), "f32");
  EXPECT_EQ(levelAt(119), "int8");
  EXPECT_EQ(levelAt(30), "int8");
  EXPECT_EQ(levelAt(29), "int4");
  problem.setLimit(0, 14);
  EXPECT_EQ(getError("dp", problem),
            "infeasible: at most 14 bytes asked for, best is 15 bytes");
}

TEST(Problem, ASiteAloneTakesWhatIsBest) {
  Problem problem = makeTwo();
  problem.setLimit(0, 60);
  Assignment found = llvm::cantFail(getSearch("dp").solve(problem));
  EXPECT_EQ(found.choices, (std::vector<unsigned>{0, 2}));
  EXPECT_EQ(found.bound, found.error);
}

TEST(Problem, AlikeMeansTheSameLevelWhereverItStands) {
  Problem problem = makeTwo();
  problem.couplings.push_back({{0, 1}, {}});
  problem.setLimit(0, 60);
  for (const char *name : {"dp", "ilp", "greedy", "lagrange", "random"}) {
    Assignment found = llvm::cantFail(getSearch(name).solve(problem));
    EXPECT_EQ(problem.sites[0].choices[found.choices[0]].level,
              problem.sites[1].choices[found.choices[1]].level)
        << name;
  }
  problem.sites[1].choices = {{"int2", 9, {1}, ""}};
  EXPECT_EQ(getError("dp", problem),
            "site 'a' and the 1 sites that it is coupled with have no levels "
            "that agree");
}

TEST(Problem, RulesPinAndExclude) {
  auto parse = [](llvm::StringRef text) {
    return llvm::cantFail(SiteRule::parse(text));
  };
  SiteRule rule = parse("conv1.*!=int4:rtn(range=mse,x=1), int8");
  EXPECT_EQ(rule.pattern, "conv1.*");
  EXPECT_EQ(rule.kind, SiteRule::Not);
  EXPECT_EQ(rule.levels,
            (std::vector<std::string>{"int4:rtn(range=mse,x=1)", "int8"}));

  Problem problem = makeTwo();
  ASSERT_FALSE(bool(problem.apply({parse("a=int4"), parse("*!=f32")})));
  EXPECT_EQ(problem.sites[0].choices[0].excluded, "only int4 is allowed for a");
  EXPECT_EQ(problem.sites[1].choices[1].excluded, "not f32 is allowed for *");
  for (const char *name : {"dp", "ilp", "uniform"})
    EXPECT_EQ(llvm::cantFail(getSearch(name).solve(problem)).choices,
              (std::vector<unsigned>{2, 2}))
        << name;
  EXPECT_EQ(llvm::toString(problem.apply({parse("b=int2")})),
            "site 'b': only int2 is allowed for b, which leaves it no level");
  EXPECT_EQ(llvm::toString(problem.apply({parse("c=int2")})),
            "no site is named like 'c'");
  for (const char *bad : {"", "a", "=int8", "a=", "a=,"})
    EXPECT_FALSE(bool(SiteRule::parse(bad))) << bad;
}

TEST(Problem, InfiniteErrorsExclude) {
  Problem problem = makeTwo();
  double infinity = std::numeric_limits<double>::infinity();
  problem.sites[0].choices[0].error = infinity;
  EXPECT_EQ(llvm::cantFail(getSearch("dp").solve(problem)).choices[0], 1u);
  problem.sites[0].choices[1].error = std::nan("");
  EXPECT_EQ(getError("dp", problem),
            "site 'a', level 'int8': a cost is not a number");
}

TEST(Search, SaysWhatIsWrong) {
  Problem problem;
  problem.costs = {{"bytes"}, {"seconds"}};
  problem.sites = {
      {"a", {{"int8", 1, {10, 2e-3}, ""}, {"int4", 1, {5, 4e-3}, ""}}}};
  problem.setLimit(0, 9);
  problem.setLimit(1, 1e-3);
  for (const char *name : {"dp", "ilp", "greedy"})
    EXPECT_EQ(getError(name, problem),
              "infeasible: at most 1.00 ms asked for, best is 2.00 ms");
  problem.setLimit(1, 3e-3);
  for (const char *name : {"dp", "ilp"})
    EXPECT_EQ(getError(name, problem),
              "infeasible: at most 9 bytes and 3.00 ms asked for, best is 10 "
              "bytes when the other limits are kept, best is 4.00 ms when the "
              "other limits are kept");
  EXPECT_EQ(getError("greedy", problem),
            "'greedy' finds nothing within 9 bytes and 3.00 ms; an exact "
            "search (dp, ilp) may");
  problem.sites.push_back({"b", {}});
  EXPECT_EQ(getError("greedy", problem),
            "site 'b' has no level to choose from");
  EXPECT_EQ(llvm::toString(lookupSearch("magic").takeError()),
            "unknown search 'magic'; known are dp, greedy, ilp, lagrange, "
            "random, uniform");
  Problem empty;
  for (const Search *search : getSearches())
    EXPECT_TRUE(llvm::cantFail(search->solve(empty)).choices.empty());
}

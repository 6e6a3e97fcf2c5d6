//===- PlanTest.cpp - Plans as YAML -----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Plan/Plan.h"
#include "gtest/gtest.h"
#include <random>

using namespace mlir;
using namespace compress;

static std::string toText(const Plan &plan) {
  std::string text;
  llvm::raw_string_ostream os(text);
  plan.print(os);
  return text;
}

static std::string errorOf(StringRef text) {
  auto plan = Plan::parse(text, "p.yaml");
  return plan ? "" : llvm::toString(plan.takeError());
}

static Plan makePlan() {
  Plan plan;
  plan.model = "m: odd 'name'.onnx";
  PlanEntry entry;
  entry.name = "conv1.weight";
  entry.level = "int4-g32:rtn(percentile=99,range=percentile)";
  entry.op = "onnx.Conv";
  entry.node = "/conv1/Conv #3";
  entry.shape = std::vector<int64_t>{8, 1, 3, 3};
  entry.bits = 5.78;
  entry.bytesBefore = 288;
  entry.bytesAfter = 52;
  entry.error = 0.00125;
  plan.sites.push_back(entry);
  // Names that YAML would take for something else.
  for (const char *name : {"true", "- x", "123", "a: b", "~", "x\"y", "{}",
                           "naïve", "tab\there"}) {
    PlanEntry odd;
    odd.name = name;
    odd.level = "int8";
    plan.sites.push_back(odd);
  }
  return plan;
}

TEST(Plan, RoundTrips) {
  Plan plan = makePlan();
  std::string text = toText(plan);
  auto again = Plan::parse(text, "p.yaml");
  ASSERT_TRUE(bool(again)) << llvm::toString(again.takeError()) << text;
  EXPECT_EQ(toText(*again), text);
  ASSERT_EQ(again->sites.size(), plan.sites.size());
  for (auto [a, b] : llvm::zip(plan.sites, again->sites)) {
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.level, b.level);
    EXPECT_EQ(a.shape, b.shape);
    EXPECT_EQ(a.node, b.node);
  }
  EXPECT_EQ(again->model, plan.model);
  EXPECT_EQ(again->sites[0].bytesAfter, plan.sites[0].bytesAfter);
  EXPECT_EQ(again->sites[0].error, plan.sites[0].error);
}

TEST(Plan, NeedsOnlyNamesAndLevels) {
  auto plan = llvm::cantFail(Plan::parse("# by hand\n"
                                         "version: 1\n"
                                         "sites:\n"
                                         "- {name: a, level: int8}\n"
                                         "- name: b\n"
                                         "  level: mxfp4  # half of it\n",
                                         "p.yaml"));
  ASSERT_EQ(plan.sites.size(), 2u);
  EXPECT_EQ(plan.sites[0].line, 4u);
  EXPECT_EQ(plan.sites[1].line, 5u);
  EXPECT_EQ(plan.sites[1].level, "mxfp4");
}

TEST(Plan, ErrorsHaveLines) {
  StringRef head = "version: 1\nsites:\n";
  auto with = [&](StringRef rest) { return errorOf((head + rest).str()); };
  EXPECT_TRUE(StringRef(with("- name: a\n  level: int99\n"))
                  .starts_with("p.yaml:3: site 'a': level 'int99': integer "
                               "codes have 2 to 16 bits"));
  EXPECT_EQ(with("- name: a\n"), "p.yaml:3: missing required key 'level'");
  EXPECT_EQ(with("- name: a\n  level: int8\n  levle: 3\n"),
            "p.yaml:5: unknown key 'levle'");
  EXPECT_EQ(with("- name: a\n  level: int8\n- name: a\n  level: int8\n"),
            "p.yaml:5: site 'a' is already on line 3");
  EXPECT_EQ(with("- name: a\n  level: int8\n  shape: [2, x]\n"),
            "p.yaml:5: invalid number");
  EXPECT_EQ(errorOf("version: 2\nsites: []\n"),
            "p.yaml:1: plan version 2 is not supported; this build reads "
            "version 1");
  EXPECT_EQ(errorOf("sites: []\n"), "p.yaml:1: missing required key 'version'");
  EXPECT_EQ(errorOf(""), "p.yaml: the file is empty");
}

TEST(Plan, HostileFilesAreErrors) {
  std::string deepFlow(100000, '['), deepDash;
  for (int i = 0; i < 100000; ++i)
    deepDash += "- ";
  std::string deepMap;
  for (int i = 0; i < 100; ++i)
    deepMap += "{a: ";
  for (std::string text :
       {deepFlow, deepDash, deepMap, std::string("\0\1\2", 3),
        std::string("version: 1\nsites: &a [*a]\n"), std::string("- - -"),
        std::string("{"), std::string("version: 1\nsites: 3"),
        std::string("version: 1\nsites:\n- [a, b]\n"),
        std::string("version: -1\nsites: []"),
        std::string("version: 1\nsites:\n- name: ''\n  level: int8"),
        std::string("%YAML 9\n---\n..."), std::string("\xff\xfe\x80")}) {
    std::string error = errorOf(text);
    EXPECT_TRUE(StringRef(error).starts_with("p.yaml")) << error;
    EXPECT_FALSE(StringRef(error).contains('\n')) << error;
  }
  // Deep blocks by indentation.
  std::string text;
  for (int i = 0; i < 2000; ++i)
    text += std::string(i, ' ') + "a:\n";
  EXPECT_NE(errorOf(text), "");
}

TEST(Plan, DamagedFilesNeverCrash) {
  std::string good = toText(makePlan());
  for (size_t size = 0; size < good.size(); ++size)
    (void)errorOf(StringRef(good).take_front(size));
  std::mt19937 engine(1);
  const char marks[] = "[]{}:-,&*#!|>'\"%@`? \n\t\\\x80";
  for (int round = 0; round < 3000; ++round) {
    std::string text = good;
    for (int i = 0; i < 1 + round % 4; ++i)
      text[engine() % text.size()] = marks[engine() % (sizeof(marks) - 1)];
    (void)errorOf(text);
  }
}

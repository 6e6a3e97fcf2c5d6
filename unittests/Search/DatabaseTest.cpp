//===- DatabaseTest.cpp - Encoded weights on disk ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../Support/TempDir.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Interfaces/CompressibleOpInterfaceImpl.h"
#include "compress/Search/LevelTable.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace compress;
using compress::test::TempDir;

namespace {

class DatabaseTest : public ::testing::Test {
protected:
  DatabaseTest() {
    DialectRegistry registry;
    registry.insert<CompressDialect, onnx::ONNXDialect, func::FuncDialect>();
    onnx::registerCompressibleOpInterfaceExternalModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    std::string text =
        "func.func @f(%x: tensor<?x5x64xf32>) -> tensor<?x5x32xf32> "
        "{\n%w = onnx.Initializer \"w\" = dense<[";
    for (int i = 0; i < 64 * 32; ++i)
      text += std::string(i % 32 ? ", "
                          : i    ? "], ["
                                 : "[") +
              std::to_string(std::sin(i * 1.7) * (1 + i % 7));
    text += "]]> : tensor<64x32xf32>\n%0 = onnx.MatMul(%x, %w) : "
            "(tensor<?x5x64xf32>, tensor<64x32xf32>) -> tensor<?x5x32xf32>\n"
            "return %0 : tensor<?x5x32xf32>\n}";
    module = parseSourceString<ModuleOp>(text, &context);
    list = findSites(*module->getOps<func::FuncOp>().begin());
  }

  const Site &site() const { return list.sites[0]; }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  SiteList list;
};

} // namespace

TEST_F(DatabaseTest, GivesBackWhatWasEncoded) {
  TempDir directory;
  auto cache = llvm::cantFail(ContentCache::open(directory.file("cache")));
  LevelDatabase plain, cached(nullptr, cache.get());
  size_t levels = 0;
  for (const LevelFamily &family : getLevelFamilies())
    for (const std::string &name : family.examples) {
      Level level = llvm::cantFail(Level::parse(name));
      if (level.isNone() || level.needsStatistics())
        continue;
      auto expected = plain.encode(site(), level);
      if (!expected) {
        llvm::consumeError(expected.takeError());
        continue;
      }
      size_t before = cache->getNumFound();
      LevelSummary made = llvm::cantFail(cached.getSummary(site(), level));
      EXPECT_EQ(cache->getNumFound(), before) << name;
      LevelSummary found = llvm::cantFail(cached.getSummary(site(), level));
      EXPECT_EQ(cache->getNumFound(), before + 1) << name;
      for (const LevelSummary &summary : {made, found}) {
        EXPECT_EQ(summary.type, expected->type) << name;
        EXPECT_EQ(summary.bytes, getStorageBytes(expected->type)) << name;
        EXPECT_EQ(summary.error.relative, expected->weight.error.relative);
        EXPECT_EQ(summary.error.absolute, expected->weight.error.absolute);
        EXPECT_EQ(summary.activationError, made.activationError);
      }
      EncodedSite again = llvm::cantFail(cached.encode(site(), level));
      EXPECT_EQ(cache->getNumFound(), before + 2) << name;
      ASSERT_EQ(again.weight.leaves.size(), expected->weight.leaves.size());
      for (auto [a, b] :
           llvm::zip_equal(again.weight.leaves, expected->weight.leaves)) {
        EXPECT_EQ(a.getBytes(), b.getBytes()) << name;
        EXPECT_EQ(a.getElementType(), b.getElementType()) << name;
      }
      ++levels;
    }
  EXPECT_GT(levels, 20u);
  EXPECT_EQ(cache->getNumBroken(), 0u);
}

TEST_F(DatabaseTest, KeysTellLevelsAndStatisticsApart) {
  LevelDatabase plain;
  Statistics statistics;
  statistics.setUse("w", 0, statistics.add("x", 2));
  std::vector<float> values(64, 1);
  llvm::cantFail(
      statistics.get(0).update(values.data(), {1, 1, 64}, {64, 64, 1}));
  LevelDatabase calibrated(&statistics);
  std::vector<std::string> keys;
  for (const char *name : {"int8", "int4-g32", "int4-g32:rtn(range=mse)"}) {
    Level level = llvm::cantFail(Level::parse(name));
    keys.push_back(plain.getKey(site(), level));
    keys.push_back(calibrated.getKey(site(), level));
  }
  values[3] = 2;
  llvm::cantFail(
      statistics.get(0).update(values.data(), {1, 1, 64}, {64, 64, 1}));
  keys.push_back(
      calibrated.getKey(site(), llvm::cantFail(Level::parse("int8"))));
  llvm::sort(keys);
  EXPECT_EQ(std::unique(keys.begin(), keys.end()), keys.end());
}

TEST_F(DatabaseTest, BrokenEntriesAreMadeAgain) {
  TempDir directory;
  auto cache = llvm::cantFail(ContentCache::open(directory.path()));
  LevelDatabase database(nullptr, cache.get());
  Level level = llvm::cantFail(Level::parse("int4-g32"));
  std::string key = database.getKey(site(), level);
  double error =
      llvm::cantFail(database.getSummary(site(), level)).error.relative;
  std::string path = cache->getFile(key);
  auto read = [&] {
    return llvm::cantFail(
               llvm::errorOrToExpected(llvm::MemoryBuffer::getFile(path)))
        ->getBuffer()
        .str();
  };
  std::string whole = read();
  auto check = [&](std::string bytes) {
    {
      std::ofstream(path, std::ios::binary) << bytes;
    }
    size_t broken = cache->getNumBroken();
    EXPECT_EQ(llvm::cantFail(database.getSummary(site(), level)).error.relative,
              error);
    EXPECT_EQ(cache->getNumBroken(), broken + 1);
    EXPECT_EQ(read(), whole);
  };
  for (size_t size : {size_t(0), size_t(10), size_t(47), size_t(48),
                      whole.size() / 2, whole.size() - 1})
    check(whole.substr(0, size));
  check(whole + "x");
  for (size_t at = 0; at < whole.size(); at += 1 + whole.size() / 97) {
    std::string changed = whole;
    changed[at] ^= 4;
    check(changed);
  }
  // Another entry under this name.
  llvm::cantFail(cache->store("other", "value"));
  std::error_code code =
      llvm::sys::fs::copy_file(cache->getFile("other"), path);
  ASSERT_FALSE(code);
  EXPECT_FALSE(cache->lookup(key).has_value());
}

TEST_F(DatabaseTest, RoundedActivationsCost) {
  std::vector<Level> levels =
      llvm::cantFail(parseLevels("f32,int8,int8-dynamic,int4-g32,"
                                 "int4-g32-dynamic-ag32"));
  Problem table = llvm::cantFail(buildLevelTable(list.sites, levels));
  std::vector<double> errors;
  for (const Choice &choice : table.sites[0].choices)
    errors.push_back(choice.error);
  EXPECT_EQ(errors[0], 0);
  EXPECT_GT(errors[2], errors[1]);
  EXPECT_GT(errors[4], errors[3]);
  // 8 bits over +-3.5 standard deviations: a step of 7/255, whose square over
  // 12 is the noise.
  EXPECT_NEAR(errors[2] - errors[1], 7.0 * 7 / 255 / 255 / 12, 5e-5);

  auto failed =
      buildLevelTable(list.sites, llvm::cantFail(parseLevels("f32,w8a8")));
  ASSERT_FALSE(bool(failed));
  EXPECT_EQ(llvm::toString(failed.takeError()),
            "site 'w': level 'w8a8' needs statistics of its activation; give "
            "calibration data");
}

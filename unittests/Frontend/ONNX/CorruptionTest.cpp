//===- CorruptionTest.cpp - damaged files never crash the importer --------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TestModels.h"
#include <random>

using namespace mlir;
using namespace test;

namespace {

/// Imports damaged bytes: success, or one error of one line. What was imported
/// exports, and is then a fixed point.
class Corruption : public ::testing::Test {
protected:
  void attempt(const std::string &bytes) {
    // Resources live as long as the context.
    if (!context || ++uses % 500 == 0)
      context = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
    std::vector<std::string> errors;
    OwningOpRef<ModuleOp> module = import(bytes, *context, &errors);
    if (!module) {
      ++refused;
      ASSERT_EQ(errors.size(), 1u);
      EXPECT_EQ(errors[0].find("test.onnx: "), 0u) << errors[0];
      EXPECT_EQ(errors[0].find('\n'), std::string::npos) << errors[0];
      return;
    }
    ++accepted;
    EXPECT_TRUE(errors.empty()) << errors[0];
    std::string once = exported(*module);
    OwningOpRef<ModuleOp> again = import(once, *context);
    ASSERT_TRUE(again);
    EXPECT_TRUE(exported(*again) == once);
  }

  std::unique_ptr<MLIRContext> context;
  unsigned uses = 0, refused = 0, accepted = 0;
};

} // namespace

TEST_F(Corruption, EveryPrefix) {
  for (const pb::ModelProto &model : {matmulModel(), richModel()}) {
    std::string bytes = model.SerializeAsString();
    for (size_t size = 0; size < bytes.size(); ++size) {
      SCOPED_TRACE("prefix of " + std::to_string(size));
      attempt(bytes.substr(0, size));
    }
  }
  EXPECT_GT(refused, accepted);
}

TEST_F(Corruption, FlippedBits) {
  std::mt19937 random(1);
  for (const pb::ModelProto &model : {matmulModel(), richModel()}) {
    std::string bytes = model.SerializeAsString();
    for (int round = 0; round < 4000; ++round) {
      SCOPED_TRACE("round " + std::to_string(round));
      std::string damaged = bytes;
      for (int flips = 1 + round % 4; flips; --flips)
        damaged[random() % damaged.size()] ^=
            static_cast<char>(1u << (random() % 8));
      attempt(damaged);
    }
  }
  EXPECT_GT(refused, 0u);
  EXPECT_GT(accepted, 0u);
}

// Bytes cut out and doubled move the lengths of the messages.
TEST_F(Corruption, MovedBytes) {
  std::mt19937 random(2);
  std::string bytes = richModel().SerializeAsString();
  for (int round = 0; round < 2000; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::string damaged = bytes;
    size_t at = random() % damaged.size(), size = 1 + random() % 8;
    if (round % 2)
      damaged.erase(at, size);
    else
      damaged.insert(at, damaged.substr(random() % damaged.size(), size));
    attempt(damaged);
  }
}

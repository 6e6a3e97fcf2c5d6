//===- SafetensorsTest.cpp - Weight files -----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Support/Safetensors.h"
#include "TempDir.h"
#include "compress/Runtime/Hash.h"
#include "compress/Runtime/ModelInstance.h"

#include <numeric>

using namespace compress;
using namespace compress::test;

namespace {

class Safetensors : public testing::Test {
protected:
  WeightFileInfo writeSample() {
    SafetensorsWriter writer;
    std::iota(a.begin(), a.end(), 0);
    auto add = [&](auto... args) {
      auto offset = writer.add(args...);
      EXPECT_TRUE(bool(offset)) << message(std::move(offset));
      return *offset;
    };
    using llvm::ArrayRef;
    EXPECT_EQ(
        add("a", "U8", ArrayRef<int64_t>{2, 5}, ArrayRef<char>(a.data(), 10)),
        0u);
    EXPECT_EQ(add("empty", "F32", ArrayRef<int64_t>{0, 7}, ArrayRef<char>()),
              64u);
    EXPECT_EQ(add("scalar \"\xc3\xa4\"", "F32", ArrayRef<int64_t>(),
                  ArrayRef<char>(a.data(), 4)),
              64u);
    EXPECT_EQ(add("big", "BF16", ArrayRef<int64_t>{64},
                  ArrayRef<char>(a.data(), 128)),
              128u);
    writer.addMetadata("model", "sample");
    auto info = writer.write(path());
    EXPECT_TRUE(bool(info)) << message(std::move(info));
    return *info;
  }
  std::string path() const { return dir.file("w.safetensors"); }

  TempDir dir;
  std::vector<char> a = std::vector<char>(128);
};

TEST_F(Safetensors, RoundTrip) {
  WeightFileInfo info = writeSample();
  EXPECT_EQ(info.size, 256u);
  auto file = SafetensorsFile::open(path());
  ASSERT_TRUE(bool(file)) << message(std::move(file));
  ASSERT_EQ(file->tensors().size(), 4u);
  EXPECT_EQ(file->dataSection().size(), info.size);
  EXPECT_EQ(runtime::ContentHash::of(file->dataSection().data(), 256),
            info.hash);
  const auto *big = file->find("big");
  ASSERT_TRUE(big);
  EXPECT_EQ(big->dtype, "BF16");
  EXPECT_EQ(big->data[127], 127);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(big->data.data()) % 64, 0u);
  EXPECT_TRUE(file->find("scalar \"\xc3\xa4\""));
  EXPECT_EQ(file->metadata().at("model"), "sample");
}

/// What the writer says about a file is what the runtime accepts.
TEST_F(Safetensors, RuntimeLoadsIt) {
  WeightFileInfo info = writeSample();
  runtime::Weights weights;
  std::string error;
  EXPECT_EQ(
      runtime::Weights::map(path(), info.size, info.hash, true, weights, error),
      COMPRESS_OK)
      << error;
  EXPECT_EQ(static_cast<const char *>(weights.data())[128 + 5], 5);
}

TEST_F(Safetensors, WriterRefusals) {
  SafetensorsWriter writer;
  auto add = [&](llvm::StringRef name, llvm::StringRef dtype,
                 llvm::ArrayRef<int64_t> shape) {
    return message(writer.add(name, dtype, shape, llvm::ArrayRef<char>()));
  };
  EXPECT_EQ(add("x", "F32", {1}), "");
  EXPECT_EQ(add("x", "F32", {1}), "weight 'x': added twice");
  EXPECT_EQ(add("__pad7", "F32", {1}),
            "weight '__pad7': names that start with '__' are reserved");
  EXPECT_EQ(add("y", "F99", {1}), "weight 'y': unknown element type");
  EXPECT_EQ(add("y", "F32", {-1}), "weight 'y': negative dimension");
  EXPECT_NE(add("y", "F32", {int64_t(1) << 40, int64_t(1) << 40}), "");
  EXPECT_NE(add("y\xff", "F32", {1}), "");
  // Fewer bytes than declared: no file.
  EXPECT_NE(message(writer.write(path())).find("but 0 were produced"),
            std::string::npos);
  EXPECT_EQ(dir.entries(), 0u);
  EXPECT_EQ(message(SafetensorsWriter().write(dir.file("no/file"))),
            "cannot write '" + dir.file("no/file") +
                "': No such file or directory");
}

TEST_F(Safetensors, EveryPrefixIsRefused) {
  writeSample();
  std::string whole = dir.read("w.safetensors");
  for (size_t n = 0; n < whole.size(); ++n) {
    dir.write("cut", whole.substr(0, n));
    EXPECT_NE(message(SafetensorsFile::open(dir.file("cut"))), "") << n;
  }
}

TEST_F(Safetensors, HostileHeaders) {
  auto open = [&](std::string header, std::string data = "12345678") {
    uint64_t size = header.size();
    dir.write("h",
              std::string(reinterpret_cast<char *>(&size), 8) + header + data);
    return message(SafetensorsFile::open(dir.file("h")));
  };
  auto tensor = [](std::string dtype, std::string shape, std::string offsets) {
    return "{\"t\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
           ",\"data_offsets\":" + offsets + "}}";
  };
  EXPECT_EQ(open(tensor("F32", "[2]", "[0,8]")), "");
  for (const std::string &header :
       {tensor("F32", "[2]", "[0,9]"), tensor("F32", "[1]", "[0,8]"),
        tensor("F32", "[2]", "[8,0]"), tensor("F32", "[2]", "[-8,0]"),
        tensor("F32", "[-2]", "[0,8]"), tensor("F32", "[1]", "[4,8]"),
        tensor("F32", "[1]", "[0,4]"), tensor("F4", "[3]", "[0,2]"),
        tensor("F32", "[4611686018427387904,4]", "[0,0]"),
        tensor("F32", "[\"a\"]", "[0,8]"), tensor("X", "[2]", "[0,8]"),
        std::string("{\"t\":3}"), std::string("{"), std::string("[]"),
        std::string("{}"), std::string("{\"__metadata__\":[]}"),
        std::string("{\"__metadata__\":{\"a\":1}}")})
    EXPECT_NE(open(header), "") << header;
  // Deep nesting must not overflow the stack.
  EXPECT_NE(open("{\"a\":" + std::string(1000000, '[')), "");
}

} // namespace

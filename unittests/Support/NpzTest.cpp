//===- NpzTest.cpp - NumPy arrays and archives ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Support/Npz.h"
#include "TempDir.h"

#include <cstring>

using namespace compress;
using namespace compress::test;

namespace {

NpyArray counting(CompressDType dtype, llvm::ArrayRef<int64_t> shape) {
  auto array = NpyArray::allocate(dtype, shape);
  EXPECT_TRUE(bool(array));
  for (size_t i = 0; i < array->data.size(); ++i)
    array->mutableData()[i] = static_cast<char>(i + 1);
  return *array;
}

/// A .npy of version 1 with this header text and data.
std::string npy(std::string header, std::string data, int version = 1) {
  std::string bytes("\x93NUMPY", 6);
  bytes += static_cast<char>(version);
  bytes += '\0';
  uint32_t size = static_cast<uint32_t>(header.size());
  bytes.append(reinterpret_cast<char *>(&size), version == 1 ? 2 : 4);
  return bytes + header + data;
}

std::string dict(std::string descr, std::string shape,
                 std::string fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran +
         ", 'shape': " + shape + ", }\n";
}

TEST(Npy, RoundTrip) {
  TempDir dir;
  for (CompressDType dtype :
       {COMPRESS_DTYPE_F16, COMPRESS_DTYPE_F32, COMPRESS_DTYPE_F64,
        COMPRESS_DTYPE_I8, COMPRESS_DTYPE_I16, COMPRESS_DTYPE_I32,
        COMPRESS_DTYPE_I64, COMPRESS_DTYPE_U8, COMPRESS_DTYPE_U16,
        COMPRESS_DTYPE_U32, COMPRESS_DTYPE_U64, COMPRESS_DTYPE_C64,
        COMPRESS_DTYPE_C128, COMPRESS_DTYPE_BOOL})
    for (auto shape : {std::vector<int64_t>{}, {0}, {5}, {2, 0}, {2, 3, 4}}) {
      NpyArray array = counting(dtype, shape);
      ASSERT_EQ(message(writeNpy(dir.file("a.npy"), array)), "");
      auto read = readNpy(dir.file("a.npy"));
      ASSERT_TRUE(bool(read)) << message(std::move(read));
      EXPECT_EQ(read->dtype, dtype);
      EXPECT_EQ(read->shape, array.shape);
      EXPECT_EQ(read->data, array.data);
    }
  EXPECT_EQ(
      message(writeNpy(dir.file("b"), counting(COMPRESS_DTYPE_BF16, {1}))),
      "'" + dir.file("b") + "': NumPy has no element type for bf16");
}

TEST(Npy, OrdersAndVersions) {
  auto values = [](llvm::Expected<NpyArray> array) {
    EXPECT_TRUE(bool(array)) << message(std::move(array));
    return array->as<int16_t>().vec();
  };
  std::string data("\1\0\2\0\3\0\4\0\5\0\6\0", 12);
  EXPECT_EQ(values(parseNpy(npy(dict("<i2", "(2, 3)", "True"), data), "x")),
            (std::vector<int16_t>{1, 3, 5, 2, 4, 6}));
  EXPECT_EQ(values(parseNpy(npy(dict(">i2", "(6,)"), data, 2), "x")),
            (std::vector<int16_t>{256, 512, 768, 1024, 1280, 1536}));
  // Python 2 sizes, other quotes, another order of keys, format version 3.
  EXPECT_EQ(values(parseNpy(npy("{\"shape\":(6L,),'descr':\"=i2\", "
                                "'fortran_order':False}",
                                data, 3),
                            "x")),
            (std::vector<int16_t>{1, 2, 3, 4, 5, 6}));
}

TEST(Npy, Refusals) {
  auto error = [](std::string bytes) { return message(parseNpy(bytes, "x")); };
  std::string four(4, 'a');
  EXPECT_EQ(error(npy(dict("<f4", "(1,)"), four)), "");
  EXPECT_EQ(error(npy(dict("|O", "(1,)"), four)),
            "'x': element type '|O' is not supported");
  EXPECT_EQ(error(npy(dict("<f4", "(2,)"), four)),
            "'x': truncated: shape [2] of f32 needs more than the 4 bytes "
            "there are");
  EXPECT_EQ(error(npy(dict("<f4", "()"), four + four)),
            "'x': 4 bytes too many for shape []");
  for (const std::string &header :
       {dict("<U8", "(1,)"), dict("<f4", "(-1,)"), dict("<f4", "1"),
        dict("<f4", "(4611686018427387904, 4611686018427387904)"),
        dict("<f4", "(99999999999999999999,)"), dict("<f4", "(1,)", "Maybe"),
        std::string("{'descr': [('a', '<f4')], 'fortran_order': False, "
                    "'shape': (1,)}"),
        std::string("{'shape': (1,)}"), std::string(""), std::string("{"),
        std::string("{'descr': '<f4"), dict("<f4", "(1,)") + "x",
        dict("<f4", "(1,), 'shape': (1,)")})
    EXPECT_NE(error(npy(header, four)), "") << header;
  EXPECT_NE(error(npy(dict("<f4", "(1,)"), four, 9)), "");
  std::string whole = npy(dict("<f4", "(1,)"), four);
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_NE(error(whole.substr(0, n)), "") << n;
}

class Npz : public testing::Test {
protected:
  void SetUp() override {
    arrays.emplace_back("x", counting(COMPRESS_DTYPE_F32, {2, 3}));
    arrays.emplace_back("\xc3\xa4/b c", counting(COMPRESS_DTYPE_BOOL, {1}));
    arrays.emplace_back("empty", counting(COMPRESS_DTYPE_I64, {0}));
    ASSERT_EQ(message(writeNpz(dir.file("a.npz"), arrays)), "");
  }
  std::string open(const std::string &bytes) {
    return message(parseNpz(bytes, "t.npz"));
  }
  TempDir dir;
  NpzArrays arrays;
};

TEST_F(Npz, RoundTrip) {
  auto read = readNpz(dir.file("a.npz"));
  ASSERT_TRUE(bool(read)) << message(std::move(read));
  ASSERT_EQ(read->size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*read)[i].first, arrays[i].first);
    EXPECT_EQ((*read)[i].second.data, arrays[i].second.data);
    EXPECT_EQ(reinterpret_cast<uintptr_t>((*read)[i].second.data.data()) % 16,
              0u);
  }
  EXPECT_TRUE(lookup(*read, "empty"));
  EXPECT_FALSE(lookup(*read, "nope"));
  ASSERT_EQ(message(writeNpz(dir.file("none.npz"), {})), "");
  auto none = readNpz(dir.file("none.npz"));
  ASSERT_TRUE(bool(none));
  EXPECT_TRUE(none->empty());
  arrays.push_back(arrays[0]);
  EXPECT_NE(message(writeNpz(dir.file("twice.npz"), arrays)), "");
}

TEST_F(Npz, TruncatedAndDamaged) {
  std::string whole = dir.read("a.npz");
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_NE(open(whole.substr(0, n)), "") << n;
  // Any flipped bit is an error or harmless, never a crash.
  int refused = 0;
  for (size_t i = 0; i < whole.size() * 8; ++i) {
    std::string flipped = whole;
    flipped[i / 8] ^= char(1 << i % 8);
    refused += open(flipped) != "";
  }
  EXPECT_GT(refused, static_cast<int>(whole.size() * 4));
  EXPECT_NE(open("").find("too short"), std::string::npos);
  EXPECT_NE(open(std::string(100, 'x')).find("not a ZIP"), std::string::npos);
  EXPECT_EQ(message(readNpz("/nonexistent")),
            "'/nonexistent': No such file or directory");
}

/// A tiny entry that claims to inflate to a terabyte is refused before memory
/// is asked for.
TEST_F(Npz, Bomb) {
  std::string whole = dir.read("a.npz");
  size_t central = whole.find("PK\x01\x02");
  ASSERT_NE(central, std::string::npos);
  whole[central + 10] = 8; // deflated
  std::memcpy(&whole[central + 24], "\xff\xff\xff\x7f", 4);
  EXPECT_NE(open(whole).find("which is impossible"), std::string::npos);
}

} // namespace

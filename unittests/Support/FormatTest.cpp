//===- FormatTest.cpp - Text for people -------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Support/Format.h"
#include "compress/Support/ModelHeader.h"
#include "compress/Support/TextTable.h"

#include "gtest/gtest.h"
#include <cmath>

using namespace compress;

namespace {

TEST(Format, Bytes) {
  EXPECT_EQ(formatBytes(0), "0 B");
  EXPECT_EQ(formatBytes(1023), "1023 B");
  EXPECT_EQ(formatBytes(1536), "1.50 KiB");
  EXPECT_EQ(formatBytes(10240), "10.0 KiB");
  EXPECT_EQ(formatBytes(1048575), "1.00 MiB");
  EXPECT_EQ(formatBytes(~0ull), "16.0 EiB");
}

TEST(Format, Duration) {
  EXPECT_EQ(formatDuration(0), "0.00 ns");
  EXPECT_EQ(formatDuration(85e-9), "85.0 ns");
  EXPECT_EQ(formatDuration(1.234e-3), "1.23 ms");
  EXPECT_EQ(formatDuration(0.9999), "1.00 s");
  EXPECT_EQ(formatDuration(125), "2 min 05 s");
  EXPECT_EQ(formatDuration(3720), "1 h 02 min");
  EXPECT_EQ(formatDuration(NAN), "?");
}

TEST(Format, Scaled) {
  EXPECT_EQ(formatScaled(0, "FLOPs"), "0 FLOPs");
  EXPECT_EQ(formatScaled(7, "FLOPs"), "7 FLOPs");
  EXPECT_EQ(formatScaled(1234567, "FLOPs"), "1.23 MFLOPs");
  EXPECT_EQ(formatScaled(999499, "BOPs"), "999 kBOPs");
  EXPECT_EQ(formatScaled(999600, "BOPs"), "1.00 MBOPs");
  EXPECT_EQ(formatScaled(1.5e-3, "J"), "1.50 mJ");
  EXPECT_EQ(formatScaled(-2e-7, "J"), "-200 nJ");
  EXPECT_EQ(formatScaled(NAN, "J"), "? J");
}

TEST(Format, ShapeAndPercent) {
  EXPECT_EQ(formatShape({}), "[]");
  EXPECT_EQ(formatShape({1, -1, -2}), "[1, ?, ?]");
  EXPECT_EQ(formatPercent(0.1234), "12.3 %");
}

TEST(TextTable, AlignsColumns) {
  TextTable table({{"name"}, {"size", TextTable::Align::Right}});
  table.addRow({"\xc3\xa4\xc3\xb6", "5"});
  table.addRow({"longer"});
  table.addRule();
  table.addRow({"all", "12345"});
  std::string text;
  llvm::raw_string_ostream os(text);
  table.print(os, 1);
  EXPECT_EQ(text, " name     size\n"
                  " ------  -----\n"
                  " \xc3\xa4\xc3\xb6          5\n"
                  " longer\n"
                  " ------  -----\n"
                  " all     12345\n");
}

TEST(ModelHeader, Identifiers) {
  EXPECT_EQ(toCIdentifier("a/b.c-1"), "a_b_c_1");
  EXPECT_EQ(toCIdentifier("7"), "m7");
  EXPECT_EQ(toCIdentifier(""), "m");
}

/// Names come from files: they must not be able to leave a comment or collide.
TEST(ModelHeader, HostileNames) {
  const int64_t dims[] = {-1, 3};
  CompressTensorInfo inputs[] = {{"a*/b\n", COMPRESS_DTYPE_F32, 2, dims},
                                 {"a__b_", COMPRESS_DTYPE_F32, 2, dims}};
  CompressModelInfo info = {};
  info.model_name = "x */ y";
  info.producer = "test";
  info.inputs = inputs;
  info.num_inputs = 2;
  std::string text = renderModelHeader(info);
  EXPECT_EQ(text.find("/* The model 'x *? y'"), 0u) << text.substr(0, 80);
  EXPECT_NE(text.find("x____y_input_a__b_(const float *data, int64_t dim0)"),
            std::string::npos);
  EXPECT_NE(text.find("x____y_input_a__b__(const float *data"),
            std::string::npos);
}

} // namespace

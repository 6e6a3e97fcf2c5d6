//===- DataTest.cpp - Tests of calibration data -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Calibration/Data.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>

using namespace compress;
using llvm::SmallString;

static NpyArray makeArray(llvm::ArrayRef<int64_t> shape) {
  NpyArray array =
      llvm::cantFail(NpyArray::allocate(COMPRESS_DTYPE_F32, shape));
  auto *values = reinterpret_cast<float *>(array.mutableData());
  for (int64_t i = 0; i < array.size(); ++i)
    values[i] = float(i);
  return array;
}

static std::string errorOf(llvm::Expected<CalibrationData> data) {
  if (data)
    return "";
  return llvm::toString(data.takeError());
}

static const InputSpec image{"x", COMPRESS_DTYPE_F32, {1, 2, 2}};

TEST(CalibrationData, SplitsAlongTheLeadingAxis) {
  for (int64_t batch : {1, -1}) {
    auto data = CalibrationData::create(
        {{"x", makeArray({3, 2, 2})}},
        {{"x", COMPRESS_DTYPE_F32, {batch, 2, 2}}}, "d.npz");
    ASSERT_EQ(errorOf(std::move(data)), "");
  }
  auto data = llvm::cantFail(
      CalibrationData::create({{"x", makeArray({3, 2, 2})}}, image, "d.npz"));
  ASSERT_EQ(data.size(), 3);
  std::vector<NpyArray> sample = data.getSample(2);
  ASSERT_EQ(sample.size(), 1u);
  EXPECT_EQ(llvm::ArrayRef<int64_t>(sample[0].shape),
            llvm::ArrayRef<int64_t>({1, 2, 2}));
  EXPECT_EQ(sample[0].as<float>().vec(), (std::vector<float>{8, 9, 10, 11}));
}

TEST(CalibrationData, SelectsSamples) {
  auto data = llvm::cantFail(
      CalibrationData::create({{"x", makeArray({5, 2, 2})}}, image, "d.npz"));
  CalibrationData some = data.select({4, 1});
  ASSERT_EQ(some.size(), 2);
  EXPECT_EQ(some.getSample(0)[0].as<float>()[0], 16);
  EXPECT_EQ(some.getSample(1)[0].as<float>()[0], 4);
  // Of a selection.
  CalibrationData one = some.select({1});
  ASSERT_EQ(one.size(), 1);
  EXPECT_EQ(one.getSample(0)[0].as<float>()[0], 4);
}

TEST(CalibrationData, FixedBatchesAndSharedInputs) {
  std::vector<InputSpec> inputs = {{"x", COMPRESS_DTYPE_F32, {2, -1}},
                                   {"scale", COMPRESS_DTYPE_F32, {4}},
                                   {"k", COMPRESS_DTYPE_F32, {}}};
  auto data =
      llvm::cantFail(CalibrationData::create({{"labels", makeArray({6})},
                                              {"k", makeArray({})},
                                              {"x", makeArray({6, 3})},
                                              {"scale", makeArray({4})}},
                                             inputs, "d.npz"));
  ASSERT_EQ(data.size(), 3);
  std::vector<NpyArray> sample = data.getSample(1);
  EXPECT_EQ(sample[0].as<float>().vec(),
            (std::vector<float>{6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(sample[1].size(), 4);
  EXPECT_EQ(sample[2].size(), 1);
  ASSERT_EQ(data.getExtras().size(), 1u);
  EXPECT_EQ(data.getExtras()[0].first, "labels");
}

TEST(CalibrationData, NamesWhatIsWrong) {
  EXPECT_EQ(errorOf(CalibrationData::create({{"y", makeArray({3, 2, 2})}},
                                            image, "d.npz")),
            "d.npz: no array for the model's input 'x'; the file has 'y'");
  EXPECT_EQ(errorOf(CalibrationData::create({}, image, "d.npz")),
            "d.npz: no array for the model's input 'x'; the file has none");
  EXPECT_EQ(errorOf(CalibrationData::create({{"x", makeArray({3, 2, 5})}},
                                            image, "d.npz")),
            "d.npz: input 'x': the model expects f32 [1, 2, 2] with any number "
            "of samples along axis 0, the array is f32 [3, 2, 5]");
  EXPECT_EQ(errorOf(CalibrationData::create({{"x", makeArray({0, 2, 2})}},
                                            image, "d.npz")),
            "d.npz: input 'x': the array f32 [0, 2, 2] is empty");
  NpyArray doubles =
      llvm::cantFail(NpyArray::allocate(COMPRESS_DTYPE_F64, {3, 2, 2}));
  EXPECT_EQ(errorOf(CalibrationData::create({{"x", doubles}}, image, "d.npz")),
            "d.npz: input 'x': the model expects f32 [1, 2, 2], the array is "
            "f64 [3, 2, 2]");
  NpyArray bad = makeArray({3, 2, 2});
  reinterpret_cast<float *>(bad.mutableData())[5] = NAN;
  EXPECT_EQ(errorOf(CalibrationData::create({{"x", bad}}, image, "d.npz")),
            "d.npz: input 'x': element 5 is not a finite number");
  EXPECT_EQ(errorOf(CalibrationData::create(
                {{"x", makeArray({3, 2, 2})}, {"z", makeArray({2, 2, 2})}},
                {image, {"z", COMPRESS_DTYPE_F32, {1, 2, 2}}}, "d.npz")),
            "d.npz: input 'z' has 2 samples, input 'x' 3");
}

namespace {
/// A folder that goes away with the test.
struct Folder {
  SmallString<128> path;
  Folder() { llvm::sys::fs::createUniqueDirectory("compress-data", path); }
  ~Folder() { llvm::sys::fs::remove_directories(path); }
  std::string write(llvm::StringRef name, llvm::StringRef bytes) {
    SmallString<128> file(path);
    llvm::sys::path::append(file, name);
    llvm::sys::fs::create_directories(llvm::sys::path::parent_path(file));
    std::error_code code;
    llvm::raw_fd_ostream(file, code) << bytes;
    return std::string(file);
  }
};
} // namespace

/// `TensorProto{dims: [1, 2], data_type: FLOAT, ...}` with values 1.5, -2.
static std::string tensorBytes(bool raw) {
  float values[] = {1.5f, -2.0f};
  std::string payload(reinterpret_cast<const char *>(values), 8);
  // Fields: dims = 1, data_type = 2, float_data = 4, raw_data = 9.
  return std::string("\x08\x01\x08\x02\x10\x01", 6) +
         (raw ? std::string("\x4a\x08", 2) : std::string("\x22\x08", 2)) +
         payload;
}

TEST(CalibrationData, ReadsTestSets) {
  std::vector<InputSpec> inputs = {{"x", COMPRESS_DTYPE_F32, {1, 2}}};
  Folder folder;
  std::string file =
      folder.write("test_data_set_0/input_0.pb", tensorBytes(true));
  folder.write("test_data_set_0/output_0.pb", "ignored");
  folder.write("test_data_set_1/input_0.pb", tensorBytes(false));
  auto data = CalibrationData::load(folder.path, inputs);
  ASSERT_EQ(errorOf(std::move(data)), "");
  auto loaded = llvm::cantFail(CalibrationData::load(folder.path, inputs));
  ASSERT_EQ(loaded.size(), 2);
  for (int64_t i = 0; i < 2; ++i)
    EXPECT_EQ(loaded.getSample(i)[0].as<float>().vec(),
              (std::vector<float>{1.5f, -2.0f}));
  EXPECT_EQ(llvm::cantFail(CalibrationData::load(file, inputs)).size(), 1);
}

TEST(CalibrationData, RefusesDamagedTestSets) {
  std::vector<InputSpec> inputs = {{"x", COMPRESS_DTYPE_F32, {1, 2}}};
  std::string good = tensorBytes(true);
  for (size_t size = 0; size < good.size(); ++size) {
    Folder folder;
    std::string file =
        folder.write("input_0.pb", llvm::StringRef(good).take_front(size));
    std::string error = errorOf(CalibrationData::load(folder.path, inputs));
    EXPECT_TRUE(llvm::StringRef(error).contains("input_0.pb") ||
                llvm::StringRef(error).contains("input 'x'"))
        << size << ": " << error;
  }
  Folder folder;
  EXPECT_TRUE(
      llvm::StringRef(errorOf(CalibrationData::load(folder.path, inputs)))
          .ends_with("no input_0.pb here nor in a subfolder"));
  EXPECT_EQ(errorOf(CalibrationData::load("missing.npz", inputs)),
            "missing.npz: no such file");
  std::string text = folder.write("data.csv", "1,2");
  EXPECT_TRUE(llvm::StringRef(errorOf(CalibrationData::load(text, inputs)))
                  .contains("data is a .npz, .npy or .pb file"));
}

//===- Data.cpp - Samples to run a model on ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Calibration/Data.h"
#include "compress/Support/Format.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <algorithm>
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Inputs of a function
//===----------------------------------------------------------------------===//

static CompressDType getDType(Type type) {
  if (type.isF32())
    return COMPRESS_DTYPE_F32;
  if (type.isF64())
    return COMPRESS_DTYPE_F64;
  if (type.isF16())
    return COMPRESS_DTYPE_F16;
  if (type.isBF16())
    return COMPRESS_DTYPE_BF16;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return COMPRESS_DTYPE_UNDEFINED;
  switch (integer.getWidth()) {
  case 1:
    return COMPRESS_DTYPE_BOOL;
  case 8:
    return integer.isUnsigned() ? COMPRESS_DTYPE_U8 : COMPRESS_DTYPE_I8;
  case 16:
    return integer.isUnsigned() ? COMPRESS_DTYPE_U16 : COMPRESS_DTYPE_I16;
  case 32:
    return integer.isUnsigned() ? COMPRESS_DTYPE_U32 : COMPRESS_DTYPE_I32;
  case 64:
    return integer.isUnsigned() ? COMPRESS_DTYPE_U64 : COMPRESS_DTYPE_I64;
  default:
    return COMPRESS_DTYPE_UNDEFINED;
  }
}

llvm::Expected<std::vector<InputSpec>>
compress::getInputSpecs(FunctionOpInterface function) {
  std::vector<InputSpec> inputs;
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes())) {
    InputSpec &input = inputs.emplace_back();
    auto name = function.getArgAttrOfType<StringAttr>(index, "onnx.name");
    input.name = name ? name.str() : "arg" + std::to_string(index);
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (tensor)
      input.dtype = getDType(tensor.getElementType());
    if (!tensor || input.dtype == COMPRESS_DTYPE_UNDEFINED) {
      std::string text;
      llvm::raw_string_ostream(text) << type;
      return llvm::createStringError("input '" + Twine(input.name) +
                                     "' has type " + text +
                                     ", for which there are no array files");
    }
    input.shape.assign(tensor.getShape().begin(), tensor.getShape().end());
  }
  return inputs;
}

//===----------------------------------------------------------------------===//
// Validation
//===----------------------------------------------------------------------===//

static std::string describe(const InputSpec &input) {
  return (dtypeSpelling(input.dtype) + " " + formatShape(input.shape)).str();
}

/// The index of the first value that is not finite; -1 when there is none.
static int64_t findNonFinite(const NpyArray &array) {
  auto search = [](auto values, auto isBad) -> int64_t {
    auto it = llvm::find_if(values, isBad);
    return it == values.end() ? -1 : it - values.begin();
  };
  // The exponent of halves is all ones.
  auto half = [](uint16_t mask) {
    return [mask](uint16_t bits) { return (bits & mask) == mask; };
  };
  switch (array.dtype) {
  case COMPRESS_DTYPE_F32:
    return search(array.as<float>(), [](float v) { return !std::isfinite(v); });
  case COMPRESS_DTYPE_F64:
    return search(array.as<double>(),
                  [](double v) { return !std::isfinite(v); });
  case COMPRESS_DTYPE_F16:
    return search(array.as<uint16_t>(), half(0x7c00));
  case COMPRESS_DTYPE_BF16:
    return search(array.as<uint16_t>(), half(0x7f80));
  default:
    return -1;
  }
}

/// Checks an array against its input and returns the rows of one sample; 0 for
/// a scalar.
static llvm::Expected<int64_t>
checkArray(const NpyArray &array, const InputSpec &input, StringRef what) {
  auto fail = [&](const Twine &message) {
    return llvm::createStringError(what + ": input '" + input.name +
                                   "': " + message);
  };
  if (array.dtype != input.dtype)
    return fail("the model expects " + describe(input) + ", the array is " +
                describe(array));
  bool fits = array.shape.size() == input.shape.size();
  for (size_t axis = 1; fits && axis < input.shape.size(); ++axis)
    fits = input.shape[axis] < 0 || input.shape[axis] == array.shape[axis];
  int64_t rows = 0;
  if (fits && !input.shape.empty()) {
    rows = std::max<int64_t>(input.shape[0], 1);
    fits = array.shape[0] % rows == 0;
  }
  if (!fits)
    return fail("the model expects " + describe(input) +
                " with any number of samples along axis 0, the array is " +
                describe(array));
  if (array.size() == 0)
    return fail("the array " + describe(array) + " is empty");
  if (int64_t index = findNonFinite(array); index >= 0)
    return fail("element " + Twine(index) + " is not a finite number");
  return rows;
}

llvm::Expected<CalibrationData>
CalibrationData::create(NpzArrays arrays, ArrayRef<InputSpec> inputs,
                        StringRef what) {
  CalibrationData data;
  Part part;
  part.count = 1;
  StringRef counted;
  for (const InputSpec &input : inputs) {
    auto it = llvm::find_if(
        arrays, [&](const auto &entry) { return entry.first == input.name; });
    if (it == arrays.end()) {
      SmallVector<StringRef> names;
      for (const auto &entry : arrays)
        names.push_back(entry.first);
      return llvm::createStringError(
          what + ": no array for the model's input '" + input.name +
          "'; the file has " +
          (names.empty() ? "none" : "'" + llvm::join(names, "', '") + "'"));
    }
    auto rows = checkArray(it->second, input, what);
    if (!rows)
      return rows.takeError();
    int64_t count = *rows ? it->second.shape[0] / *rows : 1;
    if (count > 1 && part.count > 1 && count != part.count)
      return llvm::createStringError(
          what + ": input '" + input.name + "' has " + Twine(count) +
          " samples, input '" + counted + "' " + Twine(part.count));
    if (count > 1) {
      part.count = count;
      counted = input.name;
    }
    part.inputs.push_back({std::move(it->second), count > 1 ? *rows : 0});
    arrays.erase(it);
  }
  data.total = part.count;
  data.parts.push_back(std::move(part));
  data.extras = std::move(arrays);
  return data;
}

CalibrationData CalibrationData::select(ArrayRef<int64_t> indices) const {
  CalibrationData chosen;
  chosen.parts = parts;
  chosen.total = indices.size();
  for (int64_t index : indices)
    chosen.selected.push_back(selected.empty() ? index : selected[index]);
  return chosen;
}

std::vector<NpyArray> CalibrationData::getSample(int64_t index) const {
  if (!selected.empty())
    index = selected[index];
  const Part *part = parts.data();
  for (; index >= part->count; ++part)
    index -= part->count;
  std::vector<NpyArray> sample;
  for (const Part::Input &input : part->inputs) {
    NpyArray &array = sample.emplace_back(input.array);
    if (!input.rows)
      continue;
    size_t bytes = array.data.size() / (array.shape[0] / input.rows);
    array.data = array.data.slice(index * bytes, bytes);
    array.shape[0] = input.rows;
  }
  return sample;
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

static llvm::Error needsOneInput(StringRef path, size_t count) {
  return llvm::createStringError(
      path + ": holds one array, but the model has " + Twine(count) +
      " inputs; give a .npz with an array for each");
}

/// `input_0.pb`, ... of one folder; nothing when there is no such file.
static llvm::Expected<NpzArrays> readTestSet(StringRef folder,
                                             ArrayRef<InputSpec> inputs) {
  NpzArrays arrays;
  for (size_t i = 0;; ++i) {
    SmallString<256> file(folder);
    llvm::sys::path::append(file, "input_" + Twine(i) + ".pb");
    if (!llvm::sys::fs::exists(file))
      break;
    auto tensor = readTensorProto(file);
    if (!tensor)
      return tensor.takeError();
    if (i >= inputs.size())
      return llvm::createStringError(Twine(file) + ": the model has only " +
                                     Twine(inputs.size()) + " inputs");
    // Files stand for inputs by number, but a name that is another input's
    // wins.
    std::string name = inputs[i].name;
    for (const InputSpec &input : inputs)
      if (input.name == tensor->first)
        name = tensor->first;
    arrays.emplace_back(name, std::move(tensor->second));
  }
  return arrays;
}

llvm::Expected<CalibrationData>
CalibrationData::load(StringRef path, ArrayRef<InputSpec> inputs) {
  if (!llvm::sys::fs::exists(path))
    return llvm::createStringError(path + ": no such file");
  if (inputs.empty())
    return llvm::createStringError(path + ": the model has no inputs");

  if (llvm::sys::fs::is_directory(path)) {
    std::vector<std::string> folders{path.str()};
    std::error_code code;
    for (llvm::sys::fs::directory_iterator it(path, code), end;
         it != end && !code; it.increment(code))
      if (llvm::sys::fs::is_directory(it->path()))
        folders.push_back(it->path());
    if (code)
      return llvm::createStringError(path + ": " + code.message());
    llvm::sort(folders);
    CalibrationData all;
    for (const std::string &folder : folders) {
      auto arrays = readTestSet(folder, inputs);
      if (!arrays)
        return arrays.takeError();
      if (arrays->empty())
        continue;
      auto data = create(std::move(*arrays), inputs, folder);
      if (!data)
        return data.takeError();
      all.total += data->total;
      llvm::append_range(all.parts, data->parts);
    }
    if (all.parts.empty())
      return llvm::createStringError(path +
                                     ": no input_0.pb here nor in a subfolder");
    return all;
  }

  StringRef extension = llvm::sys::path::extension(path);
  if (extension == ".npz") {
    auto arrays = readNpz(path);
    if (!arrays)
      return arrays.takeError();
    return create(std::move(*arrays), inputs, path);
  }
  NpzArrays arrays;
  if (extension == ".npy") {
    auto array = readNpy(path);
    if (!array)
      return array.takeError();
    arrays.emplace_back(inputs[0].name, std::move(*array));
  } else if (extension == ".pb") {
    auto tensor = readTensorProto(path);
    if (!tensor)
      return tensor.takeError();
    arrays.emplace_back(inputs[0].name, std::move(tensor->second));
  } else {
    return llvm::createStringError(
        path +
        ": data is a .npz, .npy or .pb file or a folder with input_0.pb");
  }
  if (inputs.size() != 1)
    return needsOneInput(path, inputs.size());
  return create(std::move(arrays), inputs, path);
}

//===- Batches.cpp - From files of samples to runs and back -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Batches.h"
#include "compress/Support/Format.h"

#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <cstring>

using namespace compress;
using namespace llvm;

static std::string expected(const CompressTensorInfo &t) {
  return (dtypeSpelling(t.dtype) + " " +
          formatShape(ArrayRef<int64_t>(t.dims, t.rank)))
      .str();
}

static std::string names(const CompressTensorInfo *list, int64_t count) {
  std::vector<std::string> texts;
  for (int64_t i = 0; i < count; ++i)
    texts.push_back("'" + std::string(list[i].name) +
                    "': " + expected(list[i]));
  return join(texts, ", ");
}

/// Whether `shape` fits from dimension `from` on.
static bool fits(ArrayRef<int64_t> shape, const CompressTensorInfo &t,
                 size_t from) {
  if (shape.size() != static_cast<size_t>(t.rank))
    return false;
  for (size_t d = from; d < shape.size(); ++d)
    if (t.dims[d] >= 0 && t.dims[d] != shape[d])
      return false;
  return true;
}

Expected<Batches> Batches::create(const CompressModelInfo &info,
                                  const NpzArrays &arrays, int64_t chunk) {
  Batches batches;
  batches.info = &info;
  for (const auto &[name, array] : arrays) {
    // Evaluation files carry labels beside the inputs.
    bool known = name == "labels";
    for (int64_t i = 0; i < info.num_inputs; ++i)
      known |= name == info.inputs[i].name;
    if (!known)
      return createStringError("the model has no input '" + name +
                               "'; it expects " +
                               names(info.inputs, info.num_inputs));
  }
  bool dynamic = true, sampled = false;
  const char *first = nullptr;
  for (int64_t i = 0; i < info.num_inputs; ++i) {
    const CompressTensorInfo &want = info.inputs[i];
    const NpyArray *array = lookup(arrays, want.name);
    if (!array)
      return createStringError("no array '" + Twine(want.name) +
                               "' in the input file; the model expects " +
                               names(info.inputs, info.num_inputs));
    auto mismatch = [&] {
      return createStringError("array '" + Twine(want.name) + "' is " +
                               describe(*array) + ", the model expects " +
                               expected(want));
    };
    if (array->dtype != want.dtype)
      return mismatch();
    bool batch = want.rank > 0 && (want.dims[0] == 1 || want.dims[0] < 0);
    if (!fits(array->shape, want, batch ? 1 : 0))
      return mismatch();
    batches.list.push_back({array, batch});
    if (!batch)
      continue;
    // One array of a single sample beside others of many is used for all.
    int64_t count = array->shape[0];
    if (!sampled || (batches.numSamples == 1 && count != 1)) {
      batches.numSamples = count;
      first = want.name;
      sampled = true;
    } else if (count != batches.numSamples && count != 1) {
      return createStringError("array '" + Twine(want.name) + "' has " +
                               Twine(count) + " samples (axis 0), array '" +
                               first + "' has " + Twine(batches.numSamples));
    }
    dynamic &= want.dims[0] < 0;
  }
  if (sampled && batches.numSamples == 0)
    return createStringError("the input file holds no samples (axis 0 is 0)");
  for (size_t i = 0; i < batches.list.size(); ++i) {
    Input &input = batches.list[i];
    if (input.sliced && input.array->shape[0] != batches.numSamples) {
      input.sliced = false;
      // A single sample cannot stand for each of a chunk of samples.
      if (info.inputs[i].dims[0] < 0)
        dynamic = false;
    }
  }
  batches.perRun = !sampled    ? 1
                   : !dynamic  ? 1
                   : chunk > 0 ? std::min(chunk, batches.numSamples)
                               : batches.numSamples;
  batches.numRuns = (batches.numSamples + batches.perRun - 1) / batches.perRun;
  return batches;
}

std::vector<CompressTensor> Batches::inputs(int64_t run) const {
  std::vector<CompressTensor> tensors;
  int64_t begin = run * perRun, end = std::min(begin + perRun, numSamples);
  for (const Input &input : list) {
    const NpyArray &array = *input.array;
    CompressTensor t = {};
    t.dtype = array.dtype;
    t.rank = static_cast<int32_t>(array.shape.size());
    std::copy(array.shape.begin(), array.shape.end(), t.dims);
    const char *data = array.data.data();
    if (input.sliced) {
      data += array.data.size() / numSamples * begin;
      t.dims[0] = end - begin;
    }
    t.data = const_cast<char *>(data);
    tensors.push_back(t);
  }
  return tensors;
}

Expected<NpzArrays>
Batches::concatenate(const std::vector<std::vector<NpyArray>> &results) const {
  NpzArrays arrays;
  for (int64_t o = 0; o < info->num_outputs; ++o) {
    const NpyArray &first = results[0][o];
    if (results.size() == 1) {
      arrays.emplace_back(info->outputs[o].name, first);
      continue;
    }
    // Without an axis to join along, results are stacked along a new one.
    bool stack = first.shape.empty();
    SmallVector<int64_t, 4> shape(first.shape);
    if (stack)
      shape.push_back(1);
    shape[0] = 0;
    for (const std::vector<NpyArray> &result : results) {
      ArrayRef<int64_t> piece = result[o].shape;
      if (!stack && ArrayRef<int64_t>(shape).drop_front() != piece.drop_front())
        return createStringError(
            "output '" + Twine(info->outputs[o].name) + "' is " +
            describe(first) + " for one sample and " + describe(result[o]) +
            " for another: the results cannot be joined in one array");
      shape[0] += stack ? 1 : piece[0];
    }
    Expected<NpyArray> joined = NpyArray::allocate(first.dtype, shape);
    if (!joined)
      return joined.takeError();
    char *to = joined->mutableData();
    for (const std::vector<NpyArray> &result : results) {
      if (!result[o].data.empty())
        std::memcpy(to, result[o].data.data(), result[o].data.size());
      to += result[o].data.size();
    }
    arrays.emplace_back(info->outputs[o].name, std::move(*joined));
  }
  return arrays;
}

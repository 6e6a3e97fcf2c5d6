//===- LoadedModel.cpp - A model library opened by path ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "LoadedModel.h"
#include "compress/Support/Format.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>
#include <dlfcn.h>

using namespace compress;
using namespace llvm;

Expected<LoadedModel> LoadedModel::open(StringRef given, int threads,
                                        bool verify) {
  LoadedModel loaded;
  SmallString<256> path(given);
  if (sys::fs::is_directory(path)) {
    sys::path::append(path, "model.so");
    if (!sys::fs::exists(path))
      return createStringError("'" + given +
                               "' holds no model.so; give the directory that "
                               "compress-compile wrote");
  } else if (!sys::fs::exists(path)) {
    return createStringError("'" + given + "': no such file or directory");
  }
  // Without a slash, dlopen would search the system's libraries.
  sys::fs::make_absolute(path);
  loaded.path = path.str().str();
  // Never closed: OpenMP's threads may still run code of the library.
  void *library = dlopen(loaded.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return createStringError("cannot load the model library: " +
                             StringRef(dlerror()));
  auto entry = reinterpret_cast<const CompressModelAPI *(*)()>(
      dlsym(library, "compress_model_api"));
  if (!entry)
    return createStringError("'" + given +
                             "' is not a model library: it does not export "
                             "compress_model_api");
  loaded.api = entry();
  if (loaded.api->abi_version != COMPRESS_MODEL_ABI_VERSION ||
      loaded.api->struct_size < sizeof(CompressModelAPI))
    return createStringError("'" + given + "' has ABI version " +
                             Twine(loaded.api->abi_version) +
                             ", this compress-run understands version " +
                             Twine(COMPRESS_MODEL_ABI_VERSION));
  CompressModelOptions options = {};
  options.threads = threads;
  options.verify_weights = verify;
  char message[1024] = "";
  if (loaded.api->create(nullptr, &options, &loaded.model, message,
                         sizeof message) != COMPRESS_OK)
    return createStringError("cannot load '" + given +
                             "': " + StringRef(message));
  return std::move(loaded);
}

LoadedModel::LoadedModel(LoadedModel &&other)
    : path(std::move(other.path)), api(other.api), model(other.model) {
  other.model = nullptr;
}

LoadedModel::~LoadedModel() {
  if (model)
    api->destroy(model);
}

std::string LoadedModel::signature() const {
  std::string text;
  raw_string_ostream os(text);
  auto print = [&](StringRef kind, const CompressTensorInfo &t) {
    os << "  " << kind << " '" << t.name << "': " << dtypeSpelling(t.dtype)
       << ' ' << formatShape(ArrayRef<int64_t>(t.dims, t.rank)) << '\n';
  };
  for (int64_t i = 0; i < info().num_inputs; ++i)
    print("input", info().inputs[i]);
  for (int64_t i = 0; i < info().num_outputs; ++i)
    print("output", info().outputs[i]);
  return text;
}

Error LoadedModel::run(const std::vector<CompressTensor> &inputs,
                       std::vector<NpyArray> *outputs) {
  std::vector<CompressTensor> results(info().num_outputs);
  if (api->run(model, inputs.data(), inputs.size(), results.data(),
               results.size()) != COMPRESS_OK)
    return createStringError("the model failed: " +
                             StringRef(api->last_error(model)));
  Error error = Error::success();
  if (outputs) {
    outputs->clear();
    for (const CompressTensor &t : results) {
      auto array = NpyArray::allocate(static_cast<CompressDType>(t.dtype),
                                      ArrayRef<int64_t>(t.dims, t.rank));
      if (!array) {
        error = joinErrors(std::move(error), array.takeError());
        break;
      }
      if (!array->data.empty())
        std::memcpy(array->mutableData(), t.data, array->data.size());
      outputs->push_back(std::move(*array));
    }
  }
  api->release(results.data(), results.size());
  return error;
}

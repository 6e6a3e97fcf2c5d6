//===- ModelLibrary.cpp - The exported table of a model library -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// Linked into each model.so (the linker is asked for `compress_model_api`). The
// compiler's own process never refers to it and so does not need an entry
// point.
//
//===----------------------------------------------------------------------===//

#include "compress/Runtime/ModelInstance.h"

#include <cstdio>
#include <dlfcn.h>
#include <new>

using namespace compress::runtime;

struct CompressModel {
  std::unique_ptr<ModelInstance> instance;
  std::string error; // of a call that failed before the instance saw it
};

namespace {

const CompressModelVariant &variant() {
  static const CompressModelVariant &selected =
      selectVariant(compress_model_variants);
  return selected;
}

const CompressModelInfo *info() { return variant().info; }

/// model.safetensors for .../model.so, or an empty string.
std::string defaultWeightsPath() {
  Dl_info library;
  if (!dladdr(&compress_model_variants, &library) || !library.dli_fname)
    return "";
  std::string path = library.dli_fname;
  if (path.size() > 3 && path.compare(path.size() - 3, 3, ".so") == 0)
    path.resize(path.size() - 3);
  return path + ".safetensors";
}

CompressStatus create(const char *weightsPath,
                      const CompressModelOptions *options,
                      CompressModel **model, char *errbuf, size_t errbufSize) {
  CompressStatus status = COMPRESS_OK;
  std::string error;
  if (model)
    *model = nullptr;
  // The C++ library may throw when memory runs out; nothing may pass the C
  // boundary.
  try {
    const CompressModelInfo &info = *variant().info;
    CompressModelOptions defaults = {};
    if (!options)
      options = &defaults;
    Weights weights;
    if (!model) {
      status = COMPRESS_ERROR_ARGUMENT;
      error = "no place to put the model (null pointer)";
    } else if (info.abi_version == COMPRESS_MODEL_ABI_VERSION &&
               info.weights_size) {
      std::string path = weightsPath ? weightsPath : defaultWeightsPath();
      status = Weights::map(path, info.weights_size, info.weights_hash,
                            options->verify_weights != 0, weights, error);
    }
    if (!status) {
      auto instance = ModelInstance::create(
          variant().entry, info, std::move(weights), *options, status, error);
      if (instance) {
        *model = new CompressModel;
        (*model)->instance = std::move(instance);
      }
    }
  } catch (const std::exception &e) {
    status = COMPRESS_ERROR_MEMORY;
    error = e.what();
  }
  if (errbuf && errbufSize)
    std::snprintf(errbuf, errbufSize, "%s", error.c_str());
  return status;
}

template <typename Body>
CompressStatus guarded(CompressModel *model, Body body) {
  if (!model)
    return COMPRESS_ERROR_ARGUMENT;
  try {
    model->error.clear();
    return body(*model->instance);
  } catch (const std::exception &) {
    model->error = "out of memory"; // short: needs no allocation
    return COMPRESS_ERROR_MEMORY;
  }
}

CompressStatus run(CompressModel *model, const CompressTensor *inputs,
                   size_t numInputs, CompressTensor *outputs,
                   size_t numOutputs) {
  return guarded(model, [&](ModelInstance &instance) {
    return instance.run(inputs, numInputs, outputs, numOutputs);
  });
}

CompressStatus setThreads(CompressModel *model, int32_t threads) {
  return guarded(model, [&](ModelInstance &instance) {
    return instance.setThreads(threads);
  });
}

const char *lastError(const CompressModel *model) {
  if (!model)
    return "no model (null pointer)";
  return model->error.empty() ? model->instance->lastError()
                              : model->error.c_str();
}

size_t peakBytes(const CompressModel *model) {
  return model ? model->instance->peakBytes() : 0;
}

void destroy(CompressModel *model) { delete model; }

} // namespace

extern "C" __attribute__((visibility("default"))) const CompressModelAPI *
compress_model_api(void) {
  static const CompressModelAPI api = {
      COMPRESS_MODEL_ABI_VERSION,
      sizeof(CompressModelAPI),
      info,
      create,
      run,
      releaseTensors,
      setThreads,
      lastError,
      peakBytes,
      destroy,
  };
  return &api;
}

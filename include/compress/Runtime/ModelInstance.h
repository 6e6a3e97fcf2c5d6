//===- ModelInstance.h - A loaded model, in process -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// One implementation of "load, check, run" for both users of generated code:
// the function table of a model library (Model.h) and the compiler's JIT.
//
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_RUNTIME_MODELINSTANCE_H
#define COMPRESS_RUNTIME_MODELINSTANCE_H

#include "compress/Runtime/ModelABI.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace compress::runtime {

/// The data section of a weight file: mapped and owned, or borrowed memory.
class Weights {
public:
  Weights() = default;
  Weights(Weights &&other) noexcept { *this = std::move(other); }
  Weights &operator=(Weights &&other) noexcept;
  ~Weights();

  /// Memory that outlives the model. `data` should be 64-byte aligned.
  static Weights borrow(const void *data, size_t size);

  /// Maps the safetensors file at `path` read-only and checks it against what
  /// the model expects: data section of `expectedSize` bytes, recorded hash
  /// `expectedHash`; with `verify`, the hash of the bytes themselves too.
  /// Returns COMPRESS_OK, or a status and a message in `error`.
  static CompressStatus map(const std::string &path, uint64_t expectedSize,
                            uint64_t expectedHash, bool verify,
                            Weights &weights, std::string &error);

  const void *data() const { return base; }
  size_t size() const { return bytes; }

private:
  const void *base = nullptr;
  size_t bytes = 0;
  void *mapping = nullptr;
  size_t mappingSize = 0;
};

/// What an observer sees: an intermediate tensor of the running model, laid out
/// with `strides` (in elements). Valid during the callback only.
struct ObservedTensor {
  const void *data;
  CompressDType dtype;
  int32_t rank;
  const int64_t *sizes;
  const int64_t *strides;
};

/// Called by `compress_rt_observe*` on the thread that runs the model. `slot`
/// is the call site's number, which the compiler maps to a value of the model.
using Observer = void (*)(void *user, int64_t slot,
                          const ObservedTensor &tensor);

struct Context;

/// A model ready to run. Not copyable. `run` may be called from any thread;
/// calls on one instance are serialized.
class ModelInstance {
public:
  /// Checks ABI version, CPU features, ranks and the size of the weights.
  /// `info` and the code of `entry` must outlive the instance. On failure
  /// returns null, with `status` and a one-line message in `error`.
  static std::unique_ptr<ModelInstance>
  create(CompressEntry entry, const CompressModelInfo &info, Weights weights,
         const CompressModelOptions &options, CompressStatus &status,
         std::string &error);
  ~ModelInstance();
  ModelInstance(const ModelInstance &) = delete;
  ModelInstance &operator=(const ModelInstance &) = delete;

  /// See `run` and CompressTensor in Model.h.
  CompressStatus run(const CompressTensor *inputs, size_t numInputs,
                     CompressTensor *outputs, size_t numOutputs);
  CompressStatus setThreads(int32_t threads);
  int32_t threads() const;
  const char *lastError() const;
  size_t peakBytes() const;
  /// What was made from the weights for all runs.
  size_t preparedBytes() const;
  const CompressModelInfo &info() const;

  /// Null removes the observer.
  void setObserver(Observer observer, void *user);

private:
  ModelInstance();
  CompressStatus checkInputs(const CompressTensor *inputs);
  CompressStatus execute(void **inputs, void **outputs);
  CompressStatus runChecked(const CompressTensor *inputs,
                            CompressTensor *outputs);
  CompressStatus collect(CompressTensor *outputs);
  CompressStatus fail(CompressStatus status, std::string message);

  struct Impl;
  std::unique_ptr<Impl> impl;
};

/// Frees outputs that `run` allocated.
void releaseTensors(CompressTensor *tensors, size_t count);

/// Bytes of one element; 0 for a type that inputs and outputs cannot have.
size_t elementSize(int32_t dtype);
/// "f32", "u8", ...; "?" for an unknown one.
const char *dtypeName(int32_t dtype);

/// Which of the comma separated LLVM feature names this machine lacks (CPU and
/// operating system), comma separated; empty when it has all. Names that the
/// runtime does not know count as lacking: it cannot vouch for them. So do
/// those in the environment variable COMPRESS_DISABLE_CPU_FEATURES, a list
/// separated by commas.
std::string missingCPUFeatures(const char *features);

/// The first of `variants` that this machine can run, or the last, which asks
/// for least.
const CompressModelVariant &selectVariant(const CompressModelVariant *variants);

} // namespace compress::runtime

#endif // COMPRESS_RUNTIME_MODELINSTANCE_H

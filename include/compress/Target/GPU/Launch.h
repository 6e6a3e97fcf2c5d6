//===- Launch.h - Launches of kernels on any device -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// What the runtimes of devices do alike. Each instance of a model keeps its
// weights, its kernels and the tensors that only kernels use on the device.
//
// A Device has types Buffer and Pipeline, a `name`, a `mutex`, and the members
// used below; all give back "" or an error. Depends on the common runtime only.
//
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_TARGET_GPU_LAUNCH_H
#define COMPRESS_TARGET_GPU_LAUNCH_H

#include "compress/Runtime/Functions.h"
#include "compress/Target/GPU/LaunchTable.h"

#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace compress::launching {

struct Launch {
  void *ctx;
  const void *code;
  size_t codeBytes;
  const int64_t *table;
};

/// What an instance keeps on the device.
template <typename Device> struct State {
  using Buffer = typename Device::Buffer;
  using Pipeline = typename Device::Pipeline;

  explicit State(Device &device) : device(device) {}
  ~State() {
    std::lock_guard<std::mutex> lock(device.mutex);
    // Without a device to talk to there is nothing to give back, either.
    (void)device.enter();
    for (auto &[code, pipeline] : pipelines)
      device.destroyPipeline(pipeline);
    weights.clear();
    resident.clear();
    transfers.clear();
    parameters = Buffer();
  }

  Device &device;
  std::map<std::pair<const void *, size_t>, Buffer> weights;
  /// Tensors that stay on the device, by number, and those that a launch moves,
  /// by binding; as large as the largest so far.
  std::map<int64_t, Buffer> resident, transfers;
  std::map<const void *, Pipeline> pipelines;
  Buffer parameters;
};

template <typename Device> void destroyState(void *state) {
  delete static_cast<State<Device> *>(state);
}

/// Finds or makes buffer `i` of a launch, and moves there what it lacks.
template <typename Device>
std::string findBuffer(State<Device> &state, const Launch &launch, uint32_t i,
                       const int64_t *entry, typename Device::Buffer *&buffer) {
  using Buffer = typename Device::Buffer;
  Device &device = state.device;
  auto *address =
      reinterpret_cast<const void *>(entry[COMPRESS_LAUNCH_ADDRESS]);
  auto bytes = size_t(entry[COMPRESS_LAUNCH_BYTES]);
  bool isWritten = entry[COMPRESS_LAUNCH_IS_WRITTEN];
  int64_t number = entry[COMPRESS_LAUNCH_PLACE] / 2;
  if (!isWritten && !number && compress_rt_is_constant(launch.ctx, address)) {
    Buffer &weight = state.weights[{address, bytes}];
    buffer = &weight;
    if (weight.isAllocated())
      return "";
    std::string error = device.allocate(bytes, /*transferable=*/false, weight);
    return error.empty() ? device.upload(weight, address, bytes) : error;
  }
  Buffer &tensor = number ? state.resident[number] : state.transfers[i];
  buffer = &tensor;
  if (number && !isWritten)
    return "";
  if (tensor.size < bytes || !tensor.isAllocated()) {
    tensor = Buffer();
    std::string error =
        device.allocate(bytes, /*transferable=*/!number, tensor);
    if (!error.empty())
      return error;
  }
  return isWritten ? "" : device.upload(tensor, address, bytes);
}

template <typename Device>
std::string run(State<Device> &state, const Launch &launch) {
  using Buffer = typename Device::Buffer;
  using Pipeline = typename Device::Pipeline;
  const int64_t *table = launch.table;
  auto numBuffers = uint32_t(table[COMPRESS_LAUNCH_NUM_BUFFERS]);
  auto numParameters = size_t(table[COMPRESS_LAUNCH_NUM_PARAMETERS]);
  const int64_t *entries = table + COMPRESS_LAUNCH_HEADER;
  const int64_t *values = entries + COMPRESS_LAUNCH_BUFFER * numBuffers;
  int64_t invocations = values[0];
  if (invocations == 0)
    return "";
  Device &device = state.device;
  std::lock_guard<std::mutex> lock(device.mutex);
  std::string error = device.enter();
  if (!error.empty())
    return error;

  std::vector<int32_t> parameters(numParameters);
  for (size_t i = 0; i < numParameters; ++i) {
    if (values[i] > INT32_MAX)
      return "a size of " + std::to_string(values[i]) +
             " is beyond what kernels count in 32 bits";
    parameters[i] = int32_t(values[i]);
  }
  size_t parameterBytes = 4 * numParameters;
  if (state.parameters.size < parameterBytes) {
    state.parameters = Buffer();
    error = device.allocate(parameterBytes, /*transferable=*/true,
                            state.parameters);
    if (!error.empty())
      return error;
  }
  error = device.upload(state.parameters, parameters.data(), parameterBytes);
  if (!error.empty())
    return error;

  std::vector<Buffer *> buffers{&state.parameters};
  for (uint32_t i = 0; i < numBuffers; ++i) {
    Buffer *buffer = nullptr;
    error = findBuffer(state, launch, i, entries + COMPRESS_LAUNCH_BUFFER * i,
                       buffer);
    if (!error.empty())
      return error;
    buffers.push_back(buffer);
  }
  Pipeline &pipeline = state.pipelines[launch.code];
  if (!pipeline.isMade()) {
    error = device.createPipeline(static_cast<const uint32_t *>(launch.code),
                                  launch.codeBytes, numBuffers + 1, pipeline);
    if (!error.empty()) {
      device.destroyPipeline(pipeline);
      return error;
    }
  }
  int64_t perGroup = table[COMPRESS_LAUNCH_WORKGROUP_SIZE];
  error = device.launch(pipeline, buffers.data(),
                        uint64_t(invocations + perGroup - 1) / perGroup,
                        uint32_t(perGroup));
  for (uint32_t i = 0; i < numBuffers && error.empty(); ++i) {
    const int64_t *entry = entries + COMPRESS_LAUNCH_BUFFER * i;
    int64_t place = entry[COMPRESS_LAUNCH_PLACE];
    if (entry[COMPRESS_LAUNCH_IS_WRITTEN] && (place == 0 || place % 2))
      error = device.download(
          *buffers[i + 1],
          reinterpret_cast<void *>(entry[COMPRESS_LAUNCH_ADDRESS]),
          size_t(entry[COMPRESS_LAUNCH_BYTES]));
  }
  return error;
}

/// Whether all went well; else the reason is in `message`, after `name`.
template <typename Device>
bool runGuarded(const char *name, const Launch &launch, char *message,
                size_t size, CompressStatus &status) noexcept {
  status = COMPRESS_ERROR_INTERNAL;
  std::string error;
  try {
    void **place = compress_rt_extension(launch.ctx, destroyState<Device>);
    if (!*place) {
      Device *device = Device::get(error);
      if (device)
        *place = new State<Device>(*device);
      else
        status = COMPRESS_ERROR_UNSUPPORTED;
    }
    if (*place)
      error = run(*static_cast<State<Device> *>(*place), launch);
    if (error.find("memory") != std::string::npos)
      status = COMPRESS_ERROR_MEMORY;
    std::snprintf(message, size, "%s: %s", name, error.c_str());
    return error.empty();
  } catch (const std::exception &) {
    status = COMPRESS_ERROR_MEMORY;
    std::snprintf(message, size, "%s: out of memory", name);
    return false;
  }
}

/// Runs one kernel to its end; see LaunchTable.h for the arguments, which are
/// addresses as integers. Failures end the run with an error.
template <typename Device>
void launch(const char *name, void *ctx, int64_t code, int64_t codeBytes,
            int64_t table) {
  char message[512];
  CompressStatus status;
  Launch launch = {ctx, reinterpret_cast<const void *>(code), size_t(codeBytes),
                   reinterpret_cast<const int64_t *>(table)};
  // Nothing with a destructor is alive here.
  if (!runGuarded<Device>(name, launch, message, sizeof message, status))
    compress_rt_fail(ctx, status, message);
}

/// Writes the name of the device that a launch would use, or why there is none;
/// returns 1 if there is one, else 0.
template <typename Device> int32_t probe(char *text, int64_t size) {
  try {
    std::string error;
    Device *device = Device::get(error);
    std::snprintf(text, size_t(size), "%s",
                  device ? device->name.c_str() : error.c_str());
    return device != nullptr;
  } catch (const std::exception &) {
    std::snprintf(text, size_t(size), "out of memory");
    return 0;
  }
}

} // namespace compress::launching

#endif // COMPRESS_TARGET_GPU_LAUNCH_H

//===- CUDA.cpp - Launches of kernels through the CUDA driver ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// Types and values are those of the driver API's documentation, so that no
// header of a toolkit is needed.
//
//===----------------------------------------------------------------------===//

#include "compress/Target/CUDA/Runtime.h"
#include "compress/Target/GPU/DriverDevice.h"

namespace {

// X(member, exported name, arguments)
#define COMPRESS_CUDA_FUNCTIONS(X)                                             \
  X(cuInit, cuInit, (unsigned))                                                \
  X(countDevices, cuDeviceGetCount, (int *))                                   \
  X(getDevice, cuDeviceGet, (int *, int))                                      \
  X(getName, cuDeviceGetName, (char *, int, int))                              \
  X(getTotalBytes, cuDeviceTotalMem_v2, (size_t *, int))                       \
  X(getAttribute, cuDeviceGetAttribute, (int *, int, int))                     \
  X(retainContext, cuDevicePrimaryCtxRetain, (void **, int))                   \
  X(setContext, cuCtxSetCurrent, (void *))                                     \
  X(synchronize, cuCtxSynchronize, ())                                         \
  X(allocate, cuMemAlloc_v2, (uint64_t *, size_t))                             \
  X(free, cuMemFree_v2, (uint64_t))                                            \
  X(upload, cuMemcpyHtoD_v2, (uint64_t, const void *, size_t))                 \
  X(download, cuMemcpyDtoH_v2, (void *, uint64_t, size_t))                     \
  X(loadModule, cuModuleLoadData, (void **, const void *))                     \
  X(unloadModule, cuModuleUnload, (void *))                                    \
  X(getFunction, cuModuleGetFunction, (void **, void *, const char *))         \
  X(launchKernel, cuLaunchKernel,                                              \
    (void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,       \
     unsigned, void *, void **, void **))                                      \
  X(getErrorString, cuGetErrorString, (int, const char **))

struct CUDA {
  static constexpr const char *library = "libcuda.so.1",
                              *package = "the NVIDIA driver",
                              *deviceVariable = "COMPRESS_CUDA_DEVICE",
                              *memoryVariable = "COMPRESS_CUDA_MEMORY";
  using Status = int;

#define COMPRESS_CUDA_DECLARE(MEMBER, NAME, ARGUMENTS)                         \
  int(*MEMBER) ARGUMENTS = nullptr;
  COMPRESS_CUDA_FUNCTIONS(COMPRESS_CUDA_DECLARE)
#undef COMPRESS_CUDA_DECLARE

  std::string load(void *from) {
#define COMPRESS_CUDA_LOAD(MEMBER, NAME, ARGUMENTS)                            \
  MEMBER = reinterpret_cast<int(*) ARGUMENTS>(dlsym(from, #NAME));             \
  if (!MEMBER)                                                                 \
    return #NAME;
    COMPRESS_CUDA_FUNCTIONS(COMPRESS_CUDA_LOAD)
#undef COMPRESS_CUDA_LOAD
    return "";
  }

  Status init() { return cuInit(0); }
  std::string describe(Status status) {
    const char *text = nullptr;
    if (getErrorString(status, &text) || !text)
      text = "unknown error";
    return std::string(text) + " (CUDA error " + std::to_string(status) + ")";
  }
  std::string getArchitecture(int device) {
    // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and MINOR.
    int major = 0, minor = 0;
    (void)getAttribute(&major, 75, device);
    (void)getAttribute(&minor, 76, device);
    return "sm_" + std::to_string(10 * major + minor);
  }
  Status open(int device) { return retainContext(&context, device); }
  Status enter() { return setContext(context); }
  Status launch(void *function, unsigned groups, unsigned perGroup,
                void **arguments) {
    if (Status status = launchKernel(function, groups, 1, 1, perGroup, 1, 1, 0,
                                     nullptr, arguments, nullptr))
      return status;
    return synchronize();
  }

  void *context = nullptr;
};

using Device = compress::launching::DriverDevice<CUDA>;

} // namespace

void compress_rt_cuda_launch(void *ctx, int64_t /*slot*/, int64_t code,
                             int64_t codeBytes, int64_t table) {
  compress::launching::launch<Device>("cuda", ctx, code, codeBytes, table);
}

int32_t compress_rt_cuda_probe(char *text, int64_t size) {
  return compress::launching::probe<Device>(text, size);
}

//===- ROCm.cpp - Launches of kernels through HIP ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// Types and values are those of HIP's documentation, so that no header of ROCm
// is needed.
//
//===----------------------------------------------------------------------===//

#include "compress/Target/GPU/DriverDevice.h"
#include "compress/Target/ROCm/Runtime.h"

namespace {

// X(member, exported name, arguments)
#define COMPRESS_HIP_FUNCTIONS(X)                                              \
  X(hipInit, hipInit, (unsigned))                                              \
  X(countDevices, hipGetDeviceCount, (int *))                                  \
  X(getDevice, hipDeviceGet, (int *, int))                                     \
  X(getName, hipDeviceGetName, (char *, int, int))                             \
  X(getTotalBytes, hipDeviceTotalMem, (size_t *, int))                         \
  X(setDevice, hipSetDevice, (int))                                            \
  X(synchronize, hipDeviceSynchronize, ())                                     \
  X(allocate, hipMalloc, (uint64_t *, size_t))                                 \
  X(free, hipFree, (uint64_t))                                                 \
  X(upload, hipMemcpyHtoD, (uint64_t, const void *, size_t))                   \
  X(download, hipMemcpyDtoH, (void *, uint64_t, size_t))                       \
  X(loadModule, hipModuleLoadData, (void **, const void *))                    \
  X(unloadModule, hipModuleUnload, (void *))                                   \
  X(getFunction, hipModuleGetFunction, (void **, void *, const char *))        \
  X(launchKernel, hipModuleLaunchKernel,                                       \
    (void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,       \
     unsigned, void *, void **, void **))

struct HIP {
  static constexpr const char *library = "libamdhip64.so",
                              *package = "ROCm's HIP runtime",
                              *deviceVariable = "COMPRESS_ROCM_DEVICE",
                              *memoryVariable = "COMPRESS_ROCM_MEMORY";
  using Status = int;

#define COMPRESS_HIP_DECLARE(MEMBER, NAME, ARGUMENTS)                          \
  int(*MEMBER) ARGUMENTS = nullptr;
  COMPRESS_HIP_FUNCTIONS(COMPRESS_HIP_DECLARE)
#undef COMPRESS_HIP_DECLARE
  const char *(*getErrorString)(int) = nullptr;

  std::string load(void *from) {
#define COMPRESS_HIP_LOAD(MEMBER, NAME, ARGUMENTS)                             \
  MEMBER = reinterpret_cast<int(*) ARGUMENTS>(dlsym(from, #NAME));             \
  if (!MEMBER)                                                                 \
    return #NAME;
    COMPRESS_HIP_FUNCTIONS(COMPRESS_HIP_LOAD)
#undef COMPRESS_HIP_LOAD
    getErrorString = reinterpret_cast<const char *(*)(int)>(
        dlsym(from, "hipGetErrorString"));
    return getErrorString ? "" : "hipGetErrorString";
  }

  Status init() { return hipInit(0); }
  std::string describe(Status status) {
    const char *text = getErrorString(status);
    return std::string(text ? text : "unknown error") + " (HIP error " +
           std::to_string(status) + ")";
  }
  // Its name is in a structure that differs from version to version.
  std::string getArchitecture(int) { return "another architecture"; }
  Status open(int number) {
    device = number;
    return setDevice(device);
  }
  Status enter() { return setDevice(device); }
  Status launch(void *function, unsigned groups, unsigned perGroup,
                void **arguments) {
    if (Status status = launchKernel(function, groups, 1, 1, perGroup, 1, 1, 0,
                                     nullptr, arguments, nullptr))
      return status;
    return synchronize();
  }

  int device = 0;
};

using Device = compress::launching::DriverDevice<HIP>;

} // namespace

void compress_rt_rocm_launch(void *ctx, int64_t /*slot*/, int64_t code,
                             int64_t codeBytes, int64_t table) {
  compress::launching::launch<Device>("rocm", ctx, code, codeBytes, table);
}

int32_t compress_rt_rocm_probe(char *text, int64_t size) {
  return compress::launching::probe<Device>(text, size);
}

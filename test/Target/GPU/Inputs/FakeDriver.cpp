//===- FakeDriver.cpp - A driver of GPUs that has none
//----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions of CUDA's driver and of HIP that our runtimes call, on memory
// of the host. Calls are written to the file FAKE_DRIVER_LOG, one a line. A
// "kernel" fills its last buffer with ones.
// FAKE_DRIVER_FAIL=<function>:<status> makes a function fail;
// FAKE_DRIVER_DEVICES says how many devices there are.
//
//===----------------------------------------------------------------------===//

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

namespace {
struct Module {
  unsigned numArguments;
};
std::map<uint64_t, size_t> &memory() {
  static auto &map = *new std::map<uint64_t, size_t>;
  return map;
}

/// Logs a call; returns the status that it is to fail with, or 0.
int call(const char *name, const char *format = "", ...) {
  static FILE *log = [] {
    const char *path = std::getenv("FAKE_DRIVER_LOG");
    return path ? std::fopen(path, "w") : nullptr;
  }();
  if (log) {
    std::fprintf(log, "%s ", name);
    va_list arguments;
    va_start(arguments, format);
    std::vfprintf(log, format, arguments);
    va_end(arguments);
    std::fprintf(log, "\n");
    std::fflush(log);
  }
  const char *fail = std::getenv("FAKE_DRIVER_FAIL");
  size_t length = std::strlen(name);
  if (fail && !std::strncmp(fail, name, length) && fail[length] == ':')
    return std::atoi(fail + length + 1);
  return 0;
}

int fits(uint64_t address, size_t size, int status) {
  auto it = memory().upper_bound(address);
  if (it == memory().begin())
    return status;
  --it;
  return address + size <= it->first + it->second ? 0 : status;
}

int countDevices(int *count) {
  const char *text = std::getenv("FAKE_DRIVER_DEVICES");
  *count = text ? std::atoi(text) : 2;
  return 0;
}

int allocate(const char *name, uint64_t *address, size_t size) {
  if (int status = call(name, "%zu", size))
    return status;
  *address = reinterpret_cast<uint64_t>(std::calloc(1, size));
  memory()[*address] = size;
  return 0;
}

int release(const char *name, uint64_t address) {
  if (int status = call(name))
    return status;
  if (!memory().erase(address))
    return 1;
  std::free(reinterpret_cast<void *>(address));
  return 0;
}

int copyTo(const char *name, uint64_t to, const void *from, size_t size) {
  if (int status = call(name, "%zu", size))
    return status;
  if (int status = fits(to, size, 1))
    return status;
  std::memcpy(reinterpret_cast<void *>(to), from, size);
  return 0;
}

int copyFrom(const char *name, void *to, uint64_t from, size_t size) {
  if (int status = call(name, "%zu", size))
    return status;
  if (int status = fits(from, size, 1))
    return status;
  std::memcpy(to, reinterpret_cast<void *>(from), size);
  return 0;
}

int loadModule(const char *name, void **module, const void *image) {
  auto *text = static_cast<const char *>(image);
  bool isText = !std::strncmp(text, "//", 2);
  if (int status = call(name, "%s", isText ? "ptx" : "binary"))
    return status;
  unsigned count = 0;
  if (isText) {
    // Of assembly the arguments are known.
    const char *end = std::strstr(text, ".visible .entry compress_kernel(");
    end = end ? std::strchr(end, ')') : nullptr;
    if (!end)
      return 218;
    for (const char *at = text; (at = std::strstr(at, ".param")) && at < end;
         ++at)
      ++count;
  } else if (!std::strncmp(name, "cu", 2)) {
    return 209; // CUDA_ERROR_NO_BINARY_FOR_GPU
  }
  *module = new Module{count};
  return 0;
}

int launch(const char *name, void *function, unsigned groups, unsigned threads,
           void **arguments) {
  unsigned count = static_cast<Module *>(function)->numArguments;
  if (int status = call(name, "%u %u %u", groups, threads, count))
    return status;
  for (unsigned i = 0; i < count; ++i)
    if (fits(*static_cast<uint64_t *>(arguments[i]), 4, 1))
      return 700; // an illegal address
  if (!count)
    return 0;
  auto out = *static_cast<uint64_t *>(arguments[count - 1]);
  auto *values = reinterpret_cast<float *>(out);
  for (size_t i = 0; i < memory()[out] / 4; ++i)
    values[i] = 1;
  return 0;
}

int getName(char *text, int length, int device) {
  std::snprintf(text, length, "Fake GPU %d", device);
  return 0;
}
} // namespace

extern "C" {

//===--- CUDA -------------------------------------------------------------===//
int cuInit(unsigned) { return call("cuInit"); }
int cuDeviceGetCount(int *count) { return countDevices(count); }
int cuDeviceGet(int *device, int number) { return *device = number, 0; }
int cuDeviceGetName(char *text, int length, int device) {
  return getName(text, length, device);
}
int cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = 1 << 30, 0; }
int cuDeviceGetAttribute(int *value, int attribute, int) {
  return *value = attribute == 75 ? 7 : 5, 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
  static int dummy;
  return *context = &dummy, call("cuDevicePrimaryCtxRetain", "%d", device);
}
int cuCtxSetCurrent(void *context) { return context ? 0 : 201; }
int cuCtxSynchronize() { return call("cuCtxSynchronize"); }
int cuMemAlloc_v2(uint64_t *address, size_t size) {
  return allocate("cuMemAlloc", address, size);
}
int cuMemFree_v2(uint64_t address) { return release("cuMemFree", address); }
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size) {
  return copyTo("cuMemcpyHtoD", to, from, size);
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t size) {
  return copyFrom("cuMemcpyDtoH", to, from, size);
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t size, void *) {
  return copyTo("cuMemcpyDtoD", to, reinterpret_cast<void *>(from), size);
}
int cuEventCreate(void **event, unsigned) { return *event = event, 0; }
int cuEventRecord(void *, void *) { return call("cuEventRecord"); }
int cuEventSynchronize(void *) { return 0; }
int cuEventElapsedTime(float *milliseconds, void *, void *) {
  return *milliseconds = 300, 0;
}
int cuModuleLoadData(void **module, const void *image) {
  return loadModule("cuModuleLoadData", module, image);
}
int cuModuleUnload(void *module) {
  return delete static_cast<Module *>(module), call("cuModuleUnload");
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
  *function = module;
  return std::strcmp(name, "compress_kernel") ? 500 : 0;
}
int cuLaunchKernel(void *function, unsigned x, unsigned, unsigned,
                   unsigned threads, unsigned, unsigned, unsigned, void *,
                   void **arguments, void **) {
  return launch("cuLaunchKernel", function, x, threads, arguments);
}
int cuGetErrorString(int status, const char **text) {
  *text = status == 209
              ? "no kernel image is available for execution on the device"
          : status == 2   ? "out of memory"
          : status == 700 ? "an illegal memory access was encountered"
          : status == 100 ? "no CUDA-capable device is detected"
                          : "some error";
  return 0;
}

//===--- HIP --------------------------------------------------------------===//
int hipInit(unsigned) { return call("hipInit"); }
int hipGetDeviceCount(int *count) { return countDevices(count); }
int hipDeviceGet(int *device, int number) { return *device = number, 0; }
int hipDeviceGetName(char *text, int length, int device) {
  return getName(text, length, device);
}
int hipDeviceTotalMem(size_t *bytes, int) { return *bytes = 1 << 30, 0; }
int hipSetDevice(int) { return 0; }
int hipDeviceSynchronize() { return call("hipDeviceSynchronize"); }
int hipMalloc(uint64_t *address, size_t size) {
  return allocate("hipMalloc", address, size);
}
int hipFree(uint64_t address) { return release("hipFree", address); }
int hipMemcpyHtoD(uint64_t to, const void *from, size_t size) {
  return copyTo("hipMemcpyHtoD", to, from, size);
}
int hipMemcpyDtoH(void *to, uint64_t from, size_t size) {
  return copyFrom("hipMemcpyDtoH", to, from, size);
}
int hipModuleLoadData(void **module, const void *image) {
  return loadModule("hipModuleLoadData", module, image);
}
int hipModuleUnload(void *module) {
  return delete static_cast<Module *>(module), call("hipModuleUnload");
}
int hipModuleGetFunction(void **function, void *module, const char *) {
  return *function = module, 0;
}
int hipModuleLaunchKernel(void *function, unsigned x, unsigned, unsigned,
                          unsigned threads, unsigned, unsigned, unsigned,
                          void *, void **arguments, void **) {
  return launch("hipModuleLaunchKernel", function, x, threads, arguments);
}
const char *hipGetErrorString(int status) {
  return status == 2 ? "out of memory" : "some error";
}
}

//===- DriverDevice.h - A device behind a driver library --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// The device of Launch.h for drivers in the manner of CUDA: contexts, modules
// and launches with an array of argument addresses. The driver's functions are
// those of an API class, which opens its library when it is first used:
//
//   static constexpr const char *library, *package; // for messages
//   static constexpr const char *deviceVariable, *memoryVariable;
//   using Status = int;                      // 0 is success
//   std::string load(void *library);         // "" or what is missing
//   std::string describe(Status);
//   init, countDevices, getDevice, getName, getTotalBytes, getArchitecture,
//   open, enter, allocate, free, upload, download, loadModule, unloadModule,
//   getFunction, launch
//
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_TARGET_GPU_DRIVERDEVICE_H
#define COMPRESS_TARGET_GPU_DRIVERDEVICE_H

#include "compress/Target/GPU/DeviceCode.h"
#include "compress/Target/GPU/Launch.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

namespace compress::launching {

template <typename API> class DriverDevice {
public:
  /// Memory of the device; freed with the object.
  class Buffer {
  public:
    Buffer() = default;
    Buffer(Buffer &&other) noexcept { *this = std::move(other); }
    Buffer &operator=(Buffer &&other) noexcept {
      std::swap(address, other.address);
      std::swap(size, other.size);
      std::swap(device, other.device);
      return *this;
    }
    ~Buffer() {
      if (!address)
        return;
      device->api.free(address);
      device->usedBytes -= size;
    }
    bool isAllocated() const { return address != 0; }

    uint64_t address = 0;
    size_t size = 0;

  private:
    friend class DriverDevice;
    DriverDevice *device = nullptr;
  };

  struct Pipeline {
    bool isMade() const { return function != nullptr; }
    void *module = nullptr, *function = nullptr;
    uint32_t numBuffers = 0;
  };

  /// Finds and opens the device, at the first call. Null with a reason in
  /// `error`: the same every time.
  static DriverDevice *get(std::string &error) {
    struct Opened {
      Opened() : error(device.openDevice()) {}
      DriverDevice device;
      std::string error;
    };
    // Never destroyed: the driver may be gone before this is.
    static Opened &opened = *new Opened;
    error = opened.error;
    return error.empty() ? &opened.device : nullptr;
  }

  std::mutex mutex;
  std::string name;

  std::string enter() { return check("cannot use the device", api.enter()); }

  std::string allocate(size_t size, bool /*transferable*/, Buffer &buffer) {
    Buffer made;
    // Kernels read whole words, and at most four at once.
    made.size = (size + 15) / 16 * 16 + 16;
    if (made.size > maxBytes - std::min(usedBytes, maxBytes))
      return "out of device memory for " + megabytes(size) + ": " +
             megabytes(usedBytes) + " of the " + megabytes(maxBytes) + " of " +
             API::memoryVariable + " are taken";
    uint64_t address = 0;
    if (typename API::Status status = api.allocate(&address, made.size))
      return "out of device memory for " + megabytes(size) + " on '" + name +
             "', which has " + megabytes(totalBytes) + ": " +
             api.describe(status);
    made.address = address;
    made.device = this;
    usedBytes += made.size;
    buffer = std::move(made);
    return "";
  }
  std::string upload(Buffer &buffer, const void *data, size_t size) {
    return size ? check("cannot copy to the device",
                        api.upload(buffer.address, data, size))
                : "";
  }
  std::string download(Buffer &buffer, void *data, size_t size) {
    return size ? check("cannot copy from the device",
                        api.download(data, buffer.address, size))
                : "";
  }

  /// `code` is what DeviceCode.h says; the first image that loads is taken.
  std::string createPipeline(const uint32_t *code, size_t codeBytes,
                             uint32_t numBuffers, Pipeline &result) {
    result.numBuffers = numBuffers;
    auto *bytes = reinterpret_cast<const char *>(code);
    char chip[COMPRESS_CODE_CHIP_BYTES + 1] = {};
    uint32_t numImages = code[COMPRESS_CODE_NUM_IMAGES];
    std::memcpy(chip, code + COMPRESS_CODE_CHIP, COMPRESS_CODE_CHIP_BYTES);
    typename API::Status status = 0;
    for (uint32_t i = 0; i < numImages && !result.module; ++i) {
      const uint32_t *image =
          code + COMPRESS_CODE_HEADER + COMPRESS_CODE_IMAGE * i;
      if (size_t(image[COMPRESS_CODE_OFFSET]) + image[COMPRESS_CODE_BYTES] >
          codeBytes)
        return "the code of a kernel is damaged";
      status =
          api.loadModule(&result.module, bytes + image[COMPRESS_CODE_OFFSET]);
    }
    if (status || !result.module)
      return std::string("cannot load a kernel made for ") + chip + " on '" +
             name + "' (" + architecture + "): " + api.describe(status);
    return check(
        "a kernel has no entry point",
        api.getFunction(&result.function, result.module, COMPRESS_CODE_ENTRY));
  }
  void destroyPipeline(Pipeline &pipeline) {
    if (pipeline.module)
      api.unloadModule(pipeline.module);
    pipeline = Pipeline();
  }

  /// Runs so many workgroups and waits for them.
  std::string launch(Pipeline &pipeline, const Buffer *const *buffers,
                     uint64_t groups, uint32_t perGroup) {
    if (groups > INT32_MAX)
      return "a kernel with " + std::to_string(groups) +
             " workgroups is too large";
    std::vector<uint64_t> addresses(pipeline.numBuffers);
    std::vector<void *> arguments(pipeline.numBuffers);
    for (uint32_t i = 0; i < pipeline.numBuffers; ++i) {
      addresses[i] = buffers[i]->address;
      arguments[i] = &addresses[i];
    }
    return check("a kernel failed",
                 api.launch(pipeline.function, uint32_t(groups), perGroup,
                            arguments.data()));
  }

private:
  DriverDevice() = default;

  std::string check(const char *what, typename API::Status status) {
    return status ? std::string(what) + ": " + api.describe(status) : "";
  }
  static std::string megabytes(size_t size) {
    return std::to_string((size + (1 << 20) - 1) >> 20) + " MiB";
  }

  std::string openDevice() {
    // Never closed: there is one driver per process.
    void *library = dlopen(API::library, RTLD_NOW | RTLD_LOCAL);
    if (!library)
      return std::string("there is no ") + API::library + ": " + API::package +
             " is not installed";
    std::string error = api.load(library);
    if (!error.empty())
      return std::string(API::library) + " has no " + error + ": it is too old";
    error = check("the driver cannot be started", api.init());
    int count = 0;
    if (error.empty())
      error = check("cannot list devices", api.countDevices(&count));
    if (!error.empty())
      return error;
    if (!count)
      return std::string("the driver finds no device");
    const char *wanted = std::getenv(API::deviceVariable);
    std::string want = wanted ? wanted : "", list;
    int chosen = -1;
    for (int i = 0; i < count; ++i) {
      int device = 0;
      char text[256] = {};
      if (api.getDevice(&device, i) ||
          api.getName(text, sizeof text - 1, device))
        continue;
      list += (i ? ", " : "") + std::to_string(i) + " = '" + text + "'";
      bool fits = want.empty() || want == std::to_string(i) ||
                  std::strstr(text, want.c_str());
      if (fits && chosen < 0) {
        chosen = device;
        name = text;
      }
    }
    if (chosen < 0)
      return "no device is '" + want + "' (" + API::deviceVariable +
             "); there are " + list;
    if (const char *limit = std::getenv(API::memoryVariable))
      maxBytes = size_t(std::strtoull(limit, nullptr, 10)) << 20;
    (void)api.getTotalBytes(&totalBytes, chosen);
    architecture = api.getArchitecture(chosen);
    return check("the device cannot be opened", api.open(chosen));
  }

  API api;
  std::string architecture;
  size_t totalBytes = 0;
  /// Bytes in buffers, and how many there may be.
  size_t usedBytes = 0, maxBytes = SIZE_MAX;
};

} // namespace compress::launching

#endif // COMPRESS_TARGET_GPU_DRIVERDEVICE_H

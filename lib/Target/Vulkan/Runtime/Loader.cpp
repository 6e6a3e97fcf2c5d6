//===- Loader.cpp - Functions of the Vulkan loader --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Device.h"

#include <dlfcn.h>

using namespace compress::vulkan;

std::string Functions::openLoader() {
  // Never closed: drivers do not like to be unloaded, and it is one per
  // process.
  void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return "the Vulkan loader libvulkan.so.1 is not installed (Debian: "
           "libvulkan1)";
  vkGetInstanceProcAddr = reinterpret_cast<PFN_vkGetInstanceProcAddr>(
      dlsym(library, "vkGetInstanceProcAddr"));
  if (!vkGetInstanceProcAddr)
    return "libvulkan.so.1 is not a Vulkan loader";
#define COMPRESS_VK_LOAD(NAME)                                                 \
  NAME = reinterpret_cast<PFN_##NAME>(vkGetInstanceProcAddr(nullptr, #NAME));  \
  if (!NAME)                                                                   \
    return "the Vulkan loader has no " #NAME ": it is too old";
  COMPRESS_VK_GLOBAL(COMPRESS_VK_LOAD)
#undef COMPRESS_VK_LOAD
  return "";
}

std::string Functions::loadInstance(VkInstance instance) {
#define COMPRESS_VK_LOAD(NAME)                                                 \
  NAME = reinterpret_cast<PFN_##NAME>(vkGetInstanceProcAddr(instance, #NAME)); \
  if (!NAME)                                                                   \
    return "the Vulkan instance has no " #NAME;
  COMPRESS_VK_INSTANCE(COMPRESS_VK_LOAD)
#undef COMPRESS_VK_LOAD
  return "";
}

std::string Functions::loadDevice(VkDevice device) {
#define COMPRESS_VK_LOAD(NAME)                                                 \
  NAME = reinterpret_cast<PFN_##NAME>(vkGetDeviceProcAddr(device, #NAME));     \
  if (!NAME)                                                                   \
    return "the Vulkan device has no " #NAME;
  COMPRESS_VK_DEVICE(COMPRESS_VK_LOAD)
#undef COMPRESS_VK_LOAD
  return "";
}

std::string compress::vulkan::describe(VkResult result) {
  switch (result) {
  case VK_ERROR_OUT_OF_HOST_MEMORY:
    return "out of host memory";
  case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    return "out of device memory";
  case VK_ERROR_DEVICE_LOST:
    return "the device was lost";
  case VK_ERROR_INCOMPATIBLE_DRIVER:
    return "no driver is installed that this loader can use";
  case VK_ERROR_INITIALIZATION_FAILED:
    return "initialization failed";
  case VK_ERROR_INVALID_SHADER_NV:
    return "the driver rejects the kernel";
  default:
    return "Vulkan error " + std::to_string(int(result));
  }
}

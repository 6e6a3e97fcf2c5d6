//===- Device.h - One Vulkan device and its memory --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_LIB_TARGET_VULKAN_RUNTIME_DEVICE_H
#define COMPRESS_LIB_TARGET_VULKAN_RUNTIME_DEVICE_H

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace compress::vulkan {

// Functions of the loader, of an instance and of a device.
#define COMPRESS_VK_GLOBAL(X)                                                  \
  X(vkCreateInstance)                                                          \
  X(vkEnumerateInstanceVersion)
#define COMPRESS_VK_INSTANCE(X)                                                \
  X(vkDestroyInstance)                                                         \
  X(vkEnumeratePhysicalDevices)                                                \
  X(vkGetPhysicalDeviceProperties)                                             \
  X(vkGetPhysicalDeviceFeatures2)                                              \
  X(vkGetPhysicalDeviceMemoryProperties)                                       \
  X(vkGetPhysicalDeviceQueueFamilyProperties)                                  \
  X(vkCreateDevice)                                                            \
  X(vkGetDeviceProcAddr)
#define COMPRESS_VK_DEVICE(X)                                                  \
  X(vkDestroyDevice)                                                           \
  X(vkGetDeviceQueue)                                                          \
  X(vkCreateBuffer)                                                            \
  X(vkDestroyBuffer)                                                           \
  X(vkGetBufferMemoryRequirements)                                             \
  X(vkAllocateMemory)                                                          \
  X(vkFreeMemory)                                                              \
  X(vkBindBufferMemory)                                                        \
  X(vkMapMemory)                                                               \
  X(vkCreateShaderModule)                                                      \
  X(vkDestroyShaderModule)                                                     \
  X(vkCreateDescriptorSetLayout)                                               \
  X(vkDestroyDescriptorSetLayout)                                              \
  X(vkCreatePipelineLayout)                                                    \
  X(vkDestroyPipelineLayout)                                                   \
  X(vkCreateComputePipelines)                                                  \
  X(vkDestroyPipeline)                                                         \
  X(vkCreateDescriptorPool)                                                    \
  X(vkDestroyDescriptorPool)                                                   \
  X(vkAllocateDescriptorSets)                                                  \
  X(vkUpdateDescriptorSets)                                                    \
  X(vkCreateCommandPool)                                                       \
  X(vkDestroyCommandPool)                                                      \
  X(vkAllocateCommandBuffers)                                                  \
  X(vkBeginCommandBuffer)                                                      \
  X(vkEndCommandBuffer)                                                        \
  X(vkCmdBindPipeline)                                                         \
  X(vkCmdBindDescriptorSets)                                                   \
  X(vkCmdDispatch)                                                             \
  X(vkCmdCopyBuffer)                                                           \
  X(vkCmdPipelineBarrier)                                                      \
  X(vkQueueSubmit)                                                             \
  X(vkCreateFence)                                                             \
  X(vkDestroyFence)                                                            \
  X(vkWaitForFences)                                                           \
  X(vkResetFences)

struct Functions {
#define COMPRESS_VK_DECLARE(NAME) PFN_##NAME NAME = nullptr;
  COMPRESS_VK_GLOBAL(COMPRESS_VK_DECLARE)
  COMPRESS_VK_INSTANCE(COMPRESS_VK_DECLARE)
  COMPRESS_VK_DEVICE(COMPRESS_VK_DECLARE)
#undef COMPRESS_VK_DECLARE
  PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr = nullptr;

  /// Opens the loader; "" or why it cannot be used.
  std::string openLoader();
  std::string loadInstance(VkInstance instance);
  std::string loadDevice(VkDevice device);
};

/// "VK_ERROR_..." of a result, and what it means.
std::string describe(VkResult result);

class Device;

/// Memory of the device; freed with the object. Host pointer `mapped` where the
/// host can write it directly, else transfers go through a staging buffer.
class Buffer {
public:
  Buffer() = default;
  Buffer(Buffer &&other) noexcept { *this = std::move(other); }
  Buffer &operator=(Buffer &&other) noexcept;
  ~Buffer();
  bool isAllocated() const { return buffer; }

  VkBuffer buffer = VK_NULL_HANDLE;
  size_t size = 0;
  char *mapped = nullptr;

private:
  friend class Device;
  Device *device = nullptr;
  VkDeviceMemory memory = VK_NULL_HANDLE;
};

/// A kernel ready to be launched with so many buffers.
struct Pipeline {
  bool isMade() const { return pipeline; }

  VkShaderModule shader = VK_NULL_HANDLE;
  VkDescriptorSetLayout setLayout = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkPipeline pipeline = VK_NULL_HANDLE;
  VkDescriptorPool pool = VK_NULL_HANDLE;
  VkDescriptorSet set = VK_NULL_HANDLE;
  uint32_t numBuffers = 0;
};

/// The device of this process. Calls that submit work are for one thread at a
/// time: hold `mutex`. All return "" or an error.
class Device {
public:
  using Buffer = vulkan::Buffer;
  using Pipeline = vulkan::Pipeline;

  /// Finds and opens the device, at the first call. Null with a reason in
  /// `error`: the same every time.
  static Device *get(std::string &error);

  std::mutex mutex;
  std::string name;

  /// Before anything else in a thread.
  std::string enter() { return ""; }

  /// `transferable`: the host reads or writes it often.
  std::string allocate(size_t size, bool transferable, Buffer &buffer);
  std::string upload(Buffer &buffer, const void *data, size_t size);
  std::string download(Buffer &buffer, void *data, size_t size);

  /// `code` is what Runtime.h says.
  std::string createPipeline(const uint32_t *code, size_t codeBytes,
                             uint32_t numBuffers, Pipeline &pipeline);
  void destroyPipeline(Pipeline &pipeline);
  /// Runs so many workgroups and waits for them; their size is in the code.
  std::string launch(Pipeline &pipeline, const Buffer *const *buffers,
                     uint64_t groups, uint32_t /*perGroup*/);

private:
  friend class vulkan::Buffer;
  Device() = default;
  std::string open();
  std::string choose(VkPhysicalDevice &chosen);
  /// Records by `record`, submits and waits.
  template <typename Record> std::string submit(Record record);
  std::string allocateFrom(uint32_t wanted, uint32_t preferred, size_t size,
                           Buffer &buffer);
  std::string getStaging(size_t size);

  Functions vk;
  VkInstance instance = VK_NULL_HANDLE;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  VkPhysicalDeviceProperties properties = {};
  VkPhysicalDeviceMemoryProperties memories = {};
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  VkCommandPool commandPool = VK_NULL_HANDLE;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  VkFence fence = VK_NULL_HANDLE;
  bool hasDotProduct = false;
  /// Bytes in buffers, and how many there may be.
  size_t usedBytes = 0, maxBytes = SIZE_MAX;
  Buffer staging;
};

} // namespace compress::vulkan

#endif // COMPRESS_LIB_TARGET_VULKAN_RUNTIME_DEVICE_H

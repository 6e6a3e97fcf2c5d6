//===- Device.cpp - One Vulkan device and its memory ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Device.h"
#include "compress/Target/Vulkan/Runtime.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace compress::vulkan;

#define COMPRESS_VK_TRY(WHAT, CALL)                                            \
  if (VkResult status_ = (CALL))                                               \
    return std::string(WHAT ": ") + describe(status_);

/// A structure of Vulkan, zero but for its type.
template <typename T> static T make(VkStructureType type) {
  T structure = {};
  structure.sType = type;
  return structure;
}

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

Device *Device::get(std::string &error) {
  struct Opened {
    Opened() : error(device.open()) {}
    Device device;
    std::string error;
  };
  // Never destroyed: the loader and its drivers may be gone before this is.
  static Opened &opened = *new Opened;
  error = opened.error;
  return error.empty() ? &opened.device : nullptr;
}

static const char *kindOf(VkPhysicalDeviceType type) {
  switch (type) {
  case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
    return "discrete GPU";
  case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
    return "integrated GPU";
  case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
    return "virtual GPU";
  case VK_PHYSICAL_DEVICE_TYPE_CPU:
    return "software";
  default:
    return "other";
  }
}

/// The higher, the sooner it is taken; 0 only when asked for.
static int rank(VkPhysicalDeviceType type) {
  switch (type) {
  case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
    return 4;
  case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
    return 3;
  case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
    return 2;
  case VK_PHYSICAL_DEVICE_TYPE_CPU:
    return 0;
  default:
    return 1;
  }
}

std::string Device::choose(VkPhysicalDevice &chosen) {
  uint32_t count = 0;
  COMPRESS_VK_TRY("cannot list Vulkan devices",
                  vk.vkEnumeratePhysicalDevices(instance, &count, nullptr));
  std::vector<VkPhysicalDevice> all(count);
  if (count)
    vk.vkEnumeratePhysicalDevices(instance, &count, all.data());
  if (!count)
    return "there is no Vulkan device: no driver is installed, or it finds no "
           "hardware";
  const char *wanted = std::getenv("COMPRESS_VULKAN_DEVICE");
  std::string want = wanted ? wanted : "", list;
  int best = want.empty() ? 0 : -1;
  for (uint32_t i = 0; i < count; ++i) {
    VkPhysicalDeviceProperties p;
    vk.vkGetPhysicalDeviceProperties(all[i], &p);
    list += (i ? ", " : "") + std::to_string(i) + " = '" + p.deviceName +
            "' (" + kindOf(p.deviceType) + ")";
    bool isSoftware = p.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    if (!want.empty() && want != std::to_string(i) &&
        !(want == "software" && isSoftware) &&
        !std::strstr(p.deviceName, want.c_str()))
      continue;
    if (rank(p.deviceType) > best) {
      best = rank(p.deviceType);
      chosen = all[i];
    }
  }
  if (chosen)
    return "";
  if (!want.empty())
    return "no Vulkan device is '" + want +
           "' (COMPRESS_VULKAN_DEVICE); there are " + list;
  return "no GPU, only " + list +
         "; to run on the CPU set COMPRESS_VULKAN_DEVICE=software";
}

std::string Device::open() {
  std::string error = vk.openLoader();
  if (!error.empty())
    return error;
  uint32_t version = VK_API_VERSION_1_0;
  vk.vkEnumerateInstanceVersion(&version);
  if (version < VK_API_VERSION_1_1)
    return "the Vulkan loader has version 1.0, needed is 1.1";
  auto application =
      make<VkApplicationInfo>(VK_STRUCTURE_TYPE_APPLICATION_INFO);
  application.pApplicationName = "compress";
  application.apiVersion = std::min<uint32_t>(version, VK_API_VERSION_1_3);
  auto info =
      make<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
  info.pApplicationInfo = &application;
  COMPRESS_VK_TRY("Vulkan cannot be started",
                  vk.vkCreateInstance(&info, nullptr, &instance));
  error = vk.loadInstance(instance);
  if (!error.empty())
    return error;
  error = choose(physical);
  if (!error.empty())
    return error;
  vk.vkGetPhysicalDeviceProperties(physical, &properties);
  vk.vkGetPhysicalDeviceMemoryProperties(physical, &memories);
  if (const char *limit = std::getenv("COMPRESS_VULKAN_MEMORY"))
    maxBytes = size_t(std::strtoull(limit, nullptr, 10)) << 20;
  name = properties.deviceName;
  if (properties.apiVersion < VK_API_VERSION_1_1)
    return "Vulkan device '" + name + "' has version 1.0, needed is 1.1";

  uint32_t count = 0;
  vk.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vk.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count,
                                              families.data());
  uint32_t family = 0;
  while (family < count &&
         !(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT))
    ++family;
  if (family == count)
    return "Vulkan device '" + name + "' has no compute queue";

  float priority = 1;
  auto queueInfo =
      make<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
  queueInfo.queueFamilyIndex = family;
  queueInfo.queueCount = 1;
  queueInfo.pQueuePriorities = &priority;
  auto deviceInfo =
      make<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
  deviceInfo.queueCreateInfoCount = 1;
  deviceInfo.pQueueCreateInfos = &queueInfo;
  // Integer dot products, as SPIR-V 1.6 has them.
  auto dot = make<VkPhysicalDeviceShaderIntegerDotProductFeatures>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES);
  if (std::min(version, properties.apiVersion) >= VK_API_VERSION_1_3) {
    auto features = make<VkPhysicalDeviceFeatures2>(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
    features.pNext = &dot;
    vk.vkGetPhysicalDeviceFeatures2(physical, &features);
    const char *disabled = std::getenv("COMPRESS_VULKAN_DISABLE");
    hasDotProduct = dot.shaderIntegerDotProduct &&
                    !(disabled && std::strstr(disabled, "dot-product"));
    if (hasDotProduct) {
      dot.pNext = nullptr;
      deviceInfo.pNext = &dot;
    }
  }
  COMPRESS_VK_TRY("the Vulkan device cannot be opened",
                  vk.vkCreateDevice(physical, &deviceInfo, nullptr, &device));
  error = vk.loadDevice(device);
  if (!error.empty())
    return error;
  vk.vkGetDeviceQueue(device, family, 0, &queue);
  auto poolInfo =
      make<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
  poolInfo.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  poolInfo.queueFamilyIndex = family;
  COMPRESS_VK_TRY(
      "cannot make a command pool",
      vk.vkCreateCommandPool(device, &poolInfo, nullptr, &commandPool));
  auto commandInfo = make<VkCommandBufferAllocateInfo>(
      VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
  commandInfo.commandPool = commandPool;
  commandInfo.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  commandInfo.commandBufferCount = 1;
  COMPRESS_VK_TRY("cannot make a command buffer",
                  vk.vkAllocateCommandBuffers(device, &commandInfo, &commands));
  auto fenceInfo = make<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
  COMPRESS_VK_TRY("cannot make a fence",
                  vk.vkCreateFence(device, &fenceInfo, nullptr, &fence));
  return "";
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Buffer &Buffer::operator=(Buffer &&other) noexcept {
  std::swap(buffer, other.buffer);
  std::swap(size, other.size);
  std::swap(mapped, other.mapped);
  std::swap(device, other.device);
  std::swap(memory, other.memory);
  return *this;
}

Buffer::~Buffer() {
  if (!device)
    return;
  if (buffer)
    device->vk.vkDestroyBuffer(device->device, buffer, nullptr);
  if (memory) {
    device->vk.vkFreeMemory(device->device, memory, nullptr);
    device->usedBytes -= size;
  }
}

static std::string megabytes(size_t size) {
  return std::to_string((size + (1 << 20) - 1) >> 20) + " MiB";
}

std::string Device::allocateFrom(uint32_t wanted, uint32_t preferred,
                                 size_t size, Buffer &result) {
  Buffer made;
  made.device = this;
  // Whole words, and never nothing.
  made.size = std::max<size_t>(16, (size + 3) / 4 * 4);
  if (made.size > properties.limits.maxStorageBufferRange)
    return "a tensor of " + megabytes(size) + " is larger than the " +
           megabytes(properties.limits.maxStorageBufferRange) +
           " that a kernel can read on '" + name + "'";
  if (made.size > maxBytes - usedBytes)
    return "out of device memory for " + megabytes(size) + ": " +
           megabytes(usedBytes) + " of the " + megabytes(maxBytes) +
           " of COMPRESS_VULKAN_MEMORY are taken";
  auto info = make<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
  info.size = made.size;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
               VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  COMPRESS_VK_TRY("cannot make a buffer",
                  vk.vkCreateBuffer(device, &info, nullptr, &made.buffer));
  VkMemoryRequirements needs;
  vk.vkGetBufferMemoryRequirements(device, made.buffer, &needs);
  // The preferred kinds of memory first.
  for (uint32_t flags : {wanted | preferred, wanted})
    for (uint32_t i = 0; i < memories.memoryTypeCount; ++i) {
      uint32_t has = memories.memoryTypes[i].propertyFlags;
      if (!(needs.memoryTypeBits >> i & 1) || (has & flags) != flags)
        continue;
      auto memoryInfo =
          make<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
      memoryInfo.allocationSize = needs.size;
      memoryInfo.memoryTypeIndex = i;
      VkResult status =
          vk.vkAllocateMemory(device, &memoryInfo, nullptr, &made.memory);
      if (status)
        continue;
      usedBytes += made.size;
      COMPRESS_VK_TRY(
          "cannot use device memory",
          vk.vkBindBufferMemory(device, made.buffer, made.memory, 0));
      uint32_t direct = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                        VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
      void *address = nullptr;
      if ((has & direct) == direct) {
        COMPRESS_VK_TRY(
            "cannot map device memory",
            vk.vkMapMemory(device, made.memory, 0, VK_WHOLE_SIZE, 0, &address));
        made.mapped = static_cast<char *>(address);
      }
      result = std::move(made);
      return "";
    }
  size_t total = 0;
  for (uint32_t i = 0; i < memories.memoryHeapCount; ++i)
    if (memories.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
      total += memories.memoryHeaps[i].size;
  return "out of device memory for " + megabytes(size) + " on '" + name +
         "', which has " + megabytes(total);
}

std::string Device::allocate(size_t size, bool transferable, Buffer &buffer) {
  uint32_t direct = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                    VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  return allocateFrom(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                      transferable ? direct : 0, size, buffer);
}

std::string Device::getStaging(size_t size) {
  if (staging.size >= size)
    return "";
  staging = Buffer();
  return allocateFrom(VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                          VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                      VK_MEMORY_PROPERTY_HOST_CACHED_BIT, size, staging);
}

std::string Device::upload(Buffer &buffer, const void *data, size_t size) {
  if (!size)
    return "";
  if (buffer.mapped) {
    std::memcpy(buffer.mapped, data, size);
    return "";
  }
  std::string error = getStaging(size);
  if (!error.empty())
    return error;
  std::memcpy(staging.mapped, data, size);
  return submit([&] {
    VkBufferCopy region = {0, 0, size};
    vk.vkCmdCopyBuffer(commands, staging.buffer, buffer.buffer, 1, &region);
  });
}

std::string Device::download(Buffer &buffer, void *data, size_t size) {
  if (!size)
    return "";
  if (buffer.mapped) {
    std::memcpy(data, buffer.mapped, size);
    return "";
  }
  std::string error = getStaging(size);
  if (error.empty())
    error = submit([&] {
      VkBufferCopy region = {0, 0, size};
      vk.vkCmdCopyBuffer(commands, buffer.buffer, staging.buffer, 1, &region);
    });
  if (error.empty())
    std::memcpy(data, staging.mapped, size);
  return error;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

template <typename Record> std::string Device::submit(Record record) {
  auto begin = make<VkCommandBufferBeginInfo>(
      VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  COMPRESS_VK_TRY("cannot record commands",
                  vk.vkBeginCommandBuffer(commands, &begin));
  // What was written before is seen by what follows, and by the host after it.
  auto before = make<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);
  VkMemoryBarrier after = before;
  before.srcAccessMask = VK_ACCESS_HOST_WRITE_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                         VK_ACCESS_TRANSFER_WRITE_BIT;
  before.dstAccessMask =
      VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
      VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  after.srcAccessMask =
      VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  after.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
  constexpr VkPipelineStageFlags work =
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  vk.vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_HOST_BIT | work, work, 0,
                          1, &before, 0, nullptr, 0, nullptr);
  record();
  vk.vkCmdPipelineBarrier(commands, work, VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
                          &after, 0, nullptr, 0, nullptr);
  COMPRESS_VK_TRY("cannot record commands", vk.vkEndCommandBuffer(commands));
  COMPRESS_VK_TRY("cannot reset a fence", vk.vkResetFences(device, 1, &fence));
  auto info = make<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  COMPRESS_VK_TRY("cannot submit commands",
                  vk.vkQueueSubmit(queue, 1, &info, fence));
  COMPRESS_VK_TRY("waiting for the device",
                  vk.vkWaitForFences(device, 1, &fence, VK_TRUE, UINT64_MAX));
  return "";
}

std::string Device::createPipeline(const uint32_t *code, size_t codeBytes,
                                   uint32_t numBuffers, Pipeline &result) {
  result.numBuffers = numBuffers;
  if (numBuffers > properties.limits.maxPerStageDescriptorStorageBuffers)
    return "a kernel uses " + std::to_string(numBuffers) +
           " buffers, Vulkan device '" + name + "' has " +
           std::to_string(
               properties.limits.maxPerStageDescriptorStorageBuffers);
  auto shaderInfo = make<VkShaderModuleCreateInfo>(
      VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
  uint32_t has = hasDotProduct ? COMPRESS_VULKAN_NEEDS_DOT_PRODUCT : 0;
  for (uint32_t i = 0; i < code[0] && !shaderInfo.pCode; ++i) {
    const uint32_t *variant = code + 1 + 3 * i;
    if (variant[0] & ~has)
      continue;
    if ((size_t(variant[1]) + variant[2]) * 4 > codeBytes)
      break;
    shaderInfo.pCode = code + variant[1];
    shaderInfo.codeSize = size_t(variant[2]) * 4;
  }
  if (!shaderInfo.pCode)
    return "no form of a kernel runs on '" + name + "'";
  COMPRESS_VK_TRY(
      "cannot load a kernel",
      vk.vkCreateShaderModule(device, &shaderInfo, nullptr, &result.shader));
  std::vector<VkDescriptorSetLayoutBinding> bindings(numBuffers);
  for (uint32_t i = 0; i < numBuffers; ++i)
    bindings[i] = {i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1,
                   VK_SHADER_STAGE_COMPUTE_BIT, nullptr};
  auto setInfo = make<VkDescriptorSetLayoutCreateInfo>(
      VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
  setInfo.bindingCount = numBuffers;
  setInfo.pBindings = bindings.data();
  COMPRESS_VK_TRY("cannot describe a kernel",
                  vk.vkCreateDescriptorSetLayout(device, &setInfo, nullptr,
                                                 &result.setLayout));
  auto layoutInfo = make<VkPipelineLayoutCreateInfo>(
      VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
  layoutInfo.setLayoutCount = 1;
  layoutInfo.pSetLayouts = &result.setLayout;
  COMPRESS_VK_TRY(
      "cannot describe a kernel",
      vk.vkCreatePipelineLayout(device, &layoutInfo, nullptr, &result.layout));
  auto info = make<VkComputePipelineCreateInfo>(
      VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = result.shader;
  info.stage.pName = "main";
  info.layout = result.layout;
  COMPRESS_VK_TRY("the driver cannot compile a kernel",
                  vk.vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &info,
                                              nullptr, &result.pipeline));
  VkDescriptorPoolSize poolSize = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                   numBuffers};
  auto poolInfo = make<VkDescriptorPoolCreateInfo>(
      VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO);
  poolInfo.maxSets = 1;
  poolInfo.poolSizeCount = 1;
  poolInfo.pPoolSizes = &poolSize;
  COMPRESS_VK_TRY(
      "cannot bind a kernel",
      vk.vkCreateDescriptorPool(device, &poolInfo, nullptr, &result.pool));
  auto setAllocate = make<VkDescriptorSetAllocateInfo>(
      VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
  setAllocate.descriptorPool = result.pool;
  setAllocate.descriptorSetCount = 1;
  setAllocate.pSetLayouts = &result.setLayout;
  COMPRESS_VK_TRY(
      "cannot bind a kernel",
      vk.vkAllocateDescriptorSets(device, &setAllocate, &result.set));
  return "";
}

void Device::destroyPipeline(Pipeline &p) {
  // Null handles are ignored.
  vk.vkDestroyDescriptorPool(device, p.pool, nullptr);
  vk.vkDestroyPipeline(device, p.pipeline, nullptr);
  vk.vkDestroyPipelineLayout(device, p.layout, nullptr);
  vk.vkDestroyDescriptorSetLayout(device, p.setLayout, nullptr);
  vk.vkDestroyShaderModule(device, p.shader, nullptr);
  p = Pipeline();
}

std::string Device::launch(Pipeline &pipeline, const Buffer *const *buffers,
                           uint64_t groups, uint32_t) {
  std::vector<VkDescriptorBufferInfo> infos(pipeline.numBuffers);
  std::vector<VkWriteDescriptorSet> writes(pipeline.numBuffers);
  for (uint32_t i = 0; i < pipeline.numBuffers; ++i) {
    infos[i] = {buffers[i]->buffer, 0, VK_WHOLE_SIZE};
    writes[i] =
        make<VkWriteDescriptorSet>(VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET);
    writes[i].dstSet = pipeline.set;
    writes[i].dstBinding = i;
    writes[i].descriptorCount = 1;
    writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    writes[i].pBufferInfo = &infos[i];
  }
  vk.vkUpdateDescriptorSets(device, pipeline.numBuffers, writes.data(), 0,
                            nullptr);
  const uint32_t *limit = properties.limits.maxComputeWorkGroupCount;
  uint64_t x = std::min<uint64_t>(groups, limit[0]), y = (groups + x - 1) / x;
  if (y > limit[1])
    return "a kernel with " + std::to_string(groups) +
           " workgroups is too large for '" + name + "'";
  return submit([&] {
    vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                         pipeline.pipeline);
    vk.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                               pipeline.layout, 0, 1, &pipeline.set, 0,
                               nullptr);
    vk.vkCmdDispatch(commands, uint32_t(x), uint32_t(y), 1);
  });
}

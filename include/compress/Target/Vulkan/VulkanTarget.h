//===- VulkanTarget.h - Devices behind Vulkan -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_VULKAN_VULKANTARGET_H
#define COMPRESS_TARGET_VULKAN_VULKANTARGET_H

#include "compress/Target/Target.h"

namespace compress {

/// Contractions and lookups as compute shaders on any GPU with a Vulkan
/// driver; all else on the CPU.
std::unique_ptr<Target> createVulkanTarget();

} // namespace compress

#endif // COMPRESS_TARGET_VULKAN_VULKANTARGET_H

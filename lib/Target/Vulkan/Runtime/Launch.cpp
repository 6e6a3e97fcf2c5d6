//===- Launch.cpp - Launches of Vulkan kernels ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Target/GPU/Launch.h"
#include "Device.h"
#include "compress/Target/Vulkan/Runtime.h"

using compress::vulkan::Device;

void compress_rt_vulkan_launch(void *ctx, int64_t /*slot*/, int64_t code,
                               int64_t codeBytes, int64_t table) {
  compress::launching::launch<Device>("vulkan", ctx, code, codeBytes, table);
}

int32_t compress_rt_vulkan_probe(char *text, int64_t size) {
  return compress::launching::probe<Device>(text, size);
}

//===- Runtime.h - What launches of Vulkan kernels call ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// The runtime of the Vulkan target: libCompressRuntimeVulkan.a, linked into
// models that have kernels for it. It finds the Vulkan loader at run time.
//
// A GPU is used; where there are several, the discrete one. The environment
// variable COMPRESS_VULKAN_DEVICE chooses another: a number, a part of its
// name, or "software" for one that runs on the CPU, which is never taken
// without being asked for. COMPRESS_VULKAN_DISABLE=dot-product ignores that the
// device has integer dot products. COMPRESS_VULKAN_MEMORY limits what one
// process takes of the device's memory, in MiB.
//
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_TARGET_VULKAN_RUNTIME_H
#define COMPRESS_TARGET_VULKAN_RUNTIME_H

#include <cstdint>

extern "C" {

/// The code of a kernel, as 32-bit words: the number of variants, for each of
/// them the features that it needs (bits as below), the number of its first
/// word and of its words; then the SPIR-V modules. The first variant whose
/// features the device has is used.
enum { COMPRESS_VULKAN_NEEDS_DOT_PRODUCT = 1 };

/// Runs one kernel to its end; see LaunchTable.h for the arguments, which are
/// addresses as integers. Weights go to the device the first time and stay.
/// Failures end the run with an error.
void compress_rt_vulkan_launch(void *ctx, int64_t slot, int64_t code,
                               int64_t codeBytes, int64_t table);

/// Finds out what a launch would use: writes the name of the device, or why
/// there is none, to `text`; returns 1 if there is one, else 0.
int32_t compress_rt_vulkan_probe(char *text, int64_t size);

} // extern "C"

#endif // COMPRESS_TARGET_VULKAN_RUNTIME_H

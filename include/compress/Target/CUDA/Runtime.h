//===- Runtime.h - What launches of CUDA kernels call -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// The runtime of the CUDA target: libCompressRuntimeCUDA.a, linked into models
// that have kernels for it. It opens the driver's libcuda.so.1 at run time; no
// toolkit is needed. COMPRESS_CUDA_DEVICE chooses a device by number or by part
// of its name (default: the first), COMPRESS_CUDA_MEMORY limits what one
// process takes of its memory, in MiB.
//
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_TARGET_CUDA_RUNTIME_H
#define COMPRESS_TARGET_CUDA_RUNTIME_H

#include <cstdint>

extern "C" {

/// Runs one kernel to its end; see LaunchTable.h for the arguments, which are
/// addresses as integers, and DeviceCode.h for the code. Weights go to the
/// device the first time and stay. Failures end the run with an error.
void compress_rt_cuda_launch(void *ctx, int64_t slot, int64_t code,
                             int64_t codeBytes, int64_t table);

/// Writes the name of the device that a launch would use, or why there is none,
/// to `text`; returns 1 if there is one, else 0.
int32_t compress_rt_cuda_probe(char *text, int64_t size);

} // extern "C"

#endif // COMPRESS_TARGET_CUDA_RUNTIME_H

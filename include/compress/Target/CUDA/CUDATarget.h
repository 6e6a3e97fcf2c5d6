//===- CUDATarget.h - NVIDIA GPUs -------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_CUDA_CUDATARGET_H
#define COMPRESS_TARGET_CUDA_CUDATARGET_H

#include "compress/Target/Target.h"

namespace compress {

/// Contractions and lookups as kernels for NVIDIA GPUs, by LLVM and the CUDA
/// driver; all else on the CPU.
std::unique_ptr<Target> createCUDATarget();

} // namespace compress

#endif // COMPRESS_TARGET_CUDA_CUDATARGET_H

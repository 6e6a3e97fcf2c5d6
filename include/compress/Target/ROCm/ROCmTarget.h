//===- ROCmTarget.h - AMD GPUs -------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_ROCM_ROCMTARGET_H
#define COMPRESS_TARGET_ROCM_ROCMTARGET_H

#include "compress/Target/Target.h"

namespace compress {

/// Contractions and lookups as kernels for AMD GPUs, by LLVM and the HIP
/// runtime; all else on the CPU.
std::unique_ptr<Target> createROCmTarget();

} // namespace compress

#endif // COMPRESS_TARGET_ROCM_ROCMTARGET_H

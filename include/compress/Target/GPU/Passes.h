//===- Passes.h - Passes on device kernels -----------------------*- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_GPU_PASSES_H
#define COMPRESS_TARGET_GPU_PASSES_H

#include "mlir/Pass/Pass.h"

namespace compress {

#define GEN_PASS_DECL
#include "compress/Target/GPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Target/GPU/Passes.h.inc"

} // namespace compress

#endif // COMPRESS_TARGET_GPU_PASSES_H

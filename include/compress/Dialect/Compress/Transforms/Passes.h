//===- Passes.h - Passes of the compress dialect ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_TRANSFORMS_PASSES_H
#define COMPRESS_DIALECT_COMPRESS_TRANSFORMS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace compress {

#define GEN_PASS_DECL
#include "compress/Dialect/Compress/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Dialect/Compress/Transforms/Passes.h.inc"

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_TRANSFORMS_PASSES_H

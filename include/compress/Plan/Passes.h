//===- Passes.h - Plan passes -----------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_PLAN_PASSES_H
#define COMPRESS_PLAN_PASSES_H

#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Pass/Pass.h"

namespace compress {

#define GEN_PASS_DECL
#include "compress/Plan/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Plan/Passes.h.inc"

} // namespace compress

#endif // COMPRESS_PLAN_PASSES_H

//===- Passes.h - Calibration passes ----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CALIBRATION_PASSES_H
#define COMPRESS_CALIBRATION_PASSES_H

#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Pass/Pass.h"

namespace compress {

#define GEN_PASS_DECL
#include "compress/Calibration/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Calibration/Passes.h.inc"

} // namespace compress

#endif // COMPRESS_CALIBRATION_PASSES_H

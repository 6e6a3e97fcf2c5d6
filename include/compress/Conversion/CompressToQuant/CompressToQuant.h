//===- CompressToQuant.h - convert-compress-to-quant ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_COMPRESSTOQUANT_COMPRESSTOQUANT_H
#define COMPRESS_CONVERSION_COMPRESSTOQUANT_COMPRESSTOQUANT_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Pass/Pass.h"

namespace compress {

#define GEN_PASS_DECL_CONVERTCOMPRESSTOQUANT
#include "compress/Conversion/CompressToQuant/CompressToQuant.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Conversion/CompressToQuant/CompressToQuant.h.inc"

} // namespace compress

#endif // COMPRESS_CONVERSION_COMPRESSTOQUANT_COMPRESSTOQUANT_H

//===- QuantToCompress.h - convert-quant-to-compress ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_QUANTTOCOMPRESS_QUANTTOCOMPRESS_H
#define COMPRESS_CONVERSION_QUANTTOCOMPRESS_QUANTTOCOMPRESS_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"

namespace compress {

#define GEN_PASS_DECL_CONVERTQUANTTOCOMPRESS
#include "compress/Conversion/QuantToCompress/QuantToCompress.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Conversion/QuantToCompress/QuantToCompress.h.inc"

} // namespace compress

#endif // COMPRESS_CONVERSION_QUANTTOCOMPRESS_QUANTTOCOMPRESS_H

//===- CompressToSparseTensor.h - to sparse_tensor --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_COMPRESSTOSPARSETENSOR_COMPRESSTOSPARSETENSOR_H
#define COMPRESS_CONVERSION_COMPRESSTOSPARSETENSOR_COMPRESSTOSPARSETENSOR_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SparseTensor/IR/SparseTensor.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"

namespace compress {

#define GEN_PASS_DECL_CONVERTCOMPRESSTOSPARSETENSOR
#include "compress/Conversion/CompressToSparseTensor/CompressToSparseTensor.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Conversion/CompressToSparseTensor/CompressToSparseTensor.h.inc"

} // namespace compress

#endif // COMPRESS_CONVERSION_COMPRESSTOSPARSETENSOR_COMPRESSTOSPARSETENSOR_H

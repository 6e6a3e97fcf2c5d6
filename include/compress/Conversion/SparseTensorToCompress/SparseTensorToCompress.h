//===- SparseTensorToCompress.h - from sparse_tensor ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_SPARSETENSORTOCOMPRESS_SPARSETENSORTOCOMPRESS_H
#define COMPRESS_CONVERSION_SPARSETENSORTOCOMPRESS_SPARSETENSORTOCOMPRESS_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SparseTensor/IR/SparseTensor.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"

namespace compress {

#define GEN_PASS_DECL_CONVERTSPARSETENSORTOCOMPRESS
#include "compress/Conversion/SparseTensorToCompress/SparseTensorToCompress.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Conversion/SparseTensorToCompress/SparseTensorToCompress.h.inc"

} // namespace compress

#endif // COMPRESS_CONVERSION_SPARSETENSORTOCOMPRESS_SPARSETENSORTOCOMPRESS_H

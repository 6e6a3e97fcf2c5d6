//===- Readers.h - From ONNX nodes to compressed tensors --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_CONVERSION_ONNXTOCOMPRESS_READERS_H
#define COMPRESS_LIB_CONVERSION_ONNXTOCOMPRESS_READERS_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <optional>

namespace compress {

/// What a value of an ONNX graph is: a constant (no source) or an encoded
/// activation, whose leaves are then those of static parameters, or none.
struct CompressedValue {
  CompressedTensorType type;
  mlir::Value source;
  llvm::SmallVector<HostTensor> leaves;
  std::string site, level;
};

/// The text under `key` of a node's, or an initializer's, metadata; empty when
/// there is none.
llvm::StringRef getMetadata(mlir::Operation *op, llvm::StringRef key);

/// Reads what `convert-compress-to-onnx` noted on `root`. On failure `reason`
/// says what does not fit.
mlir::FailureOr<CompressedValue> restore(mlir::Operation *root,
                                         std::string &reason);

/// Reads a DequantizeLinear of any origin.
mlir::FailureOr<CompressedValue> readDequantize(onnx::DequantizeLinearOp op,
                                                std::string &reason);

} // namespace compress

#endif // COMPRESS_LIB_CONVERSION_ONNXTOCOMPRESS_READERS_H

//===- CompressibleOpInterfaceImpl.h - Weights of ONNX ops ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_ONNX_INTERFACES_COMPRESSIBLEOPINTERFACEIMPL_H
#define COMPRESS_DIALECT_ONNX_INTERFACES_COMPRESSIBLEOPINTERFACEIMPL_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace compress::onnx {

/// Attaches `CompressibleOpInterface` to Conv, ConvTranspose, Gemm, MatMul,
/// Gather and elementwise operations of two or more operands when the onnx
/// dialect is loaded.
void registerCompressibleOpInterfaceExternalModels(
    mlir::DialectRegistry &registry);

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_INTERFACES_COMPRESSIBLEOPINTERFACEIMPL_H

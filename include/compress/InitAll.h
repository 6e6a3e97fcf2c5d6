//===- InitAll.h - Register everything --------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_INITALL_H
#define COMPRESS_INITALL_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace compress {

/// Registers our dialects and the external models that they need (inlining,
/// bufferization, compressible operations of other dialects).
void registerAllDialects(mlir::DialectRegistry &registry);

/// Registers our passes and pass pipelines.
void registerAllPasses();

} // namespace compress

#endif // COMPRESS_INITALL_H

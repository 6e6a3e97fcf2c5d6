//===- Pipelines.h - The stages of the compiler -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_PIPELINES_PIPELINES_H
#define COMPRESS_PIPELINES_PIPELINES_H

#include "compress/Target/Target.h"

namespace compress {

/// On a freshly imported model: types everywhere, constants folded, batch
/// normalization folded into weights. Sites are found in the result.
void buildSimplifyPipeline(mlir::OpPassManager &pm);

/// From the `onnx` dialect (a plan applied or not) to `compress.contract`
/// operations, which targets claim.
void buildContractPipeline(mlir::OpPassManager &pm);

/// From the `onnx` dialect to the LLVM dialect with the entry point of the
/// model ABI.
void buildCompilePipeline(mlir::OpPassManager &pm, const Target &target,
                          const TargetOptions &options, bool remarks = false);

/// Registers them as `compress-simplify` and `compress-compile-pipeline`.
void registerPipelines();

} // namespace compress

#endif // COMPRESS_PIPELINES_PIPELINES_H

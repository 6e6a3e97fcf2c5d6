//===- Passes.h - Passes towards host code ----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_HOST_PASSES_H
#define COMPRESS_TARGET_HOST_PASSES_H

#include "mlir/Pass/Pass.h"
#include <functional>

namespace compress {

#define GEN_PASS_DECL
#include "compress/Target/Host/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "compress/Target/Host/Passes.h.inc"

/// Names that the passes agree on.
inline constexpr llvm::StringLiteral kMainFunction = "main_graph";
inline constexpr llvm::StringLiteral kPrepareFunction = "compress_prepare";
inline constexpr llvm::StringLiteral kGeneratedAttr = "compress.generated";
/// On a `linalg.transpose` from the layout of a kernel to that of the model:
/// `compress-propagate-layout` may move it.
inline constexpr llvm::StringLiteral kLayoutAttr = "compress.layout";
/// Why an operation is left to the slow way, a string; reported as a remark.
inline constexpr llvm::StringLiteral kRemarkAttr = "compress.remark";
/// Element sizes in bytes of the prepared tensors.
inline constexpr llvm::StringLiteral kPreparedBytesAttr =
    "compress.prepared_bytes";
inline constexpr llvm::StringLiteral kWeightsAttr = "compress.weights";
inline constexpr llvm::StringLiteral kWeightsSizeAttr = "compress.weights_size";
inline constexpr llvm::StringLiteral kNumSlotsAttr = "compress.num_slots";
/// Bytes of the block that holds a function's intermediates.
inline constexpr llvm::StringLiteral kWorkspaceAttr = "compress.workspace";
inline constexpr llvm::StringLiteral kArgumentRoleAttr = "compress.role";

/// The steps shared by the targets that run on the host processor, from
/// `compress` and `linalg` on tensors to the LLVM dialect.
struct HostLoweringOptions {
  /// Threads by OpenMP, relaxed float arithmetic, approximated math functions.
  bool optimize = true;
  /// Adds passes of a device after those on tensors: weights are still
  /// constants, and kernels still `compress.kernel`.
  std::function<void(mlir::OpPassManager &)> addDevicePasses;
};
void buildHostLoweringPipeline(mlir::OpPassManager &pm,
                               const HostLoweringOptions &options);

/// Lets one-shot bufferization handle `compress.kernel`.
void registerKernelBufferization(mlir::DialectRegistry &registry);

} // namespace compress

#endif // COMPRESS_TARGET_HOST_PASSES_H

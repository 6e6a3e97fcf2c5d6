//===- Passes.td - Passes on device kernels ----------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_GPU_PASSES_TD
#define COMPRESS_TARGET_GPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def CompressKeepOnDevice : Pass<"compress-keep-on-device", "::mlir::ModuleOp"> {
  let summary = "Keeps tensors between device kernels on the device";
  let description = [{
    A tensor that one kernel of the device writes and others read gets a number,
    under which the device's runtime keeps it: it is not moved to the host and
    back. It still goes to the host if something else uses it. Numbers are used
    again once the last kernel has read the tensor. The places are scalars of
    the `compress.kernel` (see LaunchTable.h): 0 for what is moved.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let statistics = [
    Statistic<"numKept", "kept", "Tensors that stay on the device">,
    Statistic<"numMoved", "moved", "Tensors moved to or from the device">
  ];
}

#endif // COMPRESS_TARGET_GPU_PASSES_TD

//===- Passes.td - Passes towards Vulkan -------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_VULKAN_PASSES_TD
#define COMPRESS_TARGET_VULKAN_PASSES_TD

include "mlir/Pass/PassBase.td"

def CompressSerializeSPIRV
    : Pass<"compress-serialize-spirv", "::mlir::ModuleOp"> {
  let summary = "Turns device kernels into SPIR-V binaries";
  let description = [{
    Converts each `gpu.module` @<kernel> to a `spirv.module`, and that to the
    binary that Vulkan loads, a `memref.global` @<kernel>_binary. The function
    @<kernel>_code, so far only declared, returns its address and its size in
    bytes. A kernel with integer dot products comes in two variants, with and
    without the instructions for them (see Runtime.h). Without `serialize` the `spirv.module` is left instead.
  }];
  let options = [
    Option<"serializeModules", "serialize", "bool", "true",
           "Make binaries of SPIR-V modules">,
    Option<"dump", "dump", "std::string", "\"\"",
           "Folder that also gets them as <kernel>.<variant>.spv">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::memref::MemRefDialect", "::mlir::spirv::SPIRVDialect"
  ];
  let statistics = [
    Statistic<"numKernels", "kernels", "Kernels serialized">,
    Statistic<"numBytes", "bytes", "Bytes of SPIR-V">
  ];
}

#endif // COMPRESS_TARGET_VULKAN_PASSES_TD

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

def CompressSerializeLLVM
    : Pass<"compress-serialize-llvm", "::mlir::ModuleOp"> {
  let summary = "Turns device kernels into binaries by LLVM";
  let description = [{
    Converts each `gpu.module` @<kernel> to the LLVM dialect and that, by LLVM's
    code generator for `triple` and `chip`, to what the driver loads, a
    `memref.global` @<kernel>_binary in the format of DeviceCode.h:

    - `nvptx64-nvidia-cuda`: a cubin if NVIDIA's assembler `ptxas` is found
      (else the driver assembles), and PTX;
    - `amdgcn-amd-amdhsa`: a code object, linked by LLVM's `ld.lld`.

    The function @<kernel>_code, so far only declared, returns its address and
    its size in bytes.
  }];
  let options = [
    Option<"triple", "triple", "std::string", "\"nvptx64-nvidia-cuda\"",
           "LLVM's name of the platform">,
    Option<"chip", "chip", "std::string", "\"sm_80\"",
           "LLVM's name of the processor">,
    Option<"assemble", "assemble", "bool", "true",
           "Run ptxas where it is found">,
    Option<"dump", "dump", "std::string", "\"\"",
           "Folder that gets each kernel's assembly and binary">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::memref::MemRefDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::cf::ControlFlowDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect", "::mlir::math::MathDialect"
  ];
  let statistics = [
    Statistic<"numKernels", "kernels", "Kernels serialized">,
    Statistic<"numBytes", "bytes", "Bytes of binaries">
  ];
}

#endif // COMPRESS_TARGET_GPU_PASSES_TD

// NVIDIA's assembler takes the kernels of warps, with the instructions that skip
// zeros, for both kinds of chips.
//
// REQUIRES: ptxas
// RUN: rm -rf %t && mkdir -p %t/sm_80 %t/sm_90
// RUN: compress-opt %S/warps.mlir --compress-assign-target=target=cuda:sm_80 --compress-serialize-llvm="chip=sm_80 dump=%t/sm_80" -o %t/sm_80.mlir
// RUN: ls %t/sm_80 | FileCheck %s --check-prefix=FILES
// RUN: compress-opt %S/warps.mlir --compress-assign-target=target=cuda:sm_90 --compress-serialize-llvm="chip=sm_90 dump=%t/sm_90" -o %t/sm_90.mlir
// RUN: ls %t/sm_90 | FileCheck %s --check-prefix=FILES
// RUN: FileCheck %s --input-file=%t/sm_90.mlir

// FILES-COUNT-9: .cubin

// The kernel is data, and its address what the launch passes on.
// CHECK: memref.global "private" constant @[[BINARY:cuda_[0-9A-F]+_binary]] : memref<{{[0-9]+}}xi32>
// CHECK: func.func private @cuda_{{[0-9A-F]+}}_code() -> (i64, i64) attributes {compress.generated}

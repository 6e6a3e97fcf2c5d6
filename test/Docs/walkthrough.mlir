// The commands and the IR of docs/Walkthrough.md: change the two together.
//
// RUN: compress-opt %s --compress-simplify -o %t.1.mlir
// RUN: FileCheck %s --check-prefix=SIMPLE --input-file=%t.1.mlir
// RUN: compress-opt %t.1.mlir --pass-pipeline='builtin.module(func.func(compress-apply-plan{level=int8-dynamic}))' -o %t.2.mlir
// RUN: FileCheck %s --check-prefix=PLAN --input-file=%t.2.mlir
// RUN: compress-opt %t.2.mlir --pass-pipeline='builtin.module(func.func(convert-onnx-to-linalg),canonicalize,cse)' -o %t.3.mlir
// RUN: FileCheck %s --check-prefix=LINALG --input-file=%t.3.mlir
// RUN: compress-opt %t.3.mlir --compress-fuse-contract -o %t.4.mlir
// RUN: FileCheck %s --check-prefix=CONTRACT --input-file=%t.4.mlir
// RUN: compress-opt %t.4.mlir --compress-assign-target='target=cpu triple=x86_64-unknown-linux-gnu cpu=cascadelake' -o %t.5.mlir
// RUN: FileCheck %s --check-prefix=KERNEL --input-file=%t.5.mlir
// RUN: compress-opt %t.5.mlir --pass-pipeline='builtin.module(compress-lower-contract,compress-lower-encodings,canonicalize,cse,compress-externalize-weights,one-shot-bufferize{bufferize-function-boundaries=1 function-boundary-type-conversion=identity-layout-map},compress-lower-kernels,canonicalize)' -o %t.6.mlir
// RUN: FileCheck %s --check-prefix=BUFFER --input-file=%t.6.mlir
// RUN: compress-opt %t.5.mlir --compress-compile-pipeline=target=cpu -o %t.7.mlir
// RUN: FileCheck %s --check-prefix=LLVM --input-file=%t.7.mlir
// RUN: mlir-translate --allow-unregistered-dialect --mlir-to-llvmir %t.7.mlir -o %t.ll
// RUN: llc -O3 -mtriple=x86_64-unknown-linux-gnu -mcpu=cascadelake %t.ll -o %t.s
// RUN: FileCheck %s --check-prefix=ASM --input-file=%t.s
//
// The reference way gives the same interface.
// RUN: compress-opt %t.4.mlir --compress-lower-contract -o %t.ref.mlir
// RUN: FileCheck %s --check-prefix=REFERENCE --input-file=%t.ref.mlir

func.func @main_graph(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  %w = onnx.Initializer "fc.weight" = dense<0.5> : tensor<32x64xf32>
  %one = onnx.Constant() {value = dense<1.0> : tensor<32xf32>} : () -> tensor<32xf32>
  %quarter = onnx.Initializer "quarter" = dense<0.25> : tensor<32xf32>
  %b = onnx.Mul(%one, %quarter) : (tensor<32xf32>, tensor<32xf32>) -> tensor<32xf32>
  %y = onnx.Gemm(%x, %w, %b) {transB = 1 : i64} : (tensor<?x64xf32>, tensor<32x64xf32>, tensor<32xf32>) -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// SIMPLE-NOT: onnx.Mul
// SIMPLE: %[[B:folded.*]] = onnx.Initializer "folded{{.*}} : tensor<32xf32>
// SIMPLE: onnx.Gemm(%{{.+}}, %fc.weight, %[[B]])

// PLAN: %[[Q:.+]] = compress.encode %arg0 : tensor<?x64xf32> -> <?x64xf32, uint8<axis = 0>>
// PLAN: %[[X:.+]] = compress.decode %[[Q]]
// PLAN: %[[C:.+]] = compress.constant [dense_resource<fc.weight.0> : tensor<32x64xi8>, dense_resource<fc.weight.1> : tensor<32x1xf32>] {compress.level = "int8-dynamic", compress.site = "fc.weight"} : <32x64xf32, int8<axis = 0>>
// PLAN: %[[W:.+]] = compress.decode %[[C]]
// PLAN: onnx.Gemm(%[[X]], %[[W]],

// LINALG: %[[X:.+]] = compress.decode
// LINALG: %[[W:.+]] = compress.decode
// LINALG: %[[INIT:.+]] = linalg.broadcast
// LINALG: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X]], %[[W]] : tensor<?x64xf32>, tensor<32x64xf32>) outs(%[[INIT]] : tensor<?x32xf32>)
// LINALG: arith.mulf
// LINALG-NEXT: arith.addf

// CONTRACT: %[[Q:.+]] = compress.encode %arg0
// CONTRACT: %[[C:.+]] = compress.constant
// CONTRACT: compress.contract ins(%[[Q]], %[[C]] : !compress.tensor<?x64xf32, uint8<axis = 0>>, !compress.tensor<32x64xf32, int8<axis = 0>>)

// KERNEL: dlti.target_system_spec
// KERNEL: %[[Q:.+]]:3 = compress.kernel @compress_quantize_avx512vnni_{{[a-z0-9_]+}} ins(%arg0
// KERNEL: dense_resource<fc.weight> : tensor<2048xi8>
// KERNEL: compress.kernel @compress_gemm_u8s8_avx512vnni_{{[a-z0-9_]+}} ins(%[[Q]]#0, %[[Q]]#1, %[[Q]]#2,
// KERNEL-NOT: compress.contract
// KERNEL: func.func private @compress_quantize_avx512vnni_{{[a-z0-9_]+}}({{.*}} attributes {compress.generated}
// KERNEL: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"

// BUFFER: compress.weights = [{name = "fc.weight.scales", offset = 0 : i64
// BUFFER: func.func @main_graph({{.*}} {compress.role = "context"}, %[[F:.+]]: memref<?xi8> {compress.role = "weights"}, %{{.+}}: memref<?x64xf32>) -> memref<?x32xf32>
// BUFFER: memref.view %[[F]]
// BUFFER: call @compress_quantize_avx512vnni_{{[a-z0-9_]+}}
// BUFFER: call @compress_gemm_u8s8_avx512vnni_{{[a-z0-9_]+}}

// LLVM: llvm.func @compress_gemm_u8s8_avx512vnni_{{[a-z0-9_]+}}(
// LLVM: llvm.func @compress_entry(%{{.+}}: !llvm.ptr, %{{.+}}: !llvm.ptr, %{{.+}}: !llvm.ptr, %{{.+}}: !llvm.ptr)

// ASM: vpdpbusd %zmm{{[0-9]+}}, %zmm{{[0-9]+}}, %zmm{{[0-9]+}}
// ASM: compress_entry:

// REFERENCE: compress.decode
// REFERENCE: linalg.generic
// REFERENCE-NOT: compress.contract

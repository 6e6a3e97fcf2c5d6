// UNSUPPORTED: asan
// Our dialects and passes inside an MLIR tool that knows nothing of them.
// RUN: mlir-opt %s --load-dialect-plugin=%build/lib/CompressPlugin.so --load-pass-plugin=%build/lib/CompressPlugin.so --pass-pipeline='builtin.module(compress-lower-encodings)' | FileCheck %s

// CHECK-LABEL: @decode
// CHECK-NOT: compress.
// CHECK: arith.sitofp
func.func @decode(%c: tensor<4xi8>, %s: tensor<1xf32>) -> tensor<4xf32> {
  %p = compress.pack %c, %s : tensor<4xi8>, tensor<1xf32> -> !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
  %d = compress.decode %p : !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
  return %d : tensor<4xf32>
}

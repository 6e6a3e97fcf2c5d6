// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-apply-plan{level=int8-dynamic}))' | FileCheck %s
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-apply-plan{level=int8-dynamic-ag32}))' | FileCheck %s --check-prefix=BLOCKS

// Matrix products round per token, and share what they read; convolutions
// round per tensor.
// CHECK-LABEL: func.func @dynamic(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: tensor<?x64xf32>, %[[I:[a-z0-9]+]]: tensor<1x8x8x8xf32>
// CHECK-DAG:     %[[QI:.+]] = compress.encode %[[I]] : tensor<1x8x8x8xf32> -> <1x8x8x8xf32, uint8>
// CHECK-DAG:     %[[DI:.+]] = compress.decode %[[QI]]
// CHECK-DAG:     %[[QX:.+]] = compress.encode %[[X]] : tensor<?x64xf32> -> <?x64xf32, uint8<axis = 0>>
// CHECK-DAG:     %[[DX:.+]] = compress.decode %[[QX]]
// CHECK-NOT:     compress.encode
// CHECK:         onnx.MatMul(%[[DX]], %
// CHECK:         onnx.MatMul(%[[DX]], %
// CHECK:         onnx.Conv(%[[DI]], %
// CHECK:         onnx.Relu(%[[X]])
// With -ag32 matrix products scale per 32 elements of a token.
// BLOCKS-LABEL: func.func @dynamic(
// BLOCKS-DAG:     compress.encode %{{.+}} : tensor<1x8x8x8xf32> -> <1x8x8x8xf32, uint8>
// BLOCKS-DAG:     compress.encode %{{.+}} : tensor<?x64xf32> -> <?x64xf32, int8<g = 32, s = f32>>
func.func @dynamic(%x: tensor<?x64xf32>, %i: tensor<1x8x8x8xf32>)
    -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<1x16x6x6xf32>, tensor<?x64xf32>) {
  %q = onnx.Initializer "q" = dense<0.5> : tensor<64x32xf32>
  %k = onnx.Initializer "k" = dense<0.5> : tensor<64x32xf32>
  %c = onnx.Initializer "conv" = dense<1.0> : tensor<16x8x3x3xf32>
  %0 = onnx.MatMul(%x, %q) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
  %1 = onnx.MatMul(%x, %k) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
  %2 = onnx.Conv(%i, %c) : (tensor<1x8x8x8xf32>, tensor<16x8x3x3xf32>) -> tensor<1x16x6x6xf32>
  %3 = onnx.Relu(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %0, %1, %2, %3 : tensor<?x32xf32>, tensor<?x32xf32>, tensor<1x16x6x6xf32>, tensor<?x64xf32>
}

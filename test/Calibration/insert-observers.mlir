// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-insert-observers))' | FileCheck %s
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-insert-observers{min-elements=5000}))' | FileCheck %s --check-prefix=NONE

// Uses that contract one value along one axis share an observer; a table has
// no activation.
// CHECK-LABEL: func.func @shared(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: tensor<?x64xf32>, %[[T:[a-z0-9]+]]: tensor<?xi64>
// CHECK:         %[[O:.+]] = compress.observe %[[X]] as 0 : tensor<?x64xf32>
// CHECK-NOT:     compress.observe
// CHECK:         onnx.MatMul(%[[O]], %
// CHECK:         onnx.Gemm(%[[O]], %
// CHECK:         onnx.Gather(%{{.+}}, %[[T]])
// CHECK:         onnx.Relu(%[[X]])
// NONE-NOT: compress.observe
func.func @shared(%x: tensor<?x64xf32>, %t: tensor<?xi64>)
    -> (tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x24xf32>, tensor<?x64xf32>) {
  %w = onnx.Initializer "q" = dense<0.5> : tensor<64x32xf32>
  %v = onnx.Initializer "v" = dense<0.25> : tensor<16x64xf32>
  %e = onnx.Initializer "table" = dense<2.0> : tensor<10x24xf32>
  %0 = onnx.MatMul(%x, %w) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
  %1 = onnx.Gemm(%x, %v) {transB = 1 : i64} : (tensor<?x64xf32>, tensor<16x64xf32>) -> tensor<?x16xf32>
  %2 = onnx.Gather(%e, %t) : (tensor<10x24xf32>, tensor<?xi64>) -> tensor<?x24xf32>
  %3 = onnx.Relu(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %0, %1, %2, %3 : tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x24xf32>, tensor<?x64xf32>
}

// The same value along two axes is two activations.
// CHECK-LABEL: func.func @two_axes(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: tensor<16x16xf32>
// CHECK-DAG:     %[[A:.+]] = compress.observe %[[X]] as 0
// CHECK-DAG:     %[[B:.+]] = compress.observe %[[X]] as 1
// CHECK:         onnx.Gemm(%[[A]], %
// CHECK:         onnx.MatMul(%{{.+}}, %[[B]])
func.func @two_axes(%x: tensor<16x16xf32>) -> (tensor<16x8xf32>, tensor<8x16xf32>) {
  %w = onnx.Initializer "a" = dense<0.5> : tensor<16x8xf32>
  %v = onnx.Initializer "b" = dense<0.25> : tensor<8x16xf32>
  %0 = onnx.Gemm(%x, %w) : (tensor<16x16xf32>, tensor<16x8xf32>) -> tensor<16x8xf32>
  %1 = onnx.MatMul(%v, %x) : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
  return %0, %1 : tensor<16x8xf32>, tensor<8x16xf32>
}

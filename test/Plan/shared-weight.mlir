// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-apply-plan{level=int8}))' | FileCheck %s

// One weight, two users: one site, and every reader gets the decoded weight.
// CHECK-LABEL: func.func @agree
// CHECK-COUNT-1: compress.constant
// CHECK:         %[[W:.+]] = compress.decode
// CHECK-NOT:     compress.constant
// CHECK:         onnx.MatMul(%{{.+}}, %[[W]])
// CHECK:         onnx.MatMul(%{{.+}}, %[[W]])
// CHECK:         onnx.Transpose(%[[W]])
func.func @agree(%x: tensor<?x16xf32>, %y: tensor<?x16xf32>)
    -> (tensor<?x16xf32>, tensor<?x16xf32>, tensor<16x16xf32>) {
  %w = onnx.Initializer "w" = dense<0.5> : tensor<16x16xf32>
  %0 = onnx.MatMul(%x, %w) : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
  %1 = onnx.MatMul(%y, %w) : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
  %2 = onnx.Transpose(%w) : (tensor<16x16xf32>) -> tensor<16x16xf32>
  return %0, %1, %2 : tensor<?x16xf32>, tensor<?x16xf32>, tensor<16x16xf32>
}

// Users that contract different axes cannot share one level.
// CHECK-LABEL: func.func @disagree
// CHECK-NOT:     compress.constant
// CHECK:         onnx.Initializer "w"
func.func @disagree(%x: tensor<?x16xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  %w = onnx.Initializer "w" = dense<0.5> : tensor<16x16xf32>
  %0 = onnx.Gemm(%x, %w) : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
  %1 = onnx.Gemm(%x, %w) {transB = 1 : i64} : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
  return %0, %1 : tensor<?x16xf32>, tensor<?x16xf32>
}

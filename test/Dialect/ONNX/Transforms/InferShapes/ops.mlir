// RUN: compress-opt %s --onnx-infer-shapes | FileCheck %s

// CHECK-LABEL: func.func @windows
func.func @windows(%x: tensor<?x6x9x8xf32>, %w: tensor<4x6x3x3xf32>, %t: tensor<6x5x3x3xf32>) -> tensor<*x!onnx.unknown> {
  // CHECK: onnx.Conv{{.*}} -> tensor<?x4x4x6xf32>
  %0 = onnx.Conv(%x, %w) {strides = array<i64: 2, 1>} : (tensor<?x6x9x8xf32>, tensor<4x6x3x3xf32>) -> tensor<*x!onnx.unknown>
  // CHECK: onnx.Conv{{.*}} -> tensor<?x4x5x4xf32>
  %1 = onnx.Conv(%x, %w) {auto_pad = "SAME_UPPER", strides = array<i64: 2, 2>} : (tensor<?x6x9x8xf32>, tensor<4x6x3x3xf32>) -> tensor<*x!onnx.unknown>
  // CHECK: onnx.ConvTranspose{{.*}} -> tensor<?x5x19x17xf32>
  %2 = onnx.ConvTranspose(%x, %t) {strides = array<i64: 2, 2>} : (tensor<?x6x9x8xf32>, tensor<6x5x3x3xf32>) -> tensor<*x!onnx.unknown>
  // CHECK: onnx.MaxPool{{.*}} -> tensor<?x6x4x4xf32>
  %3 = onnx.MaxPool(%x) {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x6x9x8xf32>) -> tensor<*x!onnx.unknown>
  // CHECK: onnx.MaxPool{{.*}} -> tensor<?x6x5x4xf32>
  %4 = onnx.MaxPool(%x) {ceil_mode = 1 : i64, kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x6x9x8xf32>) -> tensor<*x!onnx.unknown>
  // CHECK: onnx.GlobalAveragePool{{.*}} -> tensor<?x6x1x1xf32>
  %5 = onnx.GlobalAveragePool(%x) : (tensor<?x6x9x8xf32>) -> tensor<*x!onnx.unknown>
  return %5 : tensor<*x!onnx.unknown>
}

// CHECK-LABEL: func.func @products
func.func @products(%a: tensor<?x1x3x4xf32>, %b: tensor<7x4x5xf32>, %v: tensor<4xf32>, %q: tensor<3x4xui8>, %r: tensor<4x5xi8>) -> tensor<*x!onnx.unknown> {
  // CHECK: onnx.MatMul{{.*}} -> tensor<?x7x3x5xf32>
  %0 = onnx.MatMul(%a, %b) : (tensor<?x1x3x4xf32>, tensor<7x4x5xf32>) -> tensor<*x!onnx.unknown>
  // CHECK: onnx.MatMul{{.*}} -> tensor<?x1x3xf32>
  %1 = onnx.MatMul(%a, %v) : (tensor<?x1x3x4xf32>, tensor<4xf32>) -> tensor<*x!onnx.unknown>
  // CHECK: onnx.MatMulInteger{{.*}} -> tensor<3x5xi32>
  %2 = onnx.MatMulInteger(%q, %r) : (tensor<3x4xui8>, tensor<4x5xi8>) -> tensor<*x!onnx.unknown>
  // CHECK: onnx.Einsum{{.*}} -> tensor<7x5x4xf32>
  %3 = onnx.Einsum(%b) {equation = "bij->bji"} : (tensor<7x4x5xf32>) -> tensor<*x!onnx.unknown>
  // CHECK: onnx.Equal{{.*}} -> tensor<7x4x5xi1>
  %4 = onnx.Equal(%b, %b) : (tensor<7x4x5xf32>, tensor<7x4x5xf32>) -> tensor<*x!onnx.unknown>
  // CHECK: onnx.Cast{{.*}} -> tensor<7x4x5xui8>
  %5 = onnx.Cast(%b) {to = 2 : i64} : (tensor<7x4x5xf32>) -> tensor<*x!onnx.unknown>
  // CHECK: onnx.ArgMax{{.*}} -> tensor<7x5xi64>
  %6 = onnx.ArgMax(%b) {axis = 1 : i64, keepdims = 0 : i64} : (tensor<7x4x5xf32>) -> tensor<*x!onnx.unknown>
  return %6 : tensor<*x!onnx.unknown>
}

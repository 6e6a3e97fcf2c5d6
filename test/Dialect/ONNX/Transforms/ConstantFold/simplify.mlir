// RUN: compress-opt %s --onnx-infer-shapes --onnx-constant-fold | FileCheck %s

// CHECK-LABEL: func.func @removed
// CHECK-NEXT:    %[[R:.*]] = onnx.Relu
// CHECK-NEXT:    %[[S:.*]] = onnx.Sigmoid(%[[R]])
// CHECK-NEXT:    return %[[S]]
func.func @removed(%x: tensor<2x3xf32>) -> tensor<*x!onnx.unknown> {
  %shape = onnx.Initializer "shape" = dense<[2, -1]> : tensor<2xi64>
  %0 = onnx.Relu(%x) : (tensor<2x3xf32>) -> tensor<*x!onnx.unknown>
  %1 = onnx.Identity(%0) : (tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  %2:2 = onnx.Dropout(%1) : (tensor<*x!onnx.unknown>) -> (tensor<*x!onnx.unknown>, none)
  %3 = onnx.Cast(%2#0) {to = 1 : i64} : (tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  %4 = onnx.Transpose(%3) {perm = array<i64: 0, 1>} : (tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  %5 = onnx.Reshape(%4, %shape) : (tensor<*x!onnx.unknown>, tensor<2xi64>) -> tensor<*x!onnx.unknown>
  %6 = onnx.Sum(%5) : (tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  %7 = onnx.Sigmoid(%6) : (tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  return %7 : tensor<*x!onnx.unknown>
}

// An output keeps a value of its own, and a mask that is read its operator.
// CHECK-LABEL: func.func @kept
// CHECK:         onnx.Identity
// CHECK:         onnx.Dropout
func.func @kept(%x: tensor<2x3xf32>) -> (tensor<*x!onnx.unknown>, tensor<*x!onnx.unknown>) {
  %0 = onnx.Identity(%x) : (tensor<2x3xf32>) -> tensor<*x!onnx.unknown>
  %1 = onnx.Relu(%x) : (tensor<2x3xf32>) -> tensor<*x!onnx.unknown>
  %2:2 = onnx.Dropout(%1) : (tensor<*x!onnx.unknown>) -> (tensor<*x!onnx.unknown>, tensor<*x!onnx.unknown>)
  return %0, %2#1 : tensor<*x!onnx.unknown>, tensor<*x!onnx.unknown>
}

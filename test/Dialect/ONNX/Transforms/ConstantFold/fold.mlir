// RUN: compress-opt %s --onnx-infer-shapes --onnx-constant-fold | FileCheck %s
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(onnx-infer-shapes,onnx-constant-fold{max-bytes=4}))' | FileCheck %s --check-prefix=SMALL

// CHECK-LABEL: func.func @arithmetic
// CHECK:         %[[C:.*]] = onnx.Initializer "y" = dense<[2.000000e+00, 4.000000e+00, 6.000000e+00]> : tensor<3xf32>
// CHECK-NEXT:    onnx.Add(%{{.*}}, %[[C]])
func.func @arithmetic(%x: tensor<2x3xf32>) -> tensor<*x!onnx.unknown> {
  %w = onnx.Initializer "w" = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %0 = onnx.Constant() {value = dense<2.0> : tensor<f32>} : () -> tensor<*x!onnx.unknown>
  %1 = onnx.Mul(%0, %w) {onnx.outputs = ["y"]} : (tensor<*x!onnx.unknown>, tensor<3xf32>) -> tensor<*x!onnx.unknown>
  %2 = onnx.Add(%x, %1) : (tensor<2x3xf32>, tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  return %2 : tensor<*x!onnx.unknown>
}

// CHECK-LABEL: func.func @movement
// CHECK:         %[[C:.*]] = onnx.Initializer "z" = dense<{{\[\[}}3, 6], [1, 4]]> : tensor<2x2xi64>
// CHECK-NEXT:    onnx.Add(%{{.*}}, %[[C]])
func.func @movement(%x: tensor<2x2xi64>) -> tensor<*x!onnx.unknown> {
  %w = onnx.Initializer "w" = dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi64>
  %starts = onnx.Initializer "starts" = dense<-1> : tensor<1xi64>
  %ends = onnx.Initializer "ends" = dense<-9> : tensor<1xi64>
  %axes = onnx.Initializer "axes" = dense<0> : tensor<1xi64>
  %steps = onnx.Initializer "steps" = dense<-2> : tensor<1xi64>
  %0 = onnx.Transpose(%w) : (tensor<2x3xi64>) -> tensor<*x!onnx.unknown>
  %1 = onnx.Slice(%0, %starts, %ends, %axes, %steps) {onnx.outputs = ["z"]} : (tensor<*x!onnx.unknown>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*x!onnx.unknown>
  %2 = onnx.Add(%x, %1) : (tensor<2x2xi64>, tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  return %2 : tensor<*x!onnx.unknown>
}

// A repeated value costs nothing, whatever the limit.
// CHECK-LABEL: func.func @splat
// CHECK:         onnx.Initializer "w" = dense<1.500000e+00> : tensor<1000x1000xf32>
// SMALL-LABEL: func.func @splat
// SMALL:         onnx.Initializer "w" = dense<1.500000e+00> : tensor<1000x1000xf32>
func.func @splat(%x: tensor<1000xf32>) -> tensor<*x!onnx.unknown> {
  %shape = onnx.Initializer "shape" = dense<1000> : tensor<2xi64>
  %0 = onnx.ConstantOfShape(%shape) {onnx.outputs = ["w"], value = dense<1.5> : tensor<1xf32>} : (tensor<2xi64>) -> tensor<*x!onnx.unknown>
  %1 = onnx.MatMul(%x, %0) : (tensor<1000xf32>, tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  return %1 : tensor<*x!onnx.unknown>
}

// The limit keeps results that are larger than their operands.
// SMALL-LABEL: func.func @limit
// SMALL:         onnx.Range
func.func @limit(%x: tensor<9xi64>) -> tensor<*x!onnx.unknown> {
  %zero = onnx.Initializer "zero" = dense<0> : tensor<i64>
  %nine = onnx.Initializer "nine" = dense<9> : tensor<i64>
  %one = onnx.Initializer "one" = dense<1> : tensor<i64>
  %0 = onnx.Range(%zero, %nine, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<*x!onnx.unknown>
  %1 = onnx.Add(%x, %0) : (tensor<9xi64>, tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  return %1 : tensor<*x!onnx.unknown>
}

// Quantized weights stay as they are.
// CHECK-LABEL: func.func @quantized
// CHECK:         onnx.DequantizeLinear
func.func @quantized(%x: tensor<2x2xf32>) -> tensor<*x!onnx.unknown> {
  %w = onnx.Initializer "w" = dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>
  %s = onnx.Initializer "s" = dense<0.5> : tensor<f32>
  %0 = onnx.DequantizeLinear(%w, %s) : (tensor<2x2xi8>, tensor<f32>) -> tensor<*x!onnx.unknown>
  %1 = onnx.MatMul(%x, %0) : (tensor<2x2xf32>, tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  return %1 : tensor<*x!onnx.unknown>
}

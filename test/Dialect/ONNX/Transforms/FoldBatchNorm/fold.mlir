// RUN: compress-opt %s --onnx-infer-shapes --onnx-fold-batch-norm | FileCheck %s

// factor = scale / sqrt(var + epsilon) = [1, 4], offset = B - mean * factor.

// CHECK-LABEL: func.func @conv
// CHECK-DAG:     %[[W:.*]] = onnx.Initializer "w" = dense<{{.*}}2.000000e+00{{.*}}1.200000e+01{{.*}}> : tensor<2x1x1x1xf32>
// CHECK-DAG:     %[[B:.*]] = onnx.Initializer "b" = dense<[1.000000e+01, 1.600000e+01]> : tensor<2xf32>
// CHECK:         %[[Y:.*]] = onnx.Conv(%{{.*}}, %[[W]], %[[B]])
// CHECK-SAME:      onnx.outputs = ["bn"]
// CHECK-NEXT:    return %[[Y]]
func.func @conv(%x: tensor<1x1x4x4xf32>) -> tensor<*x!onnx.unknown> {
  %w = onnx.Initializer "w" = dense<[[[[2.0]]], [[[3.0]]]]> : tensor<2x1x1x1xf32>
  %b = onnx.Initializer "b" = dense<[10.0, 5.0]> : tensor<2xf32>
  %scale = onnx.Initializer "scale" = dense<[1.0, 2.0]> : tensor<2xf32>
  %bias = onnx.Initializer "bias" = dense<[0.0, 0.0]> : tensor<2xf32>
  %mean = onnx.Initializer "mean" = dense<[0.0, 1.0]> : tensor<2xf32>
  %var = onnx.Initializer "var" = dense<[0.75, 0.0]> : tensor<2xf32>
  %0 = onnx.Conv(%x, %w, %b) {onnx.outputs = ["c"]} : (tensor<1x1x4x4xf32>, tensor<2x1x1x1xf32>, tensor<2xf32>) -> tensor<*x!onnx.unknown>
  %1 = onnx.BatchNormalization(%0, %scale, %bias, %mean, %var) {epsilon = 0.25 : f32, onnx.outputs = ["bn"]} : (tensor<*x!onnx.unknown>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<*x!onnx.unknown>
  return %1 : tensor<*x!onnx.unknown>
}

// The bias of a MatMul is the Add behind it.
// CHECK-LABEL: func.func @matmul
// CHECK-DAG:     %[[W:.*]] = onnx.Initializer "w" = dense<{{\[\[}}2.000000e+00, 1.200000e+01]]> : tensor<1x2xf32>
// CHECK-DAG:     %[[B:.*]] = onnx.Initializer "bias" = dense<[1.000000e+01, 2.000000e+01]> : tensor<2xf32>
// CHECK:         %[[M:.*]] = onnx.MatMul(%{{.*}}, %[[W]])
// CHECK-NEXT:    %[[Y:.*]] = onnx.Add(%[[M]], %[[B]])
// CHECK-NEXT:    return %[[Y]]
func.func @matmul(%x: tensor<?x1xf32>) -> tensor<*x!onnx.unknown> {
  %w = onnx.Initializer "w" = dense<[[2.0, 3.0]]> : tensor<1x2xf32>
  %b = onnx.Initializer "b" = dense<[10.0, 5.0]> : tensor<2xf32>
  %scale = onnx.Initializer "scale" = dense<[1.0, 2.0]> : tensor<2xf32>
  %bias = onnx.Initializer "bias" = dense<[0.0, 0.0]> : tensor<2xf32>
  %var = onnx.Initializer "var" = dense<[0.75, 0.0]> : tensor<2xf32>
  %0 = onnx.MatMul(%x, %w) : (tensor<?x1xf32>, tensor<1x2xf32>) -> tensor<*x!onnx.unknown>
  %1 = onnx.Add(%b, %0) : (tensor<2xf32>, tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  %mean = onnx.Initializer "mean" = dense<[0.0, 0.0]> : tensor<2xf32>
  %2 = onnx.BatchNormalization(%1, %scale, %bias, %mean, %var) {epsilon = 0.25 : f32} : (tensor<*x!onnx.unknown>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<*x!onnx.unknown>
  return %2 : tensor<*x!onnx.unknown>
}

// A shared weight, or a value that others read, keeps the normalization.
// CHECK-LABEL: func.func @shared
// CHECK-COUNT-2: onnx.BatchNormalization
func.func @shared(%x: tensor<1x1x4x4xf32>) -> (tensor<*x!onnx.unknown>, tensor<*x!onnx.unknown>, tensor<*x!onnx.unknown>) {
  %w = onnx.Initializer "w" = dense<[[[[2.0]]]]> : tensor<1x1x1x1xf32>
  %v = onnx.Initializer "v" = dense<[[[[2.0]]]]> : tensor<1x1x1x1xf32>
  %one = onnx.Initializer "one" = dense<1.0> : tensor<1xf32>
  %0 = onnx.Conv(%x, %w) : (tensor<1x1x4x4xf32>, tensor<1x1x1x1xf32>) -> tensor<*x!onnx.unknown>
  %1 = onnx.BatchNormalization(%0, %one, %one, %one, %one) : (tensor<*x!onnx.unknown>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<*x!onnx.unknown>
  %2 = onnx.Conv(%1, %w) : (tensor<*x!onnx.unknown>, tensor<1x1x1x1xf32>) -> tensor<*x!onnx.unknown>
  %3 = onnx.Conv(%2, %v) : (tensor<*x!onnx.unknown>, tensor<1x1x1x1xf32>) -> tensor<*x!onnx.unknown>
  %4 = onnx.BatchNormalization(%3, %one, %one, %one, %one) : (tensor<*x!onnx.unknown>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<*x!onnx.unknown>
  return %2, %3, %4 : tensor<*x!onnx.unknown>, tensor<*x!onnx.unknown>, tensor<*x!onnx.unknown>
}

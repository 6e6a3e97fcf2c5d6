// RUN: compress-opt %s --onnx-shrink-channels | FileCheck %s


!rows = !compress.tensor<4x2xf32, sparse<channels<0>, nnz = 2, of = f32>>
!coded = !compress.tensor<4x2xf32, sparse<channels<0>, nnz = 2, of = quant<i4, group = [*, 1], scale = f32>>>

// The hidden layer loses what the second product does not read.
// CHECK-LABEL: func.func @mlp
// CHECK-DAG:     %[[UP:.*]] = onnx.Initializer "up" = dense<{{\[\[}}2.000000e+00, 4.000000e+00], [6.000000e+00, 8.000000e+00]]> : tensor<2x2xf32>
// CHECK-DAG:     %[[B:.*]] = onnx.Initializer "bias" = dense<[2.000000e-01, 4.000000e-01]> : tensor<2xf32>
// CHECK-DAG:     %[[DOWN:.*]] = onnx.Initializer "down" = dense<{{\[\[}}1.000000e+00, 2.000000e+00], [3.000000e+00, 4.000000e+00]]> : tensor<2x2xf32>
// CHECK:         %[[H:.*]] = onnx.MatMul(%{{.*}}, %[[UP]]) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
// CHECK:         %[[S:.*]] = onnx.Add(%[[H]], %[[B]])
// CHECK:         onnx.Erf(%[[S]]) : (tensor<?x2xf32>) -> tensor<?x2xf32>
// CHECK:         onnx.MatMul(%{{.*}}, %[[DOWN]]) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
func.func @mlp(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %up = onnx.Initializer "up" = dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]> : tensor<2x4xf32>
  %b = onnx.Initializer "bias" = dense<[0.1, 0.2, 0.3, 0.4]> : tensor<4xf32>
  %one = onnx.Initializer "one" = dense<1.0> : tensor<f32>
  %c = compress.constant [dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>, dense<[1, 3]> : tensor<2xi32>] {compress.site = "down"} : !rows
  %down = compress.decode %c : !rows
  %0 = onnx.MatMul(%x, %up) : (tensor<?x2xf32>, tensor<2x4xf32>) -> tensor<?x4xf32>
  %1 = onnx.Add(%0, %b) : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %2 = onnx.Erf(%1) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %3 = onnx.Add(%2, %one) : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %4 = onnx.Mul(%1, %3) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %5 = onnx.MatMul(%4, %down) : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
  return %5 : tensor<?x2xf32>
}

// Codes of the kept rows are the weight.
// CHECK-LABEL: func.func @codes
// CHECK:         compress.constant
// CHECK-SAME:      compress.site = "down"
// CHECK-SAME:      <2x2xf32, int4<axis = 1>>
func.func @codes(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %up = onnx.Initializer "up" = dense<1.0> : tensor<2x4xf32>
  %c = compress.constant [dense<[[1, 2], [3, 4]]> : tensor<2x2xi4>, dense<1.0> : tensor<1x2xf32>, dense<[1, 3]> : tensor<2xi32>] {compress.site = "down"} : !coded
  %down = compress.decode %c : !coded
  %0 = onnx.MatMul(%x, %up) : (tensor<?x2xf32>, tensor<2x4xf32>) -> tensor<?x4xf32>
  %1 = onnx.MatMul(%0, %down) : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
  return %1 : tensor<?x2xf32>
}

// Two heads of two channels, of which the second is kept.
// CHECK-LABEL: func.func @heads
// CHECK-DAG:     %[[Q:.*]] = onnx.Initializer "q" = dense<3.000000e+00> : tensor<4x2xf32>
// CHECK-DAG:     %[[V:.*]] = onnx.Initializer "v" = {{.*}} : tensor<4x2xf32>
// CHECK-DAG:     dense<[0, 3, 1, 2]> : tensor<4xi64>
// CHECK-DAG:     dense<[0, 3, 2]> : tensor<3xi64>
// CHECK:         onnx.MatMul({{.*}}) : (tensor<?x1x3x2xf32>, tensor<?x1x2x3xf32>) -> tensor<?x1x3x3xf32>
// CHECK:         onnx.Softmax{{.*}} -> tensor<?x1x3x3xf32>
// CHECK:         onnx.MatMul({{.*}}) : (tensor<?x3x2xf32>, tensor<2x2xf32>) -> tensor<?x3x2xf32>
func.func @heads(%x: tensor<?x3x4xf32>) -> tensor<?x3x2xf32> {
  %q = onnx.Initializer "q" = dense<3.0> : tensor<4x4xf32>
  %k = onnx.Initializer "k" = dense<2.0> : tensor<4x4xf32>
  %v = onnx.Initializer "v" = dense<1.0> : tensor<4x4xf32>
  %split = onnx.Initializer "split" = dense<[0, 3, 2, 2]> : tensor<4xi64>
  %merge = onnx.Initializer "merge" = dense<[0, 3, 4]> : tensor<3xi64>
  %c = compress.constant [dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>, dense<[2, 3]> : tensor<2xi32>] {compress.site = "out"} : !rows
  %out = compress.decode %c : !rows
  %0 = onnx.MatMul(%x, %q) : (tensor<?x3x4xf32>, tensor<4x4xf32>) -> tensor<?x3x4xf32>
  %1 = onnx.Reshape(%0, %split) : (tensor<?x3x4xf32>, tensor<4xi64>) -> tensor<?x3x2x2xf32>
  %2 = onnx.Transpose(%1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x3x2x2xf32>) -> tensor<?x2x3x2xf32>
  %3 = onnx.MatMul(%x, %k) : (tensor<?x3x4xf32>, tensor<4x4xf32>) -> tensor<?x3x4xf32>
  %4 = onnx.Reshape(%3, %split) : (tensor<?x3x4xf32>, tensor<4xi64>) -> tensor<?x3x2x2xf32>
  %5 = onnx.Transpose(%4) {perm = array<i64: 0, 2, 3, 1>} : (tensor<?x3x2x2xf32>) -> tensor<?x2x2x3xf32>
  %6 = onnx.MatMul(%2, %5) : (tensor<?x2x3x2xf32>, tensor<?x2x2x3xf32>) -> tensor<?x2x3x3xf32>
  %7 = onnx.Softmax(%6) {axis = -1 : i64} : (tensor<?x2x3x3xf32>) -> tensor<?x2x3x3xf32>
  %8 = onnx.MatMul(%x, %v) : (tensor<?x3x4xf32>, tensor<4x4xf32>) -> tensor<?x3x4xf32>
  %9 = onnx.Reshape(%8, %split) : (tensor<?x3x4xf32>, tensor<4xi64>) -> tensor<?x3x2x2xf32>
  %10 = onnx.Transpose(%9) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x3x2x2xf32>) -> tensor<?x2x3x2xf32>
  %11 = onnx.MatMul(%7, %10) : (tensor<?x2x3x3xf32>, tensor<?x2x3x2xf32>) -> tensor<?x2x3x2xf32>
  %12 = onnx.Transpose(%11) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x2x3x2xf32>) -> tensor<?x3x2x2xf32>
  %13 = onnx.Reshape(%12, %merge) : (tensor<?x3x2x2xf32>, tensor<3xi64>) -> tensor<?x3x4xf32>
  %14 = onnx.MatMul(%13, %out) : (tensor<?x3x4xf32>, tensor<4x2xf32>) -> tensor<?x3x2xf32>
  return %14 : tensor<?x3x2xf32>
}

// A half of each head is no head.
// CHECK-LABEL: func.func @no_heads
// CHECK:         sparse<channels<0>
// CHECK:         onnx.Initializer "v" = dense<1.000000e+00> : tensor<4x4xf32>
func.func @no_heads(%x: tensor<?x3x4xf32>) -> tensor<?x3x2xf32> {
  %c = compress.constant [dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>, dense<[1, 3]> : tensor<2xi32>] {compress.site = "out"} : !rows
  %out = compress.decode %c : !rows
  %v = onnx.Initializer "v" = dense<1.0> : tensor<4x4xf32>
  %split = onnx.Initializer "split" = dense<[0, 3, 2, 2]> : tensor<4xi64>
  %merge = onnx.Initializer "merge" = dense<[0, 3, 4]> : tensor<3xi64>
  %8 = onnx.MatMul(%x, %v) : (tensor<?x3x4xf32>, tensor<4x4xf32>) -> tensor<?x3x4xf32>
  %9 = onnx.Reshape(%8, %split) : (tensor<?x3x4xf32>, tensor<4xi64>) -> tensor<?x3x2x2xf32>
  %10 = onnx.Softmax(%9) {axis = -1 : i64} : (tensor<?x3x2x2xf32>) -> tensor<?x3x2x2xf32>
  %13 = onnx.Reshape(%10, %merge) : (tensor<?x3x2x2xf32>, tensor<3xi64>) -> tensor<?x3x4xf32>
  %14 = onnx.MatMul(%13, %out) : (tensor<?x3x4xf32>, tensor<4x2xf32>) -> tensor<?x3x2xf32>
  return %14 : tensor<?x3x2xf32>
}

// A residual needs all channels, and so does the result of the model.
// CHECK-LABEL: func.func @residual
// CHECK:         sparse<channels<0>
// CHECK:         onnx.Add({{.*}}) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @residual(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %c = compress.constant [dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>, dense<[1, 3]> : tensor<2xi32>] {compress.site = "w"} : !rows
  %w = compress.decode %c : !rows
  %v = onnx.Initializer "v" = dense<1.0> : tensor<4x4xf32>
  %0 = onnx.MatMul(%x, %v) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %1 = onnx.Add(%0, %x) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %2 = onnx.MatMul(%1, %w) : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
  return %2 : tensor<?x2xf32>
}
// CHECK-LABEL: func.func @result
// CHECK:         sparse<channels<0>
func.func @result(%x: tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<?x4xf32>) {
  %c = compress.constant [dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>, dense<[1, 3]> : tensor<2xi32>] {compress.site = "w"} : !rows
  %w = compress.decode %c : !rows
  %v = onnx.Initializer "v" = dense<1.0> : tensor<4x4xf32>
  %0 = onnx.MatMul(%x, %v) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %2 = onnx.MatMul(%0, %w) : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
  return %2, %0 : tensor<?x2xf32>, tensor<?x4xf32>
}

// RUN: compress-opt %s --split-input-file --onnx-infer-shapes | FileCheck %s
// RUN: compress-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(onnx-infer-shapes{batch=3}))' | FileCheck %s --check-prefix=BATCH

// The batch size survives Shape -> Gather -> Unsqueeze -> Concat -> Reshape, and
// cancels in the inferred dimension.
// CHECK-LABEL: func.func @flatten
// CHECK-SAME:    -> tensor<?x32xf32>
// CHECK:         onnx.Shape({{.*}}) : (tensor<?x4x8xf32>) -> tensor<3xi64>
// CHECK:         onnx.Gather({{.*}}) {axis = 0 : i64} : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
// CHECK:         onnx.Reshape({{.*}}) : (tensor<?x4x8xf32>, tensor<2xi64>) -> tensor<?x32xf32>
// BATCH-LABEL: func.func @flatten
// BATCH-SAME:    %{{.*}}: tensor<3x4x8xf32>) -> tensor<3x32xf32>
func.func @flatten(%x: tensor<?x4x8xf32>) -> tensor<*x!onnx.unknown> {
  %none = onnx.NoValue : none
  %zero = onnx.Initializer "zero" = dense<0> : tensor<i64>
  %axes = onnx.Initializer "axes" = dense<0> : tensor<1xi64>
  %minus = onnx.Initializer "minus" = dense<-1> : tensor<1xi64>
  %0 = onnx.Shape(%x) : (tensor<?x4x8xf32>) -> tensor<*x!onnx.unknown>
  %1 = onnx.Gather(%0, %zero) {axis = 0 : i64} : (tensor<*x!onnx.unknown>, tensor<i64>) -> tensor<*x!onnx.unknown>
  %2 = onnx.Unsqueeze(%1, %axes) : (tensor<*x!onnx.unknown>, tensor<1xi64>) -> tensor<*x!onnx.unknown>
  %3 = onnx.Concat(%2, %minus) {axis = 0 : i64} : (tensor<*x!onnx.unknown>, tensor<1xi64>) -> tensor<*x!onnx.unknown>
  %4 = onnx.Reshape(%x, %3) : (tensor<?x4x8xf32>, tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  return %4 : tensor<*x!onnx.unknown>
}

// -----

// Arithmetic on shapes.
// CHECK-LABEL: func.func @arithmetic
// CHECK:         onnx.Reshape({{.*}}) : (tensor<?x6xf32>, tensor<2xi64>) -> tensor<?x3xf32>
// CHECK:         onnx.ConstantOfShape({{.*}}) : {{.*}} -> tensor<?x3xf32>
// CHECK:         onnx.Slice({{.*}}) : {{.*}} -> tensor<?x2xf32>
func.func @arithmetic(%x: tensor<?x6xf32>) -> tensor<*x!onnx.unknown> {
  %two = onnx.Initializer "two" = dense<[1, 2]> : tensor<2xi64>
  %minus = onnx.Initializer "minus" = dense<[-1, 3]> : tensor<2xi64>
  %starts = onnx.Initializer "starts" = dense<[0, 4]> : tensor<2xi64>
  %ends = onnx.Initializer "ends" = dense<[9223372036854775807, 100]> : tensor<2xi64>
  %0 = onnx.Shape(%x) : (tensor<?x6xf32>) -> tensor<*x!onnx.unknown>
  %1 = onnx.Div(%0, %two) : (tensor<*x!onnx.unknown>, tensor<2xi64>) -> tensor<*x!onnx.unknown>
  %2 = onnx.Reshape(%x, %minus) : (tensor<?x6xf32>, tensor<2xi64>) -> tensor<*x!onnx.unknown>
  %3 = onnx.ConstantOfShape(%1) : (tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  %4 = onnx.Slice(%x, %starts, %ends) : (tensor<?x6xf32>, tensor<2xi64>, tensor<2xi64>) -> tensor<*x!onnx.unknown>
  return %4 : tensor<*x!onnx.unknown>
}

// -----

// Two inputs whose leading dimensions have the same name are equal.
// CHECK-LABEL: func.func @named
// CHECK:         onnx.Reshape({{.*}}) : {{.*}} -> tensor<?x6xf32>
func.func @named(%x: tensor<?x2x3xf32> {onnx.dim_params = ["batch", "", ""]},
                 %y: tensor<?xf32> {onnx.dim_params = ["batch"]}) -> tensor<*x!onnx.unknown> {
  %minus = onnx.Initializer "minus" = dense<-1> : tensor<1xi64>
  %0 = onnx.Shape(%y) : (tensor<?xf32>) -> tensor<*x!onnx.unknown>
  %1 = onnx.Concat(%0, %minus) {axis = 0 : i64} : (tensor<*x!onnx.unknown>, tensor<1xi64>) -> tensor<*x!onnx.unknown>
  %2 = onnx.Reshape(%x, %1) : (tensor<?x2x3xf32>, tensor<*x!onnx.unknown>) -> tensor<*x!onnx.unknown>
  return %2 : tensor<*x!onnx.unknown>
}

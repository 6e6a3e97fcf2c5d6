// RUN: compress-opt %s --onnx-expand-experts --onnx-infer-shapes -verify-diagnostics | FileCheck %s
// RUN: compress-opt %s --onnx-expand-experts --onnx-infer-shapes --onnx-compact-experts 2>/dev/null | FileCheck %s --check-prefix=COMPACT
// RUN: compress-opt %s --onnx-expand-experts=threshold=0.5 --onnx-infer-shapes 2>/dev/null | FileCheck %s --check-prefix=ADAPTIVE

// Each expert has weights of its own, and sees only the tokens that are its own.
// CHECK-LABEL: func.func @two_of_three
// CHECK:         %[[P:.*]] = onnx.Softmax(%arg1) {axis = -1 : i64}
// CHECK:         onnx.ArgMax(%[[P]])
// CHECK:         onnx.ArgMax
// CHECK-NOT:     onnx.ArgMax
// CHECK:         onnx.Or
// CHECK:         onnx.ReduceSum
// CHECK:         onnx.Initializer "up.0" = dense<1.000000e+00> : tensor<2x4xf32>
// CHECK:         onnx.Relu
// CHECK:         onnx.Initializer "up.2" = {{.*}} : tensor<2x4xf32>
// CHECK:         onnx.Relu
// CHECK:         onnx.Initializer "down.2" = {{.*}} : tensor<4x2xf32>
// CHECK-NOT:     onnx.Custom
// CHECK:         return %{{.*}} : tensor<?x2xf32>

// Products have as many rows as the router sends tokens: the first expert's
// results come among zeros, those of others to what is there.
// COMPACT-LABEL: func.func @two_of_three
// COMPACT:         %[[FOUND:.*]] = onnx.NonZero(%{{.*}}) : (tensor<?xf32>) -> tensor<1x?xi64>
// COMPACT:         %[[ROWS:.*]] = onnx.Reshape(%[[FOUND]], %{{.*}})
// COMPACT:         %[[X:.*]] = onnx.Gather(%arg0, %[[ROWS]]) {axis = 0 : i64}
// COMPACT:         onnx.MatMul(%[[X]], %{{.*}}) : (tensor<?x2xf32>, tensor<2x4xf32>) -> tensor<?x4xf32>
// COMPACT:         onnx.Gather(%{{.*}}, %[[ROWS]]) {axis = 0 : i64} : (tensor<?x1xf32>, tensor<?xi64>) -> tensor<?x1xf32>
// COMPACT:         %[[Y:.*]] = onnx.MatMul
// COMPACT:         %[[ZEROS:.*]] = onnx.ConstantOfShape
// COMPACT:         %[[SUM:.*]] = onnx.ScatterND(%[[ZEROS]], %{{.*}}, %[[Y]])
// COMPACT:         %[[OWN:.*]] = onnx.Gather(%[[SUM]],
// COMPACT:         %[[ADDED:.*]] = onnx.Add(%[[OWN]],
// COMPACT:         %[[NEXT:.*]] = onnx.ScatterND(%[[SUM]], %{{.*}}, %[[ADDED]])
// COMPACT:         onnx.ScatterND(%[[NEXT]],
// COMPACT-NOT:     compress.routed
// COMPACT:         return

// The second of a token is dropped where it does not matter.
// ADAPTIVE-LABEL: func.func @two_of_three
// ADAPTIVE:         onnx.Initializer {{.*}}dense<5.000000e-01>
// ADAPTIVE:         %[[LARGE:.*]] = onnx.GreaterOrEqual
// ADAPTIVE:         %[[SECOND:.*]] = onnx.And(%{{.*}}, %[[LARGE]])
// ADAPTIVE:         onnx.Or(%{{.*}}, %[[SECOND]])
func.func @two_of_three(%x: tensor<?x2xf32>, %router: tensor<?x3xf32>) -> tensor<?x2xf32> {
  %up = onnx.Initializer "up" = dense<1.0> : tensor<3x4x2xf32>
  %bias = onnx.Initializer "up_bias" = dense<2.0> : tensor<3x4xf32>
  %down = onnx.Initializer "down" = dense<3.0> : tensor<3x2x4xf32>
  %y = onnx.Custom "MoE"(%x, %router, %up, %bias, %down) {domain = "com.microsoft", node_attributes = {k = 2 : i64, normalize_routing_weights = 1 : i64}} : (tensor<?x2xf32>, tensor<?x3xf32>, tensor<3x4x2xf32>, tensor<3x4xf32>, tensor<3x2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// What is not known stays.
// CHECK-LABEL: func.func @other
// CHECK:         onnx.Custom "MoE"
func.func @other(%x: tensor<?x2xf32>, %router: tensor<?x3xf32>) -> tensor<?x2xf32> {
  %up = onnx.Initializer "up" = dense<1.0> : tensor<3x4x2xf32>
  %bias = onnx.Initializer "up_bias" = dense<2.0> : tensor<3x4xf32>
  %down = onnx.Initializer "down" = dense<3.0> : tensor<3x2x4xf32>
  // expected-remark@+1 {{not expanded: swiglu is supported with swiglu_fusion = 1 only}}
  %y = onnx.Custom "MoE"(%x, %router, %up, %bias, %down) {domain = "com.microsoft", node_attributes = {activation_type = "swiglu"}} : (tensor<?x2xf32>, tensor<?x3xf32>, tensor<3x4x2xf32>, tensor<3x4xf32>, tensor<3x2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

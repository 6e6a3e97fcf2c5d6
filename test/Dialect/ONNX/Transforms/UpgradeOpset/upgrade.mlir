// RUN: compress-opt %s --onnx-upgrade-opset=version=13 --split-input-file | FileCheck %s

// Forms that runtimes of today do not run any more; numerics.py has the others.
module attributes {onnx.ir_version = 3 : i64,
    onnx.opset_imports = [{domain = "com.example", version = 1 : i64}, {version = 3 : i64}]} {
  // CHECK: onnx.ir_version = 7 : i64
  // CHECK-SAME: [{domain = "com.example", version = 1 : i64}, {version = 13 : i64}]
  // CHECK-LABEL: func.func @main_graph
  func.func @main_graph(%x: tensor<2x3x4xf32>, %c: tensor<3xf32>) -> (tensor<2x3x4xf32>) {
    // CHECK: %[[A:.+]] = onnx.Initializer "Add_axes" = dense<1> : tensor<1xi64>
    // CHECK: %[[U:.+]] = onnx.Unsqueeze(%arg1, %[[A]]) : (tensor<3xf32>, tensor<1xi64>) -> tensor<3x1xf32>
    // CHECK: onnx.Add(%arg0, %[[U]]) :
    %0 = onnx.Add(%x, %c) {axis = 1 : i64, broadcast = 1 : i64, consumed_inputs = array<i64: 0, 0>}
      : (tensor<2x3x4xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
    // CHECK: %[[U:.+]] = onnx.Unsqueeze(%arg1
    // CHECK: onnx.PRelu(%{{.*}}, %[[U]]) :
    %1 = onnx.PRelu(%0, %c) : (tensor<2x3x4xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
    // CHECK: onnx.Concat({{.*}}) {axis = 1 : i64}
    %2 = onnx.Concat(%1) : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
    // CHECK: onnx.Selu({{.*}}) {alpha = 1.673200e+00 : f32, gamma = 1.050700e+00 : f32}
    %3 = onnx.Selu(%2) : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
    // A custom operator is not ours to change.
    // CHECK: onnx.Custom "Softmax"({{.*}}) {domain = "com.example", node_attributes = {axis = 1 : i64}}
    %4 = onnx.Custom "Softmax"(%3) {domain = "com.example", node_attributes = {axis = 1 : i64}}
      : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
    func.return %4 : tensor<2x3x4xf32>
  }
}

// -----

// A model that is new enough stays as it is.
// CHECK: version = 17 : i64
module attributes {onnx.opset_imports = [{domain = "", version = 17 : i64}]} {
  // CHECK: onnx.ReduceMax(%arg0) {legacy_axes = array<i64: 1>}
  func.func @main_graph(%x: tensor<2x3xf32>) -> tensor<2x1xf32> {
    %0 = onnx.ReduceMax(%x) {legacy_axes = array<i64: 1>} : (tensor<2x3xf32>) -> tensor<2x1xf32>
    func.return %0 : tensor<2x1xf32>
  }
}

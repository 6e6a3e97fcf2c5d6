// A graph written by hand becomes a model, and the model the same graph.
//
// RUN: compress-translate --mlir-to-onnx %s -o %t.onnx
// RUN: compress-translate --onnx-to-mlir %t.onnx | FileCheck %s
// RUN: compress-translate --onnx-to-mlir %t.onnx -o %t.mlir
// RUN: compress-translate --mlir-to-onnx %t.mlir -o %t.again.onnx
// RUN: cmp %t.onnx %t.again.onnx

module attributes {onnx.ir_version = 8 : i64, onnx.opset_imports = [{version = 17 : i64}]} {
  func.func @net(%x: tensor<?x4xf32> {onnx.name = "image", onnx.dim_params = ["batch", ""]})
      -> (tensor<?x2xf32> {onnx.name = "scores"}) {
    %w = onnx.Initializer "w" = dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]> : tensor<4x2xf32>
    %0 = onnx.MatMul(%x, %w) : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
    %1 = onnx.Relu(%0) : (tensor<?x2xf32>) -> tensor<?x2xf32>
    return %1 : tensor<?x2xf32>
  }
}

// CHECK: module attributes {onnx.ir_version = 8 : i64, onnx.opset_imports = [{version = 17 : i64}]}
// CHECK: func.func @main_graph(%[[X:.*]]: tensor<?x4xf32> {onnx.dim_params = ["batch", ""], onnx.name = "image"})
// CHECK-SAME: -> (tensor<?x2xf32> {onnx.name = "scores"}) attributes {onnx.graph_name = "net"}
// CHECK: %w = onnx.Initializer "w" = dense<{{.*}}> : tensor<4x2xf32>
// CHECK: %[[M:.*]] = onnx.MatMul(%[[X]], %w) {onnx.node_name = "MatMul", onnx.outputs = ["MatMul_output"]}
// CHECK: onnx.Relu(%[[M]]) {onnx.node_name = "Relu", onnx.outputs = ["scores"]}

// RUN: compress-opt %s --onnx-upgrade-opset=version=21 --split-input-file --verify-diagnostics
// RUN: not compress-opt %s --split-input-file --onnx-upgrade-opset=version=99 2>&1 | FileCheck %s

// CHECK: option 'version' must be from 1 to {{[0-9]+}}, found 99

module attributes {onnx.opset_imports = [{version = 10 : i64}]} {
  func.func @resize(%x: tensor<1x1x2x2xf32>, %s: tensor<4xf32>) -> tensor<1x1x?x?xf32> {
    // expected-error @+1 {{node 'up' (Resize): cannot be upgraded from opset 10 to 21: the rounding of its nearest mode depends on its scales, which are not constant or differ in direction}}
    %0 = onnx.Resize(%x, %s) {mode = "nearest", onnx.node_name = "up"} : (tensor<1x1x2x2xf32>, tensor<4xf32>) -> tensor<1x1x?x?xf32>
    func.return %0 : tensor<1x1x?x?xf32>
  }
}

// -----

module attributes {onnx.opset_imports = [{version = 9 : i64}]} {
  func.func @training(%x: tensor<1x2x2xf32>, %s: tensor<2xf32>) -> (tensor<1x2x2xf32>, tensor<2xf32>) {
    // expected-error @+1 {{it trains: its running statistics are used}}
    %0:3 = onnx.BatchNormalization(%x, %s, %s, %s, %s) : (tensor<1x2x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<1x2x2xf32>, tensor<2xf32>, tensor<2xf32>)
    func.return %0#0, %0#1 : tensor<1x2x2xf32>, tensor<2xf32>
  }
}

// -----

module attributes {onnx.opset_imports = [{version = 12 : i64}]} {
  func.func @subgraph(%x: tensor<i1>, %y: tensor<2xf32>) -> tensor<2xf32> {
    // expected-error @+1 {{node 'branch' (If): cannot be upgraded from opset 12 to 21: has a subgraph}}
    %0 = onnx.Custom "If"(%x, %y) {captures = ["y"], onnx.node_name = "branch"} : (tensor<i1>, tensor<2xf32>) -> tensor<2xf32>
    func.return %0 : tensor<2xf32>
  }
}

// -----

module attributes {onnx.opset_imports = [{version = 18 : i64}]} {
  func.func @groups(%x: tensor<1x4x2xf32>, %s: tensor<2xf32>) -> tensor<1x4x2xf32> {
    // expected-error @+1 {{its signature changed in opset 21}}
    %0 = onnx.Custom "GroupNormalization"(%x, %s, %s) {node_attributes = {num_groups = 2 : i64}} : (tensor<1x4x2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x4x2xf32>
    func.return %0 : tensor<1x4x2xf32>
  }
}

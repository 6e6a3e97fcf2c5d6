// The forms that are not those of every standard op, and a few of those. Each is
// printed as it was written; unittests/Frontend goes through all ops.
//
// RUN: compress-opt %s | compress-opt | FileCheck %s
// RUN: compress-opt %s -emit-bytecode -o %t.mlirbc
// RUN: compress-opt %t.mlirbc | FileCheck %s

// CHECK: module attributes {onnx.ir_version = 8 : i64, onnx.opset_imports = [{domain = "", version = 17 : i64}]}
module attributes {onnx.ir_version = 8 : i64,
                   onnx.opset_imports = [{domain = "", version = 17 : i64}]} {
// CHECK-LABEL: func.func @main_graph(
// CHECK-SAME: tensor<?x3x8x8xf32> {onnx.dim_params = ["N", "", "", ""], onnx.name = "x"}
func.func @main_graph(%x: tensor<?x3x8x8xf32> {onnx.name = "x", onnx.dim_params = ["N", "", "", ""]},
                      %u: tensor<*x!onnx.unknown>, %s: tensor<2x!onnx.string>,
                      %l: !onnx.proto<"\22\00">) -> tensor<?x4x8x8xf32> {
  // An initializer gives its result the name.
  // CHECK: %w = onnx.Initializer "w" = dense<2.500000e-01> : tensor<4x3x3x3xf32>{{$}}
  %w = onnx.Initializer "w" = dense<0.25> : tensor<4x3x3x3xf32>
  // CHECK: %b = onnx.Initializer "b" = dense_resource<b> : tensor<4xf32> {info = {storage = "float_data"}}
  %b = onnx.Initializer "b" = dense_resource<b> : tensor<4xf32> {info = {storage = "float_data"}}
  // CHECK: onnx.Initializer "names" = dense<["a", "b\0A"]> : tensor<2x!onnx.string>
  %names = onnx.Initializer "names" = dense<["a", "b\0A"]> : tensor<2x!onnx.string>
  // CHECK: onnx.SparseInitializer "sp" = <"SparseTensorProto", "\1A\00"> : tensor<5xf32>
  %sp = onnx.SparseInitializer "sp" = <"SparseTensorProto", "\1A\00"> : tensor<5xf32>
  // CHECK: %[[NONE:.*]] = onnx.NoValue : none
  %none = onnx.NoValue : none

  // CHECK: onnx.Conv(%{{.*}}, %w, %b) {group = 1 : i64, onnx.node_name = "conv", pads = array<i64: 1, 1, 1, 1>}
  // CHECK-SAME: : (tensor<?x3x8x8xf32>, tensor<4x3x3x3xf32>, tensor<4xf32>) -> tensor<?x4x8x8xf32>
  %0 = onnx.Conv(%x, %w, %b) {onnx.node_name = "conv", group = 1 : i64, pads = array<i64: 1, 1, 1, 1>}
     : (tensor<?x3x8x8xf32>, tensor<4x3x3x3xf32>, tensor<4xf32>) -> tensor<?x4x8x8xf32>
  // Optional inputs in the middle are none, and at the end left out.
  // CHECK: onnx.Clip(%{{.*}}, %[[NONE]], %{{.*}}) : (tensor<?x4x8x8xf32>, none, tensor<f32>)
  %six = onnx.Constant() {value = dense<6.0> : tensor<f32>} : () -> tensor<f32>
  %1 = onnx.Clip(%0, %none, %six) : (tensor<?x4x8x8xf32>, none, tensor<f32>) -> tensor<?x4x8x8xf32>
  // CHECK: onnx.Clip(%{{.*}}) {legacy_max = 6.000000e+00 : f32}
  %2 = onnx.Clip(%0) {legacy_max = 6.0 : f32} : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  // CHECK: %{{.*}}, %{{.*}} = onnx.MaxPool(%{{.*}}) {kernel_shape = array<i64: 2, 2>}
  %3:2 = onnx.MaxPool(%2) {kernel_shape = array<i64: 2, 2>}
       : (tensor<?x4x8x8xf32>) -> (tensor<?x4x7x7xf32>, tensor<?x4x7x7xi64>)
  // CHECK: onnx.Concat(%{{.*}}, %{{.*}}) {axis = -1 : i64}
  %4 = onnx.Concat(%1, %2) {axis = -1 : i64}
     : (tensor<?x4x8x8xf32>, tensor<?x4x8x8xf32>) -> tensor<?x4x8x16xf32>
  // CHECK: onnx.Custom "Mix"(%{{.*}}) {domain = "com.example", node_attributes = {level = 3 : i64}} : (tensor<?x4x8x8xf32>) -> (tensor<?x4x8x8xf32>, none)
  %5:2 = onnx.Custom "Mix"(%1) {domain = "com.example", node_attributes = {level = 3 : i64}}
       : (tensor<?x4x8x8xf32>) -> (tensor<?x4x8x8xf32>, none)
  // CHECK: onnx.Custom "If"(%{{.*}}, %{{.*}}) {captures = ["q"], node_attributes = {then_branch = #onnx.proto<"AttributeProto", "\0A\00">}}
  %6 = onnx.Custom "If"(%u, %1) {captures = ["q"], node_attributes = {then_branch = #onnx.proto<"AttributeProto", "\0A\00">}}
     : (tensor<*x!onnx.unknown>, tensor<?x4x8x8xf32>) -> tensor<*x!onnx.unknown>
  return %5#0 : tensor<?x4x8x8xf32>
}
}

{-#
  dialect_resources: {
    builtin: {
      b: "0x040000000000803F000000400000404000008040"
    }
  }
#-}

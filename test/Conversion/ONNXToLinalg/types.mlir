// RUN: compress-opt %s --convert-onnx-to-linalg --canonicalize | FileCheck %s

// Unsigned integers become signless and keep their meaning.
// CHECK-LABEL: func.func @unsigned
// CHECK-SAME:    (%{{.*}}: tensor<4xi8> {onnx.name = "x"}, %{{.*}}: tensor<4xi8>) -> (tensor<4xi8> {onnx.name = "y"})
// CHECK:         arith.divui
// CHECK:         arith.maxui
func.func @unsigned(%x: tensor<4xui8> {onnx.name = "x"}, %y: tensor<4xui8>) -> (tensor<4xui8> {onnx.name = "y"}) {
  %0 = onnx.Div(%x, %y) : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  %1 = onnx.Max(%0, %y) : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  return %1 : tensor<4xui8>
}

// A weight keeps its resource: nothing is copied.
// CHECK-LABEL: func.func @resource
// CHECK-DAG:     arith.constant dense_resource<w> : tensor<4xi8>
// CHECK-DAG:     arith.constant dense<[true, false]> : tensor<2xi1>
func.func @resource() -> (tensor<4xui8>, tensor<2xi1>) {
  %0 = onnx.Initializer "w" = dense_resource<w> : tensor<4xui8>
  %1 = onnx.Initializer "m" = dense_resource<m> : tensor<2xi1>
  return %0, %1 : tensor<4xui8>, tensor<2xi1>
}

{-#
  dialect_resources: {
    builtin: {
      w: "0x0100000001020384",
      m: "0x010000000100"
    }
  }
#-}

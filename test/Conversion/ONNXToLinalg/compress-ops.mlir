// RUN: compress-opt %s --convert-onnx-to-linalg --canonicalize | FileCheck %s

// An encoded table is looked up without decoding all of it.
// CHECK-LABEL: func.func @gather
// CHECK-SAME:    %[[T:.*]]: !compress.tensor<16x8xf32, {{.*}}>, %[[I:.*]]: tensor<?x4xi64>
// CHECK-NOT:     compress.decode
// CHECK:         compress.gather %[[T]][%[[I]]] axis = 0
func.func @gather(%t: !compress.tensor<16x8xf32, quant<i8, group = [1, *], scale = f32>>, %i: tensor<?x4xi64>) -> tensor<?x4x8xf32> {
  %0 = compress.decode %t : !compress.tensor<16x8xf32, quant<i8, group = [1, *], scale = f32>>
  %1 = onnx.Gather(%0, %i) {axis = 0 : i64} : (tensor<16x8xf32>, tensor<?x4xi64>) -> tensor<?x4x8xf32>
  return %1 : tensor<?x4x8xf32>
}

// The decoded weight is an operand of the product, as it is.
// CHECK-LABEL: func.func @weight
// CHECK:         %[[W:.*]] = compress.decode
// CHECK:         %[[O:.*]] = compress.observe %{{.*}} as 3
// CHECK:         linalg.generic {{.*}} ins(%[[O]], %[[W]] :
func.func @weight(%x: tensor<?x16xf32>, %t: !compress.tensor<16x8xf32, quant<i8, group = [*, 1], scale = f32>>) -> tensor<?x8xf32> {
  %w = compress.decode %t : !compress.tensor<16x8xf32, quant<i8, group = [*, 1], scale = f32>>
  %0 = onnx.Relu(%x) : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %1 = compress.observe %0 as 3 : tensor<?x16xf32>
  %2 = onnx.MatMul(%1, %w) : (tensor<?x16xf32>, tensor<16x8xf32>) -> tensor<?x8xf32>
  return %2 : tensor<?x8xf32>
}

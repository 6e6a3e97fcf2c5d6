// RUN: compress-opt %s --convert-onnx-to-linalg --canonicalize | FileCheck %s

// Broadcasting of batch dimensions is in the maps.
// CHECK-DAG: #[[LHS:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
// CHECK-DAG: #[[RHS:.*]] = affine_map<(d0, d1, d2, d3) -> (d3, d2)>
// CHECK-DAG: #[[COLUMN:.*]] = affine_map<(d0, d1, d2) -> (d2, d0)>
// CHECK-DAG: #[[ROW:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-DAG: #[[X:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 * 2 + d5, d3 + d6 * 3)>
// CHECK-DAG: #[[W:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d4, d5, d6)>
// CHECK-DAG: #[[DX:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1, d4, d2 + d5, d3 + d6)>

// CHECK-LABEL: func.func @matmul
// CHECK-SAME:    %[[X0:.*]]: tensor<?x4x8xf32>, %[[W0:.*]]: tensor<8x5xf32>
// CHECK:         %[[ZERO:.*]] = linalg.fill
// CHECK:         linalg.generic
// CHECK-SAME:      indexing_maps = [#[[LHS]], #[[RHS]],
// CHECK-SAME:      iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// CHECK-SAME:      ins(%[[X0]], %[[W0]] : {{.*}}) outs(%[[ZERO]]
// CHECK-NEXT:    ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %[[ACC:.*]]: f32):
// CHECK-NEXT:      %[[P:.*]] = arith.mulf %[[A]], %[[B]]
// CHECK-NEXT:      %[[S:.*]] = arith.addf %[[ACC]], %[[P]]
// CHECK-NEXT:      linalg.yield %[[S]]
func.func @matmul(%x: tensor<?x4x8xf32>, %w: tensor<8x5xf32>) -> tensor<?x4x5xf32> {
  %0 = onnx.MatMul(%x, %w) : (tensor<?x4x8xf32>, tensor<8x5xf32>) -> tensor<?x4x5xf32>
  return %0 : tensor<?x4x5xf32>
}

// The vector added to a product is where the accumulator starts.
// CHECK-LABEL: func.func @matmul_add
// CHECK:         %[[INIT:.*]] = linalg.broadcast ins(%{{.*}} : tensor<5xf32>) outs({{.*}}) dimensions = [0, 1]
// CHECK:         %[[Y:.*]] = linalg.generic {{.*}} outs(%[[INIT]]
// CHECK-NOT:     linalg.generic
// CHECK:         return %[[Y]]
func.func @matmul_add(%x: tensor<?x4x8xf32>, %w: tensor<8x5xf32>, %b: tensor<5xf32>) -> tensor<?x4x5xf32> {
  %0 = onnx.MatMul(%x, %w) : (tensor<?x4x8xf32>, tensor<8x5xf32>) -> tensor<?x4x5xf32>
  %1 = onnx.Add(%0, %b) : (tensor<?x4x5xf32>, tensor<5xf32>) -> tensor<?x4x5xf32>
  return %1 : tensor<?x4x5xf32>
}

// Transposition is in the maps, too.
// CHECK-LABEL: func.func @gemm
// CHECK-NOT:     linalg.transpose
// CHECK:         linalg.broadcast ins(%{{.*}} : tensor<5xf32>) {{.*}} dimensions = [0]
// CHECK:         linalg.generic {indexing_maps = [#[[COLUMN]], #[[ROW]],
func.func @gemm(%x: tensor<8x?xf32>, %w: tensor<5x8xf32>, %b: tensor<1x5xf32>) -> tensor<?x5xf32> {
  %0 = onnx.Gemm(%x, %w, %b) {transA = 1 : i64, transB = 1 : i64} : (tensor<8x?xf32>, tensor<5x8xf32>, tensor<1x5xf32>) -> tensor<?x5xf32>
  return %0 : tensor<?x5xf32>
}

// CHECK-LABEL: func.func @conv
// CHECK:         %[[P:.*]] = tensor.pad %{{.*}} low[0, 0, 1, 0] high[0, 0, 2, 0]
// CHECK:         %[[B:.*]] = linalg.broadcast ins(%{{.*}} : tensor<4xf32>) {{.*}} dimensions = [0, 2, 3]
// CHECK:         linalg.generic {indexing_maps = [#[[X]], #[[W]],
// CHECK-SAME:      ins(%[[P]], %{{.*}} : {{.*}}, tensor<4x3x3x2xf32>) outs(%[[B]]
func.func @conv(%x: tensor<?x3x8x9xf32>, %w: tensor<4x3x3x2xf32>, %b: tensor<4xf32>) -> tensor<?x4x5x6xf32> {
  %0 = onnx.Conv(%x, %w, %b) {dilations = array<i64: 1, 3>, pads = array<i64: 1, 0, 2, 0>, strides = array<i64: 2, 1>} : (tensor<?x3x8x9xf32>, tensor<4x3x3x2xf32>, tensor<4xf32>) -> tensor<?x4x5x6xf32>
  return %0 : tensor<?x4x5x6xf32>
}

// The weight of a depthwise convolution is read as it is: groups come first.
// CHECK-LABEL: func.func @depthwise
// CHECK-SAME:    %{{.*}}: tensor<?x6x8x8xf32>, %[[W1:.*]]: tensor<6x1x3x3xf32>
// CHECK:         tensor.expand_shape %{{.*}} into tensor<?x6x1x8x8xf32>
// CHECK:         linalg.generic {indexing_maps = [#[[DX]], #[[W]],
// CHECK-SAME:      ins(%{{.*}}, %[[W1]]
func.func @depthwise(%x: tensor<?x6x8x8xf32>, %w: tensor<6x1x3x3xf32>) -> tensor<?x6x6x6xf32> {
  %0 = onnx.Conv(%x, %w) {group = 6 : i64} : (tensor<?x6x8x8xf32>, tensor<6x1x3x3xf32>) -> tensor<?x6x6x6xf32>
  return %0 : tensor<?x6x6x6xf32>
}

// RUN: compress-opt %s --compress-propagate-layout --split-input-file | FileCheck %s

#id = affine_map<(a, b, c, d) -> (a, b, c, d)>
#channel = affine_map<(a, b, c, d) -> (b)>

// Elementwise operations follow the layout; the way back meets its inverse.
// CHECK-LABEL: func.func @elementwise
// CHECK-SAME:    %[[X:.*]]: tensor<2x5x6x8xf32>, %[[B:.*]]: tensor<8xf32>
// CHECK-NOT:     linalg.transpose
// CHECK:         %[[R:.*]] = linalg.generic
// CHECK-SAME:      ins(%[[X]], %[[B]] : tensor<2x5x6x8xf32>, tensor<8xf32>)
// CHECK-NOT:     linalg.transpose
// CHECK:         return %[[R]] : tensor<2x5x6x8xf32>
func.func @elementwise(%x: tensor<2x5x6x8xf32>, %b: tensor<8xf32>) -> tensor<2x5x6x8xf32> {
  %e = tensor.empty() : tensor<2x8x5x6xf32>
  %t = linalg.transpose ins(%x : tensor<2x5x6x8xf32>) outs(%e : tensor<2x8x5x6xf32>) permutation = [0, 3, 1, 2] {compress.layout}
  %g = linalg.generic {indexing_maps = [#id, #channel, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%t, %b : tensor<2x8x5x6xf32>, tensor<8xf32>) outs(%e : tensor<2x8x5x6xf32>) {
  ^bb0(%0: f32, %1: f32, %2: f32):
    %3 = arith.mulf %0, %1 : f32
    linalg.yield %3 : f32
  } -> tensor<2x8x5x6xf32>
  %o = tensor.empty() : tensor<2x5x6x8xf32>
  %r = linalg.transpose ins(%g : tensor<2x8x5x6xf32>) outs(%o : tensor<2x5x6x8xf32>) permutation = [0, 2, 3, 1]
  return %r : tensor<2x5x6x8xf32>
}

// -----

#in = affine_map<(n, c, y, x, i, j) -> (n, c, y * 2 + i, x * 2 + j)>
#window = affine_map<(n, c, y, x, i, j) -> (i, j)>
#out = affine_map<(n, c, y, x, i, j) -> (n, c, y, x)>

// Padding and pooling: the channel becomes the innermost loop.
// CHECK-DAG: #[[IN:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1 * 2 + d3, d2 * 2 + d4, d5)>
// CHECK-DAG: #[[OUT:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2, d5)>
// CHECK-LABEL: func.func @pool
// CHECK:         tensor.pad %{{.*}} low[0, 1, 0, 0] high[0, 0, 1, 0]
// CHECK:         linalg.fill {{.*}} outs(%{{.*}} : tensor<1x2x3x8xf32>)
// CHECK:         %[[P:.*]] = linalg.generic {indexing_maps = [#[[IN]], #{{.*}}, #[[OUT]]], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction", "parallel"]}
// CHECK:         linalg.transpose ins(%[[P]] : tensor<1x2x3x8xf32>) {{.*}} permutation = [0, 3, 1, 2]
// CHECK-NOT:     compress.layout
func.func @pool(%x: tensor<1x4x6x8xf32>) -> tensor<1x8x2x3xf32> {
  %low = arith.constant 0xFF800000 : f32
  %e = tensor.empty() : tensor<1x8x4x6xf32>
  %t = linalg.transpose ins(%x : tensor<1x4x6x8xf32>) outs(%e : tensor<1x8x4x6xf32>) permutation = [0, 3, 1, 2] {compress.layout}
  %p = tensor.pad %t low[0, 0, 1, 0] high[0, 0, 0, 1] {
  ^bb0(%0: index, %1: index, %2: index, %3: index):
    tensor.yield %low : f32
  } : tensor<1x8x4x6xf32> to tensor<1x8x5x7xf32>
  %k = tensor.empty() : tensor<3x2xf32>
  %o = tensor.empty() : tensor<1x8x2x3xf32>
  %f = linalg.fill ins(%low : f32) outs(%o : tensor<1x8x2x3xf32>) -> tensor<1x8x2x3xf32>
  %r = linalg.generic {indexing_maps = [#in, #window, #out], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
    ins(%p, %k : tensor<1x8x5x7xf32>, tensor<3x2xf32>) outs(%f : tensor<1x8x2x3xf32>) {
  ^bb0(%0: f32, %1: f32, %2: f32):
    %3 = arith.maximumf %2, %0 : f32
    linalg.yield %3 : f32
  } -> tensor<1x8x2x3xf32>
  return %r : tensor<1x8x2x3xf32>
}

// -----

// Concatenation of channels.
// CHECK-LABEL: func.func @concat
// CHECK:         %[[A:.*]] = tensor.insert_slice %arg0 into %{{.*}}[0, 0, 0, 0] [1, 4, 4, 3] [1, 1, 1, 1] : tensor<1x4x4x3xf32> into tensor<1x4x4x8xf32>
// CHECK:         tensor.insert_slice %arg1 into %[[A]][0, 0, 0, 3] [1, 4, 4, 5] [1, 1, 1, 1]
// CHECK:         linalg.transpose
// CHECK-NOT:     linalg.transpose
func.func @concat(%a: tensor<1x4x4x3xf32>, %b: tensor<1x4x4x5xf32>) -> tensor<1x8x4x4xf32> {
  %0 = tensor.empty() : tensor<1x3x4x4xf32>
  %1 = linalg.transpose ins(%a : tensor<1x4x4x3xf32>) outs(%0 : tensor<1x3x4x4xf32>) permutation = [0, 3, 1, 2] {compress.layout}
  %2 = tensor.empty() : tensor<1x5x4x4xf32>
  %3 = linalg.transpose ins(%b : tensor<1x4x4x5xf32>) outs(%2 : tensor<1x5x4x4xf32>) permutation = [0, 3, 1, 2] {compress.layout}
  %4 = tensor.empty() : tensor<1x8x4x4xf32>
  %5 = tensor.insert_slice %1 into %4[0, 0, 0, 0] [1, 3, 4, 4] [1, 1, 1, 1] : tensor<1x3x4x4xf32> into tensor<1x8x4x4xf32>
  %6 = tensor.insert_slice %3 into %5[0, 3, 0, 0] [1, 5, 4, 4] [1, 1, 1, 1] : tensor<1x5x4x4xf32> into tensor<1x8x4x4xf32>
  return %6 : tensor<1x8x4x4xf32>
}

// -----

// A transposition of the model is nobody's to move.
// CHECK-LABEL: func.func @unmarked
// CHECK:         linalg.transpose
// CHECK:         linalg.generic
// CHECK-NOT:     linalg.transpose
#id2 = affine_map<(a, b) -> (a, b)>
func.func @unmarked(%x: tensor<4x3xf32>) -> tensor<3x4xf32> {
  %e = tensor.empty() : tensor<3x4xf32>
  %t = linalg.transpose ins(%x : tensor<4x3xf32>) outs(%e : tensor<3x4xf32>) permutation = [1, 0]
  %g = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]}
    ins(%t : tensor<3x4xf32>) outs(%e : tensor<3x4xf32>) {
  ^bb0(%0: f32, %1: f32):
    %3 = arith.negf %0 : f32
    linalg.yield %3 : f32
  } -> tensor<3x4xf32>
  return %g : tensor<3x4xf32>
}

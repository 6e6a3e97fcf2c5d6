// RUN: compress-opt %s --compress-fuse-contract | FileCheck %s

!w = !compress.tensor<4x8xf32, quant<i8, group = [1, *], scale = f32>>

// The decoded weight is taken in stored form; the transposition stays a map.
// CHECK-DAG: #[[LHS:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[RHS:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: @transposed
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !compress.tensor
func.func @transposed(%x: tensor<?x8xf32>, %w: !w, %init: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %d = compress.decode %w : !w
  // CHECK-NOT: compress.decode
  // CHECK: compress.contract ins(%[[X]], %[[W]] : tensor<?x8xf32>, !compress.tensor
  // CHECK-SAME: indexing_maps = [#[[LHS]], #[[RHS]],
  // CHECK-SAME: iterator_types = ["parallel", "parallel", "reduction"]
  %y = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>],
                       iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %d : tensor<?x8xf32>, tensor<4x8xf32>) outs(%init : tensor<?x4xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32):
      %p = arith.mulf %a, %b : f32
      %s = arith.addf %c, %p : f32
      linalg.yield %s : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// Named operations with the same body are contractions too.
// CHECK-LABEL: @convolution
func.func @convolution(%x: tensor<1x3x9x9xf32>, %w: tensor<5x3x3x3xf32>, %init: tensor<1x5x4x4xf32>) -> tensor<1x5x4x4xf32> {
  // CHECK: compress.contract
  // CHECK-NOT: linalg.conv
  %y = linalg.conv_2d_nchw_fchw {strides = dense<2> : tensor<2xi64>, dilations = dense<1> : tensor<2xi64>}
       ins(%x, %w : tensor<1x3x9x9xf32>, tensor<5x3x3x3xf32>) outs(%init : tensor<1x5x4x4xf32>) -> tensor<1x5x4x4xf32>
  return %y : tensor<1x5x4x4xf32>
}

// A maximum is no sum of products.
// CHECK-LABEL: @pooling
func.func @pooling(%x: tensor<1x3x8x8xf32>, %k: tensor<2x2xf32>, %init: tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32> {
  // CHECK-NOT: compress.contract
  // CHECK: linalg.pooling_nchw_max
  %y = linalg.pooling_nchw_max {strides = dense<2> : tensor<2xi64>, dilations = dense<1> : tensor<2xi64>}
       ins(%x, %k : tensor<1x3x8x8xf32>, tensor<2x2xf32>) outs(%init : tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
  return %y : tensor<1x3x4x4xf32>
}

// A decode with another reader stays for that reader.
// CHECK-LABEL: @shared
func.func @shared(%x: tensor<2x4xf32>, %w: !w, %init: tensor<2x8xf32>) -> (tensor<2x8xf32>, tensor<4x8xf32>) {
  // CHECK: %[[D:.*]] = compress.decode
  %d = compress.decode %w : !w
  // CHECK: compress.contract ins(%{{.*}}, %{{.*}} : tensor<2x4xf32>, !compress.tensor
  %y = linalg.matmul ins(%x, %d : tensor<2x4xf32>, tensor<4x8xf32>) outs(%init : tensor<2x8xf32>) -> tensor<2x8xf32>
  // CHECK: return %{{.*}}, %[[D]]
  return %y, %d : tensor<2x8xf32>, tensor<4x8xf32>
}

// RUN: compress-opt %s --compress-lower-contract | FileCheck %s
// RUN: compress-opt %s --compress-lower-contract=remarks=true --verify-diagnostics -o /dev/null

!w = !compress.tensor<4x8xf32, quant<i8, group = [1, *], scale = f32>>

// CHECK-LABEL: @reference
func.func @reference(%x: tensor<?x8xf32>, %w: !w, %init: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[D:.*]] = compress.decode
  // CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "parallel", "reduction"]
  // CHECK-SAME: ins(%{{.*}}, %[[D]] : tensor<?x8xf32>, tensor<4x8xf32>)
  // CHECK: arith.mulf
  // CHECK: arith.addf
  // expected-remark @+1 {{no kernel of the target claims this contraction}}
  %y = compress.contract ins(%x, %w : tensor<?x8xf32>, !w) outs(%init : tensor<?x4xf32>)
    indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// Without a sum the accumulator is an input: fusion of elementwise operations
// overlooks outputs that are read.
// CHECK-LABEL: func @outer
func.func @outer(%x: tensor<4xf32>, %w: tensor<5xf32>, %b: tensor<4x5xf32>) -> tensor<4x5xf32> {
  // CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]} ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<4xf32>, tensor<5xf32>, tensor<4x5xf32>) outs(%{{.*}} : tensor<4x5xf32>)
  // CHECK-NEXT: ^bb0(%[[X:.*]]: f32, %[[W:.*]]: f32, %[[B:.*]]: f32, %{{.*}}: f32):
  // CHECK: %[[P:.*]] = arith.mulf %[[X]], %[[W]]
  // CHECK: arith.addf %[[B]], %[[P]]
  %y = compress.contract ins(%x, %w : tensor<4xf32>, tensor<5xf32>) outs(%b : tensor<4x5xf32>)
    indexing_maps = [affine_map<(m, n) -> (m)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (m, n)>]
    iterator_types = ["parallel", "parallel"] -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}

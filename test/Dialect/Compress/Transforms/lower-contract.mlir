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

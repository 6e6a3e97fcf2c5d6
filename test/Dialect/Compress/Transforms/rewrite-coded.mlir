// RUN: compress-opt %s --compress-rewrite-contract | FileCheck %s

!q = !compress.tensor<64x32xf32, quant<i8, group = [*, 1], scale = f32>>
!w = !compress.tensor<64x32xf32, coded<rans, bytes = [1700, 136], of = quant<i8, group = [*, 1], scale = f32>>>

// The contraction goes on with what the streams hold.
// CHECK-LABEL: @contract
// CHECK-SAME: %[[X:.*]]: tensor<8x64xf32>, %[[W:.*]]: !compress.tensor<{{.*}}coded{{.*}}>, %[[I:.*]]: tensor<8x32xf32>
// CHECK: %[[Q:.*]] = compress.cast %[[W]] : <{{.*}}> -> <64x32xf32, {{int8|quant}}<
// CHECK: compress.contract ins(%[[X]], %[[Q]] : tensor<8x64xf32>, !compress.tensor<64x32xf32, {{int8|quant}}<
// CHECK-SAME: outs(%[[I]]
func.func @contract(%x: tensor<8x64xf32>, %w: !w, %init: tensor<8x32xf32>) -> tensor<8x32xf32> {
  %y = compress.contract ins(%x, %w : tensor<8x64xf32>, !w) outs(%init : tensor<8x32xf32>)
         indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
         iterator_types = ["parallel", "parallel", "reduction"] -> tensor<8x32xf32>
  return %y : tensor<8x32xf32>
}

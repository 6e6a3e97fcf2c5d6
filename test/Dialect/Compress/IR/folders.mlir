// RUN: compress-opt %s --canonicalize | FileCheck %s

!w = !compress.tensor<4x8xf32, quant<i8, group = [1, *], scale = f32>>

// CHECK-LABEL: @unpack_of_pack
// CHECK-SAME: (%[[C:.*]]: tensor<4x8xi8>, %[[S:.*]]: tensor<4x1xf32>)
func.func @unpack_of_pack(%c: tensor<4x8xi8>, %s: tensor<4x1xf32>) -> (tensor<4x8xi8>, tensor<4x1xf32>) {
  %p = compress.pack %c, %s : tensor<4x8xi8>, tensor<4x1xf32> -> !w
  %0, %1 = compress.unpack %p : !w -> tensor<4x8xi8>, tensor<4x1xf32>
  // CHECK: return %[[C]], %[[S]]
  return %0, %1 : tensor<4x8xi8>, tensor<4x1xf32>
}

// CHECK-LABEL: @pack_of_unpack
// CHECK-SAME: (%[[W:.*]]: !compress.tensor
func.func @pack_of_unpack(%w: !w) -> !w {
  %c, %s = compress.unpack %w : !w -> tensor<4x8xi8>, tensor<4x1xf32>
  %p = compress.pack %c, %s : tensor<4x8xi8>, tensor<4x1xf32> -> !w
  // CHECK: return %[[W]]
  return %p : !w
}

// CHECK-LABEL: @cast_to_same
// CHECK-SAME: (%[[W:.*]]: !compress.tensor
func.func @cast_to_same(%w: !w) -> !w {
  %c = compress.cast %w : !w -> !w
  // CHECK: return %[[W]]
  return %c : !w
}

// Storing densely in the logical type loses nothing.
// CHECK-LABEL: @decode_of_lossless_encode
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
func.func @decode_of_lossless_encode(%x: tensor<4xf32>) -> tensor<4xf32> {
  %e = compress.encode %x : tensor<4xf32> -> !compress.tensor<4xf32, f32>
  %d = compress.decode %e : !compress.tensor<4xf32, f32>
  // CHECK: return %[[X]]
  return %d : tensor<4xf32>
}

// Any other encoding does, so the pair has to stay.
// CHECK-LABEL: @decode_of_lossy_encode
func.func @decode_of_lossy_encode(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: compress.encode
  %e = compress.encode %x : tensor<4xf32> -> !compress.tensor<4xf32, f16>
  // CHECK: compress.decode
  %d = compress.decode %e : !compress.tensor<4xf32, f16>
  return %d : tensor<4xf32>
}

// A sum over nothing is what it starts from.
// CHECK-LABEL: @contract_empty
// CHECK-SAME: %{{.*}}: {{.*}}, %{{.*}}: {{.*}}, %[[INIT:.*]]: tensor<?x3xf32>
// CHECK-NEXT: return %[[INIT]]
func.func @contract_empty(%x: tensor<?x0xf32>, %w: tensor<0x3xf32>, %init: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = compress.contract ins(%x, %w : tensor<?x0xf32>, tensor<0x3xf32>) outs(%init : tensor<?x3xf32>)
    indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

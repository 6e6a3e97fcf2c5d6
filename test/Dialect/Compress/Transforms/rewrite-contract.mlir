// RUN: compress-opt %s --compress-rewrite-contract --split-input-file | FileCheck %s

#mk = affine_map<(m, n, k) -> (m, k)>
#kn = affine_map<(m, n, k) -> (k, n)>
#mn = affine_map<(m, n, k) -> (m, n)>

// One accumulator for all terms.
// CHECK-LABEL: func @sum
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !compress.tensor<{{.*}}>, %[[INIT:.*]]: tensor<?x4xf32>)
func.func @sum(%x: tensor<?x8xf32>, %w: !compress.tensor<8x4xf32, sum<[quant<i4, group = [*, 1], scale = f16>, sparse<bitmask, nnz = 3, of = f16>]>>, %init: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[T:.*]]:2 = compress.unpack %[[W]]
  // CHECK: %[[A:.*]] = compress.contract ins(%[[X]], %[[T]]#0 : {{.*}}) outs(%[[INIT]] :
  // CHECK: %[[B:.*]] = compress.contract ins(%[[X]], %[[T]]#1 : {{.*}}) outs(%[[A]] :
  // CHECK: return %[[B]]
  %y = compress.contract ins(%x, %w : tensor<?x8xf32>, !compress.tensor<8x4xf32, sum<[quant<i4, group = [*, 1], scale = f16>, sparse<bitmask, nnz = 3, of = f16>]>>)
    outs(%init : tensor<?x4xf32>) indexing_maps = [#mk, #kn, #mn] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#mk = affine_map<(m, n, k) -> (m, k)>
#kn = affine_map<(m, n, k) -> (k, n)>
#mn = affine_map<(m, n, k) -> (m, n)>
!w = !compress.tensor<8x4xf32, scaled<group = [1, *], scale = f32, of = quant<i4, group = [*, *], scale = f32>>>

// Scales along the sum go to the activation.
// CHECK-LABEL: func @scaled_activation
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !compress
func.func @scaled_activation(%x: tensor<?x8xf32>, %w: !w, %init: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[P:.*]]:2 = compress.unpack %[[W]]
  // CHECK: %[[S:.*]] = linalg.generic {{.*}} ins(%[[X]], %{{.*}} : tensor<?x8xf32>, tensor<8x1xf32>)
  // CHECK: arith.mulf
  // CHECK: compress.contract ins(%[[S]], %[[P]]#0
  %y = compress.contract ins(%x, %w : tensor<?x8xf32>, !w)
    outs(%init : tensor<?x4xf32>) indexing_maps = [#mk, #kn, #mn] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#mk = affine_map<(m, n, k) -> (m, k)>
#kn = affine_map<(m, n, k) -> (k, n)>
#mn = affine_map<(m, n, k) -> (m, n)>
!w = !compress.tensor<8x4xf32, scaled<group = [*, 1], scale = f32, of = quant<i4, group = [*, *], scale = f32>>>

// Scales of outputs go behind the sum, before the accumulator.
// CHECK-LABEL: func @scaled_result
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !compress.tensor<{{.*}}>, %[[INIT:.*]]: tensor<?x4xf32>)
func.func @scaled_result(%x: tensor<?x8xf32>, %w: !w, %init: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[P:.*]]:2 = compress.unpack %[[W]]
  // CHECK: %[[Z:.*]] = linalg.fill
  // CHECK: %[[Y:.*]] = compress.contract ins(%[[X]], %[[P]]#0 : {{.*}}) outs(%[[Z]] :
  // CHECK: linalg.generic {{.*}} ins(%[[Y]], %{{.*}}, %[[INIT]] :
  // CHECK: arith.mulf
  // CHECK: arith.addf
  %y = compress.contract ins(%x, %w : tensor<?x8xf32>, !w)
    outs(%init : tensor<?x4xf32>) indexing_maps = [#mk, #kn, #mn] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#mk = affine_map<(m, n, k) -> (m, k)>
#kn = affine_map<(m, n, k) -> (k, n)>
#mn = affine_map<(m, n, k) -> (m, n)>
!w = !compress.tensor<8x4xf32, scaled<group = [2, 1], scale = f32, of = f16>>

// Blocks that neither side can take are decoded.
// CHECK-LABEL: func @scaled_blocks
// CHECK-NOT: compress.unpack
// CHECK: compress.contract
func.func @scaled_blocks(%x: tensor<?x8xf32>, %w: !w, %init: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = compress.contract ins(%x, %w : tensor<?x8xf32>, !w)
    outs(%init : tensor<?x4xf32>) indexing_maps = [#mk, #kn, #mn] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#mk = affine_map<(m, n, k) -> (m, k)>
#kn = affine_map<(m, n, k) -> (k, n)>
#mn = affine_map<(m, n, k) -> (m, n)>
!w = !compress.tensor<8x4xf32, permuted<axis = 0, index = i8, of = quant<i4, group = [*, *], scale = f32>>>

// A permuted sum permutes the activation, by the inverse.
// CHECK-LABEL: func @permuted_activation
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !compress
func.func @permuted_activation(%x: tensor<?x8xf32>, %w: !w, %init: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[P:.*]]:2 = compress.unpack %[[W]]
  // CHECK: %[[INV:.*]] = scf.for
  // CHECK: %[[G:.*]] = compress.gather %[[X]][%[[INV]]] axis = 1
  // CHECK: compress.contract ins(%[[G]], %[[P]]#0
  %y = compress.contract ins(%x, %w : tensor<?x8xf32>, !w)
    outs(%init : tensor<?x4xf32>) indexing_maps = [#mk, #kn, #mn] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#mk = affine_map<(m, n, k) -> (m, k)>
#kn = affine_map<(m, n, k) -> (k, n)>
#mn = affine_map<(m, n, k) -> (m, n)>
!w = !compress.tensor<8x4xf32, permuted<axis = 1, index = i8, of = quant<i4, group = [*, *], scale = f32>>>

// CHECK-LABEL: func @permuted_result
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !compress
func.func @permuted_result(%x: tensor<?x8xf32>, %w: !w, %init: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[P:.*]]:2 = compress.unpack %[[W]]
  // CHECK: %[[Y:.*]] = compress.contract ins(%[[X]], %[[P]]#0
  // CHECK: compress.gather %[[Y]][%{{.*}}] axis = 1
  %y = compress.contract ins(%x, %w : tensor<?x8xf32>, !w)
    outs(%init : tensor<?x4xf32>) indexing_maps = [#mk, #kn, #mn] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#mk = affine_map<(m, n, k) -> (m, k)>
#kn = affine_map<(m, n, k) -> (k, n)>
#mn = affine_map<(m, n, k) -> (m, n)>
!w = !compress.tensor<8x4xf32, rotated<hadamard, axis = 0, block = 8, of = quant<i4, group = [*, *], scale = f32>>>

// The transform is symmetric: it moves to the activation as it is.
// CHECK-LABEL: func @rotated_activation
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !compress
func.func @rotated_activation(%x: tensor<?x8xf32>, %w: !w, %init: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[P:.*]] = compress.unpack %[[W]]
  // Three butterflies and the scale.
  // CHECK-COUNT-4: linalg.generic
  // CHECK: compress.contract ins(%{{.*}}, %[[P]] :
  %y = compress.contract ins(%x, %w : tensor<?x8xf32>, !w)
    outs(%init : tensor<?x4xf32>) indexing_maps = [#mk, #kn, #mn] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

#mk = affine_map<(m, n, k) -> (m, k)>
#kn = affine_map<(m, n, k) -> (k, n)>
#mn = affine_map<(m, n, k) -> (m, n)>
!w = !compress.tensor<64x48xf32, factored<"k n = k r, r n", sizes = {r = 4}, of = [quant<i8, group = [*, *], scale = f32>, f32]>>

// Few rows: x (a b) = (x a) b, and the factors stay as they are stored.
// CHECK-LABEL: func @low_rank
// CHECK-SAME: (%[[X:.*]]: tensor<2x64xf32>, %[[W:.*]]: !compress.tensor<{{.*}}>, %[[INIT:.*]]: tensor<2x48xf32>)
func.func @low_rank(%x: tensor<2x64xf32>, %w: !w, %init: tensor<2x48xf32>) -> tensor<2x48xf32> {
  // CHECK: %[[F:.*]]:2 = compress.unpack %[[W]]
  // CHECK: %[[XA:.*]] = compress.contract ins(%[[X]], %[[F]]#0 : tensor<2x64xf32>, !compress.tensor<64x4xf32, {{.*}}>)
  // CHECK: compress.contract ins(%[[XA]], %[[F]]#1 : tensor<2x4xf32>, tensor<4x48xf32>)
  %y = compress.contract ins(%x, %w : tensor<2x64xf32>, !w)
    outs(%init : tensor<2x48xf32>) indexing_maps = [#mk, #kn, #mn] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<2x48xf32>
  return %y : tensor<2x48xf32>
}

// -----

#mk = affine_map<(m, n, k) -> (m, k)>
#kn = affine_map<(m, n, k) -> (k, n)>
#mn = affine_map<(m, n, k) -> (m, n)>
!w = !compress.tensor<8x4xf32, coded<huffman, block = 64, bytes = [40, 20], of = quant<i4, group = [*, *], scale = f32>>>

// CHECK-LABEL: func @coded
func.func @coded(%x: tensor<?x8xf32>, %w: !w, %init: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[I:.*]] = compress.cast %{{.*}} : {{.*}} -> <8x4xf32, int4>
  // CHECK: compress.contract ins(%{{.*}}, %[[I]] :
  %y = compress.contract ins(%x, %w : tensor<?x8xf32>, !w)
    outs(%init : tensor<?x4xf32>) indexing_maps = [#mk, #kn, #mn] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

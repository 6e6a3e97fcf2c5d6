// Every target with a device says what it leaves to the host, and why.
//
// RUN: compress-opt %s --compress-assign-target="target=cuda remarks" -o /dev/null 2>&1 | FileCheck %s -DTARGET=cuda
// RUN: compress-opt %s --compress-assign-target="target=rocm remarks" -o /dev/null 2>&1 | FileCheck %s -DTARGET=rocm
// RUN: compress-opt %s --compress-assign-target="target=vulkan remarks" -o /dev/null 2>&1 | FileCheck %s -DTARGET=vulkan

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#y = affine_map<(m, n, k) -> (m, n)>

// CHECK-DAG: remark: target '[[TARGET]]' claims no contraction of 'tensor<6x7xi32>'{{.*}}it does not compute in f32
func.func @integers(%x: tensor<6x7xi32>, %w: tensor<7x5xi32>, %init: tensor<6x5xi32>) -> tensor<6x5xi32> {
  %r = compress.contract ins(%x, %w : tensor<6x7xi32>, tensor<7x5xi32>)
    outs(%init : tensor<6x5xi32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<6x5xi32>
  return %r : tensor<6x5xi32>
}

// CHECK-DAG: remark: target '[[TARGET]]': {{.*}}is decoded on the host when the model is loaded: its decode counts what is stored before, which needs the whole tensor
func.func @bitmask(%x: tensor<?x2xf32>, %init: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %w = compress.constant [dense<[1.0, 2.0]> : tensor<2xf32>, dense<[[1, 0, 0], [0, 1, 0]]> : tensor<2x3xi1>]
     : !compress.tensor<2x3xf32, sparse<bitmask, nnz = 2, of = f32>>
  %r = compress.contract ins(%x, %w : tensor<?x2xf32>, !compress.tensor<2x3xf32, sparse<bitmask, nnz = 2, of = f32>>)
    outs(%init : tensor<?x3xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// CHECK-DAG: remark: target '[[TARGET]]': its elements are not f32
func.func @gather(%t: tensor<5x4xi32>, %i: tensor<?xi64>) -> tensor<?x4xi32> {
  %r = compress.gather %t[%i] axis = 0 : tensor<5x4xi32>, tensor<?xi64> -> tensor<?x4xi32>
  return %r : tensor<?x4xi32>
}

// RUN: compress-opt %s --compress-rewrite-contract | FileCheck %s

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#wt = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// Only the kept channels of the activation are summed over.
// CHECK-LABEL: @channels_reduction
// CHECK: %[[P:.*]]:2 = compress.unpack
// CHECK: %[[X:.*]] = compress.gather %{{.*}}[%[[P]]#1] axis = 1 : tensor<?x64xf32>, tensor<5xi32> -> tensor<?x5xf32>
// CHECK: compress.contract ins(%[[X]], %[[P]]#0 : tensor<?x5xf32>, tensor<5x32xf32>) outs(%{{.*}} : tensor<?x32xf32>)
func.func @channels_reduction(%x: tensor<?x64xf32>, %w: !compress.tensor<64x32xf32, sparse<channels<0>, nnz = 5, of = f32>>, %b: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %0 = compress.contract ins(%x, %w : tensor<?x64xf32>, !compress.tensor<64x32xf32, sparse<channels<0>, nnz = 5, of = f32>>)
    outs(%b : tensor<?x32xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}

// A smaller product, spread over the result; the rest is the initial value.
// CHECK-LABEL: @channels_output
// CHECK: %[[I:.*]] = compress.gather %arg2[%{{.*}}] axis = 1 : tensor<?x32xf32>, tensor<5xi32> -> tensor<?x5xf32>
// CHECK: %[[Y:.*]] = compress.contract ins(%arg0, %{{.*}} : tensor<?x64xf32>, tensor<64x5xf32>) outs(%[[I]] : tensor<?x5xf32>)
// CHECK: linalg.generic {{.*}} ins(%arg2 : tensor<?x32xf32>)
// CHECK: tensor.extract %[[Y]]
func.func @channels_output(%x: tensor<?x64xf32>, %w: !compress.tensor<64x32xf32, sparse<channels<1>, nnz = 5, of = f32>>, %b: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %0 = compress.contract ins(%x, %w : tensor<?x64xf32>, !compress.tensor<64x32xf32, sparse<channels<1>, nnz = 5, of = f32>>)
    outs(%b : tensor<?x32xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}

// Rows are summed within: one run through the entries per element.
// CHECK-LABEL: @csr_within
// CHECK-NOT: compress.contract
// CHECK: linalg.generic
// CHECK: scf.for {{.*}} -> (f32)
func.func @csr_within(%x: tensor<?x64xf32>, %w: !compress.tensor<32x64xf32, sparse<csr<i8>, nnz = 200, of = f32>>, %b: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %0 = compress.contract ins(%x, %w : tensor<?x64xf32>, !compress.tensor<32x64xf32, sparse<csr<i8>, nnz = 200, of = f32>>)
    outs(%b : tensor<?x32xf32>) indexing_maps = [#x, #wt, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}

// Rows are summed over: each entry adds to the element of its column.
// CHECK-LABEL: @csr_over
// CHECK-NOT: compress.contract
// CHECK: scf.for
// CHECK: scf.for
// CHECK: scf.for {{.*}} -> (tensor<?x32xf32>)
func.func @csr_over(%x: tensor<?x64xf32>, %w: !compress.tensor<64x32xf32, sparse<csr<i8>, nnz = 200, of = f32>>, %b: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %0 = compress.contract ins(%x, %w : tensor<?x64xf32>, !compress.tensor<64x32xf32, sparse<csr<i8>, nnz = 200, of = f32>>)
    outs(%b : tensor<?x32xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}

// Dense enough to be decoded; and patterns that targets claim.
// CHECK-LABEL: @none
// CHECK: compress.contract {{.*}}csr
// CHECK: compress.contract {{.*}}nm<2:4>
// CHECK: compress.contract {{.*}}bitmask
// CHECK: compress.contract {{.*}}block
func.func @none(%x: tensor<?x64xf32>, %b: tensor<?x32xf32>,
    %w0: !compress.tensor<64x32xf32, sparse<csr<i8>, nnz = 700, of = f32>>,
    %w1: !compress.tensor<64x32xf32, sparse<nm<2:4>, of = f32>>,
    %w2: !compress.tensor<64x32xf32, sparse<bitmask, nnz = 7, of = f32>>,
    %w3: !compress.tensor<64x32xf32, sparse<block<4x4>, nnz = 7, of = f32>>) -> tensor<?x32xf32> {
  %0 = compress.contract ins(%x, %w0 : tensor<?x64xf32>, !compress.tensor<64x32xf32, sparse<csr<i8>, nnz = 700, of = f32>>)
    outs(%b : tensor<?x32xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x32xf32>
  %1 = compress.contract ins(%x, %w1 : tensor<?x64xf32>, !compress.tensor<64x32xf32, sparse<nm<2:4>, of = f32>>)
    outs(%0 : tensor<?x32xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x32xf32>
  %2 = compress.contract ins(%x, %w2 : tensor<?x64xf32>, !compress.tensor<64x32xf32, sparse<bitmask, nnz = 7, of = f32>>)
    outs(%1 : tensor<?x32xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x32xf32>
  %3 = compress.contract ins(%x, %w3 : tensor<?x64xf32>, !compress.tensor<64x32xf32, sparse<block<4x4>, nnz = 7, of = f32>>)
    outs(%2 : tensor<?x32xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x32xf32>
  return %3 : tensor<?x32xf32>
}

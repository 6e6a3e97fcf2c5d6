// RUN: compress-opt %s --split-input-file --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" | FileCheck %s

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#wt = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// Few entries: their products with the activation are looked up.
!few = !compress.tensor<8x3xf32, codebook<4, of = generated<normal, seed = 1>, vec = [2, 1], stages = 2>>
// CHECK-LABEL: func.func @few
// CHECK:         compress.kernel @compress_gemm_codebook_4x2_s2_avx512vnni_n3_k8_acc_{{lookup|rows}}
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @few(%a: tensor<?x8xf32>, %init: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %b = compress.constant [dense<1> : tensor<2x4x3xi2>] : !few
  %r = compress.contract ins(%a, %b : tensor<?x8xf32>, !few) outs(%init : tensor<?x3xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// -----

#x = affine_map<(m, n, k) -> (m, k)>
#wt = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// More entries than an output has blocks: entries are copied.
!many = !compress.tensor<3x8xf32, codebook<1024, of = generated<normal, seed = 1>, vec = [1, 4]>>
// CHECK-LABEL: func.func @many
// CHECK:         compress.kernel @compress_gemm_codebook_1024x4_s1_avx512vnni_n3_k8_acc_rows
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @many(%a: tensor<2x8xf32>, %init: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %b = compress.constant [dense<1> : tensor<3x2xi10>] : !many
  %r = compress.contract ins(%a, %b : tensor<2x8xf32>, !many) outs(%init : tensor<2x3xf32>)
    indexing_maps = [#x, #wt, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// -----

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#y = affine_map<(m, n, k) -> (m, n)>

// Blocks of outputs are decoded.
!across = !compress.tensor<8x4xf32, codebook<4, of = generated<normal, seed = 1>, vec = [1, 2]>>
// CHECK-LABEL: func.func @across
// CHECK-NOT:     codebook_4x2
// CHECK:         return
func.func @across(%a: tensor<2x8xf32>, %init: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %b = compress.constant [dense<1> : tensor<8x2xi2>] : !across
  %r = compress.contract ins(%a, %b : tensor<2x8xf32>, !across) outs(%init : tensor<2x4xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<2x4xf32>
  return %r : tensor<2x4xf32>
}

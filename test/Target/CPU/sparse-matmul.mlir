// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" | FileCheck %s --check-prefixes=CHECK,VNNI
// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=x86-64" | FileCheck %s --check-prefixes=CHECK,SSE2

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// The claim comes before the rule of csr. Outputs are taken 16 or 4 at a time:
// two have a value, so there is one slice of one step.
// CHECK-LABEL: func.func @csr
// VNNI:          compress.kernel @compress_gemm_sparse_f32_avx512vnni_n3_k8_b8_bias_few_many
// VNNI-SAME:       tensor<16xf32>, tensor<16xi8>, tensor<16xi16>, tensor<2xi32>, tensor<2xi32>, tensor<3xf32>)
// SSE2:          compress.kernel @compress_gemm_sparse_f32_sse2_n3_k8_b8_bias_few_many
// SSE2-SAME:       tensor<4xf32>, tensor<4xi8>, tensor<4xi16>, tensor<2xi32>, tensor<2xi32>, tensor<3xf32>)
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @csr(%a: tensor<?x8xf32>, %bias: tensor<3xf32>, %empty: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %b = compress.constant [dense<[1.0, 2.0]> : tensor<2xf32>, dense<[5, 0]> : tensor<2xi16>, dense<[0, 1, 1, 2]> : tensor<4xi32>]
    : !compress.tensor<3x8xf32, sparse<csr<i16>, nnz = 2, of = f32>>
  %init = linalg.broadcast ins(%bias : tensor<3xf32>) outs(%empty : tensor<?x3xf32>) dimensions = [0]
  %r = compress.contract ins(%a, %b : tensor<?x8xf32>, !compress.tensor<3x8xf32, sparse<csr<i16>, nnz = 2, of = f32>>)
    outs(%init : tensor<?x3xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// Few rows need no transposed activations; 16-bit values stay.
// CHECK-LABEL: func.func @bitmask_f16
// CHECK:         compress.kernel @compress_gemm_sparse_f16_{{[a-z0-9]+}}_n2_k4_b4_acc_few ins(
// CHECK-SAME:      outs(%{{.*}} : tensor<1x2xf32>)
func.func @bitmask_f16(%a: tensor<1x4xf32>, %init: tensor<1x2xf32>) -> tensor<1x2xf32> {
  %b = compress.constant [dense<[1.0, 2.0]> : tensor<2xf16>, dense<[[true, false, false, false], [false, false, true, false]]> : tensor<2x4xi1>]
    : !compress.tensor<2x4xf32, sparse<bitmask, nnz = 2, of = f16>>
  %r = compress.contract ins(%a, %b : tensor<1x4xf32>, !compress.tensor<2x4xf32, sparse<bitmask, nnz = 2, of = f16>>)
    outs(%init : tensor<1x2xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x2xf32>
  return %r : tensor<1x2xf32>
}

// A value that is not finite would spread through the padding.
// CHECK-LABEL: func.func @infinite
// CHECK-NOT:     compress.kernel @compress_gemm_sparse
// CHECK:         return
func.func @infinite(%a: tensor<1x4xf32>, %init: tensor<1x2xf32>) -> tensor<1x2xf32> {
  %b = compress.constant [dense<[0x7F800000, 2.0]> : tensor<2xf32>, dense<[[true, false, false, false], [false, false, true, false]]> : tensor<2x4xi1>]
    : !compress.tensor<2x4xf32, sparse<bitmask, nnz = 2, of = f32>>
  %r = compress.contract ins(%a, %b : tensor<1x4xf32>, !compress.tensor<2x4xf32, sparse<bitmask, nnz = 2, of = f32>>)
    outs(%init : tensor<1x2xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x2xf32>
  return %r : tensor<1x2xf32>
}

// Outputs that share their inputs: a tile for the first 16, none for the rest.
// CHECK-LABEL: func.func @groups
// CHECK:         %[[Q:.*]]:3 = compress.kernel @compress_quantize_{{.*}}_k64_row_u8z
// CHECK:         compress.kernel @compress_gemm_sparse_u8s8_groups_{{[a-z0-9]+}}_n32_k64_row_acc_few_many ins(%[[Q]]#0, %[[Q]]#1, %[[Q]]#2,
// CHECK-SAME:      tensor<1024xi8>, tensor<128xi16>, tensor<3xi32>, tensor<32xi32>, tensor<32xf32>)
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @groups(%a: tensor<?x64xf32>, %init: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %q = compress.encode %a : tensor<?x64xf32> -> !compress.tensor<?x64xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>
  %b = compress.constant [dense<3> : tensor<64x16x1xi8>, dense<0.5> : tensor<1x1x1xf32>,
      dense<[[true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true],
             [false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false]]> : tensor<2x64xi1>]
    : !compress.tensor<32x64xf32, sparse<block<16x1>, nnz = 64, of = quant<i8, group = [*, *, *], scale = f32>>>
  %r = compress.contract ins(%q, %b : !compress.tensor<?x64xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>, !compress.tensor<32x64xf32, sparse<block<16x1>, nnz = 64, of = quant<i8, group = [*, *, *], scale = f32>>>)
    outs(%init : tensor<?x32xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}

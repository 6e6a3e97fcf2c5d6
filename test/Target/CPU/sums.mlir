// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" | FileCheck %s

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#y = affine_map<(m, n, k) -> (m, n)>

// Each term has its kernel, one after another into the same result.
// CHECK-LABEL: func.func @outliers
// CHECK:         %[[S:.*]] = compress.kernel @compress_gemm_sparse_f32_avx512vnni_n4_k32_b32_bias_few
// CHECK:         compress.kernel @compress_gemm_f32_i4_g32_f32_avx512vnni_n4_k32_acc_few ins(
// CHECK-SAME:      outs(%[[S]] : tensor<1x4xf32>)
// CHECK-NOT:     compress.decode
// CHECK:         return
func.func @outliers(%a: tensor<1x32xf32>, %bias: tensor<4xf32>) -> tensor<1x4xf32> {
  %b = compress.constant [dense<[1.0, 2.0]> : tensor<2xf32>, dense<[3, 0]> : tensor<2xi16>, dense<[0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]> : tensor<33xi32>, dense<3> : tensor<32x4xi4>, dense<0.5> : tensor<1x4xf32>]
    : !compress.tensor<32x4xf32, sum<[sparse<csr<i16>, nnz = 2, of = f32>, quant<i4, group = [32, 1], scale = f32>]>>
  %empty = tensor.empty() : tensor<1x4xf32>
  %init = linalg.broadcast ins(%bias : tensor<4xf32>) outs(%empty : tensor<1x4xf32>) dimensions = [0]
  %r = compress.contract ins(%a, %b : tensor<1x32xf32>, !compress.tensor<32x4xf32, sum<[sparse<csr<i16>, nnz = 2, of = f32>, quant<i4, group = [32, 1], scale = f32>]>>)
    outs(%init : tensor<1x4xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x4xf32>
  return %r : tensor<1x4xf32>
}

// Factors stored as f16 stay so.
// CHECK-LABEL: func.func @low_rank
// CHECK:         compress.kernel @compress_gemm_f32_i4_g32_f32_avx512vnni_n32_k32_zero
// CHECK:         compress.kernel @compress_gemm_f32_f16_avx512vnni_n1_k32_zero
// CHECK:         compress.kernel @compress_gemm_f32_f16_avx512vnni_n32_k1_acc
// CHECK:         return
func.func @low_rank(%a: tensor<1x32xf32>) -> tensor<1x32xf32> {
  %b = compress.constant [dense<3> : tensor<32x32xi4>, dense<0.5> : tensor<1x32xf32>, dense<1.0> : tensor<32x1xf16>, dense<2.0> : tensor<1x32xf16>]
    : !compress.tensor<32x32xf32, sum<[quant<i4, group = [32, 1], scale = f32>, factored<"k n = k r, r n", sizes = {r = 1}, of = [f16, f16]>]>>
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x32xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x32xf32>) -> tensor<1x32xf32>
  %r = compress.contract ins(%a, %b : tensor<1x32xf32>, !compress.tensor<32x32xf32, sum<[quant<i4, group = [32, 1], scale = f32>, factored<"k n = k r, r n", sizes = {r = 1}, of = [f16, f16]>]>>)
    outs(%init : tensor<1x32xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x32xf32>
  return %r : tensor<1x32xf32>
}

// Many rows: one product with the decoded sum costs less than two full ones.
// CHECK-LABEL: func.func @two_codes
// CHECK:         compress.decode
// CHECK:         compress.kernel @compress_rt_matmul_f32
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @two_codes(%a: tensor<64x32xf32>, %init: tensor<64x4xf32>) -> tensor<64x4xf32> {
  %b = compress.constant [dense<3> : tensor<32x4xi4>, dense<0.5> : tensor<1x4xf32>, dense<1> : tensor<32x4xi4>, dense<0.125> : tensor<1x4xf32>]
    : !compress.tensor<32x4xf32, sum<[quant<i4, group = [32, 1], scale = f32>, quant<i4, group = [32, 1], scale = f32>]>>
  %r = compress.contract ins(%a, %b : tensor<64x32xf32>, !compress.tensor<32x4xf32, sum<[quant<i4, group = [32, 1], scale = f32>, quant<i4, group = [32, 1], scale = f32>]>>)
    outs(%init : tensor<64x4xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<64x4xf32>
  return %r : tensor<64x4xf32>
}

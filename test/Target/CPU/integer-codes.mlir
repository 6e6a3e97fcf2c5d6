// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" | FileCheck %s

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#y = affine_map<(m, n, k) -> (m, n)>

// {-1, 0, 1} are integers: integer dot products.
!ternary = !compress.tensor<32x4xf32, scaled<group = [32, 1], scale = f16, of = codebook<3, of = generated<ternary>>>>
!tokens = !compress.tensor<1x32xf32, quant<i8, group = [1, 32], scale = f32>>
// CHECK-LABEL: func.func @ternary
// CHECK:         compress.kernel @compress_gemm_s8_w2_o2_d32_g32_f16_a32_avx512vnni_n4_k32
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @ternary(%a: tensor<1x32xf32>, %init: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %x = compress.encode %a : tensor<1x32xf32> -> !tokens
  %b = compress.constant [dense<1> : tensor<32x4xi2>, dense<0.5> : tensor<1x4xf16>] : !ternary
  %r = compress.contract ins(%x, %b : !tokens, !ternary) outs(%init : tensor<1x4xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x4xf32>
  return %r : tensor<1x4xf32>
}

// {-1, 1} are two steps: a bit each, and a zero point of one half.
!binary = !compress.tensor<32x4xf32, scaled<group = [32, 1], scale = f16, of = codebook<2, of = generated<linear>>>>
// CHECK-LABEL: func.func @binary
// CHECK:         compress.kernel @compress_gemm_s8_w1_o0_d32_g32_f16_zh1_a32_avx512vnni_n4_k32
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @binary(%a: tensor<1x32xf32>, %init: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %x = compress.encode %a : tensor<1x32xf32> -> !tokens
  %b = compress.constant [dense<1> : tensor<32x4xi1>, dense<0.5> : tensor<1x4xf16>] : !binary
  %r = compress.contract ins(%x, %b : !tokens, !binary) outs(%init : tensor<1x4xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x4xf32>
  return %r : tensor<1x4xf32>
}

// Other tables are not integers.
!nf4 = !compress.tensor<32x4xf32, scaled<group = [32, 1], scale = f16, of = codebook<16, of = generated<nf4>>>>
// CHECK-LABEL: func.func @nf4
// CHECK:         compress.decode
// CHECK:         compress.kernel @compress_gemm_f32_
// CHECK:         return
func.func @nf4(%a: tensor<1x32xf32>, %init: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %x = compress.encode %a : tensor<1x32xf32> -> !tokens
  %b = compress.constant [dense<1> : tensor<32x4xi4>, dense<0.5> : tensor<1x4xf16>] : !nf4
  %r = compress.contract ins(%x, %b : !tokens, !nf4) outs(%init : tensor<1x4xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x4xf32>
  return %r : tensor<1x4xf32>
}

// Of 2:4 codes, the pairs are stored.
!pairs = !compress.tensor<4x8xf32, sparse<nm<2:4>, of = quant<i8, group = [1, *], scale = f32>>>
!token = !compress.tensor<1x8xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>
// CHECK-LABEL: func.func @pairs
// CHECK:         compress.kernel @compress_gemm_u8z_w8of24_o0_d8_g8_f32_a8_avx512vnni_n4_k8
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @pairs(%a: tensor<1x8xf32>, %init: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %x = compress.encode %a : tensor<1x8xf32> -> !token
  %b = compress.constant [dense<3> : tensor<4x4xi8>, dense<0.5> : tensor<4x1xf32>, dense<[[0, 1, 2, 3], [0, 3, 1, 2], [0, 1, 0, 1], [2, 3, 0, 2]]> : tensor<4x4xi2>] : !pairs
  %r = compress.contract ins(%x, %b : !token, !pairs) outs(%init : tensor<1x4xf32>)
    indexing_maps = [#x, affine_map<(m, n, k) -> (n, k)>, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x4xf32>
  return %r : tensor<1x4xf32>
}

// A bit on both sides: counted.
!bits = !compress.tensor<2x32xf32, quant<ui1, group = [1, *], scale = f32, zero = f32>>
!signs = !compress.tensor<32x4xf32, scaled<group = [*, 1], scale = f32, of = codebook<2, of = generated<linear>>>>
// CHECK-LABEL: func.func @bits
// CHECK:         %[[Q:.*]]:3 = compress.kernel @compress_quantize_avx512vnni_k32_row_u8of2zf ins(%arg0
// CHECK:         %[[P:.*]]:2 = compress.kernel @compress_pack_bits_avx512vnni_k32_p1 ins(%[[Q]]#0
// CHECK:         compress.kernel @compress_gemm_bits1x1_avx512vnni_n4_k32_row_zf32_acc ins(%[[P]]#0, %[[P]]#1, %[[Q]]#1, %[[Q]]#2,
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @bits(%a: tensor<2x32xf32>, %init: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %x = compress.encode %a : tensor<2x32xf32> -> !bits
  %b = compress.constant [dense<1> : tensor<32x4xi1>, dense<0.5> : tensor<1x4xf32>] : !signs
  %r = compress.contract ins(%x, %b : !bits, !signs) outs(%init : tensor<2x4xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<2x4xf32>
  return %r : tensor<2x4xf32>
}

// Many rows of two bits on both sides, and more bits: as bytes.
!pairs2 = !compress.tensor<16x32xf32, quant<i2, group = [1, *], scale = f32>>
!narrow = !compress.tensor<32x4xf32, quant<i2, group = [*, 1], scale = f32>>
// CHECK-LABEL: func.func @many_rows
// CHECK:         compress.kernel @compress_quantize_avx512vnni_k32_row_s8of3
// CHECK:         compress.kernel @compress_gemm_s8
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @many_rows(%a: tensor<16x32xf32>, %init: tensor<16x4xf32>) -> tensor<16x4xf32> {
  %x = compress.encode %a : tensor<16x32xf32> -> !pairs2
  %b = compress.constant [dense<1> : tensor<32x4xi2>, dense<0.5> : tensor<1x4xf32>] : !narrow
  %r = compress.contract ins(%x, %b : !pairs2, !narrow) outs(%init : tensor<16x4xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<16x4xf32>
  return %r : tensor<16x4xf32>
}

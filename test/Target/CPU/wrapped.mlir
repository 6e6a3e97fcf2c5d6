// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" | FileCheck %s

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#y = affine_map<(m, n, k) -> (m, n)>

// Each encoding around codes goes to the activation or to the result.
!rotated = !compress.tensor<32x4xf32, rotated<hadamard, axis = 0, block = 32, of = quant<i4, group = [32, 1], scale = f32>>>
// CHECK-LABEL: func.func @rotated
// CHECK-NOT:     compress.decode
// CHECK:         compress.kernel @compress_gemm_f32_i4_g32_f32_avx512vnni_n4_k32
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @rotated(%a: tensor<1x32xf32>, %init: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %b = compress.constant [dense<3> : tensor<32x4xi4>, dense<0.5> : tensor<1x4xf32>] : !rotated
  %r = compress.contract ins(%a, %b : tensor<1x32xf32>, !rotated) outs(%init : tensor<1x4xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x4xf32>
  return %r : tensor<1x4xf32>
}

// Codes whose groups are whole rows may be permuted before they are made.
!permuted = !compress.tensor<4x2xf32, permuted<axis = 0, index = i8, of = quant<i4, group = [2, 1], scale = f32>>>
!codes = !compress.tensor<1x4xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>
// CHECK-LABEL: func.func @permuted
// CHECK:         %[[X:.*]] = compress.gather
// CHECK:         compress.kernel @compress_quantize{{.*}} ins(%[[X]]
// CHECK:         compress.kernel @compress_gemm_u8z_w4
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @permuted(%a: tensor<1x4xf32>, %init: tensor<1x2xf32>) -> tensor<1x2xf32> {
  %x = compress.encode %a : tensor<1x4xf32> -> !codes
  %b = compress.constant [dense<3> : tensor<4x2xi4>, dense<0.5> : tensor<2x2xf32>, dense<[2, 0, 3, 1]> : tensor<4xi8>] : !permuted
  %r = compress.contract ins(%x, %b : !codes, !permuted) outs(%init : tensor<1x2xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x2xf32>
  return %r : tensor<1x2xf32>
}

!scaled = !compress.tensor<32x4xf32, scaled<group = [1, *], scale = f32, of = quant<i4, group = [32, 1], scale = f32>>>
// CHECK-LABEL: func.func @scaled
// CHECK-NOT:     compress.decode
// CHECK:         compress.kernel @compress_gemm_f32_i4_g32_f32_avx512vnni_n4_k32
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @scaled(%a: tensor<1x32xf32>, %init: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %b = compress.constant [dense<3> : tensor<32x4xi4>, dense<0.5> : tensor<1x4xf32>, dense<2.0> : tensor<32x1xf32>] : !scaled
  %r = compress.contract ins(%a, %b : tensor<1x32xf32>, !scaled) outs(%init : tensor<1x4xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x4xf32>
  return %r : tensor<1x4xf32>
}

// Blocks go neither to the one nor to the other.
!blocks = !compress.tensor<32x4xf32, scaled<group = [8, 1], scale = f32, of = quant<i4, group = [32, 1], scale = f32>>>
// CHECK-LABEL: func.func @blocks
// CHECK:         compress.decode
// CHECK:         compress.kernel @compress_
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @blocks(%a: tensor<1x32xf32>, %init: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %b = compress.constant [dense<3> : tensor<32x4xi4>, dense<0.5> : tensor<1x4xf32>, dense<2.0> : tensor<4x4xf32>] : !blocks
  %r = compress.contract ins(%a, %b : tensor<1x32xf32>, !blocks) outs(%init : tensor<1x4xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x4xf32>
  return %r : tensor<1x4xf32>
}

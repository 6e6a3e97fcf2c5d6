// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" --canonicalize | FileCheck %s

// Codes of fewer than 8 bits are widened, so that integer dot products take them.
#in = affine_map<(n, f, y, x, c, i, j) -> (n, c, y + i, x + j)>
#filter = affine_map<(n, f, y, x, c, i, j) -> (f, c, i, j)>
#out = affine_map<(n, f, y, x, c, i, j) -> (n, f, y, x)>
!w = !compress.tensor<16x16x1x1xf32, quant<i4, group = [1, *, *, *], scale = f32>>
!x4 = !compress.tensor<1x16x8x8xf32, quant<ui4, group = [*, *, *, *], scale = f32, zero = ui4>>
!xf = !compress.tensor<1x16x8x8xf32, quant<ui4, group = [*, *, *, *], scale = f32, zero = f32>>

// The largest value is (15 - 3) * 0.5.
// CHECK-LABEL: func.func @conv
// CHECK-DAG:     %[[MOST:.*]] = arith.constant 6.000000e+00 : f32
// CHECK:         arith.minnumf %{{.*}}, %[[MOST]]
// CHECK-NOT:     compress.contract
// CHECK:         compress.kernel @compress_conv_codes_avx512vnni_c16f16_8k1s1d1p0q0
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @conv(%a: tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32> {
  %s = arith.constant dense<0.5> : tensor<1x1x1x1xf32>
  %z = arith.constant dense<3> : tensor<1x1x1x1xi4>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x16x8x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32>
  %q = compress.encode %a params(%s, %z : tensor<1x1x1x1xf32>, tensor<1x1x1x1xi4>) : tensor<1x16x8x8xf32> -> !x4
  %w = compress.constant [dense<-7> : tensor<16x16x1x1xi4>, dense<0.5> : tensor<16x1x1x1xf32>] : !w
  %c = compress.contract ins(%q, %w : !x4, !w) outs(%init : tensor<1x16x8x8xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<1x16x8x8xf32>
  return %c : tensor<1x16x8x8xf32>
}

// The largest of 4 bits minus the zero point -1, which is 15 without a sign.
// CHECK-LABEL: func.func @matmul
// CHECK-DAG:     %[[MOST:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:         arith.minnumf
// CHECK:         compress.kernel @compress_quantize
// CHECK:         compress.kernel @compress_gemm_u8
func.func @matmul(%a: tensor<4x64xf32>) -> tensor<4x32xf32> {
  %s = arith.constant dense<0.25> : tensor<1x1xf32>
  %z = arith.constant dense<-1> : tensor<1x1xi4>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x32xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<4x32xf32>) -> tensor<4x32xf32>
  %q = compress.encode %a params(%s, %z : tensor<1x1xf32>, tensor<1x1xi4>) : tensor<4x64xf32>
    -> !compress.tensor<4x64xf32, quant<ui4, group = [*, *], scale = f32, zero = ui4>>
  %w = compress.constant [dense<1> : tensor<32x64xi8>, dense<0.5> : tensor<32x1xf32>]
    : !compress.tensor<32x64xf32, quant<i8, group = [1, *], scale = f32>>
  %c = compress.contract ins(%q, %w : !compress.tensor<4x64xf32, quant<ui4, group = [*, *], scale = f32, zero = ui4>>,
      !compress.tensor<32x64xf32, quant<i8, group = [1, *], scale = f32>>) outs(%init : tensor<4x32xf32>)
    indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<4x32xf32>
  return %c : tensor<4x32xf32>
}

// A zero point that is no code, and a filter of floats: as they are.
// CHECK-LABEL: func.func @other
// CHECK-NOT:     arith.minnumf
// CHECK:         return
func.func @other(%a: tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32> {
  %s = arith.constant dense<0.5> : tensor<1x1x1x1xf32>
  %z = arith.constant dense<0.5> : tensor<1x1x1x1xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x16x8x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32>
  %q = compress.encode %a params(%s, %z : tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32>) : tensor<1x16x8x8xf32> -> !xf
  %w = compress.constant [dense<-7> : tensor<16x16x1x1xi4>, dense<0.5> : tensor<16x1x1x1xf32>] : !w
  %c = compress.contract ins(%q, %w : !xf, !w) outs(%init : tensor<1x16x8x8xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<1x16x8x8xf32>
  return %c : tensor<1x16x8x8xf32>
}

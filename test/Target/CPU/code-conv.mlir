// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" --canonicalize --compress-propagate-layout --canonicalize | FileCheck %s

#in = affine_map<(n, f, y, x, c, i, j) -> (n, c, y + i, x + j)>
#filter = affine_map<(n, f, y, x, c, i, j) -> (f, c, i, j)>
#out = affine_map<(n, f, y, x, c, i, j) -> (n, f, y, x)>
#same = affine_map<(n, c, y, x) -> (n, c, y, x)>
#window = affine_map<(n, c, y, x, i, j) -> (n, c, y * 2 + i, x * 2 + j)>
#size = affine_map<(n, c, y, x, i, j) -> (i, j)>
#pooled = affine_map<(n, c, y, x, i, j) -> (n, c, y, x)>
!w = !compress.tensor<16x16x1x1xf32, quant<i8, group = [1, *, *, *], scale = f32>>
!w3 = !compress.tensor<16x16x3x3xf32, quant<i8, group = [1, *, *, *], scale = f32>>
!x = !compress.tensor<1x16x8x8xf32, quant<ui8, group = [*, *, *, *], scale = f32, zero = ui8>>
!p = !compress.tensor<1x16x4x4xf32, quant<ui8, group = [*, *, *, *], scale = f32, zero = ui8>>

// The first convolution clamps and encodes, the second reads its codes where
// they are and pads them itself. Its result goes out as floats.
// CHECK-LABEL: func.func @chain
// CHECK:         %[[CODES:.*]] = compress.kernel @compress_conv_codes_avx512vnni_c16f16_8k1s1d1p0q0_8k1s1d1p0q0_bias_ge00000000_u8
// CHECK-SAME:      -> tensor<1x8x8x16xi8>
// CHECK-NOT:     linalg.transpose
// CHECK:         compress.kernel @compress_conv_codes_avx512vnni_c16f16_8k3s1d1p1q1_8k3s1d1p1q1_bias_f32 ins(%[[CODES]],
// CHECK-SAME:      -> tensor<1x8x8x16xf32>
// CHECK-NOT:     compress.encode
// CHECK:         return
func.func @chain(%a: tensor<1x16x8x8xf32>, %scale: tensor<1x1x1x1xf32>) -> tensor<1x16x8x8xf32> {
  %s = arith.constant dense<0.5> : tensor<1x1x1x1xf32>
  %z = arith.constant dense<3> : tensor<1x1x1x1xi8>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x16x8x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32>
  %q = compress.encode %a params(%s, %z : tensor<1x1x1x1xf32>, tensor<1x1x1x1xi8>) : tensor<1x16x8x8xf32> -> !x
  %w = compress.constant [dense<1> : tensor<16x16x1x1xi8>, dense<0.5> : tensor<16x1x1x1xf32>] : !w
  %w3 = compress.constant [dense<1> : tensor<16x16x3x3xi8>, dense<0.5> : tensor<16x1x1x1xf32>] : !w3
  %c = compress.contract ins(%q, %w : !x, !w) outs(%init : tensor<1x16x8x8xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<1x16x8x8xf32>
  %r = linalg.generic {indexing_maps = [#same, #same], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%c : tensor<1x16x8x8xf32>) outs(%e : tensor<1x16x8x8xf32>) {
  ^bb0(%0: f32, %1: f32):
    %2 = arith.maximumf %0, %zero : f32
    linalg.yield %2 : f32
  } -> tensor<1x16x8x8xf32>
  %q2 = compress.encode %r params(%s, %z : tensor<1x1x1x1xf32>, tensor<1x1x1x1xi8>) : tensor<1x16x8x8xf32> -> !x
  %d = compress.decode %q2 : !x
  %pad = tensor.pad %d low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%0: index, %1: index, %2: index, %3: index):
    tensor.yield %zero : f32
  } : tensor<1x16x8x8xf32> to tensor<1x16x10x10xf32>
  %y = compress.contract ins(%pad, %w3 : tensor<1x16x10x10xf32>, !w3) outs(%init : tensor<1x16x8x8xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<1x16x8x8xf32>
  return %y : tensor<1x16x8x8xf32>
}

// The encoding moves before the maximum, which then runs on bytes.
// CHECK-LABEL: func.func @pool
// CHECK:         compress.kernel @compress_conv_codes_avx512vnni_c16f16_8k1s1d1p0q0_8k1s1d1p0q0_bias_u8
// CHECK:         linalg.generic
// CHECK-SAME:      tensor<1x8x8x16xi8>
// CHECK:           arith.maxui
// CHECK:         compress.kernel @compress_conv_codes_avx512vnni_c16f16_4k1s1d1p0q0_4k1s1d1p0q0_bias_f32
func.func @pool(%a: tensor<1x16x8x8xf32>) -> tensor<1x16x4x4xf32> {
  %s = arith.constant dense<0.5> : tensor<1x1x1x1xf32>
  %z = arith.constant dense<3> : tensor<1x1x1x1xi8>
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %e = tensor.empty() : tensor<1x16x8x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32>
  %e4 = tensor.empty() : tensor<1x16x4x4xf32>
  %init4 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<1x16x4x4xf32>) -> tensor<1x16x4x4xf32>
  %none = linalg.fill ins(%lowest : f32) outs(%e4 : tensor<1x16x4x4xf32>) -> tensor<1x16x4x4xf32>
  %size = tensor.empty() : tensor<2x2xf32>
  %q = compress.encode %a params(%s, %z : tensor<1x1x1x1xf32>, tensor<1x1x1x1xi8>) : tensor<1x16x8x8xf32> -> !x
  %w = compress.constant [dense<1> : tensor<16x16x1x1xi8>, dense<0.5> : tensor<16x1x1x1xf32>] : !w
  %c = compress.contract ins(%q, %w : !x, !w) outs(%init : tensor<1x16x8x8xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<1x16x8x8xf32>
  %m = linalg.generic {indexing_maps = [#window, #size, #pooled], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
    ins(%c, %size : tensor<1x16x8x8xf32>, tensor<2x2xf32>) outs(%none : tensor<1x16x4x4xf32>) {
  ^bb0(%0: f32, %1: f32, %2: f32):
    %3 = arith.maximumf %2, %0 : f32
    linalg.yield %3 : f32
  } -> tensor<1x16x4x4xf32>
  %q2 = compress.encode %m params(%s, %z : tensor<1x1x1x1xf32>, tensor<1x1x1x1xi8>) : tensor<1x16x4x4xf32> -> !p
  %y = compress.contract ins(%q2, %w : !p, !w) outs(%init4 : tensor<1x16x4x4xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<1x16x4x4xf32>
  return %y : tensor<1x16x4x4xf32>
}

// What is needed as floats, too, is stored twice.
// CHECK-LABEL: func.func @both
// CHECK:         %[[BOTH:.*]]:2 = compress.kernel @compress_conv_codes_avx512vnni_c16f16_8k1s1d1p0q0_8k1s1d1p0q0_bias_f32_u8
// CHECK:         compress.kernel @compress_conv_codes_avx512vnni_c16f16_8k1s1d1p0q0_8k1s1d1p0q0_bias_add_f32 ins(%[[BOTH]]#1, {{.*}}, %[[BOTH]]#0 :
func.func @both(%a: tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32> {
  %s = arith.constant dense<0.5> : tensor<1x1x1x1xf32>
  %z = arith.constant dense<3> : tensor<1x1x1x1xi8>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x16x8x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32>
  %q = compress.encode %a params(%s, %z : tensor<1x1x1x1xf32>, tensor<1x1x1x1xi8>) : tensor<1x16x8x8xf32> -> !x
  %w = compress.constant [dense<1> : tensor<16x16x1x1xi8>, dense<0.5> : tensor<16x1x1x1xf32>] : !w
  %c = compress.contract ins(%q, %w : !x, !w) outs(%init : tensor<1x16x8x8xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<1x16x8x8xf32>
  %q2 = compress.encode %c params(%s, %z : tensor<1x1x1x1xf32>, tensor<1x1x1x1xi8>) : tensor<1x16x8x8xf32> -> !x
  %y = compress.contract ins(%q2, %w : !x, !w) outs(%init : tensor<1x16x8x8xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<1x16x8x8xf32>
  %r = linalg.generic {indexing_maps = [#same, #same, #same], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%y, %c : tensor<1x16x8x8xf32>, tensor<1x16x8x8xf32>) outs(%e : tensor<1x16x8x8xf32>) {
  ^bb0(%0: f32, %1: f32, %2: f32):
    %3 = arith.addf %0, %1 : f32
    linalg.yield %3 : f32
  } -> tensor<1x16x8x8xf32>
  return %r : tensor<1x16x8x8xf32>
}

#gin = affine_map<(n, g, f, y, x, c, i, j) -> (n, g, c, y + i, x + j)>
#gfilter = affine_map<(n, g, f, y, x, c, i, j) -> (g, f, c, i, j)>
#gout = affine_map<(n, g, f, y, x, c, i, j) -> (n, g, f, y, x)>
!image = !compress.tensor<?x16x8x8xf32, quant<i8, group = [1, *, *, *], scale = f32, zero = i8>>
!w4 = !compress.tensor<16x2x3x3xf32, quant<i8, group = [1, *, *, *], scale = f32>>

// Eight groups of two channels are one group of a vector of filters. Scales of
// each image are found when the model runs.
// CHECK-LABEL: func.func @groups
// CHECK:         %[[Q:.*]]:4 = compress.kernel @compress_quantize_avx512vnni_l1024_image_i8z
// CHECK:         %[[X:.*]] = tensor.expand_shape %[[Q]]#0
// CHECK-SAME:      tensor<?x1024xi8> into tensor<?x8x8x16xi8>
// CHECK:         compress.kernel @compress_conv_codes_avx512vnni_c16f16_image_8k3s1d1p1q1_8k3s1d1p1q1_bias_f32 ins(%[[X]], {{.*}}, %[[Q]]#1, %[[Q]]#2 :
// CHECK-NOT:     compress.decode
func.func @groups(%a: tensor<?x16x8x8xf32>, %n: index) -> tensor<?x16x8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %q = compress.encode %a : tensor<?x16x8x8xf32> -> !image
  %d = compress.decode %q : !image
  %x = tensor.expand_shape %d [[0], [1, 2], [3], [4]] output_shape [%n, 8, 2, 8, 8] : tensor<?x16x8x8xf32> into tensor<?x8x2x8x8xf32>
  %p = tensor.pad %x low[0, 0, 0, 1, 1] high[0, 0, 0, 1, 1] {
  ^bb0(%0: index, %1: index, %2: index, %3: index, %4: index):
    tensor.yield %zero : f32
  } : tensor<?x8x2x8x8xf32> to tensor<?x8x2x10x10xf32>
  %w = compress.constant [dense<1> : tensor<16x2x3x3xi8>, dense<0.5> : tensor<16x1x1x1xf32>] : !w4
  %v = compress.decode %w : !w4
  %f = tensor.expand_shape %v [[0, 1], [2], [3], [4]] output_shape [8, 2, 2, 3, 3] : tensor<16x2x3x3xf32> into tensor<8x2x2x3x3xf32>
  %e = tensor.empty(%n) : tensor<?x8x2x8x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8x2x8x8xf32>) -> tensor<?x8x2x8x8xf32>
  %y = compress.contract ins(%p, %f : tensor<?x8x2x10x10xf32>, tensor<8x2x2x3x3xf32>) outs(%init : tensor<?x8x2x8x8xf32>)
    indexing_maps = [#gin, #gfilter, #gout]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<?x8x2x8x8xf32>
  %r = tensor.collapse_shape %y [[0], [1, 2], [3], [4]] : tensor<?x8x2x8x8xf32> into tensor<?x16x8x8xf32>
  return %r : tensor<?x16x8x8xf32>
}

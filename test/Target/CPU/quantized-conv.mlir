// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" | FileCheck %s

#in = affine_map<(n, f, y, x, c, i, j) -> (n, c, y * 2 + i, x * 2 + j)>
#filter = affine_map<(n, f, y, x, c, i, j) -> (f, c, i, j)>
#out = affine_map<(n, f, y, x, c, i, j) -> (n, f, y, x)>
!filter = !compress.tensor<5x3x3x3xf32, quant<i8, group = [1, *, *, *], scale = f32>>
!image = !compress.tensor<?x3x8x8xf32, quant<ui8, group = [*, *, *, *], scale = f32, zero = ui8>>
!padded = !compress.tensor<?x3x9x9xf32, quant<ui8, group = [*, *, *, *], scale = f32, zero = ui8>>

// Padding after decoding becomes zero points in the packed images: 9 x 9 x 3
// bytes, windows of 3 runs of 9 bytes.
// CHECK-LABEL: func.func @pad_after_decode
// CHECK:         %[[X:.*]] = tensor.collapse_shape %arg0 {{\[}}[0], [1], [2, 3]]
// CHECK:         %[[Q:.*]]:4 = compress.kernel @[[QUANT:compress_quantize_avx512vnni_c3_8p1p0_8p1p0_u8z]] ins(%[[X]] :
// CHECK:         %[[Y:.*]] = compress.kernel @[[CONV:compress_conv_u8s8_avx512vnni_f5_3s27_r9_i243_4s54_4s6_acc]] ins(%[[Q]]#0, %[[Q]]#1, %[[Q]]#2,
// CHECK:         tensor.expand_shape %[[Y]]
// CHECK-NOT:     compress.contract
func.func @pad_after_decode(%a: tensor<?x3x8x8xf32>, %init: tensor<?x5x4x4xf32>) -> tensor<?x5x4x4xf32> {
  %q = compress.encode %a : tensor<?x3x8x8xf32> -> !image
  %d = compress.decode %q : !image
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %d low[0, 0, 1, 1] high[0, 0, 0, 0] {
  ^bb0(%0: index, %1: index, %2: index, %3: index):
    tensor.yield %zero : f32
  } : tensor<?x3x8x8xf32> to tensor<?x3x9x9xf32>
  %w = compress.constant [dense<1> : tensor<5x3x3x3xi8>, dense<0.5> : tensor<5x1x1x1xf32>] : !filter
  %r = compress.contract ins(%p, %w : tensor<?x3x9x9xf32>, !filter) outs(%init : tensor<?x5x4x4xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<?x5x4x4xf32>
  return %r : tensor<?x5x4x4xf32>
}

// Padding before encoding is the same kernel.
// CHECK-LABEL: func.func @pad_before_encode
// CHECK:         compress.kernel @[[QUANT]]
// CHECK:         compress.kernel @[[CONV]]
func.func @pad_before_encode(%a: tensor<?x3x8x8xf32>, %init: tensor<?x5x4x4xf32>) -> tensor<?x5x4x4xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %a low[0, 0, 1, 1] high[0, 0, 0, 0] {
  ^bb0(%0: index, %1: index, %2: index, %3: index):
    tensor.yield %zero : f32
  } : tensor<?x3x8x8xf32> to tensor<?x3x9x9xf32>
  %q = compress.encode %p : tensor<?x3x9x9xf32> -> !padded
  %w = compress.constant [dense<1> : tensor<5x3x3x3xi8>, dense<0.5> : tensor<5x1x1x1xf32>] : !filter
  %r = compress.contract ins(%q, %w : !padded, !filter) outs(%init : tensor<?x5x4x4xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<?x5x4x4xf32>
  return %r : tensor<?x5x4x4xf32>
}

// A padding that is not zero stays, and what is padded is not encoded: left to
// others.
// CHECK-LABEL: func.func @pad_with_one
// CHECK-NOT:     compress.kernel @compress_conv_u8s8
// CHECK:         return
func.func @pad_with_one(%a: tensor<?x3x8x8xf32>, %init: tensor<?x5x4x4xf32>) -> tensor<?x5x4x4xf32> {
  %q = compress.encode %a : tensor<?x3x8x8xf32> -> !image
  %d = compress.decode %q : !image
  %one = arith.constant 1.0 : f32
  %p = tensor.pad %d low[0, 0, 1, 1] high[0, 0, 0, 0] {
  ^bb0(%0: index, %1: index, %2: index, %3: index):
    tensor.yield %one : f32
  } : tensor<?x3x8x8xf32> to tensor<?x3x9x9xf32>
  %w = compress.constant [dense<1> : tensor<5x3x3x3xi8>, dense<0.5> : tensor<5x1x1x1xf32>] : !filter
  %r = compress.contract ins(%p, %w : tensor<?x3x9x9xf32>, !filter) outs(%init : tensor<?x5x4x4xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<?x5x4x4xf32>
  return %r : tensor<?x5x4x4xf32>
}

#dwin = affine_map<(n, g, y, x, c, i, j) -> (n, g, c, y * 2 + i, x * 2 + j)>
#dwfilter = affine_map<(n, g, y, x, c, i, j) -> (g, c, i, j)>

// One filter per channel, with the unit axis that grouping inserts.
// CHECK-LABEL: func.func @depthwise
// CHECK:         %[[Q:.*]]:4 = compress.kernel @[[QUANT]]
// CHECK:         compress.kernel @compress_depthwise_u8s8_avx512vnni_f3_3s27_3s3_r1_i243_4s54_4s6_acc ins(%[[Q]]#0, %[[Q]]#1, %[[Q]]#2,
func.func @depthwise(%a: tensor<?x3x8x8xf32>, %init: tensor<?x3x4x4xf32>) -> tensor<?x3x4x4xf32> {
  %q = compress.encode %a : tensor<?x3x8x8xf32> -> !image
  %d = compress.decode %q : !image
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %n = tensor.dim %d, %c0 : tensor<?x3x8x8xf32>
  %e = tensor.expand_shape %d [[0], [1], [2, 3], [4]] output_shape [%n, 3, 1, 8, 8] : tensor<?x3x8x8xf32> into tensor<?x3x1x8x8xf32>
  %p = tensor.pad %e low[0, 0, 0, 1, 1] high[0, 0, 0, 0, 0] {
  ^bb0(%0: index, %1: index, %2: index, %3: index, %4: index):
    tensor.yield %zero : f32
  } : tensor<?x3x1x8x8xf32> to tensor<?x3x1x9x9xf32>
  %w = compress.constant [dense<1> : tensor<3x1x3x3xi8>, dense<0.5> : tensor<3x1x1x1xf32>] : !compress.tensor<3x1x3x3xf32, quant<i8, group = [1, *, *, *], scale = f32>>
  %r = compress.contract ins(%p, %w : tensor<?x3x1x9x9xf32>, !compress.tensor<3x1x3x3xf32, quant<i8, group = [1, *, *, *], scale = f32>>) outs(%init : tensor<?x3x4x4xf32>)
    indexing_maps = [#dwin, #dwfilter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<?x3x4x4xf32>
  return %r : tensor<?x3x4x4xf32>
}

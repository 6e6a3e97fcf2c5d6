// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" --canonicalize | FileCheck %s

#in = affine_map<(n, f, y, x, c, i, j) -> (n, c, y * 2 + i, x * 2 + j)>
#filter = affine_map<(n, f, y, x, c, i, j) -> (f, c, i, j)>
#out = affine_map<(n, f, y, x, c, i, j) -> (n, f, y, x)>
#id = affine_map<(n, f, y, x) -> (n, f, y, x)>

// Padding, bias, addition and clamping become part of the kernel, which has
// channels last.
// CHECK-LABEL: func.func @whole
// CHECK-SAME:    %[[X:.*]]: tensor<?x8x8x8xf32>, %[[B:.*]]: tensor<16xf32>, %[[Y:.*]]: tensor<?x16x4x4xf32>
// CHECK-DAG:     %[[XT:.*]] = linalg.transpose ins(%[[X]] : {{.*}} permutation = [0, 2, 3, 1]
// CHECK-DAG:     %[[YT:.*]] = linalg.transpose ins(%[[Y]] : {{.*}} permutation = [0, 2, 3, 1]
// CHECK:         %[[R:.*]] = compress.kernel @compress_conv_f32_avx512vnni_g1c8f16_8k3s2d1p1q0_8k3s2d1p1q0_bias_add_ge00000000_le40c00000 ins(%[[XT]], %{{.*}}, %[[B]], %[[YT]] :
// CHECK:         %[[T:.*]] = linalg.transpose ins(%[[R]] : {{.*}} permutation = [0, 3, 1, 2] {compress.layout}
// CHECK-NOT:     linalg.generic
// CHECK:         return %[[T]]
func.func @whole(%x: tensor<?x8x8x8xf32>, %b: tensor<16xf32>, %y: tensor<?x16x4x4xf32>) -> tensor<?x16x4x4xf32> {
  %zero = arith.constant 0.0 : f32
  %six = arith.constant 6.0 : f32
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8x8x8xf32>
  %p = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 0, 0] {
  ^bb0(%0: index, %1: index, %2: index, %3: index):
    tensor.yield %zero : f32
  } : tensor<?x8x8x8xf32> to tensor<?x8x9x9xf32>
  %w = arith.constant dense<1.0> : tensor<16x8x3x3xf32>
  %e = tensor.empty(%n) : tensor<?x16x4x4xf32>
  %i = linalg.broadcast ins(%b : tensor<16xf32>) outs(%e : tensor<?x16x4x4xf32>) dimensions = [0, 2, 3]
  %r = compress.contract ins(%p, %w : tensor<?x8x9x9xf32>, tensor<16x8x3x3xf32>) outs(%i : tensor<?x16x4x4xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<?x16x4x4xf32>
  %s = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%r, %y : tensor<?x16x4x4xf32>, tensor<?x16x4x4xf32>) outs(%e : tensor<?x16x4x4xf32>) {
  ^bb0(%0: f32, %1: f32, %2: f32):
    %3 = arith.addf %0, %1 : f32
    linalg.yield %3 : f32
  } -> tensor<?x16x4x4xf32>
  %t = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%s : tensor<?x16x4x4xf32>) outs(%e : tensor<?x16x4x4xf32>) {
  ^bb0(%0: f32, %1: f32):
    %2 = arith.maximumf %0, %zero : f32
    %3 = arith.minimumf %2, %six : f32
    linalg.yield %3 : f32
  } -> tensor<?x16x4x4xf32>
  return %t : tensor<?x16x4x4xf32>
}

// The result is used twice: only one of them sees it clamped.
// CHECK-LABEL: func.func @used_twice
// CHECK:         compress.kernel @compress_conv_f32_avx512vnni_g1c8f16_9k3s2d1p0q0_9k3s2d1p0q0_zero ins
// CHECK:         linalg.generic
func.func @used_twice(%x: tensor<1x8x9x9xf32>) -> (tensor<1x16x4x4xf32>, tensor<1x16x4x4xf32>) {
  %zero = arith.constant 0.0 : f32
  %w = arith.constant dense<1.0> : tensor<16x8x3x3xf32>
  %e = tensor.empty() : tensor<1x16x4x4xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16x4x4xf32>) -> tensor<1x16x4x4xf32>
  %r = compress.contract ins(%x, %w : tensor<1x8x9x9xf32>, tensor<16x8x3x3xf32>) outs(%i : tensor<1x16x4x4xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<1x16x4x4xf32>
  %t = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%r : tensor<1x16x4x4xf32>) outs(%e : tensor<1x16x4x4xf32>) {
  ^bb0(%0: f32, %1: f32):
    %2 = arith.maximumf %0, %zero : f32
    linalg.yield %2 : f32
  } -> tensor<1x16x4x4xf32>
  return %r, %t : tensor<1x16x4x4xf32>, tensor<1x16x4x4xf32>
}

// Filters that have to be decoded are packed when the model is loaded.
!filter = !compress.tensor<16x8x3x3xf32, quant<i8, group = [1, *, *, *], scale = f32>>
// CHECK-LABEL: func.func @encoded
// CHECK:         %[[W:.*]] = compress.decode
// CHECK:         %[[F:.*]] = tensor.collapse_shape %[[W]]
// CHECK:         %[[P:.*]] = compress.kernel @compress_pack_conv_f32_avx512vnni_g1c8f16t9 ins(%[[F]] : tensor<1152xf32>)
// CHECK:         compress.kernel @compress_conv_f32_avx512vnni_g1c8f16_9k3s2d1p0q0_9k3s2d1p0q0_zero ins(%{{.*}}, %[[P]] :
func.func @encoded(%x: tensor<1x8x9x9xf32>) -> tensor<1x16x4x4xf32> {
  %zero = arith.constant 0.0 : f32
  %w = compress.constant [dense<1> : tensor<16x8x3x3xi8>, dense<0.5> : tensor<16x1x1x1xf32>] : !filter
  %e = tensor.empty() : tensor<1x16x4x4xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16x4x4xf32>) -> tensor<1x16x4x4xf32>
  %r = compress.contract ins(%x, %w : tensor<1x8x9x9xf32>, !filter) outs(%i : tensor<1x16x4x4xf32>)
    indexing_maps = [#in, #filter, #out]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<1x16x4x4xf32>
  return %r : tensor<1x16x4x4xf32>
}

// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" | FileCheck %s

#x = affine_map<(n, f, y, x, c, r, s) -> (n, c, y * 2 + r, x + s)>
#w = affine_map<(n, f, y, x, c, r, s) -> (f, c, r, s)>
#y = affine_map<(n, f, y, x, c, r, s) -> (n, f, y, x)>

// Padding is part of the kernel; offsets of the 2 x 2 x 2 inputs in planes of
// 2 x 4, two for each channel since every other row is read.
// CHECK-LABEL: func.func @conv
// CHECK-DAG:     %[[OFFSETS:.*]] = arith.constant dense_resource<{{.*}}offsets{{.*}}> : tensor<8xi32>
// CHECK:         compress.kernel @compress_conv_sparse_f32_avx512vnni_f2_c2_i3x4_o2x3_k2x2_s2x1_d1x1_p1x0_b8_r16_bias ins(
// CHECK-SAME:      %[[OFFSETS]]
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @conv(%a: tensor<?x2x3x4xf32>, %bias: tensor<2xf32>, %empty: tensor<?x2x2x3xf32>) -> tensor<?x2x2x3xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %a low[0, 0, 1, 0] high[0, 0, 0, 0] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<?x2x3x4xf32> to tensor<?x2x4x4xf32>
  %b = compress.constant [dense<[1.0, 2.0]> : tensor<2xf32>, dense<[[[[true, false], [false, false]], [[false, false], [false, false]]], [[[false, false], [false, false]], [[false, false], [false, true]]]]> : tensor<2x2x2x2xi1>]
    : !compress.tensor<2x2x2x2xf32, sparse<bitmask, nnz = 2, of = f32>>
  %init = linalg.broadcast ins(%bias : tensor<2xf32>) outs(%empty : tensor<?x2x2x3xf32>) dimensions = [0, 2, 3]
  %r = compress.contract ins(%p, %b : tensor<?x2x4x4xf32>, !compress.tensor<2x2x2x2xf32, sparse<bitmask, nnz = 2, of = f32>>)
    outs(%init : tensor<?x2x2x3xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<?x2x2x3xf32>
  return %r : tensor<?x2x2x3xf32>
}

// With few zeros it is decoded for a dense convolution.
// CHECK-LABEL: func.func @few_zeros
// CHECK-NOT:     compress_conv_sparse
// CHECK:         return
func.func @few_zeros(%a: tensor<?x1x3x4xf32>, %init: tensor<?x1x1x3xf32>) -> tensor<?x1x1x3xf32> {
  %b = compress.constant [dense<[1.0, 2.0]> : tensor<2xf32>, dense<[[[[true, true], [false, false]]]]> : tensor<1x1x2x2xi1>]
    : !compress.tensor<1x1x2x2xf32, sparse<bitmask, nnz = 2, of = f32>>
  %r = compress.contract ins(%a, %b : tensor<?x1x3x4xf32>, !compress.tensor<1x1x2x2xf32, sparse<bitmask, nnz = 2, of = f32>>)
    outs(%init : tensor<?x1x1x3xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"] -> tensor<?x1x1x3xf32>
  return %r : tensor<?x1x1x3xf32>
}

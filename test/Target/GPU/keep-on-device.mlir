// RUN: compress-opt %s --compress-keep-on-device | FileCheck %s

// Between kernels a tensor stays under a number, doubled; one that the host reads,
// too, is marked by one more.
// CHECK-LABEL: func.func @chain
// CHECK:         %[[HOST:.*]] = arith.constant 0 : i64
// CHECK:         %[[N1:.*]] = arith.constant 2 : i64
// CHECK:         %[[A:.*]] = compress.kernel @k_launch stateful ins(%arg0 {{.*}}) scalars(%[[HOST]], %[[N1]] : i64, i64)
// CHECK:         %[[READ:.*]] = arith.constant 2 : i64
// CHECK:         %[[BOTH:.*]] = arith.constant 5 : i64
// CHECK:         %[[B:.*]] = compress.kernel @k_launch stateful ins(%[[A]] {{.*}}) scalars(%[[READ]], %[[BOTH]] : i64, i64)
// CHECK:         %[[V:.*]] = tensor.collapse_shape %[[B]]
// CHECK:         %[[N2:.*]] = arith.constant 4 : i64
// CHECK:         compress.kernel @v_launch stateful ins(%[[V]] {{.*}}) scalars(%[[N2]], %[[HOST]] : i64, i64)
func.func @chain(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<6xf32>) {
  %host = arith.constant 0 : i64
  %e = tensor.empty() : tensor<2x3xf32>
  %a = compress.kernel @k_launch stateful ins(%x : tensor<2x3xf32>) scalars(%host, %host : i64, i64)
    outs(%e : tensor<2x3xf32>) {compress.device = "k"} -> tensor<2x3xf32>
  %b = compress.kernel @k_launch stateful ins(%a : tensor<2x3xf32>) scalars(%host, %host : i64, i64)
    outs(%e : tensor<2x3xf32>) {compress.device = "k"} -> tensor<2x3xf32>
  %v = tensor.collapse_shape %b [[0, 1]] : tensor<2x3xf32> into tensor<6xf32>
  %f = tensor.empty() : tensor<6xf32>
  %c = compress.kernel @v_launch stateful ins(%v : tensor<6xf32>) scalars(%host, %host : i64, i64)
    outs(%f : tensor<6xf32>) {compress.device = "v"} -> tensor<6xf32>
  return %b, %c : tensor<2x3xf32>, tensor<6xf32>
}

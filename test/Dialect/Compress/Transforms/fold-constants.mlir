// RUN: compress-opt %s --compress-fold-constants | FileCheck %s
// RUN: compress-opt %s --compress-fold-constants=max-elements=3 | FileCheck %s --check-prefix=SMALL

// CHECK-LABEL: func @decode
// CHECK: arith.constant dense<[1.000000e+00, -2.000000e+00, 3.000000e+00, -4.000000e+00]> : tensor<4xf32>
// SMALL-LABEL: func @decode
// SMALL: compress.decode
func.func @decode() -> tensor<4xf32> {
  %0 = compress.constant [dense<[2, -4, 6, -8]> : tensor<4xi8>, dense<0.5> : tensor<1xf32>]
     : !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
  %1 = compress.decode %0 : !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
  return %1 : tensor<4xf32>
}

// Sizes that depend on the values are found.
// CHECK-LABEL: func @encode
// CHECK: compress.constant [{{.*}} : tensor<2xf32>, {{.*}} : tensor<4xi1>] : <4xf32, sparse<bitmask, nnz = 2, of = f32>>
func.func @encode() -> (tensor<1xf32>) {
  %x = arith.constant dense<[1.0, 0.0, 2.0, 0.0]> : tensor<4xf32>
  %i = arith.constant dense<2> : tensor<1xi64>
  %0 = compress.encode %x : tensor<4xf32> -> !compress.tensor<4xf32, sparse<bitmask, nnz = ?, of = f32>>
  %1 = compress.gather %0[%i] axis = 0 : !compress.tensor<4xf32, sparse<bitmask, nnz = ?, of = f32>>, tensor<1xi64> -> tensor<1xf32>
  return %1 : tensor<1xf32>
}

// CHECK-LABEL: func @cast
// CHECK: compress.constant [{{.*}} : tensor<3xi4>, {{.*}} : tensor<1xf32>] : <3xf32, int4>
func.func @cast() -> !compress.tensor<3xf32, int4> {
  %0 = compress.constant [dense<[1.0, 0.0, -1.0]> : tensor<3xf16>] : !compress.tensor<3xf32, f16>
  %1 = compress.cast %0 : !compress.tensor<3xf32, f16> -> !compress.tensor<3xf32, int4>
  return %1 : !compress.tensor<3xf32, int4>
}

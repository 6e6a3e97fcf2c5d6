// RUN: compress-opt %s --compress-simplify-encodings | FileCheck %s --check-prefixes=CHECK,EXACT
// RUN: compress-opt %s --compress-simplify-encodings=allow-rounding | FileCheck %s --check-prefixes=CHECK,ROUND
// RUN: compress-opt %s --canonicalize | FileCheck %s --check-prefixes=CHECK,EXACT
// RUN: compress-opt %s --compress-simplify-encodings --compress-fold-constants | FileCheck %s --check-prefix=VALUE
// RUN: compress-opt %s --compress-simplify-encodings=allow-rounding --compress-fold-constants | FileCheck %s --check-prefix=VALUE

// The first term of a sum may be a sum: (a + b) + c.
// CHECK-LABEL: func @nested_sum_first
// CHECK: compress.constant {{.*}} : <2xf32, sum<[f16, f16, f32]>>
// VALUE-LABEL: func @nested_sum_first
// VALUE: arith.constant dense<6.0{{.*}}>
func.func @nested_sum_first() -> tensor<2xf32> {
  %0 = compress.constant [dense<1.0> : tensor<2xf16>, dense<2.0> : tensor<2xf16>, dense<3.0> : tensor<2xf32>]
     : !compress.tensor<2xf32, sum<[sum<[f16, f16]>, f32]>>
  %1 = compress.decode %0 : !compress.tensor<2xf32, sum<[sum<[f16, f16]>, f32]>>
  return %1 : tensor<2xf32>
}

// a + (b + c) rounds differently.
// CHECK-LABEL: func @nested_sum_last
// EXACT: compress.constant {{.*}} : <2xf32, sum<[f16, sum<[f16, f32]>]>>
// ROUND: compress.constant {{.*}} : <2xf32, sum<[f16, f16, f32]>>
// VALUE-LABEL: func @nested_sum_last
// VALUE: arith.constant dense<6.0{{.*}}>
func.func @nested_sum_last() -> tensor<2xf32> {
  %0 = compress.constant [dense<1.0> : tensor<2xf16>, dense<2.0> : tensor<2xf16>, dense<3.0> : tensor<2xf32>]
     : !compress.tensor<2xf32, sum<[f16, sum<[f16, f32]>]>>
  %1 = compress.decode %0 : !compress.tensor<2xf32, sum<[f16, sum<[f16, f32]>]>>
  return %1 : tensor<2xf32>
}

// CHECK-LABEL: func @sum_of_one
// CHECK: compress.constant {{.*}} : <2xf32, f16>
func.func @sum_of_one() -> tensor<2xf32> {
  %0 = compress.constant [dense<1.0> : tensor<2xf16>] : !compress.tensor<2xf32, sum<[f16]>>
  %1 = compress.decode %0 : !compress.tensor<2xf32, sum<[f16]>>
  return %1 : tensor<2xf32>
}

// CHECK-LABEL: func @scale_of_scale
// EXACT: scaled<group = [1], scale = f16, of = scaled<group = [1], scale = f16, of = f16>>
// ROUND: compress.constant {{.*}} : <2xf32, scaled<group = [1], scale = f32, of = f16>>
// VALUE-LABEL: func @scale_of_scale
// VALUE: arith.constant dense<[6.0{{.*}}, 4.0{{.*}}]>
func.func @scale_of_scale() -> tensor<2xf32> {
  %0 = compress.constant [dense<[1.0, 2.0]> : tensor<2xf16>, dense<[2.0, 4.0]> : tensor<2xf16>, dense<[3.0, 0.5]> : tensor<2xf16>]
     : !compress.tensor<2xf32, scaled<group = [1], scale = f16, of = scaled<group = [1], scale = f16, of = f16>>>
  %1 = compress.decode %0 : !compress.tensor<2xf32, scaled<group = [1], scale = f16, of = scaled<group = [1], scale = f16, of = f16>>>
  return %1 : tensor<2xf32>
}

// value[j] = inner[second[first[j]]]
// CHECK-LABEL: func @permutation_of_permutation
// CHECK: compress.constant {{.*}} : <3xf32, permuted<axis = 0, index = i8, of = f16>>
// VALUE-LABEL: func @permutation_of_permutation
// VALUE: arith.constant dense<[1.0{{.*}}, 3.0{{.*}}, 2.0{{.*}}]>
func.func @permutation_of_permutation() -> tensor<3xf32> {
  %0 = compress.constant [dense<[1.0, 2.0, 3.0]> : tensor<3xf16>, dense<[1, 2, 0]> : tensor<3xi8>, dense<[2, 1, 0]> : tensor<3xi16>]
     : !compress.tensor<3xf32, permuted<axis = 0, index = i16, of = permuted<axis = 0, index = i8, of = f16>>>
  %1 = compress.decode %0 : !compress.tensor<3xf32, permuted<axis = 0, index = i16, of = permuted<axis = 0, index = i8, of = f16>>>
  return %1 : tensor<3xf32>
}

// CHECK-LABEL: func @identity_permutation
// CHECK: compress.constant {{.*}} : <2xf32, f16>
func.func @identity_permutation() -> tensor<2xf32> {
  %0 = compress.constant [dense<[1.0, 2.0]> : tensor<2xf16>, dense<[0, 1]> : tensor<2xi8>]
     : !compress.tensor<2xf32, permuted<axis = 0, index = i8, of = f16>>
  %1 = compress.decode %0 : !compress.tensor<2xf32, permuted<axis = 0, index = i8, of = f16>>
  return %1 : tensor<2xf32>
}

// CHECK-LABEL: func @rotation_twice
// EXACT: rotated<hadamard, axis = 0, block = 4, of = rotated<hadamard, axis = 0, block = 4, of = f16>>
// ROUND: compress.constant {{.*}} : <4xf32, f16>
// VALUE-LABEL: func @rotation_twice
// VALUE: arith.constant dense<1.0{{.*}}>
func.func @rotation_twice() -> tensor<4xf32> {
  %0 = compress.constant [dense<1.0> : tensor<4xf16>]
     : !compress.tensor<4xf32, rotated<hadamard, axis = 0, block = 4, of = rotated<hadamard, axis = 0, block = 4, of = f16>>>
  %1 = compress.decode %0 : !compress.tensor<4xf32, rotated<hadamard, axis = 0, block = 4, of = rotated<hadamard, axis = 0, block = 4, of = f16>>>
  return %1 : tensor<4xf32>
}

// Blocks of one element do nothing; different blocks do not cancel.
// CHECK-LABEL: func @rotation_of_ones
// CHECK: compress.constant {{.*}} : <4xf32, rotated<hadamard, axis = 0, block = 4, of = f16>>
func.func @rotation_of_ones() -> tensor<4xf32> {
  %0 = compress.constant [dense<1.0> : tensor<4xf16>]
     : !compress.tensor<4xf32, rotated<hadamard, axis = 0, block = 1, of = rotated<hadamard, axis = 0, block = 4, of = f16>>>
  %1 = compress.decode %0 : !compress.tensor<4xf32, rotated<hadamard, axis = 0, block = 1, of = rotated<hadamard, axis = 0, block = 4, of = f16>>>
  return %1 : tensor<4xf32>
}

// Inside other encodings too.
// CHECK-LABEL: func @inside
// CHECK: compress.constant {{.*}} : <2xf32, sum<[f16, f32]>>
func.func @inside() -> tensor<2xf32> {
  %0 = compress.constant [dense<1.0> : tensor<2xf16>, dense<[0, 1]> : tensor<2xi8>, dense<3.0> : tensor<2xf32>]
     : !compress.tensor<2xf32, sum<[permuted<axis = 0, index = i8, of = f16>, f32]>>
  %1 = compress.decode %0 : !compress.tensor<2xf32, sum<[permuted<axis = 0, index = i8, of = f16>, f32]>>
  return %1 : tensor<2xf32>
}

// A value that leaves in its type keeps it.
// CHECK-LABEL: func @returned
// CHECK: compress.constant {{.*}} : <2xf32, sum<[f16]>>
func.func @returned() -> !compress.tensor<2xf32, sum<[f16]>> {
  %0 = compress.constant [dense<1.0> : tensor<2xf16>] : !compress.tensor<2xf32, sum<[f16]>>
  return %0 : !compress.tensor<2xf32, sum<[f16]>>
}

// RUN: compress-opt %s --compress-lower-encodings --split-input-file --verify-diagnostics | FileCheck %s

// Sub-byte leaves stay packed bytes; nothing compressed is left.
// CHECK-LABEL: @constant
func.func @constant() -> tensor<2x3xf32> {
  // CHECK-DAG: arith.constant dense_resource<{{.*}}> : tensor<3xi8>
  // CHECK: linalg.generic
  // CHECK: arith.trunci {{.*}} : i32 to i4
  // CHECK: arith.extsi {{.*}} : i4 to i32
  // CHECK-NOT: compress.
  %w = compress.constant [dense_resource<codes> : tensor<2x3xi4>, dense<0.5> : tensor<1x1xf32>]
     : !compress.tensor<2x3xf32, quant<i4, group = [*, *], scale = f32>>
  %d = compress.decode %w : !compress.tensor<2x3xf32, quant<i4, group = [*, *], scale = f32>>
  return %d : tensor<2x3xf32>
}
{-# dialect_resources: { builtin: { codes: "0x01000000123456" } } #-}

// -----
// Scales of scales decode first.
// CHECK-LABEL: @nested
// CHECK-NOT: compress.
!n = !compress.tensor<4x8xf32, quant<i8, group = [1, 4], scale = quant<ui8, group = [*, *], scale = f16>>>
func.func @nested(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %e = compress.encode %x : tensor<4x8xf32> -> !n
  %d = compress.decode %e : !n
  return %d : tensor<4x8xf32>
}

// -----
// A cast is decode, then encode.
// CHECK-LABEL: @cast
// CHECK-NOT: compress.
func.func @cast(%x: tensor<8xf32>) -> tensor<8xf32> {
  %a = compress.encode %x : tensor<8xf32> -> !compress.tensor<8xf32, f16>
  %b = compress.cast %a : !compress.tensor<8xf32, f16> -> !compress.tensor<8xf32, quant<i8, group = [*], scale = f32>>
  %d = compress.decode %b : !compress.tensor<8xf32, quant<i8, group = [*], scale = f32>>
  return %d : tensor<8xf32>
}

// -----
// A lookup decodes rows, not the table.
// CHECK-LABEL: @gather
// CHECK-SAME: (%[[C:.*]]: tensor<100x8xi8>, %[[S:.*]]: tensor<100x1xf32>, %[[I:.*]]: tensor<3xi64>)
!t = !compress.tensor<100x8xf32, quant<i8, group = [1, *], scale = f32>>
func.func @gather(%c: tensor<100x8xi8>, %s: tensor<100x1xf32>, %i: tensor<3xi64>) -> tensor<3x8xf32> {
  %t = compress.pack %c, %s : tensor<100x8xi8>, tensor<100x1xf32> -> !t
  // CHECK-NOT: tensor<100x8xf32>
  // CHECK: tensor.extract %[[C]]
  // CHECK: return {{.*}} : tensor<3x8xf32>
  %r = compress.gather %t[%i] axis = 0 : !t, tensor<3xi64> -> tensor<3x8xf32>
  return %r : tensor<3x8xf32>
}

// -----
// What cannot be taken apart is named.
// expected-error @+1 {{holds a compressed value that cannot be taken apart here; pass its components instead}}
func.func @boundary(%w: !compress.tensor<4xf32, f16>) -> tensor<4xf32> {
  %d = compress.decode %w : !compress.tensor<4xf32, f16>
  return %d : tensor<4xf32>
}

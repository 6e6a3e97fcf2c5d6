// RUN: compress-opt %s --convert-compress-to-quant='strict=true' --split-input-file | FileCheck %s

!w = !compress.tensor<2x4xf32, quant<i8, group = [1, *], scale = f32>>
!t = !compress.tensor<2x4xf32, quant<i8, group = [*, *], scale = f16>>

// CHECK-LABEL: @constant
func.func @constant() -> tensor<2x4xf32> {
  // CHECK: %[[C:.*]] = arith.constant dense<{{.*}}1, -2, 3, -4{{.*}}> : tensor<2x4xi8>
  // CHECK: %[[Q:.*]] = quant.scast %[[C]] : tensor<2x4xi8> to tensor<2x4x!quant.uniform<i8<-127:127>:f32:0, {5.000000e-01,2.500000e-01}>>
  // CHECK: quant.dcast %[[Q]] : {{.*}} to tensor<2x4xf32>
  // CHECK-NOT: compress
  %w = compress.constant [dense<[[1, -2, 3, -4], [5, -6, 7, -8]]> : tensor<2x4xi8>,
                          dense<[[0.5], [0.25]]> : tensor<2x1xf32>] : !w
  %d = compress.decode %w : !w
  return %d : tensor<2x4xf32>
}

// Codes outside the symmetric range.
// CHECK-LABEL: @widened
func.func @widened() -> tensor<2x4xf32> {
  // CHECK: quant.scast {{.*}} to tensor<2x4x!quant.uniform<i8:f32, 5.000000e-01>>
  %w = compress.constant [dense<-128> : tensor<2x4xi8>, dense<0.5> : tensor<1x1xf16>] : !t
  %d = compress.decode %w : !t
  return %d : tensor<2x4xf32>
}

// Codes that are computed may be any.
// CHECK-LABEL: @pack
// CHECK-SAME: %[[C:.*]]: tensor<2x4xi8>
func.func @pack(%c: tensor<2x4xi8>) -> (tensor<2x4xf32>, tensor<2x4xi8>, tensor<1x1xf16>) {
  // CHECK: %[[S:.*]] = arith.constant
  // CHECK: %[[Q:.*]] = quant.scast %[[C]] : {{.*}} to tensor<2x4x!quant.uniform<i8:f32, 5.000000e-01>>
  // CHECK: %[[D:.*]] = quant.dcast %[[Q]]
  // CHECK: %[[I:.*]] = quant.scast %[[Q]] : {{.*}} to tensor<2x4xi8>
  // CHECK: return %[[D]], %[[I]], %[[S]]
  %s = arith.constant dense<0.5> : tensor<1x1xf16>
  %w = compress.pack %c, %s : tensor<2x4xi8>, tensor<1x1xf16> -> !t
  %d = compress.decode %w : !t
  %i, %p = compress.unpack %w : !t -> tensor<2x4xi8>, tensor<1x1xf16>
  return %d, %i, %p : tensor<2x4xf32>, tensor<2x4xi8>, tensor<1x1xf16>
}

// -----

!a = !compress.tensor<?x4xf32, quant<ui8, group = [*, *], scale = f32, zero = ui8>>

// CHECK-LABEL: @encode
func.func @encode(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: quant.qcast %{{.*}} : tensor<?x4xf32> to tensor<?x4x!quant.uniform<u8:f32, 5.000000e-01:200>>
  // CHECK: quant.dcast
  %s = arith.constant dense<0.5> : tensor<1x1xf32>
  %z = arith.constant dense<-56> : tensor<1x1xi8>
  %e = compress.encode %x params(%s, %z : tensor<1x1xf32>, tensor<1x1xi8>) : tensor<?x4xf32> -> !a
  %d = compress.decode %e : !a
  return %d : tensor<?x4xf32>
}

// -----
// Blocks; one larger than the axis is the axis.

!b = !compress.tensor<2x4xbf16, quant<ui4, group = [4, 2], scale = bf16, zero = ui4>>

// CHECK-LABEL: @blocks
func.func @blocks() -> tensor<2x4xbf16> {
  // CHECK: to tensor<2x4x!quant.uniform<u4:bf16:{0:2, 1:2}, {{[{][{]}}5.000000e-01:3, 2.500000e-01:{{15|-1}}{{[}][}]}}>>
  %w = compress.constant [dense<5> : tensor<2x4xi4>, dense<[[0.5, 0.25]]> : tensor<1x2xbf16>,
                          dense<[[3, 15]]> : tensor<1x2xi4>] : !b
  %d = compress.decode %w : !b
  return %d : tensor<2x4xbf16>
}

// RUN: compress-opt %s --convert-quant-to-compress='strict=true' --split-input-file | FileCheck %s

!narrow = !quant.uniform<i8<-127:127>:f32, 0.5>

// CHECK-LABEL: @constant
func.func @constant() -> tensor<2x4xf32> {
  // CHECK: %[[W:.*]] = compress.constant [dense<{{.*}}1, -2, 3, -4{{.*}}> : tensor<2x4xi8>, dense<5.000000e-01> : tensor<1x1xf32>]
  // CHECK-NEXT: compress.decode %[[W]]
  // CHECK-NEXT: return
  %c = arith.constant dense<[[1, -2, 3, -4], [5, -6, 7, -8]]> : tensor<2x4xi8>
  %q = quant.scast %c : tensor<2x4xi8> to tensor<2x4x!narrow>
  %d = quant.dcast %q : tensor<2x4x!narrow> to tensor<2x4xf32>
  return %d : tensor<2x4xf32>
}

// CHECK-LABEL: @resource
func.func @resource() -> tensor<2xf32> {
  // CHECK: compress.constant [dense_resource<codes> : tensor<2xi8>, dense<5.000000e-01> : tensor<1xf32>]
  %c = arith.constant dense_resource<codes> : tensor<2xi8>
  %q = quant.scast %c : tensor<2xi8> to tensor<2x!narrow>
  %d = quant.dcast %q : tensor<2x!narrow> to tensor<2xf32>
  return %d : tensor<2xf32>
}

// CHECK-LABEL: @computed
// CHECK-SAME: %[[C:.*]]: tensor<2x4xi8>
func.func @computed(%c: tensor<2x4xi8>) -> (tensor<2x4xf32>, tensor<2x4xi8>) {
  // CHECK: %[[S:.*]] = arith.constant dense<5.000000e-01> : tensor<1x1xf32>
  // CHECK: %[[P:.*]] = compress.pack %[[C]], %[[S]]
  // CHECK: compress.decode %[[P]]
  // CHECK: compress.unpack %[[P]]
  %q = quant.scast %c : tensor<2x4xi8> to tensor<2x4x!narrow>
  %d = quant.dcast %q : tensor<2x4x!narrow> to tensor<2x4xf32>
  %i = quant.scast %q : tensor<2x4x!narrow> to tensor<2x4xi8>
  return %d, %i : tensor<2x4xf32>, tensor<2x4xi8>
}

{-# dialect_resources: { builtin: { codes: "0x01000000017F" } } #-}

// -----
// The whole range of a signed type is that of the encoding with zero points.

!full = !quant.uniform<i8:f32, 0.5>

// CHECK-LABEL: @full_range
func.func @full_range(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-DAG: %[[S:.*]] = arith.constant dense<5.000000e-01> : tensor<1xf32>
  // CHECK-DAG: %[[Z:.*]] = arith.constant dense<0> : tensor<1xi8>
  // CHECK: compress.encode %{{.*}} params(%[[S]], %[[Z]] : tensor<1xf32>, tensor<1xi8>)
  %q = quant.qcast %x : tensor<4xf32> to tensor<4x!full>
  %d = quant.dcast %q : tensor<4x!full> to tensor<4xf32>
  return %d : tensor<4xf32>
}

// -----
// Unsigned codes, one scale per channel; 200 is -56 in a signless tensor.

!axis = !quant.uniform<u8:f32:0, {0.5:3, 0.25:200}>
!same = !quant.uniform<u8:f32:0, {0.5, 0.25}>

// CHECK-LABEL: @per_axis
func.func @per_axis(%x: tensor<2x?xf32>) -> tensor<2x?xf32> {
  // CHECK: arith.constant dense<{{\[\[}}5.000000e-01], [2.500000e-01]]> : tensor<2x1xf32>
  // CHECK: arith.constant dense<{{\[\[}}3], [-56]]> : tensor<2x1xi8>
  // CHECK: compress.encode
  %q = quant.qcast %x : tensor<2x?xf32> to tensor<2x?x!axis>
  %d = quant.dcast %q : tensor<2x?x!axis> to tensor<2x?xf32>
  return %d : tensor<2x?xf32>
}

// Without zero points, and with a channel axis of unknown size.
// CHECK-LABEL: @dynamic_axis
func.func @dynamic_axis(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  // CHECK: %[[S:.*]] = arith.constant dense<{{.*}}> : tensor<2x1xf32>
  // CHECK: %[[D:.*]] = tensor.cast %[[S]] : tensor<2x1xf32> to tensor<?x1xf32>
  // CHECK: compress.encode %{{.*}} params(%[[D]] : tensor<?x1xf32>)
  %q = quant.qcast %x : tensor<?x?xf32> to tensor<?x?x!same>
  %d = quant.dcast %q : tensor<?x?x!same> to tensor<?x?xf32>
  return %d : tensor<?x?xf32>
}

// -----

!sub = !quant.uniform<i4:f16:{1:2, 0:1}, {{0.5:3, 0.25:-4}, {1.0, 2.0}}>

// CHECK-LABEL: @sub_channel
func.func @sub_channel() -> tensor<2x4xf16> {
  // CHECK: compress.constant [dense<{{.*}}> : tensor<2x4xi4>,
  // CHECK-SAME: dense<{{\[\[}}5.000000e-01, 2.500000e-01], [1.000000e+00, 2.000000e+00]]> : tensor<2x2xf16>,
  // CHECK-SAME: dense<{{\[\[}}3, -4], [0, 0]]> : tensor<2x2xi4>]
  // CHECK-SAME: <2x4xf16, quant<i4, group = [1, 2], scale = f16, zero = i4>>
  %c = arith.constant dense<[[1, -2, 3, -4], [5, -6, 7, -8]]> : tensor<2x4xi4>
  %q = quant.scast %c : tensor<2x4xi4> to tensor<2x4x!sub>
  %d = quant.dcast %q : tensor<2x4x!sub> to tensor<2x4xf16>
  return %d : tensor<2x4xf16>
}

// -----
// Scales are rounded to the expressed type, or to f32 where that is exact.

!half = !quant.uniform<u8:bf16, 0.1>
!double = !quant.uniform<u8:f64, 0.125>

// CHECK-LABEL: @scales
func.func @scales(%x: tensor<1xbf16>, %y: tensor<1xf64>) -> (tensor<1xbf16>, tensor<1xf64>) {
  // CHECK: arith.constant dense<1.000980e-01> : tensor<1xbf16>
  // CHECK: arith.constant dense<1.250000e-01> : tensor<1xf32>
  %q = quant.qcast %x : tensor<1xbf16> to tensor<1x!half>
  %d = quant.dcast %q : tensor<1x!half> to tensor<1xbf16>
  %r = quant.qcast %y : tensor<1xf64> to tensor<1x!double>
  %e = quant.dcast %r : tensor<1x!double> to tensor<1xf64>
  return %d, %e : tensor<1xbf16>, tensor<1xf64>
}

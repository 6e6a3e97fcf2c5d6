// RUN: compress-opt %s --convert-quant-to-compress --split-input-file --verify-diagnostics | FileCheck %s
// RUN: not compress-opt %s --convert-quant-to-compress='strict=true' --split-input-file 2>&1 | FileCheck %s --check-prefix=STRICT

// STRICT: error: 'quant.qcast' stays as it is: the encoding has no storage range -100 to 100 of i8
// CHECK-LABEL: @range
func.func @range(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: quant.qcast
  // CHECK: quant.dcast
  // expected-remark @below {{'quant.qcast' stays as it is: the encoding has no storage range -100 to 100 of i8}}
  %q = quant.qcast %x : tensor<4xf32> to tensor<4x!quant.uniform<i8<-100:100>:f32, 0.5>>
  %d = quant.dcast %q : tensor<4x!quant.uniform<i8<-100:100>:f32, 0.5>> to tensor<4xf32>
  return %d : tensor<4xf32>
}

// -----
func.func @range_and_zero(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-remark @below {{the symmetric storage range -127 to 127 needs zero points that are 0}}
  %q = quant.qcast %x : tensor<4xf32> to tensor<4x!quant.uniform<i8<-127:127>:f32, 0.5:1>>
  %d = quant.dcast %q : tensor<4x!quant.uniform<i8<-127:127>:f32, 0.5:1>> to tensor<4xf32>
  return %d : tensor<4xf32>
}

// -----
func.func @width(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-remark @below {{codes have 1 to 16 bits, found storage type i32}}
  %q = quant.qcast %x : tensor<4xf32> to tensor<4x!quant.uniform<i32:f32, 0.5>>
  %d = quant.dcast %q : tensor<4x!quant.uniform<i32:f32, 0.5>> to tensor<4xf32>
  return %d : tensor<4xf32>
}

// -----
func.func @zero(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-remark @below {{zero point 300 is not a value of ui8}}
  %q = quant.qcast %x : tensor<4xf32> to tensor<4x!quant.uniform<u8:f32, 0.5:300>>
  %d = quant.dcast %q : tensor<4x!quant.uniform<u8:f32, 0.5:300>> to tensor<4xf32>
  return %d : tensor<4xf32>
}

// -----
func.func @expressed(%x: tensor<4xf80>) -> tensor<4xf80> {
  // expected-remark @below {{the expressed type must be f16, bf16, f32 or f64, found f80}}
  %q = quant.qcast %x : tensor<4xf80> to tensor<4x!quant.uniform<u8:f80, 0.5>>
  %d = quant.dcast %q : tensor<4x!quant.uniform<u8:f80, 0.5>> to tensor<4xf80>
  return %d : tensor<4xf80>
}

// -----
func.func @double(%x: tensor<4xf64>) -> tensor<4xf64> {
  // expected-remark @below {{scale 1.000000e-01 is not exact in f32, in which scales are stored}}
  %q = quant.qcast %x : tensor<4xf64> to tensor<4x!quant.uniform<u8:f64, 0.1>>
  %d = quant.dcast %q : tensor<4x!quant.uniform<u8:f64, 0.1>> to tensor<4xf64>
  return %d : tensor<4xf64>
}

// -----
func.func @scalar(%x: f32) -> f32 {
  // expected-remark @below {{only ranked tensors can be compressed, found !quant.uniform<u8:f32, 5.000000e-01>}}
  %q = quant.qcast %x : f32 to !quant.uniform<u8:f32, 0.5>
  %d = quant.dcast %q : !quant.uniform<u8:f32, 0.5> to f32
  return %d : f32
}

// -----
func.func @unranked(%x: tensor<*xf32>) -> tensor<*xf32> {
  // expected-remark @below {{only ranked tensors can be compressed, found tensor<*x!quant.uniform<u8:f32, 5.000000e-01>>}}
  %q = quant.qcast %x : tensor<*xf32> to tensor<*x!quant.uniform<u8:f32, 0.5>>
  %d = quant.dcast %q : tensor<*x!quant.uniform<u8:f32, 0.5>> to tensor<*xf32>
  return %d : tensor<*xf32>
}

// -----
func.func @any(%x: tensor<4xi8>) -> tensor<4xf32> {
  // expected-remark @below {{!quant.any<i8:f32> is not a quant.uniform type}}
  %q = quant.scast %x : tensor<4xi8> to tensor<4x!quant.any<i8:f32>>
  %d = quant.dcast %q : tensor<4x!quant.any<i8:f32>> to tensor<4xf32>
  return %d : tensor<4xf32>
}

// -----
func.func @calibrated(%x: tensor<4x!quant.calibrated<f32<-1.0:1.0>>>) -> tensor<4xf32> {
  // expected-remark @below {{'quant.dcast' stays as it is: !quant.calibrated<f32<-1.000000e+00:1.000000e+00>> is not a quant.uniform type}}
  %d = quant.dcast %x : tensor<4x!quant.calibrated<f32<-1.0:1.0>>> to tensor<4xf32>
  return %d : tensor<4xf32>
}

// -----
// What other operations make or take stays; the rest of the value's users do not.
!q = !quant.uniform<u8:f32, 0.5>
// CHECK-LABEL: @foreign
func.func @foreign(%x: tensor<4xf32>, %y: tensor<4x!q>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4x!q>) {
  // CHECK: %[[Q:.*]] = quant.qcast
  // CHECK: compress.decode
  // CHECK: quant.dcast
  // CHECK: return {{.*}}, %[[Q]]
  %q = quant.qcast %x : tensor<4xf32> to tensor<4x!q>
  %d = quant.dcast %q : tensor<4x!q> to tensor<4xf32>
  // expected-remark @below {{'quant.dcast' stays as it is: its operand is not made by a cast of quant}}
  %e = quant.dcast %y : tensor<4x!q> to tensor<4xf32>
  // expected-remark @below {{'func.return' stays as it is: of operations on quantized tensors only the casts of quant can be converted}}
  return %d, %e, %q : tensor<4xf32>, tensor<4xf32>, tensor<4x!q>
}

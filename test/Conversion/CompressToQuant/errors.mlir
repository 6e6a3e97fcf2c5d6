// RUN: compress-opt %s --convert-compress-to-quant --split-input-file --verify-diagnostics | FileCheck %s
// RUN: not compress-opt %s --convert-compress-to-quant='strict=true' --split-input-file 2>&1 | FileCheck %s --check-prefix=STRICT

// STRICT: error: 'compress.constant' stays as it is: quant.uniform has no equivalent of the encoding 'compress.sparse'
!csr = !compress.tensor<2x4xf32, sparse<csr<i8>, nnz = 2, of = f32>>
// CHECK-LABEL: @encoding
func.func @encoding() -> tensor<2x4xf32> {
  // CHECK: compress.constant
  // CHECK: compress.decode
  // expected-remark @below {{'compress.constant' stays as it is: quant.uniform has no equivalent of the encoding 'compress.sparse'}}
  %w = compress.constant [dense<1.0> : tensor<2xf32>, dense<0> : tensor<2xi8>, dense<[0, 1, 2]> : tensor<3xi32>] : !csr
  %d = compress.decode %w : !csr
  return %d : tensor<2x4xf32>
}

// -----
!f = !compress.tensor<4xf32, quant<f8E4M3FN, group = [*], scale = f32>>
func.func @float_codes(%x: tensor<4xf8E4M3FN>) -> tensor<4xf32> {
  %s = arith.constant dense<0.5> : tensor<1xf32>
  // expected-remark @below {{quant.uniform has no codes of type f8E4M3FN}}
  %w = compress.pack %x, %s : tensor<4xf8E4M3FN>, tensor<1xf32> -> !f
  %d = compress.decode %w : !f
  return %d : tensor<4xf32>
}

// -----
!n = !compress.tensor<4xf32, quant<i8, group = [*], scale = quant<ui8, group = [*], scale = f32>>>
func.func @nested() -> tensor<4xf32> {
  // expected-remark @below {{its scales are encoded themselves}}
  %w = compress.constant [dense<1> : tensor<4xi8>, dense<1> : tensor<1xi8>, dense<0.5> : tensor<1xf32>] : !n
  %d = compress.decode %w : !n
  return %d : tensor<4xf32>
}

// -----
!z = !compress.tensor<4xf32, quant<i8, group = [*], scale = f32, zero = f16>>
func.func @float_zero() -> tensor<4xf32> {
  // expected-remark @below {{its zero points are not plain integers}}
  %w = compress.constant [dense<1> : tensor<4xi8>, dense<0.5> : tensor<1xf32>, dense<0.5> : tensor<1xf16>] : !z
  %d = compress.decode %w : !z
  return %d : tensor<4xf32>
}

// -----
!w = !compress.tensor<4xf32, quant<ui8, group = [*], scale = f32, zero = i32>>
func.func @wide_zero() -> tensor<4xf32> {
  // expected-remark @below {{zero point 300 is not a value of ui8}}
  %w = compress.constant [dense<1> : tensor<4xi8>, dense<0.5> : tensor<1xf32>, dense<300> : tensor<1xi32>] : !w
  %d = compress.decode %w : !w
  return %d : tensor<4xf32>
}

// -----
!t = !compress.tensor<5xf32, quant<i8, group = [2], scale = f32>>
func.func @tail() -> tensor<5xf32> {
  // expected-remark @below {{groups of 2 do not divide axis 0 of size 5}}
  %w = compress.constant [dense<1> : tensor<5xi8>, dense<0.5> : tensor<3xf32>] : !t
  %d = compress.decode %w : !t
  return %d : tensor<5xf32>
}

// -----
!u = !compress.tensor<?xf32, quant<i8, group = [2], scale = f32>>
func.func @unknown_size(%x: tensor<?xf32>, %s: tensor<?xf32>) -> tensor<?xf32> {
  // expected-remark @below {{groups of 2 may not divide axis 0, whose size is unknown}}
  %w = compress.encode %x params(%s : tensor<?xf32>) : tensor<?xf32> -> !u
  %d = compress.decode %w : !u
  return %d : tensor<?xf32>
}

// -----
!q = !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
func.func @negative_scale() -> tensor<4xf32> {
  // expected-remark @below {{quant.uniform needs positive, finite scales, found -5.000000e-01}}
  %w = compress.constant [dense<1> : tensor<4xi8>, dense<-0.5> : tensor<1xf32>] : !q
  %d = compress.decode %w : !q
  return %d : tensor<4xf32>
}

// -----
!h = !compress.tensor<4xf16, quant<i8, group = [*], scale = f32>>
func.func @inexact_scale() -> tensor<4xf16> {
  // expected-remark @below {{is not exact in f16, in which quant.uniform computes}}
  %w = compress.constant [dense<1> : tensor<4xi8>, dense<0.1> : tensor<1xf32>] : !h
  %d = compress.decode %w : !h
  return %d : tensor<4xf16>
}

// -----
!e = !compress.tensor<0x4xf32, quant<i8, group = [1, *], scale = f32>>
func.func @empty() -> tensor<0x4xf32> {
  // expected-remark @below {{quant.uniform cannot describe an empty tensor}}
  %w = compress.constant [dense<> : tensor<0x4xi8>, dense<> : tensor<0x1xf32>] : !e
  %d = compress.decode %w : !e
  return %d : tensor<0x4xf32>
}

// -----
!q = !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
func.func @dynamic(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-remark @below {{its scales are computed from the values at run time}}
  %w = compress.encode %x : tensor<4xf32> -> !q
  %d = compress.decode %w : !q
  return %d : tensor<4xf32>
}

// -----
!q = !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
func.func @computed_scale(%c: tensor<4xi8>, %s: tensor<1xf32>) -> tensor<4xf32> {
  // expected-remark @below {{its scales or zero points are not constants}}
  %w = compress.pack %c, %s : tensor<4xi8>, tensor<1xf32> -> !q
  %d = compress.decode %w : !q
  return %d : tensor<4xf32>
}

// -----
!q = !compress.tensor<4x2xf32, quant<i8, group = [*, *], scale = f32>>
// CHECK-LABEL: @other_users
func.func @other_users(%i: tensor<3xi64>, %a: !q) -> (tensor<3x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>) {
  // CHECK: quant.scast
  // CHECK: compress.constant
  // CHECK: compress.gather
  // CHECK: quant.dcast
  %w = compress.constant [dense<1> : tensor<4x2xi8>, dense<0.5> : tensor<1x1xf32>] : !q
  // expected-remark @below {{'compress.gather' stays as it is: quant has no such operation on quantized tensors}}
  %g = compress.gather %w[%i] axis = 0 : !q, tensor<3xi64> -> tensor<3x2xf32>
  %d = compress.decode %w : !q
  // expected-remark @below {{'compress.decode' stays as it is: its operand is a block argument, whose scales are not known}}
  %e = compress.decode %a : !q
  return %g, %d, %e : tensor<3x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>
}

// RUN: compress-opt %s --convert-compress-to-sparse-tensor --split-input-file --verify-diagnostics | FileCheck %s
// RUN: not compress-opt %s --convert-compress-to-sparse-tensor='strict=true' --split-input-file 2>&1 | FileCheck %s --check-prefix=STRICT

// STRICT: error: 'compress.constant' stays as it is: sparse_tensor has no equivalent of 'bitmask'; cast to 'csr' first
!bitmask = !compress.tensor<2x2xf32, sparse<bitmask, nnz = 1, of = f32>>
// CHECK-LABEL: @bitmask
func.func @bitmask() -> tensor<2x2xf32> {
  // CHECK: compress.constant
  // CHECK: compress.decode
  // expected-remark @below {{'compress.constant' stays as it is: sparse_tensor has no equivalent of 'bitmask'; cast to 'csr' first}}
  %w = compress.constant [dense<1.0> : tensor<1xf32>, dense<[[false, true], [false, false]]> : tensor<2x2xi1>] : !bitmask
  %d = compress.decode %w : !bitmask
  return %d : tensor<2x2xf32>
}

// -----
!columns = !compress.tensor<3x2xf32, sparse<channels<1>, nnz = 1, of = f32>>
func.func @columns() -> tensor<3x2xf32> {
  // expected-remark @below {{sparse_tensor has no equivalent of 'channels' of an axis other than 0; cast to 'csr' first}}
  %w = compress.constant [dense<1.0> : tensor<3x1xf32>, dense<1> : tensor<1xi32>] : !columns
  %d = compress.decode %w : !columns
  return %d : tensor<3x2xf32>
}

// -----
!axis = !compress.tensor<4x2xf32, sparse<nm<2:4, axis = 0>, of = f32>>
func.func @axis() -> tensor<4x2xf32> {
  // expected-remark @below {{sparse_tensor stores n:m blocks along the last axis only, found axis 0}}
  %w = compress.constant [dense<1.0> : tensor<2x2xf32>, dense<[[0, 0], [1, 1]]> : tensor<2x2xi2>] : !axis
  %d = compress.decode %w : !axis
  return %d : tensor<4x2xf32>
}

// -----
!tail = !compress.tensor<1x6xf32, sparse<nm<2:4>, of = f32>>
func.func @tail() -> tensor<1x6xf32> {
  // expected-remark @below {{blocks of 4 do not divide axis 1 of size 6}}
  %w = compress.constant [dense<1.0> : tensor<1x4xf32>, dense<[[0, 1, 0, 1]]> : tensor<1x4xi2>] : !tail
  %d = compress.decode %w : !tail
  return %d : tensor<1x6xf32>
}

// -----
!coded = !compress.tensor<1x4xf32, sparse<csr<i8>, nnz = 1, of = f16>>
func.func @coded() -> tensor<1x4xf32> {
  // expected-remark @below {{its values are encoded themselves; cast to 'of = f32' first}}
  %w = compress.constant [dense<1.0> : tensor<1xf16>, dense<1> : tensor<1xi8>, dense<[0, 1]> : tensor<2xi32>] : !coded
  %d = compress.decode %w : !coded
  return %d : tensor<1x4xf32>
}

// -----
!quant = !compress.tensor<4xf32, quant<i8, group = [*], scale = f32>>
func.func @encoding() -> tensor<4xf32> {
  // expected-remark @below {{sparse_tensor has no equivalent of the encoding 'compress.quant'}}
  %w = compress.constant [dense<1> : tensor<4xi8>, dense<0.5> : tensor<1xf32>] : !quant
  %d = compress.decode %w : !quant
  return %d : tensor<4xf32>
}

// -----
!nm = !compress.tensor<1x4xf32, sparse<nm<2:4>, of = f32>>
func.func @pack(%v: tensor<1x2xf32>, %p: tensor<1x2xi2>) -> tensor<1x4xf32> {
  // expected-remark @below {{its components are not constants, and only those of 'csr' can be assembled as they are}}
  %w = compress.pack %v, %p : tensor<1x2xf32>, tensor<1x2xi2> -> !nm
  %d = compress.decode %w : !nm
  return %d : tensor<1x4xf32>
}

// -----
!csr = !compress.tensor<1x4xf32, sparse<csr<i8>, nnz = 1, of = f32>>
func.func @other(%a: !csr, %i: tensor<2xi64>) -> (tensor<1x4xf32>, tensor<2x4xf32>) {
  // expected-remark @below {{'compress.decode' stays as it is: its operand is a block argument, whose payload is not known}}
  %d = compress.decode %a : !csr
  %w = compress.constant [dense<1.0> : tensor<1xf32>, dense<1> : tensor<1xi8>, dense<[0, 1]> : tensor<2xi32>] : !csr
  // expected-remark @below {{'compress.gather' stays as it is: sparse_tensor has no such operation}}
  %g = compress.gather %w[%i] axis = 0 : !csr, tensor<2xi64> -> tensor<2x4xf32>
  return %d, %g : tensor<1x4xf32>, tensor<2x4xf32>
}

// RUN: compress-opt %s | compress-opt | FileCheck %s
// RUN: compress-opt %s --emit-bytecode | compress-opt | FileCheck %s

// CHECK-LABEL: @patterns
// CHECK-SAME: !compress.tensor<64x128xf32, sparse<bitmask, nnz = 819, of = f16>>
// CHECK-SAME: !compress.tensor<64x128xf32, sparse<csr<i16>, nnz = 819, of = f32>>
// CHECK-SAME: !compress.tensor<64x128xf32, sparse<nm<2:4>, of = f32>>
// CHECK-SAME: !compress.tensor<64x128xf32, sparse<nm<3:7, axis = 0>, of = f32>>
// CHECK-SAME: !compress.tensor<64x128xf32, sparse<block<4x16>, nnz = 7, of = f32>>
// CHECK-SAME: !compress.tensor<64x128xf32, sparse<channels<0>, nnz = 48, of = f32>>
func.func private @patterns(
  !compress.tensor<64x128xf32, sparse<bitmask, nnz = 819, of = f16>>,
  !compress.tensor<64x128xf32, sparse<csr<i16>, nnz = 819, of = f32>>,
  !compress.tensor<64x128xf32, sparse<nm<2:4>, of = dense<f32>>>,
  !compress.tensor<64x128xf32, sparse<nm<3:7, axis = 0>, of = f32>>,
  !compress.tensor<64x128xf32, #compress.sparse<block<4x16>, nnz = 7, of = f32>>,
  !compress.tensor<64x128xf32, sparse<channels<0>, nnz = 48, of = f32>>)

// Any rank, empty tensors, any element type, and sizes to be found.
// CHECK-LABEL: @shapes
// CHECK-SAME: !compress.tensor<f32, sparse<bitmask, nnz = 1, of = f32>>
// CHECK-SAME: !compress.tensor<256xi8, sparse<csr<i8>, nnz = 0, of = i4>>
// CHECK-SAME: !compress.tensor<0x3xf64, sparse<block<2x2>, nnz = 0, of = f64>>
// CHECK-SAME: !compress.tensor<2x3x4x5xbf16, sparse<channels<3>, nnz = ?, of = bf16>>
// CHECK-SAME: !compress.tensor<4x4xf32, sparse<bitmask, nnz = 9, of = sparse<csr<i8>, nnz = ?, of = f16>>>
func.func private @shapes(
  !compress.tensor<f32, sparse<bitmask, nnz = 1, of = f32>>,
  !compress.tensor<256xi8, sparse<csr<i8>, nnz = 0, of = i4>>,
  !compress.tensor<0x3xf64, sparse<block<2x2>, nnz = 0, of = f64>>,
  !compress.tensor<2x3x4x5xbf16, sparse<channels<3>, nnz = ?, of = bf16>>,
  !compress.tensor<4x4xf32, sparse<bitmask, nnz = 9, of = sparse<csr<i8>, nnz = ?, of = f16>>>)

// CHECK-LABEL: @nested
// CHECK-SAME: sparse<csr<i16>, nnz = 819, of = quant<i8, group = [*], scale = f32>>
// CHECK-SAME: sparse<nm<2:4>, of = quant<i4, group = [1, 32], scale = f16>>
// CHECK-SAME: sparse<block<4x16>, nnz = ?, of = quant<i8, group = [1, *, *], scale = f32>>
// CHECK-SAME: sparse<channels<1>, nnz = 12, of = sparse<nm<1:2, axis = 0>, of = f16>>
func.func private @nested(
  !compress.tensor<64x128xf32, sparse<csr<i16>, nnz = 819, of = quant<i8, group = [*], scale = f32>>>,
  !compress.tensor<64x128xf32, sparse<nm<2:4>, of = quant<i4, group = [1, 32], scale = f16>>>,
  !compress.tensor<64x128xf32, sparse<block<4x16>, nnz = ?, of = quant<i8, group = [1, *, *], scale = f32>>>,
  !compress.tensor<64x128xf32, sparse<channels<1>, nnz = 12, of = sparse<nm<1:2, axis = 0>, of = f16>>>)

// The components: values, then positions.
// CHECK-LABEL: @components
func.func @components(
    %a: !compress.tensor<5x9xf32, sparse<bitmask, nnz = 7, of = f16>>,
    %b: !compress.tensor<5x9xf32, sparse<csr<i8>, nnz = 7, of = quant<i8, group = [*], scale = f32>>>,
    %c: !compress.tensor<5x9xf32, sparse<nm<2:5>, of = f32>>,
    %d: !compress.tensor<5x9xf32, sparse<block<2x4>, nnz = 3, of = f32>>,
    %e: !compress.tensor<5x9xf32, sparse<channels<1>, nnz = 2, of = f32>>) {
  // CHECK: -> tensor<7xf16>, tensor<5x9xi1>
  compress.unpack %a : !compress.tensor<5x9xf32, sparse<bitmask, nnz = 7, of = f16>> -> tensor<7xf16>, tensor<5x9xi1>
  // CHECK: -> !compress.tensor<7xf32, {{.*}}>, tensor<7xi8>, tensor<6xi32>
  compress.unpack %b : !compress.tensor<5x9xf32, sparse<csr<i8>, nnz = 7, of = quant<i8, group = [*], scale = f32>>>
    -> !compress.tensor<7xf32, quant<i8, group = [*], scale = f32>>, tensor<7xi8>, tensor<6xi32>
  // CHECK: -> tensor<5x4xf32>, tensor<5x4xi3>
  compress.unpack %c : !compress.tensor<5x9xf32, sparse<nm<2:5>, of = f32>> -> tensor<5x4xf32>, tensor<5x4xi3>
  // CHECK: -> tensor<3x2x4xf32>, tensor<3x3xi1>
  compress.unpack %d : !compress.tensor<5x9xf32, sparse<block<2x4>, nnz = 3, of = f32>> -> tensor<3x2x4xf32>, tensor<3x3xi1>
  // CHECK: -> tensor<5x2xf32>, tensor<2xi32>
  compress.unpack %e : !compress.tensor<5x9xf32, sparse<channels<1>, nnz = 2, of = f32>> -> tensor<5x2xf32>, tensor<2xi32>
  return
}

// CHECK-LABEL: @constant
func.func @constant() -> !compress.tensor<2x4xf32, sparse<csr<i8>, nnz = 3, of = f32>> {
  %0 = compress.constant [dense<[1.0, 2.0, 3.0]> : tensor<3xf32>, dense<[0, 3, 1]> : tensor<3xi8>, dense<[0, 2, 3]> : tensor<3xi32>]
    : !compress.tensor<2x4xf32, sparse<csr<i8>, nnz = 3, of = f32>>
  return %0 : !compress.tensor<2x4xf32, sparse<csr<i8>, nnz = 3, of = f32>>
}

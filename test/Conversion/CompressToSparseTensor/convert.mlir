// RUN: compress-opt %s --convert-compress-to-sparse-tensor='strict=true' --split-input-file --mlir-print-local-scope | FileCheck %s
// RUN: compress-opt %s --convert-compress-to-sparse-tensor='strict=true sparse-operands=true' --split-input-file | FileCheck %s --check-prefix=OPERANDS

!csr = !compress.tensor<2x4xf32, sparse<csr<i8>, nnz = 3, of = f32>>

// CHECK-LABEL: @csr
// OPERANDS-LABEL: @csr
func.func @csr(%x: tensor<4xf32>, %y: tensor<2xf32>) -> tensor<2xf32> {
  // CHECK-DAG: %[[P:.*]] = arith.constant dense<[0, 2, 3]> : tensor<3xi32>
  // CHECK-DAG: %[[C:.*]] = arith.constant dense<[0, 3, 1]> : tensor<3xi8>
  // CHECK-DAG: %[[V:.*]] = arith.constant dense<[1.500000e+00, 2.500000e+00, -3.000000e+00]> : tensor<3xf32>
  // CHECK: %[[S:.*]] = sparse_tensor.assemble (%[[P]], %[[C]]), %[[V]]
  // CHECK-SAME: map = (d0, d1) -> (d0 : dense, d1 : compressed), posWidth = 32, crdWidth = 8
  // CHECK: %[[D:.*]] = sparse_tensor.convert %[[S]] : {{.*}} to tensor<2x4xf32>
  // CHECK: linalg.matvec ins(%[[D]],
  // OPERANDS: %[[S:.*]] = sparse_tensor.assemble
  // OPERANDS-NEXT: linalg.matvec ins(%[[S]],
  %w = compress.constant [dense<[1.5, 2.5, -3.0]> : tensor<3xf32>, dense<[0, 3, 1]> : tensor<3xi8>, dense<[0, 2, 3]> : tensor<3xi32>] : !csr
  %d = compress.decode %w : !csr
  %r = linalg.matvec ins(%d, %x : tensor<2x4xf32>, tensor<4xf32>) outs(%y : tensor<2xf32>) -> tensor<2xf32>
  return %r : tensor<2xf32>
}

// CHECK-LABEL: @pack
// CHECK-SAME: %[[V:.*]]: tensor<3xf32>, %[[C:.*]]: tensor<3xi8>, %[[P:.*]]: tensor<3xi32>
func.func @pack(%v: tensor<3xf32>, %c: tensor<3xi8>, %p: tensor<3xi32>) -> tensor<2x4xf32> {
  // CHECK: sparse_tensor.assemble (%[[P]], %[[C]]), %[[V]]
  // CHECK-NOT: compress.
  %w = compress.pack %v, %c, %p : tensor<3xf32>, tensor<3xi8>, tensor<3xi32> -> !csr
  %d = compress.decode %w : !csr
  return %d : tensor<2x4xf32>
}

// -----
// A block size of 1 needs no levels of its own.

!block = !compress.tensor<3x4xf32, sparse<block<1x2>, nnz = 2, of = f32>>

// CHECK-LABEL: @block
func.func @block() -> tensor<3x4xf32> {
  // CHECK-DAG: arith.constant dense<[0, 1, 1, 2]> : tensor<4xi32>
  // CHECK-DAG: arith.constant dense<[1, 0]> : tensor<2xi32>
  // CHECK: map = (d0, d1) -> (d0 : dense, d1 floordiv 2 : compressed, d1 mod 2 : dense), posWidth = 32, crdWidth = 32
  %w = compress.constant [dense<[[[1.0, 2.0]], [[3.0, 4.0]]]> : tensor<2x1x2xf32>,
                          dense<[[false, true], [false, false], [true, false]]> : tensor<3x2xi1>] : !block
  %d = compress.decode %w : !block
  return %d : tensor<3x4xf32>
}

// -----

!nm = !compress.tensor<1x6xf32, sparse<nm<1:3>, of = f32>>
!rows = !compress.tensor<3x2xf32, sparse<channels<0>, nnz = 1, of = f32>>

// CHECK-LABEL: @nm_and_rows
func.func @nm_and_rows() -> (tensor<1x6xf32>, tensor<3x2xf32>) {
  // CHECK: arith.constant dense<[2, 1]> : tensor<2xi8>
  // CHECK: map = (d0, d1) -> (d0 : dense, d1 floordiv 3 : dense, d1 mod 3 : structured[1, 3]), crdWidth = 8
  %w = compress.constant [dense<[[1.0, 2.0]]> : tensor<1x2xf32>, dense<[[-2, 1]]> : tensor<1x2xi2>] : !nm
  %d = compress.decode %w : !nm
  // CHECK: arith.constant dense<[0, 1]> : tensor<2xi32>
  // CHECK: arith.constant dense<2> : tensor<1xi32>
  // CHECK: map = (d0, d1) -> (d0 : compressed, d1 : dense), posWidth = 32, crdWidth = 32
  %v = compress.constant [dense<[[1.0, 2.0]]> : tensor<1x2xf32>, dense<2> : tensor<1xi32>] : !rows
  %e = compress.decode %v : !rows
  return %d, %e : tensor<1x6xf32>, tensor<3x2xf32>
}

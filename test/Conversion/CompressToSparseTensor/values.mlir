// Upstream's sparsifier computes the same from the converted tensors as we from
// the compressed ones; products loop over what is stored.
//
// DEFINE: %{run} = mlir-opt --sparsifier="enable-runtime-library=false" | mlir-runner -e main --entry-point-result=void --shared-libs=%mlir_runner_libs
//
// RUN: compress-opt %s --compress-lower-encodings | %{run} | FileCheck %s
// RUN: compress-opt %s --convert-compress-to-sparse-tensor='strict=true' | %{run} | FileCheck %s
// RUN: compress-opt %s --convert-compress-to-sparse-tensor='strict=true sparse-operands=true' | %{run} | FileCheck %s
// RUN: compress-opt %s --convert-compress-to-sparse-tensor='sparse-operands=true' \
// RUN:   | mlir-opt --linalg-generalize-named-ops --sparse-reinterpret-map --sparsification | FileCheck %s --check-prefix=LOOPS

!csr = !compress.tensor<2x4xf32, sparse<csr<i8>, nnz = 3, of = f32>>
!block = !compress.tensor<4x6xf32, sparse<block<2x3>, nnz = 2, of = f32>>
!nm = !compress.tensor<2x8xf32, sparse<nm<2:4>, of = f32>>
!rows = !compress.tensor<3x2xf32, sparse<channels<0>, nnz = 2, of = f32>>

func.func private @printMemrefF32(%ptr : tensor<*xf32>) attributes {llvm.emit_c_interface}

func.func @main() {
  %zero = arith.constant 0.0 : f32
  %x = arith.constant dense<[1.0, 10.0, 100.0, 1000.0]> : tensor<4xf32>
  %y = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>

  // LOOPS: sparse_tensor.positions {{.*}} {level = 1 : index}
  // LOOPS: scf.for
  // LOOPS: scf.for
  // LOOPS: arith.mulf
  // CHECK: [2501.5, -29.75]
  %w = compress.constant [dense<[1.0, 2.5, -3.0]> : tensor<3xf32>, dense<[0, 3, 1]> : tensor<3xi8>, dense<[0, 2, 3]> : tensor<3xi32>] : !csr
  %d = compress.decode %w : !csr
  %r = linalg.matvec ins(%d, %x : tensor<2x4xf32>, tensor<4xf32>) outs(%y : tensor<2xf32>) -> tensor<2xf32>
  %u = tensor.cast %r : tensor<2xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()

  // CHECK: {{\[\[}}0,   0,   0,   1,   2,   3],
  // CHECK-NEXT: [0,   0,   0,   4,   5,   6],
  // CHECK-NEXT: [7,   8,   9,   0,   0,   0],
  // CHECK-NEXT: [10,   11,   12,   0,   0,   0]]
  %b = compress.constant [dense<[[[1., 2., 3.], [4., 5., 6.]], [[7., 8., 9.], [10., 11., 12.]]]> : tensor<2x2x3xf32>,
                          dense<[[false, true], [true, false]]> : tensor<2x2xi1>] : !block
  %bd = compress.decode %b : !block
  %bu = tensor.cast %bd : tensor<4x6xf32> to tensor<*xf32>
  call @printMemrefF32(%bu) : (tensor<*xf32>) -> ()

  // CHECK: {{\[\[}}1,   0,   0,   2,   0,   3,   4,   0],
  // CHECK-NEXT: [0,   0,   5,   6,   7,   8,   0,   0]]
  %n = compress.constant [dense<[[1., 2., 3., 4.], [5., 6., 7., 8.]]> : tensor<2x4xf32>,
                          dense<[[0, -1, 1, -2], [-2, -1, 0, 1]]> : tensor<2x4xi2>] : !nm
  %nd = compress.decode %n : !nm
  %nu = tensor.cast %nd : tensor<2x8xf32> to tensor<*xf32>
  call @printMemrefF32(%nu) : (tensor<*xf32>) -> ()

  // CHECK: {{\[\[}}1,   2],
  // CHECK-NEXT: [0,   0],
  // CHECK-NEXT: [3,   4]]
  %k = compress.constant [dense<[[1., 2.], [3., 4.]]> : tensor<2x2xf32>, dense<[0, 2]> : tensor<2xi32>] : !rows
  %kd = compress.decode %k : !rows
  %ku = tensor.cast %kd : tensor<3x2xf32> to tensor<*xf32>
  call @printMemrefF32(%ku) : (tensor<*xf32>) -> ()
  return
}

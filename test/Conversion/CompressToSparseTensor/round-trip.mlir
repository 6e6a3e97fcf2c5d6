// There and back again is the same program, in both directions.
//
// RUN: split-file %s %t
// RUN: compress-opt %t/sparse.mlir > %t/sparse
// RUN: compress-opt %t/sparse.mlir --convert-sparse-tensor-to-compress='strict=true' --convert-compress-to-sparse-tensor='strict=true' > %t/sparse.back
// RUN: diff %t/sparse %t/sparse.back
// RUN: compress-opt %t/compress.mlir > %t/compress
// RUN: compress-opt %t/compress.mlir --convert-compress-to-sparse-tensor='strict=true' --convert-sparse-tensor-to-compress='strict=true' > %t/compress.back
// RUN: diff %t/compress %t/compress.back

//--- sparse.mlir
#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed), posWidth = 32, crdWidth = 16 }>
#BSR = #sparse_tensor.encoding<{ map = (i, j) -> (i floordiv 2 : dense, j floordiv 3 : compressed, i mod 2 : dense, j mod 3 : dense), posWidth = 32, crdWidth = 32 }>
#NM = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j floordiv 4 : dense, j mod 4 : structured[2, 4]), crdWidth = 8 }>
#Rows = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : dense), posWidth = 32, crdWidth = 32 }>
func.func @f() -> (tensor<2x4xf32>, tensor<4x6xbf16>, tensor<1x8xf64>, tensor<3x2xi8>) {
  %p = arith.constant dense<[0, 2, 3]> : tensor<3xi32>
  %c = arith.constant dense<[0, 3, 1]> : tensor<3xi16>
  %v = arith.constant dense<[1.5, 2.5, -3.0]> : tensor<3xf32>
  %s = sparse_tensor.assemble (%p, %c), %v : (tensor<3xi32>, tensor<3xi16>), tensor<3xf32> to tensor<2x4xf32, #CSR>
  %d = sparse_tensor.convert %s : tensor<2x4xf32, #CSR> to tensor<2x4xf32>
  %bp = arith.constant dense<[0, 1, 2]> : tensor<3xi32>
  %bc = arith.constant dense<[1, 0]> : tensor<2xi32>
  %bv = arith.constant dense<[1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12.]> : tensor<12xbf16>
  %bs = sparse_tensor.assemble (%bp, %bc), %bv : (tensor<3xi32>, tensor<2xi32>), tensor<12xbf16> to tensor<4x6xbf16, #BSR>
  %bd = sparse_tensor.convert %bs : tensor<4x6xbf16, #BSR> to tensor<4x6xbf16>
  %nc = arith.constant dense<[0, 3, 1, 2]> : tensor<4xi8>
  %nv = arith.constant dense<[1., 2., 3., 4.]> : tensor<4xf64>
  %ns = sparse_tensor.assemble (%nc), %nv : (tensor<4xi8>), tensor<4xf64> to tensor<1x8xf64, #NM>
  %nd = sparse_tensor.convert %ns : tensor<1x8xf64, #NM> to tensor<1x8xf64>
  %cp = arith.constant dense<[0, 2]> : tensor<2xi32>
  %cc = arith.constant dense<[0, 2]> : tensor<2xi32>
  %cv = arith.constant dense<[1, 2, -3, -4]> : tensor<4xi8>
  %cs = sparse_tensor.assemble (%cp, %cc), %cv : (tensor<2xi32>, tensor<2xi32>), tensor<4xi8> to tensor<3x2xi8, #Rows>
  %cd = sparse_tensor.convert %cs : tensor<3x2xi8, #Rows> to tensor<3x2xi8>
  return %d, %bd, %nd, %cd : tensor<2x4xf32>, tensor<4x6xbf16>, tensor<1x8xf64>, tensor<3x2xi8>
}

//--- compress.mlir
!csr = !compress.tensor<2x2x3xf16, sparse<csr<i8>, nnz = 3, of = f16>>
!block = !compress.tensor<4x4xf32, sparse<block<2x1>, nnz = 2, of = f32>>
!nm = !compress.tensor<2x6xf32, sparse<nm<1:3>, of = f32>>
!rows = !compress.tensor<3x2xf32, sparse<channels<0>, nnz = 1, of = f32>>
func.func @f() -> (tensor<2x2x3xf16>, tensor<4x4xf32>, tensor<2x6xf32>, tensor<3x2xf32>) {
  %0 = compress.constant [dense<[1.0, 2.0, 3.0]> : tensor<3xf16>, dense<[0, 2, 1]> : tensor<3xi8>, dense<[0, 2, 2, 3, 3]> : tensor<5xi32>] : !csr
  %d0 = compress.decode %0 : !csr
  %1 = compress.constant [dense<[[[1.0], [2.0]], [[3.0], [4.0]]]> : tensor<2x2x1xf32>,
                          dense<[[false, true, false, false], [false, false, false, true]]> : tensor<2x4xi1>] : !block
  %d1 = compress.decode %1 : !block
  %2 = compress.constant [dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>, dense<[[-2, 1], [0, 0]]> : tensor<2x2xi2>] : !nm
  %d2 = compress.decode %2 : !nm
  %3 = compress.constant [dense<[[1.0, 2.0]]> : tensor<1x2xf32>, dense<2> : tensor<1xi32>] : !rows
  %d3 = compress.decode %3 : !rows
  return %d0, %d1, %d2, %d3 : tensor<2x2x3xf16>, tensor<4x4xf32>, tensor<2x6xf32>, tensor<3x2xf32>
}

// RUN: compress-opt %s --convert-sparse-tensor-to-compress='strict=true' --split-input-file | FileCheck %s

#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed), posWidth = 32, crdWidth = 8 }>

// CHECK-LABEL: @csr
func.func @csr() -> tensor<2x4xf32> {
  // CHECK: %[[W:.*]] = compress.constant [dense<[1.500000e+00, 2.500000e+00, -3.000000e+00]> : tensor<3xf32>,
  // CHECK-SAME: dense<[0, 3, 1]> : tensor<3xi8>, dense<[0, 2, 3]> : tensor<3xi32>] : <2x4xf32, sparse<csr<i8>, nnz = 3, of = f32>>
  // CHECK-NEXT: compress.decode %[[W]]
  // CHECK-NEXT: return
  %p = arith.constant dense<[0, 2, 3]> : tensor<3xi32>
  %c = arith.constant dense<[0, 3, 1]> : tensor<3xi8>
  %v = arith.constant dense<[1.5, 2.5, -3.0]> : tensor<3xf32>
  %s = sparse_tensor.assemble (%p, %c), %v : (tensor<3xi32>, tensor<3xi8>), tensor<3xf32> to tensor<2x4xf32, #CSR>
  %d = sparse_tensor.convert %s : tensor<2x4xf32, #CSR> to tensor<2x4xf32>
  return %d : tensor<2x4xf32>
}

// CHECK-LABEL: @computed
// CHECK-SAME: %[[P:.*]]: tensor<3xi32>, %[[C:.*]]: tensor<5xi8>, %[[V:.*]]: tensor<5xf32>
func.func @computed(%p: tensor<3xi32>, %c: tensor<5xi8>, %v: tensor<5xf32>) -> tensor<2x4xf32> {
  // CHECK: compress.pack %[[V]], %[[C]], %[[P]] : {{.*}} -> <2x4xf32, sparse<csr<i8>, nnz = 5, of = f32>>
  // CHECK: compress.decode
  %s = sparse_tensor.assemble (%p, %c), %v : (tensor<3xi32>, tensor<5xi8>), tensor<5xf32> to tensor<2x4xf32, #CSR>
  %d = sparse_tensor.convert %s : tensor<2x4xf32, #CSR> to tensor<2x4xf32>
  return %d : tensor<2x4xf32>
}

// A weight in a matrix product, made sparse from a list of nonzeros.
// CHECK-LABEL: @matvec
func.func @matvec(%x: tensor<4xf32>, %y: tensor<2xf32>) -> tensor<2xf32> {
  // CHECK: %[[W:.*]] = compress.constant [dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, dense<[3, 0]> : tensor<2xi8>, dense<[0, 1, 2]> : tensor<3xi32>]
  // CHECK: %[[D:.*]] = compress.decode %[[W]]
  // CHECK: linalg.matvec ins(%[[D]],
  %l = arith.constant sparse<[[0, 3], [1, 0]], [1.0, 2.0]> : tensor<2x4xf32>
  %s = sparse_tensor.convert %l : tensor<2x4xf32> to tensor<2x4xf32, #CSR>
  %r = linalg.matvec ins(%s, %x : tensor<2x4xf32, #CSR>, tensor<4xf32>) outs(%y : tensor<2xf32>) -> tensor<2xf32>
  return %r : tensor<2xf32>
}

// CHECK-LABEL: @disassemble
func.func @disassemble(%op: tensor<3xi32>, %oc: tensor<2xi8>, %ov: tensor<2xf32>) -> (tensor<3xi32>, tensor<2xi8>, tensor<2xf32>, index, index, index) {
  // CHECK-DAG: %[[P:.*]] = arith.constant dense<[0, 1, 2]> : tensor<3xi32>
  // CHECK-DAG: %[[C:.*]] = arith.constant dense<[3, 0]> : tensor<2xi8>
  // CHECK-DAG: %[[V:.*]] = arith.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
  // CHECK: return %[[P]], %[[C]], %[[V]], %c3, %c2, %c2
  %l = arith.constant dense<[[0.0, 0.0, 0.0, 1.0], [2.0, 0.0, 0.0, 0.0]]> : tensor<2x4xf32>
  %s = sparse_tensor.convert %l : tensor<2x4xf32> to tensor<2x4xf32, #CSR>
  %p, %c, %v, %pl, %cl, %vl = sparse_tensor.disassemble %s : tensor<2x4xf32, #CSR>
    out_lvls(%op, %oc : tensor<3xi32>, tensor<2xi8>) out_vals(%ov : tensor<2xf32>) -> (tensor<3xi32>, tensor<2xi8>), tensor<2xf32>, (index, index), index
  return %p, %c, %v, %pl, %cl, %vl : tensor<3xi32>, tensor<2xi8>, tensor<2xf32>, index, index, index
}

// -----
// Native widths become i32.

#Native = #sparse_tensor.encoding<{ map = (i, j, k) -> (i : dense, j : dense, k : compressed) }>

// CHECK-LABEL: @native
func.func @native() -> tensor<?x2x4xi32> {
  // CHECK: compress.constant [dense<[5, -6]> : tensor<2xi32>, dense<[3, 1]> : tensor<2xi32>, dense<[0, 1, 1, 2, 2]> : tensor<5xi32>]
  // CHECK-SAME: <2x2x4xi32, sparse<csr<i32>, nnz = 2, of = i32>>
  // CHECK: tensor.cast %{{.*}} : tensor<2x2x4xi32> to tensor<?x2x4xi32>
  %p = arith.constant dense<[0, 1, 1, 2, 2]> : tensor<5xindex>
  %c = arith.constant dense<[3, 1]> : tensor<2xindex>
  %v = arith.constant dense<[5, -6]> : tensor<2xi32>
  %s = sparse_tensor.assemble (%p, %c), %v : (tensor<5xindex>, tensor<2xindex>), tensor<2xi32> to tensor<2x2x4xi32, #Native>
  %d = sparse_tensor.convert %s : tensor<2x2x4xi32, #Native> to tensor<?x2x4xi32>
  return %d : tensor<?x2x4xi32>
}

// -----

#BSR = #sparse_tensor.encoding<{ map = (i, j) -> (i floordiv 2 : dense, j floordiv 3 : compressed, i mod 2 : dense, j mod 3 : dense) }>

// CHECK-LABEL: @bsr
func.func @bsr() -> tensor<4x6xf16> {
  // CHECK: compress.constant [dense<[{{\[}}[1.000000e+00, 2.000000e+00, 3.000000e+00], [4.000000e+00, 5.000000e+00, 6.000000e+00]]]> : tensor<1x2x3xf16>,
  // CHECK-SAME: dense<{{\[\[}}false, false], [true, false]]> : tensor<2x2xi1>] : <4x6xf16, sparse<block<2x3>, nnz = 1, of = f16>>
  %p = arith.constant dense<[0, 0, 1]> : tensor<3xindex>
  %c = arith.constant dense<0> : tensor<1xindex>
  %v = arith.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]> : tensor<6xf16>
  %s = sparse_tensor.assemble (%p, %c), %v : (tensor<3xindex>, tensor<1xindex>), tensor<6xf16> to tensor<4x6xf16, #BSR>
  %d = sparse_tensor.convert %s : tensor<4x6xf16, #BSR> to tensor<4x6xf16>
  return %d : tensor<4x6xf16>
}

// -----
// Coordinates of structured levels count within their block; -1 is 3 in two bits.

#NM = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j floordiv 4 : dense, j mod 4 : structured[2, 4]), crdWidth = 8 }>

// CHECK-LABEL: @nm
func.func @nm() -> (tensor<1x8xf32>, tensor<1x8xf32>) {
  // CHECK: compress.constant [dense<{{\[\[}}1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00]]> : tensor<1x4xf32>,
  // CHECK-SAME: dense<{{\[\[}}0, -1, 1, -2]]> : tensor<1x4xi2>] : <1x8xf32, sparse<nm<2:4>, of = f32>>
  // CHECK: compress.constant [dense<{{\[\[}}1.000000e+00, 2.000000e+00, 0.000000e+00, 4.000000e+00]]>
  %c = arith.constant dense<[0, 3, 1, 2]> : tensor<4xi8>
  %v = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %s = sparse_tensor.assemble (%c), %v : (tensor<4xi8>), tensor<4xf32> to tensor<1x8xf32, #NM>
  %d = sparse_tensor.convert %s : tensor<1x8xf32, #NM> to tensor<1x8xf32>
  %l = arith.constant dense<[[1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 4.0]]> : tensor<1x8xf32>
  %t = sparse_tensor.convert %l : tensor<1x8xf32> to tensor<1x8xf32, #NM>
  %e = sparse_tensor.convert %t : tensor<1x8xf32, #NM> to tensor<1x8xf32>
  return %d, %e : tensor<1x8xf32>, tensor<1x8xf32>
}

// -----

#Rows = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : dense), posWidth = 16, crdWidth = 8 }>

// CHECK-LABEL: @rows
func.func @rows() -> tensor<3x2xf32> {
  // CHECK: compress.constant [dense_resource<{{.*}}> : tensor<2x2xf32>, dense_resource<{{.*}}> : tensor<2xi32>] : <3x2xf32, sparse<channels<0>, nnz = 2, of = f32>>
  %p = arith.constant dense<[0, 2]> : tensor<2xi16>
  %c = arith.constant dense<[0, 2]> : tensor<2xi8>
  %v = arith.constant dense_resource<values> : tensor<4xf32>
  %s = sparse_tensor.assemble (%p, %c), %v : (tensor<2xi16>, tensor<2xi8>), tensor<4xf32> to tensor<3x2xf32, #Rows>
  %d = sparse_tensor.convert %s : tensor<3x2xf32, #Rows> to tensor<3x2xf32>
  return %d : tensor<3x2xf32>
}

{-# dialect_resources: { builtin: { values: "0x040000000000803F000000400000404000008040" } } #-}

// RUN: compress-opt %s --convert-sparse-tensor-to-compress --split-input-file --verify-diagnostics | FileCheck %s
// RUN: not compress-opt %s --convert-sparse-tensor-to-compress='strict=true' --split-input-file 2>&1 | FileCheck %s --check-prefix=STRICT

// STRICT: error: 'sparse_tensor.convert' stays as it is: its levels have no sparse pattern
#CSC = #sparse_tensor.encoding<{ map = (i, j) -> (j : dense, i : compressed) }>
// CHECK-LABEL: @csc
func.func @csc() -> tensor<2x2xf32> {
  // CHECK-COUNT-2: sparse_tensor.convert
  %c = arith.constant dense<1.0> : tensor<2x2xf32>
  // expected-remark @below {{its levels have no sparse pattern; those of CSR (csr), BSR (block), structured[n, m] (nm) and compressed rows (channels<0>) do, each ordered and unique}}
  %s = sparse_tensor.convert %c : tensor<2x2xf32> to tensor<2x2xf32, #CSC>
  %d = sparse_tensor.convert %s : tensor<2x2xf32, #CSC> to tensor<2x2xf32>
  return %d : tensor<2x2xf32>
}

// -----
#DCSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
func.func @dcsr(%c: tensor<2x2xf32>) -> tensor<2x2xf32> {
  // expected-remark @below {{its levels have no sparse pattern}}
  %s = sparse_tensor.convert %c : tensor<2x2xf32> to tensor<2x2xf32, #DCSR>
  %d = sparse_tensor.convert %s : tensor<2x2xf32, #DCSR> to tensor<2x2xf32>
  return %d : tensor<2x2xf32>
}

// -----
#Unordered = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed(nonordered)) }>
func.func @unordered(%c: tensor<2x2xf32>) -> tensor<2x2xf32> {
  // expected-remark @below {{its levels have no sparse pattern}}
  %s = sparse_tensor.convert %c : tensor<2x2xf32> to tensor<2x2xf32, #Unordered>
  %d = sparse_tensor.convert %s : tensor<2x2xf32, #Unordered> to tensor<2x2xf32>
  return %d : tensor<2x2xf32>
}

// -----
#Mixed = #sparse_tensor.encoding<{ map = (i, j) -> (i floordiv 2 : compressed, j floordiv 2 : compressed, i mod 2 : dense, j mod 2 : dense) }>
func.func @mixed(%c: tensor<2x2xf32>) -> tensor<2x2xf32> {
  // expected-remark @below {{its levels have no sparse pattern}}
  %s = sparse_tensor.convert %c : tensor<2x2xf32> to tensor<2x2xf32, #Mixed>
  %d = sparse_tensor.convert %s : tensor<2x2xf32, #Mixed> to tensor<2x2xf32>
  return %d : tensor<2x2xf32>
}

// -----
#Explicit = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed), explicitVal = 1.0 : f32 }>
func.func @explicit(%c: tensor<2x2xf32>) -> tensor<2x2xf32> {
  // expected-remark @below {{a compressed tensor has no explicit value}}
  %s = sparse_tensor.convert %c : tensor<2x2xf32> to tensor<2x2xf32, #Explicit>
  %d = sparse_tensor.convert %s : tensor<2x2xf32, #Explicit> to tensor<2x2xf32>
  return %d : tensor<2x2xf32>
}

// -----
#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed), posWidth = 32, crdWidth = 8 }>
func.func @narrow(%p: tensor<3xi32>, %c: tensor<5xi8>, %v: tensor<5xf32>) -> tensor<2x400xf32> {
  // expected-remark @below {{coordinates of 8 bits cannot index a last dimension of size 400}}
  %s = sparse_tensor.assemble (%p, %c), %v : (tensor<3xi32>, tensor<5xi8>), tensor<5xf32> to tensor<2x400xf32, #CSR>
  %d = sparse_tensor.convert %s : tensor<2x400xf32, #CSR> to tensor<2x400xf32>
  return %d : tensor<2x400xf32>
}

// -----
#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed), posWidth = 32, crdWidth = 8 }>
func.func @computed(%c: tensor<2x4xf32>) -> tensor<2x4xf32> {
  // expected-remark @below {{how many values are not zero is only known at run time}}
  %s = sparse_tensor.convert %c : tensor<2x4xf32> to tensor<2x4xf32, #CSR>
  %d = sparse_tensor.convert %s : tensor<2x4xf32, #CSR> to tensor<2x4xf32>
  return %d : tensor<2x4xf32>
}

// -----
#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed) }>
func.func @computed_index(%p: tensor<3xindex>, %c: tensor<5xindex>, %v: tensor<5xf32>) -> tensor<2x4xf32> {
  // expected-remark @below {{its buffers are not constants, and the 'columns' of the pattern have type tensor<5xi32>, found tensor<5xindex>}}
  %s = sparse_tensor.assemble (%p, %c), %v : (tensor<3xindex>, tensor<5xindex>), tensor<5xf32> to tensor<2x4xf32, #CSR>
  %d = sparse_tensor.convert %s : tensor<2x4xf32, #CSR> to tensor<2x4xf32>
  return %d : tensor<2x4xf32>
}

// -----
#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed), posWidth = 32, crdWidth = 8 }>
func.func @payload() -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %v = arith.constant dense<1.0> : tensor<3xf32>
  %p = arith.constant dense<[0, 2, 3]> : tensor<3xi32>
  %c = arith.constant dense<[0, 3, 1]> : tensor<3xi8>
  %p0 = arith.constant dense<[0, 2, 9]> : tensor<3xi32>
  // expected-remark @below {{row_offsets must end at nnz = 3, found 9}}
  %s0 = sparse_tensor.assemble (%p0, %c), %v : (tensor<3xi32>, tensor<3xi8>), tensor<3xf32> to tensor<2x4xf32, #CSR>
  %d0 = sparse_tensor.convert %s0 : tensor<2x4xf32, #CSR> to tensor<2x4xf32>
  %c1 = arith.constant dense<[0, 7, 1]> : tensor<3xi8>
  // expected-remark @below {{column 7 of entry 1 is not below the last dimension, 4}}
  %s1 = sparse_tensor.assemble (%p, %c1), %v : (tensor<3xi32>, tensor<3xi8>), tensor<3xf32> to tensor<2x4xf32, #CSR>
  %d1 = sparse_tensor.convert %s1 : tensor<2x4xf32, #CSR> to tensor<2x4xf32>
  %v2 = arith.constant dense<1.0> : tensor<5xf32>
  // expected-remark @below {{expected 3 values, found 5}}
  %s2 = sparse_tensor.assemble (%p, %c), %v2 : (tensor<3xi32>, tensor<3xi8>), tensor<5xf32> to tensor<2x4xf32, #CSR>
  %d2 = sparse_tensor.convert %s2 : tensor<2x4xf32, #CSR> to tensor<2x4xf32>
  %c3 = arith.constant dense<0> : tensor<9xi8>
  %v3 = arith.constant dense<1.0> : tensor<9xf32>
  // expected-remark @below {{it stores 9 values, blocks or rows of at most 8}}
  %s3 = sparse_tensor.assemble (%p, %c3), %v3 : (tensor<3xi32>, tensor<9xi8>), tensor<9xf32> to tensor<2x4xf32, #CSR>
  %d3 = sparse_tensor.convert %s3 : tensor<2x4xf32, #CSR> to tensor<2x4xf32>
  return %d0, %d1, %d2, %d3 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}

// -----
#BSR = #sparse_tensor.encoding<{ map = (i, j) -> (i floordiv 2 : dense, j floordiv 2 : compressed, i mod 2 : dense, j mod 2 : dense), posWidth = 8, crdWidth = 8 }>
func.func @block_payload() -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %v = arith.constant dense<1.0> : tensor<8xf32>
  %p = arith.constant dense<[0, 2, 2]> : tensor<3xi8>
  %c = arith.constant dense<[1, 0]> : tensor<2xi8>
  // expected-remark @below {{coordinates must increase within a row of blocks and stay below 2, found 0}}
  %s0 = sparse_tensor.assemble (%p, %c), %v : (tensor<3xi8>, tensor<2xi8>), tensor<8xf32> to tensor<4x4xf32, #BSR>
  %d0 = sparse_tensor.convert %s0 : tensor<4x4xf32, #BSR> to tensor<4x4xf32>
  %p1 = arith.constant dense<[0, 200, 2]> : tensor<3xi8>
  // expected-remark @below {{positions must not decrease, but do after row of blocks 0}}
  %s1 = sparse_tensor.assemble (%p1, %c), %v : (tensor<3xi8>, tensor<2xi8>), tensor<8xf32> to tensor<4x4xf32, #BSR>
  %d1 = sparse_tensor.convert %s1 : tensor<4x4xf32, #BSR> to tensor<4x4xf32>
  return %d0, %d1 : tensor<4x4xf32>, tensor<4x4xf32>
}

// -----
#NM = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j floordiv 4 : dense, j mod 4 : structured[2, 4]), crdWidth = 8 }>
func.func @nm_payload() -> (tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>) {
  %v = arith.constant dense<1.0> : tensor<4xf32>
  %c = arith.constant dense<[0, 9, 0, 1]> : tensor<4xi8>
  // expected-remark @below {{coordinates hold 9, which i2 cannot}}
  %s0 = sparse_tensor.assemble (%c), %v : (tensor<4xi8>), tensor<4xf32> to tensor<1x8xf32, #NM>
  %d0 = sparse_tensor.convert %s0 : tensor<1x8xf32, #NM> to tensor<1x8xf32>
  %c1 = arith.constant dense<[3, 1, 0, 1]> : tensor<4xi8>
  // expected-remark @below {{positions must increase within a block, found 3, then 1 at entry 1}}
  %s1 = sparse_tensor.assemble (%c1), %v : (tensor<4xi8>), tensor<4xf32> to tensor<1x8xf32, #NM>
  %d1 = sparse_tensor.convert %s1 : tensor<1x8xf32, #NM> to tensor<1x8xf32>
  %l = arith.constant dense<1.0> : tensor<1x8xf32>
  // expected-remark @below {{the constant has more nonzeros in a block than the type stores}}
  %s2 = sparse_tensor.convert %l : tensor<1x8xf32> to tensor<1x8xf32, #NM>
  %d2 = sparse_tensor.convert %s2 : tensor<1x8xf32, #NM> to tensor<1x8xf32>
  return %d0, %d1, %d2 : tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>
}

// -----
#BSR = #sparse_tensor.encoding<{ map = (i, j) -> (i floordiv 2 : dense, j floordiv 2 : compressed, i mod 2 : dense, j mod 2 : dense) }>
func.func @tail(%c: tensor<3x4xf32>) -> tensor<3x4xf32> {
  // expected-remark @below {{blocks of 2 do not divide axis 0 of size 3}}
  %s = sparse_tensor.convert %c : tensor<3x4xf32> to tensor<3x4xf32, #BSR>
  %d = sparse_tensor.convert %s : tensor<3x4xf32, #BSR> to tensor<3x4xf32>
  return %d : tensor<3x4xf32>
}

// -----
#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed) }>
func.func @other(%a: tensor<2x4xf32, #CSR>, %u: tensor<?x4xf32>) -> (tensor<2x4xf32>, index, tensor<?x4xf32>, tensor<2x4xf32, #CSR>) {
  // expected-remark @below {{'sparse_tensor.convert' stays as it is: its operand is not made by assemble or convert}}
  %d = sparse_tensor.convert %a : tensor<2x4xf32, #CSR> to tensor<2x4xf32>
  // expected-remark @below {{'sparse_tensor.number_of_entries' stays as it is: of operations on sparse tensors only}}
  %n = sparse_tensor.number_of_entries %a : tensor<2x4xf32, #CSR>
  // expected-remark @below {{the shape must be static, found 2 dimensions of which some are dynamic}}
  %s = sparse_tensor.convert %u : tensor<?x4xf32> to tensor<?x4xf32, #CSR>
  %e = sparse_tensor.convert %s : tensor<?x4xf32, #CSR> to tensor<?x4xf32>
  // expected-remark @below {{'func.return' stays as it is}}
  return %d, %n, %e, %a : tensor<2x4xf32>, index, tensor<?x4xf32>, tensor<2x4xf32, #CSR>
}

// -----
#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed), posWidth = 32, crdWidth = 8 }>
func.func @large_buffers(%op: tensor<3xi32>, %oc: tensor<9xi8>, %ov: tensor<9xf32>) -> index {
  %l = arith.constant dense<1.0> : tensor<2x4xf32>
  %s = sparse_tensor.convert %l : tensor<2x4xf32> to tensor<2x4xf32, #CSR>
  // expected-remark @below {{'sparse_tensor.disassemble' stays as it is: its buffers do not have the size of what is stored}}
  %p, %c, %v, %pl, %cl, %vl = sparse_tensor.disassemble %s : tensor<2x4xf32, #CSR>
    out_lvls(%op, %oc : tensor<3xi32>, tensor<9xi8>) out_vals(%ov : tensor<9xf32>) -> (tensor<3xi32>, tensor<9xi8>), tensor<9xf32>, (index, index), index
  return %vl : index
}

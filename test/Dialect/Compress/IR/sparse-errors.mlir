// RUN: compress-opt %s --split-input-file --verify-diagnostics

// sparse-C1
// expected-error @+1 {{unknown sparse pattern 'diagonal'; known are bitmask, csr, nm, block, channels}}
func.func private @pattern(!compress.tensor<4xf32, sparse<diagonal, nnz = 1, of = f32>>)

// -----
// sparse-C7
// expected-error @+1 {{sparse: the shape must be static}}
func.func private @shape(!compress.tensor<?x4xf32, sparse<nm<2:4>, of = f32>>)

// -----
// sparse-C6
// expected-error @+1 {{sparse: nnz must not be negative, found -1}}
func.func private @count(!compress.tensor<4xf32, sparse<bitmask, nnz = -1, of = f32>>)

// -----
// sparse-C6
// expected-error @+1 {{sparse: nnz is 9, but the tensor has 8 elements}}
func.func private @count(!compress.tensor<2x4xf32, sparse<bitmask, nnz = 9, of = f32>>)

// -----
// sparse-C6
// expected-error @+1 {{sparse: nnz is 9, but the tensor has 8 elements}}
func.func private @count(!compress.tensor<2x4xf32, sparse<csr<i8>, nnz = 9, of = f32>>)

// -----
// sparse-C6
// expected-error @+1 {{sparse: nnz is 5, but the tensor has 4 blocks}}
func.func private @count(!compress.tensor<2x4xf32, sparse<block<1x3>, nnz = 5, of = f32>>)

// -----
// sparse-C6
// expected-error @+1 {{sparse: nnz is 5, but the tensor has 4 channels}}
func.func private @count(!compress.tensor<2x4xf32, sparse<channels<1>, nnz = 5, of = f32>>)

// -----
// sparse-C2
// expected-error @+1 {{sparse: csr columns are i8, i16 or i32, found i12}}
func.func private @csr(!compress.tensor<4x4xf32, sparse<csr<i12>, nnz = 1, of = f32>>)

// -----
// sparse-C8
// expected-error @+1 {{sparse: i8 cannot index a last dimension of size 257}}
func.func private @csr(!compress.tensor<4x257xf32, sparse<csr<i8>, nnz = 1, of = f32>>)

// -----
// sparse-C8
// expected-error @+1 {{sparse: csr needs a tensor of rank 1 or more}}
func.func private @csr(!compress.tensor<f32, sparse<csr<i8>, nnz = 1, of = f32>>)

// -----
// sparse-C15
// expected-error @+1 {{sparse: csr stores at most 2147483647 values, found nnz = 2147483648}}
func.func private @csr(!compress.tensor<65536x65536xf32, sparse<csr<i32>, nnz = 2147483648, of = f32>>)

// -----
// sparse-C3
// expected-error @+1 {{sparse: nm<n:m> needs 1 <= n < m <= 32, found 4:4}}
func.func private @nm(!compress.tensor<8xf32, sparse<nm<4:4>, of = f32>>)

// -----
// sparse-C3
// expected-error @+1 {{sparse: nm<n:m> needs 1 <= n < m <= 32, found 0:4}}
func.func private @nm(!compress.tensor<8xf32, sparse<nm<0:4>, of = f32>>)

// -----
// sparse-C3
// expected-error @+1 {{sparse: nm<n:m> needs 1 <= n < m <= 32, found 2:33}}
func.func private @nm(!compress.tensor<8xf32, sparse<nm<2:33>, of = f32>>)

// -----
// sparse-C5
// expected-error @+1 {{sparse: axis 1 does not exist in a tensor of rank 1}}
func.func private @nm(!compress.tensor<8xf32, sparse<nm<2:4, axis = 1>, of = f32>>)

// -----
// sparse-C5
// expected-error @+1 {{sparse: axis 0 does not exist in a tensor of rank 0}}
func.func private @nm(!compress.tensor<f32, sparse<nm<2:4>, of = f32>>)

// -----
// sparse-C5
// expected-error @+1 {{sparse: axis must not be negative, found -2}}
func.func private @nm(!compress.tensor<8xf32, sparse<nm<2:4, axis = -2>, of = f32>>)

// -----
// sparse-C4
// expected-error @+1 {{sparse: block has 1 dimensions for a tensor of rank 2}}
func.func private @block(!compress.tensor<4x4xf32, sparse<block<2>, nnz = 1, of = f32>>)

// -----
// sparse-C4
// expected-error @+1 {{sparse: a block size is at least 1, found 0}}
func.func private @block(!compress.tensor<4x4xf32, sparse<block<0x2>, nnz = 1, of = f32>>)

// -----
// sparse-C5
// expected-error @+1 {{sparse: axis 2 does not exist in a tensor of rank 2}}
func.func private @channels(!compress.tensor<4x4xf32, sparse<channels<2>, nnz = 1, of = f32>>)

// -----
// sparse-C5
// expected-error @+1 {{sparse: axis must not be negative, found -1}}
func.func private @channels(!compress.tensor<4x4xf32, sparse<channels<-1>, nnz = 1, of = f32>>)

// -----
// sparse-C15
// expected-error @+1 {{sparse: channels are numbered in i32, which cannot index an axis of size 2147483648}}
func.func private @channels(!compress.tensor<2147483648xf32, sparse<channels<0>, nnz = 1, of = f32>>)

// -----
// sparse-C9
// Values of bitmask and csr have rank 1.
// expected-error @+1 {{quant: group has 2 entries for a tensor of rank 1}}
func.func private @values(!compress.tensor<4x4xf32, sparse<bitmask, nnz = 3, of = quant<i8, group = [1, *], scale = f32>>>)

// -----
// sparse-C9
// expected-error @+1 {{quant: group has 2 entries for a tensor of rank 1}}
func.func private @values(!compress.tensor<4x4xf32, sparse<bitmask, nnz = ?, of = quant<i8, group = [1, *], scale = f32>>>)

// -----
// sparse-C9
// expected-error @+1 {{sparse: 'of' does not take values of unknown number (sparse: the shape must be static), so nnz cannot be '?'}}
func.func private @values(!compress.tensor<4x4xf32, sparse<bitmask, nnz = ?, of = sparse<csr<i8>, nnz = 3, of = f32>>>)

// -----
// sparse-C9
// expected-error @+1 {{dense: cannot store 'i32' values as 'f16'}}
func.func private @values(!compress.tensor<4x4xi32, sparse<nm<2:4>, of = f16>>)

// -----
// sparse-C6
// expected-error @+1 {{sparse: nnz is 4, but the tensor has 3 elements}}
func.func private @values(!compress.tensor<4x4xf32, sparse<bitmask, nnz = 3, of = sparse<bitmask, nnz = 4, of = f32>>>)

// -----
// sparse-C10
func.func @payload() {
  // expected-error @+1 {{sparse: mask has 2 ones, but nnz is 3}}
  %0 = compress.constant [dense<[1.0, 2.0, 3.0]> : tensor<3xf32>, dense<[[1, 0], [1, 0]]> : tensor<2x2xi1>]
    : !compress.tensor<2x2xf32, sparse<bitmask, nnz = 3, of = f32>>
  return
}

// -----
// sparse-C12
func.func @payload() {
  // expected-error @+1 {{sparse: column 4 of entry 1 is not below the last dimension, 4}}
  %0 = compress.constant [dense<[1.0, 2.0, 3.0]> : tensor<3xf32>, dense<[0, 4, 1]> : tensor<3xi8>, dense<[0, 2, 3]> : tensor<3xi32>]
    : !compress.tensor<2x4xf32, sparse<csr<i8>, nnz = 3, of = f32>>
  return
}

// -----
// sparse-C12
func.func @payload() {
  // expected-error @+1 {{sparse: columns must increase within a row, found 3, then 0 in row 0}}
  %0 = compress.constant [dense<[1.0, 2.0, 3.0]> : tensor<3xf32>, dense<[3, 0, 1]> : tensor<3xi8>, dense<[0, 2, 3]> : tensor<3xi32>]
    : !compress.tensor<2x4xf32, sparse<csr<i8>, nnz = 3, of = f32>>
  return
}

// -----
// sparse-C11
func.func @payload() {
  // expected-error @+1 {{sparse: row_offsets must not decrease, but do after row 1}}
  %0 = compress.constant [dense<[1.0, 2.0, 3.0]> : tensor<3xf32>, dense<[0, 1, 2]> : tensor<3xi8>, dense<[0, 4, 3]> : tensor<3xi32>]
    : !compress.tensor<2x4xf32, sparse<csr<i8>, nnz = 3, of = f32>>
  return
}

// -----
// sparse-C11
func.func @payload() {
  // expected-error @+1 {{sparse: row_offsets must start at 0}}
  %0 = compress.constant [dense<[1.0, 2.0, 3.0]> : tensor<3xf32>, dense<[0, 1, 2]> : tensor<3xi8>, dense<[-1, 1, 3]> : tensor<3xi32>]
    : !compress.tensor<2x4xf32, sparse<csr<i8>, nnz = 3, of = f32>>
  return
}

// -----
// sparse-C11
func.func @payload() {
  // expected-error @+1 {{sparse: row_offsets must end at nnz = 3, found 2}}
  %0 = compress.constant [dense<[1.0, 2.0, 3.0]> : tensor<3xf32>, dense<[0, 1, 2]> : tensor<3xi8>, dense<[0, 1, 2]> : tensor<3xi32>]
    : !compress.tensor<2x4xf32, sparse<csr<i8>, nnz = 3, of = f32>>
  return
}

// -----
// sparse-C13
func.func @payload() {
  // expected-error @+1 {{sparse: positions must increase within a block, found 1, then 1 at entry 3}}
  %0 = compress.constant [dense<1.0> : tensor<4xf32>, dense<[0, 3, 1, 1]> : tensor<4xi2>]
    : !compress.tensor<7xf32, sparse<nm<2:4>, of = f32>>
  return
}

// -----
// sparse-C13
func.func @payload() {
  // expected-error @+1 {{sparse: position 3 of entry 1 is not below m = 3}}
  %0 = compress.constant [dense<1.0> : tensor<2xf32>, dense<[0, 3]> : tensor<2xi2>]
    : !compress.tensor<3xf32, sparse<nm<2:3>, of = f32>>
  return
}

// -----
// sparse-C10
func.func @payload() {
  // expected-error @+1 {{sparse: mask has 2 ones, but nnz is 1}}
  %0 = compress.constant [dense<1.0> : tensor<1x2x2xf32>, dense<1> : tensor<1x2xi1>]
    : !compress.tensor<2x3xf32, sparse<block<2x2>, nnz = 1, of = f32>>
  return
}

// -----
// sparse-C14
func.func @payload() {
  // expected-error @+1 {{sparse: kept channel -1 is not in the axis of size 3}}
  %0 = compress.constant [dense<1.0> : tensor<2x2xf32>, dense<[-1, 1]> : tensor<2xi32>]
    : !compress.tensor<2x3xf32, sparse<channels<1>, nnz = 2, of = f32>>
  return
}

// -----
// sparse-C14
func.func @payload() {
  // expected-error @+1 {{sparse: kept channels must increase, found 1, then 1}}
  %0 = compress.constant [dense<1.0> : tensor<2x2xf32>, dense<[1, 1]> : tensor<2xi32>]
    : !compress.tensor<2x3xf32, sparse<channels<1>, nnz = 2, of = f32>>
  return
}

// -----
// sparse-C10
// Nested payloads are looked at too.
func.func @payload() {
  // expected-error @+1 {{component 'values': sparse: mask has 0 ones, but nnz is 1}}
  %0 = compress.constant [dense<1.0> : tensor<1xf32>, dense<0> : tensor<2xi1>, dense<[1, 0, 1]> : tensor<3xi1>]
    : !compress.tensor<3xf32, sparse<bitmask, nnz = 2, of = sparse<bitmask, nnz = 1, of = f32>>>
  return
}

// -----
func.func @payload() {
  // expected-error @+1 {{result must have no size '?'}}
  %0 = compress.constant [dense<1.0> : tensor<1xf32>, dense<1> : tensor<1xi1>]
    : !compress.tensor<1xf32, sparse<bitmask, nnz = ?, of = f32>>
  return
}

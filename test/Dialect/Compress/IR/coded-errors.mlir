// RUN: compress-opt %s --split-input-file --verify-diagnostics

// coded-C1
// expected-error @+1 {{coded: 'of' holds a coded encoding already; code the outermost one only}}
func.func private @nested(!compress.tensor<4xf32, coded<huffman, bytes = [?], of = coded<rans, bytes = [?], of = f32>>>)

// -----
// coded-C1
// expected-error @+1 {{coded: 'of' holds a coded encoding already; code the outermost one only}}
func.func private @nested(!compress.tensor<4xf32, coded<zstd, bytes = [?, ?], of = quant<i8, group = [*], scale = coded<rans, bytes = [?], of = f32>>>>)

// -----
// coded-C2
// expected-error @+1 {{coded: a block has 1 to 1048576 symbols, found 0}}
func.func private @block(!compress.tensor<4xf32, coded<huffman, block = 0, bytes = [?], of = f32>>)

// -----
// coded-C2
// expected-error @+1 {{coded: a block has 1 to 1048576 symbols, found 1048577}}
func.func private @block(!compress.tensor<4xf32, coded<rans, block = 1048577, bytes = [?], of = f32>>)

// -----
// coded-C3
// expected-error @+1 {{coded: zstd has no blocks, so 'block' is not given}}
func.func private @zstd(!compress.tensor<4xf32, coded<zstd, block = 64, bytes = [?], of = f32>>)

// -----
// coded-C4
// expected-error @+1 {{coded: a stream has at least 8 bytes, found 7}}
func.func private @bytes(!compress.tensor<4xf32, coded<rans, bytes = [7], of = f32>>)

// -----
// coded-C5
// expected-error @+1 {{coded: 'of' has 2 leaves, but 'bytes' lists 1 streams}}
func.func private @leaves(!compress.tensor<4xf32, coded<rans, bytes = [?], of = quant<i8, group = [*], scale = f32>>>)

// -----
// coded-C6
// expected-error @+1 {{coded: the shape must be static, found 'tensor<?x4xf32>'}}
func.func private @dynamic(!compress.tensor<?x4xf32, coded<rans, bytes = [?], of = f32>>)

// -----
// coded-C7
// expected-error @+1 {{quant: group has 1 entries for a tensor of rank 2}}
func.func private @inner(!compress.tensor<4x4xf32, coded<rans, bytes = [?, ?], of = quant<i8, group = [1], scale = f32>>>)

// -----
// coded-C8
// expected-error @+1 {{coded: 'bytes' are given, so the sizes in 'of' must be too}}
func.func private @sizes(!compress.tensor<4x4xf32, coded<rans, bytes = [90, ?], of = sparse<bitmask, nnz = ?, of = f32>>>)

// -----
// coded-C9
!t = !compress.tensor<1xf32, coded<huffman, bytes = [12], of = f32>>
func.func @count() -> !t {
  // expected-error @+1 {{stream0: the stream holds 2 elements where 1 are expected}}
  %w = compress.constant [dense<[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, -128, 63]> : tensor<12xi8>] : !t
  return %w : !t
}

// -----
// coded-C10
!t = !compress.tensor<1xf32, coded<huffman, bytes = [11], of = f32>>
func.func @truncated() -> !t {
  // expected-error @+1 {{stream0: the stream is truncated: it has 11 bytes, its header 536}}
  %w = compress.constant [dense<[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, -128]> : tensor<11xi8>] : !t
  return %w : !t
}

// -----
// coded-C11
// Two-bit codes in one block: a table of 2 bytes, an offset of 4, then bits.
!t = !compress.tensor<128xi2, coded<huffman, bytes = [30], of = i2>>
func.func @table() -> !t {
  // expected-error @+1 {{stream0: plane 0: illegal table: the code lengths are over-subscribed}}
  %w = compress.constant [dense<[-128, 0, 0, 0, 0, 0, 0, 0, 17, 2, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]> : tensor<30xi8>] : !t
  return %w : !t
}

// -----
// coded-C12
!t = !compress.tensor<128xi2, coded<huffman, bytes = [30], of = i2>>
func.func @offset() -> !t {
  // expected-error @+1 {{stream0: plane 0, block 0: illegal or truncated: it begins at 13, not at 14, and ends at 30 of 30}}
  %w = compress.constant [dense<[-128, 0, 0, 0, 0, 0, 0, 0, 17, 0, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]> : tensor<30xi8>] : !t
  return %w : !t
}

// -----
// coded-C13
!t = !compress.tensor<128xi2, coded<huffman, bytes = [29], of = i2>>
func.func @block() -> !t {
  // expected-error @+1 {{stream0: plane 0, block 0: it is truncated}}
  %w = compress.constant [dense<[-128, 0, 0, 0, 0, 0, 0, 0, 17, 0, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]> : tensor<29xi8>] : !t
  return %w : !t
}

// -----
// coded-C14
!t = !compress.tensor<2xf32, coded<zstd, bytes = [12], of = f32>>
func.func @frame() -> !t {
  // expected-error @+1 {{stream0: zstd: expected a frame with a content size of 8 bytes}}
  %w = compress.constant [dense<[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, -128, 63]> : tensor<12xi8>] : !t
  return %w : !t
}

// -----
// coded-C15
!t = !compress.tensor<2xf32, coded<huffman, bytes = [9, 20], of = codebook<3, of = f32>>>
func.func @inside() -> !t {
  // expected-error @+1 {{inside of the streams: codebook: index #0 is 3, past the last of 3 entries}}
  %w = compress.constant [dense<[2, 0, 0, 0, 0, 0, 0, 0, 7]> : tensor<9xi8>,
                          dense<[3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]> : tensor<20xi8>] : !t
  return %w : !t
}

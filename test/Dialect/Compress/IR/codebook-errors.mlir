// Negative tests of `codebook`; docs/Encodings.md numbers the constraints.
//
// RUN: compress-opt %s --split-input-file --verify-diagnostics

// codebook-C1
// expected-error @+1 {{codebook: a table has 1 to 65536 entries, found 0}}
func.func private @codebook(!compress.tensor<4xf32, codebook<0, of = f16>>)

// -----
// codebook-C1
// expected-error @+1 {{codebook: a table has 1 to 65536 entries, found 65537}}
func.func private @codebook(!compress.tensor<4xf32, codebook<65537, of = f16>>)

// -----
// codebook-C2
// expected-error @+1 {{codebook: a block size is at least 1, found 0}}
func.func private @codebook(!compress.tensor<4xf32, codebook<4, of = f16, vec = [0]>>)

// -----
// codebook-C2
// expected-error @+1 {{codebook: a block size is at least 1, found '*'}}
func.func private @codebook(!compress.tensor<4xf32, codebook<4, of = f16, vec = [*]>>)

// -----
// codebook-C2
// expected-error @+1 {{codebook: a block has at most 65536 elements}}
func.func private @codebook(!compress.tensor<4x4xf32, codebook<4, of = f16, vec = [512, 256]>>)

// -----
// codebook-C3
// expected-error @+1 {{codebook: there are 1 to 256 stages, found 0}}
func.func private @codebook(!compress.tensor<4xf32, codebook<4, of = f16, stages = 0>>)

// -----
// codebook-C3
// expected-error @+1 {{codebook: there are 1 to 256 stages, found 257}}
func.func private @codebook(!compress.tensor<4xf32, codebook<4, of = f16, stages = 257>>)

// -----
// codebook-C4
// expected-error @+1 {{codebook: a group size is at least 1 or '*', found -2}}
func.func private @codebook(!compress.tensor<4xf32, codebook<4, of = f16, group = [-2]>>)

// -----
// codebook-C5
// expected-error @+1 {{codebook: vec has 1 entries and group has 2}}
func.func private @codebook(!compress.tensor<4x4xf32, codebook<4, of = f16, vec = [2], group = [*, *]>>)

// -----
// codebook-C5
// expected-error @+1 {{codebook: vec has 1 entries for a tensor of rank 2}}
func.func private @codebook(!compress.tensor<4x4xf32, codebook<4, of = f16, vec = [2]>>)

// -----
// codebook-C5
// expected-error @+1 {{codebook: group has 3 entries for a tensor of rank 2}}
func.func private @codebook(!compress.tensor<4x4xf32, codebook<4, of = f16, group = [1, *, *]>>)

// -----
// codebook-C6
// expected-error @+1 {{codebook: a group consists of whole blocks, but 6 is no multiple of 4 in dimension 1}}
func.func private @codebook(!compress.tensor<4x12xf32, codebook<4, of = f16, vec = [1, 4], group = [1, 6]>>)

// -----
// codebook-C7
// expected-error @+1 {{codebook: the logical element type must be a float, found 'i8'}}
func.func private @codebook(!compress.tensor<4xi8, codebook<4, of = f16>>)

// -----
// codebook-C8
// expected-error @+1 {{quant: group has 2 entries for a tensor of rank 1}}
func.func private @codebook(!compress.tensor<4xf32, codebook<4, of = quant<i8, group = [1, *], scale = f32>>>)

// -----
// codebook-C9
func.func @codebook() {
  // expected-error @+1 {{codebook: index #2 is 3, past the last of 3 entries}}
  %0 = compress.constant [dense<[0, 2, 3, 1]> : tensor<4xi2>, dense<1.0> : tensor<3xf16>]
     : !compress.tensor<4xf32, codebook<3, of = f16>>
  return
}

// -----
// codebook-C9
// A block that hangs over is checked too.
func.func @codebook() {
  // expected-error @+1 {{codebook: index #3 is 7, past the last of 5 entries}}
  %0 = compress.constant [dense<[[0, 4], [1, -1]]> : tensor<2x2xi3>, dense<1.0> : tensor<2x5x2xf16>]
     : !compress.tensor<3xf32, codebook<5, of = f16, vec = [2], stages = 2>>
  return
}

// -----
func.func @codebook(%a: tensor<4xi2>, %b: tensor<2xf16>) {
  // expected-error @+1 {{component 'codebooks' must have type 'tensor<3xf16>', found 'tensor<2xf16>'}}
  %0 = compress.pack %a, %b : tensor<4xi2>, tensor<2xf16> -> !compress.tensor<4xf32, codebook<3, of = f16>>
  return
}

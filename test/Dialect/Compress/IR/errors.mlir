// RUN: compress-opt %s --split-input-file --verify-diagnostics

// quant-C1
// expected-error @+1 {{quant: integer codes have 1 to 16 bits, found 'i17'}}
func.func private @width(!compress.tensor<4xf32, quant<i17, group = [*], scale = f32>>)

// -----
// quant-C2
// expected-error @+1 {{quant: codes are iN, uiN or a float with a sign of at most 8 bits, found 'f16'}}
func.func private @codes(!compress.tensor<4xf32, quant<f16, group = [*], scale = f32>>)

// -----
// quant-C2
// expected-error @+1 {{quant: codes are iN, uiN or a float with a sign of at most 8 bits, found 'f8E8M0FNU'}}
func.func private @e8m0(!compress.tensor<4xf32, quant<f8E8M0FNU, group = [*], scale = f32>>)

// -----
// quant-C3
// expected-error @+1 {{quant: a group size is at least 1 or '*', found 0}}
func.func private @group(!compress.tensor<4xf32, quant<i8, group = [0], scale = f32>>)

// -----
// quant-C4
// expected-error @+1 {{quant: group has 1 entries for a tensor of rank 2}}
func.func private @rank(!compress.tensor<4x4xf32, quant<i8, group = [1], scale = f32>>)

// -----
// quant-C5
// expected-error @+1 {{quant: scale must be a float type or an encoding, found 'i8'}}
func.func private @scale(!compress.tensor<4xf32, quant<i8, group = [1], scale = i8>>)

// -----
// quant-C6
// expected-error @+1 {{quant: float codes have no zero point}}
func.func private @zero(!compress.tensor<4xf32, quant<f8E5M2, group = [1], scale = f32, zero = i8>>)

// -----
// quant-C7
// expected-error @+1 {{quant: f8E8M0FNU has no zero, so it cannot store zero points}}
func.func private @zero(!compress.tensor<4xf32, quant<i8, group = [1], scale = f32, zero = f8E8M0FNU>>)

// -----
// quant-C8
// expected-error @+1 {{quant: the logical element type must be a float, found 'i32'}}
func.func private @logical(!compress.tensor<4xi32, quant<i8, group = [1], scale = f32>>)

// -----
// quant-C4
// The grid of scales has the rank of the tensor, so a nested group must too.
// expected-error @+1 {{quant: group has 1 entries for a tensor of rank 2}}
func.func private @nested(!compress.tensor<4x4xf32, quant<i8, group = [1, *], scale = quant<i8, group = [*], scale = f32>>>)

// -----
// dense-C2
// expected-error @+1 {{dense: cannot store 'i32' values as 'f16'}}
func.func private @dense(!compress.tensor<4xi32, f16>)

// -----
// dense-C1
// expected-error @+1 {{dense: storage type must be an integer or a float of at most 64 bits, found 'f128'}}
func.func private @dense(!compress.tensor<4xf32, f128>)

// -----
// type-C1
// expected-error @+1 {{logical element type must be f16, bf16, f32, f64 or an integer, found 'f8E4M3FN'}}
func.func private @element(!compress.tensor<4xf8E4M3FN, f16>)

// -----
// type-C2
// expected-error @+1 {{unknown encoding 'sparkle'}}
func.func private @unknown(!compress.tensor<4xf32, sparkle<3>>)

// -----
// constant-C1
!k = !compress.tensor<4x8xf32, quant<i4, group = [*, *], scale = f32>>
func.func @count() {
  // expected-error @+1 {{expected 2 components}}
  %w = compress.constant [dense<0> : tensor<4x8xi4>] : !k
  return
}

// -----
// constant-C2
!k = !compress.tensor<4x8xf32, quant<i4, group = [*, *], scale = f32>>
func.func @type() {
  // expected-error @+1 {{component #0 must have type 'tensor<4x8xi4>', found 'tensor<4x8xi8>'}}
  %w = compress.constant [dense<0> : tensor<4x8xi8>, dense<0.5> : tensor<1x1xf32>] : !k
  return
}

// -----
// constant-C3
!k = !compress.tensor<4x8xf32, quant<i4, group = [*, *], scale = f32>>
func.func @bytes() {
  // expected-error @+1 {{component #0 of type 'tensor<4x8xi4>' needs 16 bytes, its resource has 2}}
  %w = compress.constant [dense_resource<short> : tensor<4x8xi4>, dense<0.5> : tensor<1x1xf32>] : !k
  return
}
{-# dialect_resources: { builtin: { short: "0x010000000011" } } #-}

// -----
// constant-C4
!k = !compress.tensor<?x8xf32, quant<i8, group = [*, *], scale = f32>>
func.func @dynamic() {
  // expected-error @+1 {{result must have a static shape}}
  %w = compress.constant [dense<0> : tensor<4x8xi8>, dense<0.5> : tensor<1x1xf32>] : !k
  return
}

// -----
// pack-C1
!w = !compress.tensor<4x8xf32, quant<i8, group = [1, *], scale = f32>>
func.func @pack(%c: tensor<4x8xi8>, %s: tensor<4xf32>) {
  // expected-error @+1 {{component 'scales' must have type 'tensor<4x1xf32>', found 'tensor<4xf32>'}}
  %p = compress.pack %c, %s : tensor<4x8xi8>, tensor<4xf32> -> !w
  return
}

// -----
// unpack-C1
!w = !compress.tensor<4x8xf32, quant<i8, group = [1, *], scale = f32>>
func.func @unpack(%w: !w) {
  // expected-error @+1 {{expected 2 components}}
  %c = compress.unpack %w : !w -> tensor<4x8xi8>
  return
}

// -----
// encode-C1
!w = !compress.tensor<4x8xf32, quant<i8, group = [1, *], scale = f32, zero = i8>>
func.func @encode(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{expected no or 2 parameters}}
  %w = compress.encode %x params(%s : tensor<4x1xf32>) : tensor<4x8xf32> -> !w
  return
}

// -----
// encode-C2
!w = !compress.tensor<4x8xf32, quant<i8, group = [1, *], scale = f32>>
func.func @encode(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{source must have type 'tensor<4x8xf32>', found 'tensor<8x4xf32>'}}
  %w = compress.encode %x : tensor<8x4xf32> -> !w
  return
}

// -----
// cast-C1
func.func @cast(%w: !compress.tensor<4xf32, f16>) {
  // expected-error @+1 {{source and result must have the same logical type}}
  %c = compress.cast %w : !compress.tensor<4xf32, f16> -> !compress.tensor<5xf32, f16>
  return
}

// -----
func.func @extent(%x: tensor<2x8xf32>, %w: tensor<9x4xf32>, %b: tensor<2x4xf32>) {
  // expected-error @+1 {{loop d2 runs to 8 but axis 0 of rhs has size 9}}
  %y = compress.contract ins(%x, %w : tensor<2x8xf32>, tensor<9x4xf32>) outs(%b : tensor<2x4xf32>)
    indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<2x4xf32>
  return
}

// -----
func.func @iterators(%x: tensor<2x8xf32>, %w: tensor<8x4xf32>, %b: tensor<2x4xf32>) {
  // expected-error @+1 {{iterator type must be "parallel" or "reduction", found "window"}}
  %y = compress.contract ins(%x, %w : tensor<2x8xf32>, tensor<8x4xf32>) outs(%b : tensor<2x4xf32>)
    indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
    iterator_types = ["parallel", "parallel", "window"] -> tensor<2x4xf32>
  return
}

// -----
func.func @result(%x: tensor<2x8xf32>, %w: tensor<8x4xf32>, %b: tensor<2x8xf32>) {
  // expected-error @+1 {{the result map must name parallel loops only}}
  %y = compress.contract ins(%x, %w : tensor<2x8xf32>, tensor<8x4xf32>) outs(%b : tensor<2x8xf32>)
    indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, k)>]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<2x8xf32>
  return
}

// -----
func.func @gather(%t: tensor<4x8xf32>, %i: tensor<3xi64>) {
  // expected-error @+1 {{axis must be in [0, 2), found 2}}
  %r = compress.gather %t[%i] axis = 2 : tensor<4x8xf32>, tensor<3xi64> -> tensor<3x8xf32>
  return
}

// -----
func.func @gather(%t: tensor<4x8xf32>, %i: tensor<3xi64>) {
  // expected-error @+1 {{result must have type 'tensor<3x8xf32>', found 'tensor<4x8xf32>'}}
  %r = compress.gather %t[%i] axis = 0 : tensor<4x8xf32>, tensor<3xi64> -> tensor<4x8xf32>
  return
}

// -----
func.func @kernel(%c: tensor<4xf32>, %d: tensor<4xf32>) {
  // expected-error @+1 {{expected one result per out, found 1 results for 2 outs}}
  %y = compress.kernel @f outs(%c, %d : tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----
// constant-C5
!w = !compress.tensor<4xf32, sparse<bitmask, nnz = ?, of = f32>>
func.func @unrefined() {
  // expected-error @+1 {{result must have no size '?'}}
  %w = compress.constant [dense<1.0> : tensor<2xf32>, dense<[1, 0, 0, 1]> : tensor<4xi1>] : !w
  return
}

// -----
// encode-C3
!w = !compress.tensor<4x8xf32, quant<i8, group = [1, *], scale = f32>>
func.func @encode(%x: tensor<4x8xf32>, %s: tensor<1x4xf32>) {
  // expected-error @+1 {{parameter 'scales' must have type 'tensor<4x1xf32>', found 'tensor<1x4xf32>'}}
  %w = compress.encode %x params(%s : tensor<1x4xf32>) : tensor<4x8xf32> -> !w
  return
}

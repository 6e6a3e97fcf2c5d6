// Negative tests of encodings made of other encodings; docs/Encodings.md numbers
// the constraints.
//
// RUN: compress-opt %s --split-input-file --verify-diagnostics

// scaled-C1
// expected-error @+1 {{scaled: scale must be a float type or an encoding, found 'i8'}}
func.func private @scaled(!compress.tensor<4xf32, scaled<group = [*], scale = i8, of = f16>>)

// -----
// scaled-C2
// expected-error @+1 {{scaled: a group size is at least 1 or '*', found 0}}
func.func private @scaled(!compress.tensor<4xf32, scaled<group = [0], scale = f32, of = f16>>)

// -----
// scaled-C3
// expected-error @+1 {{scaled: group has 2 entries for a tensor of rank 1}}
func.func private @scaled(!compress.tensor<4xf32, scaled<group = [1, 2], scale = f32, of = f16>>)

// -----
// scaled-C4
// expected-error @+1 {{scaled: the logical element type must be a float, found 'i32'}}
func.func private @scaled(!compress.tensor<4xi32, scaled<group = [*], scale = f32, of = i8>>)

// -----
// scaled-C5
// expected-error @+1 {{quant: group has 1 entries for a tensor of rank 2}}
func.func private @scaled(!compress.tensor<4x4xf32, scaled<group = [1, *], scale = quant<i8, group = [*], scale = f32>, of = f16>>)

// -----
// scaled-C5
// expected-error @+1 {{quant: group has 1 entries for a tensor of rank 2}}
func.func private @scaled(!compress.tensor<4x4xf32, scaled<group = [1, *], scale = f32, of = quant<i8, group = [*], scale = f32>>>)

// -----
// permuted-C1
// expected-error @+1 {{permuted: axis must not be negative, found -1}}
func.func private @permuted(!compress.tensor<4xf32, permuted<axis = -1, index = i8, of = f16>>)

// -----
// permuted-C1
// expected-error @+1 {{permuted: axis 1 does not exist in a tensor of rank 1}}
func.func private @permuted(!compress.tensor<4xf32, permuted<axis = 1, index = i8, of = f16>>)

// -----
// permuted-C2
// expected-error @+1 {{permuted: index must be iN with 1 to 32 bits, found 'i33'}}
func.func private @permuted(!compress.tensor<4xf32, permuted<axis = 0, index = i33, of = f16>>)

// -----
// permuted-C2
// expected-error @+1 {{permuted: index must be iN with 1 to 32 bits, found 'ui8'}}
func.func private @permuted(!compress.tensor<4xf32, permuted<axis = 0, index = ui8, of = f16>>)

// -----
// permuted-C3
// expected-error @+1 {{permuted: 'i8' cannot index an axis of size 257}}
func.func private @permuted(!compress.tensor<257xf32, permuted<axis = 0, index = i8, of = f16>>)

// -----
// permuted-C4
// expected-error @+1 {{permuted: the permuted axis must have a static size}}
func.func private @permuted(!compress.tensor<?xf32, permuted<axis = 0, index = i8, of = f16>>)

// -----
// permuted-C5
// expected-error @+1 {{quant: group has 1 entries for a tensor of rank 2}}
func.func private @permuted(!compress.tensor<4x4xf32, permuted<axis = 0, index = i8, of = quant<i8, group = [*], scale = f32>>>)

// -----
// permuted-C6
!w = !compress.tensor<3xf32, permuted<axis = 0, index = i8, of = f16>>
func.func @permuted() {
  // expected-error @+1 {{permutation entry 1 is 3, which is not below the size 3 of the axis}}
  %w = compress.constant [dense<1.0> : tensor<3xf16>, dense<[0, 3, 1]> : tensor<3xi8>] : !w
  return
}

// -----
// Indices are unsigned.
// permuted-C6
!w = !compress.tensor<3xf32, permuted<axis = 0, index = i8, of = f16>>
func.func @permuted() {
  // expected-error @+1 {{permutation entry 0 is 255, which is not below the size 3 of the axis}}
  %w = compress.constant [dense<1.0> : tensor<3xf16>, dense<[-1, 2, 1]> : tensor<3xi8>] : !w
  return
}

// -----
// permuted-C7
!w = !compress.tensor<3xf32, permuted<axis = 0, index = i8, of = f16>>
func.func @permuted() {
  // expected-error @+1 {{permutation names 2 twice}}
  %w = compress.constant [dense<1.0> : tensor<3xf16>, dense<[0, 2, 2]> : tensor<3xi8>] : !w
  return
}

// -----
// A payload is checked inside of other encodings too.
// permuted-C7
!w = !compress.tensor<3xf32, sum<[f32, permuted<axis = 0, index = i8, of = f16>]>>
func.func @permuted() {
  // expected-error @+1 {{component 'term1': permutation names 0 twice}}
  %w = compress.constant [dense<1.0> : tensor<3xf32>, dense<1.0> : tensor<3xf16>, dense<0> : tensor<3xi8>] : !w
  return
}

// -----
// rotated-C1
// expected-error @+1 {{rotated: axis must not be negative, found -1}}
func.func private @rotated(!compress.tensor<4xf32, rotated<hadamard, axis = -1, block = 4, of = f16>>)

// -----
// rotated-C1
// expected-error @+1 {{rotated: axis 2 does not exist in a tensor of rank 1}}
func.func private @rotated(!compress.tensor<4xf32, rotated<hadamard, axis = 2, block = 4, of = f16>>)

// -----
// rotated-C2
// expected-error @+1 {{rotated: block must be a power of two up to 2^30, found 12}}
func.func private @rotated(!compress.tensor<12xf32, rotated<hadamard, axis = 0, block = 12, of = f16>>)

// -----
// rotated-C2
// expected-error @+1 {{rotated: block must be a power of two up to 2^30, found 2147483648}}
func.func private @rotated(!compress.tensor<12xf32, rotated<hadamard, axis = 0, block = 2147483648, of = f16>>)

// -----
// rotated-C3
// expected-error @+1 {{rotated: the logical element type must be a float, found 'i8'}}
func.func private @rotated(!compress.tensor<4xi8, rotated<hadamard, axis = 0, block = 4, of = i8>>)

// -----
// rotated-C4
// expected-error @+1 {{rotated: the rotated axis must have a static size}}
func.func private @rotated(!compress.tensor<?xf32, rotated<hadamard, axis = 0, block = 4, of = f16>>)

// -----
// rotated-C5
// expected-error @+1 {{quant: group has 1 entries for a tensor of rank 2}}
func.func private @rotated(!compress.tensor<4x4xf32, rotated<hadamard, axis = 0, block = 4, of = quant<i8, group = [*], scale = f32>>>)

// -----
// generated-C1
// expected-error @+2 {{expected one of [zeros, ones, identity, hadamard, linear, power, pow2, minifloat, nf4, fp4, ternary, rademacher, uniform, normal] for kind of computed tensor, got: gauss}}
// expected-error @+1 {{failed to parse Compress_GeneratedAttr parameter 'kind'}}
func.func private @generated(!compress.tensor<4xf32, generated<gauss>>)

// -----
// generated-C2
// expected-error @+1 {{generated: ones takes no seed}}
func.func private @generated(!compress.tensor<4xf32, generated<ones, seed = 1>>)

// -----
// generated-C3
// expected-error @+1 {{generated: power needs a positive param}}
func.func private @generated(!compress.tensor<4xf32, generated<power>>)

// -----
// generated-C3
// expected-error @+1 {{generated: power needs a positive param}}
func.func private @generated(!compress.tensor<4xf32, generated<power, param = -2.0 : f32>>)

// -----
// generated-C4
// expected-error @+1 {{generated: linear takes no param}}
func.func private @generated(!compress.tensor<4xf32, generated<linear, param = 2.0 : f32>>)

// -----
// generated-C5
// expected-error @+1 {{generated: the logical element type must be a float, found 'i8'}}
func.func private @generated(!compress.tensor<4xi8, generated<ones>>)

// -----
// generated-C6
// expected-error @+1 {{generated: the shape must be static}}
func.func private @generated(!compress.tensor<?xf32, generated<ones>>)

// -----
// generated-C7
// expected-error @+1 {{generated: hadamard is a matrix, found rank 1}}
func.func private @generated(!compress.tensor<4xf32, generated<hadamard>>)

// -----
// generated-C8
// expected-error @+1 {{generated: linear has at most 65536 elements}}
func.func private @generated(!compress.tensor<65537xf32, generated<linear>>)

// -----
// generated-C8
// expected-error @+1 {{generated: pow2 has at most 256 elements}}
func.func private @generated(!compress.tensor<257xf32, generated<pow2>>)

// -----
// generated-C8
// expected-error @+1 {{generated: normal has at most 4294967296 elements}}
func.func private @generated(!compress.tensor<65536x65537xf32, generated<normal>>)

// -----
// generated-C9
// expected-error @+1 {{generated: nf4 has 16 elements, found 8}}
func.func private @generated(!compress.tensor<8xf32, generated<nf4>>)

// -----
// generated-C9
// expected-error @+1 {{generated: ternary has 3 elements, found 4}}
func.func private @generated(!compress.tensor<4xf32, generated<ternary>>)

// -----
// generated-C10
// expected-error @+1 {{generated: the param of minifloat is its number of exponent bits, 1 to 7}}
func.func private @generated(!compress.tensor<32xf32, generated<minifloat, param = 8.0 : f32>>)

// -----
// generated-C10
// expected-error @+1 {{generated: minifloat with 4 exponent bits has a power of two of at least 32 elements, found 16}}
func.func private @generated(!compress.tensor<16xf32, generated<minifloat, param = 4.0 : f32>>)

// -----
// sum-C1
// expected-error @+1 {{sum: at least one term is needed}}
func.func private @sum(!compress.tensor<4xf32, sum<[]>>)

// -----
// sum-C2
// expected-error @+1 {{sum: the logical element type must be a float, found 'i8'}}
func.func private @sum(!compress.tensor<4xi8, sum<[i8, i4]>>)

// -----
// sum-C3
// expected-error @+1 {{quant: group has 1 entries for a tensor of rank 2}}
func.func private @sum(!compress.tensor<4x4xf32, sum<[f16, quant<i8, group = [*], scale = f32>]>>)

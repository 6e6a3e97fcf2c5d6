// Negative tests of `factored`; docs/Encodings.md numbers the constraints.
//
// RUN: compress-opt %s --split-input-file --verify-diagnostics

// factored-C1
// expected-error @+1 {{factored: equation "i j i r, r j": name i appears twice in the result at character 5, before "i r, r j"}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j i r, r j", sizes = {r = 2}, of = [f16, f16]>>)

// -----
// factored-C1
// expected-error @+1 {{factored: equation "i j = i r; r j": expected a name or ',' at character 10, before "; r j"}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r; r j", sizes = {r = 2}, of = [f16, f16]>>)

// -----
// factored-C1
// expected-error @+1 {{factored: equation "i j = i r, r": no factor has j of the result at the end}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r, r", sizes = {r = 2}, of = [f16, f16]>>)

// -----
// factored-C1
// expected-error @+1 {{factored: equation "i j = i r r, r j": name r appears twice in factor 1 at character 11, before "r, r j"}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r r, r j", sizes = {r = 2}, of = [f16, f16]>>)

// -----
// factored-C2
// expected-error @+1 {{factored: the equation has 2 factors, 'of' has 1 encodings}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {r = 2}, of = [f16]>>)

// -----
// factored-C3
// expected-error @+1 {{factored: sizes has q, which is no name of the equation}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {r = 2, q = 1}, of = [f16, f16]>>)

// -----
// factored-C3
// expected-error @+1 {{factored: prefix has q, which is no name of the equation}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {r = 2}, prefix = {q = 1}, of = [f16, f16]>>)

// -----
// factored-C4
// expected-error @+1 {{factored: sizes has i, which the shape fixes}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {i = 4, r = 2}, of = [f16, f16]>>)

// -----
// factored-C4
// expected-error @+1 {{factored: sizes lacks r}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {}, of = [f16, f16]>>)

// -----
// factored-C4
// expected-error @+1 {{factored: sizes lacks b}}
func.func private @factored(!compress.tensor<4xf32, factored<"(a b) = a, b", sizes = {a = 2}, of = [f16, f16]>>)

// -----
// factored-C5
// expected-error @+1 {{factored: sizes of r must be a number from 0 to 2147483647, found -1 : i64}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {r = -1}, of = [f16, f16]>>)

// -----
// factored-C5
// expected-error @+1 {{factored: sizes of r must be a number from 0 to 2147483647, found 2147483648 : i64}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {r = 2147483648}, of = [f16, f16]>>)

// -----
// factored-C6
// expected-error @+1 {{factored: prefix has i, which is not summed over}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {r = 2}, prefix = {i = 1}, of = [f16, f16]>>)

// -----
// factored-C6
// expected-error @+1 {{factored: prefix of r must be from 1 to 2, found 3}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {r = 2}, prefix = {r = 3}, of = [f16, f16]>>)

// -----
// factored-C6
// expected-error @+1 {{factored: prefix of r must be from 1 to 2, found 0}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {r = 2}, prefix = {r = 0}, of = [f16, f16]>>)

// -----
// factored-C7
// expected-error @+1 {{factored: the logical element type must be a float, found 'i8'}}
func.func private @factored(!compress.tensor<4x4xi8, factored<"i j = i r, r j", sizes = {r = 2}, of = [f16, f16]>>)

// -----
// factored-C8
// expected-error @+1 {{factored: the result of the equation has 2 dimensions, the tensor has rank 3}}
func.func private @factored(!compress.tensor<4x4x4xf32, factored<"i j = i r, r j", sizes = {r = 2}, of = [f16, f16]>>)

// -----
// factored-C9
// expected-error @+1 {{factored: dimension 1 of size 6 is split into 2 x 4}}
func.func private @factored(!compress.tensor<4x6xf32, factored<"i (a b) = i a, b", sizes = {a = 2, b = 4}, of = [f16, f16]>>)

// -----
// factored-C9
// expected-error @+1 {{factored: dimension 0 is split into 2 x 4 but is dynamic}}
func.func private @factored(!compress.tensor<?x6xf32, factored<"(a b) i = i a, b", sizes = {a = 2, b = 4}, of = [f16, f16]>>)

// -----
// factored-C10
// expected-error @+1 {{quant: group has 1 entries for a tensor of rank 2}}
func.func private @factored(!compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {r = 2}, of = [f16, quant<i8, group = [1], scale = f32>]>>)

// -----
// factored-C10
// expected-error @+1 {{factored: factor 1 has too many elements}}
func.func private @factored(!compress.tensor<4xf32, factored<"i = i r s t, r", sizes = {r = 2147483647, s = 2147483647, t = 2147483647}, of = [f16, f16]>>)

// -----
// Factors that do not chain.
func.func @factored(%a: tensor<4x3xf16>, %b: tensor<2x4xf16>) {
  // expected-error @+1 {{component 'factor0' must have type 'tensor<4x2xf16>', found 'tensor<4x3xf16>'}}
  %0 = compress.pack %a, %b : tensor<4x3xf16>, tensor<2x4xf16>
    -> !compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {r = 2}, of = [f16, f16]>>
  return
}

// -----
func.func @factored() {
  // expected-error @+1 {{component #1 must have type 'tensor<2x4xf16>', found 'tensor<3x4xf16>'}}
  %0 = compress.constant [dense<1.0> : tensor<4x2xf16>, dense<1.0> : tensor<3x4xf16>]
     : !compress.tensor<4x4xf32, factored<"i j = i r, r j", sizes = {r = 2}, of = [f16, f16]>>
  return
}

// RUN: compress-opt %s | compress-opt | FileCheck %s
// RUN: compress-opt %s --emit-bytecode | compress-opt | FileCheck %s

// CHECK-LABEL: @forms
// CHECK-SAME: !compress.tensor<64x128xf32, factored<"i j = i r, r j", sizes = {r = 8}, of = [f16, f16]>>
// CHECK-SAME: !compress.tensor<64x128xf32, factored<"i j = i r, r j", sizes = {r = 8}, prefix = {r = 4}, of = [f16, f16]>>
// CHECK-SAME: !compress.tensor<64x128xf32, factored<"i j = i r, r, r j", sizes = {r = 8}, of = [f16, f32, f16]>>
// CHECK-SAME: !compress.tensor<32x16x3x3xf32, factored<"o i h w = o p, p q h w, i q", sizes = {p = 8, q = 4}, of = [f16, quant<i8, group = [1, *, *, *], scale = f32>, f16]>>
// CHECK-SAME: !compress.tensor<12x6xf32, factored<"(a b) (c d) = a c, b d", sizes = {a = 3, b = 4, c = 2, d = 3}, of = [f32, f32]>>
// CHECK-SAME: !compress.tensor<64x128xf32, factored<"i j = i k, k j", sizes = {k = 256}, of = [f16, sparse<nm<2:4>, of = f16>]>>
// CHECK-SAME: !compress.tensor<64x128xf32, factored<"i j = i r, r j", sizes = {r = 8}, of = [f16, generated<normal{{ ?}}, seed = 3>]>>
func.func private @forms(
  !compress.tensor<64x128xf32, factored<"i j = i r, r j", sizes = {r = 8}, of = [f16, dense<f16>]>>,
  !compress.tensor<64x128xf32, #compress.factored<"i j = i r, r j", sizes = {r = 8}, prefix = {r = 4}, of = [f16, f16]>>,
  !compress.tensor<64x128xf32, factored<"i j = i r, r, r j", sizes = {r = 8}, of = [f16, f32, f16]>>,
  !compress.tensor<32x16x3x3xf32, factored<"o i h w = o p, p q h w, i q", sizes = {p = 8, q = 4},
      of = [f16, quant<i8, group = [1, *, *, *], scale = f32>, f16]>>,
  !compress.tensor<12x6xf32, factored<"(a b) (c d) = a c, b d", sizes = {a = 3, b = 4, c = 2, d = 3}, of = [f32, f32]>>,
  !compress.tensor<64x128xf32, factored<"i j = i k, k j", sizes = {k = 256}, of = [f16, sparse<nm<2:4>, of = f16>]>>,
  !compress.tensor<64x128xf32, factored<"i j = i r, r j", sizes = {r = 8}, of = [f16, generated<normal, seed = 3>]>>)

// Empty and dynamic dimensions, rank 0, no rank at all.
// CHECK-LABEL: @shapes
// CHECK-SAME: !compress.tensor<0x4xf32, factored<"(a b) j = a j, b j", sizes = {a = 0, b = 7}, of = [f32, f32]>>
// CHECK-SAME: !compress.tensor<?x4xf32, factored<"i j = i r, r j", sizes = {r = 2}, of = [f32, f32]>>
// CHECK-SAME: !compress.tensor<f64, factored<"= r, r", sizes = {r = 2}, of = [f32, f32]>>
// CHECK-SAME: !compress.tensor<4xbf16, factored<"i = i r, r", sizes = {r = 0}, of = [f16, f16]>>
func.func private @shapes(
  !compress.tensor<0x4xf32, factored<"(a b) j = a j, b j", sizes = {a = 0, b = 7}, of = [f32, f32]>>,
  !compress.tensor<?x4xf32, factored<"i j = i r, r j", sizes = {r = 2}, of = [f32, f32]>>,
  !compress.tensor<f64, factored<"= r, r", sizes = {r = 2}, of = [f32, f32]>>,
  !compress.tensor<4xbf16, factored<"i = i r, r", sizes = {r = 0}, of = [f16, f16]>>)

// CHECK-LABEL: @components
func.func @components(
    %a: !compress.tensor<12x6xf32, factored<"(a b) (c d) = a c r, r b d", sizes = {r = 5, a = 3, b = 4, c = 2, d = 3}, prefix = {r = 2}, of = [f16, ui8]>>,
    %b: !compress.tensor<4x6xf64, factored<"i j = i r, r j", sizes = {r = 2}, of = [f16, quant<i8, group = [*, *], scale = f32>]>>) {
  // A prefix stores everything.
  // CHECK: -> tensor<3x2x5xf16>, tensor<5x4x3xi8>
  compress.unpack %a : !compress.tensor<12x6xf32, factored<"(a b) (c d) = a c r, r b d", sizes = {r = 5, a = 3, b = 4, c = 2, d = 3}, prefix = {r = 2}, of = [f16, ui8]>>
    -> tensor<3x2x5xf16>, tensor<5x4x3xi8>
  // CHECK: -> tensor<4x2xf16>, !compress.tensor<2x6xf64, int8>
  compress.unpack %b : !compress.tensor<4x6xf64, factored<"i j = i r, r j", sizes = {r = 2}, of = [f16, quant<i8, group = [*, *], scale = f32>]>>
    -> tensor<4x2xf16>, !compress.tensor<2x6xf64, quant<i8, group = [*, *], scale = f32>>
  return
}

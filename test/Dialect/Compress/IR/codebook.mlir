// RUN: compress-opt %s | compress-opt | FileCheck %s
// RUN: compress-opt %s --emit-bytecode | compress-opt | FileCheck %s

// CHECK-LABEL: @forms
// CHECK-SAME: !compress.tensor<64x128xf32, codebook<16, of = f16>>
// CHECK-SAME: !compress.tensor<64x128xf32, codebook<16, of = generated<nf4>>>
// CHECK-SAME: !compress.tensor<64x128xf32, codebook<256, of = f16, vec = [1, 8], stages = 2>>
// CHECK-SAME: !compress.tensor<64x128xf32, codebook<8, of = f16, group = [1, *]>>
// CHECK-SAME: !compress.tensor<64x128xf32, codebook<256, of = quant<i8, group = [1, *, *, *], scale = f32>, vec = [2, 4], group = [*, 32]>>
func.func private @forms(
  !compress.tensor<64x128xf32, codebook<16, of = dense<f16>>>,
  !compress.tensor<64x128xf32, #compress.codebook<16, of = generated<nf4>>>,
  !compress.tensor<64x128xf32, codebook<256, of = f16, vec = [1, 8], stages = 2>>,
  !compress.tensor<64x128xf32, codebook<8, of = f16, stages = 1, group = [1, *]>>,
  !compress.tensor<64x128xf32, codebook<256, of = quant<i8, group = [1, *, *, *], scale = f32>, vec = [2, 4], group = [*, 32]>>)

// Any rank, dynamic and empty dimensions, a table of one entry.
// CHECK-LABEL: @shapes
// CHECK-SAME: !compress.tensor<f64, codebook<1, of = f64>>
// CHECK-SAME: !compress.tensor<?x3xf32, codebook<4, of = f32>>
// CHECK-SAME: !compress.tensor<0x5xbf16, codebook<3, of = f16, vec = [2, 2], group = [4, *]>>
func.func private @shapes(
  !compress.tensor<f64, codebook<1, of = f64>>,
  !compress.tensor<?x3xf32, codebook<4, of = f32>>,
  !compress.tensor<0x5xbf16, codebook<3, of = f16, vec = [2, 2], group = [4, *]>>)

// CHECK-LABEL: @components
func.func @components(
    %a: !compress.tensor<5x9xf32, codebook<12, of = f16>>,
    %b: !compress.tensor<5x9xf64, codebook<256, of = f16, vec = [2, 4], stages = 3, group = [4, *]>>,
    %c: !compress.tensor<5x9xf16, codebook<1, of = generated<zeros>>>) {
  // Indices are as narrow as the table allows.
  // CHECK: -> tensor<5x9xi4>, tensor<12xf16>
  compress.unpack %a : !compress.tensor<5x9xf32, codebook<12, of = f16>> -> tensor<5x9xi4>, tensor<12xf16>
  // Stages, then blocks, which hang over; groups, stages, entries, elements.
  // CHECK: -> tensor<3x3x3xi8>, tensor<2x1x3x256x8xf16>
  compress.unpack %b : !compress.tensor<5x9xf64, codebook<256, of = f16, vec = [2, 4], stages = 3, group = [4, *]>>
    -> tensor<3x3x3xi8>, tensor<2x1x3x256x8xf16>
  // CHECK: -> tensor<5x9xi1>, !compress.tensor<1xf32, generated<zeros>>
  compress.unpack %c : !compress.tensor<5x9xf16, codebook<1, of = generated<zeros>>>
    -> tensor<5x9xi1>, !compress.tensor<1xf32, generated<zeros>>
  return
}

// RUN: compress-opt %s | compress-opt | FileCheck %s
// RUN: compress-opt %s --emit-bytecode | compress-opt | FileCheck %s

// CHECK-LABEL: @dense
// CHECK-SAME: !compress.tensor<4x8xf32, f16>
// CHECK-SAME: !compress.tensor<4x8xf32, f8E4M3FN>
// CHECK-SAME: !compress.tensor<4x8xi32, ui8>
// CHECK-SAME: !compress.tensor<f32, bf16>
func.func private @dense(!compress.tensor<4x8xf32, dense<f16>>,
                         !compress.tensor<4x8xf32, f8E4M3FN>,
                         !compress.tensor<4x8xi32, #compress.dense<ui8>>,
                         !compress.tensor<f32, bf16>)

// CHECK-LABEL: @quant
// CHECK-SAME: !compress.tensor<64x128xf32, int8<axis = 0>>
// CHECK-SAME: !compress.tensor<64x128xf32, uint4<g = 32>>
// CHECK-SAME: !compress.tensor<64x130xf32, mxfp4>
// CHECK-SAME: !compress.tensor<?x64xf16, uint8<axis = 0>>
// CHECK-SAME: !compress.tensor<7x7xf64, quant<i16, group = [2, 3], scale = bf16, zero = f32>>
func.func private @quant(
  !compress.tensor<64x128xf32, quant<i8, group = [1, *], scale = f32>>,
  !compress.tensor<64x128xf32, quant<ui4, group = [1, 32], scale = f16, zero = ui4>>,
  !compress.tensor<64x130xf32, quant<f4E2M1FN, group = [1, 32], scale = f8E8M0FNU>>,
  !compress.tensor<?x64xf16, quant<ui8, group = [1, *], scale = f32, zero = ui8>>,
  !compress.tensor<7x7xf64, quant<i16, group = [2, 3], scale = bf16, zero = f32>>)

// Scales and zero points may be encoded themselves, to any depth.
// CHECK-LABEL: @nested
// CHECK-SAME: scale = quant<ui6, group = [1, 8], scale = f16>
// CHECK-SAME: scale = quant<f8E4M3FN, group = [*, *], scale = quant<i8, group = [*, *], scale = f32>>
func.func private @nested(
  !compress.tensor<64x256xf32, quant<i4, group = [1, 32], scale = quant<ui6, group = [1, 8], scale = f16>,
                                     zero = quant<ui6, group = [1, 8], scale = f16>>>,
  !compress.tensor<16x16xf32, quant<f4E2M1FN, group = [1, 16],
       scale = quant<f8E4M3FN, group = [*, *], scale = quant<i8, group = [*, *], scale = f32>>>>)

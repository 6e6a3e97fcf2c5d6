// RUN: compress-opt %s --split-input-file --verify-diagnostics | compress-opt --split-input-file | FileCheck %s

// Short names print back, whether written short or long.
// CHECK-LABEL: @short
// CHECK-SAME: !compress.tensor<64x128xf32, int8>
// CHECK-SAME: !compress.tensor<64x128xf32, int8<axis = 0>>
// CHECK-SAME: !compress.tensor<64x128xf32, int4<g = 32>>
// CHECK-SAME: !compress.tensor<64x128xf32, int4<g = 32, s = f32>>
// CHECK-SAME: !compress.tensor<64x128xf32, uint4<g = 64>>
// CHECK-SAME: !compress.tensor<64x128xf32, fp8_e5m2<axis = 1>>
// CHECK-SAME: !compress.tensor<64x128xf32, mxfp4>
// CHECK-SAME: !compress.tensor<64x128xf32, nvfp4>
// CHECK-SAME: !compress.tensor<64x128xf32, nf4<g = 64>>
func.func private @short(!compress.tensor<64x128xf32, int8>,
                         !compress.tensor<64x128xf32, int8<axis=0>>,
                         !compress.tensor<64x128xf32, int4<g=32>>,
                         !compress.tensor<64x128xf32, int4<g=32, s=f32>>,
                         !compress.tensor<64x128xf32, uint4<g=64>>,
                         !compress.tensor<64x128xf32, fp8_e5m2<axis=1>>,
                         !compress.tensor<64x128xf32, mxfp4>,
                         !compress.tensor<64x128xf32, nvfp4>,
                         !compress.tensor<64x128xf32, nf4<g=64>>)

// CHECK-LABEL: @long
// CHECK-SAME: !compress.tensor<64x128xf32, int8<axis = 1>>
// CHECK-SAME: !compress.tensor<64x128xf32, mxfp6_e2m3>
// CHECK-SAME: !compress.tensor<64x128xf32, nvfp4>
// CHECK-SAME: !compress.tensor<64x128xf32, nf4<axis = 0>>
// CHECK-SAME: !compress.tensor<64x128xf32, quant<i7, group = [*, 1], scale = f32>>
// CHECK-SAME: !compress.tensor<64x128xf32, quant<i8, group = [2, 1], scale = f32>>
func.func private @long(!compress.tensor<64x128xf32, quant<i8, group = [*, 1], scale = f32>>,
                        !compress.tensor<64x128xf32, quant<f6E2M3FN, group = [1, 32], scale = f8E8M0FNU>>,
                        !compress.tensor<64x128xf32, quant<f4E2M1FN, group = [1, 16], scale = quant<f8E4M3FN, group = [*, *], scale = f32>>>,
                        !compress.tensor<64x128xf32, scaled<group = [1, *], scale = f32, of = codebook<16, of = generated<nf4>>>>,
                        !compress.tensor<64x128xf32, quant<i7, group = [*, 1], scale = f32>>,
                        !compress.tensor<64x128xf32, quant<i8, group = [2, 1], scale = f32>>)

// Inside an encoding there is no shape to complete a short name from.
// CHECK-LABEL: @nested
// CHECK-SAME: sum<[quant<i4, group = [1, 32], scale = f16>, f16]>
func.func private @nested(!compress.tensor<64x128xf32, sum<[quant<i4, group = [1, 32], scale = f16>, f16]>>)

// -----

// expected-error @+1 {{a tensor of rank 0 has no groups}}
func.func private @rank(!compress.tensor<f32, int8<axis = 0>>)

// -----

// expected-error @+1 {{axis 2 does not exist in a tensor of rank 2}}
func.func private @axis(!compress.tensor<4x4xf32, int8<axis = 2>>)

// -----

// expected-error @+1 {{'mxfp4' takes no arguments and at least one axis}}
func.func private @arguments(!compress.tensor<4x4xf32, mxfp4<g = 16>>)

// -----

// expected-error @+1 {{scales are floats}}
func.func private @scales(!compress.tensor<4x4xf32, int8<s = i8>>)

// -----

// expected-error @+1 {{expected 'g' or 'axis', and 's'}}
func.func private @both(!compress.tensor<4x4xf32, int8<g = 2, axis = 1>>)

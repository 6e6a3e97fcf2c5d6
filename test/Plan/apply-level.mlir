// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-apply-plan{level=int8}))' | FileCheck %s --check-prefixes=CHECK,INT8
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-apply-plan{level=int4-g32}))' | FileCheck %s --check-prefixes=CHECK,INT4
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-apply-plan{level=mxfp4}))' | FileCheck %s --check-prefixes=CHECK,MX
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-apply-plan{level=f32}))' | FileCheck %s --check-prefix=NONE

// Every kind of site, with the axes of its op.
// NONE-NOT: compress.
// CHECK-LABEL: func.func @sites
func.func @sites(%x: tensor<?x64xf32>, %img: tensor<1x64x8x8xf32>, %t: tensor<?xi64>)
    -> (tensor<?x32xf32>, tensor<?x16xf32>, tensor<8x?xf32>, tensor<1x16x8x8xf32>,
        tensor<1x16x8x8xf32>, tensor<?x48xf32>) {
  // [K, N]: scales per column, blocks down the rows.
  // INT8: tensor<64x32xi8>, {{.+}} : tensor<1x32xf32>] {compress.level = "int8", compress.site = "fc"} : <64x32xf32, int8<axis = 1>>
  // INT4: <64x32xf32, quant<i4, group = [32, 1], scale = f16>>
  // MX: <64x32xf32, quant<f4E2M1FN, group = [32, 1], scale = f8E8M0FNU>>
  // CHECK: %[[FC:.+]] = compress.decode
  %fc = onnx.Initializer "fc" = dense<0.5> : tensor<64x32xf32>
  // [N, K].
  // INT8: <16x64xf32, int8<axis = 0>>
  // INT4: <16x64xf32, int4<g = 32>>
  %gemm = onnx.Initializer "gemm" = dense<0.25> : tensor<16x64xf32>
  // The left factor: [M, K].
  // INT8: <8x64xf32, int8<axis = 0>>
  %left = onnx.Initializer "left" = dense<0.25> : tensor<8x64xf32>
  // [outputs, inputs, window].
  // INT8: <16x64x3x3xf32, int8<axis = 0>>
  // INT4: <16x64x3x3xf32, quant<i4, group = [1, 32, 1, 1], scale = f16>>
  %conv = onnx.Initializer "conv" = dense<1.0> : tensor<16x64x3x3xf32>
  // [inputs, outputs, window].
  // INT8: <64x16x3x3xf32, int8<axis = 1>>
  // INT4: <64x16x3x3xf32, quant<i4, group = [32, 1, 1, 1], scale = f16>>
  %deconv = onnx.Initializer "deconv" = dense<1.0> : tensor<64x16x3x3xf32>
  // A scale per row of a table.
  // INT8: <10x48xf32, int8<axis = 0>>
  // INT4: <10x48xf32, int4<g = 32>>
  %table = onnx.Initializer "table" = dense<2.0> : tensor<10x48xf32>
  // Small and biases: left alone.
  // CHECK: onnx.Initializer "bias"
  %bias = onnx.Initializer "bias" = dense<2.0> : tensor<16xf32>
  // CHECK: onnx.MatMul(%{{.+}}, %[[FC]])
  %0 = onnx.MatMul(%x, %fc) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
  %1 = onnx.Gemm(%x, %gemm, %bias) {transB = 1 : i64} : (tensor<?x64xf32>, tensor<16x64xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  %2 = onnx.Gemm(%left, %x) {transB = 1 : i64} : (tensor<8x64xf32>, tensor<?x64xf32>) -> tensor<8x?xf32>
  %3 = onnx.Conv(%img, %conv) {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x64x8x8xf32>, tensor<16x64x3x3xf32>) -> tensor<1x16x8x8xf32>
  %4 = onnx.ConvTranspose(%img, %deconv) {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x64x8x8xf32>, tensor<64x16x3x3xf32>) -> tensor<1x16x8x8xf32>
  %5 = onnx.Gather(%table, %t) : (tensor<10x48xf32>, tensor<?xi64>) -> tensor<?x48xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<?x32xf32>, tensor<?x16xf32>, tensor<8x?xf32>, tensor<1x16x8x8xf32>, tensor<1x16x8x8xf32>, tensor<?x48xf32>
}

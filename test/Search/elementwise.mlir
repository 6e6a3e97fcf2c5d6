// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8,int8-dynamic,lowrank-0.25},compress-apply-plan))' | FileCheck %s --check-prefixes=CHECK,EXACT
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8 search=uniform},compress-apply-plan))' | FileCheck %s --check-prefixes=CHECK,EXACT
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8 rules=position=int8},compress-apply-plan))' | FileCheck %s --check-prefixes=CHECK,INT8
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-apply-plan{level=int8}))' | FileCheck %s --check-prefix=LEVEL
// RUN: not compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8 rules=mask=int8}))' 2>&1 | FileCheck %s --check-prefix=MASK

// Large constants of elementwise operations are sites. They are stored as a
// level says or losslessly, masks only losslessly, whatever levels are offered.

// Vectors and small constants are left alone.
// CHECK-LABEL: func.func @elementwise
// CHECK: onnx.Initializer "bias"
// CHECK: onnx.Initializer "small"
// A weight is one by its product, what else reads it gets what is decoded.
// CHECK: compress.level = "int8", compress.site = "shared"
// CHECK: compress.level = "zstd", compress.site = "mask"
// What is exact and takes less is better.
// EXACT: compress.level = "zstd", compress.site = "position"
// Scales for rows along the longest axis.
// INT8: compress.level = "int8", compress.site = "position"{{.*}}int8<axis = 1>

// With one level for all, they stay as they are.
// LEVEL: compress.site = "shared"
// LEVEL: onnx.Initializer "mask"
// LEVEL: onnx.Initializer "position"

// MASK: error: site 'mask': only int8 is allowed for mask, which leaves it no level
func.func @elementwise(%x: tensor<64x16xf32>, %ids: tensor<64x16xi1>) -> (tensor<64x16xf32>, tensor<16x16xf32>) {
  %bias = onnx.Initializer "bias" = dense<0.5> : tensor<1x512xf32>
  %small = onnx.Initializer "small" = dense<0.5> : tensor<5x16xf32>
  %shared = onnx.Initializer "shared" = dense<0.25> : tensor<16x16xf32>
  %mask = onnx.Initializer "mask" = dense<-3.0e+38> : tensor<64x16xf32>
  %position = onnx.Initializer "position" = dense<0.3> : tensor<64x16xf32>
  %0 = onnx.MatMul(%x, %shared) : (tensor<64x16xf32>, tensor<16x16xf32>) -> tensor<64x16xf32>
  %1 = onnx.Where(%ids, %0, %mask) : (tensor<64x16xi1>, tensor<64x16xf32>, tensor<64x16xf32>) -> tensor<64x16xf32>
  %2 = onnx.Add(%position, %1) : (tensor<64x16xf32>, tensor<64x16xf32>) -> tensor<64x16xf32>
  %3 = onnx.Mul(%shared, %shared) : (tensor<16x16xf32>, tensor<16x16xf32>) -> tensor<16x16xf32>
  return %2, %3 : tensor<64x16xf32>, tensor<16x16xf32>
}

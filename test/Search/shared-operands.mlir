// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8,int4-g32 budget-bytes=4500}))' | FileCheck %s --check-prefix=FREE
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8,int4-g32 budget-bytes=4500 same-siblings}))' 2>&1 | FileCheck %s --check-prefix=SIBLINGS
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8,int4-g32 budget-bytes=4500 same-siblings rules=q=int8}))' 2>&1 | FileCheck %s --check-prefix=RULE
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8,int4-g32 budget-bytes=4500 same-siblings same=[qo]}))' 2>&1 | FileCheck %s --check-prefix=SAME

// Four weights of 32 x 32: 1152 bytes each in int8, 576 in int4; the product
// that reads another activation, "o", is no sibling.

// Room for three in int8, whichever they are.
// FREE-NOT: siblings
// FREE: compress.level = "int8"
// FREE: compress.level = "int8"
// FREE: compress.level = "int4-g32"
// FREE: compress.level = "int8"
// SIBLINGS: remark: siblings take the same level: q, k, v
// SIBLINGS: compress.level = "int8"
// SIBLINGS: compress.level = "int8"
// SIBLINGS: compress.level = "int8"
// SIBLINGS: compress.level = "int4-g32"
// RULE: remark: siblings take the same level: k, v
// RULE: compress.level = "int8"
// RULE: compress.level = "[[L:int[48].*]]"
// RULE: compress.level = "[[L]]"
// SAME: remark: siblings take the same level: k, v
// SAME: compress.level = "[[QO:int[48].*]]"
// SAME: compress.level = "[[KV:int[48].*]]"
// SAME: compress.level = "[[KV]]"
// SAME: compress.level = "[[QO]]"
func.func @attention(%x: tensor<?x32xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  %a = onnx.Initializer "q" = dense<0.3> : tensor<32x32xf32>
  %b = onnx.Initializer "k" = dense<0.7> : tensor<32x32xf32>
  %c = onnx.Initializer "v" = dense<0.9> : tensor<32x32xf32>
  %d = onnx.Initializer "o" = dense<0.2> : tensor<32x32xf32>
  %0 = onnx.MatMul(%x, %a) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %1 = onnx.MatMul(%x, %b) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %2 = onnx.MatMul(%x, %c) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %3 = onnx.Add(%0, %1) : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  %4 = onnx.MatMul(%3, %d) : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  return %2, %4 : tensor<?x32xf32>, tensor<?x32xf32>
}

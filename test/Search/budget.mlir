// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8,int4-g32 budget-bytes=1900}))' | FileCheck %s --check-prefix=GREEDY
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8,int4-g32 budget-bytes=1900 search=uniform}))' | FileCheck %s --check-prefix=UNIFORM
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search))' | FileCheck %s --check-prefix=FREE
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8,int4-g32 budget-bytes=1900},compress-apply-plan))' | FileCheck %s --check-prefix=APPLY
// RUN: not compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8,int4-g32 budget-bytes=100}))' 2>&1 | FileCheck %s --check-prefix=INFEASIBLE
// RUN: not compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8,int4-g32 budget-bytes=100 search=uniform}))' 2>&1 | FileCheck %s --check-prefix=INFEASIBLE-UNIFORM
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8,int4-g32 search=ilp budget-bytes=2600 rules=fc2!=int8,fc1=int8}))' | FileCheck %s --check-prefix=RULES
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{levels=int8,int4-g32 same=fc* budget-bytes=2751}))' | FileCheck %s --check-prefix=SAME
// RUN: not compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{same=fc1}))' 2>&1 | FileCheck %s --check-prefix=ALONE
// RUN: not compress-opt %s --pass-pipeline='builtin.module(func.func(compress-search{search=magic}))' 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// int4 of both is 1152 + 288 bytes and int8 2176 + 576: there is room to
// upgrade the second only.
// GREEDY: onnx.MatMul({{.*}} {compress.level = "int4-g32"
// GREEDY: onnx.MatMul({{.*}} {compress.level = "int8"
// UNIFORM-COUNT-2: compress.level = "int4-g32"
// Without a limit, the fewest bytes at no error: equal weights are exact in int8.
// FREE-COUNT-2: compress.level = "int8"
// APPLY: compress.level = "int4-g32", compress.site = "fc1"
// APPLY: compress.level = "int8", compress.site = "fc2"
// INFEASIBLE: error: infeasible: at most 100 bytes asked for, best is 1440 bytes
// INFEASIBLE-UNIFORM: error: infeasible: at most 100 bytes asked for, best is 1440 bytes
// RULES: onnx.MatMul({{.*}} {compress.level = "int8"
// RULES: onnx.MatMul({{.*}} {compress.level = "int4-g32"
// Both or none: 2752 bytes in int8.
// SAME-COUNT-2: compress.level = "int4-g32"
// ALONE: error: only one site is named like 'fc1'
// UNKNOWN: error: unknown search 'magic'; known are dp, greedy, ilp, lagrange, random, uniform
func.func @two(%x: tensor<?x64xf32>) -> tensor<?x16xf32> {
  %a = onnx.Initializer "fc1" = dense<0.3> : tensor<64x32xf32>
  %b = onnx.Initializer "fc2" = dense<0.7> : tensor<32x16xf32>
  %0 = onnx.MatMul(%x, %a) {onnx.node_name = "first"} : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
  %1 = onnx.MatMul(%0, %b) {onnx.node_name = "second"} : (tensor<?x32xf32>, tensor<32x16xf32>) -> tensor<?x16xf32>
  return %1 : tensor<?x16xf32>
}

// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-apply-plan{level=int8 min-elements=1}))' | FileCheck %s --check-prefix=ABSMAX
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(compress-apply-plan{level="int8:rtn(range=percentile,percentile=75)" min-elements=1}))' | FileCheck %s --check-prefix=CUT

// One output: values 1, 2, 3, 127 at absmax scale 1 are their own codes; the
// 75th percentile, 34, is the scale 34/127.
// ABSMAX: values.0: "0x01000000{{.*}}0102FD7F"
// ABSMAX: values.1: "0x01000000{{.*}}0000803F"
// CUT: values.0: "0x01000000{{.*}}0407F57F"
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w = onnx.Initializer "values" = dense<[[1.0], [2.0], [-3.0], [127.0]]> : tensor<4x1xf32>
  %0 = onnx.MatMul(%x, %w) : (tensor<?x4xf32>, tensor<4x1xf32>) -> tensor<?x1xf32>
  return %0 : tensor<?x1xf32>
}

// RUN: rm -f %t.onnx
// RUN: not compress-translate --mlir-to-onnx %s -o %t.onnx 2>&1 | FileCheck %s
// RUN: not ls %t.onnx
// RUN: not compress-translate --onnx-to-mlir %t.missing.onnx 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: printf 'no model' > %t.bad.onnx
// RUN: not compress-translate --onnx-to-mlir %t.bad.onnx -o %t.bad.mlir 2>&1 | FileCheck %s --check-prefix=BAD
// RUN: not ls %t.bad.mlir

// CHECK: error: cannot export to ONNX: the module has no onnx.opset_imports
// MISSING: missing.onnx
// BAD: error: {{.*}}bad.onnx: not an ONNX model (truncated or corrupt protobuf)
func.func @main_graph(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}

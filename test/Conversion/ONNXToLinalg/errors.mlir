// RUN: compress-opt %s --split-input-file --verify-diagnostics --convert-onnx-to-linalg

// One line, for the first operator that cannot be lowered.
func.func @unsupported(%x: tensor<4xf32>, %k: tensor<1xi64>) -> tensor<2xf32> {
  // expected-error @below {{node 'top' (TopK): there is no lowering for this operator}}
  %0:2 = onnx.TopK(%x, %k) {onnx.node_name = "top"} : (tensor<4xf32>, tensor<1xi64>) -> (tensor<2xf32>, tensor<2xi64>)
  %1:2 = onnx.TopK(%0#0, %k) {onnx.node_name = "second"} : (tensor<2xf32>, tensor<1xi64>) -> (tensor<2xf32>, tensor<2xi64>)
  return %1#0 : tensor<2xf32>
}

// -----

func.func @custom(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{node 'y' (Fancy): there is no lowering for this operator}}
  %0 = onnx.Custom "Fancy"(%x) {domain = "com.example", onnx.outputs = ["y"]} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @unranked(%x: tensor<*xf32>) -> tensor<*xf32> {
  // expected-error @below {{node 'y' (Relu): the type tensor<*xf32> has no known rank or element type}}
  %0 = onnx.Relu(%x) {onnx.outputs = ["y"]} : (tensor<*xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

func.func @attribute(%x: tensor<1x1x4x4xf32>) -> tensor<1x1x8x8xf32> {
  %none = onnx.NoValue : none
  %scales = onnx.Initializer "scales" = dense<[1.0, 1.0, 2.0, 2.0]> : tensor<4xf32>
  // expected-error @below {{node 'up' (Resize): antialias is not supported}}
  %0 = onnx.Resize(%x, %none, %scales) {antialias = 1 : i64, mode = "linear", onnx.node_name = "up"} : (tensor<1x1x4x4xf32>, none, tensor<4xf32>) -> tensor<1x1x8x8xf32>
  return %0 : tensor<1x1x8x8xf32>
}

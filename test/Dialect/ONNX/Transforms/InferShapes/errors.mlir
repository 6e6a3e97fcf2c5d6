// RUN: compress-opt %s --split-input-file --verify-diagnostics --onnx-infer-shapes

func.func @broadcast(%x: tensor<2x3xf32>, %y: tensor<4xf32>) -> tensor<*x!onnx.unknown> {
  // expected-error @below {{node 'sum' (Add): shapes 2x3 and 4 cannot be broadcast}}
  %0 = onnx.Add(%x, %y) {onnx.node_name = "sum"} : (tensor<2x3xf32>, tensor<4xf32>) -> tensor<*x!onnx.unknown>
  return %0 : tensor<*x!onnx.unknown>
}

// -----

func.func @matmul(%x: tensor<2x3xf32>, %y: tensor<4x5xf32>) -> tensor<*x!onnx.unknown> {
  %1 = onnx.Relu(%x) : (tensor<2x3xf32>) -> tensor<*x!onnx.unknown>
  // expected-error @below {{node 'y' (MatMul): inputs 2x3 and 4x5 do not agree in the summed dimension}}
  %0 = onnx.MatMul(%1, %y) {onnx.outputs = ["y"]} : (tensor<*x!onnx.unknown>, tensor<4x5xf32>) -> tensor<*x!onnx.unknown>
  return %0 : tensor<*x!onnx.unknown>
}

// -----

func.func @channels(%x: tensor<1x8x5x5xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<*x!onnx.unknown> {
  %1 = onnx.Relu(%x) : (tensor<1x8x5x5xf32>) -> tensor<*x!onnx.unknown>
  // expected-error @below {{node 'conv' (Conv): input 1x8x5x5 has 8 channels, weight 4x3x3x3 with group 2 expects 6}}
  %0 = onnx.Conv(%1, %w) {group = 2 : i64, onnx.node_name = "conv"} : (tensor<*x!onnx.unknown>, tensor<4x3x3x3xf32>) -> tensor<*x!onnx.unknown>
  return %0 : tensor<*x!onnx.unknown>
}

// -----

func.func @reshape(%x: tensor<2x3xf32>) -> tensor<*x!onnx.unknown> {
  %shape = onnx.Initializer "shape" = dense<[4, -1]> : tensor<2xi64>
  // expected-error @below {{node 'r' (Reshape): cannot reshape 2x3 (6 elements) into 4x1 with one inferred dimension}}
  %0 = onnx.Reshape(%x, %shape) {onnx.node_name = "r"} : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<*x!onnx.unknown>
  return %0 : tensor<*x!onnx.unknown>
}

// -----

func.func @window(%x: tensor<1x3x4x4xf32>) -> tensor<*x!onnx.unknown> {
  // expected-error @below {{node 'pool' (MaxPool): the window of 5 elements does not fit axis 2 of 1x3x4x4}}
  %0 = onnx.MaxPool(%x) {kernel_shape = array<i64: 5, 5>, onnx.node_name = "pool"} : (tensor<1x3x4x4xf32>) -> tensor<*x!onnx.unknown>
  return %0 : tensor<*x!onnx.unknown>
}

// -----

// The model contradicts itself: what is inferred wins.
func.func @declared(%x: tensor<2x3xf32>) -> tensor<2x4xf32> {
  // expected-warning @below {{node 'relu' (Relu): the model declares 'tensor<2x4xf32>' for result 0, but it is 'tensor<2x3xf32>'}}
  %0 = onnx.Relu(%x) {onnx.node_name = "relu"} : (tensor<2x3xf32>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// RUN: compress-opt %s --split-input-file --onnx-infer-shapes | FileCheck %s

// Until opset 9 the mask of Dropout has the type of the data.
module attributes {onnx.opset_imports = [{domain = "", version = 7 : i64}]} {
  // CHECK-LABEL: func.func @dropout7
  // CHECK:         onnx.Dropout({{.*}}) : (tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>)
  func.func @dropout7(%x: tensor<2x3xf32>) -> tensor<*x!onnx.unknown> {
    %0:2 = onnx.Dropout(%x) : (tensor<2x3xf32>) -> (tensor<*x!onnx.unknown>, tensor<*x!onnx.unknown>)
    return %0#0 : tensor<*x!onnx.unknown>
  }
}

// -----

module attributes {onnx.opset_imports = [{domain = "", version = 13 : i64}]} {
  // CHECK-LABEL: func.func @dropout13
  // CHECK:         onnx.Dropout({{.*}}) : (tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xi1>)
  func.func @dropout13(%x: tensor<2x3xf32>) -> tensor<*x!onnx.unknown> {
    %0:2 = onnx.Dropout(%x) : (tensor<2x3xf32>) -> (tensor<*x!onnx.unknown>, tensor<*x!onnx.unknown>)
    return %0#0 : tensor<*x!onnx.unknown>
  }
}

// -----

// Axes as an attribute and as an input.
module attributes {onnx.opset_imports = [{domain = "", version = 11 : i64}]} {
  // CHECK-LABEL: func.func @squeeze11
  // CHECK:         -> tensor<3x1xf32>
  func.func @squeeze11(%x: tensor<1x3x1xf32>) -> tensor<*x!onnx.unknown> {
    %0 = onnx.Squeeze(%x) {legacy_axes = array<i64: 0>} : (tensor<1x3x1xf32>) -> tensor<*x!onnx.unknown>
    return %0 : tensor<*x!onnx.unknown>
  }
}

// -----

module attributes {onnx.opset_imports = [{domain = "", version = 13 : i64}]} {
  // CHECK-LABEL: func.func @squeeze13
  // CHECK:         -> tensor<1x3xf32>
  func.func @squeeze13(%x: tensor<1x3x1xf32>) -> tensor<*x!onnx.unknown> {
    %axes = onnx.Initializer "axes" = dense<-1> : tensor<1xi64>
    %0 = onnx.Squeeze(%x, %axes) : (tensor<1x3x1xf32>, tensor<1xi64>) -> tensor<*x!onnx.unknown>
    return %0 : tensor<*x!onnx.unknown>
  }
}

// -----

// allowzero keeps a zero.
// CHECK-LABEL: func.func @allowzero
// CHECK:         onnx.Reshape({{.*}}) {allowzero = 1 : i64} : {{.*}} -> tensor<0x3xf32>
// CHECK:         onnx.Reshape({{.*}}) : {{.*}} -> tensor<2x3xf32>
func.func @allowzero(%x: tensor<0x5xf32>, %y: tensor<2x3xf32>) -> tensor<*x!onnx.unknown> {
  %shape = onnx.Initializer "shape" = dense<[0, 3]> : tensor<2xi64>
  %0 = onnx.Reshape(%x, %shape) {allowzero = 1 : i64} : (tensor<0x5xf32>, tensor<2xi64>) -> tensor<*x!onnx.unknown>
  %1 = onnx.Reshape(%y, %shape) : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<*x!onnx.unknown>
  return %1 : tensor<*x!onnx.unknown>
}

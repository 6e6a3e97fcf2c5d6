// RUN: compress-opt %s -split-input-file -verify-diagnostics

func.func @initializer_shape() {
  // expected-error @+1 {{'w' needs a static shape, found 'tensor<?xf32>'}}
  %w = "onnx.Initializer"() {name = "w", value = dense_resource<r> : tensor<?xf32>} : () -> tensor<?xf32>
  return
}

// -----

func.func @initializer_type() {
  // expected-error @+1 {{'w': ONNX has no element type 'i3'}}
  %w = onnx.Initializer "w" = dense<1> : tensor<2xi3>
  return
}

// -----

func.func @initializer_size() {
  // expected-error @+1 {{'w' of type 'tensor<3xf32>' needs 12 bytes, its resource has 4}}
  %w = onnx.Initializer "w" = dense_resource<r> : tensor<3xf32>
  return
}

{-# dialect_resources: { builtin: { r: "0x0400000000000000" } } #-}

// -----

func.func @captures(%x: tensor<f32>) {
  // expected-error @+1 {{captures 2 values but has only 1 operands}}
  onnx.Custom "If"(%x) {captures = ["a", "b"]} : (tensor<f32>) -> ()
  return
}

// -----

func.func @required_input(%x: tensor<f32>) {
  %n = onnx.NoValue : none
  // expected-error @+1 {{operand #1 must be a given value, but got 'none'}}
  %0 = onnx.MatMul(%x, %n) : (tensor<f32>, none) -> tensor<f32>
  return
}

// -----

func.func @conv_pads(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+1 {{pads has 2 values, 4 are needed for 2 spatial dimensions}}
  %0 = onnx.Conv(%x, %w) {pads = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<*xf32>
  return
}

// -----

func.func @conv_stride(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+1 {{strides must be at least 1, found 0}}
  %0 = onnx.Conv(%x, %w) {strides = array<i64: 0, 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<*xf32>
  return
}

// -----

func.func @conv_auto_pad(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+1 {{auto_pad must be NOTSET, SAME_UPPER, SAME_LOWER or VALID, found 'SAME'}}
  %0 = onnx.Conv(%x, %w) {auto_pad = "SAME"} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<*xf32>
  return
}

// -----

func.func @conv_channels(%x: tensor<1x4x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+1 {{the input has 4 channels, the weight 'tensor<4x3x3x3xf32>' with group 1 takes 3}}
  %0 = onnx.Conv(%x, %w) : (tensor<1x4x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<*xf32>
  return
}

// -----

func.func @conv_kernel(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+1 {{kernel_shape[1] = 5 but the weight is 'tensor<4x3x3x3xf32>'}}
  %0 = onnx.Conv(%x, %w) {kernel_shape = array<i64: 3, 5>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<*xf32>
  return
}

// -----

func.func @gemm(%a: tensor<2x3xf32>, %b: tensor<4x5xf32>) {
  // expected-error @+1 {{inner dimensions differ: 3 in A, 4 in B}}
  %0 = onnx.Gemm(%a, %b) : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<*xf32>
  return
}

// -----

func.func @gemm_transposed(%a: tensor<3x2xf32>, %b: tensor<4x3xf32>, %v: tensor<3xf32>) {
  %0 = onnx.Gemm(%a, %b) {transA = 1 : i64, transB = 1 : i64} : (tensor<3x2xf32>, tensor<4x3xf32>) -> tensor<2x4xf32>
  // expected-error @+1 {{A must be of rank 2, found 'tensor<3xf32>'}}
  %1 = "onnx.Gemm"(%v, %b) : (tensor<3xf32>, tensor<4x3xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @perm(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{perm must be a permutation of 0 to 1}}
  %0 = onnx.Transpose(%x) {perm = array<i64: 0, 2>} : (tensor<2x3xf32>) -> tensor<*xf32>
  return
}

// -----

func.func @axis(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{axis = -3 is out of range for rank 2}}
  %0 = onnx.Softmax(%x) {axis = -3 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @concat(%x: tensor<2x3xf32>, %y: tensor<2xf32>) {
  // expected-error @+1 {{inputs must be of one rank, found 'tensor<2x3xf32>' and 'tensor<2xf32>'}}
  %0 = onnx.Concat(%x, %y) {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<*xf32>
  return
}

// -----

func.func @constant() {
  // expected-error @+1 {{needs exactly one value attribute, found 2}}
  %0 = onnx.Constant() {value_int = 1 : i64, value_float = 1.0 : f32} : () -> tensor<f32>
  return
}

// -----

func.func @attribute_kind(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{attribute 'axis' failed to satisfy constraint: INT attribute}}
  %0 = onnx.Softmax(%x) {axis = 1.0 : f32} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @axes_twice(%x: tensor<1x3xf32>) {
  %axes = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  // expected-error @+1 {{axes are given twice, as an attribute and an input}}
  %0 = onnx.Squeeze(%x, %axes) {legacy_axes = array<i64: 0>} : (tensor<1x3xf32>, tensor<1xi64>) -> tensor<3xf32>
  return
}

// -----

func.func @batch_norm(%x: tensor<1x4x8xf32>, %p: tensor<4xf32>, %q: tensor<5xf32>) {
  // expected-error @+1 {{input_var has 5 values for 4 channels}}
  %0 = onnx.BatchNormalization(%x, %p, %p, %p, %q)
     : (tensor<1x4x8xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<5xf32>) -> tensor<*xf32>
  return
}

// -----

func.func @quantize(%x: tensor<4x8xf32>, %s: tensor<4xf32>, %z: tensor<8xi8>) {
  // expected-error @+1 {{scale and zero point must have one shape, found 'tensor<4xf32>' and 'tensor<8xi8>'}}
  %0 = onnx.QuantizeLinear(%x, %s, %z) {axis = 0 : i64} : (tensor<4x8xf32>, tensor<4xf32>, tensor<8xi8>) -> tensor<4x8xi8>
  return
}

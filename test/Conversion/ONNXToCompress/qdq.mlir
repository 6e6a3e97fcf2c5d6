// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(convert-onnx-qdq-to-compress))' | FileCheck %s
// RUN: compress-opt %s --pass-pipeline='builtin.module(func.func(convert-onnx-qdq-to-compress{remarks}))' -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Models that other tools quantized.
// CHECK-LABEL: func.func @weights
func.func @weights() -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4xf32>) {
  // A zero point of zeros is none.
  // CHECK: %[[W:.+]] = compress.constant [{{.*}} : tensor<4x8xi8>, {{.*}} : tensor<4x1xf32>] {compress.site = "w"} : <4x8xf32, int8<axis = 0>>
  // CHECK: compress.decode %[[W]]
  %codes = onnx.Initializer "w_quantized" = dense<3> : tensor<4x8xi8>
  %scale = onnx.Initializer "w_scale" = dense<0.5> : tensor<4xf32>
  %zero = onnx.Initializer "w_zero" = dense<0> : tensor<4xi8>
  %0 = onnx.DequantizeLinear(%codes, %scale, %zero) {axis = 0 : i64}
    : (tensor<4x8xi8>, tensor<4xf32>, tensor<4xi8>) -> tensor<4x8xf32>
  // CHECK: compress.constant [{{.*}} : tensor<4x8xi4>, {{.*}} : tensor<4x4xf32>, {{.*}} : tensor<4x4xi4>] {compress.site = "u"} : <4x8xf32, uint4<g = 2, s = f32>>
  %codes4 = onnx.Initializer "u" = dense<3> : tensor<4x8xui4>
  %scales = onnx.Initializer "u_scale" = dense<0.5> : tensor<4x4xf32>
  %zeros = onnx.Initializer "u_zero" = dense<8> : tensor<4x4xui4>
  %1 = onnx.DequantizeLinear(%codes4, %scales, %zeros) {axis = -1 : i64, block_size = 2 : i64}
    : (tensor<4x8xui4>, tensor<4x4xf32>, tensor<4x4xui4>) -> tensor<4x8xf32>
  // CHECK: : <4x8xf32, fp8>
  %codes8 = onnx.Initializer "v" = dense<1.5> : tensor<4x8xf8E4M3FN>
  %one = onnx.Initializer "v_scale" = dense<0.5> : tensor<f32>
  %2 = onnx.DequantizeLinear(%codes8, %one) : (tensor<4x8xf8E4M3FN>, tensor<f32>) -> tensor<4x8xf32>
  // Biases in 32 bits are no compressed form.
  // CHECK: onnx.DequantizeLinear
  // REMARK: remark: node 'bias_node' (DequantizeLinear) stays as it is: codes of this type are not a compressed form
  %bias = onnx.Initializer "bias" = dense<1> : tensor<4xi32>
  %3 = onnx.DequantizeLinear(%bias, %one) {onnx.node_name = "bias_node"} : (tensor<4xi32>, tensor<f32>) -> tensor<4xf32>
  func.return %0, %1, %2, %3 : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @activations
func.func @activations(%x: tensor<?x8xf32>, %s: tensor<f32>) -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: %[[S:.+]] = arith.constant dense<5.000000e-01> : tensor<1x1xf32>
  // CHECK: %[[Z:.+]] = arith.constant dense<3> : tensor<1x1xi8>
  // CHECK: compress.encode %arg0 params(%[[S]], %[[Z]] : {{.*}} -> <?x8xf32, uint8>
  %scale = onnx.Initializer "s" = dense<0.5> : tensor<f32>
  %zero = onnx.Initializer "z" = dense<3> : tensor<ui8>
  %q = onnx.QuantizeLinear(%x, %scale, %zero) : (tensor<?x8xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x8xui8>
  %0 = onnx.DequantizeLinear(%q, %scale, %zero) : (tensor<?x8xui8>, tensor<f32>, tensor<ui8>) -> tensor<?x8xf32>
  // QuantizeLinear uses -128, so the zero point stays.
  // CHECK: compress.encode %arg0 params({{.*}} -> <?x8xf32, quant<i8, group = [*, *], scale = f32, zero = i8>>
  %zeroSigned = onnx.Initializer "zs" = dense<0> : tensor<i8>
  %qs = onnx.QuantizeLinear(%x, %scale, %zeroSigned) : (tensor<?x8xf32>, tensor<f32>, tensor<i8>) -> tensor<?x8xi8>
  %1 = onnx.DequantizeLinear(%qs, %scale, %zeroSigned) : (tensor<?x8xi8>, tensor<f32>, tensor<i8>) -> tensor<?x8xf32>
  // CHECK: compress.encode %arg0 : tensor<?x8xf32> -> <?x8xf32, uint8>
  %d:3 = onnx.DynamicQuantizeLinear(%x) : (tensor<?x8xf32>) -> (tensor<?x8xui8>, tensor<f32>, tensor<ui8>)
  %2 = onnx.DequantizeLinear(%d#0, %d#1, %d#2) : (tensor<?x8xui8>, tensor<f32>, tensor<ui8>) -> tensor<?x8xf32>
  // CHECK: onnx.QuantizeLinear
  // CHECK: onnx.DequantizeLinear
  // REMARK: stays as it is: its scale is not constant
  %qd = onnx.QuantizeLinear(%x, %s, %zero) : (tensor<?x8xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x8xui8>
  %3 = onnx.DequantizeLinear(%qd, %s, %zero) : (tensor<?x8xui8>, tensor<f32>, tensor<ui8>) -> tensor<?x8xf32>
  func.return %0, %1, %2, %3 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
}

// RUN: compress-opt %s --convert-compress-to-onnx --split-input-file | FileCheck %s

// Static parameters: a pair of quantization operators. Symmetric signed codes
// leave out -128, which QuantizeLinear would use.
module attributes {onnx.opset_imports = [{domain = "", version = 13 : i64}]} {
  // CHECK-LABEL: func.func @static
  func.func @static(%x: tensor<?x4xf32> {onnx.name = "x"})
      -> (tensor<?x4xf32>, tensor<?x4xf32>) {
    // CHECK: %[[S:.+]] = onnx.Initializer "x_scale" = dense<5.000000e-01> : tensor<f32>
    // CHECK: %[[Z:.+]] = onnx.Initializer "x_zero_point" = dense<3> : tensor<ui8>
    // CHECK: %[[Q:.+]] = onnx.QuantizeLinear(%arg0, %[[S]], %[[Z]])
    // CHECK: %[[D:.+]] = onnx.DequantizeLinear(%[[Q]], %[[S]], %[[Z]])
    // CHECK-SAME: "compress.type", "!compress.tensor<?x4xf32, uint8>"
    %s = arith.constant dense<0.5> : tensor<1x1xf32>
    %z = arith.constant dense<3> : tensor<1x1xi8>
    %0 = compress.encode %x params(%s, %z : tensor<1x1xf32>, tensor<1x1xi8>) : tensor<?x4xf32>
      -> !compress.tensor<?x4xf32, quant<ui8, group = [*, *], scale = f32, zero = ui8>>
    %1 = compress.decode %0 : !compress.tensor<?x4xf32, quant<ui8, group = [*, *], scale = f32, zero = ui8>>
    // CHECK: %[[L:.+]] = onnx.Mul
    // CHECK: %[[M:.+]] = onnx.Max(%arg0, %[[L]])
    // CHECK: onnx.QuantizeLinear(%[[M]],
    %2 = compress.encode %x params(%s : tensor<1x1xf32>) : tensor<?x4xf32>
      -> !compress.tensor<?x4xf32, quant<i8, group = [*, *], scale = f32>>
    %3 = compress.decode %2 : !compress.tensor<?x4xf32, quant<i8, group = [*, *], scale = f32>>
    // CHECK: return %[[D]],
    // CHECK-NOT: arith.constant
    func.return %1, %3 : tensor<?x4xf32>, tensor<?x4xf32>
  }
}

// -----

module attributes {onnx.opset_imports = [{domain = "", version = 13 : i64}]} {
  // CHECK: version = 18 : i64
  // CHECK-LABEL: func.func @dynamic
  func.func @dynamic(%x: tensor<?x4xf32> {onnx.name = "x"})
      -> (tensor<?x4xf32>, tensor<?x4xf32>) {
    // CHECK: %[[Q:.+]], %[[S:.+]], %[[Z:.+]] = onnx.DynamicQuantizeLinear(%arg0)
    // CHECK: onnx.DequantizeLinear(%[[Q]], %[[S]], %[[Z]])
    %0 = compress.encode %x : tensor<?x4xf32>
      -> !compress.tensor<?x4xf32, quant<ui8, group = [*, *], scale = f32, zero = ui8>>
    %1 = compress.decode %0 : !compress.tensor<?x4xf32, quant<ui8, group = [*, *], scale = f32, zero = ui8>>
    // Per token.
    // CHECK: onnx.ReduceMin(%arg0, {{.*}} tensor<?x1xf32>
    // CHECK: onnx.ReduceMax(%arg0, {{.*}} tensor<?x1xf32>
    // CHECK: onnx.Round
    // CHECK: onnx.Mul({{.*}}"compress.type"
    %2 = compress.encode %x : tensor<?x4xf32>
      -> !compress.tensor<?x4xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>
    %3 = compress.decode %2 : !compress.tensor<?x4xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>
    func.return %1, %3 : tensor<?x4xf32>, tensor<?x4xf32>
  }
}

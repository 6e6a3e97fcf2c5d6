// RUN: compress-opt %s --convert-compress-to-onnx | FileCheck %s
// RUN: compress-opt %s --convert-compress-to-onnx=profile=standard | FileCheck %s --check-prefix=STANDARD

module attributes {onnx.ir_version = 8 : i64,
                   onnx.opset_imports = [{domain = "", version = 13 : i64}]} {
  // The blocked 4-bit weight needs opset 21; other operators are upgraded.
  // CHECK: onnx.ir_version = 10 : i64
  // CHECK-SAME: onnx.opset_imports = [{domain = "", version = 21 : i64}]
  // Power-of-two scales as such need opset 24.
  // STANDARD: onnx.ir_version = 12 : i64
  // STANDARD-SAME: version = 24 : i64

  // CHECK-LABEL: func.func @main_graph
  // STANDARD-LABEL: func.func @main_graph
  func.func @main_graph(%x: tensor<?x4xf32> {onnx.name = "x"})
      -> (tensor<?xf32> {onnx.name = "y"}) {
    // One scale per row; the zero point has the type of the codes.
    // CHECK: %[[Q:.+]] = onnx.Initializer "fc.weight_quantized" = {{.*}} : tensor<4x2xi8> {info = {metadata_props = {{\[\[}}"compress.leaf", "0"]]}}
    // CHECK: %[[S:.+]] = onnx.Initializer "fc.weight_scale" = {{.*}} : tensor<2xf32>
    // CHECK: %[[Z:.+]] = onnx.Initializer "fc.weight_zero_point" = {{.*}} : tensor<2xi8>
    // CHECK: onnx.DequantizeLinear(%[[Q]], %[[S]], %[[Z]]) {axis = 1 : i64,
    // CHECK-SAME: "compress.type", "!compress.tensor<4x2xf32, quant<i8, group = [*, 1], scale = f32, zero = i8>>"
    // CHECK-SAME: "compress.site", "fc.weight"
    // CHECK-SAME: "compress.level", "int8"
    // CHECK-SAME: onnx.node_name = "fc.weight_DequantizeLinear", onnx.outputs = ["fc.weight_dequantized"]
    %w = compress.constant [dense<[[1, 2], [3, 4], [5, 6], [7, 8]]> : tensor<4x2xi8>,
                            dense<0.5> : tensor<1x2xf32>, dense<1> : tensor<1x2xi8>]
      {compress.site = "fc.weight", compress.level = "int8"}
      : !compress.tensor<4x2xf32, quant<i8, group = [*, 1], scale = f32, zero = i8>>
    %0 = compress.decode %w : !compress.tensor<4x2xf32, quant<i8, group = [*, 1], scale = f32, zero = i8>>
    %1 = onnx.MatMul(%x, %0) : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>

    // Blocks, with f16 scales that a Cast widens; two uses share the nodes.
    // CHECK: %[[Q:.+]] = onnx.Initializer "block_quantized" = {{.*}} : tensor<2x4xui4>
    // CHECK: %[[H:.+]] = onnx.Initializer "block_scale" = {{.*}} : tensor<2x2xf16>
    // CHECK: %[[S:.+]] = onnx.Cast(%[[H]]) {
    // CHECK-SAME: to = 1 : i64
    // CHECK: %[[D:.+]] = onnx.DequantizeLinear(%[[Q]], %[[S]]) {axis = 1 : i64, block_size = 2 : i64,
    // CHECK-SAME: tensor<2x4xf32>
    // CHECK: onnx.MatMul({{.*}}, %[[D]])
    // CHECK: onnx.MatMul({{.*}}, %[[D]])
    %b = compress.constant [dense<3> : tensor<2x4xi4>, dense<0.5> : tensor<2x2xf16>]
      {compress.site = "block"}
      : !compress.tensor<2x4xf32, quant<ui4, group = [1, 2], scale = f16>>
    %2 = compress.decode %b : !compress.tensor<2x4xf32, quant<ui4, group = [1, 2], scale = f16>>
    %3 = compress.decode %b : !compress.tensor<2x4xf32, quant<ui4, group = [1, 2], scale = f16>>
    %4 = onnx.MatMul(%1, %2) : (tensor<?x2xf32>, tensor<2x4xf32>) -> tensor<?x4xf32>
    %5 = onnx.MatMul(%1, %3) : (tensor<?x2xf32>, tensor<2x4xf32>) -> tensor<?x4xf32>

    // 4-bit floats: packed as uint4, looked up.
    // CHECK: %[[Q:.+]] = onnx.Initializer "mx_quantized" = {{.*}} : tensor<4x4xui4>
    // CHECK: %[[I:.+]] = onnx.Cast(%[[Q]])
    // CHECK: onnx.Gather(%{{.*}}, %[[I]]) {axis = 0 : i64, {{.*}} : (tensor<16xf32>, tensor<4x4xi32>) -> tensor<4x4xf32>
    // CHECK: onnx.Reshape
    // CHECK: %[[E:.+]] = onnx.Initializer "mx_scale" = {{.*}} : tensor<4x2x1xui8>
    // CHECK: onnx.Mul
    // CHECK: onnx.Reshape({{.*}}"compress.type"
    // STANDARD: %[[Q:.+]] = onnx.Initializer "mx_quantized" = {{.*}} : tensor<4x4xf4E2M1FN>
    // STANDARD: %[[E:.+]] = onnx.Initializer "mx_scale" = {{.*}} : tensor<4x2xf8E8M0FNU>
    // STANDARD: onnx.DequantizeLinear(%[[Q]], %[[E]]) {axis = 1 : i64, block_size = 2 : i64,
    // STANDARD-SAME: output_dtype = 1 : i64
    %m = compress.constant [dense<1.5> : tensor<4x4xf4E2M1FN>, dense<2.0> : tensor<4x2xf8E8M0FNU>]
      {compress.site = "mx"}
      : !compress.tensor<4x4xf32, quant<f4E2M1FN, group = [1, 2], scale = f8E8M0FNU>>
    %6 = compress.decode %m : !compress.tensor<4x4xf32, quant<f4E2M1FN, group = [1, 2], scale = f8E8M0FNU>>
    %7 = onnx.Add(%4, %5) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %8 = onnx.MatMul(%7, %6) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>

    // An operator that means something else since opset 18.
    // CHECK: %[[A:.+]] = onnx.Initializer "ReduceMax_axes" = dense<1> : tensor<1xi64>
    // CHECK: onnx.ReduceMax(%{{.*}}, %[[A]]) {keepdims = 0 : i64}
    %9 = onnx.ReduceMax(%8) {legacy_axes = array<i64: 1>, keepdims = 0 : i64}
      : (tensor<?x4xf32>) -> tensor<?xf32>
    func.return %9 : tensor<?xf32>
    // CHECK-NOT: compress.decode
  }
}

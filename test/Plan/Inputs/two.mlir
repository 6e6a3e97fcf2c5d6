func.func @two(%x: tensor<?x64xf32>) -> tensor<?x4xf32> {
  %a = onnx.Initializer "fc1" = dense<0.3> : tensor<64x32xf32>
  %b = onnx.Initializer "fc2" = dense<0.7> : tensor<32x16xf32>
  %s = onnx.Initializer "small" = dense<0.7> : tensor<16x4xf32>
  %0 = onnx.MatMul(%x, %a) {onnx.node_name = "first"} : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
  %1 = onnx.MatMul(%0, %b) {onnx.node_name = "second"} : (tensor<?x32xf32>, tensor<32x16xf32>) -> tensor<?x16xf32>
  %2 = onnx.MatMul(%1, %s) : (tensor<?x16xf32>, tensor<16x4xf32>) -> tensor<?x4xf32>
  return %2 : tensor<?x4xf32>
}

func.func @nan(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  %a = onnx.Initializer "bad" = dense<0x7FC00000> : tensor<64x32xf32>
  %0 = onnx.MatMul(%x, %a) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}

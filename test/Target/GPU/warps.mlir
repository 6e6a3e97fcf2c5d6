#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>
func.func @f32(%x: tensor<128x256xf32>, %w: tensor<128x256xf32>) -> tensor<128x128xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<128x128xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<128x128xf32>) -> tensor<128x128xf32>
  %r = compress.contract ins(%x, %w : tensor<128x256xf32>, tensor<128x256xf32>)
    outs(%zeros : tensor<128x128xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<128x128xf32>
  return %r : tensor<128x128xf32>
}
func.func @gemv(%x: tensor<1x256xf32>, %w: tensor<128x256xf32>) -> tensor<1x128xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x128xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<1x128xf32>) -> tensor<1x128xf32>
  %r = compress.contract ins(%x, %w : tensor<1x256xf32>, tensor<128x256xf32>)
    outs(%zeros : tensor<1x128xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x128xf32>
  return %r : tensor<1x128xf32>
}
func.func @gemv4(%x: tensor<1x256xf32>) -> tensor<1x128xf32> {
  %w = compress.constant [dense<1> : tensor<128x256xi4>, dense<0.5> : tensor<128x8xf32>]
     : !compress.tensor<128x256xf32, quant<i4, group = [1, 32], scale = f32>>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x128xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<1x128xf32>) -> tensor<1x128xf32>
  %r = compress.contract ins(%x, %w : tensor<1x256xf32>, !compress.tensor<128x256xf32, quant<i4, group = [1, 32], scale = f32>>)
    outs(%zeros : tensor<1x128xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x128xf32>
  return %r : tensor<1x128xf32>
}
func.func @int8(%x: tensor<128x256xf32>) -> tensor<128x128xf32> {
  %q = compress.encode %x : tensor<128x256xf32> -> !compress.tensor<128x256xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>
  %w = compress.constant [dense<1> : tensor<128x256xi8>, dense<0.5> : tensor<128x1xf32>]
     : !compress.tensor<128x256xf32, quant<i8, group = [1, *], scale = f32>>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<128x128xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<128x128xf32>) -> tensor<128x128xf32>
  %r = compress.contract ins(%q, %w : !compress.tensor<128x256xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>,
      !compress.tensor<128x256xf32, quant<i8, group = [1, *], scale = f32>>)
    outs(%zeros : tensor<128x128xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<128x128xf32>
  return %r : tensor<128x128xf32>
}

// The rule of `factored`: a chain in the cheapest order, unless that is to
// rebuild the matrix.
//
// RUN: compress-opt %s --compress-rewrite-contract | FileCheck %s

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#y = affine_map<(m, n, k) -> (m, n)>

// CHECK-DAG: #[[ROWS:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[COLS:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-DAG: #[[OUT:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-DAG: #[[WINDOW:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d6, d2 * 2 + d4, d3 * 2 + d5)>

// The batch is not known, and the accumulator is that of the last product.
// CHECK-LABEL: func @low_rank
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x64xf32>, %[[W:[^:]*]]: !compress.tensor<{{.*}}>, %[[B:[^:]*]]: tensor<?x128xf32>
!low_rank = !compress.tensor<64x128xf32, factored<"i j = i r, r j", sizes = {r = 8}, of = [f16, f32]>>
func.func @low_rank(%x: tensor<?x64xf32>, %w: !low_rank, %b: tensor<?x128xf32>) -> tensor<?x128xf32> {
  // CHECK: %[[P:.*]]:2 = compress.unpack %[[W]]
  // CHECK: %[[U:.*]] = compress.pack %[[P]]#0 : tensor<64x8xf16> -> <64x8xf32, f16>
  // CHECK: %[[Z:.*]] = linalg.fill {{.*}} -> tensor<?x8xf32>
  // CHECK: %[[T:.*]] = compress.contract ins(%[[X]], %[[U]] : {{.*}}) outs(%[[Z]] : {{.*}}) indexing_maps = [#[[ROWS]], #[[COLS]], #[[OUT]]]
  // CHECK: compress.contract ins(%[[T]], %[[P]]#1 : {{.*}}) outs(%[[B]] : {{.*}}) indexing_maps = [#[[ROWS]], #[[COLS]], #[[OUT]]]
  %y = compress.contract ins(%x, %w : tensor<?x64xf32>, !low_rank) outs(%b : tensor<?x128xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// 8 * (64 + 128) a row is less than 64 * 128, 100 * (64 + 128) is not.
// CHECK-LABEL: func @high_rank
!high_rank = !compress.tensor<64x128xf32, factored<"i j = i r, r j", sizes = {r = 100}, of = [f16, f32]>>
func.func @high_rank(%x: tensor<?x64xf32>, %w: !high_rank, %b: tensor<?x128xf32>) -> tensor<?x128xf32> {
  // CHECK-NOT: unpack
  // CHECK: compress.contract ins(%{{.*}}, %{{.*}} : tensor<?x64xf32>, !compress.tensor<64x128xf32, factored<
  // CHECK-NOT: compress.contract
  %y = compress.contract ins(%x, %w : tensor<?x64xf32>, !high_rank) outs(%b : tensor<?x128xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// A prefix cuts the factors.
// CHECK-LABEL: func @prefix
!prefix = !compress.tensor<64x128xf32, factored<"i j = i r, r j", sizes = {r = 100}, prefix = {r = 4}, of = [f32, f32]>>
func.func @prefix(%x: tensor<16x64xf32>, %w: !prefix, %b: tensor<16x128xf32>) -> tensor<16x128xf32> {
  // CHECK: tensor.extract_slice %{{.*}}[0, 0] [64, 4] [1, 1]
  // CHECK: tensor.extract_slice %{{.*}}[0, 0] [4, 128] [1, 1]
  // CHECK: compress.contract {{.*}} -> tensor<16x4xf32>
  // CHECK: compress.contract {{.*}} -> tensor<16x128xf32>
  %y = compress.contract ins(%x, %w : tensor<16x64xf32>, !prefix) outs(%b : tensor<16x128xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<16x128xf32>
  return %y : tensor<16x128xf32>
}

// Split dimensions split the activation and the result.
// CHECK-LABEL: func @tensor_train
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x24xf32>, %{{[^:]*}}: !compress.tensor<{{.*}}>, %[[B:[^:]*]]: tensor<?x30xf32>
!mpo = !compress.tensor<24x30xf32, factored<"(a b) (c d) = a c r, r b d", sizes = {r = 2, a = 6, b = 4, c = 5, d = 6}, of = [f32, f32]>>
func.func @tensor_train(%x: tensor<?x24xf32>, %w: !mpo, %b: tensor<?x30xf32>) -> tensor<?x30xf32> {
  // CHECK: tensor.expand_shape %[[X]] {{\[\[}}0], [1, 2]] {{.*}} into tensor<?x6x4xf32>
  // CHECK: compress.contract {{.*}} -> tensor<?x5x2x4xf32>
  // CHECK: tensor.expand_shape %[[B]] {{\[\[}}0], [1, 2]] {{.*}} into tensor<?x5x6xf32>
  // CHECK: compress.contract {{.*}} -> tensor<?x5x6xf32>
  // CHECK: tensor.collapse_shape {{.*}} into tensor<?x30xf32>
  %y = compress.contract ins(%x, %w : tensor<?x24xf32>, !mpo) outs(%b : tensor<?x30xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x30xf32>
  return %y : tensor<?x30xf32>
}

// A convolution becomes 1x1, small, 1x1; factors stay compressed and channels
// where they are.
// CHECK-LABEL: func @tucker
!tucker = !compress.tensor<32x16x3x3xf32, factored<"o i h w = o p, p q h w, i q", sizes = {p = 8, q = 4},
    of = [f32, quant<i8, group = [1, *, *, *], scale = f32>, f16]>>
func.func @tucker(%x: tensor<?x16x20x20xf32>, %w: !tucker, %b: tensor<?x32x9x9xf32>) -> tensor<?x32x9x9xf32> {
  // CHECK: compress.contract ins(%{{.*}}, %{{.*}} : tensor<?x16x20x20xf32>, !compress.tensor<16x4xf32, f16>) {{.*}} -> tensor<?x4x20x20xf32>
  // CHECK: compress.contract ins(%{{.*}}, %{{.*}} : tensor<?x4x20x20xf32>, !compress.tensor<8x4x3x3xf32, {{[^)]*}}) {{.*}} indexing_maps = [#[[WINDOW]], {{.*}} -> tensor<?x8x9x9xf32>
  // CHECK: compress.contract ins(%{{.*}}, %{{.*}} : tensor<?x8x9x9xf32>, tensor<32x8xf32>) outs(%{{.*}} : tensor<?x32x9x9xf32>)
  %y = compress.contract ins(%x, %w : tensor<?x16x20x20xf32>, !tucker) outs(%b : tensor<?x32x9x9xf32>)
    indexing_maps = [affine_map<(n, o, y, x, i, h, w) -> (n, i, y * 2 + h, x * 2 + w)>,
                     affine_map<(n, o, y, x, i, h, w) -> (o, i, h, w)>,
                     affine_map<(n, o, y, x, i, h, w) -> (n, o, y, x)>]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]
    -> tensor<?x32x9x9xf32>
  return %y : tensor<?x32x9x9xf32>
}

// The factored operand may come first, and then stays first.
// CHECK-LABEL: func @first
func.func @first(%w: !low_rank, %x: tensor<?x64xf32>, %b: tensor<?x128xf32>) -> tensor<?x128xf32> {
  // CHECK: compress.contract ins(%{{.*}}, %{{.*}} : !compress.tensor<64x8xf32, f16>, tensor<?x64xf32>)
  // CHECK: compress.contract ins(%{{.*}}, %{{.*}} : tensor<8x128xf32>, tensor<?x8xf32>)
  %y = compress.contract ins(%w, %x : !low_rank, tensor<?x64xf32>) outs(%b : tensor<?x128xf32>)
    indexing_maps = [#w, #x, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// Products in f32 of an f16 weight would round differently.
// CHECK-LABEL: func @narrow
!narrow = !compress.tensor<64x128xf16, factored<"i j = i r, r j", sizes = {r = 8}, of = [f16, f32]>>
func.func @narrow(%x: tensor<?x64xf32>, %w: !narrow, %b: tensor<?x128xf32>) -> tensor<?x128xf32> {
  // CHECK-NOT: unpack
  // CHECK: compress.contract
  // CHECK-NOT: compress.contract
  %y = compress.contract ins(%x, %w : tensor<?x64xf32>, !narrow) outs(%b : tensor<?x128xf32>)
    indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

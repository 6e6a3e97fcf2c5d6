// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" --canonicalize | FileCheck %s

#q = affine_map<(b, h, m, n, k) -> (b, h, m, k)>
#k = affine_map<(b, h, m, n, k) -> (b, h, k, n)>
#s = affine_map<(b, h, m, n, k) -> (b, h, m, n)>
#all = affine_map<(b, h, m, n) -> (b, h, m, n)>
#row = affine_map<(b, h, m, n) -> (b, h, m)>
#mask = affine_map<(b, h, m, n) -> (b, 0, 0, n)>

// Heads are read and written where they lie; scale and mask are taken along.
// CHECK-LABEL: func.func @attention
// CHECK-SAME:    %[[Q:.*]]: tensor<1x8x2x4xf32>, %[[K:.*]]: tensor<1x8x2x4xf32>, %[[V:.*]]: tensor<1x8x2x4xf32>, %[[M:.*]]: tensor<1x1x1x8xf32>
// CHECK-DAG:     %[[QF:.*]] = tensor.collapse_shape %[[Q]]
// CHECK-DAG:     %[[KF:.*]] = tensor.collapse_shape %[[K]]
// CHECK-DAG:     %[[VF:.*]] = tensor.collapse_shape %[[V]]
// CHECK-DAG:     %[[MF:.*]] = tensor.collapse_shape %[[M]]
// CHECK:         %[[R:.*]] = compress.kernel @compress_attention_f32_avx512vnni_r8c8d4w4_q64x4x8x1_k64x4x8x1_v64x4x8x1_o64x4x8x1_b2_n1_m8x0x0x1_s3f000000 ins(%[[QF]], %[[KF]], %[[VF]], %[[MF]] :
// CHECK-NEXT:    %[[O:.*]] = tensor.expand_shape %[[R]]
// CHECK-NEXT:    return %[[O]]
func.func @attention(%q: tensor<1x8x2x4xf32>, %k: tensor<1x8x2x4xf32>, %v: tensor<1x8x2x4xf32>, %mask: tensor<1x1x1x8xf32>) -> tensor<1x8x2x4xf32> {
  %two = arith.constant 2.0 : f32
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %eh = tensor.empty() : tensor<1x2x8x4xf32>
  %ek = tensor.empty() : tensor<1x2x4x8xf32>
  %es = tensor.empty() : tensor<1x2x8x8xf32>
  %er = tensor.empty() : tensor<1x2x8xf32>
  %eo = tensor.empty() : tensor<1x8x2x4xf32>
  %qt = linalg.transpose ins(%q : tensor<1x8x2x4xf32>) outs(%eh : tensor<1x2x8x4xf32>) permutation = [0, 2, 1, 3]
  %kt = linalg.transpose ins(%k : tensor<1x8x2x4xf32>) outs(%ek : tensor<1x2x4x8xf32>) permutation = [0, 2, 3, 1]
  %vt = linalg.transpose ins(%v : tensor<1x8x2x4xf32>) outs(%eh : tensor<1x2x8x4xf32>) permutation = [0, 2, 1, 3]
  %zs = linalg.fill ins(%zero : f32) outs(%es : tensor<1x2x8x8xf32>) -> tensor<1x2x8x8xf32>
  %p = compress.contract ins(%qt, %kt : tensor<1x2x8x4xf32>, tensor<1x2x4x8xf32>) outs(%zs : tensor<1x2x8x8xf32>)
    indexing_maps = [#q, #k, #s] iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"] -> tensor<1x2x8x8xf32>
  %scaled = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%p : tensor<1x2x8x8xf32>) outs(%es : tensor<1x2x8x8xf32>) {
  ^bb0(%x: f32, %o: f32):
    %r = arith.divf %x, %two : f32
    linalg.yield %r : f32
  } -> tensor<1x2x8x8xf32>
  %masked = linalg.generic {indexing_maps = [#all, #mask, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%scaled, %mask : tensor<1x2x8x8xf32>, tensor<1x1x1x8xf32>) outs(%es : tensor<1x2x8x8xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %r = arith.addf %x, %y : f32
    linalg.yield %r : f32
  } -> tensor<1x2x8x8xf32>
  %fm = linalg.fill ins(%least : f32) outs(%er : tensor<1x2x8xf32>) -> tensor<1x2x8xf32>
  %max = linalg.generic {indexing_maps = [#all, #row], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
    ins(%masked : tensor<1x2x8x8xf32>) outs(%fm : tensor<1x2x8xf32>) {
  ^bb0(%x: f32, %o: f32):
    %r = arith.maximumf %o, %x : f32
    linalg.yield %r : f32
  } -> tensor<1x2x8xf32>
  %exp = linalg.generic {indexing_maps = [#all, #row, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%masked, %max : tensor<1x2x8x8xf32>, tensor<1x2x8xf32>) outs(%es : tensor<1x2x8x8xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %d = arith.subf %x, %y : f32
    %r = math.exp %d : f32
    linalg.yield %r : f32
  } -> tensor<1x2x8x8xf32>
  %fs = linalg.fill ins(%zero : f32) outs(%er : tensor<1x2x8xf32>) -> tensor<1x2x8xf32>
  %sum = linalg.generic {indexing_maps = [#all, #row], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
    ins(%exp : tensor<1x2x8x8xf32>) outs(%fs : tensor<1x2x8xf32>) {
  ^bb0(%x: f32, %o: f32):
    %r = arith.addf %o, %x : f32
    linalg.yield %r : f32
  } -> tensor<1x2x8xf32>
  %share = linalg.generic {indexing_maps = [#all, #row, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%exp, %sum : tensor<1x2x8x8xf32>, tensor<1x2x8xf32>) outs(%es : tensor<1x2x8x8xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %r = arith.divf %x, %y : f32
    linalg.yield %r : f32
  } -> tensor<1x2x8x8xf32>
  %zh = linalg.fill ins(%zero : f32) outs(%eh : tensor<1x2x8x4xf32>) -> tensor<1x2x8x4xf32>
  %c = compress.contract ins(%share, %vt : tensor<1x2x8x8xf32>, tensor<1x2x8x4xf32>) outs(%zh : tensor<1x2x8x4xf32>)
    indexing_maps = [#q, #k, #s] iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"] -> tensor<1x2x8x4xf32>
  %out = linalg.transpose ins(%c : tensor<1x2x8x4xf32>) outs(%eo : tensor<1x8x2x4xf32>) permutation = [0, 2, 1, 3]
  return %out : tensor<1x8x2x4xf32>
}

// Scores that something else reads, too, are computed.
// CHECK-LABEL: func.func @no_softmax
// CHECK:         compress.kernel @compress_rt_matmul_f32
func.func @no_softmax(%q: tensor<1x2x8x4xf32>, %k: tensor<1x2x4x8xf32>) -> tensor<1x2x8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %es = tensor.empty() : tensor<1x2x8x8xf32>
  %zs = linalg.fill ins(%zero : f32) outs(%es : tensor<1x2x8x8xf32>) -> tensor<1x2x8x8xf32>
  %p = compress.contract ins(%q, %k : tensor<1x2x8x4xf32>, tensor<1x2x4x8xf32>) outs(%zs : tensor<1x2x8x8xf32>)
    indexing_maps = [#q, #k, #s] iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"] -> tensor<1x2x8x8xf32>
  return %p : tensor<1x2x8x8xf32>
}

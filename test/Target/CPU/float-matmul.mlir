// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" | FileCheck %s --check-prefixes=CHECK,AVX512
// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=x86-64" | FileCheck %s --check-prefixes=CHECK,SSE2

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#y = affine_map<(m, n, k) -> (m, n)>
#id = affine_map<(m, n) -> (m, n)>

// A plain constant is packed in panels of whole vectors; relu and the addition
// before it become part of the kernel.
// CHECK-LABEL: func.func @relu
// CHECK:         %[[Y:.*]] = compress.kernel @compress_gemm_f32_f32_{{[a-z0-9]+}}_n3_k4_zero_add_ge00000000
// AVX512-SAME:     ins(%arg0, %{{.*}}, %arg1 : tensor<?x4xf32>, tensor<64xf32>, tensor<?x3xf32>)
// SSE2-SAME:       ins(%arg0, %{{.*}}, %arg1 : tensor<?x4xf32>, tensor<16xf32>, tensor<?x3xf32>)
// CHECK:         return %[[Y]]
func.func @relu(%a: tensor<?x4xf32>, %r: tensor<?x3xf32>, %empty: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %w = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [1.0, 2.0, 3.0]]> : tensor<4x3xf32>
  %zero = arith.constant 0.0 : f32
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x3xf32>) -> tensor<?x3xf32>
  %c = compress.contract ins(%a, %w : tensor<?x4xf32>, tensor<4x3xf32>)
    outs(%init : tensor<?x3xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  %s = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%c, %r : tensor<?x3xf32>, tensor<?x3xf32>) outs(%empty : tensor<?x3xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %t = arith.addf %x, %y : f32
    linalg.yield %t : f32
  } -> tensor<?x3xf32>
  %p = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%s : tensor<?x3xf32>) outs(%empty : tensor<?x3xf32>) {
  ^bb0(%x: f32, %o: f32):
    %t = arith.maximumf %x, %zero : f32
    linalg.yield %t : f32
  } -> tensor<?x3xf32>
  return %p : tensor<?x3xf32>
}

// Halves stay halves.
// CHECK-LABEL: func.func @half
// AVX512:        compress.kernel @compress_gemm_f32_f16_avx512vnni_n3_k4_zero ins(%arg0, %{{.*}} : tensor<?x4xf32>, tensor<64xf16>)
// SSE2:          compress.kernel @compress_gemm_f32_f16_sse2_n3_k4_zero ins(%arg0, %{{.*}} : tensor<?x4xf32>, tensor<16xi16>)
func.func @half(%a: tensor<?x4xf32>, %empty: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %w = compress.constant [dense<2.0> : tensor<4x3xf16>] : !compress.tensor<4x3xf32, f16>
  %zero = arith.constant 0.0 : f32
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x3xf32>) -> tensor<?x3xf32>
  %c = compress.contract ins(%a, %w : tensor<?x4xf32>, !compress.tensor<4x3xf32, f16>)
    outs(%init : tensor<?x3xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  return %c : tensor<?x3xf32>
}

// What else is read between stays where it is.
// CHECK-LABEL: func.func @two_uses
// CHECK:         compress.kernel @compress_gemm_f32_f32_{{[a-z0-9]+}}_n3_k4_zero ins
// CHECK:         arith.maximumf
func.func @two_uses(%a: tensor<?x4xf32>, %empty: tensor<?x3xf32>) -> (tensor<?x3xf32>, tensor<?x3xf32>) {
  %w = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [1.0, 2.0, 3.0]]> : tensor<4x3xf32>
  %zero = arith.constant 0.0 : f32
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x3xf32>) -> tensor<?x3xf32>
  %c = compress.contract ins(%a, %w : tensor<?x4xf32>, tensor<4x3xf32>)
    outs(%init : tensor<?x3xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  %p = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%c : tensor<?x3xf32>) outs(%empty : tensor<?x3xf32>) {
  ^bb0(%x: f32, %o: f32):
    %t = arith.maximumf %x, %zero : f32
    linalg.yield %t : f32
  } -> tensor<?x3xf32>
  return %c, %p : tensor<?x3xf32>, tensor<?x3xf32>
}

// The product of two activations is the runtime's.
// CHECK-LABEL: func.func @activations
// CHECK:         compress.kernel @compress_rt_matmul_f32
func.func @activations(%a: tensor<?x4xf32>, %w: tensor<4x3xf32>, %empty: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %zero = arith.constant 0.0 : f32
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x3xf32>) -> tensor<?x3xf32>
  %c = compress.contract ins(%a, %w : tensor<?x4xf32>, tensor<4x3xf32>)
    outs(%init : tensor<?x3xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  return %c : tensor<?x3xf32>
}

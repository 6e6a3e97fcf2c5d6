// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=cascadelake" | FileCheck %s --check-prefixes=CHECK,VNNI
// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=haswell" | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=x86-64" | FileCheck %s --check-prefixes=CHECK,SSE2

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>
#wkn = affine_map<(m, n, k) -> (k, n)>

// Dynamic activation, bias.
// CHECK-LABEL: func.func @int8_dynamic
// CHECK:         %[[Q:.*]]:3 = compress.kernel @compress_quantize_[[ISA:[a-z0-9]+]]_k8_row_u8z ins(%arg0 : tensor<?x8xf32>)
// CHECK-SAME:      outs({{.*}} : tensor<?xi8>, tensor<?xf32>, tensor<?xi32>)
// CHECK:         compress.kernel @compress_gemm_u8s8_[[ISA]]_n3_k8_row_bias
// CHECK-SAME:      ins(%[[Q]]#0, %[[Q]]#1, %[[Q]]#2,
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @int8_dynamic(%a: tensor<?x8xf32>, %bias: tensor<3xf32>, %empty: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %q = compress.encode %a : tensor<?x8xf32> -> !compress.tensor<?x8xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>
  %b = compress.constant [dense<1> : tensor<3x8xi8>, dense<0.5> : tensor<3x1xf32>] : !compress.tensor<3x8xf32, quant<i8, group = [1, *], scale = f32>>
  %init = linalg.broadcast ins(%bias : tensor<3xf32>) outs(%empty : tensor<?x3xf32>) dimensions = [0]
  %r = compress.contract ins(%q, %b : !compress.tensor<?x8xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>, !compress.tensor<3x8xf32, quant<i8, group = [1, *], scale = f32>>)
    outs(%init : tensor<?x3xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// Leading axes are merged, static parameters are operands.
// CHECK-LABEL: func.func @int8_static_batched
// CHECK-DAG:     %[[X:.*]] = tensor.collapse_shape %arg0 {{\[}}[0, 1], [2]] : tensor<2x5x8xf32> into tensor<10x8xf32>
// CHECK:         %[[Q:.*]]:3 = compress.kernel @compress_quantize_{{.*}}_k8_tensor_u8z_staticu8
// CHECK:         %[[Y:.*]] = compress.kernel @compress_gemm_u8s8_{{.*}}_n3_k8_tensor_acc
// CHECK:         tensor.expand_shape %[[Y]] {{\[}}[0, 1], [2]]
func.func @int8_static_batched(%a: tensor<2x5x8xf32>, %init: tensor<2x5x3xf32>) -> tensor<2x5x3xf32> {
  %s = arith.constant dense<0.1> : tensor<1x1x1xf32>
  %z = arith.constant dense<100> : tensor<1x1x1xi8>
  %q = compress.encode %a params(%s, %z : tensor<1x1x1xf32>, tensor<1x1x1xi8>) : tensor<2x5x8xf32> -> !compress.tensor<2x5x8xf32, quant<ui8, group = [*, *, *], scale = f32, zero = ui8>>
  %b = compress.constant [dense<1> : tensor<8x3xi8>, dense<0.5> : tensor<1x3xf32>] : !compress.tensor<8x3xf32, quant<i8, group = [*, 1], scale = f32>>
  %r = compress.contract ins(%q, %b : !compress.tensor<2x5x8xf32, quant<ui8, group = [*, *, *], scale = f32, zero = ui8>>, !compress.tensor<8x3xf32, quant<i8, group = [*, 1], scale = f32>>)
    outs(%init : tensor<2x5x3xf32>)
    indexing_maps = [affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (k, n)>, affine_map<(b, m, n, k) -> (b, m, n)>]
    iterator_types = ["parallel", "parallel", "parallel", "reduction"] -> tensor<2x5x3xf32>
  return %r : tensor<2x5x3xf32>
}

// Four-bit weights stay packed: eight codes per word and column.
// CHECK-LABEL: func.func @int4
// VNNI:          compress.kernel @compress_gemm_f32_i4_g32_f16_avx512vnni_n3_k64_zero_few
// VNNI-SAME:       tensor<512xi8>, tensor<32xf16>)
// AVX2:          compress.kernel @compress_gemm_f32_i4_g32_f16_avx2_n3_k64_zero_few
// AVX2-SAME:       tensor<256xi8>, tensor<16xf16>)
// SSE2:          compress.kernel @compress_gemm_f32_i4_g32_f32_sse2_n3_k64_zero_few
func.func @int4(%a: tensor<2x64xf32>) -> tensor<2x3xf32> {
  %b = compress.constant [dense<1> : tensor<3x64xi4>, dense<0.5> : tensor<3x2xf16>] : !compress.tensor<3x64xf32, quant<i4, group = [1, 32], scale = f16>>
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<2x3xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<2x3xf32>) -> tensor<2x3xf32>
  %r = compress.contract ins(%a, %b : tensor<2x64xf32>, !compress.tensor<3x64xf32, quant<i4, group = [1, 32], scale = f16>>)
    outs(%init : tensor<2x3xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// The weight is the first factor.
// CHECK-LABEL: func.func @weight_first
// CHECK:         compress.kernel @compress_gemm_f32_i8_g4_f32_{{.*}}_n3_k4_acc
func.func @weight_first(%a: tensor<?x4xf32>, %init: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %b = compress.constant [dense<1> : tensor<4x3xi8>, dense<0.5> : tensor<1x1xf32>] : !compress.tensor<4x3xf32, quant<i8, group = [*, *], scale = f32>>
  %r = compress.contract ins(%b, %a : !compress.tensor<4x3xf32, quant<i8, group = [*, *], scale = f32>>, tensor<?x4xf32>)
    outs(%init : tensor<?x3xf32>) indexing_maps = [#wkn, #x, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// Entries of a table are looked up in the kernel; scales are those of blocks.
// CHECK-LABEL: func.func @nf4
// CHECK:         compress.kernel @compress_gemm_f32_table_ui4_g32_f32_{{[a-z0-9]+}}_n2_k64_acc
// CHECK-SAME:      tensor<16xf32>
// CHECK-NOT:     compress.contract
// CHECK:         return
func.func @nf4(%a: tensor<1x64xf32>, %init: tensor<1x2xf32>) -> tensor<1x2xf32> {
  %b = compress.constant [dense<7> : tensor<64x2xi4>, dense<0.5> : tensor<2x2xf32>]
    : !compress.tensor<64x2xf32, scaled<group = [32, 1], scale = f32, of = codebook<16, of = generated<nf4>>>>
  %r = compress.contract ins(%a, %b : tensor<1x64xf32>, !compress.tensor<64x2xf32, scaled<group = [32, 1], scale = f32, of = codebook<16, of = generated<nf4>>>>)
    outs(%init : tensor<1x2xf32>) indexing_maps = [#x, #wkn, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x2xf32>
  return %r : tensor<1x2xf32>
}

// Kernels are private and marked; products are those of the instruction set.
// CHECK:       func.func private @compress_quantize_{{.*}} attributes {compress.generated}
// CHECK:       func.func private @compress_gemm_u8s8_{{.*}}_task0
// VNNI:          llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// AVX2:          llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// SSE2:          llvm.call_intrinsic "llvm.x86.sse2.pmadd.wd"

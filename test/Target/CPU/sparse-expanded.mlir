// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=sapphirerapids" | FileCheck %s --check-prefixes=CHECK,AMX
// RUN: compress-opt %s --compress-assign-target="triple=x86_64-unknown-linux-gnu cpu=x86-64-v3" | FileCheck %s --check-prefixes=CHECK,AVX2

// Predicted times decide whether 8-bit codes with zeros between them are
// multiplied as stored, or all of them after zeros were put back once.

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

!pairs = !compress.tensor<2048x2048xf32, sparse<nm<1:2>, of = quant<i8, group = [1, *], scale = f32>>>
!row = !compress.tensor<1x2048xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>
!rows = !compress.tensor<128x2048xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>

// One row waits for the bytes of the weight; without an instruction that
// spreads bytes by a mask, for the spreading.
// CHECK-LABEL: func.func @one_row
// AMX-NOT:       @compress_expand
// AMX:           compress.kernel @compress_gemm_{{[us]}}8{{z?}}_w8of24
// AVX2:          compress.kernel @compress_expand
// AVX2:          compress.kernel @compress_gemm_u8s8_avx2
// CHECK:         return
func.func @one_row(%a: tensor<1x2048xf32>, %init: tensor<1x2048xf32>) -> tensor<1x2048xf32> {
  %q = compress.encode %a : tensor<1x2048xf32> -> !row
  %b = compress.constant [dense<3> : tensor<2048x1024xi8>, dense<0.5> : tensor<2048x1xf32>, dense<true> : tensor<2048x1024xi1>] : !pairs
  %r = compress.contract ins(%q, %b : !row, !pairs)
    outs(%init : tensor<1x2048xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x2048xf32>
  return %r : tensor<1x2048xf32>
}

// Many rows: tile registers multiply all codes in less time than it takes to
// spread those of pairs.
// CHECK-LABEL: func.func @many_rows
// AMX:           %[[B:.*]] = compress.kernel @compress_expand_b4194304_u{{[14]}}_v
// AMX:           compress.kernel @compress_gemm_u8s8_amx_n2048_k2048_row_acc ins({{.*}}, %[[B]],
// CHECK:         return
func.func @many_rows(%a: tensor<128x2048xf32>, %init: tensor<128x2048xf32>) -> tensor<128x2048xf32> {
  %q = compress.encode %a : tensor<128x2048xf32> -> !rows
  %b = compress.constant [dense<3> : tensor<2048x1024xi8>, dense<0.5> : tensor<2048x1xf32>, dense<true> : tensor<2048x1024xi1>] : !pairs
  %r = compress.contract ins(%q, %b : !rows, !pairs)
    outs(%init : tensor<128x2048xf32>) indexing_maps = [#x, #w, #y] iterator_types = ["parallel", "parallel", "reduction"] -> tensor<128x2048xf32>
  return %r : tensor<128x2048xf32>
}

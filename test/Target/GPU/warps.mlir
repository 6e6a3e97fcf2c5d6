// Matrix products by warps: with many rows by matrix instructions, with one row by
// lanes that share the sum. The instructions that matter are in the binaries.
//
// RUN: rm -rf %t && mkdir -p %t/sm_80 %t/gfx90a %t/gfx942
// RUN: env COMPRESS_PTXAS= compress-opt %s --compress-assign-target=target=cuda:sm_80 --compress-serialize-llvm="chip=sm_80 dump=%t/sm_80" -o /dev/null
// RUN: cat %t/sm_80/*.ptx | FileCheck %s --check-prefix=PTX
// RUN: compress-opt %s --compress-assign-target=target=rocm:gfx90a --compress-serialize-llvm="triple=amdgcn-amd-amdhsa chip=gfx90a dump=%t/gfx90a" -o /dev/null
// RUN: cat %t/gfx90a/*.s | FileCheck %s --check-prefixes=ISA,GFX90A
// RUN: compress-opt %s --compress-assign-target=target=rocm:gfx942 --compress-serialize-llvm="triple=amdgcn-amd-amdhsa chip=gfx942 dump=%t/gfx942" -o /dev/null
// RUN: cat %t/gfx942/*.s | FileCheck %s --check-prefixes=ISA,GFX942

// f32 factors are two terms of bf16 each.
// PTX-DAG: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// f16 with f16 is one product.
// PTX-DAG: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// PTX-DAG: mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32
// PTX-DAG: cp.async.cg.shared.global
// PTX-DAG: cp.async.wait_group 1
// PTX-DAG: dp4a.s32.s32
// PTX-DAG: shfl.sync.bfly.b32
// Of two weights of four only those are multiplied.
// PTX-DAG: mma.sp.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32
// PTX-DAG: mma.sp.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32
// PTX-DAG: mma.sp.sync.aligned.m16n8k64.row.col.s32.s8.s8.s32
// Four words at a time.
// PTX-DAG: ld.global.nc.v4.b32

// GFX90A-DAG: v_mfma_f32_16x16x16bf16_1k
// GFX942-DAG: v_mfma_f32_16x16x16_bf16
// GFX90A-DAG: v_mfma_f32_16x16x16f16
// GFX942-DAG: v_mfma_f32_16x16x16_f16
// GFX90A-DAG: v_mfma_i32_16x16x16i8
// GFX942-DAG: v_mfma_i32_16x16x32_i8
// ISA-DAG: v_dot4{{c?}}_i32_i8
// ISA-DAG: ds_bpermute_b32
// ISA-DAG: global_load_dwordx4

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
func.func @f16(%x: tensor<128x256xf32>, %w: tensor<128x256xf16>) -> tensor<128x128xf32> {
  %q = compress.encode %x : tensor<128x256xf32> -> !compress.tensor<128x256xf32, f16>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<128x128xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<128x128xf32>) -> tensor<128x128xf32>
  %r = compress.contract ins(%q, %w : !compress.tensor<128x256xf32, f16>, tensor<128x256xf16>)
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
func.func @int8_vector(%x: tensor<1x256xf32>) -> tensor<1x128xf32> {
  %q = compress.encode %x : tensor<1x256xf32> -> !compress.tensor<1x256xf32, quant<i8, group = [1, *], scale = f32>>
  %w = compress.constant [dense<1> : tensor<128x256xi8>, dense<0.5> : tensor<128x1xf32>]
     : !compress.tensor<128x256xf32, quant<i8, group = [1, *], scale = f32>>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x128xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<1x128xf32>) -> tensor<1x128xf32>
  %r = compress.contract ins(%q, %w : !compress.tensor<1x256xf32, quant<i8, group = [1, *], scale = f32>>,
      !compress.tensor<128x256xf32, quant<i8, group = [1, *], scale = f32>>)
    outs(%zeros : tensor<1x128xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x128xf32>
  return %r : tensor<1x128xf32>
}
func.func @sparse(%x: tensor<128x32xf32>) -> tensor<128x16xf32> {
  %w = compress.constant [dense<1.0> : tensor<16x16xf32>, dense<[[0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2]]> : tensor<16x16xi2>]
     : !compress.tensor<16x32xf32, sparse<nm<2:4>, of = f32>>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<128x16xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<128x16xf32>) -> tensor<128x16xf32>
  %r = compress.contract ins(%x, %w : tensor<128x32xf32>, !compress.tensor<16x32xf32, sparse<nm<2:4>, of = f32>>)
    outs(%zeros : tensor<128x16xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<128x16xf32>
  return %r : tensor<128x16xf32>
}
func.func @sparse_f16(%x: tensor<128x32xf32>) -> tensor<128x16xf32> {
  %q = compress.encode %x : tensor<128x32xf32> -> !compress.tensor<128x32xf32, f16>
  %w = compress.constant [dense<1.0> : tensor<16x16xf16>, dense<[[0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2]]> : tensor<16x16xi2>]
     : !compress.tensor<16x32xf32, sparse<nm<2:4>, of = f16>>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<128x16xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<128x16xf32>) -> tensor<128x16xf32>
  %r = compress.contract ins(%q, %w : !compress.tensor<128x32xf32, f16>, !compress.tensor<16x32xf32, sparse<nm<2:4>, of = f16>>)
    outs(%zeros : tensor<128x16xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<128x16xf32>
  return %r : tensor<128x16xf32>
}
func.func @sparse_int8(%x: tensor<128x32xf32>) -> tensor<128x16xf32> {
  %q = compress.encode %x : tensor<128x32xf32> -> !compress.tensor<128x32xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>
  %w = compress.constant [dense<1> : tensor<16x16xi8>, dense<0.5> : tensor<16x1xf32>, dense<[[0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2], [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2]]> : tensor<16x16xi2>]
     : !compress.tensor<16x32xf32, sparse<nm<2:4>, of = quant<i8, group = [1, *], scale = f32>>>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<128x16xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<128x16xf32>) -> tensor<128x16xf32>
  %r = compress.contract ins(%q, %w : !compress.tensor<128x32xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>, !compress.tensor<16x32xf32, sparse<nm<2:4>, of = quant<i8, group = [1, *], scale = f32>>>)
    outs(%zeros : tensor<128x16xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<128x16xf32>
  return %r : tensor<128x16xf32>
}

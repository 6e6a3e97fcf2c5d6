// RUN: compress-opt %s --compress-assign-target=target=cpu | FileCheck %s --check-prefix=CLAIM
// RUN: compress-opt %s --compress-assign-target='target=reference remarks=true' --verify-diagnostics | FileCheck %s --check-prefix=REF
// RUN: compress-opt %s --compress-assign-target=target=cpu --compress-prepare-at-load | FileCheck %s --check-prefix=PREPARE
// RUN: compress-opt %s --pass-pipeline='builtin.module(compress-compile-pipeline{target=cpu})' | FileCheck %s --check-prefix=LLVM
// RUN: compress-opt %s --pass-pipeline='builtin.module(compress-compile-pipeline{target=reference})' | FileCheck %s --check-prefix=LLVM
// RUN: not compress-opt %s --compress-assign-target=target=abacus 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: unknown target 'abacus'; known: cpu, reference

!w = !compress.tensor<4x3x3x3xf32, quant<i8, group = [1, *, *, *], scale = f32>>

// CLAIM: dlti.target_system_spec
// CLAIM: func.func @main_graph
// CLAIM-NOT: compress.contract
// CLAIM: compress.kernel @compress_pack_conv_f32_
// CLAIM: compress.kernel @compress_conv_f32_
// The padding became the kernel's own.
// CLAIM-NOT: tensor.pad

// The reference target claims nothing.
// REF: compress.contract

// PREPARE: func.func private @compress_prepare() -> tensor<[[SIZE:[0-9]+]]xf32>
// PREPARE: compress.decode
// PREPARE: compress.kernel @compress_pack_conv_f32_
// PREPARE: func.func @main_graph(%{{.*}}: tensor<?x3x8x8xf32>, %[[W:.*]]: tensor<[[SIZE]]xf32> {{.*}}compress.role = "prepared"
// PREPARE-NOT: compress.decode
// PREPARE: compress.kernel @compress_conv_f32_{{[a-z0-9_]+}} ins(%{{.*}}, %[[W]] :

// LLVM: llvm.func @compress_entry
// LLVM-NOT: unrealized_conversion_cast
func.func @main_graph(%x: tensor<?x3x8x8xf32>) -> tensor<?x4x8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x3x8x8xf32>
  %w = compress.constant [dense<1> : tensor<4x3x3x3xi8>, dense<0.5> : tensor<4x1x1x1xf32>] : !w
  %padded = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%a: index, %b: index, %c: index, %d: index):
      tensor.yield %zero : f32
  } : tensor<?x3x8x8xf32> to tensor<?x3x10x10xf32>
  %empty = tensor.empty(%n) : tensor<?x4x8x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  // expected-remark @+1 {{target 'reference' claims no contraction}}
  %y = compress.contract ins(%padded, %w : tensor<?x3x10x10xf32>, !w) outs(%init : tensor<?x4x8x8xf32>)
    indexing_maps = [affine_map<(n, f, h, w, c, kh, kw) -> (n, c, h + kh, w + kw)>,
                     affine_map<(n, f, h, w, c, kh, kw) -> (f, c, kh, kw)>,
                     affine_map<(n, f, h, w, c, kh, kw) -> (n, f, h, w)>]
    iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]
    -> tensor<?x4x8x8xf32>
  return %y : tensor<?x4x8x8xf32>
}

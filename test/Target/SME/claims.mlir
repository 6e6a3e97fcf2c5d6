// RUN: compress-opt %s --compress-assign-target="target=sme remarks" 2> %t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks --allow-empty

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#y = affine_map<(m, n, k) -> (m, n)>

// The device is described, whatever machine this is.
// CHECK: module attributes {{.*}}"sme" = #dlti.target_device_spec<"triple" = "aarch64-unknown-linux-gnu"{{.*}}+sme

// Weights are decoded where blocks are packed.
// CHECK-LABEL: func.func @int4
// CHECK:         compress.kernel @sme_[[INT4:[0-9A-F]+]]
// CHECK-SAME:      ins(%arg0, %{{.*}}, %{{.*}} : tensor<?x8xf32>, tensor<{{[0-9]+}}xi32>, tensor<{{[0-9]+}}xi32>)
func.func @int4(%x: tensor<?x8xf32>, %init: tensor<?x5xf32>) -> tensor<?x5xf32> {
  %w = compress.constant [dense<1> : tensor<8x5xi4>, dense<0.5> : tensor<1x5xf32>]
     : !compress.tensor<8x5xf32, quant<i4, group = [*, 1], scale = f32>>
  %zero = arith.constant 0.0 : f32
  %zeros = linalg.fill ins(%zero : f32) outs(%init : tensor<?x5xf32>) -> tensor<?x5xf32>
  %r = compress.contract ins(%x, %w : tensor<?x8xf32>, !compress.tensor<8x5xf32, quant<i4, group = [*, 1], scale = f32>>)
    outs(%zeros : tensor<?x5xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x5xf32>
  return %r : tensor<?x5xf32>
}

// Codes of either sign are multiplied as they are.
// CHECK-LABEL: func.func @int8
// CHECK:         compress.kernel @sme_[[INT8:[0-9A-F]+]]
func.func @int8(%x: tensor<?x7xf32>, %init: tensor<?x5xf32>) -> tensor<?x5xf32> {
  %q = compress.encode %x : tensor<?x7xf32> -> !compress.tensor<?x7xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>
  %w = compress.constant [dense<1> : tensor<7x5xi8>, dense<0.5> : tensor<1x5xf32>]
     : !compress.tensor<7x5xf32, quant<i8, group = [*, 1], scale = f32>>
  %r = compress.contract ins(%q, %w : !compress.tensor<?x7xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>,
      !compress.tensor<7x5xf32, quant<i8, group = [*, 1], scale = f32>>)
    outs(%init : tensor<?x5xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x5xf32>
  return %r : tensor<?x5xf32>
}

// One row leaves the array idle: the CPU's kernel takes it.
// CHECK-LABEL: func.func @row
// CHECK:         compress.kernel @compress_rt_matmul_f32
func.func @row(%x: tensor<1x8xf32>, %init: tensor<1x5xf32>) -> tensor<1x5xf32> {
  %w = arith.constant dense_resource<w> : tensor<8x5xf32>
  %r = compress.contract ins(%x, %w : tensor<1x8xf32>, tensor<8x5xf32>)
    outs(%init : tensor<1x5xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<1x5xf32>
  return %r : tensor<1x5xf32>
}

// REMARK: target 'sme' claims no contraction of 'tensor<6x7xi32>'
func.func @integers(%x: tensor<6x7xi32>, %w: tensor<7x5xi32>, %init: tensor<6x5xi32>) -> tensor<6x5xi32> {
  %r = compress.contract ins(%x, %w : tensor<6x7xi32>, tensor<7x5xi32>)
    outs(%init : tensor<6x5xi32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<6x5xi32>
  return %r : tensor<6x5xi32>
}

// CHECK:      func.func private @sme_[[INT4]]_task
// CHECK:        call @compress_sme_fmopa
// CHECK:      func.func private @compress_sme_fmopa({{.*}}attributes {arm_locally_streaming, arm_new_za
// CHECK-COUNT-4: arm_sme.intr.mopa
// CHECK:      func.func private @sme_[[INT8]]_task
// CHECK:        call @compress_sme_usmopa
// CHECK:      func.func private @compress_sme_usmopa(
// CHECK-COUNT-4: arm_sme.intr.usmopa.wide

// RUN: compress-opt %s --compress-assign-target="target=vulkan remarks" 2> %t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks
// RUN: compress-opt %s --compress-assign-target="target=vulkan" --compress-serialize-spirv=serialize=false | FileCheck %s --check-prefix=SPIRV

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#y = affine_map<(m, n, k) -> (m, n)>

// The device is described.
// CHECK: module attributes {{.*}}"vulkan" = #dlti.target_device_spec<{{.*}}"workgroup_size" = 64

// Codes are cut out of words, and decoded where they are read: the buffers are
// codes, scales, the activation and the result.
// CHECK-LABEL: func.func @int4
// CHECK:         compress.kernel @vulkan_{{[0-9A-F]+}}_launch stateful
// CHECK-SAME:      ins(%arg0, %{{.*}}, %{{.*}} : tensor<?x8xf32>, tensor<{{[0-9]+}}xi32>, tensor<{{[0-9]+}}xi32>)
// CHECK-SAME:      {compress.device = "vulkan_
func.func @int4(%x: tensor<?x8xf32>, %init: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %w = compress.constant [dense<1> : tensor<8x3xi4>, dense<0.5> : tensor<1x3xf32>]
     : !compress.tensor<8x3xf32, quant<i4, group = [*, 1], scale = f32>>
  %zero = arith.constant 0.0 : f32
  %zeros = linalg.fill ins(%zero : f32) outs(%init : tensor<?x3xf32>) -> tensor<?x3xf32>
  %r = compress.contract ins(%x, %w : tensor<?x8xf32>, !compress.tensor<8x3xf32, quant<i4, group = [*, 1], scale = f32>>)
    outs(%zeros : tensor<?x3xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// Two tensors of 8-bit codes are multiplied four at a time.
// CHECK-LABEL: func.func @int8
// CHECK:         compress.kernel @vulkan_
// SPIRV:         spirv.module {{.*}} requires #spirv.vce<v1.{{[0-9]}}, [{{.*}}DotProductInput4x8BitPacked
// SPIRV:         spirv.SDot {{.*}} <PackedVectorFormat4x8Bit> : i32 -> i32
func.func @int8(%x: tensor<?x7xf32>, %init: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %q = compress.encode %x : tensor<?x7xf32> -> !compress.tensor<?x7xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>
  %w = compress.constant [dense<1> : tensor<7x3xi8>, dense<0.5> : tensor<1x3xf32>]
     : !compress.tensor<7x3xf32, quant<i8, group = [*, 1], scale = f32>>
  %r = compress.contract ins(%q, %w : !compress.tensor<?x7xf32, quant<ui8, group = [1, *], scale = f32, zero = ui8>>,
      !compress.tensor<7x3xf32, quant<i8, group = [*, 1], scale = f32>>)
    outs(%init : tensor<?x3xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// What needs the whole tensor to be decoded is decoded when the model is loaded.
// REMARK: remark: target 'vulkan': {{.*}}is decoded on the host when the model is loaded: its decode counts what is stored before, which needs the whole tensor
// CHECK-LABEL: func.func @bitmask
// CHECK:         compress.decode
// CHECK:         compress.kernel @vulkan_
func.func @bitmask(%x: tensor<?x2xf32>, %init: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %w = compress.constant [dense<[1.0, 2.0]> : tensor<2xf32>, dense<[[1, 0, 0], [0, 1, 0]]> : tensor<2x3xi1>]
     : !compress.tensor<2x3xf32, sparse<bitmask, nnz = 2, of = f32>>
  %r = compress.contract ins(%x, %w : tensor<?x2xf32>, !compress.tensor<2x3xf32, sparse<bitmask, nnz = 2, of = f32>>)
    outs(%init : tensor<?x3xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// Rows are looked up and decoded one element at a time.
// CHECK-LABEL: func.func @gather
// CHECK-NOT:     compress.gather
// CHECK:         compress.kernel @vulkan_
func.func @gather(%i: tensor<?xi64>) -> tensor<?x4xf32> {
  %w = compress.constant [dense<1> : tensor<5x4xi8>, dense<0.5> : tensor<5x1xf32>]
     : !compress.tensor<5x4xf32, quant<i8, group = [1, *], scale = f32>>
  %r = compress.gather %w[%i] axis = 0 : !compress.tensor<5x4xf32, quant<i8, group = [1, *], scale = f32>>, tensor<?xi64> -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

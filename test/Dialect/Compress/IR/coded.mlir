// RUN: compress-opt %s | compress-opt | FileCheck %s
// RUN: compress-opt %s --emit-bytecode | compress-opt | FileCheck %s

// CHECK: @dense(!compress.tensor<64x128xbf16, coded<huffman, bytes = [11873], of = bf16>>)
func.func private @dense(!compress.tensor<64x128xbf16, coded<huffman, bytes = [11873], of = bf16>>)

// The default block size is not printed.
// CHECK: @block(!compress.tensor<64x128xf32, coded<rans, bytes = [?], of = f32>>
func.func private @block(!compress.tensor<64x128xf32, coded<rans, block = 4096, bytes = [?], of = f32>>,
// CHECK-SAME: !compress.tensor<64x128xf32, coded<rans, block = 512, bytes = [?], of = f16>>)
                         !compress.tensor<64x128xf32, coded<rans, block = 512, bytes = [?], of = f16>>)

// CHECK: @leaves(!compress.tensor<4x64xf32, coded<zstd, bytes = [120, 24, ?], of = quant<ui4, group = [1, 32], scale = f16, zero = ui4>>>)
func.func private @leaves(!compress.tensor<4x64xf32, coded<zstd, bytes = [120, 24, ?], of = quant<ui4, group = [1, 32], scale = f16, zero = ui4>>>)

// A component may be coded, as long as nothing coded is in it.
// CHECK: @inside(!compress.tensor<4x64xf32, quant<i4, group = [1, 32], scale = coded<rans, bytes = [40], of = f16>>>)
func.func private @inside(!compress.tensor<4x64xf32, quant<i4, group = [1, 32], scale = coded<rans, bytes = [40], of = f16>>>)

// Nothing but the count of elements.
// CHECK: @empty(!compress.tensor<0x4xf32, coded<huffman, bytes = [8], of = f32>>)
func.func private @empty(!compress.tensor<0x4xf32, coded<huffman, bytes = [8], of = f32>>)

!one = !compress.tensor<1xf32, coded<huffman, bytes = [12], of = f32>>

// CHECK-LABEL: @constant
func.func @constant() -> (!one, tensor<12xi8>) {
  // A small leaf is stored: the number of elements, and 1.0.
  // CHECK: compress.constant {{.*}} : <1xf32, coded<huffman, bytes = [12], of = f32>>
  %w = compress.constant [dense<[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, -128, 63]> : tensor<12xi8>] : !one
  // CHECK: compress.unpack {{.*}} -> tensor<12xi8>
  %s = compress.unpack %w : !one -> tensor<12xi8>
  return %w, %s : !one, tensor<12xi8>
}

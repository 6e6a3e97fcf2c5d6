// RUN: compress-opt %s --compress-lower-encodings | FileCheck %s

!huffman = !compress.tensor<100x50xbf16, coded<huffman, block = 1000, bytes = [6000], of = bf16>>
!q = !compress.tensor<100x50xf32, quant<i8, group = [*, *], scale = f32>>
!rans = !compress.tensor<100x50xf32, coded<rans, bytes = [4000, 12], of = quant<i8, group = [*, *], scale = f32>>>
!zstd = !compress.tensor<100x50xf32, coded<zstd, bytes = [4000], of = i8>>

// Two planes, each with a table; then blocks in one loop, filled in place.
// CHECK-LABEL: @huffman
func.func @huffman(%s: tensor<6000xi8>) -> tensor<100x50xbf16> {
  // CHECK-DAG: tensor.empty() : tensor<4096xi16>
  // CHECK-DAG: %[[EMPTY:.*]] = tensor.empty() : tensor<5000xbf16>
  // CHECK: scf.for {{.*}} iter_args({{.*}} = %[[EMPTY]]) -> (tensor<5000xbf16>)
  // CHECK: scf.for {{.*}} -> (tensor<5000xbf16>, index, index)
  // CHECK: arith.bitcast {{.*}} : i16 to bf16
  // CHECK: tensor.insert
  // CHECK: tensor.expand_shape
  // CHECK-NOT: compress.
  %p = compress.pack %s : tensor<6000xi8> -> !huffman
  %d = compress.decode %p : !huffman
  return %d : tensor<100x50xbf16>
}

// A cast to what is inside restores the leaves without decoding values; the
// scale is stored as it is.
// CHECK-LABEL: @cast
func.func @cast(%s0: tensor<4000xi8>, %s1: tensor<12xi8>) -> (tensor<100x50xi8>, tensor<1x1xf32>) {
  // CHECK: tensor.empty() : tensor<4096xi32>
  // CHECK: scf.for {{.*}} -> (tensor<5000xi8>, i32, index)
  // CHECK-NOT: arith.mulf
  // CHECK-NOT: compress.
  %p = compress.pack %s0, %s1 : tensor<4000xi8>, tensor<12xi8> -> !rans
  %c = compress.cast %p : !rans -> !q
  %0, %1 = compress.unpack %c : !q -> tensor<100x50xi8>, tensor<1x1xf32>
  return %0, %1 : tensor<100x50xi8>, tensor<1x1xf32>
}

// CHECK-LABEL: @zstd
func.func @zstd(%s: tensor<4000xi8>) -> tensor<100x50xf32> {
  // CHECK: compress.kernel @compress_rt_inflate_zstd ins(%{{.*}} : tensor<4000xi8>) scalars(%{{.*}} : i64) outs(%{{.*}} : tensor<5000xi8>)
  %p = compress.pack %s : tensor<4000xi8> -> !zstd
  %d = compress.decode %p : !zstd
  return %d : tensor<100x50xf32>
}

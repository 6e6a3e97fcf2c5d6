// RUN: compress-opt %s | compress-opt | FileCheck %s
// RUN: compress-opt %s --emit-bytecode | compress-opt | FileCheck %s
// RUN: compress-opt %s --mlir-print-op-generic | compress-opt | FileCheck %s

!w = !compress.tensor<4x8xf32, quant<i8, group = [1, *], scale = f32>>
!k = !compress.tensor<4x8xf32, quant<i4, group = [*, *], scale = f32>>
!a = !compress.tensor<?x8xf32, quant<ui8, group = [*, *], scale = f32, zero = ui8>>

// CHECK-LABEL: @constant
func.func @constant() -> !k {
  // CHECK: compress.constant [dense_resource<codes> : tensor<4x8xi4>, dense<5.000000e-01> : tensor<1x1xf32>] : <4x8xf32, int4>
  %w = compress.constant [dense_resource<codes> : tensor<4x8xi4>, dense<0.5> : tensor<1x1xf32>] : !k
  return %w : !k
}

// CHECK-LABEL: @pack
func.func @pack(%codes: tensor<4x8xi8>, %scales: tensor<4x1xf32>) -> (tensor<4x8xi8>, tensor<4x1xf32>, !w) {
  // CHECK: %[[P:.*]] = compress.pack %{{.*}}, %{{.*}} : tensor<4x8xi8>, tensor<4x1xf32> -> <4x8xf32
  %p = compress.pack %codes, %scales : tensor<4x8xi8>, tensor<4x1xf32> -> !w
  // CHECK: compress.unpack %[[P]] : <{{.*}}> -> tensor<4x8xi8>, tensor<4x1xf32>
  %c, %s = compress.unpack %p : !w -> tensor<4x8xi8>, tensor<4x1xf32>
  return %c, %s, %p : tensor<4x8xi8>, tensor<4x1xf32>, !w
}

// CHECK-LABEL: @encode
func.func @encode(%x: tensor<?x8xf32>, %s: tensor<1x1xf32>, %z: tensor<1x1xi8>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: compress.encode %{{.*}} : tensor<?x8xf32> -> <?x8xf32, uint8>
  %d = compress.encode %x : tensor<?x8xf32> -> !a
  // CHECK: compress.encode %{{.*}} params(%{{.*}}, %{{.*}} : tensor<1x1xf32>, tensor<1x1xi8>) : tensor<?x8xf32> -> <?x8xf32, uint8>
  %e = compress.encode %x params(%s, %z : tensor<1x1xf32>, tensor<1x1xi8>) : tensor<?x8xf32> -> !a
  // CHECK: compress.decode %{{.*}} : <?x8xf32
  %0 = compress.decode %d : !a
  %1 = compress.decode %e : !a
  return %0, %1 : tensor<?x8xf32>, tensor<?x8xf32>
}

// CHECK-LABEL: @cast
func.func @cast(%w: !w) -> !k {
  // CHECK: compress.cast %{{.*}} : <{{.*}}> -> <4x8xf32, int4>
  %k = compress.cast %w : !w -> !k
  return %k : !k
}

// CHECK-LABEL: @contract
func.func @contract(%x: tensor<?x8xf32>, %w: !w, %b: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: compress.contract ins(%{{.*}}, %{{.*}} : tensor<?x8xf32>, !compress.tensor
  // CHECK-SAME: outs(%{{.*}} : tensor<?x4xf32>)
  // CHECK-SAME: iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x4xf32>
  %y = compress.contract ins(%x, %w : tensor<?x8xf32>, !w) outs(%b : tensor<?x4xf32>)
    indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: @gather
func.func @gather(%t: !w, %i: tensor<?x3xi64>) -> tensor<?x3x8xf32> {
  // CHECK: compress.gather %{{.*}}[%{{.*}}] axis = 0 : !compress.tensor<{{.*}}>, tensor<?x3xi64> -> tensor<?x3x8xf32>
  %r = compress.gather %t[%i] axis = 0 : !w, tensor<?x3xi64> -> tensor<?x3x8xf32>
  return %r : tensor<?x3x8xf32>
}

// CHECK-LABEL: @observe
func.func @observe(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: compress.observe %{{.*}} as 3 : tensor<4xf32>
  %y = compress.observe %x as 3 : tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: @kernel
func.func @kernel(%a: tensor<4x8xf32>, %b: tensor<8x2xf32>, %c: tensor<4x2xf32>, %f: i64) -> tensor<4x2xf32> {
  // CHECK: compress.kernel @compress_rt_matmul_f32 stateful ins({{.*}}) scalars(%{{.*}} : i64) outs(%{{.*}} : tensor<4x2xf32>) -> tensor<4x2xf32>
  %y = compress.kernel @compress_rt_matmul_f32 stateful ins(%a, %b : tensor<4x8xf32>, tensor<8x2xf32>)
         scalars(%f : i64) outs(%c : tensor<4x2xf32>) -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

{-# dialect_resources: { builtin: { codes: "0x0100000000112233445566778899AABBCCDDEEFF" } } #-}

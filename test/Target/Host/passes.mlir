// Each pass of the host lowering on its own.
// RUN: split-file %s %t
// RUN: compress-opt %t/weights.mlir --compress-externalize-weights=min-bytes=16 | FileCheck %t/weights.mlir
// RUN: compress-opt %t/kernels.mlir --compress-lower-kernels | FileCheck %t/kernels.mlir
// RUN: not compress-opt %t/arity.mlir --compress-lower-kernels 2>&1 | FileCheck %t/arity.mlir
// RUN: compress-opt %t/observe.mlir --compress-lower-observe | FileCheck %t/observe.mlir
// RUN: not compress-opt %t/observe-f16.mlir --compress-lower-observe 2>&1 | FileCheck %t/observe-f16.mlir
// RUN: compress-opt %t/loops.mlir --compress-parallelize-loops | FileCheck %t/loops.mlir
// RUN: compress-opt %t/scopes.mlir --compress-inline-alloca-scopes | FileCheck %t/scopes.mlir
// RUN: compress-opt %t/math.mlir --compress-approximate-math | FileCheck %t/math.mlir
// RUN: compress-opt %t/float.mlir --compress-relax-float | FileCheck %t/float.mlir
// RUN: compress-opt %t/dealloc.mlir --compress-insert-deallocations | FileCheck %t/dealloc.mlir
// RUN: not compress-opt %t/float.mlir --compress-emit-entry 2>&1 | FileCheck %s --check-prefix=ENTRY

// ENTRY: error: there is no @main_graph to make an entry point for

//--- weights.mlir
// Equal contents share a place; offsets are multiples of 64; splats stay.
// CHECK: compress.weights = [{name = "constant0", offset = 0 : i64
// CHECK-SAME: offset = 64 : i64
// CHECK-SAME: compress.weights_size = 128 : i64
// CHECK: func.func @main_graph(%[[BASE:.*]]: memref<?xi8>
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C64:.*]] = arith.constant 64 : index
// CHECK-DAG: memref.view %[[BASE]][%{{.*}}][] : memref<?xi8> to memref<5xf32>
// CHECK-DAG: memref.view %[[BASE]][%[[C64]]][] : memref<?xi8> to memref<4xi32>
// CHECK-DAG: bufferization.to_tensor {{.*}} restrict
// CHECK-DAG: arith.constant dense<1.000000e+00> : tensor<9xf32>
func.func @main_graph() -> (tensor<5xf32>, tensor<5xf32>, tensor<4xi32>, tensor<9xf32>) {
  %a = arith.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0]> : tensor<5xf32>
  %b = arith.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0]> : tensor<5xf32>
  %c = arith.constant dense<[1, 2, 3, 4]> : tensor<4xi32>
  %d = arith.constant dense<1.0> : tensor<9xf32>
  return %a, %b, %c, %d : tensor<5xf32>, tensor<5xf32>, tensor<4xi32>, tensor<9xf32>
}

//--- kernels.mlir
// CHECK: compress.num_slots = 1 : i64
// CHECK: func.func private @compress_rt_matmul_f32(!llvm.ptr, i64, memref<*xf32>, memref<*xf32>, i64) attributes {llvm.emit_c_interface}
// CHECK: func.func @main_graph(%[[CTX:.*]]: !llvm.ptr
func.func @main_graph(%a: memref<4x8xf32>, %b: memref<8x4xf32>, %s: memref<2x2xf32, strided<[4, 1]>>, %f: i64) {
  // CHECK: %[[T:.*]] = memref.transpose %{{.*}} (d0, d1) -> (d1, d0)
  // CHECK: %[[U:.*]] = memref.cast %[[T]]
  // CHECK: call @compress_rt_matmul_f32(%[[CTX]], %{{.*}}, %[[U]], %{{.*}}, %{{.*}})
  compress.kernel @compress_rt_matmul_f32 stateful ins(%a : memref<4x8xf32>) scalars(%f : i64) outs(%b : memref<8x4xf32>)
    {permutations = [array<i64: 1, 0>, array<i64>]}
  // A strided operand of a generated kernel is copied.
  // CHECK: memref.alloc
  // CHECK: memref.copy
  // CHECK: call @mine
  compress.kernel @mine ins(%s : memref<2x2xf32, strided<[4, 1]>>) outs(%b : memref<8x4xf32>)
  return
}
func.func private @mine(%in: memref<?x2xf32>, %out: memref<8x4xf32>) attributes {compress.generated} {
  return
}

//--- arity.mlir
// CHECK: error: 'compress.kernel' op kernel @mine takes 2 arguments, found 1
func.func @main_graph(%b: memref<8x4xf32>) {
  compress.kernel @mine outs(%b : memref<8x4xf32>)
  return
}
func.func private @mine(%in: memref<?x2xf32>, %out: memref<8x4xf32>) attributes {compress.generated} {
  return
}

//--- observe.mlir
// CHECK-LABEL: @main_graph
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK: compress.kernel @compress_rt_observe side_effect ins(%[[X]] : tensor<4xf32>) {slot = 7 : i64}
// CHECK: return %[[X]]
func.func @main_graph(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = compress.observe %x as 7 : tensor<4xf32>
  return %y : tensor<4xf32>
}

//--- observe-f16.mlir
// CHECK: error: 'compress.observe' op only f32 tensors can be observed, found 'tensor<4xf16>'
func.func @main_graph(%x: tensor<4xf16>) -> tensor<4xf16> {
  %y = compress.observe %x as 7 : tensor<4xf16>
  return %y : tensor<4xf16>
}

//--- loops.mlir
// CHECK-LABEL: @big
// The first dimension has 256 iterations: enough; the other becomes a plain loop.
// CHECK: scf.parallel (%{{.*}}) =
// CHECK-NEXT: scf.for
func.func @big(%m: memref<256x1024xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  %c1024 = arith.constant 1024 : index
  %f = arith.constant 0.0 : f32
  scf.parallel (%i, %j) = (%c0, %c0) to (%c256, %c1024) step (%c1, %c1) {
    memref.store %f, %m[%i, %j] : memref<256x1024xf32>
    scf.reduce
  }
  return
}
// What inner loops do counts as often as they run it: pooling with few outputs.
// CHECK-LABEL: @pool
// CHECK: scf.parallel (%{{.*}}) =
func.func @pool(%m: memref<64x9x9x64xf32>, %s: memref<64x64xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c9 = arith.constant 9 : index
  %c64 = arith.constant 64 : index
  scf.parallel (%i) = (%c0) to (%c64) step (%c1) {
    scf.for %j = %c0 to %c9 step %c1 {
      scf.for %k = %c0 to %c9 step %c1 {
        scf.parallel (%l) = (%c0) to (%c64) step (%c1) {
          %x = memref.load %m[%i, %j, %k, %l] : memref<64x9x9x64xf32>
          %y = memref.load %s[%i, %l] : memref<64x64xf32>
          %z = arith.maximumf %x, %y : f32
          memref.store %z, %s[%i, %l] : memref<64x64xf32>
          scf.reduce
        }
      }
    }
    scf.reduce
  }
  return
}
// CHECK-LABEL: @small
// CHECK-NOT: scf.parallel
func.func @small(%m: memref<4x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %f = arith.constant 0.0 : f32
  scf.parallel (%i, %j) = (%c0, %c0) to (%c4, %c4) step (%c1, %c1) {
    memref.store %f, %m[%i, %j] : memref<4x4xf32>
    scf.reduce
  }
  return
}

//--- scopes.mlir
// CHECK-LABEL: @scope
// CHECK-NOT: memref.alloca_scope
// CHECK: %[[S:.*]] = llvm.intr.stacksave
// CHECK: memref.alloca
// CHECK: llvm.intr.stackrestore %[[S]]
func.func @scope() {
  memref.alloca_scope {
    %a = memref.alloca() : memref<4xf32>
    %c0 = arith.constant 0 : index
    %f = arith.constant 0.0 : f32
    memref.store %f, %a[%c0] : memref<4xf32>
  }
  return
}

//--- float.mlir
// CHECK-LABEL: @sum
// CHECK: arith.mulf {{.*}} fastmath<reassoc,contract>
// CHECK: arith.addf {{.*}} fastmath<reassoc,contract>
// Quotients must stay exact: quantization rounds them.
// CHECK: arith.divf %{{.*}}, %{{.*}} : f32
func.func @sum(%a: f32, %b: f32) -> f32 {
  %p = arith.mulf %a, %b : f32
  %s = arith.addf %p, %b : f32
  %q = arith.divf %s, %b : f32
  return %q : f32
}
// Expanded to comparisons, reductions by these would not vectorize.
// CHECK-LABEL: @extrema
// CHECK: %[[MAX:.*]] = llvm.intr.maximum(%arg0, %arg1) : (f32, f32) -> f32
// CHECK: llvm.intr.minimum(%[[MAX]], %arg1) : (f32, f32) -> f32
// Other types are left to the expansion.
// CHECK: arith.maximumf {{.*}} : f64
func.func @extrema(%a: f32, %b: f32, %c: f64) -> (f32, f64) {
  %max = arith.maximumf %a, %b : f32
  %min = arith.minimumf %max, %b : f32
  %wide = arith.maximumf %c, %c : f64
  return %min, %wide : f32, f64
}

//--- dealloc.mlir
// CHECK-LABEL: @owner
// CHECK: bufferization.dealloc
func.func @owner() {
  %a = memref.alloc() : memref<4xf32>
  %c0 = arith.constant 0 : index
  %f = arith.constant 0.0 : f32
  memref.store %f, %a[%c0] : memref<4xf32>
  return
}
// Kernels own nothing, and hold intrinsics that the analysis refuses.
// CHECK-LABEL: @kernel
// CHECK-NOT: dealloc
func.func private @kernel(%v: vector<16xi32>, %a: vector<64xi8>) -> vector<16xi32> attributes {compress.generated} {
  %r = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%v, %a, %a) : (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
  return %r : vector<16xi32>
}

//--- math.mlir
// CHECK-LABEL: @functions
// CHECK-NOT: math.exp %
// CHECK-NOT: math.erf
// CHECK: math.log
func.func @functions(%a: f32) -> f32 {
  %e = math.exp %a : f32
  %f = math.erf %e : f32
  // Not on the list: stays a call.
  %l = math.log %f : f32
  return %l : f32
}

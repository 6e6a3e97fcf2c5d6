// RUN: compress-opt %s -split-input-file -pass-pipeline='builtin.module(func.func(optimize-allocation-liveness,compress-plan-memory))' | FileCheck %s

func.func private @use(memref<64xf32>, memref<64xf32>)
func.func private @use16(memref<16xf32>)

// A and C never live together, nor do B and D; the small one fills the gap that
// is left of the place of A once B is there.
// CHECK-LABEL: func.func @chain
// CHECK-SAME: compress.workspace = 512
// CHECK: %[[W:.*]] = memref.alloc() {alignment = 64 : i64} : memref<512xi8>
// CHECK: %[[O0:.*]] = arith.constant 0 : index
// CHECK: %[[A:.*]] = memref.view %[[W]][%[[O0]]][] : memref<512xi8> to memref<64xf32>
// CHECK: %[[O1:.*]] = arith.constant 256 : index
// CHECK: %[[B:.*]] = memref.view %[[W]][%[[O1]]][] : memref<512xi8> to memref<64xf32>
// CHECK: call @use(%[[A]], %[[B]])
// CHECK: %[[O2:.*]] = arith.constant 0 : index
// CHECK: %[[C:.*]] = memref.view %[[W]][%[[O2]]][]
// CHECK: call @use(%[[B]], %[[C]])
// CHECK: %[[O3:.*]] = arith.constant 256 : index
// CHECK: memref.view %[[W]][%[[O3]]][] : memref<512xi8> to memref<16xf32>
// CHECK: memref.dealloc %[[W]]
// CHECK-NOT: memref.dealloc
// CHECK: return
func.func @chain() {
  %a = memref.alloc() : memref<64xf32>
  %b = memref.alloc() : memref<64xf32>
  call @use(%a, %b) : (memref<64xf32>, memref<64xf32>) -> ()
  %c = memref.alloc() : memref<64xf32>
  call @use(%b, %c) : (memref<64xf32>, memref<64xf32>) -> ()
  %d = memref.alloc() : memref<16xf32>
  call @use16(%d) : (memref<16xf32>) -> ()
  call @use(%c, %c) : (memref<64xf32>, memref<64xf32>) -> ()
  memref.dealloc %a : memref<64xf32>
  memref.dealloc %b : memref<64xf32>
  memref.dealloc %c : memref<64xf32>
  memref.dealloc %d : memref<16xf32>
  return
}

// -----

// A view keeps its buffer: what comes later cannot take the place.
func.func private @use(memref<8x8xf32>)
// CHECK-LABEL: func.func @views
// CHECK-SAME: compress.workspace = 512
func.func @views() {
  %a = memref.alloc() : memref<64xf32>
  %v = memref.expand_shape %a [[0, 1]] output_shape [8, 8] : memref<64xf32> into memref<8x8xf32>
  %b = memref.alloc() : memref<8x8xf32>
  call @use(%b) : (memref<8x8xf32>) -> ()
  call @use(%v) : (memref<8x8xf32>) -> ()
  memref.dealloc %a : memref<64xf32>
  memref.dealloc %b : memref<8x8xf32>
  return
}

// -----

// What is returned, allocated in a loop, of a size known later or of sub-byte
// elements stays.
func.func private @use(memref<?xf32>)
// CHECK-LABEL: func.func @stay
// CHECK-NOT: compress.workspace
// CHECK-NOT: memref.view
func.func @stay(%n: index, %lb: index, %ub: index, %s: index) -> memref<64xf32> {
  %a = memref.alloc(%n) : memref<?xf32>
  call @use(%a) : (memref<?xf32>) -> ()
  memref.dealloc %a : memref<?xf32>
  scf.for %i = %lb to %ub step %s {
    %c = memref.alloc() : memref<64xf32>
    %d = memref.cast %c : memref<64xf32> to memref<?xf32>
    func.call @use(%d) : (memref<?xf32>) -> ()
    memref.dealloc %c : memref<64xf32>
  }
  %e = memref.alloc() : memref<64xi1>
  memref.dealloc %e : memref<64xi1>
  %r = memref.alloc() : memref<64xf32>
  return %r : memref<64xf32>
}

// RUN: compress-opt %s --compress-promote-accumulators --split-input-file | FileCheck %s

// A sum over two loops, in one block with its input: one load, one store.
// CHECK-LABEL: func.func @sum
// CHECK: %[[IN:.*]] = memref.view %{{.*}}[%c0]
// CHECK: %[[SUM:.*]] = memref.view %{{.*}}[%c4096]
// CHECK: scf.for %[[I:.*]] =
// CHECK: %[[FIRST:.*]] = memref.load %[[SUM]][%[[I]]]
// CHECK: %[[OUTER:.*]] = scf.for {{.*}} iter_args(%[[A:.*]] = %[[FIRST]]) -> (f32)
// CHECK: %[[INNER:.*]] = scf.for {{.*}} iter_args(%[[B:.*]] = %[[A]]) -> (f32)
// CHECK-NOT: %[[SUM]]
// CHECK: %[[NEW:.*]] = arith.addf %[[B]], %{{.*}}
// CHECK: scf.yield %[[NEW]]
// CHECK: scf.yield %[[INNER]]
// CHECK: memref.store %[[OUTER]], %[[SUM]][%[[I]]]
func.func @sum(%block: memref<8192xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c16 = arith.constant 16 : index
  %c4096 = arith.constant 4096 : index
  %in = memref.view %block[%c0][] : memref<8192xi8> to memref<4x16x16xf32>
  %out = memref.view %block[%c4096][] : memref<8192xi8> to memref<4xf32>
  scf.for %i = %c0 to %c4 step %c1 {
    scf.for %j = %c0 to %c16 step %c1 {
      scf.for %k = %c0 to %c16 step %c1 {
        %x = memref.load %in[%i, %j, %k] : memref<4x16x16xf32>
        %s = memref.load %out[%i] : memref<4xf32>
        %t = arith.addf %s, %x : f32
        memref.store %t, %out[%i] : memref<4xf32>
      }
    }
  }
  return
}

// -----

// Two accumulators of one loop, a maximum and where it is.
// CHECK-LABEL: func.func @two
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) -> (f32, index)
// CHECK-NOT: memref.store
// CHECK: scf.yield
// CHECK: memref.store
// CHECK: memref.store
// CHECK-NOT: memref.store
// CHECK: return
func.func @two(%in: memref<16xf32>) -> (memref<f32>, memref<index>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %max = memref.alloc() : memref<f32>
  %at = memref.alloc() : memref<index>
  scf.for %i = %c0 to %c16 step %c1 {
    %x = memref.load %in[%i] : memref<16xf32>
    %m = memref.load %max[] : memref<f32>
    %a = memref.load %at[] : memref<index>
    %greater = arith.cmpf ogt, %x, %m : f32
    %value = arith.select %greater, %x, %m : f32
    %place = arith.select %greater, %i, %a : index
    memref.store %value, %max[] : memref<f32>
    memref.store %place, %at[] : memref<index>
  }
  return %max, %at : memref<f32>, memref<index>
}

// -----

// What has to stay in memory: a place that moves, a buffer that is read
// elsewhere too (or by another name), one that is stored on a condition, one
// that is stored before it is loaded, and loops that do something unknown.
// CHECK-LABEL: func.func @stay
// CHECK-NOT: iter_args
// CHECK: return
func.func private @unknown()
func.func @stay(%in: memref<16xf32>, %out: memref<16xf32>, %where: i1) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c15 = arith.constant 15 : index
  %other = memref.cast %out : memref<16xf32> to memref<?xf32>
  scf.for %i = %c0 to %c15 step %c1 {
    %x = memref.load %in[%i] : memref<16xf32>
    %s = memref.load %out[%i] : memref<16xf32>
    %t = arith.addf %s, %x : f32
    memref.store %t, %out[%i] : memref<16xf32>
  }
  scf.for %i = %c0 to %c15 step %c1 {
    %x = memref.load %other[%i] : memref<?xf32>
    %s = memref.load %out[%c15] : memref<16xf32>
    %t = arith.addf %s, %x : f32
    memref.store %t, %out[%c15] : memref<16xf32>
  }
  scf.for %i = %c0 to %c15 step %c1 {
    %x = memref.load %in[%i] : memref<16xf32>
    %s = memref.load %out[%c15] : memref<16xf32>
    scf.if %where {
      %t = arith.addf %s, %x : f32
      memref.store %t, %out[%c15] : memref<16xf32>
    }
  }
  scf.for %i = %c0 to %c15 step %c1 {
    %x = memref.load %in[%i] : memref<16xf32>
    memref.store %x, %out[%c15] : memref<16xf32>
    %s = memref.load %out[%c15] : memref<16xf32>
  }
  scf.for %i = %c0 to %c15 step %c1 {
    %x = memref.load %in[%i] : memref<16xf32>
    %s = memref.load %out[%c15] : memref<16xf32>
    func.call @unknown() : () -> ()
    %t = arith.addf %s, %x : f32
    memref.store %t, %out[%c15] : memref<16xf32>
  }
  return
}

// Kernels that no SPIR-V for these devices can be made of are errors that name
// the kernel and what in it is in the way.
//
// RUN: compress-opt %s -compress-serialize-spirv -verify-diagnostics

// Devices need not have doubles.
module attributes {gpu.container_module} {
  // expected-error @below {{kernel @doubles cannot be written in SPIR-V for Vulkan 1.1}}
  gpu.module @doubles {
    // expected-error @below {{failed to legalize operation 'gpu.func'}}
    gpu.func @doubles(%x: memref<4xf64, #spirv.storage_class<StorageBuffer>>) kernel
        attributes {spirv.entry_point_abi = #spirv.entry_point_abi<workgroup_size = [64, 1, 1]>} {
      %i = arith.constant 0 : index
      %a = memref.load %x[%i] : memref<4xf64, #spirv.storage_class<StorageBuffer>>
      %b = arith.mulf %a, %a : f64
      memref.store %b, %x[%i] : memref<4xf64, #spirv.storage_class<StorageBuffer>>
      gpu.return
    }
  }
}

// Both sides compute the same numbers: upstream's lowering of the quant
// dialect, and our decode after the conversion.
//
// DEFINE: %{run} = mlir-opt --one-shot-bufferize="bufferize-function-boundaries" --convert-linalg-to-loops --expand-strided-metadata --lower-affine --convert-scf-to-cf --convert-to-llvm --reconcile-unrealized-casts \
// DEFINE:   | mlir-runner -e main --entry-point-result=void --shared-libs=%mlir_runner_libs
//
// RUN: mlir-opt %s --strip-func-quant-types --lower-quant-ops --canonicalize | %{run} | FileCheck %s
// RUN: compress-opt %s --convert-quant-to-compress='strict=true' --compress-lower-encodings --canonicalize | %{run} | FileCheck %s

!axis = !quant.uniform<u8:f32:0, {0.5:3, 0.1:200}>
!sub = !quant.uniform<i4:f32:{0:1, 1:2}, {{0.5:3, 0.1:-4}, {1.0, 2.0}}>

func.func private @printMemrefF32(%ptr : tensor<*xf32>) attributes {llvm.emit_c_interface}

func.func @main() {
  // CHECK: {{\[\[}}-1,   -1.5,   0,   -0.5],
  // CHECK-NEXT: [-19.5,   5.5,   -19.3,   -20]]
  %c = arith.constant dense<[[1, 0, 3, 2], [5, -1, 7, 0]]> : tensor<2x4xi8>
  %q = quant.scast %c : tensor<2x4xi8> to tensor<2x4x!axis>
  %d = quant.dcast %q : tensor<2x4x!axis> to tensor<2x4xf32>
  %u = tensor.cast %d : tensor<2x4xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()

  // CHECK: {{\[\[}}-1,   -2.5,   0.7,   0],
  // CHECK-NEXT: [5,   -6,   14,   -16]]
  %c4 = arith.constant dense<[[1, -2, 3, -4], [5, -6, 7, -8]]> : tensor<2x4xi4>
  %q4 = quant.scast %c4 : tensor<2x4xi4> to tensor<2x4x!sub>
  %d4 = quant.dcast %q4 : tensor<2x4x!sub> to tensor<2x4xf32>
  %u4 = tensor.cast %d4 : tensor<2x4xf32> to tensor<*xf32>
  call @printMemrefF32(%u4) : (tensor<*xf32>) -> ()
  return
}

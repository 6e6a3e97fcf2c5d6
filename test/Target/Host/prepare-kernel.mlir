// RUN: compress-opt %s --compress-prepare-at-load | FileCheck %s

// A kernel that only depends on constants runs once, unless it has a state.
// CHECK-LABEL: func.func private @compress_prepare() -> tensor<8xi8>
// CHECK:         compress.kernel @inflate
// CHECK-NOT:     compress.kernel
// CHECK-LABEL: func.func @main_graph
// CHECK-SAME:    %[[X:[a-z0-9]+]]: tensor<8xi8>, %[[P:[a-z0-9]+]]: tensor<8xi8> {{.*}}"prepared"
// CHECK-NOT:     compress.kernel @inflate
// CHECK:         compress.kernel @multiply ins(%[[X]], %[[P]] :
// CHECK:         compress.kernel @library stateful
func.func @main_graph(%x: tensor<8xi8>) -> (tensor<8xi8>, tensor<8xi8>) {
  %c = arith.constant dense<[1, 2, 3, 4]> : tensor<4xi8>
  %e = tensor.empty() : tensor<8xi8>
  %w = compress.kernel @inflate ins(%c : tensor<4xi8>) outs(%e : tensor<8xi8>) -> tensor<8xi8>
  %f = tensor.empty() : tensor<8xi8>
  %y = compress.kernel @multiply ins(%x, %w : tensor<8xi8>, tensor<8xi8>) outs(%f : tensor<8xi8>) -> tensor<8xi8>
  %g = tensor.empty() : tensor<8xi8>
  %z = compress.kernel @library stateful ins(%c : tensor<4xi8>) outs(%g : tensor<8xi8>) -> tensor<8xi8>
  return %y, %z : tensor<8xi8>, tensor<8xi8>
}

// RUN: compress-opt %s --compress-merge-concats | FileCheck %s

// The first concatenation is built in the second one.
// CHECK-LABEL: func.func @grows
// CHECK-SAME:    %[[A:.*]]: tensor<4x2xf32>, %[[B:.*]]: tensor<4x3xf32>, %[[C:.*]]: tensor<4x1xf32>
// CHECK:         %[[E:.*]] = tensor.empty() : tensor<4x6xf32>
// CHECK:         %[[X:.*]] = tensor.insert_slice %[[A]] into %[[E]][0, 0] [4, 2] [1, 1]
// CHECK:         %[[Y:.*]] = tensor.insert_slice %[[B]] into %[[X]][0, 2] [4, 3] [1, 1]
// CHECK:         %[[S:.*]] = tensor.extract_slice %[[Y]][0, 0] [4, 5] [1, 1]
// CHECK:         %[[Z:.*]] = tensor.insert_slice %[[C]] into %[[Y]][0, 5] [4, 1] [1, 1]
// CHECK:         return %[[S]], %[[Z]]
func.func @grows(%a: tensor<4x2xf32>, %b: tensor<4x3xf32>, %c: tensor<4x1xf32>) -> (tensor<4x5xf32>, tensor<4x6xf32>) {
  %e = tensor.empty() : tensor<4x5xf32>
  %x = tensor.insert_slice %a into %e[0, 0] [4, 2] [1, 1] : tensor<4x2xf32> into tensor<4x5xf32>
  %y = tensor.insert_slice %b into %x[0, 2] [4, 3] [1, 1] : tensor<4x3xf32> into tensor<4x5xf32>
  %f = tensor.empty() : tensor<4x6xf32>
  %v = tensor.insert_slice %y into %f[0, 0] [4, 5] [1, 1] : tensor<4x5xf32> into tensor<4x6xf32>
  %w = tensor.insert_slice %c into %v[0, 5] [4, 1] [1, 1] : tensor<4x1xf32> into tensor<4x6xf32>
  return %y, %w : tensor<4x5xf32>, tensor<4x6xf32>
}

// Not at the start: the places of the inner parts would move.
// CHECK-LABEL: func.func @second_part
// CHECK:         tensor.empty() : tensor<4x5xf32>
// CHECK:         tensor.insert_slice %{{.*}} into %{{.*}}[0, 1] [4, 5] [1, 1]
func.func @second_part(%a: tensor<4x2xf32>, %b: tensor<4x3xf32>, %c: tensor<4x1xf32>) -> tensor<4x6xf32> {
  %e = tensor.empty() : tensor<4x5xf32>
  %x = tensor.insert_slice %a into %e[0, 0] [4, 2] [1, 1] : tensor<4x2xf32> into tensor<4x5xf32>
  %y = tensor.insert_slice %b into %x[0, 2] [4, 3] [1, 1] : tensor<4x3xf32> into tensor<4x5xf32>
  %f = tensor.empty() : tensor<4x6xf32>
  %v = tensor.insert_slice %c into %f[0, 0] [4, 1] [1, 1] : tensor<4x1xf32> into tensor<4x6xf32>
  %w = tensor.insert_slice %y into %v[0, 1] [4, 5] [1, 1] : tensor<4x5xf32> into tensor<4x6xf32>
  return %w : tensor<4x6xf32>
}

// What is between the parts is needed as it is.
// CHECK-LABEL: func.func @other_user
// CHECK:         tensor.empty() : tensor<4x5xf32>
// CHECK:         tensor.insert_slice %{{.*}} into %{{.*}}[0, 0] [4, 5] [1, 1]
func.func @other_user(%a: tensor<4x2xf32>, %b: tensor<4x3xf32>) -> (tensor<4x5xf32>, tensor<4x6xf32>) {
  %e = tensor.empty() : tensor<4x5xf32>
  %x = tensor.insert_slice %a into %e[0, 0] [4, 2] [1, 1] : tensor<4x2xf32> into tensor<4x5xf32>
  %y = tensor.insert_slice %b into %x[0, 2] [4, 3] [1, 1] : tensor<4x3xf32> into tensor<4x5xf32>
  %f = tensor.empty() : tensor<4x6xf32>
  %v = tensor.insert_slice %y into %f[0, 0] [4, 5] [1, 1] : tensor<4x5xf32> into tensor<4x6xf32>
  return %x, %v : tensor<4x5xf32>, tensor<4x6xf32>
}

//===- TensorBuilder.cpp - Whole-tensor arithmetic, once --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace compress;

TensorBuilder::~TensorBuilder() = default;

Type TensorBuilder::getI32() const { return IntegerType::get(context, 32); }
Type TensorBuilder::getI64() const { return IntegerType::get(context, 64); }
Type TensorBuilder::getF32() const { return Float32Type::get(context); }

DenseValue TensorBuilder::splat(double number, ArrayRef<int64_t> shape,
                                Type elementType) {
  HostTensor tensor = HostTensor::allocate(shape, elementType);
  for (int64_t i = 0, e = tensor.getNumElements(); i < e; ++i)
    tensor.setDouble(i, number);
  return constant(tensor);
}

DenseValue TensorBuilder::scalar(double number, int64_t rank,
                                 Type elementType) {
  return splat(number, SmallVector<int64_t>(rank, 1), elementType);
}

DenseValue TensorBuilder::assembleBlocks(const DenseValue &x,
                                         ArrayRef<int64_t> block,
                                         ArrayRef<int64_t> shape) {
  // grid + block -> interleaved -> joined -> cut.
  int64_t rank = shape.size();
  SmallVector<int64_t> permutation, joined;
  for (int64_t axis = 0; axis < rank; ++axis) {
    permutation.push_back(axis);
    permutation.push_back(rank + axis);
    joined.push_back(x.shape[axis] * block[axis]);
  }
  DenseValue result = reshape(transpose(x, permutation), joined);
  for (int64_t axis = 0; axis < rank; ++axis)
    if (joined[axis] != shape[axis])
      result = slice(result, axis, 0, shape[axis]);
  return result;
}

//===- Grouping.cpp - Groups and blocks of elements -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Grouping.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace compress;

SmallVector<int64_t> compress::getGroupGrid(ArrayRef<int64_t> shape,
                                            ArrayRef<int64_t> group) {
  SmallVector<int64_t> grid;
  for (auto [dim, size] : llvm::zip_equal(shape, group)) {
    if (dim == 0)
      grid.push_back(0);
    else if (ShapedType::isDynamic(size))
      grid.push_back(1);
    else if (ShapedType::isDynamic(dim))
      grid.push_back(ShapedType::kDynamic);
    else
      grid.push_back(llvm::divideCeil(dim, size));
  }
  return grid;
}

LogicalResult
compress::verifyGroup(function_ref<InFlightDiagnostic()> emitError,
                      StringRef what, ArrayRef<int64_t> group) {
  for (int64_t size : group)
    if (!ShapedType::isDynamic(size) && size < 1)
      return emitError() << what
                         << ": a group size is at least 1 or '*', found "
                         << size;
  return success();
}

AffineMap compress::getGroupMap(ArrayRef<int64_t> group, MLIRContext *context) {
  SmallVector<AffineExpr> exprs;
  for (auto [axis, size] : llvm::enumerate(group))
    exprs.push_back(ShapedType::isDynamic(size)
                        ? getAffineConstantExpr(0, context)
                        : getAffineDimExpr(axis, context).floorDiv(size));
  return AffineMap::get(group.size(), 0, exprs, context);
}

GroupIndexer::GroupIndexer(ArrayRef<int64_t> shape, ArrayRef<int64_t> group,
                           ArrayRef<int64_t> grid)
    : shape(shape), position(shape.size(), 0), strides(shape.size(), 0),
      sizes(shape.size(), 0) {
  int64_t stride = 1;
  for (int64_t axis = int64_t(shape.size()) - 1; axis >= 0; --axis) {
    strides[axis] = stride;
    sizes[axis] = ShapedType::isDynamic(group[axis])
                      ? std::max<int64_t>(shape[axis], 1)
                      : group[axis];
    stride *= grid[axis];
  }
}

int64_t GroupIndexer::next() {
  int64_t index = 0;
  for (size_t axis = 0; axis < position.size(); ++axis)
    index += position[axis] / sizes[axis] * strides[axis];
  for (int64_t axis = int64_t(position.size()) - 1; axis >= 0; --axis) {
    if (++position[axis] < shape[axis])
      break;
    position[axis] = 0;
  }
  return index;
}

int64_t compress::countElements(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t dim : shape)
    if (llvm::MulOverflow(count, dim, count))
      count = std::numeric_limits<int64_t>::max();
  return count;
}

LogicalResult compress::verifySize(function_ref<InFlightDiagnostic()> emitError,
                                   ArrayRef<int64_t> shape) {
  // Empty dimensions do not excuse the others: strides are products of them.
  int64_t count = 1;
  for (int64_t dim : shape)
    if (dim > 0 &&
        (llvm::MulOverflow(count, dim, count) || count > maxElements))
      return emitError() << "the shape has more than 2^40 elements";
  return success();
}

//===- Lookup.cpp - Lookups in tables, element by element -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lookup.h"
#include "Operands.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

FailureOr<Lookup> Lookup::match(GatherOp op, std::string &reason) {
  Lookup lookup(op);
  auto table = cast<ShapedType>(op.getTable().getType());
  auto indices = cast<RankedTensorType>(op.getIndices().getType());
  int64_t extent = table.getDimSize(op.getAxis());
  lookup.numIndexAxes = indices.getRank();
  Type type = indices.getElementType();
  lookup.width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  if (!lookup.getType().getElementType().isF32())
    reason = "its elements are not f32";
  else if (!table.hasStaticShape() || extent == 0 || extent > INT32_MAX)
    reason = "a table of unknown size";
  else if (lookup.width < 8 || lookup.width > 64)
    reason = "indices of this type";
  else
    return lookup;
  return failure();
}

SmallVector<OpFoldResult> Lookup::getSizes(OpBuilder &b) const {
  SmallVector<OpFoldResult> sizes;
  for (auto [d, size] : llvm::enumerate(getType().getShape()))
    sizes.push_back(isIndex(d)
                        ? tensor::getMixedSize(b, op.getLoc(), op.getIndices(),
                                               d - op.getAxis())
                        : OpFoldResult(b.getIndexAttr(size)));
  return sizes;
}

SmallVector<Value> Lookup::getExtents(ElementKernel &k) const {
  SmallVector<Value> extents;
  for (auto [d, size] : llvm::enumerate(getType().getShape()))
    extents.push_back(isIndex(d) ? k.size(op.getIndices(), d - op.getAxis())
                                 : k.index(size));
  return extents;
}

Element Lookup::read(ElementKernel &k, Element table) const {
  unsigned buffer = k.addInput(op.getIndices());
  return
      [&k, buffer, table, extents = getExtents(k), width = width,
       axis = op.getAxis(), count = numIndexAxes,
       extent =
           cast<ShapedType>(op.getTable().getType()).getDimSize(op.getAxis())](
          ValueRange position) {
        Value at = k.linearize(position.slice(axis, count),
                               ValueRange(extents).slice(axis, count));
        SmallVector<Value> where(position.take_front(axis));
        where.push_back(loadIndex(k, buffer, at, width, extent));
        llvm::append_range(where, position.drop_front(axis + count));
        return table(where);
      };
}

//===- LoopExtents.cpp - Extents of loops over operands ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LoopExtents.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

FailureOr<SmallVector<LoopExtent>>
compress::device::findLoopExtents(ArrayRef<Value> operands,
                                  ArrayRef<AffineMap> maps, unsigned numLoops) {
  constexpr unsigned none = ~0u;
  SmallVector<LoopExtent> extents(numLoops, {none, 0});
  auto isStatic = [&](LoopExtent extent) {
    return !cast<ShapedType>(operands[extent.first].getType())
                .isDynamicDim(extent.second);
  };
  auto isCompressed = [&](LoopExtent extent) {
    return isa<CompressedTensorType>(operands[extent.first].getType());
  };
  for (unsigned i = 0; i < operands.size(); ++i)
    for (auto [axis, expr] : llvm::enumerate(maps[i].getResults()))
      if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
        LoopExtent &extent = extents[dim.getPosition()];
        LoopExtent found(i, axis);
        if (extent.first == none || isStatic(found) ||
            (!isStatic(extent) && isCompressed(extent)))
          extent = found;
      }
  for (LoopExtent extent : extents)
    if (extent.first == none || (!isStatic(extent) && isCompressed(extent)))
      return failure();
  return extents;
}

SmallVector<Value>
compress::device::getLoopExtents(ElementKernel &k, ArrayRef<Value> operands,
                                 ArrayRef<LoopExtent> extents) {
  SmallVector<Value> result;
  for (auto [i, axis] : extents) {
    auto type = cast<ShapedType>(operands[i].getType());
    result.push_back(type.isDynamicDim(axis) ? k.size(operands[i], axis)
                                             : k.index(type.getDimSize(axis)));
  }
  return result;
}

void compress::device::setLoops(ElementKernel &k, ArrayRef<unsigned> which,
                                ArrayRef<Value> extents, Value linear,
                                SmallVectorImpl<Value> &loops) {
  SmallVector<Value> sizes;
  for (unsigned d : which)
    sizes.push_back(extents[d]);
  for (auto [d, at] : llvm::zip_equal(which, k.delinearize(linear, sizes)))
    loops[d] = at;
}

Value compress::device::countLoops(ElementKernel &k, ArrayRef<unsigned> which,
                                   ArrayRef<Value> extents) {
  int64_t known = 1;
  Value product;
  for (unsigned d : which)
    if (auto extent = getConstantIntValue(OpFoldResult(extents[d])))
      known *= *extent;
    else
      product = product ? k.mul(product, extents[d]) : extents[d];
  return product ? k.mul(product, known) : k.index(known);
}

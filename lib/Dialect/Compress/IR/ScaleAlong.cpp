//===- ScaleAlong.cpp - Factors taken up by stored scales -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/ScaleAlong.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include <cmath>

using namespace mlir;
using namespace compress;

static llvm::Error refuse(const Twine &reason) {
  return llvm::createStringError(reason);
}

static llvm::Error scaleFloats(HostTensor &leaf, int64_t axis,
                               ArrayRef<double> factors) {
  // Narrower floats would round the factors away.
  if (!isa<FloatType>(leaf.getElementType()) || leaf.getBitWidth() < 16)
    return refuse("what is stored is not a float of at least 16 bits");
  ArrayRef<int64_t> shape = leaf.getShape();
  int64_t stride = 1;
  for (int64_t size : shape.drop_front(axis + 1))
    stride *= size;
  HostTensor scaled = HostTensor::allocate(shape, leaf.getElementType());
  for (int64_t i = 0, e = leaf.getNumElements(); i < e; ++i) {
    scaled.setDouble(i, leaf.getDouble(i) * factors[i / stride % shape[axis]]);
    if (!std::isfinite(scaled.getDouble(i)))
      return refuse("a scale would overflow");
  }
  leaf = std::move(scaled);
  return llvm::Error::success();
}

/// `leaves` are those of the component alone.
static llvm::Error scaleComponent(Type type, MutableArrayRef<HostTensor> leaves,
                                  int64_t axis, ArrayRef<double> factors) {
  auto nested = dyn_cast<CompressedTensorType>(type);
  if (!nested)
    return scaleFloats(leaves.front(), axis, factors);
  EncodingAttrInterface encoding = nested.getEncoding();
  SmallVector<Component> components = encoding.getComponents(nested);
  SmallVector<MutableArrayRef<HostTensor>> parts;
  for (const Component &component : components) {
    unsigned count = getNumLeaves(component.type);
    parts.push_back(leaves.take_front(count));
    leaves = leaves.drop_front(count);
  }
  auto scalePart = [&](size_t i) {
    return scaleComponent(components[i].type, parts[i], axis, factors);
  };
  auto isOwnScale = [&](ArrayRef<int64_t> group) {
    return (group[axis] == 1 || nested.getShape()[axis] == 1) &&
           isa<RankedTensorType>(components[1].type);
  };
  if (auto quant = dyn_cast<QuantAttr>(encoding)) {
    if (isOwnScale(quant.getGroup()))
      return scalePart(1);
    return refuse("its outputs have no float scales of their own");
  }
  if (auto scaled = dyn_cast<ScaledAttr>(encoding))
    return scalePart(isOwnScale(scaled.getGroup()) ? 1 : 0);
  if (isa<DenseAttr>(encoding))
    return scalePart(0);
  if (isa<SumAttr>(encoding)) {
    for (size_t i = 0; i < components.size(); ++i)
      if (llvm::Error error = scalePart(i))
        return error;
    return llvm::Error::success();
  }
  return refuse("its outputs have no scales of their own");
}

llvm::Expected<EncodedTensor> compress::scaleAlong(const EncodedTensor &tensor,
                                                   int64_t axis,
                                                   ArrayRef<double> factors) {
  EncodedTensor result = tensor;
  if (llvm::Error error =
          scaleComponent(result.type, result.leaves, axis, factors))
    return std::move(error);
  return result;
}

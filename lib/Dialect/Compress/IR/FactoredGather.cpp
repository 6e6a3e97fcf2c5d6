//===- FactoredGather.cpp - Lookup in a factored table ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FactoredLayout.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;

/// The first `size` slices along an axis.
static Value takeFirst(OpBuilder &b, Location loc, Value value, int64_t axis,
                       int64_t size) {
  // Slices of nothing do not verify.
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] = size;
  if (type.hasStaticShape() && llvm::is_contained(shape, 0))
    return tensor::EmptyOp::create(b, loc, shape, type.getElementType());
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, value);
  SmallVector<OpFoldResult> offsets(sizes.size(), b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), b.getIndexAttr(1));
  sizes[axis] = b.getIndexAttr(size);
  return tensor::ExtractSliceOp::create(b, loc, value, offsets, sizes, strides);
}

FailureOr<Value> FactoredAttr::buildGather(OpBuilder &b, Location loc,
                                           CompressedTensorType type,
                                           ValueRange components, Value indices,
                                           int64_t axis) const {
  // Only the rows of the factors that carry the axis are decoded, and only
  // their products computed.
  if (!type.hasStaticShape())
    return buildGatherOfDecoded(b, loc, type, components, indices, axis);
  FactoredLayout layout = FactoredLayout::get(*this, type.getShape());
  const Einsum &einsum = layout.einsum;
  if (einsum.dims[axis].size() > 1)
    return buildGatherOfDecoded(b, loc, type, components, indices, axis);
  unsigned looked = einsum.dims[axis][0];
  int64_t indexRank = cast<RankedTensorType>(indices.getType()).getRank();

  // The axis turns into those of the indices: labels past the names.
  SmallVector<unsigned> indexLabels;
  for (int64_t i = 0; i < indexRank; ++i)
    indexLabels.push_back(einsum.names.size() + i);
  auto relabel = [&](ArrayRef<unsigned> names) {
    SmallVector<unsigned> labels;
    for (unsigned name : names) {
      if (name == looked)
        llvm::append_range(labels, indexLabels);
      else
        labels.push_back(name);
    }
    return labels;
  };
  SmallVector<unsigned> result = relabel(einsum.getResultNames());
  SmallVector<Component> parts = getComponents(type);
  SmallVector<Value> factors;
  SmallVector<SmallVector<unsigned>> labels;
  for (auto [number, names] : llvm::enumerate(einsum.factors)) {
    const auto *at = llvm::find(names, looked);
    auto value =
        at == names.end()
            ? buildDecodeComponent(b, loc, components[number], parts[number])
            : buildGatherComponent(b, loc, components[number], parts[number],
                                   indices, at - names.begin());
    if (failed(value))
      return failure();
    labels.push_back(relabel(names));
    for (unsigned name : names)
      if (layout.used[name] != layout.stored[name])
        value =
            takeFirst(b, loc, *value,
                      llvm::find(labels.back(), name) - labels.back().begin(),
                      layout.used[name]);
    factors.push_back(*value);
  }

  // From left to right, as decoding does.
  Value product = factors[0];
  SmallVector<unsigned> productLabels = labels[0];
  if (factors.size() == 1) {
    // Multiplying by one sums and transposes.
    Type element = cast<RankedTensorType>(product.getType()).getElementType();
    auto scalar = RankedTensorType::get({}, element);
    Value one = arith::ConstantOp::create(
        b, loc, DenseElementsAttr::get(scalar, b.getFloatAttr(element, 1.0)));
    product = buildEinsum(b, loc, product, productLabels, one, {}, result);
  }
  for (size_t number = 1; number < factors.size(); ++number) {
    SmallVector<unsigned> kept;
    auto isNeeded = [&](unsigned label) {
      return llvm::is_contained(result, label) ||
             llvm::any_of(ArrayRef(labels).drop_front(number + 1),
                          [&](ArrayRef<unsigned> later) {
                            return llvm::is_contained(later, label);
                          });
    };
    if (number + 1 == factors.size())
      kept = result;
    for (ArrayRef<unsigned> list :
         {ArrayRef(productLabels), ArrayRef(labels[number])})
      for (unsigned label : list)
        if (isNeeded(label) && !llvm::is_contained(kept, label))
          kept.push_back(label);
    product = buildEinsum(b, loc, product, productLabels, factors[number],
                          labels[number], kept);
    productLabels = kept;
  }

  // Put split dimensions together.
  SmallVector<ReassociationIndices> joined;
  int64_t next = 0;
  for (auto [dim, names] : llvm::enumerate(einsum.dims)) {
    if (int64_t(dim) == axis) {
      for (int64_t i = 0; i < indexRank; ++i)
        joined.push_back({next++});
      continue;
    }
    ReassociationIndices &group = joined.emplace_back();
    for (size_t i = 0; i < names.size(); ++i)
      group.push_back(next++);
  }
  if (int64_t(joined.size()) != next)
    product = tensor::CollapseShapeOp::create(b, loc, product, joined);
  Type compute = cast<RankedTensorType>(product.getType()).getElementType();
  if (compute == type.getElementType())
    return product;
  return buildElementwise(b, loc, type.getElementType(), product,
                          [&](OpBuilder &b, Location loc, ValueRange in) {
                            return buildNumericCast(b, loc, in[0], compute,
                                                    type.getElementType());
                          });
}

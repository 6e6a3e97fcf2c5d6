//===- ElementCosts.cpp - What reading an element takes ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ElementCosts.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

/// Instructions: to find a word and load it, to take a smaller number out of it
/// and convert that, and for what is done with a component.
static constexpr double kLoad = 2, kUnpack = 3, kCombine = 2;

/// The number of elements, nothing where it is not known.
static std::optional<double> countKnown(ArrayRef<int64_t> shape) {
  double count = 1;
  for (int64_t size : shape) {
    if (ShapedType::isDynamic(size))
      return std::nullopt;
    count *= double(size);
  }
  return count;
}

static double getOps(Type storage) {
  return kLoad + (storage.getIntOrFloatBitWidth() < 32 ? kUnpack : 0);
}

/// Instructions for an element; nothing where it takes the whole tensor.
static std::optional<double> countOps(Type type) {
  auto tensor = dyn_cast<CompressedTensorType>(type);
  if (!tensor)
    return getOps(getElementTypeOrSelf(type));
  Attribute encoding = tensor.getEncoding();
  if (auto dense = dyn_cast<DenseAttr>(encoding))
    return getOps(dense.getStorageType());
  if (isa<CodedAttr>(encoding))
    return std::nullopt;
  if (auto sparse = dyn_cast<SparseAttr>(encoding))
    if (sparse.getPattern() != SparsePattern::NM &&
        sparse.getPattern() != SparsePattern::Channels)
      return std::nullopt;
  SmallVector<Component> components = tensor.getComponents();
  // Computed from nothing that is stored.
  if (components.empty())
    return std::nullopt;
  double ops = 0;
  for (const Component &component : components) {
    auto own = countOps(component.type);
    if (!own)
      return std::nullopt;
    ops += *own + kCombine;
  }
  return ops;
}

ElementWork compress::device::getElementWork(Type type, double elements) {
  ElementWork work;
  auto tensor = dyn_cast<CompressedTensorType>(type);
  if (!tensor) {
    Type storage = getElementTypeOrSelf(type);
    work.bytes = elements * storage.getIntOrFloatBitWidth() / 8;
    work.ops = getOps(storage);
    return work;
  }
  std::optional<double> ops = countOps(type);
  if (!ops) {
    work.bytes = elements * 4;
    work.ops = kLoad;
    return work;
  }
  work.ops = *ops;
  work.bytes =
      isRefined(tensor) ? double(tensor.getStorageBits()) / 8 : elements;
  // What is multiplied is smaller than the tensor that it stands for.
  double multiplied = 0;
  if (isa<FactoredAttr>(tensor.getEncoding())) {
    for (const Component &factor : tensor.getComponents())
      if (auto count = countKnown(cast<ShapedType>(factor.type).getShape()))
        multiplied += *count;
  } else if (auto sparse = dyn_cast<SparseAttr>(tensor.getEncoding());
             sparse && sparse.getPattern() == SparsePattern::Channels) {
    multiplied =
        countKnown(sparse.getValuesShape(tensor.getShape())).value_or(0);
  }
  if (multiplied > 0 && elements > 0)
    work.share = std::min(1.0, multiplied / elements);
  return work;
}

bool compress::device::areCodes(ContractOp op) {
  for (unsigned number = 0; number < 2; ++number) {
    auto type = dyn_cast<CompressedTensorType>(
        (number ? op.getRhs() : op.getLhs()).getType());
    Attribute encoding = type ? type.getEncoding() : Attribute();
    if (auto sparse = dyn_cast_or_null<SparseAttr>(encoding);
        sparse && sparse.getPattern() == SparsePattern::NM)
      encoding = sparse.getOf();
    auto quant = dyn_cast_or_null<QuantAttr>(encoding);
    if (!quant || quant.isFloatCode() || quant.getCodeWidth() > 8)
      return false;
    for (auto [size, group, expr] : llvm::zip_equal(
             type.getShape(), quant.getGroup(), op.getMap(number).getResults()))
      for (unsigned d = 0; d < op.getNumLoops(); ++d)
        if (op.isReductionDim(d) && expr.isFunctionOfDim(d) &&
            !ShapedType::isDynamic(group) && group < size)
          return false;
  }
  return true;
}

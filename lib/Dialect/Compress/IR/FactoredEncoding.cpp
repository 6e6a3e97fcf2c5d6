//===- FactoredEncoding.cpp - The factored encoding -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FactoredLayout.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Fit.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

/// The named sizes of a dictionary; a name must stand in the equation.
static LogicalResult readSizes(function_ref<InFlightDiagnostic()> emitError,
                               const Einsum &einsum, DictionaryAttr dictionary,
                               StringRef what,
                               SmallVectorImpl<std::optional<int64_t>> &sizes) {
  sizes.assign(einsum.names.size(), std::nullopt);
  if (!dictionary)
    return success();
  for (NamedAttribute entry : dictionary) {
    StringRef name = entry.getName();
    std::optional<unsigned> number = einsum.lookup(name);
    if (!number)
      return emitError() << "factored: " << what << " has " << name
                         << ", which is no name of the equation";
    auto size = dyn_cast<IntegerAttr>(entry.getValue());
    if (!size || size.getValue().getSignificantBits() > 32 || size.getInt() < 0)
      return emitError() << "factored: " << what << " of " << name
                         << " must be a number from 0 to 2147483647, found "
                         << entry.getValue();
    sizes[*number] = size.getInt();
  }
  return success();
}

LogicalResult FactoredAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   StringRef equation, DictionaryAttr sizes,
                                   DictionaryAttr prefix,
                                   ArrayRef<EncodingAttrInterface> of) {
  llvm::Expected<Einsum> einsum = Einsum::parse(equation);
  if (!einsum)
    return emitError() << "factored: " << llvm::toString(einsum.takeError());
  if (einsum->factors.size() != of.size())
    return emitError() << "factored: the equation has "
                       << einsum->factors.size() << " factors, 'of' has "
                       << of.size() << " encodings";
  if (!sizes)
    return emitError() << "factored: sizes are missing";
  SmallVector<std::optional<int64_t>> given, prefixes;
  if (failed(readSizes(emitError, *einsum, sizes, "sizes", given)) ||
      failed(readSizes(emitError, *einsum, prefix, "prefix", prefixes)))
    return failure();
  for (auto [number, name] : llvm::enumerate(einsum->names)) {
    if (einsum->isWholeDim(number)) {
      if (given[number])
        return emitError() << "factored: sizes has " << name
                           << ", which the shape fixes";
    } else if (!given[number]) {
      return emitError() << "factored: sizes lacks " << name;
    }
    if (!prefixes[number])
      continue;
    if (!einsum->isContracted(number))
      return emitError() << "factored: prefix has " << name
                         << ", which is not summed over";
    if (*prefixes[number] < 1 || *prefixes[number] > *given[number])
      return emitError() << "factored: prefix of " << name
                         << " must be from 1 to " << *given[number]
                         << ", found " << *prefixes[number];
  }
  return success();
}

FactoredLayout FactoredLayout::get(FactoredAttr attr, ArrayRef<int64_t> shape) {
  FactoredLayout layout{
      llvm::cantFail(Einsum::parse(attr.getEquation())), {}, {}};
  const Einsum &einsum = layout.einsum;
  layout.stored.assign(einsum.names.size(), 0);
  for (auto [dim, names] : llvm::enumerate(einsum.dims))
    layout.stored[names[0]] = shape[dim];
  auto read = [&](DictionaryAttr dictionary, SmallVector<int64_t> &sizes) {
    for (NamedAttribute entry : dictionary)
      sizes[*einsum.lookup(entry.getName())] =
          cast<IntegerAttr>(entry.getValue()).getInt();
  };
  read(attr.getSizes(), layout.stored);
  layout.used = layout.stored;
  if (attr.getPrefix())
    read(attr.getPrefix(), layout.used);
  return layout;
}

/// The product, or nothing where it overflows or a dimension is dynamic.
static std::optional<int64_t> multiply(ArrayRef<int64_t> sizes) {
  int64_t product = 1;
  for (int64_t size : sizes)
    if (ShapedType::isDynamic(size) ||
        llvm::MulOverflow(product, size, product))
      return std::nullopt;
  return product;
}

LogicalResult
FactoredAttr::verifyEncoding(function_ref<InFlightDiagnostic()> emitError,
                             ArrayRef<int64_t> shape, Type elementType) const {
  if (failed(verifySize(emitError, shape)))
    return failure();
  if (!isa<FloatType>(elementType))
    return emitError() << "factored: the logical element type must be a float, "
                          "found "
                       << elementType;
  Einsum einsum = llvm::cantFail(Einsum::parse(getEquation()));
  if (einsum.dims.size() != shape.size())
    return emitError() << "factored: the result of the equation has "
                       << einsum.dims.size()
                       << " dimensions, the tensor has rank " << shape.size();
  FactoredLayout layout = FactoredLayout::get(*this, shape);
  for (auto [dim, names] : llvm::enumerate(einsum.dims)) {
    if (names.size() == 1)
      continue;
    SmallVector<int64_t> sizes;
    std::string text;
    for (unsigned name : names) {
      sizes.push_back(layout.stored[name]);
      text += (text.empty() ? "" : " x ") + std::to_string(layout.stored[name]);
    }
    if (ShapedType::isDynamic(shape[dim]))
      return emitError() << "factored: dimension " << dim << " is split into "
                         << text << " but is dynamic";
    std::optional<int64_t> product = multiply(sizes);
    if (product != shape[dim])
      return emitError() << "factored: dimension " << dim << " of size "
                         << shape[dim] << " is split into " << text;
  }
  for (auto [number, encoding] : llvm::enumerate(getOf())) {
    SmallVector<int64_t> factor = layout.getFactorShape(number);
    if (!llvm::any_of(factor, ShapedType::isDynamic) && !multiply(factor))
      return emitError() << "factored: factor " << number + 1
                         << " has too many elements";
    if (failed(encoding.verifyEncoding(emitError, factor,
                                       getComputeType(elementType))))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Components
//===----------------------------------------------------------------------===//

SmallVector<Component>
FactoredAttr::getComponents(CompressedTensorType type) const {
  FactoredLayout layout = FactoredLayout::get(*this, type.getShape());
  SmallVector<Component> components;
  for (auto [number, encoding] : llvm::enumerate(getOf()))
    components.push_back(
        makeComponent("factor" + Twine(number), layout.getFactorShape(number),
                      getComputeType(type.getElementType()), encoding));
  return components;
}

EncodingAttrInterface FactoredAttr::withComponentEncodings(
    ArrayRef<EncodingAttrInterface> encodings) const {
  return FactoredAttr::get(getContext(), getEquation(), getSizes(), getPrefix(),
                           encodings);
}

FailureOr<DenseValue>
FactoredAttr::describeDecode(TensorBuilder &b, CompressedTensorType type,
                             ArrayRef<ComponentValue> parts) const {
  if (!type.hasStaticShape())
    return b.emitFailure("factored: decoding needs a static shape");
  FactoredLayout layout = FactoredLayout::get(*this, type.getShape());
  SmallVector<unsigned> result = layout.einsum.getResultNames();
  DenseValue product;
  SmallVector<unsigned> labels;
  for (auto [number, part] : llvm::enumerate(parts)) {
    auto factor = b.decode(part);
    if (failed(factor))
      return failure();
    ArrayRef<unsigned> names = layout.einsum.factors[number];
    for (auto [axis, name] : llvm::enumerate(names))
      if (layout.used[name] != layout.stored[name])
        factor = b.slice(*factor, axis, 0, layout.used[name]);
    if (number == 0) {
      product = *factor;
      labels.assign(names.begin(), names.end());
      continue;
    }
    // Names stay while a later factor or the result has them.
    NameSet needed = makeNameSet(result);
    for (ArrayRef<unsigned> later :
         ArrayRef(layout.einsum.factors).drop_front(number + 1))
      needed |= makeNameSet(later);
    SmallVector<unsigned> kept;
    bool isLast = number + 1 == parts.size();
    if (isLast)
      kept = result;
    for (ArrayRef<unsigned> list : {ArrayRef(labels), names})
      for (unsigned name : list)
        if (needed >> name & 1 && !llvm::is_contained(kept, name))
          kept.push_back(name);
    product = b.contract(product, labels, *factor, names, kept);
    labels = kept;
  }
  if (labels.size() > result.size()) {
    // A single factor with names to sum over.
    product = b.contract(product, labels, b.scalar(1, 0, product.elementType),
                         {}, result);
  } else if (labels != result) {
    SmallVector<int64_t> permutation;
    for (unsigned name : result)
      permutation.push_back(llvm::find(labels, name) - labels.begin());
    product = b.transpose(product, permutation);
  }
  return b.cast(b.reshape(product, type.getShape()), type.getElementType());
}

//===----------------------------------------------------------------------===//
// Encoding
//===----------------------------------------------------------------------===//

static std::vector<double> toDoubles(const HostTensor &tensor) {
  std::vector<double> values(tensor.getNumElements());
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = tensor.getDouble(i);
  return values;
}

/// The values that an encoded factor decodes to.
static llvm::Expected<std::vector<double>>
decodeFactor(const Component &component, ArrayRef<HostTensor> leaves) {
  llvm::Expected<HostTensor> decoded = HostTensor();
  if (auto nested = dyn_cast<CompressedTensorType>(component.type)) {
    // Sizes written `?` are known by now.
    CompressedTensorType refined = refineType(nested, leaves);
    decoded = refined.getEncoding().decodeHost(refined, leaves);
  } else {
    decoded = decodeComponent(component.type, component.elementType,
                              cast<EncodingAttrInterface>(component.encoding),
                              leaves);
  }
  if (!decoded)
    return decoded.takeError();
  return toDoubles(*decoded);
}

llvm::Expected<SmallVector<HostTensor>>
compress::fitFactored(CompressedTensorType type, const HostTensor &value,
                      const FactorizationOptions &options) {
  auto attr = cast<FactoredAttr>(type.getEncoding());
  FactoredLayout layout = FactoredLayout::get(attr, type.getShape());
  SmallVector<Component> components = attr.getComponents(type);
  std::vector<double> values = toDoubles(value);
  auto fitted = fitFactors(layout.einsum, layout.stored, values, options);
  if (!fitted)
    return fitted.takeError();
  std::vector<std::vector<double>> factors = std::move(fitted->factors);

  // Factors without stored values are given.
  std::vector<bool> frozen(factors.size(), false);
  bool anyGiven = false;
  for (auto [number, component] : llvm::enumerate(components)) {
    if (getNumLeaves(component.type) > 0)
      continue;
    auto given = decodeFactor(component, {});
    if (!given)
      return given.takeError();
    factors[number] = std::move(*given);
    frozen[number] = anyGiven = true;
  }
  auto refine = [&]() -> llvm::Error {
    if (!llvm::is_contained(frozen, false))
      return llvm::Error::success();
    auto refined = refineFactors(layout.einsum, layout.stored, values, factors,
                                 frozen, options);
    if (!refined)
      return refined.takeError();
    factors = std::move(refined->factors);
    return llvm::Error::success();
  };
  if (anyGiven)
    if (llvm::Error error = refine())
      return std::move(error);

  SmallVector<HostTensor> leaves;
  for (auto [number, component] : llvm::enumerate(components)) {
    if (getNumLeaves(component.type) == 0)
      continue;
    HostTensor tensor = HostTensor::allocate(layout.getFactorShape(number),
                                             component.elementType);
    for (auto [i, x] : llvm::enumerate(factors[number]))
      tensor.setDouble(i, x);
    SmallVector<HostTensor> own;
    if (llvm::Error error = encodeComponent(component, tensor, own))
      return std::move(error);
    llvm::append_range(leaves, own);
    auto decoded = decodeFactor(component, own);
    if (!decoded)
      return decoded.takeError();
    double norm = 0, change = 0;
    for (auto [before, after] : llvm::zip_equal(factors[number], *decoded)) {
      norm += before * before;
      change += (before - after) * (before - after);
    }
    factors[number] = std::move(*decoded);
    frozen[number] = true;
    // The rounding of f32 is not worth another solution.
    if (change > 1e-12 * norm && std::isfinite(change))
      if (llvm::Error error = refine())
        return std::move(error);
  }
  return leaves;
}

llvm::Expected<SmallVector<HostTensor>>
FactoredAttr::encodeHost(CompressedTensorType type, const HostTensor &value,
                         ArrayRef<HostTensor>) const {
  return fitFactored(type, value, {});
}

FailureOr<EncodedTensor>
FactoredAttr::recodeHost(const EncodedTensor &source,
                         CompressedTensorType target) const {
  // The same factors under a shorter prefix.
  auto from = dyn_cast<FactoredAttr>(source.type.getEncoding());
  auto to = dyn_cast<FactoredAttr>(target.getEncoding());
  if (!from || !to || source.type.getLogicalType() != target.getLogicalType() ||
      from.getEquation() != to.getEquation() ||
      from.getSizes() != to.getSizes())
    return failure();
  FactoredLayout before = FactoredLayout::get(from, target.getShape());
  FactoredLayout after = FactoredLayout::get(to, target.getShape());
  for (auto [longer, shorter] : llvm::zip_equal(before.used, after.used))
    if (shorter > longer)
      return failure();
  if (from.getOf() != to.getOf()) {
    // Only sizes that are not known yet may differ.
    SmallVector<RankedTensorType> types = target.getLeafTypes();
    if (types.size() != source.leaves.size())
      return failure();
    for (auto [type, leaf] : llvm::zip_equal(types, source.leaves))
      if (HostTensor::getWidth(type.getElementType()) != leaf.getBitWidth() ||
          type.getRank() != leaf.getRank())
        return failure();
    auto refined =
        cast<FactoredAttr>(refineType(target, source.leaves).getEncoding());
    if (refined.getOf() != from.getOf())
      return failure();
    to = refined;
  }
  return EncodedTensor{CompressedTensorType::get(getContext(),
                                                 target.getShape(),
                                                 target.getElementType(), to),
                       source.leaves};
}

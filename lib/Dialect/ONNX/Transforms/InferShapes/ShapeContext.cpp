//===- ShapeContext.cpp - Symbolic shapes of onnx values --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ShapeContext.h"
#include "compress/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

std::string onnx::toString(ArrayRef<Dim> dims) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleave(
      dims, os,
      [&](const Dim &dim) {
        if (dim.isConstant())
          os << dim.coefficient;
        else
          os << '?';
      },
      "x");
  return dims.empty() ? "scalar" : text;
}

//===----------------------------------------------------------------------===//
// ShapeState
//===----------------------------------------------------------------------===//

Dim ShapeState::add(const Dim &a, const Dim &b) {
  if (a.is(0))
    return b;
  if (b.is(0))
    return a;
  if (a.symbols != b.symbols)
    return fresh();
  Dim sum = a;
  sum.coefficient += b.coefficient;
  if (sum.coefficient == 0)
    sum.symbols.clear();
  return sum;
}

Dim ShapeState::sub(const Dim &a, const Dim &b) {
  Dim negative = b;
  negative.coefficient = -b.coefficient;
  return add(a, negative);
}

Dim ShapeState::mul(const Dim &a, const Dim &b) {
  Dim result = a;
  int64_t product;
  if (llvm::MulOverflow(a.coefficient, b.coefficient, product))
    return fresh();
  result.coefficient = product;
  if (result.coefficient == 0) {
    result.symbols.clear();
    return result;
  }
  result.symbols.append(b.symbols);
  llvm::sort(result.symbols);
  return result;
}

Dim ShapeState::div(const Dim &a, const Dim &b) {
  if (b.is(0) || b.coefficient == 0)
    return fresh();
  if (a.isConstant() && b.isConstant())
    return Dim(a.coefficient / b.coefficient);
  if (a.coefficient % b.coefficient != 0)
    return fresh();
  Dim result = a;
  result.coefficient /= b.coefficient;
  for (unsigned symbol : b.symbols) {
    auto *it = llvm::find(result.symbols, symbol);
    if (it == result.symbols.end())
      return fresh();
    result.symbols.erase(it);
  }
  return result;
}

Dim ShapeState::product(ArrayRef<Dim> dims) {
  Dim result(1);
  for (const Dim &dim : dims)
    result = mul(result, dim);
  return result;
}

Dim ShapeState::named(StringRef name) {
  auto [it, inserted] = names.try_emplace(name);
  if (inserted)
    it->second = fresh();
  return it->second;
}

const ValueInfo &ShapeState::get(Value value) {
  auto it = values.find(value);
  if (it != values.end())
    return *it->second;
  ValueInfo info;
  auto type = dyn_cast<ShapedType>(value.getType());
  if (type) {
    if (!isa<UnknownType>(type.getElementType()))
      info.elementType = type.getElementType();
    if (type.hasRank()) {
      info.shape.emplace();
      for (int64_t size : type.getShape())
        info.shape->push_back(ShapedType::isDynamic(size) ? fresh()
                                                          : Dim(size));
      if (type.getRank() <= 1 && type.hasStaticShape() &&
          type.getNumElements() <= kMaxElements &&
          isa<IntegerType>(type.getElementType()))
        if (auto ints = getConstantInts(value))
          info.elements.emplace(ints->begin(), ints->end());
    }
  }
  return *(values[value] = std::make_unique<ValueInfo>(std::move(info)));
}

//===----------------------------------------------------------------------===//
// ShapeContext
//===----------------------------------------------------------------------===//

ShapeContext::ShapeContext(ShapeState &state, Node node, int64_t opset)
    : state(state), node(node), opset(opset) {
  results.resize(node.getNumOutputs());
}

const Dims *ShapeContext::shape(unsigned index) {
  Value value = node.getInput(index);
  if (!value)
    return nullptr;
  const ValueInfo &info = state.get(value);
  return info.shape ? &*info.shape : nullptr;
}

Type ShapeContext::elementType(unsigned index) {
  Value value = node.getInput(index);
  return value ? state.get(value).elementType : Type();
}

const Dims *ShapeContext::elements(unsigned index) {
  Value value = node.getInput(index);
  if (!value)
    return nullptr;
  const ValueInfo &info = state.get(value);
  return info.elements ? &*info.elements : nullptr;
}

std::optional<SmallVector<int64_t>> ShapeContext::constants(unsigned index) {
  const Dims *dims = elements(index);
  if (!dims)
    return std::nullopt;
  SmallVector<int64_t> result;
  for (const Dim &dim : *dims) {
    if (!dim.isConstant())
      return std::nullopt;
    result.push_back(dim.coefficient);
  }
  return result;
}

std::optional<SmallVector<int64_t>>
ShapeContext::attrOrInput(StringRef name, unsigned index, bool &given) {
  given = true;
  if (auto ints = node.findInts(name))
    return ints;
  if (node.hasInput(index))
    return constants(index);
  given = false;
  return std::nullopt;
}

void ShapeContext::setShape(unsigned result, Type elementType, Dims shape) {
  if (result >= results.size())
    return;
  results[result].shape = std::move(shape);
  if (elementType)
    results[result].elementType = elementType;
}

void ShapeContext::setElementType(unsigned result, Type elementType) {
  if (result < results.size() && elementType)
    results[result].elementType = elementType;
}

void ShapeContext::setElements(unsigned result, Dims elements) {
  if (result < results.size() &&
      int64_t(elements.size()) <= ShapeState::kMaxElements)
    results[result].elements = std::move(elements);
}

LogicalResult ShapeContext::fail(const Twine &reason) {
  return emitError(node.getOperation()->getLoc())
         << node.describe() << ": " << reason;
}

FailureOr<int64_t> ShapeContext::axis(int64_t axis, int64_t rank) {
  if (auto normalized = normalizeAxis(axis, rank))
    return *normalized;
  return fail("axis " + Twine(axis) + " is outside of rank " + Twine(rank));
}

FailureOr<Dims> ShapeContext::broadcast(ArrayRef<Dim> a, ArrayRef<Dim> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  Dims result(a);
  size_t lead = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    Dim &dim = result[lead + i];
    if (dim == b[i] || b[i].is(1))
      continue;
    if (dim.is(1) || (!dim.isConstant() && b[i].isConstant()))
      dim = b[i];
    else if (dim.isConstant() && b[i].isConstant())
      return fail("shapes " + toString(a) + " and " + toString(b) +
                  " cannot be broadcast");
  }
  return result;
}

LogicalResult ShapeContext::setShapeChecked(Type elementType,
                                            const Dims &dims) {
  for (const Dim &dim : dims)
    if (dim.isConstant() && dim.coefficient < 0)
      return fail("the shape " + toString(dims) + " has a negative size");
  setShape(0, elementType, dims);
  return success();
}

Dims ShapeContext::unknown(int64_t rank) {
  Dims dims;
  for (int64_t i = 0; i < rank; ++i)
    dims.push_back(state.fresh());
  return dims;
}

std::optional<int64_t> ShapeContext::length(unsigned index) {
  const Dims *dims = shape(index);
  if (!dims || dims->size() != 1 || !(*dims)[0].isConstant())
    return std::nullopt;
  return (*dims)[0].coefficient;
}

Type ShapeContext::i64() {
  return IntegerType::get(node.getOperation()->getContext(), 64);
}

Type ShapeContext::i1() {
  return IntegerType::get(node.getOperation()->getContext(), 1);
}

const ShapeRules &onnx::getShapeRules() {
  static const ShapeRules rules = [] {
    ShapeRules rules;
    addElementwiseShapeRules(rules);
    addContractionShapeRules(rules);
    addDataMovementShapeRules(rules);
    addReshapeShapeRules(rules);
    addReductionShapeRules(rules);
    return rules;
  }();
  return rules;
}

//===- Restore.cpp - Compressed tensors from our own metadata -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Readers.h"
#include "compress/Conversion/CompressToONNX/CompressToONNX.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace compress;

StringRef compress::getMetadata(Operation *op, StringRef key) {
  Attribute pairs;
  if (auto initializer = dyn_cast<onnx::InitializerOp>(op)) {
    if (DictionaryAttr info = initializer.getInfoAttr())
      pairs = info.get("metadata_props");
  } else {
    pairs = op->getAttr("onnx.metadata_props");
  }
  auto array = dyn_cast_or_null<ArrayAttr>(pairs);
  if (!array)
    return {};
  for (Attribute attr : array) {
    auto pair = dyn_cast<ArrayAttr>(attr);
    if (!pair || pair.size() != 2)
      continue;
    auto name = dyn_cast<StringAttr>(pair[0]);
    auto value = dyn_cast<StringAttr>(pair[1]);
    if (name && value && name.getValue() == key)
      return value.getValue();
  }
  return {};
}

static CompressedTensorType parseCompressedType(StringRef text,
                                                MLIRContext *context) {
  // The text comes from a file; what is wrong with it is for the caller to say.
  ScopedDiagnosticHandler quiet(context,
                                [](Diagnostic &) { return success(); });
  return dyn_cast_or_null<CompressedTensorType>(parseType(text, context));
}

namespace {
/// Looks from the node with the type back to what it was computed from.
struct PartWalker {
  explicit PartWalker(StringRef part) : part(part) {}

  void visit(Operation *op) {
    if (!seen.insert(op).second)
      return;
    if (auto initializer = dyn_cast<onnx::InitializerOp>(op)) {
      unsigned number;
      StringRef leaf = getMetadata(op, metadata::leaf);
      if (!leaf.empty() && !leaf.getAsInteger(10, number))
        leaves[number] = initializer;
      return;
    }
    for (Value operand : op->getOperands()) {
      if (!onnx::isGiven(operand))
        continue;
      Operation *def = operand.getDefiningOp();
      bool isInside =
          def && (isa<onnx::InitializerOp>(def) ||
                  (!part.empty() && getMetadata(def, metadata::part) == part));
      if (isInside)
        visit(def);
      else if (!onnx::getConstantElements(operand))
        sources.insert(operand);
    }
  }

  StringRef part;
  llvm::SmallPtrSet<Operation *, 8> seen;
  llvm::DenseMap<unsigned, onnx::InitializerOp> leaves;
  llvm::SmallSetVector<Value, 2> sources;
};
} // namespace

/// The elements of an initializer as a leaf; fails when they are not the image
/// of such a leaf.
static FailureOr<HostTensor> toLeaf(onnx::InitializerOp initializer,
                                    RankedTensorType type) {
  auto stored = onnx::getConstant(initializer.getValue());
  Type element = type.getElementType();
  if (failed(stored) || stored->getNumElements() != type.getNumElements())
    return failure();
  bool isInteger = isa<IntegerType>(stored->getElementType());
  bool sameWidth = stored->getBitWidth() == HostTensor::getWidth(element);
  if (isInteger ? sameWidth : stored->getElementType() == element)
    return stored->bitcast(element).reshape(type.getShape());
  // Narrower codes were widened; float codes are their bits.
  if (!isInteger)
    return failure();
  bool isSigned = stored->getElementType().isSignlessInteger();
  HostTensor leaf = HostTensor::allocate(type.getShape(), element);
  unsigned width = leaf.getBitWidth();
  for (int64_t i = 0, e = leaf.getNumElements(); i < e; ++i) {
    int64_t value = stored->getInt(i);
    // One bit is a boolean or a signed code.
    if (width == 1 && (value == 0 || value == 1 || value == -1)) {
      leaf.setBits(i, value != 0);
      continue;
    }
    if (isSigned ? !llvm::isIntN(width, value)
                 : !llvm::isUIntN(width, uint64_t(value)))
      return failure();
    leaf.setBits(i, uint64_t(value) & llvm::maskTrailingOnes<uint64_t>(width));
  }
  return leaf;
}

/// Undoes `getExchangeForm`: the same values as a tensor of type `target`.
static FailureOr<EncodedTensor> fromExchangeForm(const EncodedTensor &form,
                                                 CompressedTensorType target) {
  if (form.type == target)
    return form;
  EncodingAttrInterface from = form.type.getEncoding();
  EncodingAttrInterface to = target.getEncoding();
  if (from.getTypeID() != to.getTypeID()) {
    auto recoded = to.recodeHost(form, target);
    if (failed(recoded) || recoded->type != target)
      return failure();
    return recoded;
  }
  SmallVector<ComponentValue> parts = splitLeaves(form.type, form.leaves);
  SmallVector<Component> components = target.getComponents();
  if (parts.size() != components.size() ||
      // Other than in components they must be the same.
      to.withComponentEncodings(getComponentEncodings(form.type)) != from)
    return failure();
  EncodedTensor result{target, {}};
  for (auto [part, component] : llvm::zip_equal(parts, components)) {
    auto nested = dyn_cast<CompressedTensorType>(component.type);
    if (!nested) {
      llvm::append_range(result.leaves, part.leaves);
      continue;
    }
    auto inner = fromExchangeForm(getEncodedTensor(part), nested);
    if (failed(inner))
      return failure();
    llvm::append_range(result.leaves, inner->leaves);
  }
  return result;
}

FailureOr<CompressedValue> compress::restore(Operation *root,
                                             std::string &reason) {
  CompressedValue value;
  StringRef text = getMetadata(root, metadata::type);
  value.type = parseCompressedType(text, root->getContext());
  if (!value.type) {
    reason =
        ("its compress.type '" + text + "' is not a compressed type").str();
    return failure();
  }
  auto result = dyn_cast<ShapedType>(root->getResult(0).getType());
  if (!result ||
      (result.hasRank() && failed(verifyCompatibleShape(
                               result.getShape(), value.type.getShape())))) {
    reason = "its compress.type does not fit the shape of its result";
    return failure();
  }
  if (result.getElementType().isIntOrFloat() &&
      result.getElementType() != value.type.getElementType()) {
    reason = "its compress.type does not fit the element type of its result";
    return failure();
  }
  CompressedTensorType stored = value.type;
  if (StringRef exchange = getMetadata(root, metadata::exchange);
      !exchange.empty()) {
    stored = parseCompressedType(exchange, root->getContext());
    if (!stored || stored.getLogicalType() != value.type.getLogicalType()) {
      reason = ("its compress.exchange '" + exchange +
                "' is not a type for its compress.type")
                   .str();
      return failure();
    }
  }
  value.site = getMetadata(root, metadata::site).str();
  value.level = getMetadata(root, metadata::level).str();

  PartWalker walker(getMetadata(root, metadata::part));
  walker.visit(root);
  if (walker.sources.size() > 1) {
    reason = "it is computed from several values";
    return failure();
  }
  SmallVector<RankedTensorType> types;
  if (walker.sources.empty()) {
    if (!value.type.hasStaticShape()) {
      reason = "its compress.type has no static shape";
      return failure();
    }
    types = stored.getLeafTypes();
  } else {
    value.source = walker.sources.front();
    if (value.source.getType() != value.type.getLogicalType()) {
      reason = "its compress.type does not fit the value that it encodes";
      return failure();
    }
    if (walker.leaves.empty())
      return value;
    SmallVector<Component> components = value.type.getComponents();
    for (const Component &component :
         ArrayRef<Component>(components)
             .take_back(value.type.getEncoding().getNumParameters()))
      if (auto nested = dyn_cast<CompressedTensorType>(component.type))
        llvm::append_range(types, nested.getLeafTypes());
      else
        types.push_back(cast<RankedTensorType>(component.type));
  }
  for (auto [i, type] : llvm::enumerate(types)) {
    auto it = walker.leaves.find(i);
    FailureOr<HostTensor> leaf = failure();
    // What has no elements need not be there.
    if (type.hasStaticShape() && type.getNumElements() == 0)
      leaf = HostTensor::allocate(type.getShape(), type.getElementType());
    else if (it != walker.leaves.end() && type.hasStaticShape())
      leaf = toLeaf(it->second, type);
    if (failed(leaf)) {
      reason = "component " + std::to_string(i) +
               " of its compress.type is missing or of another form";
      return failure();
    }
    value.leaves.push_back(*leaf);
  }
  if (value.source)
    return value;
  // The payload is as little to be trusted as the types.
  if (llvm::Error error = verifyPayload(stored, value.leaves)) {
    reason = llvm::toString(std::move(error));
    return failure();
  }
  auto exact = fromExchangeForm({stored, value.leaves}, value.type);
  if (failed(exact)) {
    reason = "its compress.exchange does not give its compress.type";
    return failure();
  }
  value.leaves = std::move(exact->leaves);
  return value;
}

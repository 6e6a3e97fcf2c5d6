//===- CompressOps.cpp - Operations of the compress dialect -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// ConstantOp
//===----------------------------------------------------------------------===//

#define GET_OP_CLASSES
#include "compress/Dialect/Compress/IR/CompressOps.cpp.inc"

void ConstantOp::build(OpBuilder &builder, OperationState &state,
                       CompressedTensorType type, ArrayRef<HostTensor> leaves,
                       StringRef name) {
  SmallVector<Attribute> attrs;
  SmallVector<RankedTensorType> types = type.getLeafTypes();
  assert(types.size() == leaves.size());
  for (auto [i, leaf] : llvm::enumerate(leaves)) {
    std::string key = name.empty() ? "leaf" : name.str();
    if (leaves.size() > 1)
      key += "." + std::to_string(i);
    attrs.push_back(leaf.bitcast(types[i].getElementType()).toResource(key));
  }
  build(builder, state, type, builder.getArrayAttr(attrs));
}

void ConstantOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setName(getResult(), "cst");
}

LogicalResult ConstantOp::verify() {
  CompressedTensorType type = getType();
  if (!type.hasStaticShape())
    return emitOpError("result must have a static shape, found ") << type;
  if (!isRefined(type))
    return emitOpError("result must have no size '?', found ") << type;
  SmallVector<RankedTensorType> leaves = type.getLeafTypes();
  if (leaves.size() != getComponents().size())
    return emitOpError("expected ")
           << leaves.size() << " components for " << type << ", found "
           << getComponents().size();
  for (auto [i, attr] : llvm::enumerate(getComponents())) {
    auto elements = cast<ElementsAttr>(attr);
    if (elements.getType() != leaves[i])
      return emitOpError("component #") << i << " must have type " << leaves[i]
                                        << ", found " << elements.getType();
    auto resource = dyn_cast<DenseResourceElementsAttr>(attr);
    if (!resource || !resource.getRawHandle().getBlob())
      continue;
    size_t expected = HostTensor::getByteSize(leaves[i].getShape(),
                                              leaves[i].getElementType());
    size_t found = resource.getRawHandle().getBlob()->getData().size();
    if (found != expected)
      return emitOpError("component #")
             << i << " of type " << leaves[i] << " needs " << expected
             << " bytes, its resource has " << found;
  }
  // Attributes are unique and never change, so one look at each is enough.
  auto *dialect = getContext()->getLoadedDialect<CompressDialect>();
  if (dialect->isVerified(type, getComponents()))
    return success();
  SmallVector<HostTensor> tensors;
  for (Attribute attr : getComponents()) {
    auto resource = dyn_cast<DenseResourceElementsAttr>(attr);
    if (resource && !resource.getRawHandle().getBlob())
      return emitOpError("resource '")
             << resource.getRawHandle().getKey() << "' has no data";
    auto tensor = HostTensor::fromAttr(cast<ElementsAttr>(attr));
    if (!tensor)
      return emitOpError() << llvm::toString(tensor.takeError());
    tensors.push_back(*tensor);
  }
  if (llvm::Error error = compress::verifyPayload(type, tensors))
    return emitOpError() << llvm::toString(std::move(error));
  dialect->setVerified(type, getComponents());
  return success();
}

namespace {
struct SimplifyConstant : public OpRewritePattern<ConstantOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConstantOp op,
                                PatternRewriter &rewriter) const override {
    if (!acceptsAnyEncoding(op.getResult()))
      return failure();
    EncodedTensor simpler = simplifyTensor({op.getType(), op.getLeaves()},
                                           /*allowRounding=*/false);
    if (simpler.type == op.getType())
      return failure();
    DictionaryAttr attrs = op->getDiscardableAttrDictionary();
    auto replacement = rewriter.replaceOpWithNewOp<ConstantOp>(op, simpler.type,
                                                               simpler.leaves);
    replacement->setDiscardableAttrs(attrs);
    return success();
  }
};
} // namespace

void ConstantOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                             MLIRContext *context) {
  patterns.add<SimplifyConstant>(context);
}

SmallVector<HostTensor> ConstantOp::getLeaves() {
  SmallVector<HostTensor> leaves;
  for (Attribute attr : getComponents())
    leaves.push_back(
        llvm::cantFail(HostTensor::fromAttr(cast<ElementsAttr>(attr))));
  return leaves;
}

//===----------------------------------------------------------------------===//
// PackOp, UnpackOp
//===----------------------------------------------------------------------===//

static LogicalResult verifyComponents(Operation *op, CompressedTensorType type,
                                      TypeRange found) {
  SmallVector<Component> components = type.getComponents();
  if (components.size() != found.size())
    return op->emitOpError("expected ")
           << components.size() << " components for " << type << ", found "
           << found.size();
  for (auto [i, component] : llvm::enumerate(components))
    if (component.type != found[i])
      return op->emitOpError("component '")
             << component.name << "' must have type " << component.type
             << ", found " << found[i];
  return success();
}

LogicalResult PackOp::verify() {
  return verifyComponents(*this, getType(), getComponents().getTypes());
}

OpFoldResult PackOp::fold(FoldAdaptor) {
  auto unpack = getComponents().empty()
                    ? UnpackOp()
                    : getComponents().front().getDefiningOp<UnpackOp>();
  if (unpack && unpack.getSource().getType() == getType() &&
      unpack.getResults() == getComponents())
    return unpack.getSource();
  return {};
}

void UnpackOp::build(OpBuilder &builder, OperationState &state, Value source) {
  SmallVector<Type> types;
  for (const Component &component :
       cast<CompressedTensorType>(source.getType()).getComponents())
    types.push_back(component.type);
  build(builder, state, types, source);
}

LogicalResult UnpackOp::verify() {
  return verifyComponents(*this, getSource().getType(),
                          getComponents().getTypes());
}

LogicalResult UnpackOp::fold(FoldAdaptor, SmallVectorImpl<OpFoldResult> &out) {
  auto pack = getSource().getDefiningOp<PackOp>();
  if (!pack)
    return failure();
  llvm::append_range(out, pack.getComponents());
  return success();
}

//===----------------------------------------------------------------------===//
// EncodeOp, DecodeOp, CastOp
//===----------------------------------------------------------------------===//

LogicalResult EncodeOp::verify() {
  CompressedTensorType type = getType();
  if (getSource().getType() != type.getLogicalType())
    return emitOpError("source must have type ")
           << type.getLogicalType() << ", found " << getSource().getType();
  if (getParameters().empty())
    return success();
  unsigned count = type.getEncoding().getNumParameters();
  if (getParameters().size() != count)
    return emitOpError("expected no or ")
           << count << " parameters for " << type << ", found "
           << getParameters().size();
  SmallVector<Component> components = type.getComponents();
  for (auto [i, parameter] : llvm::enumerate(getParameters())) {
    const Component &component = components[components.size() - count + i];
    if (parameter.getType() != component.type)
      return emitOpError("parameter '")
             << component.name << "' must have type " << component.type
             << ", found " << parameter.getType();
  }
  return success();
}

LogicalResult DecodeOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                         ValueRange operands, DictionaryAttr,
                                         OpaqueProperties, RegionRange,
                                         SmallVectorImpl<Type> &types) {
  types.push_back(
      cast<CompressedTensorType>(operands[0].getType()).getLogicalType());
  return success();
}

OpFoldResult DecodeOp::fold(FoldAdaptor) {
  // Encoding densely in the logical element type loses nothing.
  auto encode = getSource().getDefiningOp<EncodeOp>();
  if (!encode)
    return {};
  auto dense = dyn_cast<DenseAttr>(encode.getType().getEncoding());
  if (dense && dense.getStorageType() == encode.getType().getElementType())
    return encode.getSource();
  return {};
}

LogicalResult CastOp::verify() {
  if (getSource().getType().getLogicalType() != getType().getLogicalType())
    return emitOpError("source and result must have the same logical type, "
                       "found ")
           << getSource().getType().getLogicalType() << " and "
           << getType().getLogicalType();
  return success();
}

OpFoldResult CastOp::fold(FoldAdaptor) {
  if (getSource().getType() == getType())
    return getSource();
  return {};
}

namespace {
struct CastConstant : public OpRewritePattern<CastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CastOp op,
                                PatternRewriter &rewriter) const override {
    auto source = op.getSource().getDefiningOp<ConstantOp>();
    if (!source ||
        (!isRefined(op.getType()) && !acceptsAnyEncoding(op.getResult())))
      return failure();
    auto tensor =
        castTensor({source.getType(), source.getLeaves()}, op.getType());
    if (!tensor) {
      std::string reason = llvm::toString(tensor.takeError());
      return rewriter.notifyMatchFailure(op, reason);
    }
    rewriter.replaceOpWithNewOp<ConstantOp>(op, tensor->type, tensor->leaves);
    return success();
  }
};
} // namespace

void CastOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                         MLIRContext *context) {
  patterns.add<CastConstant>(context);
}

//===----------------------------------------------------------------------===//
// ContractOp
//===----------------------------------------------------------------------===//

LogicalResult ContractOp::verify() {
  if (getIndexingMaps().size() != 3)
    return emitOpError("expected 3 indexing maps (lhs, rhs, result), found ")
           << getIndexingMaps().size();
  if (getInit().getType() != getResult().getType())
    return emitOpError("init and result must have the same type, found ")
           << getInit().getType() << " and " << getResult().getType();
  unsigned loops = getNumLoops();
  if (getIteratorTypes().size() != loops)
    return emitOpError("expected ")
           << loops << " iterator types, found " << getIteratorTypes().size();
  for (Attribute attr : getIteratorTypes()) {
    StringRef name = cast<StringAttr>(attr).getValue();
    if (name != "parallel" && name != "reduction")
      return emitOpError("iterator type must be \"parallel\" or "
                         "\"reduction\", found \"")
             << name << '"';
  }
  Type operands[] = {getLhs().getType(), getRhs().getType(),
                     getInit().getType()};
  const char *names[] = {"lhs", "rhs", "result"};
  SmallVector<int64_t> extents(loops, ShapedType::kDynamic);
  for (unsigned i = 0; i < 3; ++i) {
    AffineMap map = getMap(i);
    ArrayRef<int64_t> shape = cast<ShapedType>(operands[i]).getShape();
    if (map.getNumDims() != loops || map.getNumSymbols())
      return emitOpError("the map of ")
             << names[i] << " must have " << loops << " dims and no symbols";
    if (map.getNumResults() != shape.size())
      return emitOpError("the map of ")
             << names[i] << " has " << map.getNumResults()
             << " results for a tensor of rank " << shape.size();
    for (auto [axis, expr] : llvm::enumerate(map.getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim || ShapedType::isDynamic(shape[axis]))
        continue;
      int64_t &extent = extents[dim.getPosition()];
      if (!ShapedType::isDynamic(extent) && extent != shape[axis])
        return emitOpError("loop d")
               << dim.getPosition() << " runs to " << extent << " but axis "
               << axis << " of " << names[i] << " has size " << shape[axis];
      extent = shape[axis];
    }
  }
  for (AffineExpr expr : getMap(2).getResults())
    if (auto dim = dyn_cast<AffineDimExpr>(expr);
        !dim || isReductionDim(dim.getPosition()))
      return emitOpError("the result map must name parallel loops only");
  return success();
}

OpFoldResult ContractOp::fold(FoldAdaptor) {
  // A loop that never runs adds nothing.
  Type operands[] = {getLhs().getType(), getRhs().getType(),
                     getInit().getType()};
  for (unsigned i = 0; i < 3; ++i)
    for (auto [axis, expr] : llvm::enumerate(getMap(i).getResults()))
      if (isa<AffineDimExpr>(expr) &&
          cast<ShapedType>(operands[i]).getDimSize(axis) == 0)
        return getInit();
  return {};
}

//===----------------------------------------------------------------------===//
// GatherOp
//===----------------------------------------------------------------------===//

LogicalResult GatherOp::verify() {
  auto table = cast<ShapedType>(getTable().getType());
  int64_t rank = table.getRank();
  int64_t axis = getAxis();
  if (axis < 0 || axis >= rank)
    return emitOpError("axis must be in [0, ") << rank << "), found " << axis;
  SmallVector<int64_t> expected(table.getShape().take_front(axis));
  llvm::append_range(expected, getIndices().getType().getShape());
  llvm::append_range(expected, table.getShape().drop_front(axis + 1));
  auto type = RankedTensorType::get(expected, table.getElementType());
  if (getResult().getType().getElementType() != table.getElementType() ||
      failed(verifyCompatibleShape(getResult().getType(), type)))
    return emitOpError("result must have type ")
           << type << ", found " << getResult().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// KernelOp
//===----------------------------------------------------------------------===//

LogicalResult KernelOp::verify() {
  if (getNumResults() == 0)
    return success();
  if (getNumResults() != getOuts().size())
    return emitOpError("expected one result per out, found ")
           << getNumResults() << " results for " << getOuts().size() << " outs";
  for (auto [result, out] : llvm::zip_equal(getResults(), getOuts()))
    if (result.getType() != out.getType())
      return emitOpError("a result must have the type of its out, found ")
             << result.getType() << " and " << out.getType();
  return success();
}

void KernelOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  for (OpOperand &operand : getInputsMutable())
    if (isa<BaseMemRefType>(operand.get().getType()))
      effects.emplace_back(MemoryEffects::Read::get(), &operand,
                           SideEffects::DefaultResource::get());
  for (OpOperand &operand : getOutsMutable())
    if (isa<BaseMemRefType>(operand.get().getType())) {
      effects.emplace_back(MemoryEffects::Read::get(), &operand,
                           SideEffects::DefaultResource::get());
      effects.emplace_back(MemoryEffects::Write::get(), &operand,
                           SideEffects::DefaultResource::get());
    }
  if (getSideEffect())
    effects.emplace_back(MemoryEffects::Write::get(),
                         SideEffects::DefaultResource::get());
}

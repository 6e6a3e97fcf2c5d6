//===- RotatedEncoding.cpp - The rotated encoding ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ContractRules.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "compress/Dialect/Compress/IR/Hadamard.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;

LogicalResult RotatedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  Rotation kind, int64_t axis, int64_t block,
                                  EncodingAttrInterface of) {
  if (axis < 0)
    return emitError() << "rotated: axis must not be negative, found " << axis;
  if (block < 1 || !llvm::isPowerOf2_64(block) || block > (int64_t(1) << 30))
    return emitError() << "rotated: block must be a power of two up to 2^30, "
                          "found "
                       << block;
  return success();
}

LogicalResult
RotatedAttr::verifyEncoding(function_ref<InFlightDiagnostic()> emitError,
                            ArrayRef<int64_t> shape, Type elementType) const {
  if (failed(verifySize(emitError, shape)))
    return failure();
  if (!isa<FloatType>(elementType))
    return emitError() << "rotated: the logical element type must be a float, "
                          "found "
                       << elementType;
  if (getAxis() >= int64_t(shape.size()))
    return emitError() << "rotated: axis " << getAxis()
                       << " does not exist in a tensor of rank "
                       << shape.size();
  if (ShapedType::isDynamic(shape[getAxis()]))
    return emitError() << "rotated: the rotated axis must have a static size";
  return getOf().verifyEncoding(emitError, shape, getComputeType(elementType));
}

SmallVector<Component>
RotatedAttr::getComponents(CompressedTensorType type) const {
  return {makeComponent("inner", type.getShape(),
                        getComputeType(type.getElementType()), getOf())};
}

EncodingAttrInterface RotatedAttr::withComponentEncodings(
    ArrayRef<EncodingAttrInterface> encodings) const {
  return RotatedAttr::get(getContext(), getKind(), getAxis(), getBlock(),
                          encodings[0]);
}

FailureOr<DenseValue>
RotatedAttr::describeDecode(TensorBuilder &b, CompressedTensorType type,
                            ArrayRef<ComponentValue> parts) const {
  auto inner = b.decode(parts[0]);
  if (failed(inner))
    return failure();
  return b.cast(b.hadamard(*inner, getAxis(), getBlock()),
                type.getElementType());
}

/// The transform along an axis of a tensor of f32 or f64.
static HostTensor transform(const HostTensor &value, int64_t axis,
                            int64_t block) {
  ArrayRef<int64_t> shape = value.getShape();
  HostTensor result = HostTensor::allocate(shape, value.getElementType());
  llvm::copy(value.getBytes(), result.getMutableBytes().begin());
  int64_t outer = 1, inner = 1;
  for (int64_t dim : shape.take_front(axis))
    outer *= dim;
  for (int64_t dim : shape.drop_front(axis + 1))
    inner *= dim;
  auto run = [&](auto *data) {
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i)
        applyHadamard(data + o * shape[axis] * inner + i, shape[axis], inner,
                      block);
  };
  if (value.getElementType().isF64())
    run(result.getMutableData<double>().data());
  else
    run(result.getMutableData<float>().data());
  return result;
}

llvm::Expected<SmallVector<HostTensor>>
RotatedAttr::encodeHost(CompressedTensorType type, const HostTensor &value,
                        ArrayRef<HostTensor>) const {
  // The transform is its own inverse.
  Component inner = getComponents(type)[0];
  SmallVector<HostTensor> leaves;
  if (llvm::Error error = encodeComponent(
          inner,
          transform(value.convert(inner.elementType), getAxis(), getBlock()),
          leaves))
    return std::move(error);
  return leaves;
}

FailureOr<SmallVector<Value>>
RotatedAttr::buildEncode(OpBuilder &b, Location loc, CompressedTensorType type,
                         Value value, ValueRange) const {
  Component inner = getComponents(type)[0];
  Value wide = buildElementwise(b, loc, inner.elementType, value,
                                [&](OpBuilder &b, Location loc, ValueRange in) {
                                  return buildNumericCast(b, loc, in[0],
                                                          type.getElementType(),
                                                          inner.elementType);
                                });
  Value rotated = buildHadamard(b, loc, wide, getAxis(), getBlock());
  auto encoded = buildEncodeComponent(b, loc, rotated, inner.type, getOf());
  if (failed(encoded))
    return failure();
  return SmallVector<Value>{*encoded};
}

FailureOr<Value> RotatedAttr::buildGather(OpBuilder &b, Location loc,
                                          CompressedTensorType type,
                                          ValueRange components, Value indices,
                                          int64_t axis) const {
  // Along the rotated axis every row depends on all of its block.
  if (axis == getAxis())
    return buildGatherOfDecoded(b, loc, type, components, indices, axis);
  Component inner = getComponents(type)[0];
  auto rows = buildGatherComponent(b, loc, components[0], inner, indices, axis);
  if (failed(rows))
    return failure();
  int64_t shift = cast<RankedTensorType>(indices.getType()).getRank() - 1;
  int64_t moved = getAxis() < axis ? getAxis() : getAxis() + shift;
  Value rotated = buildHadamard(b, loc, *rows, moved, getBlock());
  return buildElementwise(b, loc, type.getElementType(), rotated,
                          [&](OpBuilder &b, Location loc, ValueRange in) {
                            return buildNumericCast(b, loc, in[0],
                                                    inner.elementType,
                                                    type.getElementType());
                          });
}

/// The other operand of a contraction, rotated along `axis`. Where it is stored
/// so, that is what is stored: the transform is its own inverse.
static Value buildRotatedOther(OpBuilder &b, ContractOp op, unsigned operand,
                               RotatedAttr rotation, int64_t axis) {
  Location loc = op.getLoc();
  auto encode = op->getOperand(1 - operand).getDefiningOp<EncodeOp>();
  auto other = encode ? dyn_cast<RotatedAttr>(encode.getType().getEncoding())
                      : RotatedAttr();
  if (other && other.getKind() == rotation.getKind() &&
      other.getAxis() == axis && other.getBlock() == rotation.getBlock()) {
    Component inner = other.getComponents(encode.getType())[0];
    auto type = dyn_cast<CompressedTensorType>(inner.type);
    if (type &&
        getElementTypeOrSelf(encode.getSource().getType()) == inner.elementType)
      return EncodeOp::create(
          b, loc, type,
          buildHadamard(b, loc, encode.getSource(), axis, rotation.getBlock()),
          encode.getParameters());
  }
  return buildHadamard(b, loc, decodeOther(b, op, operand), axis,
                       rotation.getBlock());
}

FailureOr<Value> RotatedAttr::rewriteContract(RewriterBase &rewriter,
                                              Operation *op,
                                              unsigned operand) const {
  auto contract = cast<ContractOp>(op);
  auto type = getRewritableType(contract, operand);
  auto loop = findLoop(contract, operand, getAxis());
  if (!type || !loop)
    return failure();
  bool reduces = contract.isReductionDim(*loop);
  auto axis = reduces ? findOtherAxis(contract, operand, getAxis())
                      : findResultAxis(contract, operand, getAxis());
  Value other = contract->getOperand(1 - operand);
  if (!axis ||
      (!reduces && contract.getMap(1 - operand).isFunctionOfDim(*loop)))
    return failure();
  Value target = reduces ? other : contract.getInit();
  if (cast<ShapedType>(target.getType()).isDynamicDim(*axis))
    return failure();
  Location loc = op->getLoc();
  auto parts = UnpackOp::create(rewriter, loc, contract->getOperand(operand));
  Value inner =
      packDense(rewriter, loc, parts.getResult(0), getComponents(type)[0]);
  // H is symmetric: x (H w) = (H x) w.
  if (reduces)
    return cloneContract(
        rewriter, contract, operand, inner,
        buildRotatedOther(rewriter, contract, operand, *this, *axis),
        contract.getInit());
  Value product = cloneContract(rewriter, contract, operand, inner, other,
                                buildZeroInit(rewriter, contract));
  return buildAdd(rewriter, loc, contract.getInit(),
                  buildHadamard(rewriter, loc, product, *axis, getBlock()));
}

FailureOr<EncodedTensor> RotatedAttr::simplify(const EncodedTensor &tensor,
                                               bool allowRounding) const {
  Type element = tensor.type.getElementType();
  if (element != getComputeType(element))
    return failure();
  EncodedTensor inner =
      getEncodedTensor(splitLeaves(tensor.type, tensor.leaves)[0]);
  // Blocks of one element: multiplied by one.
  if (getBlock() == 1)
    return inner;
  // The transform is its own inverse, up to rounding.
  auto nested = dyn_cast<RotatedAttr>(getOf());
  if (!allowRounding || !nested || nested.getKind() != getKind() ||
      nested.getAxis() != getAxis() || nested.getBlock() != getBlock())
    return failure();
  return getEncodedTensor(splitLeaves(inner.type, inner.leaves)[0]);
}

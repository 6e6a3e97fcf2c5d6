//===- PermutedEncoding.cpp - The permuted encoding -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ContractRules.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/BitVector.h"

using namespace mlir;
using namespace compress;

LogicalResult PermutedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   int64_t axis, IntegerType index,
                                   EncodingAttrInterface of) {
  if (axis < 0)
    return emitError() << "permuted: axis must not be negative, found " << axis;
  if (!index.isSignless() || index.getWidth() < 1 || index.getWidth() > 32)
    return emitError() << "permuted: index must be iN with 1 to 32 bits, found "
                       << index;
  return success();
}

LogicalResult
PermutedAttr::verifyEncoding(function_ref<InFlightDiagnostic()> emitError,
                             ArrayRef<int64_t> shape, Type elementType) const {
  if (failed(verifySize(emitError, shape)))
    return failure();
  if (getAxis() >= int64_t(shape.size()))
    return emitError() << "permuted: axis " << getAxis()
                       << " does not exist in a tensor of rank "
                       << shape.size();
  int64_t size = shape[getAxis()];
  if (ShapedType::isDynamic(size))
    return emitError() << "permuted: the permuted axis must have a static size";
  if (size > 0 && !llvm::isUIntN(getIndex().getWidth(), size - 1))
    return emitError() << "permuted: " << getIndex()
                       << " cannot index an axis of size " << size;
  return getOf().verifyEncoding(emitError, shape, elementType);
}

/// The unsigned form of the index type, in which it is stored.
static Type getStorage(PermutedAttr attr) {
  return IntegerType::get(attr.getContext(), attr.getIndex().getWidth(),
                          IntegerType::Unsigned);
}

SmallVector<Component>
PermutedAttr::getComponents(CompressedTensorType type) const {
  return {
      makeComponent("inner", type.getShape(), type.getElementType(), getOf()),
      makeDenseComponent("permutation", type.getDimSize(getAxis()),
                         IntegerType::get(getContext(), 64),
                         getStorage(*this))};
}

unsigned PermutedAttr::getNumParameters() const { return 1; }

EncodingAttrInterface PermutedAttr::withComponentEncodings(
    ArrayRef<EncodingAttrInterface> encodings) const {
  return PermutedAttr::get(getContext(), getAxis(), getIndex(), encodings[0]);
}

llvm::Error PermutedAttr::verifyPayload(CompressedTensorType type,
                                        ArrayRef<HostTensor> leaves) const {
  const HostTensor &permutation = leaves.back();
  int64_t size = type.getDimSize(getAxis());
  llvm::BitVector seen(size);
  for (int64_t j = 0; j < size; ++j) {
    uint64_t index = permutation.getBits(j);
    if (index >= uint64_t(size))
      return llvm::createStringError(
          "permutation entry " + Twine(j) + " is " + Twine(index) +
          ", which is not below the size " + Twine(size) + " of the axis");
    if (seen.test(index))
      return llvm::createStringError("permutation names " + Twine(index) +
                                     " twice");
    seen.set(index);
  }
  return llvm::Error::success();
}

FailureOr<DenseValue>
PermutedAttr::describeDecode(TensorBuilder &b, CompressedTensorType type,
                             ArrayRef<ComponentValue> parts) const {
  auto inner = b.decode(parts[0]);
  if (failed(inner) || type.getDimSize(getAxis()) == 0)
    return inner;
  auto permutation = b.decode(parts[1]);
  if (failed(permutation))
    return failure();
  return b.gather(*inner, *permutation, getAxis());
}

//===----------------------------------------------------------------------===//
// Encoding
//===----------------------------------------------------------------------===//

/// Slices of `value` along `axis`, in the order of `from`.
static HostTensor takeSlices(const HostTensor &value, int64_t axis,
                             ArrayRef<int64_t> from) {
  HostTensor result =
      HostTensor::allocate(value.getShape(), value.getElementType());
  ArrayRef<int64_t> shape = value.getShape();
  int64_t outer = 1, inner = 1;
  for (int64_t dim : shape.take_front(axis))
    outer *= dim;
  for (int64_t dim : shape.drop_front(axis + 1))
    inner *= dim;
  int64_t size = shape[axis], to = 0;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t j = 0; j < size; ++j)
      for (int64_t i = 0; i < inner; ++i)
        result.setBits(to++, value.getBits((o * size + from[j]) * inner + i));
  return result;
}

llvm::Expected<SmallVector<HostTensor>>
PermutedAttr::encodeHost(CompressedTensorType type, const HostTensor &value,
                         ArrayRef<HostTensor> parameterLeaves) const {
  SmallVector<Component> components = getComponents(type);
  int64_t size = type.getDimSize(getAxis());
  HostTensor permutation;
  SmallVector<int64_t> inverse(size);
  if (parameterLeaves.empty()) {
    permutation =
        HostTensor::allocate({size}, getElementTypeOrSelf(components[1].type));
    for (int64_t j = 0; j < size; ++j) {
      permutation.setBits(j, j);
      inverse[j] = j;
    }
  } else {
    permutation = parameterLeaves[0];
    SmallVector<HostTensor> check{permutation};
    if (llvm::Error error = verifyPayload(type, check))
      return std::move(error);
    for (int64_t j = 0; j < size; ++j)
      inverse[permutation.getBits(j)] = j;
  }
  SmallVector<HostTensor> leaves;
  if (llvm::Error error = encodeComponent(
          components[0], takeSlices(value, getAxis(), inverse), leaves))
    return std::move(error);
  leaves.push_back(permutation);
  return leaves;
}

/// `inverse[permutation[j]] = j`, of i64.
static Value buildInverse(OpBuilder &b, Location loc, Value permutation) {
  auto type = cast<RankedTensorType>(permutation.getType());
  Value init = tensor::EmptyOp::create(b, loc, type.getShape(), b.getI64Type());
  auto index = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, loc, value);
  };
  Value last = index(std::max<int64_t>(type.getDimSize(0) - 1, 0));
  auto loop = scf::ForOp::create(
      b, loc, index(0), index(type.getDimSize(0)), index(1), init,
      [&](OpBuilder &b, Location loc, Value j, ValueRange carried) {
        Value at = tensor::ExtractOp::create(b, loc, permutation, j);
        at = arith::IndexCastUIOp::create(b, loc, b.getIndexType(), at);
        at = arith::MinUIOp::create(b, loc, at, last);
        Value number = arith::IndexCastOp::create(b, loc, b.getI64Type(), j);
        Value next = tensor::InsertOp::create(b, loc, number, carried[0], at);
        scf::YieldOp::create(b, loc, next);
      });
  return loop.getResult(0);
}

/// Slices of a dense tensor along an axis of the same size.
static Value buildTake(OpBuilder &b, Location loc, Value value, Value indices,
                       int64_t axis) {
  return GatherOp::create(b, loc, value.getType(), value, indices, axis);
}

FailureOr<SmallVector<Value>>
PermutedAttr::buildEncode(OpBuilder &b, Location loc, CompressedTensorType type,
                          Value value, ValueRange parameters) const {
  SmallVector<Component> components = getComponents(type);
  Value permutation;
  Value source = value;
  if (parameters.empty()) {
    Type element = getElementTypeOrSelf(components[1].type);
    Value init = tensor::EmptyOp::create(
        b, loc, ArrayRef<int64_t>(type.getDimSize(getAxis())), element);
    permutation = buildElementwise(
        b, loc, element, init,
        [&](OpBuilder &b, Location loc, ValueRange) -> Value {
          Value i = linalg::IndexOp::create(b, loc, 0);
          return arith::IndexCastOp::create(b, loc, element, i);
        });
  } else {
    permutation = parameters[0];
    auto numbers = buildDecodeComponent(b, loc, permutation, components[1]);
    if (failed(numbers))
      return failure();
    source =
        buildTake(b, loc, value, buildInverse(b, loc, *numbers), getAxis());
  }
  auto inner =
      buildEncodeComponent(b, loc, source, components[0].type, getOf());
  if (failed(inner))
    return failure();
  return SmallVector<Value>{*inner, permutation};
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

FailureOr<Value> PermutedAttr::buildGather(OpBuilder &b, Location loc,
                                           CompressedTensorType type,
                                           ValueRange components, Value indices,
                                           int64_t axis) const {
  SmallVector<Component> parts = getComponents(type);
  auto permutation = buildDecodeComponent(b, loc, components[1], parts[1]);
  if (failed(permutation))
    return failure();
  if (axis == getAxis()) {
    auto rows = GatherOp::create(
        b, loc,
        RankedTensorType::get(
            cast<RankedTensorType>(indices.getType()).getShape(),
            b.getI64Type()),
        *permutation, indices, 0);
    return buildGatherComponent(b, loc, components[0], parts[0], rows, axis);
  }
  auto inner =
      buildGatherComponent(b, loc, components[0], parts[0], indices, axis);
  if (failed(inner))
    return failure();
  int64_t shift = cast<RankedTensorType>(indices.getType()).getRank() - 1;
  int64_t moved = getAxis() < axis ? getAxis() : getAxis() + shift;
  return buildTake(b, loc, *inner, *permutation, moved);
}

/// The other operand of a contraction with its slices along `axis` in another
/// order. Codes whose groups are whole along the axis stay codes.
static Value buildTakeOther(OpBuilder &b, ContractOp op, unsigned operand,
                            Value indices, int64_t axis) {
  Location loc = op.getLoc();
  auto encode = op->getOperand(1 - operand).getDefiningOp<EncodeOp>();
  auto quant = encode ? dyn_cast<QuantAttr>(encode.getType().getEncoding())
                      : QuantAttr();
  auto isWhole = [&](int64_t group) {
    int64_t size = encode.getType().getDimSize(axis);
    return ShapedType::isDynamic(group) ||
           (!ShapedType::isDynamic(size) && group >= size);
  };
  if (quant && isWhole(quant.getGroup()[axis])) {
    Value moved = buildTake(b, loc, encode.getSource(), indices, axis);
    return EncodeOp::create(b, loc, encode.getType(), moved,
                            encode.getParameters());
  }
  return buildTake(b, loc, decodeOther(b, op, operand), indices, axis);
}

FailureOr<Value> PermutedAttr::rewriteContract(RewriterBase &rewriter,
                                               Operation *op,
                                               unsigned operand) const {
  auto contract = cast<ContractOp>(op);
  auto type =
      cast<CompressedTensorType>(contract->getOperand(operand).getType());
  Value other = contract->getOperand(1 - operand);
  bool reduces = isReductionAxis(contract, operand, getAxis());
  auto axis = reduces ? findOtherAxis(contract, operand, getAxis())
                      : findResultAxis(contract, operand, getAxis());
  // The loop of an output axis must not run over the other operand too.
  auto loop = findLoop(contract, operand, getAxis());
  if (!axis ||
      (!reduces && contract.getMap(1 - operand).isFunctionOfDim(*loop)))
    return failure();
  Location loc = op->getLoc();
  auto parts = UnpackOp::create(rewriter, loc, contract->getOperand(operand));
  SmallVector<Component> components = getComponents(type);
  auto permutation =
      buildDecodeComponent(rewriter, loc, parts.getResult(1), components[1]);
  if (failed(permutation))
    return failure();
  Value inner = packDense(rewriter, loc, parts.getResult(0), components[0]);
  if (reduces) {
    Value moved =
        buildTakeOther(rewriter, contract, operand,
                       buildInverse(rewriter, loc, *permutation), *axis);
    return cloneContract(rewriter, contract, operand, inner, moved,
                         contract.getInit());
  }
  Value product = cloneContract(rewriter, contract, operand, inner, other,
                                buildZeroInit(rewriter, contract));
  return buildAdd(rewriter, loc, contract.getInit(),
                  buildTake(rewriter, loc, product, *permutation, *axis));
}

FailureOr<EncodedTensor>
PermutedAttr::recodeHost(const EncodedTensor &source,
                         CompressedTensorType target) const {
  // Another index type.
  auto to = dyn_cast<PermutedAttr>(target.getEncoding());
  auto from = dyn_cast<PermutedAttr>(source.type.getEncoding());
  if (!to || !from || to.getAxis() != from.getAxis() ||
      to.getOf() != from.getOf())
    return failure();
  EncodedTensor result{target, source.leaves};
  HostTensor &permutation = result.leaves.back();
  HostTensor wide = HostTensor::allocate(permutation.getShape(), to.getIndex());
  for (int64_t j = 0, e = wide.getNumElements(); j < e; ++j)
    wide.setBits(j, permutation.getBits(j));
  permutation = wide;
  return result;
}

FailureOr<EncodedTensor> PermutedAttr::simplify(const EncodedTensor &tensor,
                                                bool) const {
  SmallVector<ComponentValue> parts = splitLeaves(tensor.type, tensor.leaves);
  const HostTensor &outer = parts[1].leaves[0];
  bool isIdentity = true;
  for (int64_t j = 0, e = outer.getNumElements(); j < e; ++j)
    isIdentity &= outer.getBits(j) == uint64_t(j);
  if (isIdentity)
    return getEncodedTensor(parts[0]);
  auto nested = dyn_cast<PermutedAttr>(getOf());
  if (!nested || nested.getAxis() != getAxis())
    return failure();
  // value[j] = middle[outer[j]] = inner[nested[outer[j]]].
  EncodedTensor middle = getEncodedTensor(parts[0]);
  SmallVector<ComponentValue> innerParts =
      splitLeaves(middle.type, middle.leaves);
  const HostTensor &second = innerParts[1].leaves[0];
  HostTensor composed =
      HostTensor::allocate(outer.getShape(), nested.getIndex());
  for (int64_t j = 0, e = outer.getNumElements(); j < e; ++j)
    composed.setBits(j, second.getBits(outer.getBits(j)));
  EncodedTensor result{
      CompressedTensorType::get(getContext(), tensor.type.getShape(),
                                tensor.type.getElementType(), nested),
      innerParts[0].leaves};
  result.leaves.push_back(composed);
  return result;
}

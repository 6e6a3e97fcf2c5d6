//===- ScaledEncoding.cpp - The scaled encoding -----------------*- C++ -*-===//
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
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include <cmath>

using namespace mlir;
using namespace compress;

LogicalResult ScaledAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<int64_t> group,
                                 EncodingAttrInterface scale,
                                 EncodingAttrInterface of) {
  if (auto dense = dyn_cast_or_null<DenseAttr>(scale))
    if (!isa<FloatType>(dense.getStorageType()))
      return emitError() << "scaled: scale must be a float type or an "
                            "encoding, found "
                         << dense.getStorageType();
  return verifyGroup(emitError, "scaled", group);
}

LogicalResult
ScaledAttr::verifyEncoding(function_ref<InFlightDiagnostic()> emitError,
                           ArrayRef<int64_t> shape, Type elementType) const {
  if (failed(verifySize(emitError, shape)))
    return failure();
  if (!isa<FloatType>(elementType))
    return emitError() << "scaled: the logical element type must be a float, "
                          "found "
                       << elementType;
  if (getGroup().size() != shape.size())
    return emitError() << "scaled: group has " << getGroup().size()
                       << " entries for a tensor of rank " << shape.size();
  Type compute = getComputeType(elementType);
  if (failed(getScale().verifyEncoding(
          emitError, getGroupGrid(shape, getGroup()), compute)))
    return failure();
  return getOf().verifyEncoding(emitError, shape, compute);
}

SmallVector<Component>
ScaledAttr::getComponents(CompressedTensorType type) const {
  Type compute = getComputeType(type.getElementType());
  return {makeComponent("inner", type.getShape(), compute, getOf()),
          makeComponent("scales", getGroupGrid(type.getShape(), getGroup()),
                        compute, getScale())};
}

unsigned ScaledAttr::getNumParameters() const { return 1; }

EncodingAttrInterface ScaledAttr::withComponentEncodings(
    ArrayRef<EncodingAttrInterface> encodings) const {
  return ScaledAttr::get(getContext(), getGroup(), encodings[1], encodings[0]);
}

FailureOr<DenseValue>
ScaledAttr::describeDecode(TensorBuilder &b, CompressedTensorType type,
                           ArrayRef<ComponentValue> parts) const {
  auto inner = b.decode(parts[0]);
  auto scales = b.decode(parts[1]);
  if (failed(inner) || failed(scales))
    return failure();
  DenseValue scale = b.expandGroups(*scales, getGroup(), *inner);
  return b.cast(b.mul(*inner, scale), type.getElementType());
}

//===----------------------------------------------------------------------===//
// Encoding
//===----------------------------------------------------------------------===//

llvm::Expected<SmallVector<HostTensor>>
ScaledAttr::encodeHost(CompressedTensorType type, const HostTensor &value,
                       ArrayRef<HostTensor> parameterLeaves) const {
  SmallVector<Component> components = getComponents(type);
  Type compute = components[0].elementType;
  SmallVector<int64_t> grid = getGroupGrid(type.getShape(), getGroup());
  SmallVector<HostTensor> scaleLeaves(parameterLeaves);
  // With parameters there may be no leaf at all (generated scales).
  if (parameterLeaves.empty()) {
    HostTensor absmax = HostTensor::allocate(grid, compute);
    GroupIndexer groups(type.getShape(), getGroup(), grid);
    for (int64_t i = 0, e = value.getNumElements(); i < e; ++i) {
      int64_t group = groups.next();
      double magnitude = std::fabs(value.getDouble(i));
      if (magnitude > absmax.getDouble(group))
        absmax.setDouble(group, magnitude);
    }
    for (int64_t i = 0, e = absmax.getNumElements(); i < e; ++i)
      if (absmax.getDouble(i) == 0)
        absmax.setDouble(i, 1);
    if (llvm::Error error = encodeComponent(components[1], absmax, scaleLeaves))
      return std::move(error);
  }
  auto scales = decodeComponent(
      components[1].type, compute,
      cast<EncodingAttrInterface>(components[1].encoding), scaleLeaves);
  if (!scales)
    return scales.takeError();
  HostTensor inner = HostTensor::allocate(type.getShape(), compute);
  GroupIndexer groups(type.getShape(), getGroup(), grid);
  for (int64_t i = 0, e = inner.getNumElements(); i < e; ++i) {
    double scale = scales->getDouble(groups.next());
    // A scale of zero decodes to zero whatever is stored.
    double quotient = 0;
    if (scale != 0)
      quotient = compute.isF64()
                     ? value.getDouble(i) / scale
                     : double(float(value.getDouble(i)) / float(scale));
    inner.setDouble(i, quotient);
  }
  SmallVector<HostTensor> leaves;
  if (llvm::Error error = encodeComponent(components[0], inner, leaves))
    return std::move(error);
  llvm::append_range(leaves, scaleLeaves);
  return leaves;
}

FailureOr<SmallVector<Value>>
ScaledAttr::buildEncode(OpBuilder &b, Location loc, CompressedTensorType type,
                        Value value, ValueRange parameters) const {
  SmallVector<Component> components = getComponents(type);
  Type compute = components[0].elementType;
  Value wide = buildElementwise(
      b, loc, compute, value, [&](OpBuilder &b, Location loc, ValueRange in) {
        return buildNumericCast(b, loc, in[0], type.getElementType(), compute);
      });
  AffineMap groupMap = getGroupMap(getGroup(), b.getContext());
  unsigned rank = type.getRank();
  Value stored;
  if (!parameters.empty()) {
    stored = parameters[0];
  } else {
    Value absmax = buildGroupReduce(
        b, loc, wide, getGroup(), 0.0,
        [](OpBuilder &b, Location loc, ValueRange in) -> Value {
          Value x = in[0], sum = in[1];
          Value magnitude = math::AbsFOp::create(b, loc, x);
          Value larger = arith::CmpFOp::create(
              b, loc, arith::CmpFPredicate::OGT, magnitude, sum);
          return arith::SelectOp::create(b, loc, larger, magnitude, sum);
        });
    absmax = buildElementwise(
        b, loc, compute, absmax,
        [&](OpBuilder &b, Location loc, ValueRange in) -> Value {
          auto constant = [&](double number) -> Value {
            return arith::ConstantOp::create(b, loc,
                                             b.getFloatAttr(compute, number));
          };
          Value isZero = arith::CmpFOp::create(
              b, loc, arith::CmpFPredicate::OEQ, in[0], constant(0));
          return arith::SelectOp::create(b, loc, isZero, constant(1), in[0]);
        });
    auto encoded =
        buildEncodeComponent(b, loc, absmax, components[1].type, getScale());
    if (failed(encoded))
      return failure();
    stored = *encoded;
  }
  auto scales = buildDecodeComponent(b, loc, stored, components[1]);
  if (failed(scales))
    return failure();
  Value inner = buildElementwise(
      b, loc, compute, {wide, *scales},
      [&](OpBuilder &b, Location loc, ValueRange in) -> Value {
        Value zero =
            arith::ConstantOp::create(b, loc, b.getFloatAttr(compute, 0));
        Value isZero = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                             in[1], zero);
        Value quotient = arith::DivFOp::create(b, loc, in[0], in[1]);
        return arith::SelectOp::create(b, loc, isZero, zero, quotient);
      },
      {b.getMultiDimIdentityMap(rank), groupMap});
  auto encoded =
      buildEncodeComponent(b, loc, inner, components[0].type, getOf());
  if (failed(encoded))
    return failure();
  return SmallVector<Value>{*encoded, stored};
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

FailureOr<Value> ScaledAttr::buildGather(OpBuilder &b, Location loc,
                                         CompressedTensorType type,
                                         ValueRange components, Value indices,
                                         int64_t axis) const {
  if (!type.hasStaticShape())
    return buildGatherOfDecoded(b, loc, type, components, indices, axis);
  SmallVector<Component> parts = getComponents(type);
  auto inner =
      buildGatherComponent(b, loc, components[0], parts[0], indices, axis);
  auto scales = buildDecodeComponent(b, loc, components[1], parts[1]);
  if (failed(inner) || failed(scales))
    return failure();
  // The position in the table, not in the looked-up rows, gives the group.
  Value table = *inner, scale = *scales;
  int64_t rank = cast<RankedTensorType>(table.getType()).getRank();
  return buildLookup(
      b, loc, getAsIndexOpFoldResult(b.getContext(), type.getShape()),
      type.getElementType(), indices, axis,
      [&](OpBuilder &b, Location loc, ValueRange position) -> Value {
        SmallVector<Value> at;
        for (int64_t d = 0; d < rank; ++d)
          at.push_back(linalg::IndexOp::create(b, loc, d));
        Value x = tensor::ExtractOp::create(b, loc, table, at);
        Value s = tensor::ExtractOp::create(
            b, loc, scale, buildGroupPosition(b, loc, position, getGroup()));
        Value product = arith::MulFOp::create(b, loc, x, s);
        return buildNumericCast(b, loc, product, parts[0].elementType,
                                type.getElementType());
      });
}

FailureOr<Value> ScaledAttr::rewriteContract(RewriterBase &rewriter,
                                             Operation *op,
                                             unsigned operand) const {
  auto contract = cast<ContractOp>(op);
  auto type = getRewritableType(contract, operand);
  if (!type)
    return failure();
  // Scales that differ along an axis must be constant over the others of that
  // kind: along reductions they go to the activation, along outputs to the
  // result. Each block must be a single element.
  AffineMap map = contract.getMap(operand);
  SmallVector<int64_t> reductionAxes, outputAxes;
  for (auto [axis, size] : llvm::enumerate(getGroup())) {
    int64_t dim = type.getDimSize(axis);
    bool isWhole = ShapedType::isDynamic(size) ||
                   (!ShapedType::isDynamic(dim) && size >= dim);
    if (isWhole)
      continue;
    auto loop = dyn_cast<AffineDimExpr>(map.getResult(axis));
    if (size != 1 || !loop)
      return failure();
    (contract.isReductionDim(loop.getPosition()) ? reductionAxes : outputAxes)
        .push_back(axis);
  }
  if (!reductionAxes.empty() && !outputAxes.empty())
    return failure();
  Value other = contract->getOperand(1 - operand);
  if (!reductionAxes.empty()) {
    for (int64_t axis : reductionAxes)
      if (!findOtherAxis(contract, operand, axis))
        return failure();
  }
  Location loc = op->getLoc();
  auto parts = UnpackOp::create(rewriter, loc, contract->getOperand(operand));
  SmallVector<Component> components = getComponents(type);
  auto scales =
      buildDecodeComponent(rewriter, loc, parts.getResult(1), components[1]);
  if (failed(scales))
    return failure();
  Value inner = packDense(rewriter, loc, parts.getResult(0), components[0]);
  if (!reductionAxes.empty()) {
    SmallVector<std::optional<int64_t>> otherAxes(type.getRank());
    for (int64_t axis : reductionAxes)
      otherAxes[axis] = findOtherAxis(contract, operand, axis);
    Value scaled = buildScaledBy(rewriter, loc, Value(),
                                 decodeOther(rewriter, contract, operand),
                                 *scales, otherAxes);
    return cloneContract(rewriter, contract, operand, inner, scaled,
                         contract.getInit());
  }
  // The accumulator is not scaled: it is added to the scaled product.
  Value product = cloneContract(rewriter, contract, operand, inner, other,
                                buildZeroInit(rewriter, contract));
  SmallVector<std::optional<int64_t>> resultAxes(type.getRank());
  for (int64_t axis : outputAxes)
    resultAxes[axis] = findResultAxis(contract, operand, axis);
  return buildScaledBy(rewriter, loc, contract.getInit(), product, *scales,
                       resultAxes);
}

FailureOr<EncodedTensor> ScaledAttr::simplify(const EncodedTensor &tensor,
                                              bool allowRounding) const {
  Type element = tensor.type.getElementType();
  Type compute = getComputeType(element);
  SmallVector<ComponentValue> parts = splitLeaves(tensor.type, tensor.leaves);
  auto generated = dyn_cast<GeneratedAttr>(getScale());
  if (generated && generated.getKind() == GeneratedKind::Ones &&
      element == compute)
    return getEncodedTensor(parts[0]);
  // Scale of scale. (x a) b and x (a b) round differently.
  auto inner = dyn_cast<ScaledAttr>(getOf());
  if (!inner || inner.getGroup() != getGroup() || !allowRounding ||
      !isa<DenseAttr>(getScale()) || !isa<DenseAttr>(inner.getScale()))
    return failure();
  EncodedTensor innerTensor = getEncodedTensor(parts[0]);
  SmallVector<ComponentValue> innerParts =
      splitLeaves(innerTensor.type, innerTensor.leaves);
  auto outerScales = decodeComponent(parts[1]);
  auto innerScales = decodeComponent(innerParts[1]);
  if (!outerScales || !innerScales) {
    llvm::consumeError(outerScales.takeError());
    llvm::consumeError(innerScales.takeError());
    return failure();
  }
  HostTensor product = HostTensor::allocate(outerScales->getShape(), compute);
  for (int64_t i = 0, e = product.getNumElements(); i < e; ++i)
    product.setDouble(i, outerScales->getDouble(i) * innerScales->getDouble(i));
  // The product of two narrow scales needs a wide one.
  EncodedTensor result;
  result.type = CompressedTensorType::get(
      getContext(), tensor.type.getShape(), element,
      ScaledAttr::get(getContext(), getGroup(),
                      DenseAttr::get(getContext(), compute), inner.getOf()));
  result.leaves = innerParts[0].leaves;
  result.leaves.push_back(product);
  return result;
}

//===- QuantizedClaims.cpp - What quantized claims share ---------*- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "QuantizedClaims.h"
#include "MatrixProduct.h"
#include "SparsePacking.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

/// Whether kernels read zero points of `type` of `encoding`: dynamic ones of
/// the type of the codes, so that none saturates, static ones of 8 bits.
static bool hasUsualZeros(QuantAttr encoding, IntegerType type, bool isStatic) {
  unsigned width = isStatic ? 8 : encoding.getCodeWidth();
  return type && type.getWidth() == width &&
         type.isUnsigned() != encoding.isSignedCode();
}

std::optional<Activation>
compress::cpu::matchNarrowActivation(Value value, unsigned mostBits) {
  auto encode = value.getDefiningOp<EncodeOp>();
  if (!encode || !encode.getType().getElementType().isF32())
    return std::nullopt;
  auto encoding = dyn_cast<QuantAttr>(encode.getType().getEncoding());
  if (!encoding || encoding.isFloatCode() || encoding.getCodeWidth() > mostBits)
    return std::nullopt;
  auto scale = dyn_cast<DenseAttr>(encoding.getScale());
  if (!scale || !scale.getStorageType().isF32())
    return std::nullopt;
  auto [lo, hi] = encoding.getCodeRange();
  bool isSigned = encoding.isSignedCode(), hasZero = bool(encoding.getZero());
  Activation result{
      encode.getSource(),
      encoding,
      encode.getParameters(),
      {int64_t(lo), int64_t(hi), isSigned ? -int64_t(lo) : 0, hasZero},
      {}};
  StaticParameters statics;
  if (hasZero) {
    auto zero = dyn_cast<DenseAttr>(encoding.getZero());
    if (!zero)
      return std::nullopt;
    if (zero.getStorageType().isF32() && !isSigned)
      result.range.floatZero = true;
    else if (!hasUsualZeros(encoding,
                            dyn_cast<IntegerType>(zero.getStorageType()),
                            !result.parameters.empty()))
      return std::nullopt;
    statics.zeroWidth = result.range.floatZero ? 32 : 8;
    statics.zeroUnsigned = !isSigned;
  }
  if (!result.parameters.empty())
    result.statics = statics;
  return result;
}

std::optional<Activation> compress::cpu::matchActivation(Value value) {
  auto encode = value.getDefiningOp<EncodeOp>();
  if (!encode || !encode.getType().getElementType().isF32())
    return std::nullopt;
  auto encoding = dyn_cast<QuantAttr>(encode.getType().getEncoding());
  if (!encoding || encoding.isFloatCode() || encoding.getCodeWidth() != 8)
    return std::nullopt;
  auto scale = dyn_cast<DenseAttr>(encoding.getScale());
  if (!scale || !scale.getStorageType().isF32())
    return std::nullopt;
  Activation result{
      encode.getSource(), encoding, encode.getParameters(), {}, {}};
  auto [lo, hi] = encoding.getCodeRange();
  result.range = {int64_t(lo), int64_t(hi), encoding.isSignedCode() ? 128 : 0,
                  bool(encoding.getZero())};
  StaticParameters statics;
  if (encoding.getZero()) {
    auto zero = dyn_cast<DenseAttr>(encoding.getZero());
    auto type =
        zero ? dyn_cast<IntegerType>(zero.getStorageType()) : IntegerType();
    // Every zero point in the range of the codes must survive storing.
    if (!type || type.getWidth() != 8 ||
        type.isUnsigned() == encoding.isSignedCode())
      return std::nullopt;
    statics.zeroWidth = 8;
    statics.zeroUnsigned = type.isUnsigned();
  }
  if (!result.parameters.empty())
    result.statics = statics;
  return result;
}

bool compress::cpu::isWhole(int64_t group, int64_t size) {
  return ShapedType::isDynamic(group) ||
         (!ShapedType::isDynamic(size) && group >= size);
}

bool compress::cpu::isPerTensor(const Activation &activation) {
  auto shape = cast<ShapedType>(activation.source.getType()).getShape();
  return llvm::all_of(
      llvm::zip_equal(activation.encoding.getGroup(), shape),
      [](auto pair) { return isWhole(std::get<0>(pair), std::get<1>(pair)); });
}

std::optional<MatrixProduct>
compress::cpu::matchMatrixProduct(ContractOp op, bool takesTables,
                                  bool takesPattern) {
  for (bool weightFirst : {false, true}) {
    auto axes = matchMatrixAxes(op, weightFirst);
    if (!axes)
      continue;
    MatrixProduct result{
        axes->activation, axes->weight.getDefiningOp<ConstantOp>(),
        axes->m,          axes->n,
        axes->k,          {}};
    if (!result.constant || !result.constant.getType().getElementType().isF32())
      continue;
    auto matrix = getWeightMatrix(result.constant, axes->weightMap, result.n,
                                  result.k, getLoopExtents(op));
    if (!matrix && takesTables)
      matrix = getTableMatrix(result.constant, axes->weightMap, result.n,
                              result.k, getLoopExtents(op));
    if (!matrix && takesPattern) {
      matrix = getCodesOfPattern(result.constant, axes->weightMap, result.n,
                                 result.k, getLoopExtents(op));
      result.hasPattern = matrix.has_value();
    }
    if (!matrix)
      continue;
    result.weight = std::move(*matrix);
    return result;
  }
  return std::nullopt;
}

std::optional<ActivationGroups>
compress::cpu::matchActivationGroups(const Activation &activation,
                                     unsigned numRowAxes) {
  auto shape = cast<ShapedType>(activation.source.getType()).getShape();
  ArrayRef<int64_t> groups = activation.encoding.getGroup();
  int64_t size = 1;
  bool isRowWhole = true;
  for (unsigned axis = numRowAxes; axis < shape.size(); ++axis) {
    size *= shape[axis];
    isRowWhole &= isWhole(groups[axis], shape[axis]);
  }
  if (isPerTensor(activation))
    return ActivationGroups{false, size};
  for (unsigned axis = 0; axis < numRowAxes; ++axis)
    if (groups[axis] != 1 && shape[axis] != 1)
      return std::nullopt;
  if (isRowWhole)
    return ActivationGroups{true, size};
  if (shape.size() != numRowAxes + 1)
    return std::nullopt;
  return ActivationGroups{true, groups.back()};
}

InitKind compress::cpu::matchInit(ContractOp op, std::optional<unsigned> axis,
                                  Value &bias) {
  bool isZero = false;
  bias = matchBias(op, axis.value_or(0), isZero);
  if (isZero)
    return InitKind::Zero;
  if (axis && bias && getElementTypeOrSelf(bias.getType()).isF32())
    return InitKind::Bias;
  bias = {};
  return InitKind::Accumulate;
}

std::string compress::cpu::getPackedName(ConstantOp weight) {
  if (auto site = weight->getAttrOfType<StringAttr>("compress.site"))
    return site.getValue().str();
  return "weight";
}

bool compress::cpu::isChannelInt8(const WeightMatrix &weight) {
  QuantAttr encoding = weight.encoding;
  return encoding.isSignedCode() && encoding.getCodeWidth() == 8 &&
         !encoding.getZero() && weight.getBlock() == weight.getK();
}

bool compress::cpu::grows(ConstantOp weight, int64_t packedBytes) {
  int64_t stored = 0;
  for (RankedTensorType leaf : weight.getType().getLeafTypes())
    stored += HostTensor::getByteSize(leaf.getShape(), leaf.getElementType());
  return packedBytes > 64 * 1024 && packedBytes > stored + stored / 4;
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

ReassociationIndices compress::cpu::axisRange(int64_t first, int64_t last) {
  return llvm::to_vector<2>(llvm::seq(first, last));
}

Value Emitter::constant(const HostTensor &tensor, StringRef name) {
  return arith::ConstantOp::create(b, loc, tensor.toResource(name));
}
Value Emitter::empty(ArrayRef<OpFoldResult> sizes, Type element) {
  return tensor::EmptyOp::create(b, loc, sizes, element);
}
OpFoldResult Emitter::scaled(OpFoldResult size, int64_t factor,
                             int64_t offset) {
  if (auto known = getConstantIntValue(size))
    return constantSize(*known * factor + offset);
  Value value =
      arith::MulIOp::create(b, loc, cast<Value>(size),
                            arith::ConstantIndexOp::create(b, loc, factor));
  return arith::AddIOp::create(b, loc, value,
                               arith::ConstantIndexOp::create(b, loc, offset))
      .getResult();
}
OpFoldResult Emitter::size(Value tensor, int64_t axis) {
  return tensor::getMixedSize(b, loc, tensor, axis);
}

Value Emitter::asMatrix(Value value, int64_t leading) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t rank = type.getRank();
  if (rank == 2 && leading == 1)
    return value;
  if (leading > 0 && leading < rank)
    return tensor::CollapseShapeOp::create(
        b, loc, value,
        ArrayRef<ReassociationIndices>{axisRange(0, leading),
                                       axisRange(leading, rank)});
  if (rank > 1)
    value = tensor::CollapseShapeOp::create(
        b, loc, value, ArrayRef<ReassociationIndices>{axisRange(0, rank)});
  OpFoldResult extent = size(value, 0);
  int64_t known = cast<RankedTensorType>(value.getType()).getDimSize(0);
  return tensor::ExpandShapeOp::create(
      b, loc, RankedTensorType::get({1, known}, type.getElementType()), value,
      ArrayRef<ReassociationIndices>{axisRange(0, 2)},
      ArrayRef<OpFoldResult>{constantSize(1), extent});
}
Value Emitter::fromMatrix(Value value, int64_t leading, Value like) {
  auto type = cast<RankedTensorType>(like.getType());
  int64_t rank = type.getRank();
  if (rank == 2 && leading == 1)
    return castTo(value, type);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, like);
  if (leading > 0 && leading < rank)
    return tensor::ExpandShapeOp::create(
        b, loc, type, value,
        ArrayRef<ReassociationIndices>{axisRange(0, leading),
                                       axisRange(leading, rank)},
        sizes);
  value = tensor::CollapseShapeOp::create(
      b, loc, value, ArrayRef<ReassociationIndices>{axisRange(0, 2)});
  if (rank == 1)
    return castTo(value, type);
  return tensor::ExpandShapeOp::create(
      b, loc, type, value, ArrayRef<ReassociationIndices>{axisRange(0, rank)},
      sizes);
}
Value Emitter::castTo(Value value, RankedTensorType type) {
  if (value.getType() == type)
    return value;
  return tensor::CastOp::create(b, loc, type, value);
}

SmallVector<Value> Emitter::kernel(StringRef name, ValueRange ins,
                                   ValueRange outs) {
  return KernelOp::create(b, loc, TypeRange(outs), name, ins, ValueRange(),
                          outs, /*stateful=*/false, /*side_effect=*/false)
      .getResults();
}

/// Flat parameter tensors of a static encoding.
static void appendParameters(OpBuilder &b, Location loc,
                             const Activation &activation,
                             SmallVectorImpl<Value> &ins) {
  for (Value parameter : activation.parameters) {
    auto type = llvm::cast<RankedTensorType>(parameter.getType());
    if (type.getRank() == 0)
      parameter = tensor::ExpandShapeOp::create(
          b, loc, RankedTensorType::get({1}, type.getElementType()), parameter,
          ArrayRef<ReassociationIndices>{});
    else if (type.getRank() > 1)
      parameter = tensor::CollapseShapeOp::create(
          b, loc, parameter,
          ArrayRef<ReassociationIndices>{axisRange(0, type.getRank())});
    ins.push_back(parameter);
  }
}

SmallVector<Value> Emitter::quantize(StringRef name, Value x,
                                     const Activation &activation,
                                     OpFoldResult codeBytes,
                                     OpFoldResult groups, bool needsRanges,
                                     OpFoldResult sums) {
  SmallVector<Value> ins{x};
  appendParameters(b, loc, activation, ins);
  SmallVector<Value> outs{empty(codeBytes, b.getI8Type()),
                          empty(groups, b.getF32Type()),
                          empty(groups, b.getI32Type())};
  if (sums)
    outs.push_back(empty(sums, b.getI32Type()));
  if (needsRanges)
    outs.push_back(empty(constantSize(2 * kRangeTasks), b.getF32Type()));
  SmallVector<Value> results = kernel(name, ins, outs);
  results.resize(sums ? 4 : 3);
  return results;
}

SmallVector<Value> Emitter::quantizeInPlace(StringRef name, Value x,
                                            const Activation &activation,
                                            OpFoldResult groups) {
  SmallVector<Value> ins{x};
  appendParameters(b, loc, activation, ins);
  SmallVector<Value> outs{
      empty(tensor::getMixedSizes(b, loc, x), b.getI8Type()),
      empty(groups, b.getF32Type()), empty(groups, b.getI32Type())};
  if (!activation.statics)
    outs.push_back(
        empty(scaled(size(x, 0), 2 * kRangeTasks, 0), b.getF32Type()));
  SmallVector<Value> results = kernel(name, ins, outs);
  results.resize(3);
  return results;
}

Value Emitter::asImages(Value value) {
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  if (rank == 3)
    return value;
  return tensor::CollapseShapeOp::create(
      b, loc, value,
      ArrayRef<ReassociationIndices>{{0}, {1}, axisRange(2, rank)});
}

Value Emitter::fromImages(Value value, Value like) {
  auto type = cast<RankedTensorType>(like.getType());
  if (type.getRank() == 3)
    return castTo(value, type);
  return tensor::ExpandShapeOp::create(
      b, loc, type, value,
      ArrayRef<ReassociationIndices>{{0}, {1}, axisRange(2, type.getRank())},
      tensor::getMixedSizes(b, loc, like));
}

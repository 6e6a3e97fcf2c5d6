//===- ONNXVerifiers.cpp - rules that lowerings rely on -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace compress::onnx;

/// Rank of `value`; nothing when it is not known.
static std::optional<int64_t> rankOf(Value value) {
  if (!value)
    return std::nullopt;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return std::nullopt;
  return type.getRank();
}

/// Size of dimension `dim` of `value`; nothing when it is not known.
static std::optional<int64_t> dimOf(Value value, int64_t dim) {
  std::optional<int64_t> rank = rankOf(value);
  if (!rank || dim < 0 || dim >= *rank)
    return std::nullopt;
  int64_t size = cast<RankedTensorType>(value.getType()).getDimSize(dim);
  if (ShapedType::isDynamic(size))
    return std::nullopt;
  return size;
}

static LogicalResult verifyRank(Operation *op, Value value, StringRef name,
                                int64_t expected) {
  std::optional<int64_t> rank = rankOf(value);
  if (rank && *rank != expected)
    return op->emitOpError() << name << " must be of rank " << expected
                             << ", found " << value.getType();
  return success();
}

static LogicalResult verifyMinRank(Operation *op, Value value, StringRef name,
                                   int64_t least) {
  std::optional<int64_t> rank = rankOf(value);
  if (rank && *rank < least)
    return op->emitOpError() << name << " must be of rank " << least
                             << " or more, found " << value.getType();
  return success();
}

/// `axis` must be in [-rank, rank), or [-rank, rank] when `inclusive`.
static LogicalResult verifyAxis(Operation *op, std::optional<int64_t> axis,
                                std::optional<int64_t> rank,
                                StringRef name = "axis",
                                bool inclusive = false) {
  if (!axis || !rank)
    return success();
  if (*axis < -*rank || *axis >= *rank + (inclusive ? 1 : 0))
    return op->emitOpError()
           << name << " = " << *axis << " is out of range for rank " << *rank;
  return success();
}

//===----------------------------------------------------------------------===//
// Windows: convolution and pooling
//===----------------------------------------------------------------------===//

namespace {
/// The attributes that all window operators share.
struct Window {
  std::optional<StringRef> autoPad;
  std::optional<ArrayRef<int64_t>> kernel, strides, dilations, pads;
  std::optional<int64_t> group;
};
} // namespace

static LogicalResult verifyWindow(Operation *op, const Window &window,
                                  std::optional<int64_t> rank) {
  if (rank && *rank < 3)
    return op->emitOpError("input must have batch, channels and at least one "
                           "spatial dimension, found rank ")
           << *rank;
  std::optional<int64_t> spatial;
  if (rank)
    spatial = *rank - 2;
  else if (window.kernel)
    spatial = window.kernel->size();
  if (window.autoPad &&
      !llvm::is_contained({"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"},
                          *window.autoPad))
    return op->emitOpError("auto_pad must be NOTSET, SAME_UPPER, SAME_LOWER or "
                           "VALID, found '")
           << *window.autoPad << "'";
  auto check = [&](StringRef name, std::optional<ArrayRef<int64_t>> values,
                   int64_t perDim, int64_t least) -> LogicalResult {
    if (!values)
      return success();
    if (spatial && static_cast<int64_t>(values->size()) != perDim * *spatial)
      return op->emitOpError()
             << name << " has " << values->size() << " values, "
             << perDim * *spatial << " are needed for " << *spatial
             << " spatial dimensions";
    for (int64_t v : *values)
      if (v < least)
        return op->emitOpError()
               << name << " must be at least " << least << ", found " << v;
    return success();
  };
  if (failed(check("kernel_shape", window.kernel, 1, 1)) ||
      failed(check("strides", window.strides, 1, 1)) ||
      failed(check("dilations", window.dilations, 1, 1)) ||
      failed(
          check("pads", window.pads, 2, std::numeric_limits<int64_t>::min())))
    return failure();
  if (window.group && *window.group < 1)
    return op->emitOpError("group must be at least 1, found ") << *window.group;
  return success();
}

/// The weight must have the rank of the input, and the kernel of its attribute.
static LogicalResult verifyWeight(Operation *op, Value input, Value weight,
                                  const Window &window, bool transposed) {
  std::optional<int64_t> rank = rankOf(weight);
  if (!rank)
    return success();
  if (std::optional<int64_t> inputRank = rankOf(input))
    if (*inputRank != *rank)
      return op->emitOpError("input and weight must be of one rank, found ")
             << input.getType() << " and " << weight.getType();
  if (window.kernel)
    for (auto [i, k] : llvm::enumerate(*window.kernel)) {
      std::optional<int64_t> size = dimOf(weight, i + 2);
      if (size && *size != k)
        return op->emitOpError("kernel_shape[")
               << i << "] = " << k << " but the weight is " << weight.getType();
    }
  int64_t group = window.group.value_or(1);
  std::optional<int64_t> channels = dimOf(input, 1);
  std::optional<int64_t> inner = dimOf(weight, transposed ? 0 : 1);
  std::optional<int64_t> outer = dimOf(weight, 0);
  int64_t factor = transposed ? 1 : group;
  if (channels && inner && *channels != *inner * factor)
    return op->emitOpError("the input has ")
           << *channels << " channels, the weight " << weight.getType()
           << " with group " << group << " takes " << *inner * factor;
  if (outer && *outer % group)
    return op->emitOpError("group ")
           << group << " does not divide dimension 0 of the weight "
           << weight.getType();
  return success();
}

template <typename OpTy> static Window convWindow(OpTy op) {
  return {op.getAutoPad(),   op.getKernelShape(), op.getStrides(),
          op.getDilations(), op.getPads(),        op.getGroup()};
}

template <typename OpTy>
static LogicalResult verifyConv(OpTy op, Value x, Value w,
                                bool transposed = false) {
  Window window = convWindow(op);
  std::optional<int64_t> rank = rankOf(x) ? rankOf(x) : rankOf(w);
  return success(succeeded(verifyWindow(op, window, rank)) &&
                 succeeded(verifyWeight(op, x, w, window, transposed)));
}

LogicalResult ConvOp::verify() { return verifyConv(*this, getX(), getW()); }
LogicalResult ConvTransposeOp::verify() {
  return verifyConv(*this, getX(), getW(), /*transposed=*/true);
}
LogicalResult ConvIntegerOp::verify() {
  return verifyConv(*this, getX(), getW());
}
LogicalResult QLinearConvOp::verify() {
  return verifyConv(*this, getX(), getW());
}

LogicalResult MaxPoolOp::verify() {
  return verifyWindow(*this,
                      {getAutoPad(), getKernelShape(), getStrides(),
                       getDilations(), getPads(), std::nullopt},
                      rankOf(getX()));
}
LogicalResult AveragePoolOp::verify() {
  return verifyWindow(*this,
                      {getAutoPad(), getKernelShape(), getStrides(),
                       getDilations(), getPads(), std::nullopt},
                      rankOf(getX()));
}

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

LogicalResult GemmOp::verify() {
  if (failed(verifyRank(*this, getA(), "A", 2)) ||
      failed(verifyRank(*this, getB(), "B", 2)))
    return failure();
  if (Value c = getC())
    if (rankOf(c).value_or(0) > 2)
      return emitOpError("C must be of rank 2 or less, found ") << c.getType();
  std::optional<int64_t> k = dimOf(getA(), getTransA().value_or(0) ? 0 : 1);
  std::optional<int64_t> other = dimOf(getB(), getTransB().value_or(0) ? 1 : 0);
  if (k && other && *k != *other)
    return emitOpError("inner dimensions differ: ")
           << *k << " in A, " << *other << " in B";
  return success();
}

LogicalResult MatMulOp::verify() {
  std::optional<int64_t> rankA = rankOf(getA()), rankB = rankOf(getB());
  if (failed(verifyMinRank(*this, getA(), "A", 1)) ||
      failed(verifyMinRank(*this, getB(), "B", 1)))
    return failure();
  if (!rankA || !rankB)
    return success();
  std::optional<int64_t> k = dimOf(getA(), *rankA - 1);
  std::optional<int64_t> other = dimOf(getB(), *rankB == 1 ? 0 : *rankB - 2);
  if (k && other && *k != *other)
    return emitOpError("inner dimensions differ: ")
           << *k << " in A, " << *other << " in B";
  return success();
}

//===----------------------------------------------------------------------===//
// Normalization
//===----------------------------------------------------------------------===//

LogicalResult LayerNormalizationOp::verify() {
  return verifyAxis(*this, getAxis(), rankOf(getX()));
}
LogicalResult RMSNormalizationOp::verify() {
  return verifyAxis(*this, getAxis(), rankOf(getX()));
}
LogicalResult InstanceNormalizationOp::verify() {
  return verifyMinRank(*this, getInput(), "input", 3);
}
LogicalResult GroupNormalizationOp::verify() {
  if (getNumGroups() && *getNumGroups() < 1)
    return emitOpError("num_groups must be at least 1, found ")
           << *getNumGroups();
  std::optional<int64_t> channels = dimOf(getX(), 1);
  if (getNumGroups() && channels && *channels % *getNumGroups())
    return emitOpError("num_groups ") << *getNumGroups() << " does not divide "
                                      << *channels << " channels";
  return success();
}
LogicalResult BatchNormalizationOp::verify() {
  for (auto [name, value] :
       {std::pair("scale", getScale()), std::pair("B", getB()),
        std::pair("input_mean", getInputMean()),
        std::pair("input_var", getInputVar())}) {
    // Opset 1 to 8 have spatial = 0: one value for each feature.
    if (getSpatial().value_or(1) != 0 &&
        failed(verifyRank(*this, value, name, 1)))
      return failure();
    std::optional<int64_t> size = dimOf(value, 0), channels = dimOf(getX(), 1);
    if (getSpatial().value_or(1) != 0 && size && channels && *size != *channels)
      return emitOpError() << name << " has " << *size << " values for "
                           << *channels << " channels";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Axes and shapes
//===----------------------------------------------------------------------===//

LogicalResult SoftmaxOp::verify() {
  return verifyAxis(*this, getAxis(), rankOf(getInput()));
}
LogicalResult LogSoftmaxOp::verify() {
  return verifyAxis(*this, getAxis(), rankOf(getInput()));
}
LogicalResult HardmaxOp::verify() {
  return verifyAxis(*this, getAxis(), rankOf(getInput()));
}
LogicalResult FlattenOp::verify() {
  return verifyAxis(*this, getAxis(), rankOf(getInput()), "axis",
                    /*inclusive=*/true);
}
LogicalResult GatherOp::verify() {
  return verifyAxis(*this, getAxis(), rankOf(getData()));
}
LogicalResult GatherElementsOp::verify() {
  return verifyAxis(*this, getAxis(), rankOf(getData()));
}
LogicalResult ArgMaxOp::verify() {
  return verifyAxis(*this, getAxis(), rankOf(getData()));
}
LogicalResult ArgMinOp::verify() {
  return verifyAxis(*this, getAxis(), rankOf(getData()));
}
LogicalResult TopKOp::verify() {
  return verifyAxis(*this, getAxis(), rankOf(getX()));
}

LogicalResult SplitOp::verify() {
  if (getOutputs().empty())
    return emitOpError("needs at least one output");
  if (getNumOutputs() &&
      *getNumOutputs() != static_cast<int64_t>(getOutputs().size()))
    return emitOpError("num_outputs = ") << *getNumOutputs() << " but it has "
                                         << getOutputs().size() << " outputs";
  if (getLegacySplit() && getLegacySplit()->size() != getOutputs().size())
    return emitOpError("split has ")
           << getLegacySplit()->size() << " sizes for " << getOutputs().size()
           << " outputs";
  return verifyAxis(*this, getAxis(), rankOf(getInput()));
}

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return emitOpError("needs at least one input");
  for (Value input : getInputs()) {
    if (!isGiven(input))
      return emitOpError("inputs may not be omitted");
    if (failed(verifyAxis(*this, getAxis(), rankOf(input))))
      return failure();
    std::optional<int64_t> rank = rankOf(input), first = rankOf(getInputs()[0]);
    if (rank && first && *rank != *first)
      return emitOpError("inputs must be of one rank, found ")
             << getInputs()[0].getType() << " and " << input.getType();
  }
  return success();
}

LogicalResult TransposeOp::verify() {
  std::optional<ArrayRef<int64_t>> perm = getPerm();
  if (!perm)
    return success();
  std::optional<int64_t> rank = rankOf(getData());
  int64_t size = perm->size();
  if (rank && *rank != size)
    return emitOpError("perm has ")
           << size << " values for an input of rank " << *rank;
  llvm::SmallBitVector seen(size);
  for (int64_t p : *perm) {
    if (p < 0 || p >= size || seen[p])
      return emitOpError("perm must be a permutation of 0 to ") << size - 1;
    seen.set(p);
  }
  return success();
}

template <typename OpTy> static LogicalResult verifyBlocks(OpTy op) {
  if (failed(verifyRank(op, op.getInput(), "input", 4)))
    return failure();
  if (op.getBlocksize() && *op.getBlocksize() < 1)
    return op.emitOpError("blocksize must be at least 1, found ")
           << *op.getBlocksize();
  return success();
}
LogicalResult DepthToSpaceOp::verify() { return verifyBlocks(*this); }
LogicalResult SpaceToDepthOp::verify() { return verifyBlocks(*this); }

/// Axes are an attribute before opset 13 and an input since then.
template <typename OpTy>
static LogicalResult verifyOneAxes(OpTy op, std::optional<int64_t> rank) {
  if (op.getLegacyAxes() && op.getAxes())
    return op.emitOpError("axes are given twice, as an attribute and an input");
  if (std::optional<ArrayRef<int64_t>> axes = op.getLegacyAxes())
    for (int64_t axis : *axes)
      if (failed(verifyAxis(op, axis, rank, "axes")))
        return failure();
  return success();
}
LogicalResult SqueezeOp::verify() {
  return verifyOneAxes(*this, rankOf(getData()));
}
LogicalResult UnsqueezeOp::verify() {
  std::optional<int64_t> rank = rankOf(getData());
  if (rank && getLegacyAxes())
    rank = *rank + static_cast<int64_t>(getLegacyAxes()->size());
  return verifyOneAxes(*this, rank);
}

//===----------------------------------------------------------------------===//
// Others
//===----------------------------------------------------------------------===//

LogicalResult WhereOp::verify() {
  auto type = dyn_cast<TensorType>(getCondition().getType());
  if (type && !type.getElementType().isInteger(1) &&
      !isa<UnknownType>(type.getElementType()))
    return emitOpError("condition must be bool (i1), found ") << type;
  return success();
}

LogicalResult ConstantOp::verify() {
  int given = !!getValueAttr() + !!getSparseValueAttr() +
              !!getValueFloatAttr() + !!getValueFloatsAttr() +
              !!getValueIntAttr() + !!getValueIntsAttr() +
              !!getValueStringAttr() + !!getValueStringsAttr();
  if (given != 1)
    return emitOpError("needs exactly one value attribute, found ") << given;
  return success();
}

LogicalResult CastOp::verify() {
  if (getTo() &&
      (*getTo() < 1 || *getTo() > std::numeric_limits<int32_t>::max() ||
       !getElementType(getContext(), static_cast<int32_t>(*getTo()))))
    return emitOpError("to = ") << *getTo() << " is not a data type";
  return success();
}

template <typename OpTy>
static LogicalResult verifyQuantize(OpTy op, Value x, Value scale, Value zero) {
  int64_t block = op.getBlockSize().value_or(0);
  if (block < 0)
    return op.emitOpError("block_size must not be negative, found ") << block;
  // One value may be a scalar or a vector of one.
  auto scaleType = dyn_cast<RankedTensorType>(scale.getType());
  auto zeroType = zero ? dyn_cast<RankedTensorType>(zero.getType()) : nullptr;
  auto isOne = [](RankedTensorType type) {
    return type.hasStaticShape() && type.getNumElements() == 1;
  };
  if (scaleType && zeroType && !(isOne(scaleType) && isOne(zeroType)) &&
      failed(verifyCompatibleShape(scaleType, zeroType)))
    return op.emitOpError("scale and zero point must have one shape, found ")
           << scaleType << " and " << zeroType;
  if (block && rankOf(scale) && rankOf(x) && *rankOf(scale) != *rankOf(x))
    return op.emitOpError("blocked scales must have the rank of the input, "
                          "found ")
           << scale.getType() << " for " << x.getType();
  return verifyAxis(op, op.getAxis(), rankOf(x));
}
LogicalResult QuantizeLinearOp::verify() {
  return verifyQuantize(*this, getX(), getYScale(), getYZeroPoint());
}
LogicalResult DequantizeLinearOp::verify() {
  return verifyQuantize(*this, getX(), getXScale(), getXZeroPoint());
}

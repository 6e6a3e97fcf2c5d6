//===- ReadQDQ.cpp - Quantization operators of any origin -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Readers.h"
#include "compress/Dialect/Compress/IR/Minifloat.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"

using namespace mlir;
using namespace compress;

static bool isZero(const HostTensor &tensor) {
  for (int64_t i = 0, e = tensor.getNumElements(); i < e; ++i)
    if (tensor.getDouble(i) != 0)
      return false;
  return true;
}

/// Whether an encoding `quant` can have codes of this ONNX type.
static bool isCodeType(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type))
    return integer.getWidth() >= 2 && integer.getWidth() <= 16;
  return isMinifloat(type) && !isa<Float8E8M0FNUType>(type);
}

/// The group shape that ONNX says by the shape of the scale, `axis` and
/// `block_size`.
static std::optional<SmallVector<int64_t>>
getGroup(onnx::DequantizeLinearOp op, ArrayRef<int64_t> shape,
         ArrayRef<int64_t> scaleShape) {
  int64_t rank = shape.size();
  int64_t block = op.getBlockSize().value_or(0);
  bool isSingle = llvm::all_of(scaleShape, [](int64_t n) { return n == 1; });
  SmallVector<int64_t> group(rank, ShapedType::kDynamic);
  if (!block && isSingle && scaleShape.size() <= 1)
    return group;
  std::optional<int64_t> axis =
      onnx::normalizeAxis(op.getAxis().value_or(1), rank);
  // Runtimes ignore the default axis of vectors.
  if (!axis && rank == 1)
    axis = 0;
  if (!axis)
    return std::nullopt;
  if (!block) {
    if (scaleShape.size() != 1 ||
        (!ShapedType::isDynamic(shape[*axis]) && shape[*axis] != scaleShape[0]))
      return std::nullopt;
    group[*axis] = 1;
    return group;
  }
  if (int64_t(scaleShape.size()) != rank)
    return std::nullopt;
  llvm::fill(group, 1);
  group[*axis] = block;
  for (auto [size, each, scales] : llvm::zip_equal(shape, group, scaleShape))
    if (!ShapedType::isDynamic(size) &&
        int64_t(llvm::divideCeil(size, each)) != scales)
      return std::nullopt;
  return group;
}

/// Both constant, of one type and with the same elements; or both missing.
static bool areEqual(Value a, Value b) {
  if (a == b)
    return true;
  if (!a || !b)
    return false;
  ElementsAttr left = onnx::getConstantElements(a);
  ElementsAttr right = onnx::getConstantElements(b);
  if (!left || !right || left.getType() != right.getType())
    return false;
  SmallVector<char> leftBuffer, rightBuffer;
  auto leftRaw = onnx::getRawData(left, leftBuffer);
  auto rightRaw = onnx::getRawData(right, rightBuffer);
  return leftRaw && rightRaw && *leftRaw == *rightRaw;
}

static FailureOr<CompressedValue>
readDynamic(onnx::DequantizeLinearOp op, onnx::DynamicQuantizeLinearOp quantize,
            std::string &reason) {
  if (op.getXScale() != quantize.getYScale() ||
      op.getXZeroPoint() != quantize.getYZeroPoint() ||
      op.getX() != quantize.getY()) {
    reason = "its parameters are not those of the DynamicQuantizeLinear before "
             "it";
    return failure();
  }
  auto type = dyn_cast<RankedTensorType>(quantize.getX().getType());
  if (!type || !type.getElementType().isF32()) {
    reason = "the type of the activation is not known";
    return failure();
  }
  MLIRContext *context = op.getContext();
  Type ui8 = IntegerType::get(context, 8, IntegerType::Unsigned);
  SmallVector<int64_t> group(type.getRank(), ShapedType::kDynamic);
  CompressedValue value;
  value.source = quantize.getX();
  value.type = CompressedTensorType::get(
      context, type.getShape(), type.getElementType(),
      QuantAttr::get(context, ui8, group,
                     DenseAttr::get(context, type.getElementType()),
                     DenseAttr::get(context, ui8)));
  return value;
}

FailureOr<CompressedValue> compress::readDequantize(onnx::DequantizeLinearOp op,
                                                    std::string &reason) {
  MLIRContext *context = op.getContext();
  if (auto quantize = op.getX().getDefiningOp<onnx::DynamicQuantizeLinearOp>())
    return readDynamic(op, quantize, reason);

  auto quantize = op.getX().getDefiningOp<onnx::QuantizeLinearOp>();
  ElementsAttr codes = onnx::getConstantElements(op.getX());
  auto scale = onnx::getConstant(op.getXScale());
  if (!quantize && !codes) {
    reason = "it decodes neither a constant nor the result of QuantizeLinear";
    return failure();
  }
  if (failed(scale)) {
    reason = "its scale is not constant";
    return failure();
  }
  FailureOr<HostTensor> zero = failure();
  if (op.getXZeroPoint() &&
      failed(zero = onnx::getConstant(op.getXZeroPoint()))) {
    reason = "its zero point is not constant";
    return failure();
  }
  if (!isa<FloatType>(scale->getElementType()) ||
      (succeeded(zero) && zero->getShape() != scale->getShape())) {
    reason = "its scale and zero point do not fit each other";
    return failure();
  }

  CompressedValue value;
  Type codeType;
  ArrayRef<int64_t> shape;
  if (quantize) {
    auto type = dyn_cast<RankedTensorType>(quantize.getX().getType());
    if (!type) {
      reason = "the rank of the activation is not known";
      return failure();
    }
    if (!areEqual(op.getXScale(), quantize.getYScale()) ||
        !areEqual(op.getXZeroPoint(), quantize.getYZeroPoint()) ||
        op.getAxis() != quantize.getAxis() ||
        op.getBlockSize() != quantize.getBlockSize()) {
      reason = "its parameters differ from those of the QuantizeLinear before "
               "it";
      return failure();
    }
    if (!scale->getElementType().isF32() ||
        quantize.getPrecision().value_or(0) ||
        !quantize.getSaturate().value_or(1)) {
      reason = "QuantizeLinear does not divide in f32, or does not saturate";
      return failure();
    }
    value.source = quantize.getX();
    shape = type.getShape();
    codeType = IntegerType::get(context, 8, IntegerType::Unsigned);
    if (succeeded(zero))
      codeType = zero->getElementType();
    else if (int64_t dtype = quantize.getOutputDtype().value_or(0))
      codeType = onnx::getElementType(context, dtype);
  } else {
    shape = cast<RankedTensorType>(codes.getShapedType()).getShape();
    codeType = codes.getElementType();
  }
  if (!codeType || !isCodeType(codeType)) {
    reason = "codes of this type are not a compressed form";
    return failure();
  }
  Type logical = scale->getElementType();
  if (int64_t dtype = op.getOutputDtype().value_or(0))
    logical = onnx::getElementType(context, dtype);
  if (!logical || !(logical.isF16() || logical.isBF16() || logical.isF32()) ||
      (value.source &&
       cast<RankedTensorType>(value.source.getType()).getElementType() !=
           logical)) {
    reason = "its result is not of a float type that a compressed tensor has";
    return failure();
  }
  auto group = getGroup(op, shape, scale->getShape());
  if (!group) {
    reason = "the shape of its scale does not fit its axis and block size";
    return failure();
  }

  // A zero point that is zero says nothing, unless QuantizeLinear saturates at
  // a code that symmetric encoding does not use.
  bool isInteger = isa<IntegerType>(codeType);
  bool isSigned = isInteger && !codeType.isUnsignedInteger();
  bool keepsZero = value.source && isSigned;
  if (succeeded(zero) && !keepsZero && isZero(*zero))
    zero = failure();
  else if (failed(zero) && keepsZero)
    zero = HostTensor::allocate(scale->getShape(), codeType);
  if (succeeded(zero) &&
      (!isInteger || !isa<IntegerType>(zero->getElementType()))) {
    reason = "float codes with a zero point are not a compressed form";
    return failure();
  }

  auto quant = QuantAttr::get(
      context, codeType, *group,
      DenseAttr::get(context, scale->getElementType()),
      succeeded(zero) ? DenseAttr::get(context, zero->getElementType())
                      : EncodingAttrInterface());
  if (failed(quant.verifyEncoding(
          [&] { return mlir::emitError(UnknownLoc::get(context)); }, shape,
          logical)))
    return failure();
  value.type =
      CompressedTensorType::get(quant.getContext(), shape, logical, quant);
  SmallVector<int64_t> grid = quant.getGroupGrid(shape);
  if (llvm::any_of(grid, ShapedType::isDynamic)) {
    reason = "its scales go along a dynamic dimension";
    return failure();
  }
  if (!value.source) {
    auto stored = onnx::getConstant(codes);
    if (failed(stored)) {
      reason = "its codes are not available";
      return failure();
    }
    value.leaves.push_back(*stored);
    if (auto initializer = op.getX().getDefiningOp<onnx::InitializerOp>()) {
      StringRef name = initializer.getName();
      name.consume_back("_quantized");
      value.site = name.str();
    }
  }
  value.leaves.push_back(scale->reshape(grid));
  if (succeeded(zero))
    value.leaves.push_back(zero->reshape(grid));
  return value;
}

//===- TypeMapping.cpp - quant.uniform and quant, both ways -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Conversion/QuantToCompress/TypeMapping.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include <cmath>

using namespace mlir;
using namespace compress;

/// An error whose message is streamed from `parts`.
template <typename... Ts> static llvm::Error makeError(const Ts &...parts) {
  std::string message;
  llvm::raw_string_ostream stream(message);
  (stream << ... << parts);
  return llvm::createStringError(Twine(message));
}

/// `value` rounded to `type`, and whether that changed it.
static std::pair<APFloat, bool> roundTo(FloatType type, double value) {
  APFloat number(value);
  bool losesInfo = false;
  number.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  return {number, losesInfo};
}

static bool isLogicalFloat(Type type) {
  return type.isF16() || type.isBF16() || type.isF32() || type.isF64();
}

//===----------------------------------------------------------------------===//
// quant to compress
//===----------------------------------------------------------------------===//

namespace {
/// What all quant.uniform types hold, per group in row-major order.
struct Uniform {
  SmallVector<int64_t> group; // kDynamic is the whole dimension
  SmallVector<int64_t> grid;
  SmallVector<double> scales;
  SmallVector<int64_t> zeros;
};
} // namespace

/// Zero points of sub-channel types are bits of the storage type.
static SmallVector<int64_t> readZeros(quant::QuantizedType type,
                                      DenseElementsAttr zeros) {
  SmallVector<int64_t> result;
  for (const APInt &zero : zeros.getValues<APInt>())
    result.push_back(type.isSigned() ? zero.getSExtValue()
                                     : int64_t(zero.getZExtValue()));
  return result;
}

static llvm::Expected<Uniform> readUniform(RankedTensorType tensor) {
  Type element = tensor.getElementType();
  int64_t rank = tensor.getRank();
  Uniform result;
  result.group.assign(rank, ShapedType::kDynamic);
  result.grid.assign(rank, 1);
  if (auto type = dyn_cast<quant::UniformQuantizedType>(element)) {
    result.scales.push_back(type.getScale());
    result.zeros.push_back(type.getZeroPoint());
  } else if (auto type =
                 dyn_cast<quant::UniformQuantizedPerAxisType>(element)) {
    int64_t axis = type.getQuantizedDimension();
    if (axis < 0 || axis >= rank)
      return makeError("its axis ", axis, " is not one of a tensor of rank ",
                       rank);
    result.group[axis] = 1;
    result.grid[axis] = type.getScales().size();
    llvm::append_range(result.scales, type.getScales());
    llvm::append_range(result.zeros, type.getZeroPoints());
  } else {
    auto blocked = dyn_cast<quant::UniformQuantizedSubChannelType>(element);
    if (!blocked)
      return makeError(element, " is not a quant.uniform type");
    for (auto [axis, size] : blocked.getBlockSizeInfo()) {
      if (axis < 0 || axis >= rank)
        return makeError("its axis ", axis, " is not one of a tensor of rank ",
                         rank);
      if (size < 1)
        return makeError("a block size is at least 1, found ", size);
      result.group[axis] = size;
    }
    ArrayRef<int64_t> grid = blocked.getScales().getType().getShape();
    if (int64_t(grid.size()) != rank)
      return makeError("its scales have rank ", grid.size(),
                       ", the tensor has rank ", rank);
    result.grid.assign(grid.begin(), grid.end());
    for (const APFloat &scale : blocked.getScales().getValues<APFloat>()) {
      APFloat number = scale;
      bool losesInfo;
      number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                     &losesInfo);
      result.scales.push_back(number.convertToDouble());
    }
    result.zeros = readZeros(blocked, blocked.getZeroPoints());
  }

  // The verifiers of quant operations see to this; types elsewhere may not fit.
  SmallVector<int64_t> expected = getGroupGrid(tensor.getShape(), result.group);
  for (int64_t axis = 0; axis < rank; ++axis)
    if (!ShapedType::isDynamic(expected[axis]) &&
        expected[axis] != result.grid[axis])
      return makeError("it has ", result.grid[axis], " groups along axis ",
                       axis, ", the tensor has ", expected[axis]);
  if (result.zeros.size() != result.scales.size() ||
      int64_t(result.scales.size()) != countElements(result.grid))
    return makeError("it has ", result.scales.size(), " scales and ",
                     result.zeros.size(), " zero points for ",
                     countElements(result.grid), " groups");
  return result;
}

/// The encoding whose codes have exactly the range of the storage.
static llvm::Expected<QuantAttr> chooseEncoding(quant::QuantizedType type,
                                                const Uniform &uniform) {
  MLIRContext *context = type.getContext();
  auto storage = dyn_cast<IntegerType>(type.getStorageType());
  if (!storage || storage.getWidth() < 1 || storage.getWidth() > 16)
    return makeError("codes have 1 to 16 bits, found storage type ",
                     type.getStorageType());
  unsigned width = storage.getWidth();
  Type code = type.isSigned()
                  ? IntegerType::get(context, width)
                  : IntegerType::get(context, width, IntegerType::Unsigned);
  Type scale = type.getExpressedType();
  if (!isLogicalFloat(scale))
    return makeError("the expressed type must be f16, bf16, f32 or f64, found ",
                     scale);
  if (scale.isF64())
    scale = Float32Type::get(context);

  int64_t lo =
      quant::QuantizedType::getDefaultMinimumForInteger(type.isSigned(), width);
  int64_t hi =
      quant::QuantizedType::getDefaultMaximumForInteger(type.isSigned(), width);
  for (int64_t zero : uniform.zeros)
    if (zero < lo || zero > hi)
      return makeError("zero point ", zero, " is not a value of ", code);

  double min = type.getStorageTypeMin(), max = type.getStorageTypeMax();
  auto makeEncoding = [&](bool hasZeros) {
    return QuantAttr::get(
        context, code, uniform.group, DenseAttr::get(context, scale),
        hasZeros ? EncodingAttrInterface(DenseAttr::get(context, code))
                 : EncodingAttrInterface());
  };
  QuantAttr symmetric = makeEncoding(false), general = makeEncoding(true);
  bool isZero = llvm::all_of(uniform.zeros, [](int64_t z) { return z == 0; });
  if (isZero && symmetric.getCodeRange() == std::make_pair(min, max))
    return symmetric;
  if (general.getCodeRange() == std::make_pair(min, max))
    return general;
  auto [symmetricMin, symmetricMax] = symmetric.getCodeRange();
  if (symmetricMin == min && symmetricMax == max)
    return makeError("the symmetric storage range ", int64_t(min), " to ",
                     int64_t(max), " needs zero points that are 0");
  return makeError("the encoding has no storage range ", int64_t(min), " to ",
                   int64_t(max), " of ", code);
}

llvm::Expected<UniformMapping> compress::mapQuantToCompress(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return makeError("only ranked tensors can be compressed, found ", type);
  auto quantized = dyn_cast<quant::QuantizedType>(tensor.getElementType());
  if (!quantized)
    return makeError(tensor.getElementType(), " is not a quant.uniform type");
  auto uniform = readUniform(tensor);
  if (!uniform)
    return uniform.takeError();
  auto encoding = chooseEncoding(quantized, *uniform);
  if (!encoding)
    return encoding.takeError();

  UniformMapping mapping;
  mapping.type = CompressedTensorType::get(
      tensor.getContext(), tensor.getShape(), quantized.getExpressedType(),
      cast<EncodingAttrInterface>(*encoding));
  auto scaleType =
      cast<FloatType>(cast<DenseAttr>(encoding->getScale()).getStorageType());
  SmallVector<APFloat> scales;
  for (double scale : uniform->scales) {
    auto [number, losesInfo] = roundTo(scaleType, scale);
    // Other expressed types are what the scales are rounded to in any case.
    if (losesInfo && quantized.getExpressedType().isF64())
      return makeError("scale ", scale,
                       " is not exact in f32, in which scales are stored");
    scales.push_back(number);
  }
  mapping.scales = DenseElementsAttr::get(
      RankedTensorType::get(uniform->grid, scaleType), scales);
  if (encoding->getZero()) {
    unsigned width = encoding->getCodeWidth();
    SmallVector<APInt> zeros;
    for (int64_t zero : uniform->zeros)
      zeros.push_back(APInt(width, uint64_t(zero), /*isSigned=*/false,
                            /*implicitTrunc=*/true));
    mapping.zeros = DenseElementsAttr::get(
        RankedTensorType::get(uniform->grid,
                              IntegerType::get(tensor.getContext(), width)),
        zeros);
  }
  return mapping;
}

//===----------------------------------------------------------------------===//
// compress to quant
//===----------------------------------------------------------------------===//

/// A plain parameter, read by the rules of its component.
static llvm::Expected<HostTensor> readParameter(const Component &component,
                                                const HostTensor &leaf) {
  return decodeComponent(
      getComponentType(leaf.getShape(), component.elementType,
                       cast<EncodingAttrInterface>(component.encoding)),
      component.elementType, cast<EncodingAttrInterface>(component.encoding),
      leaf);
}

/// The smallest code, or 0 if there is none.
static int64_t getSmallestCode(QuantAttr encoding, const HostTensor &codes) {
  int64_t smallest = 0;
  for (int64_t i = 0, e = codes.getNumElements(); i < e; ++i)
    smallest = std::min(
        smallest, llvm::SignExtend64(codes.getBits(i), codes.getBitWidth()));
  return smallest;
}

/// Blocks of equal size per axis that is not `*`, as quant wants them.
static llvm::Expected<SmallVector<int64_t>>
getBlockSizes(CompressedTensorType type, ArrayRef<int64_t> group) {
  SmallVector<int64_t> sizes;
  for (auto [axis, size] : llvm::enumerate(group)) {
    if (ShapedType::isDynamic(size))
      continue;
    int64_t dim = type.getDimSize(axis);
    if (size > 1 && ShapedType::isDynamic(dim))
      return makeError("groups of ", size, " may not divide axis ", axis,
                       ", whose size is unknown");
    if (size > 1 && size < dim && dim % size != 0)
      return makeError("groups of ", size, " do not divide axis ", axis,
                       " of size ", dim);
    sizes.push_back(!ShapedType::isDynamic(dim) && dim > 0 ? std::min(size, dim)
                                                           : size);
  }
  return sizes;
}

llvm::Error compress::verifyMapsToQuant(CompressedTensorType type) {
  auto encoding = dyn_cast<QuantAttr>(type.getEncoding());
  if (!encoding)
    return makeError("quant.uniform has no equivalent of the encoding '",
                     type.getEncoding().getAbstractAttribute().getName(), "'");
  if (encoding.isFloatCode())
    return makeError("quant.uniform has no codes of type ",
                     encoding.getCodeType());
  if (!isLogicalFloat(type.getElementType()))
    return makeError("quant.uniform has no values of type ",
                     type.getElementType());
  if (!isa<DenseAttr>(encoding.getScale()))
    return makeError("its scales are encoded themselves");
  auto zeroStorage = dyn_cast_or_null<DenseAttr>(encoding.getZero());
  if (encoding.getZero() &&
      (!zeroStorage || !isa<IntegerType>(zeroStorage.getStorageType())))
    return makeError("its zero points are not plain integers");
  return getBlockSizes(type, encoding.getGroup()).takeError();
}

llvm::Expected<quant::QuantizedType>
compress::mapCompressToQuant(CompressedTensorType type,
                             ArrayRef<HostTensor> parameters, CodeOrigin origin,
                             const HostTensor *codes) {
  if (llvm::Error error = verifyMapsToQuant(type))
    return std::move(error);
  MLIRContext *context = type.getContext();
  auto encoding = cast<QuantAttr>(type.getEncoding());
  auto expressed = cast<FloatType>(type.getElementType());
  SmallVector<int64_t> blocks =
      llvm::cantFail(getBlockSizes(type, encoding.getGroup()));

  // Parameters.
  SmallVector<Component> components = type.getComponents();
  if (parameters.size() + 1 != components.size())
    return makeError("expected ", components.size() - 1, " parameters, found ",
                     parameters.size());
  auto scaleTensor = readParameter(components[1], parameters[0]);
  if (!scaleTensor)
    return scaleTensor.takeError();
  ArrayRef<int64_t> grid = scaleTensor->getShape();
  int64_t count = scaleTensor->getNumElements();
  SmallVector<double> scales;
  SmallVector<APFloat> scaleNumbers;
  for (int64_t i = 0; i < count; ++i) {
    double scale = scaleTensor->getDouble(i);
    if (!std::isfinite(scale) || scale <= 0)
      return makeError("quant.uniform needs positive, finite scales, found ",
                       scale);
    auto [number, losesInfo] = roundTo(expressed, scale);
    if (losesInfo)
      return makeError("scale ", scale, " is not exact in ", expressed,
                       ", in which quant.uniform computes");
    scales.push_back(scale);
    scaleNumbers.push_back(number);
  }
  unsigned width = encoding.getCodeWidth();
  bool isSigned = encoding.isSignedCode();
  int64_t lo =
      quant::QuantizedType::getDefaultMinimumForInteger(isSigned, width);
  int64_t hi =
      quant::QuantizedType::getDefaultMaximumForInteger(isSigned, width);
  SmallVector<int64_t> zeros(count, 0);
  if (encoding.getZero()) {
    auto zeroTensor = readParameter(components[2], parameters[1]);
    if (!zeroTensor)
      return zeroTensor.takeError();
    if (zeroTensor->getShape() != grid)
      return makeError("scales and zero points differ in shape");
    for (int64_t i = 0; i < count; ++i) {
      zeros[i] = zeroTensor->getInt(i);
      if (zeros[i] < lo || zeros[i] > hi)
        return makeError("zero point ", zeros[i], " is not a value of ",
                         encoding.getCodeType());
    }
  }

  // The storage range.
  auto [rangeLo, rangeHi] = encoding.getCodeRange();
  int64_t min = int64_t(rangeLo), max = int64_t(rangeHi);
  if (origin == CodeOrigin::Given && min > lo &&
      (!codes || getSmallestCode(encoding, *codes) < min))
    min = lo;

  unsigned flags = isSigned ? quant::QuantizationFlags::Signed : 0;
  Type storage = IntegerType::get(context, width);
  SmallVector<int32_t> axes;
  for (auto [axis, size] : llvm::enumerate(encoding.getGroup()))
    if (!ShapedType::isDynamic(size))
      axes.push_back(axis);
  if (axes.empty()) {
    if (count != 1)
      return makeError("quant.uniform cannot describe an empty tensor");
    return quant::UniformQuantizedType::get(flags, storage, expressed,
                                            scales[0], zeros[0], min, max);
  }
  if (count == 0)
    return makeError("quant.uniform cannot describe an empty tensor");
  if (axes.size() == 1 && encoding.getGroup()[axes[0]] == 1)
    return quant::UniformQuantizedPerAxisType::get(
        flags, storage, expressed, scales, zeros, axes[0], min, max);
  SmallVector<APInt> zeroBits;
  for (int64_t zero : zeros)
    zeroBits.push_back(APInt(width, uint64_t(zero), /*isSigned=*/false,
                             /*implicitTrunc=*/true));
  return quant::UniformQuantizedSubChannelType::get(
      flags, storage, expressed,
      DenseElementsAttr::get(RankedTensorType::get(grid, expressed),
                             scaleNumbers),
      DenseElementsAttr::get(RankedTensorType::get(grid, storage), zeroBits),
      axes, blocks, min, max);
}

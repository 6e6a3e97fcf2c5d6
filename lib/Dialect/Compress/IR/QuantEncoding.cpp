//===- QuantEncoding.cpp - The quant encoding -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constraints and the host reference; QuantEncodingIR.cpp emits the same
// arithmetic as IR.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "compress/Dialect/Compress/IR/Minifloat.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

LogicalResult QuantAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                Type codeType, ArrayRef<int64_t> group,
                                EncodingAttrInterface scale,
                                EncodingAttrInterface zero) {
  if (auto integer = dyn_cast<IntegerType>(codeType)) {
    if (integer.getWidth() < 1 || integer.getWidth() > 16)
      return emitError() << "quant: integer codes have 1 to 16 bits, found "
                         << codeType;
  } else if (!isMinifloat(codeType) || isa<Float8E8M0FNUType>(codeType)) {
    return emitError() << "quant: codes are iN, uiN or a float with a sign of "
                          "at most 8 bits, found "
                       << codeType;
  }
  if (failed(verifyGroup(emitError, "quant", group)))
    return failure();
  if (!scale)
    return emitError() << "quant: scale is missing";
  if (auto dense = dyn_cast<DenseAttr>(scale))
    if (!isa<FloatType>(dense.getStorageType()))
      return emitError() << "quant: scale must be a float type or an "
                            "encoding, found "
                         << dense.getStorageType();
  if (zero) {
    if (isa<FloatType>(codeType))
      return emitError() << "quant: float codes have no zero point";
    if (auto dense = dyn_cast<DenseAttr>(zero))
      if (isa<Float8E8M0FNUType>(dense.getStorageType()))
        return emitError() << "quant: f8E8M0FNU has no zero, so it cannot "
                              "store zero points";
  }
  return success();
}

/// The logical element type of zero points.
static Type getZeroElementType(QuantAttr attr) {
  auto dense = dyn_cast<DenseAttr>(attr.getZero());
  if (dense && isa<IntegerType>(dense.getStorageType()))
    return IntegerType::get(attr.getContext(), 32);
  return Float32Type::get(attr.getContext());
}

LogicalResult
QuantAttr::verifyEncoding(function_ref<InFlightDiagnostic()> emitError,
                          ArrayRef<int64_t> shape, Type elementType) const {
  if (failed(verifySize(emitError, shape)))
    return failure();
  if (!isa<FloatType>(elementType))
    return emitError() << "quant: the logical element type must be a float, "
                          "found "
                       << elementType;
  if (getGroup().size() != shape.size())
    return emitError() << "quant: group has " << getGroup().size()
                       << " entries for a tensor of rank " << shape.size();
  SmallVector<int64_t> grid = getGroupGrid(shape);
  Type f32 = Float32Type::get(getContext());
  if (failed(getScale().verifyEncoding(emitError, grid, f32)))
    return failure();
  if (getZero())
    return getZero().verifyEncoding(emitError, grid, getZeroElementType(*this));
  return success();
}

SmallVector<int64_t> QuantAttr::getGroupGrid(ArrayRef<int64_t> shape) const {
  return compress::getGroupGrid(shape, getGroup());
}

bool QuantAttr::isFloatCode() const { return isa<FloatType>(getCodeType()); }

bool QuantAttr::isSignedCode() const {
  auto type = dyn_cast<IntegerType>(getCodeType());
  return type && !type.isUnsigned();
}

unsigned QuantAttr::getCodeWidth() const {
  return getCodeType().getIntOrFloatBitWidth();
}

std::pair<double, double> QuantAttr::getCodeRange() const {
  if (auto type = dyn_cast<FloatType>(getCodeType())) {
    double max = Minifloat::get(type).maxValue;
    return {-max, max};
  }
  unsigned width = getCodeWidth();
  if (!isSignedCode())
    return {0.0, std::ldexp(1.0, width) - 1};
  double max = std::ldexp(1.0, width - 1) - 1;
  return {width > 1 && !getZero() ? -max : -max - 1, max};
}

//===----------------------------------------------------------------------===//
// Components
//===----------------------------------------------------------------------===//

Type QuantAttr::getScaleComponentType(ArrayRef<int64_t> shape) const {
  return getComponentType(getGroupGrid(shape), Float32Type::get(getContext()),
                          getScale());
}

Type QuantAttr::getZeroComponentType(ArrayRef<int64_t> shape) const {
  return getComponentType(getGroupGrid(shape), getZeroElementType(*this),
                          getZero());
}

SmallVector<Component>
QuantAttr::getComponents(CompressedTensorType type) const {
  ArrayRef<int64_t> shape = type.getShape();
  SmallVector<int64_t> grid = getGroupGrid(shape);
  SmallVector<Component> components{
      makeDenseComponent("codes", shape, type.getElementType(), getCodeType()),
      makeComponent("scales", grid, Float32Type::get(getContext()),
                    getScale())};
  if (getZero())
    components.push_back(
        makeComponent("zeros", grid, getZeroElementType(*this), getZero()));
  return components;
}

EncodingAttrInterface QuantAttr::withComponentEncodings(
    ArrayRef<EncodingAttrInterface> encodings) const {
  return QuantAttr::get(getContext(), getCodeType(), getGroup(), encodings[1],
                        getZero() ? encodings[2] : EncodingAttrInterface());
}

unsigned QuantAttr::getNumParameters() const { return getZero() ? 2 : 1; }

//===----------------------------------------------------------------------===//
// Host reference
//===----------------------------------------------------------------------===//

/// The decoded scales, and zero points as f32 or exact integers.
namespace {
struct Parameters {
  HostTensor scales; // f32
  HostTensor zeros;  // i32 or f32; empty when there are none
};
} // namespace

static llvm::Expected<Parameters>
decodeParameters(QuantAttr attr, ArrayRef<int64_t> shape,
                 ArrayRef<HostTensor> leaves) {
  Parameters parameters;
  Type f32 = Float32Type::get(attr.getContext());
  Type scaleType = attr.getScaleComponentType(shape);
  unsigned scaleLeaves = getNumLeaves(scaleType);
  auto scales = decodeComponent(scaleType, f32, attr.getScale(),
                                leaves.take_front(scaleLeaves));
  if (!scales)
    return scales.takeError();
  parameters.scales = *scales;
  if (attr.getZero()) {
    auto zeros = decodeComponent(attr.getZeroComponentType(shape),
                                 getZeroElementType(attr), attr.getZero(),
                                 leaves.drop_front(scaleLeaves));
    if (!zeros)
      return zeros.takeError();
    parameters.zeros = *zeros;
  }
  return parameters;
}

template <typename T>
static void decodeValues(QuantAttr attr, CompressedTensorType type,
                         const HostTensor &codes, const Parameters &parameters,
                         HostTensor &out) {
  GroupIndexer groups(type.getShape(), attr.getGroup(),
                      attr.getGroupGrid(type.getShape()));
  const HostTensor &zeros = parameters.zeros;
  bool intZero = zeros && isa<IntegerType>(zeros.getElementType());
  std::vector<float> table;
  if (attr.isFloatCode())
    table = getMinifloatTable(cast<FloatType>(attr.getCodeType()));
  ArrayRef<float> scales = parameters.scales.getData<float>();
  // Not HostTensor::getInt, for which i1 is a boolean and not a signed code.
  auto getCode = [&, isSigned = attr.isSignedCode()](int64_t i) {
    uint64_t bits = codes.getBits(i);
    return isSigned ? llvm::SignExtend64(bits, codes.getBitWidth())
                    : int64_t(bits);
  };
  for (int64_t i = 0, e = codes.getNumElements(); i < e; ++i) {
    int64_t group = groups.next();
    T value;
    if (attr.isFloatCode())
      value = table[codes.getBits(i)];
    else if (!zeros)
      value = T(getCode(i));
    else if (intZero)
      value = T(getCode(i) - zeros.getInt(group));
    else
      value = T(getCode(i)) - T(zeros.getDouble(group));
    out.setDouble(i, value * T(scales[group]));
  }
}

llvm::Expected<HostTensor>
QuantAttr::decodeHost(CompressedTensorType type,
                      ArrayRef<HostTensor> leaves) const {
  HostTensor codes = leaves[0].bitcast(getCodeType());
  auto parameters =
      decodeParameters(*this, type.getShape(), leaves.drop_front());
  if (!parameters)
    return parameters.takeError();
  HostTensor out = HostTensor::allocate(type.getShape(), type.getElementType());
  if (type.getElementType().isF64())
    decodeValues<double>(*this, type, codes, *parameters, out);
  else
    decodeValues<float>(*this, type, codes, *parameters, out);
  return out;
}

FailureOr<DenseValue>
QuantAttr::describeDecode(TensorBuilder &b, CompressedTensorType type,
                          ArrayRef<ComponentValue> parts) const {
  Type compute = getComputeType(type.getElementType());
  // Codes are numbers here: signed ones even at a width of one bit.
  Type number = isFloatCode() ? compute : b.getI32();
  Type storage = getCodeType();
  if (isSignedCode())
    storage =
        IntegerType::get(getContext(), getCodeWidth(), IntegerType::Signed);
  ComponentValue codePart = parts[0];
  codePart.component.elementType = number;
  codePart.component.encoding = DenseAttr::get(getContext(), storage);
  auto code = b.decode(codePart);
  auto scale = b.decode(parts[1]);
  if (failed(code) || failed(scale))
    return failure();
  DenseValue value = *code;
  if (getZero()) {
    auto zero = b.decode(parts[2]);
    if (failed(zero))
      return failure();
    bool isInteger = isa<IntegerType>(zero->elementType);
    DenseValue zeros = b.expandGroups(*zero, getGroup(), value);
    value = isInteger ? b.cast(b.sub(value, zeros), compute)
                      : b.sub(b.cast(value, compute), b.cast(zeros, compute));
  }
  value = b.cast(value, compute);
  DenseValue scales =
      b.expandGroups(b.cast(*scale, compute), getGroup(), value);
  return b.cast(b.mul(value, scales), type.getElementType());
}

static uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

static bool isPowerOfTwoScale(QuantAttr attr) {
  auto dense = dyn_cast<DenseAttr>(attr.getScale());
  return dense && isa<Float8E8M0FNUType>(dense.getStorageType());
}

/// The scale of a group whose values lie in [lo, hi], before it is encoded.
static float chooseScale(QuantAttr attr, float lo, float hi) {
  auto [codeLo, codeHi] = attr.getCodeRange();
  if (attr.getZero()) {
    float scale =
        (std::fmax(hi, 0.0f) - std::fmin(lo, 0.0f)) / float(codeHi - codeLo);
    return scale == 0 ? 1.0f : scale;
  }
  float absmax = std::fmax(std::fabs(lo), std::fabs(hi));
  if (absmax == 0)
    return 1.0f;
  if (attr.isFloatCode() && isPowerOfTwoScale(attr)) {
    // OCP MX 1.0, 6.3: 2^(floor(log2(absmax)) - emax).
    Minifloat format = Minifloat::get(cast<FloatType>(attr.getCodeType()));
    int exponent = int(bitsOf(absmax) >> 23) - format.maxExponent;
    return floatOf(uint32_t(std::max(exponent, 1)) << 23);
  }
  float scale = absmax / float(std::fmax(std::fabs(codeLo), std::fabs(codeHi)));
  // The next power of two above, so that no value is clipped.
  if (isPowerOfTwoScale(attr))
    scale = floatOf((bitsOf(scale) + 0x7fffff) & 0x7f800000);
  return scale;
}

llvm::Expected<SmallVector<HostTensor>>
QuantAttr::parametersFromRanges(CompressedTensorType type, ArrayRef<float> lo,
                                ArrayRef<float> hi) const {
  SmallVector<int64_t> grid = getGroupGrid(type.getShape());
  Type f32 = Float32Type::get(getContext());
  HostTensor scales = HostTensor::allocate(grid, f32);
  auto scaleData = scales.getMutableData<float>();
  assert(lo.size() == scaleData.size() && hi.size() == scaleData.size());
  for (size_t i = 0; i < scaleData.size(); ++i)
    scaleData[i] = chooseScale(*this, lo[i], hi[i]);
  SmallVector<HostTensor> leaves;
  Type scaleType = getScaleComponentType(type.getShape());
  if (llvm::Error error =
          encodeComponent(scaleType, getScale(), scales, leaves))
    return std::move(error);
  if (!getZero())
    return leaves;

  // Zero points are chosen for the scale that will be decoded.
  auto effective = decodeComponent(scaleType, f32, getScale(), leaves);
  if (!effective)
    return effective.takeError();
  HostTensor zeros = HostTensor::allocate(grid, f32);
  auto zeroData = zeros.getMutableData<float>();
  auto range = getCodeRange();
  float codeLo = range.first, codeHi = range.second;
  // The bounds matter where the scale was stored as much less than asked for,
  // perhaps as 0.
  for (size_t i = 0; i < zeroData.size(); ++i)
    zeroData[i] =
        std::fmin(std::fmax(codeLo - std::fmin(lo[i], 0.0f) /
                                         effective->getData<float>()[i],
                            codeLo),
                  codeHi);
  // Integer zero points stay codes, so that a zero value has an exact code.
  Type zeroElement = getZeroElementType(*this);
  if (isa<IntegerType>(zeroElement)) {
    HostTensor rounded = HostTensor::allocate(grid, zeroElement);
    for (size_t i = 0; i < zeroData.size(); ++i)
      rounded.setDouble(i, std::nearbyint(zeroData[i]));
    zeros = rounded;
  }
  if (llvm::Error error = encodeComponent(getZeroComponentType(type.getShape()),
                                          getZero(), zeros, leaves))
    return std::move(error);
  return leaves;
}

llvm::Expected<SmallVector<HostTensor>>
QuantAttr::encodeHost(CompressedTensorType type, const HostTensor &value,
                      ArrayRef<HostTensor> parameterLeaves) const {
  ArrayRef<int64_t> shape = type.getShape();
  SmallVector<int64_t> grid = getGroupGrid(shape);
  std::vector<float> values = value.toFloats();
  SmallVector<HostTensor> parameters(parameterLeaves);
  if (parameters.empty()) {
    int64_t count = 1;
    for (int64_t dim : grid)
      count *= dim;
    std::vector<float> lo(count, 0.0f), hi(count, 0.0f);
    GroupIndexer groups(shape, getGroup(), grid);
    for (float x : values) {
      int64_t group = groups.next();
      // Written so that NaN changes nothing, as in the IR.
      lo[group] = x < lo[group] ? x : lo[group];
      hi[group] = x > hi[group] ? x : hi[group];
    }
    auto computed = parametersFromRanges(type, lo, hi);
    if (!computed)
      return computed.takeError();
    parameters = *computed;
  }
  auto decoded = decodeParameters(*this, shape, parameters);
  if (!decoded)
    return decoded.takeError();

  HostTensor codes = HostTensor::allocate(shape, getCodeType());
  GroupIndexer groups(shape, getGroup(), grid);
  ArrayRef<float> scales = decoded->scales.getData<float>();
  const HostTensor &zeros = decoded->zeros;
  bool intZero = zeros && isa<IntegerType>(zeros.getElementType());
  auto range = getCodeRange();
  float codeLo = range.first, codeHi = range.second;
  Minifloat format;
  if (isFloatCode())
    format = Minifloat::get(cast<FloatType>(getCodeType()));
  for (int64_t i = 0, e = codes.getNumElements(); i < e; ++i) {
    int64_t group = groups.next();
    float quotient = values[i] / scales[group];
    if (isFloatCode()) {
      codes.setBits(i, encodeMinifloat(quotient, format));
      continue;
    }
    float code = std::nearbyint(quotient);
    if (zeros)
      code = intZero ? code + float(zeros.getInt(group))
                     : std::nearbyint(quotient + float(zeros.getDouble(group)));
    code = code < codeHi ? code : codeHi;
    code = code > codeLo ? code : codeLo;
    codes.setBits(i, uint64_t(int64_t(code)));
  }
  Type leaf = type.getLeafTypes()[0].getElementType();
  SmallVector<HostTensor> leaves{codes.bitcast(leaf)};
  llvm::append_range(leaves, parameters);
  return leaves;
}

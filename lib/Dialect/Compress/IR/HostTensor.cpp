//===- HostTensor.cpp - Dense tensors in host memory ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/HostTensor.h"
#include "compress/Dialect/Compress/IR/Minifloat.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/APFloat.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace compress;

static int64_t product(ArrayRef<int64_t> shape) {
  int64_t n = 1;
  for (int64_t dim : shape)
    n *= dim;
  return n;
}

unsigned HostTensor::getWidth(Type elementType) {
  if (auto type = dyn_cast<IntegerType>(elementType))
    return type.getWidth() <= 64 ? type.getWidth() : 0;
  if (auto type = dyn_cast<FloatType>(elementType))
    return type.getWidth() <= 64 ? type.getWidth() : 0;
  return 0;
}

size_t HostTensor::getByteSize(ArrayRef<int64_t> shape, Type elementType) {
  return (size_t(product(shape)) * getWidth(elementType) + 7) / 8;
}

HostTensor HostTensor::borrow(ArrayRef<int64_t> shape, Type elementType,
                              ArrayRef<char> bytes,
                              std::shared_ptr<const void> owner) {
  assert(bytes.size() == getByteSize(shape, elementType));
  HostTensor result;
  result.elementType = elementType;
  result.shape.assign(shape.begin(), shape.end());
  result.numElements = product(shape);
  result.width = getWidth(elementType);
  result.data = bytes.data();
  result.size = bytes.size();
  result.owner = std::move(owner);
  return result;
}

HostTensor HostTensor::allocate(ArrayRef<int64_t> shape, Type elementType) {
  size_t size = getByteSize(shape, elementType);
  // 64-bit units keep every element type aligned.
  std::shared_ptr<uint64_t[]> buffer(new uint64_t[size / 8 + 1]());
  HostTensor result =
      borrow(shape, elementType,
             {reinterpret_cast<const char *>(buffer.get()), size}, buffer);
  result.writable = true;
  return result;
}

HostTensor HostTensor::fromFloats(ArrayRef<int64_t> shape, Type elementType,
                                  ArrayRef<float> values) {
  HostTensor result = allocate(shape, elementType);
  assert(int64_t(values.size()) == result.numElements);
  if (elementType.isF32()) {
    llvm::copy(values, result.getMutableData<float>().begin());
    return result;
  }
  for (auto [i, value] : llvm::enumerate(values))
    result.setDouble(i, value);
  return result;
}

uint64_t HostTensor::getBits(int64_t index) const {
  assert(index >= 0 && index < numElements);
  uint64_t bits = 0;
  if (width % 8 == 0) {
    std::memcpy(&bits, data + index * (width / 8), width / 8);
    return bits;
  }
  uint64_t first = uint64_t(index) * width;
  size_t byte = first / 8;
  unsigned shift = first % 8;
  unsigned count = (shift + width + 7) / 8;
  // At most 63 + 7 bits; the ninth byte is handled apart.
  std::memcpy(&bits, data + byte, std::min(count, 8u));
  bits >>= shift;
  if (count > 8)
    bits |= uint64_t(static_cast<unsigned char>(data[byte + 8]))
            << (64 - shift);
  return bits & ((uint64_t(1) << width) - 1);
}

void HostTensor::setBits(int64_t index, uint64_t bits) {
  assert(index >= 0 && index < numElements && writable);
  char *out = const_cast<char *>(data);
  if (width % 8 == 0) {
    std::memcpy(out + index * (width / 8), &bits, width / 8);
    return;
  }
  uint64_t first = uint64_t(index) * width;
  for (unsigned done = 0; done < width;) {
    size_t byte = (first + done) / 8;
    unsigned shift = (first + done) % 8;
    unsigned take = std::min(8 - shift, width - done);
    unsigned mask = ((1u << take) - 1) << shift;
    unsigned value = unsigned((bits >> done) << shift) & mask;
    out[byte] = char((static_cast<unsigned char>(out[byte]) & ~mask) | value);
    done += take;
  }
}

/// i1 is ONNX's and MLIR's boolean: unsigned. Other signless types are signed.
static bool isUnsigned(IntegerType type) {
  return type.isUnsigned() || (type.isSignless() && type.getWidth() == 1);
}

int64_t HostTensor::getInt(int64_t index) const {
  uint64_t bits = getBits(index);
  if (isUnsigned(cast<IntegerType>(elementType)) || width == 64)
    return int64_t(bits);
  return llvm::SignExtend64(bits, width);
}

double HostTensor::getDouble(int64_t index) const {
  if (auto type = dyn_cast<IntegerType>(elementType)) {
    int64_t value = getInt(index);
    return isUnsigned(type) ? double(uint64_t(value)) : double(value);
  }
  if (elementType.isF32())
    return getData<float>()[index];
  if (elementType.isF64())
    return getData<double>()[index];
  llvm::APFloat value(cast<FloatType>(elementType).getFloatSemantics(),
                      llvm::APInt(width, getBits(index)));
  bool losesInfo;
  value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven,
                &losesInfo);
  return value.convertToDouble();
}

void HostTensor::setDouble(int64_t index, double value) {
  if (auto type = dyn_cast<IntegerType>(elementType)) {
    double lo = isUnsigned(type) ? 0.0 : -std::ldexp(1.0, width - 1);
    double hi = isUnsigned(type) ? std::ldexp(1.0, width) - 1
                                 : std::ldexp(1.0, width - 1) - 1;
    double rounded = std::nearbyint(value);
    // Compared this way, NaN takes the largest value, and 2^63 - 1, which a
    // double cannot hold, saturates.
    if (!(rounded < hi)) {
      uint64_t max = isUnsigned(type) ? llvm::maxUIntN(width)
                                      : uint64_t(llvm::maxIntN(width));
      setBits(index, max);
    } else if (rounded <= lo) {
      setBits(index, isUnsigned(type) ? 0 : uint64_t(llvm::minIntN(width)));
    } else {
      setBits(index, uint64_t(int64_t(rounded)));
    }
    return;
  }
  if (elementType.isF32()) {
    getMutableData<float>()[index] = float(value);
    return;
  }
  if (elementType.isF64()) {
    getMutableData<double>()[index] = value;
    return;
  }
  if (isMinifloat(elementType)) {
    setBits(index,
            encodeMinifloat(float(value),
                            Minifloat::get(cast<FloatType>(elementType))));
    return;
  }
  llvm::APFloat number(value);
  bool losesInfo;
  number.convert(cast<FloatType>(elementType).getFloatSemantics(),
                 llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  setBits(index, number.bitcastToAPInt().getZExtValue());
}

std::vector<float> HostTensor::toFloats() const {
  std::vector<float> result(numElements);
  if (elementType.isF32()) {
    if (size)
      std::memcpy(result.data(), data, size);
    return result;
  }
  for (int64_t i = 0; i < numElements; ++i)
    result[i] = float(getDouble(i));
  return result;
}

HostTensor HostTensor::reshape(ArrayRef<int64_t> newShape) const {
  assert(product(newShape) == numElements);
  HostTensor result = *this;
  result.shape.assign(newShape.begin(), newShape.end());
  return result;
}

HostTensor HostTensor::bitcast(Type newElementType) const {
  assert(getWidth(newElementType) == width);
  HostTensor result = *this;
  result.elementType = newElementType;
  return result;
}

HostTensor HostTensor::convert(Type newElementType) const {
  if (newElementType == elementType)
    return *this;
  HostTensor result = allocate(shape, newElementType);
  for (int64_t i = 0; i < numElements; ++i)
    result.setDouble(i, getDouble(i));
  return result;
}

llvm::Expected<HostTensor> HostTensor::fromAttr(ElementsAttr attr) {
  auto type = dyn_cast<RankedTensorType>(attr.getType());
  if (!type || !getWidth(type.getElementType()))
    return llvm::createStringError("unsupported constant type");
  Type elementType = type.getElementType();
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return llvm::createStringError(
          "resource '%s' has no data",
          resource.getRawHandle().getKey().str().c_str());
    ArrayRef<char> bytes = blob->getData();
    size_t expected = getByteSize(type.getShape(), elementType);
    if (bytes.size() != expected)
      return llvm::createStringError(
          "resource '%s' holds %zu bytes where %zu are expected",
          resource.getRawHandle().getKey().str().c_str(), bytes.size(),
          expected);
    return borrow(type.getShape(), elementType, bytes);
  }
  auto dense = dyn_cast<DenseIntOrFPElementsAttr>(attr);
  if (!dense)
    return llvm::createStringError("constant is neither dense nor a resource");
  unsigned width = getWidth(elementType);
  if (!dense.isSplat() && width % 8 == 0)
    return borrow(type.getShape(), elementType, dense.getRawData());
  HostTensor result = allocate(type.getShape(), elementType);
  int64_t index = 0;
  if (isa<FloatType>(elementType)) {
    for (const llvm::APFloat &value : dense.getValues<llvm::APFloat>())
      result.setBits(index++, value.bitcastToAPInt().getZExtValue());
  } else {
    for (const llvm::APInt &value : dense.getValues<llvm::APInt>())
      result.setBits(index++, value.getZExtValue());
  }
  return result;
}

DenseResourceElementsAttr HostTensor::toResource(llvm::StringRef name) const {
  Type storage = elementType;
  if (auto type = dyn_cast<IntegerType>(storage))
    storage = IntegerType::get(type.getContext(), type.getWidth());
  auto type = RankedTensorType::get(shape, storage);
  // The blob shares the buffer; its deleter only drops the reference.
  auto keepAlive = std::make_shared<HostTensor>(*this);
  AsmResourceBlob blob(
      getBytes(), /*dataAlignment=*/1,
      [keepAlive](void *, size_t, size_t) mutable { keepAlive.reset(); },
      /*dataIsMutable=*/false);
  return DenseResourceElementsAttr::get(type, name, std::move(blob));
}

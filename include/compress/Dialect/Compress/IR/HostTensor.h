//===- HostTensor.h - Dense tensors in host memory --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The buffers that encodings, methods and calibration work on at compile time.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_HOSTTENSOR_H
#define COMPRESS_DIALECT_COMPRESS_IR_HOSTTENSOR_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace compress {

/// A dense row-major tensor. The element type is an integer of 1 to 64 bits
/// (`iN` and `siN` signed, `uiN` unsigned; i1 is a boolean) or any float type
/// of at most 64 bits. Elements are stored little endian; widths that are not
/// a whole number of bytes are packed, least significant bits first, without
/// padding. Copies share the buffer.
class HostTensor {
public:
  HostTensor() = default;
  /// A zero-filled tensor that owns its buffer.
  static HostTensor allocate(llvm::ArrayRef<int64_t> shape,
                             mlir::Type elementType);
  /// A read-only view; `owner` keeps `bytes` alive. `bytes` must have
  /// `getByteSize(shape, elementType)` bytes.
  static HostTensor borrow(llvm::ArrayRef<int64_t> shape,
                           mlir::Type elementType, llvm::ArrayRef<char> bytes,
                           std::shared_ptr<const void> owner = nullptr);
  static HostTensor fromFloats(llvm::ArrayRef<int64_t> shape,
                               mlir::Type elementType,
                               llvm::ArrayRef<float> values);
  /// Reads an attribute. Dense and dense-resource attributes of integer or
  /// float types; others are an error. Resource blobs and attributes with the
  /// same layout are borrowed and must outlive the result.
  static llvm::Expected<HostTensor> fromAttr(mlir::ElementsAttr attr);

  /// Makes a resource attribute that shares this buffer, so it is neither
  /// printed nor uniqued. The type has a signless element type.
  mlir::DenseResourceElementsAttr toResource(llvm::StringRef name) const;

  llvm::ArrayRef<int64_t> getShape() const { return shape; }
  int64_t getRank() const { return shape.size(); }
  mlir::Type getElementType() const { return elementType; }
  int64_t getNumElements() const { return numElements; }
  unsigned getBitWidth() const { return width; }
  explicit operator bool() const { return static_cast<bool>(elementType); }

  llvm::ArrayRef<char> getBytes() const { return {data, size}; }
  /// The buffer for writing; only on tensors made by `allocate`.
  llvm::MutableArrayRef<char> getMutableBytes() {
    assert(writable && "a borrowed tensor cannot be written");
    return {const_cast<char *>(data), size};
  }
  template <typename T> llvm::ArrayRef<T> getData() const {
    assert(sizeof(T) * 8 == width);
    return {reinterpret_cast<const T *>(data), size_t(numElements)};
  }
  template <typename T> llvm::MutableArrayRef<T> getMutableData() {
    assert(sizeof(T) * 8 == width && writable);
    return {reinterpret_cast<T *>(const_cast<char *>(data)),
            size_t(numElements)};
  }

  /// The raw bits of an element, zero-extended.
  uint64_t getBits(int64_t index) const;
  void setBits(int64_t index, uint64_t bits);
  /// An integer element, extended by its signedness.
  int64_t getInt(int64_t index) const;
  /// Any element as a double (exact up to 53 bits).
  double getDouble(int64_t index) const;
  /// Stores a number: floats round to nearest even and saturate at the largest
  /// finite value for types of fewer than 16 bits, integers round to nearest
  /// even and saturate; NaN becomes the largest value there.
  void setDouble(int64_t index, double value);
  std::vector<float> toFloats() const;
  /// The same buffer under another shape of equally many elements.
  HostTensor reshape(llvm::ArrayRef<int64_t> newShape) const;
  /// The same buffer under another element type of the same width.
  HostTensor bitcast(mlir::Type newElementType) const;
  /// Converts every element with `setDouble`.
  HostTensor convert(mlir::Type newElementType) const;

  /// The width of one element in bits; 0 for types a HostTensor cannot hold.
  static unsigned getWidth(mlir::Type elementType);
  /// Bytes of a packed buffer.
  static size_t getByteSize(llvm::ArrayRef<int64_t> shape,
                            mlir::Type elementType);

private:
  mlir::Type elementType;
  llvm::SmallVector<int64_t> shape;
  int64_t numElements = 0;
  unsigned width = 0;
  const char *data = nullptr;
  size_t size = 0;
  bool writable = false;
  std::shared_ptr<const void> owner;
};

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_IR_HOSTTENSOR_H

//===- ElementKernel.h - Code that computes elements ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What kernels are written with that compute tensors element by element, for
// any device: scalar arithmetic, and reading buffers of words.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_ELEMENTS_ELEMENTKERNEL_H
#define COMPRESS_LIB_TARGET_ELEMENTS_ELEMENTKERNEL_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/IR/HostTensor.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

namespace compress::device {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

/// One kernel while it is written. Its integers are i32 and index, its floats
/// f32.
class ElementKernel {
public:
  /// Code of the program around the kernel goes where `host` stands.
  ElementKernel(mlir::OpBuilder &host, mlir::Location loc)
      : b(host.getContext()), loc(loc), host(host) {}
  virtual ~ElementKernel() = default;

  mlir::OpBuilder b;
  mlir::Location loc;
  mlir::OpBuilder &host;

  //===--- Buffers --------------------------------------------------------===//
  /// A tensor of the host program as the kernel's input; returns its buffer.
  virtual unsigned addInput(Value tensor) = 0;
  /// A constant, as it is packed in a HostTensor.
  unsigned addConstant(const HostTensor &tensor, llvm::StringRef name);
  /// The extent of an axis of an input, as an index.
  virtual Value size(Value tensor, unsigned axis) = 0;
  /// The element with this row-major number in a buffer of elements of `width`
  /// bits, zero-extended to i32; of 64 bits the low half.
  virtual Value loadBits(unsigned buffer, Value at, unsigned width);
  /// Word number `at`.
  virtual Value loadWord(unsigned buffer, Value at) = 0;

  //===--- Arithmetic -----------------------------------------------------===//
  /// Whether the device has f16, subnormal numbers too.
  virtual bool hasHalf() const { return false; }
  Value index(int64_t value);
  Value i32(int64_t value);
  Value f32(double value);
  Value add(Value x, Value y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value add(Value x, int64_t y) { return y ? add(x, like(x, y)) : x; }
  Value mul(Value x, int64_t y);
  Value div(Value x, Value y);
  Value rem(Value x, Value y);
  /// Of a multiple of `y` plus a constant, the constant is divided here, so
  /// that neighbours in one word or group are seen to be such.
  Value div(Value x, int64_t y);
  Value rem(Value x, int64_t y);
  Value shiftLeft(Value x, Value y);
  Value shiftRight(Value x, Value y);
  Value shiftLeft(Value x, int64_t y) { return shiftLeft(x, like(x, y)); }
  Value shiftRight(Value x, int64_t y) { return shiftRight(x, like(x, y)); }
  Value shiftRightSigned(Value x, int64_t y);
  Value bitAnd(Value x, int64_t y);
  Value bitOr(Value x, Value y);
  Value compare(mlir::arith::CmpIPredicate predicate, Value x, Value y);
  Value select(Value c, Value x, Value y);
  Value toI32(Value x);
  Value toIndex(Value x);
  Value bitcast(Value x, Type type);
  /// The f32 that the lower bits of an i32 are as f16; and the bits, in an i32,
  /// of an f32 that f16 has.
  Value fromHalf(Value bits);
  Value toHalf(Value x);
  /// The value of an affine expression of non-negative loop indices.
  Value apply(mlir::AffineExpr expr, ValueRange dims);
  /// Row-major number and back; extents are indices.
  Value linearize(ValueRange position, ValueRange extents);
  mlir::SmallVector<Value> delinearize(Value linear, ValueRange extents);

  /// Nested counted loops around `body`, which maps the carried value.
  Value loops(ValueRange extents, Value start,
              llvm::function_ref<Value(ValueRange, Value)> body);

private:
  Value like(Value x, int64_t value);

  llvm::SmallVector<std::pair<HostTensor, unsigned>> constants;
};

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_ELEMENTS_ELEMENTKERNEL_H

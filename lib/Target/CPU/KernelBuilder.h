//===- KernelBuilder.h - Terse construction of kernel code ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What generated kernels are written with: scalar and vector arithmetic, loops
// with carried values, and tasks that run on threads when that pays.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELBUILDER_H
#define COMPRESS_LIB_TARGET_CPU_KERNELBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace compress::cpu {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

class KernelBuilder {
public:
  KernelBuilder(mlir::func::FuncOp function);

  mlir::OpBuilder b;
  mlir::Location loc;
  mlir::func::FuncOp function;

  ValueRange getArguments() { return function.getArguments(); }

  //===--- Types ----------------------------------------------------------===//
  Type i8() { return b.getI8Type(); }
  Type i16() { return b.getIntegerType(16); }
  Type i32() { return b.getI32Type(); }
  Type f32() { return b.getF32Type(); }
  mlir::VectorType vector(int64_t lanes, Type element) {
    return mlir::VectorType::get(lanes, element);
  }

  //===--- Constants; of vector type when `like` is one -------------------===//
  Value index(int64_t value);
  Value integer(Type type, int64_t value);
  Value real(float value) { return real(f32(), value); }
  Value real(Type type, float value);
  /// A constant i1 vector whose first `count` lanes are set.
  Value prefixMask(int64_t lanes, int64_t count);

  //===--- Integer and index arithmetic -----------------------------------===//
  Value add(Value x, Value y) {
    return mlir::arith::AddIOp::create(b, loc, x, y);
  }
  Value add(Value x, int64_t y) { return y ? add(x, constantLike(x, y)) : x; }
  Value sub(Value x, Value y) {
    return mlir::arith::SubIOp::create(b, loc, x, y);
  }
  Value mul(Value x, Value y) {
    return mlir::arith::MulIOp::create(b, loc, x, y);
  }
  Value mul(Value x, int64_t y) {
    return y == 1 ? x : mul(x, constantLike(x, y));
  }
  Value div(Value x, int64_t y) {
    return y == 1 ? x
                  : mlir::arith::DivUIOp::create(b, loc, x, constantLike(x, y));
  }
  Value rem(Value x, int64_t y) {
    return mlir::arith::RemUIOp::create(b, loc, x, constantLike(x, y));
  }
  Value ceilDiv(Value x, int64_t y) { return div(add(x, y - 1), y); }
  Value minimum(Value x, Value y) {
    return mlir::arith::MinUIOp::create(b, loc, x, y);
  }
  Value bitAnd(Value x, int64_t y) {
    return mlir::arith::AndIOp::create(b, loc, x, constantLike(x, y));
  }
  Value bitOr(Value x, Value y) {
    return mlir::arith::OrIOp::create(b, loc, x, y);
  }
  Value shiftLeft(Value x, int64_t y) {
    return y ? mlir::arith::ShLIOp::create(b, loc, x, constantLike(x, y)) : x;
  }
  Value shiftRight(Value x, int64_t y) {
    return y ? mlir::arith::ShRUIOp::create(b, loc, x, constantLike(x, y)) : x;
  }
  Value shiftRightSigned(Value x, int64_t y) {
    return y ? mlir::arith::ShRSIOp::create(b, loc, x, constantLike(x, y)) : x;
  }
  Value lessThan(Value x, Value y);
  Value lessOrEqual(Value x, Value y);
  Value select(Value c, Value x, Value y) {
    return mlir::arith::SelectOp::create(b, loc, c, x, y);
  }
  /// Widens, narrows or converts between integers and floats; integers are
  /// signed unless `isUnsigned`. Vector shapes carry over.
  Value convert(Value x, Type element, bool isUnsigned = false);
  Value bitcast(Value x, Type type);
  Value toIndex(Value x);

  //===--- Float arithmetic -----------------------------------------------===//
  Value addF(Value x, Value y) {
    return mlir::arith::AddFOp::create(b, loc, x, y);
  }
  Value subF(Value x, Value y) {
    return mlir::arith::SubFOp::create(b, loc, x, y);
  }
  Value mulF(Value x, Value y) {
    return mlir::arith::MulFOp::create(b, loc, x, y);
  }
  Value divF(Value x, Value y) {
    return mlir::arith::DivFOp::create(b, loc, x, y);
  }
  /// `x < y ? x : y` and `x > y ? x : y`: `y` when `x` is NaN.
  Value minF(Value x, Value y);
  Value maxF(Value x, Value y);
  Value roundEven(Value x);
  /// `x * y + z`, fused if `fused`.
  Value multiplyAdd(Value x, Value y, Value z, bool fused);

  //===--- Vectors and memory ---------------------------------------------===//
  Value splat(Value scalar, int64_t lanes);
  Value shuffle(Value x, Value y, mlir::ArrayRef<int64_t> mask);
  Value dim(Value memref, unsigned axis);
  Value load(Value memref, ValueRange at);
  void store(Value value, Value memref, ValueRange at);
  Value loadVector(int64_t lanes, Value memref, ValueRange at);
  void storeVector(Value value, Value memref, ValueRange at);
  /// Lanes where the mask is off read as zero and are not written.
  Value loadMasked(int64_t lanes, Value memref, ValueRange at, Value mask);
  void storeMasked(Value value, Value memref, ValueRange at, Value mask);
  /// Scratch of a static size, 64-byte aligned, until the function returns.
  Value scratch(mlir::ArrayRef<int64_t> shape, Type element);
  Value call(mlir::StringRef intrinsic, Type result, ValueRange arguments);
  /// Turns rows into columns; as many vectors as lanes, a power of two.
  mlir::SmallVector<Value> transpose(mlir::SmallVector<Value> rows);

  //===--- Control --------------------------------------------------------===//
  using LoopBody = llvm::function_ref<mlir::SmallVector<Value>(
      Value iv, ValueRange carried)>;
  /// A counted loop with carried values; returns their last values.
  mlir::SmallVector<Value> loop(Value lower, Value upper, int64_t step,
                                ValueRange carried, LoopBody body);
  void loop(Value lower, Value upper, int64_t step,
            llvm::function_ref<void(Value iv)> body);
  void ifThen(Value condition, llvm::function_ref<void()> body,
              llvm::function_ref<void()> otherwise = {});
  mlir::SmallVector<Value>
  ifValue(Value condition, llvm::function_ref<mlir::SmallVector<Value>()> body,
          llvm::function_ref<mlir::SmallVector<Value>()> otherwise);
  /// Runs `body(builder, task)` for every task in [0, count), in a function of
  /// its own that gets this function's arguments: on threads unless `isSmall`
  /// (an i1) says that starting them costs more than the work.
  void tasks(Value count, Value isSmall,
             llvm::function_ref<void(KernelBuilder &, Value task)> body);
  /// Index values of a row-major position.
  mlir::SmallVector<Value> delinearize(Value linear,
                                       mlir::ArrayRef<int64_t> sizes);

private:
  Value constantLike(Value like, int64_t value);
  unsigned numTasks = 0;
};

/// Names the private function `name` of `module` with these memref or scalar
/// parameters, making it with `body` if it is not there yet. It bears the
/// attribute `compress.generated`.
void getOrCreateKernel(mlir::ModuleOp module, mlir::StringRef name,
                       mlir::TypeRange parameters,
                       llvm::function_ref<void(KernelBuilder &)> body);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELBUILDER_H

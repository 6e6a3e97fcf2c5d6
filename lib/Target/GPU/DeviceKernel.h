//===- DeviceKernel.h - Terse construction of device kernels ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_GPU_DEVICEKERNEL_H
#define COMPRESS_LIB_TARGET_GPU_DEVICEKERNEL_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/IR/HostTensor.h"
#include "compress/Target/GPU/Device.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace compress::device {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

/// One kernel while it is written, and the host code that launches it. The
/// kernel's integers are i32 and index, its floats f32; indices have 32 bits.
class DeviceKernel {
public:
  /// Host code goes where `host` stands. Workgroups have `workgroupSize`
  /// invocations, by default as many as suit the device.
  DeviceKernel(mlir::OpBuilder &host, mlir::Location loc, mlir::ModuleOp module,
               const DeviceInterface &device, int64_t workgroupSize = 0);
  /// Erases the kernel unless it was finished.
  ~DeviceKernel();

  mlir::OpBuilder b;
  mlir::Location loc;
  mlir::OpBuilder &host;
  const DeviceInterface &device;
  const int64_t workgroupSize;

  //===--- Buffers --------------------------------------------------------===//
  /// A tensor of the host program as the kernel's input; returns its buffer.
  unsigned addInput(Value tensor);
  /// A constant, as it is packed in a HostTensor.
  unsigned addConstant(const HostTensor &tensor, llvm::StringRef name);
  /// The extent of an axis of an input, as an index.
  Value size(Value tensor, unsigned axis);
  /// The element with this row-major number in a buffer of elements of `width`
  /// bits, zero-extended to i32; of 64 bits the low half.
  Value loadBits(unsigned buffer, Value at, unsigned width);
  /// The memref of a buffer.
  Value getBuffer(unsigned buffer) { return buffers[buffer].argument; }
  /// Word number `at`.
  Value loadWord(unsigned buffer, Value at);

  //===--- Arithmetic -----------------------------------------------------===//
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
  /// x * y + z of f32, where the device may round once.
  Value multiplyAdd(Value x, Value y, Value z);
  Value toI32(Value x);
  Value toIndex(Value x);
  Value bitcast(Value x, Type type);
  /// The value of an affine expression of non-negative loop indices.
  Value apply(mlir::AffineExpr expr, ValueRange dims);
  /// Row-major number and back; extents are indices.
  Value linearize(ValueRange position, ValueRange extents);
  mlir::SmallVector<Value> delinearize(Value linear, ValueRange extents);

  /// Nested counted loops around `body`, which maps the carried value.
  Value loops(ValueRange extents, Value start,
              llvm::function_ref<Value(ValueRange, Value)> body);

  //===--- The whole ------------------------------------------------------===//
  /// Fills a tensor of `type` with the elements that `element` gives for the
  /// position, f32 or i32; sizes (of the host) are those of the type where it
  /// is static. Ends the kernel and returns the tensor; null, with a reason,
  /// when it needs more than the device has.
  Value finish(mlir::RankedTensorType type,
               llvm::ArrayRef<mlir::OpFoldResult> sizes,
               llvm::function_ref<Value(ValueRange position)> element,
               std::string &reason);

  /// The same by workgroups: so many as `countGroups` computes, on the host,
  /// from the sizes (i64). `body` writes what workgroup number `group` does,
  /// with `store`.
  Value
  finishGroups(mlir::RankedTensorType type,
               llvm::ArrayRef<mlir::OpFoldResult> sizes,
               llvm::function_ref<Value(ValueRange hostSizes)> countGroups,
               llvm::function_ref<void(ValueRange sizes, Value group)> body,
               std::string &reason);
  /// Writes the element of the result with this row-major number.
  void store(Value at, Value value);
  /// The number of the invocation in its workgroup.
  Value getThread();

private:
  struct Buffer {
    Value tensor; // of the host; null for the result
    mlir::BlockArgument argument;
  };
  unsigned addBuffer(Value tensor);
  Value getGroup();
  /// Sizes of the result, on the host (i64) and in the kernel (index); false
  /// with a reason when the device cannot have such a result.
  bool readSizes(mlir::RankedTensorType type,
                 llvm::ArrayRef<mlir::OpFoldResult> extents,
                 llvm::SmallVectorImpl<Value> &hostSizes,
                 llvm::SmallVectorImpl<Value> &sizes, std::string &reason);
  /// Sets the number of invocations, of the host; returns it in the kernel.
  Value readInvocations(Value count);
  /// Ends the kernel; see finish.
  Value complete(mlir::RankedTensorType type,
                 llvm::ArrayRef<mlir::OpFoldResult> extents,
                 std::string &reason);
  /// A number of the host program, i64, as an i32 of the kernel.
  Value parameter(Value number);
  Value like(Value x, int64_t value);
  mlir::MemRefType getBufferType();

  mlir::ModuleOp module;
  mlir::gpu::GPUModuleOp kernelModule;
  mlir::gpu::GPUFuncOp function;
  mlir::SmallVector<Buffer> buffers;
  /// That of the result.
  std::optional<unsigned> out;
  /// Numbers of the host program; the first is that of invocations, null until
  /// it is known.
  mlir::SmallVector<Value> parameters;
  llvm::DenseMap<Value, unsigned> inputs;
  llvm::DenseMap<std::pair<Value, unsigned>, Value> sizes;
  mlir::SmallVector<std::pair<HostTensor, unsigned>> constants;
};

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_GPU_DEVICEKERNEL_H

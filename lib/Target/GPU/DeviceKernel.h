//===- DeviceKernel.h - Terse construction of device kernels ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_GPU_DEVICEKERNEL_H
#define COMPRESS_LIB_TARGET_GPU_DEVICEKERNEL_H

#include "../Elements/ElementKernel.h"
#include "compress/Target/GPU/Device.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace compress::device {

/// One kernel while it is written, and the host code that launches it. Indices
/// have 32 bits.
class DeviceKernel : public ElementKernel {
public:
  /// Host code goes where `host` stands. Workgroups have `workgroupSize`
  /// invocations, by default as many as suit the device.
  DeviceKernel(mlir::OpBuilder &host, mlir::Location loc, mlir::ModuleOp module,
               const DeviceInterface &device, int64_t workgroupSize = 0);
  /// Erases the kernel unless it was finished.
  ~DeviceKernel() override;

  const DeviceInterface &device;
  const int64_t workgroupSize;

  //===--- Buffers --------------------------------------------------------===//
  unsigned addInput(Value tensor) override;
  Value size(Value tensor, unsigned axis) override;
  Value loadWord(unsigned buffer, Value at) override;
  /// The memref of a buffer.
  Value getBuffer(unsigned buffer) { return buffers[buffer].argument; }

  bool hasHalf() const override { return device.hasHalf; }
  /// x * y + z of f32, where the device may round once.
  Value multiplyAdd(Value x, Value y, Value z);

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
};

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_GPU_DEVICEKERNEL_H

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
  /// Host code goes where `host` stands.
  DeviceKernel(mlir::OpBuilder &host, mlir::Location loc, mlir::ModuleOp module,
               const DeviceInterface &device);
  /// Erases the kernel unless it was finished.
  ~DeviceKernel() override;

  const DeviceInterface &device;

  //===--- Buffers --------------------------------------------------------===//
  unsigned addInput(Value tensor) override;
  unsigned addConstant(const HostTensor &tensor, llvm::StringRef name) override;
  Value size(Value tensor, unsigned axis) override;
  Value loadWord(unsigned buffer, Value at) override;

  //===--- The whole ------------------------------------------------------===//
  /// Fills a tensor of `type` with the elements that `element` gives for the
  /// position, f32 or i32; sizes (of the host) are those of the type where it
  /// is static. Ends the kernel and returns the tensor; null, with a reason,
  /// when it needs more than the device has.
  Value finish(mlir::RankedTensorType type,
               llvm::ArrayRef<mlir::OpFoldResult> sizes,
               llvm::function_ref<Value(ValueRange position)> element,
               std::string &reason);

private:
  struct Buffer {
    Value tensor; // of the host; null for the result
    mlir::BlockArgument argument;
  };
  unsigned addBuffer(Value tensor);
  /// A number of the host program, i64, as an i32 of the kernel.
  Value parameter(Value number);
  mlir::MemRefType getBufferType();

  mlir::ModuleOp module;
  mlir::gpu::GPUModuleOp kernelModule;
  mlir::gpu::GPUFuncOp function;
  mlir::SmallVector<Buffer> buffers;
  /// Numbers of the host program; the first is that of invocations, null until
  /// it is known.
  mlir::SmallVector<Value> parameters;
  llvm::DenseMap<Value, unsigned> inputs;
  llvm::DenseMap<std::pair<Value, unsigned>, Value> sizes;
  mlir::SmallVector<std::pair<HostTensor, unsigned>> constants;
};

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_GPU_DEVICEKERNEL_H

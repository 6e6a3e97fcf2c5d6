//===- TileKernel.h - Kernels around outer products -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel is tasks that each compute a part of the result; they may run on
// threads. Tensors are read element by element, in whatever encoding.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_SME_TILEKERNEL_H
#define COMPRESS_LIB_TARGET_SME_TILEKERNEL_H

#include "../Elements/LazyTensor.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace compress::sme {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

/// One kernel while it is written: the function of a task, and the call in the
/// program.
class TileKernel : public device::ElementKernel {
public:
  /// The program's code goes where `host` stands; `type` is that of the result.
  TileKernel(mlir::OpBuilder &host, mlir::Location loc, mlir::ModuleOp module,
             mlir::RankedTensorType type);
  /// Erases the kernel unless it was finished.
  ~TileKernel() override;

  //===--- Buffers --------------------------------------------------------===//
  unsigned addInput(Value tensor) override;
  Value size(Value tensor, unsigned axis) override;
  Value loadWord(unsigned buffer, Value at) override;
  Value loadBits(unsigned buffer, Value at, unsigned width) override;

  //===--- The task -------------------------------------------------------===//
  Value getTask() { return function.getArguments().back(); }
  /// The address of `words` elements of 32 bits, until the task ends.
  Value scratch(int64_t words);
  Value load(Type type, Value pointer, Value at);
  void store(Value value, Value pointer, Value at);
  void storeResult(Value value, ValueRange position);
  void loop(Value end, llvm::function_ref<void(Value)> body);
  Value minimum(Value x, Value y);
  Value ceilDiv(Value x, int64_t y);
  Value toI64(Value index);

  //===--- The whole ------------------------------------------------------===//
  /// Ends the kernel and returns its result. `count` (of the program) is the
  /// number of tasks, which run on threads if `isParallel`; `sizes` are those
  /// of the result.
  Value finish(Value count, bool isParallel,
               llvm::ArrayRef<mlir::OpFoldResult> sizes);

private:
  struct Buffer {
    Value tensor; // of the program
    Value address;
  };
  Value addArgument(Type type, unsigned position);

  mlir::ModuleOp module;
  mlir::RankedTensorType type;
  mlir::func::FuncOp function;
  mlir::SmallVector<Buffer> buffers;
  mlir::SmallVector<Value> scalars; // of the program
  llvm::DenseMap<Value, unsigned> inputs;
  llvm::DenseMap<std::pair<Value, unsigned>, Value> sizes;
};

} // namespace compress::sme

#endif // COMPRESS_LIB_TARGET_SME_TILEKERNEL_H

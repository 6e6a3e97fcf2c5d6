//===- CodeGen.h - From the LLVM dialect to code ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_PIPELINES_CODEGEN_H
#define COMPRESS_PIPELINES_CODEGEN_H

#include "compress/Runtime/Model.h"
#include "compress/Support/Npz.h"
#include "compress/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include <functional>

namespace compress {

/// A model compiled in memory, ready to run or to be written.
class CompiledModel {
public:
  CompiledModel();
  CompiledModel(CompiledModel &&);
  CompiledModel &operator=(CompiledModel &&);
  ~CompiledModel();

  /// Compiles a module of the `onnx` dialect; the module is consumed (lowered
  /// in place). Diagnostics go to the context's handler; the error then only
  /// says that compilation failed.
  ///
  /// One model may hold code for several machines of one architecture: the one
  /// that asks for most of what the processor has is run. Weights that they
  /// pack alike are stored once. An error for two machines with the same
  /// features.
  static llvm::Expected<CompiledModel>
  compile(mlir::ModuleOp module, llvm::StringRef name, const Target &target,
          llvm::ArrayRef<TargetOptions> machines, bool remarks = false);

  /// Bytes of the data section of the weight file.
  uint64_t getWeightsSize() const;

  /// Writes DIR/model.so, DIR/model.h and DIR/model.safetensors; each file
  /// appears whole or not at all.
  llvm::Error writeArtifacts(llvm::StringRef directory) const;
  /// LLVM IR after optimization, for people; of several machines that of the
  /// most demanding.
  std::string getLLVMIR() const;

  struct Impl;

private:
  friend class JITModel;
  std::unique_ptr<Impl> impl;
};

/// What an observer sees during a run (see compress.observe): id, element type,
/// shape, strides in elements, first element.
using ObserveCallback = std::function<void(
    int64_t id, CompressDType dtype, llvm::ArrayRef<int64_t> shape,
    llvm::ArrayRef<int64_t> strides, const void *data)>;

/// A compiled model running in this process.
class JITModel {
public:
  JITModel(JITModel &&);
  ~JITModel();
  /// `threads` 0: all cores.
  static llvm::Expected<JITModel> create(CompiledModel model, int threads = 0);
  /// Runs on inputs in the order of the model; returns its outputs.
  llvm::Expected<std::vector<NpyArray>> run(llvm::ArrayRef<NpyArray> inputs);
  /// What every run gets after its own inputs.
  void setLastInputs(std::vector<NpyArray> inputs);
  void setObserver(ObserveCallback callback);
  /// Bytes of the weights, of what was prepared from them at load time, and
  /// the most that the last run had allocated at one time.
  uint64_t getMemoryBytes() const;
  /// Names, types and shapes of inputs and outputs.
  const CompressModelInfo &getInfo() const;

private:
  JITModel();
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace compress

#endif // COMPRESS_PIPELINES_CODEGEN_H

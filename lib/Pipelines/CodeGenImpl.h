//===- CodeGenImpl.h - What a compiled model consists of --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_CODEGENIMPL_H
#define COMPRESS_LIB_PIPELINES_CODEGENIMPL_H

#include "compress/Dialect/Compress/IR/HostTensor.h"
#include "compress/Pipelines/CodeGen.h"
#include "llvm/ADT/SmallVector.h"

namespace compress {

/// One tensor of the weight file.
struct StoredWeight {
  std::string name;
  uint64_t offset;
  HostTensor value;
};

/// A model input or output.
struct TensorInfo {
  std::string name;
  CompressDType dtype;
  std::vector<int64_t> shape; // -1: dynamic
};

/// The code of a model for one kind of processor.
struct CodeVariant {
  TargetOptions options; // resolved
  /// What the loader must check, separated by commas.
  std::string cpuFeatures;
  int64_t numSlots = 0;
  llvm::SmallVector<char, 0> object;
};

struct CompiledModel::Impl {
  std::string name;
  const Target *target = nullptr;
  std::vector<TensorInfo> inputs, outputs;
  std::vector<StoredWeight> weights;
  uint64_t weightsSize = 0, weightsHash = 0;
  /// The most demanding first; as compress_model_variants lists them.
  std::vector<CodeVariant> variants;
  /// Of the first variant, after optimization.
  std::string llvmIR;
};

/// The features that generated code may use and a loader must check: those
/// that change what instructions are emitted.
std::string getCheckedFeatures(const TargetOptions &options);

/// Makes the object file of a variant from its module in the LLVM dialect. The
/// weights are collected already. That of variant 0 holds the table of all.
llvm::Error emitObject(mlir::ModuleOp module, CompiledModel::Impl &impl,
                       unsigned index);

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_CODEGENIMPL_H

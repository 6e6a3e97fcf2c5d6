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

struct CompiledModel::Impl {
  std::string name, cpuFeatures;
  std::vector<TensorInfo> inputs, outputs;
  std::vector<StoredWeight> weights;
  uint64_t weightsSize = 0, weightsHash = 0;
  int64_t numSlots = 0;
  llvm::SmallVector<char, 0> object;
  std::string llvmIR;
};

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_CODEGENIMPL_H

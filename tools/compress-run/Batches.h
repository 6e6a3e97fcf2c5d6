//===- Batches.h - From files of samples to runs and back -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_TOOLS_COMPRESS_RUN_BATCHES_H
#define COMPRESS_TOOLS_COMPRESS_RUN_BATCHES_H

#include "compress/Runtime/Model.h"
#include "compress/Support/Npz.h"

#include "llvm/Support/Error.h"

#include <vector>

namespace compress {

/// How the arrays of a file become runs of a model.
///
/// Axis 0 is the sample axis where the model's batch dimension (dimension 0 of
/// an input) is 1 or dynamic: a batch of 1 runs once per sample, a dynamic one
/// in chunks. Inputs without such a dimension, and inputs whose array fits the
/// model exactly while others carry samples, are the same in all runs.
class Batches {
public:
  /// Checks names, element types and shapes of `arrays` against the model;
  /// errors list what the model expects. `chunk` is the most samples per run
  /// of a dynamic batch, 0 for all at once.
  static llvm::Expected<Batches> create(const CompressModelInfo &info,
                                        const NpzArrays &arrays, int64_t chunk);

  int64_t samples() const { return numSamples; }
  int64_t runs() const { return numRuns; }
  /// The inputs of one run; they refer to the arrays given to `create`.
  std::vector<CompressTensor> inputs(int64_t run) const;

  /// Puts the outputs of all runs together along axis 0.
  llvm::Expected<NpzArrays>
  concatenate(const std::vector<std::vector<NpyArray>> &results) const;

private:
  struct Input {
    const NpyArray *array;
    bool sliced;
  };
  const CompressModelInfo *info = nullptr;
  std::vector<Input> list;
  int64_t numSamples = 1, perRun = 1, numRuns = 1;
};

} // namespace compress

#endif // COMPRESS_TOOLS_COMPRESS_RUN_BATCHES_H

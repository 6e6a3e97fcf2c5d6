//===- LoadedModel.h - A model library opened by path -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_TOOLS_COMPRESS_RUN_LOADEDMODEL_H
#define COMPRESS_TOOLS_COMPRESS_RUN_LOADEDMODEL_H

#include "compress/Runtime/Model.h"
#include "compress/Support/Npz.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace compress {

/// model.so and its weights, through the public C interface only: what works
/// here works for any user of the library.
class LoadedModel {
public:
  /// `path` is the library or a directory with model.so in it.
  static llvm::Expected<LoadedModel> open(llvm::StringRef path, int threads,
                                          bool verify);
  LoadedModel(LoadedModel &&other);
  ~LoadedModel();

  const CompressModelInfo &info() const { return *api->info(); }
  /// "input 'x': f32 [1, 3]", one line per input and output.
  std::string signature() const;

  /// Runs once. Outputs are copied unless `outputs` is null.
  llvm::Error run(const std::vector<CompressTensor> &inputs,
                  std::vector<NpyArray> *outputs);
  size_t peakBytes() const { return api->peak_bytes(model); }

private:
  LoadedModel() = default;
  std::string path;
  const CompressModelAPI *api = nullptr;
  CompressModel *model = nullptr;
};

} // namespace compress

#endif // COMPRESS_TOOLS_COMPRESS_RUN_LOADEDMODEL_H

//===- CompiledONNX.h - An ONNX file compiled to be run ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_TOOLS_COMPRESS_RUN_COMPILEDONNX_H
#define COMPRESS_TOOLS_COMPRESS_RUN_COMPILEDONNX_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace compress {

/// A temporary folder that holds an ONNX model compiled without compression by
/// the compress-compile beside this program; removed with the object.
class CompiledONNX {
public:
  static llvm::Expected<CompiledONNX> create(llvm::StringRef model);
  CompiledONNX(CompiledONNX &&other) : path(std::move(other.path)) {
    other.path.clear();
  }
  CompiledONNX &operator=(CompiledONNX &&) = delete;
  ~CompiledONNX();
  const std::string &getPath() const { return path; }

private:
  CompiledONNX() = default;
  std::string path;
};

} // namespace compress

#endif // COMPRESS_TOOLS_COMPRESS_RUN_COMPILEDONNX_H

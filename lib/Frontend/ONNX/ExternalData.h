//===- ExternalData.h - tensors in files beside the model ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// https://onnx.ai/onnx/repo-docs/ExternalData.html

#ifndef LIB_FRONTEND_ONNX_EXTERNALDATA_H
#define LIB_FRONTEND_ONNX_EXTERNALDATA_H

#include "compress/Support/OutputFile.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace compress::onnx::detail {

/// Where the bytes of one tensor are, as the model says it.
struct ExternalLocation {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

/// Checks a location: relative, without `..`, not empty.
llvm::Error checkLocation(llvm::StringRef location);

/// Maps the files of a model, each once.
class ExternalReader {
public:
  /// `directory` is where locations are relative to; nothing when the model has
  /// no folder, and then external data is an error.
  explicit ExternalReader(std::optional<std::string> directory)
      : directory(std::move(directory)) {}

  /// A part of a mapped file, alive as long as `owner`.
  struct Bytes {
    std::shared_ptr<void> owner;
    llvm::ArrayRef<char> data;
  };
  /// The `size` bytes of a tensor.
  llvm::Expected<Bytes> read(const ExternalLocation &at, uint64_t size);

private:
  struct File {
    llvm::sys::fs::mapped_file_region region;
    uint64_t size = 0;
  };
  llvm::Expected<std::shared_ptr<File>> open(llvm::StringRef location);

  std::optional<std::string> directory;
  llvm::StringMap<std::shared_ptr<File>> files;
};

/// Collects the bytes of external tensors and writes each file at once.
class ExternalWriter {
public:
  /// `directory` is nothing when there is no place for files; external tensors
  /// are an error then.
  ExternalWriter(std::optional<std::string> directory, std::string defaultFile,
                 std::optional<uint64_t> threshold)
      : directory(std::move(directory)), defaultFile(std::move(defaultFile)),
        threshold(threshold) {}

  /// Whether a tensor of `size` bytes that was inline becomes external.
  bool wants(uint64_t size) const { return threshold && size >= *threshold; }
  /// Puts `data` in the default file, on the next page.
  llvm::Expected<ExternalLocation> append(llvm::ArrayRef<char> data);
  /// Puts `data` where the imported model had it.
  llvm::Error place(const ExternalLocation &at, llvm::ArrayRef<char> data);
  /// A copy of `data` that lives as long as this.
  llvm::ArrayRef<char> keep(llvm::ArrayRef<char> data);
  /// Writes all files; the caller commits them. `data` of the calls above must
  /// still be there. Fails when tensors that share bytes disagree about them.
  llvm::Expected<std::vector<OutputFile>> write();

private:
  struct Part {
    uint64_t offset;
    llvm::ArrayRef<char> data;
  };
  static llvm::Error writeParts(llvm::StringRef location,
                                std::vector<Part> &parts,
                                llvm::raw_ostream &os);

  std::optional<std::string> directory;
  std::string defaultFile;
  std::optional<uint64_t> threshold;
  std::deque<std::vector<char>> kept;
  // Ordered, so that the result does not depend on hashing.
  std::map<std::string, std::vector<Part>> files;
  uint64_t end = 0;
};

} // namespace compress::onnx::detail

#endif // LIB_FRONTEND_ONNX_EXTERNALDATA_H

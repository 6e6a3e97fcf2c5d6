//===- OutputFile.h - Files that appear whole or not at all -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_SUPPORT_OUTPUTFILE_H
#define COMPRESS_SUPPORT_OUTPUTFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <memory>
#include <optional>
#include <string>

namespace compress {

/// A file written under a temporary name in the target's directory and renamed
/// by `commit`. Without commit, or when a signal ends the process, nothing
/// stays behind and an older file of that name is untouched. Devices and pipes
/// (/dev/stdout) are written directly.
class OutputFile {
public:
  /// Fails if the directory is missing or not writable, or `path` is one.
  static llvm::Expected<OutputFile> create(llvm::StringRef path);

  OutputFile(OutputFile &&) = default;
  OutputFile &operator=(OutputFile &&) = delete;
  ~OutputFile();

  /// Buffered. Write errors (a full disk) are kept and reported by `commit`.
  llvm::raw_fd_ostream &os() { return *stream; }
  llvm::StringRef path() const { return target; }

  /// Overwrites `size` bytes at `offset`, which were written before.
  llvm::Error patch(uint64_t offset, const void *data, size_t size);

  /// Flushes and gives the file its name. With `sync`, waits until the bytes
  /// are on the disk.
  llvm::Error commit(bool sync = false);

private:
  OutputFile() = default;
  llvm::Error fail(std::error_code code);

  std::string target;
  std::optional<llvm::sys::fs::TempFile> temp;
  std::unique_ptr<llvm::raw_fd_ostream> stream;
};

/// Writes `contents` to `path` through OutputFile.
llvm::Error writeFile(llvm::StringRef path, llvm::StringRef contents);

} // namespace compress

#endif // COMPRESS_SUPPORT_OUTPUTFILE_H

//===- OutputDirectory.h - Files that appear together -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_OUTPUTDIRECTORY_H
#define COMPRESS_LIB_PIPELINES_OUTPUTDIRECTORY_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace compress {

/// A folder whose new files are made in a temporary folder on the same file
/// system and moved into place by `commit`. Without commit, or when a signal
/// ends the process, the folder is as it was: not there, or with its old files.
/// What killed processes (SIGKILL) leave beside it, the next one removes.
class OutputDirectory {
public:
  /// Missing parents are created. Fails, naming `path`, when it is a file or
  /// nothing can be written there. One at a time in a process.
  static llvm::Expected<OutputDirectory> create(llvm::StringRef path);

  /// For who writes nothing.
  static OutputDirectory unused(llvm::StringRef path);

  OutputDirectory(OutputDirectory &&other);
  OutputDirectory &operator=(OutputDirectory &&) = delete;
  ~OutputDirectory();

  llvm::StringRef getPath() const { return target; }
  /// Where to write the files.
  llvm::StringRef getStaging() const { return staging; }
  /// `name` in the temporary folder.
  std::string getFile(llvm::StringRef name) const;

  /// What an interrupt (Ctrl-C) prints, after it has tidied up.
  static void setInterruptNote(const std::string &note);

  /// Moves the files to `path`, replacing those of the same name.
  llvm::Error commit();

private:
  OutputDirectory() = default;
  void discard();

  std::string target, staging;
  /// Parents that `create` made, outermost first.
  std::vector<std::string> madeParents;
  /// Of the temporary folder; -1: none.
  int lock = -1;
};

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_OUTPUTDIRECTORY_H

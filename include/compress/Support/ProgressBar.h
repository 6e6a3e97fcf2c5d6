//===- ProgressBar.h - What takes long, and how far it is -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_SUPPORT_PROGRESSBAR_H
#define COMPRESS_SUPPORT_PROGRESSBAR_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <cstdint>
#include <string>

namespace compress {

/// One line on the terminal, redrawn at most ten times per second and erased
/// at the end. Silent when `os` is no terminal, so logs stay clean.
class ProgressBar {
public:
  ProgressBar(llvm::StringRef label, int64_t total,
              llvm::raw_fd_ostream &os = llvm::errs());
  ~ProgressBar();
  ProgressBar(const ProgressBar &) = delete;
  ProgressBar &operator=(const ProgressBar &) = delete;

  /// `done` of `total`; `note` says what is being done.
  void update(int64_t done, llvm::StringRef note = "");
  void finish();

private:
  std::string label;
  int64_t total;
  llvm::raw_fd_ostream &os;
  bool active;
  bool drawn = false;
  std::chrono::steady_clock::time_point begin, last;
};

} // namespace compress

#endif // COMPRESS_SUPPORT_PROGRESSBAR_H

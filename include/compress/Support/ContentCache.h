//===- ContentCache.h - Results kept on disk by content ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_SUPPORT_CONTENTCACHE_H
#define COMPRESS_SUPPORT_CONTENTCACHE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <atomic>
#include <memory>
#include <optional>
#include <string>

namespace compress {

/// A folder of entries, one file each, that are found by a key: a text that
/// says all that the entry depends on. Processes may share a folder and may be
/// killed at any time: a file appears whole or not at all. What is truncated or
/// changed is detected by a checksum and treated as missing.
///
/// All functions may be called from any thread.
class ContentCache {
public:
  /// Makes the folder when it is missing.
  static llvm::Expected<std::unique_ptr<ContentCache>>
  open(llvm::StringRef directory);

  llvm::StringRef getDirectory() const { return directory; }
  /// The bytes stored under this key.
  std::optional<std::string> lookup(llvm::StringRef key);
  /// Stores or replaces an entry.
  llvm::Error store(llvm::StringRef key, llvm::StringRef value);
  /// The file of a key, whether it exists or not.
  std::string getFile(llvm::StringRef key) const;

  /// Lookups that found an entry, and files that were not whole.
  size_t getNumFound() const { return found; }
  size_t getNumBroken() const { return broken; }

private:
  std::string directory;
  std::atomic<size_t> found{0}, broken{0};
};

/// 32 hexadecimal digits of XXH3-128. Not for adversaries.
std::string hashHex(llvm::StringRef bytes);

} // namespace compress

#endif // COMPRESS_SUPPORT_CONTENTCACHE_H

//===- TempDir.h - A directory for a test -----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_UNITTESTS_SUPPORT_TEMPDIR_H
#define COMPRESS_UNITTESTS_SUPPORT_TEMPDIR_H

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"

#include <fstream>
#include <string>

namespace compress::test {

/// Removed at the end of the test.
class TempDir {
public:
  TempDir() {
    llvm::SmallString<128> created;
    EXPECT_FALSE(
        llvm::sys::fs::createUniqueDirectory("compress-test", created));
    root = created.str().str();
  }
  ~TempDir() { (void)llvm::sys::fs::remove_directories(root); }

  const std::string &path() const { return root; }
  std::string file(const std::string &name) const { return root + "/" + name; }
  std::string read(const std::string &name) const {
    auto buffer = llvm::MemoryBuffer::getFile(file(name));
    return buffer ? (*buffer)->getBuffer().str() : "<unreadable>";
  }
  void write(const std::string &name, const std::string &bytes) const {
    std::ofstream(file(name), std::ios::binary) << bytes;
  }
  size_t entries() const {
    size_t count = 0;
    std::error_code code;
    for (llvm::sys::fs::directory_iterator it(root, code), end;
         it != end && !code; it.increment(code))
      ++count;
    return count;
  }

private:
  std::string root;
};

inline std::string message(llvm::Error error) {
  return llvm::toString(std::move(error));
}
template <typename T> std::string message(llvm::Expected<T> value) {
  return value ? "" : llvm::toString(value.takeError());
}

} // namespace compress::test

#endif // COMPRESS_UNITTESTS_SUPPORT_TEMPDIR_H

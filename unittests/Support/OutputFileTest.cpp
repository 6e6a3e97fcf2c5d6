//===- OutputFileTest.cpp - Files that appear whole -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Support/OutputFile.h"
#include "TempDir.h"

#include <csignal>
#include <sys/wait.h>

using namespace compress;
using namespace compress::test;

namespace {

TEST(OutputFile, CommitOrNothing) {
  TempDir dir;
  std::string path = dir.file("out.txt");
  {
    auto file = OutputFile::create(path);
    ASSERT_TRUE(bool(file));
    file->os() << "partial";
  }
  EXPECT_EQ(dir.entries(), 0u);
  ASSERT_FALSE(bool(writeFile(path, "first")));
  {
    auto file = OutputFile::create(path);
    ASSERT_TRUE(bool(file));
    file->os() << "abandoned";
  }
  EXPECT_EQ(dir.read("out.txt"), "first");
  auto file = OutputFile::create(path);
  ASSERT_TRUE(bool(file));
  file->os() << "Second";
  ASSERT_FALSE(bool(file->patch(0, "s", 1)));
  ASSERT_FALSE(bool(file->commit(/*sync=*/true)));
  EXPECT_EQ(dir.read("out.txt"), "second");
  EXPECT_EQ(dir.entries(), 1u);
}

TEST(OutputFile, Refusals) {
  TempDir dir;
  EXPECT_EQ(message(writeFile(dir.file("no/such/x"), "a")),
            "cannot write '" + dir.file("no/such/x") +
                "': No such file or directory");
  EXPECT_NE(message(writeFile(dir.path(), "a")).find("directory"),
            std::string::npos);
}

TEST(OutputFile, FullDisk) {
  std::string error =
      message(writeFile("/dev/full", std::string(1 << 20, 'x')));
  EXPECT_EQ(error, "cannot write '/dev/full': No space left on device");
  EXPECT_FALSE(bool(writeFile("/dev/null", "x")));
  EXPECT_FALSE(llvm::sys::fs::is_regular_file("/dev/null"));
}

TEST(OutputFile, SymbolicLinkStays) {
  TempDir dir;
  ASSERT_FALSE(bool(writeFile(dir.file("real"), "1")));
  ASSERT_FALSE(llvm::sys::fs::create_link("real", dir.file("link")));
  ASSERT_FALSE(bool(writeFile(dir.file("link"), "2")));
  EXPECT_EQ(dir.read("real"), "2");
  EXPECT_TRUE(llvm::sys::fs::is_symlink_file(dir.file("link")));
}

TEST(OutputFile, SignalLeavesNothing) {
  TempDir dir;
  pid_t child = fork();
  if (child == 0) {
    auto file = OutputFile::create(dir.file("out"));
    file->os() << "partial";
    file->os().flush();
    raise(SIGTERM);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(dir.entries(), 0u);
}

} // namespace

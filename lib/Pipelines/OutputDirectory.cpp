//===- OutputDirectory.cpp - Files that appear together ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OutputDirectory.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace compress;
using namespace llvm;

//===----------------------------------------------------------------------===//
// Signals
//===----------------------------------------------------------------------===//

/// The temporary folder and the parents made for it, innermost first, each
/// ended by a null character, then an empty string. In static memory, for the
/// signal handler.
static char leftovers[1 << 14];
static volatile sig_atomic_t hasLeftovers;
/// What an interrupt says.
static char interruptNote[1 << 10];

/// Removes the files of one folder and those of its subfolders. Runs in a
/// signal handler, where opendir could wait forever for the allocator's lock
/// that the interrupted code holds: system calls only.
static void removeContents(int folder, int depth) {
  // The kernel's own layout of a directory entry.
  struct Entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[1];
  };
  alignas(Entry) char buffer[4096];
  for (bool removed = true; removed;) {
    removed = false;
    lseek(folder, 0, SEEK_SET);
    long size;
    while ((size = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0)
      for (long at = 0; at < size;) {
        auto *item = reinterpret_cast<Entry *>(buffer + at);
        at += item->length;
        if (!strcmp(item->name, ".") || !strcmp(item->name, ".."))
          continue;
        if (unlinkat(folder, item->name, 0) == 0) {
          removed = true;
          continue;
        }
        if (depth == 0)
          continue;
        int inner = openat(folder, item->name, O_RDONLY | O_DIRECTORY);
        if (inner < 0)
          continue;
        removeContents(inner, depth - 1);
        close(inner);
        removed |= unlinkat(folder, item->name, AT_REMOVEDIR) == 0;
      }
  }
}

static void removeLeftovers(void *) {
  if (!hasLeftovers)
    return;
  hasLeftovers = 0;
  int folder = open(leftovers, O_RDONLY | O_DIRECTORY);
  if (folder >= 0) {
    removeContents(folder, 4);
    close(folder);
  }
  for (const char *path = leftovers; *path; path += strlen(path) + 1)
    rmdir(path);
}

static void onInterrupt() {
  removeLeftovers(nullptr);
  // Of an error here nobody could be told.
  if (write(STDERR_FILENO, interruptNote, strlen(interruptNote)) < 0)
    interruptNote[0] = 0;
  // The exit code that shells give to an interrupted program.
  _exit(128 + SIGINT);
}

static void rememberLeftovers(StringRef staging,
                              ArrayRef<std::string> parents) {
  std::string list = staging.str() + '\0';
  for (const std::string &parent : reverse(parents))
    list += parent + '\0';
  list += '\0';
  if (list.size() > sizeof leftovers)
    return;
  memcpy(leftovers, list.data(), list.size());
  static bool installed = false;
  if (!installed) {
    sys::AddSignalHandler(removeLeftovers, nullptr);
    installed = true;
  }
  sys::SetInterruptFunction(onInterrupt);
  hasLeftovers = 1;
}

void OutputDirectory::setInterruptNote(const std::string &note) {
  std::string line = "\ncompress-compile: interrupted: " + note + "\n";
  if (line.size() < sizeof interruptNote)
    memcpy(interruptNote, line.c_str(), line.size() + 1);
}

//===----------------------------------------------------------------------===//
// Folders of killed processes
//===----------------------------------------------------------------------===//

// A temporary folder is locked while its process lives: the system unlocks what
// a killed one leaves. The folder that it is in is locked while it is made, so
// that nobody takes one without a lock yet for such a leftover.

static constexpr StringLiteral stagingPrefix = ".compress-";

/// A descriptor of the folder that holds the lock; -1 if the file system cannot
/// lock, or, without waiting for it, if somebody else has it.
static int lockFolder(const Twine &path, bool waits) {
  SmallString<256> storage;
  int folder = open(path.toNullTerminatedStringRef(storage).data(),
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0 && flock(folder, LOCK_EX | (waits ? 0 : LOCK_NB)) != 0) {
    close(folder);
    folder = -1;
  }
  return folder;
}

static void removeStaleFolders(StringRef place) {
  std::vector<std::string> stale;
  std::error_code code;
  for (sys::fs::directory_iterator it(place, code), end; it != end && !code;
       it.increment(code)) {
    StringRef name = sys::path::filename(it->path());
    if (name.consume_front(stagingPrefix) && name.size() == 8 &&
        all_of(name, isHexDigit))
      stale.push_back(it->path());
  }
  for (const std::string &path : stale)
    if (int lock = lockFolder(path, /*waits=*/false); lock >= 0) {
      sys::fs::remove_directories(path);
      close(lock);
    }
}

//===----------------------------------------------------------------------===//
// OutputDirectory
//===----------------------------------------------------------------------===//

static Error fail(StringRef path, std::error_code code) {
  return createStringError(path + ": cannot write there: " + code.message());
}

OutputDirectory OutputDirectory::unused(StringRef path) {
  OutputDirectory directory;
  SmallString<256> target(path);
  sys::path::remove_dots(target);
  while (target.size() > 1 && sys::path::is_separator(target.back()))
    target.pop_back();
  if (target.empty())
    target = ".";
  directory.target = std::string(target);
  return directory;
}

Expected<OutputDirectory> OutputDirectory::create(StringRef path) {
  OutputDirectory directory = unused(path);
  StringRef target = directory.target;
  bool exists = sys::fs::exists(target);
  if (exists && !sys::fs::is_directory(target))
    return createStringError(path + ": is a file; the output is a folder");

  // Inside an existing folder, because its parent may be another file system
  // or not ours to write.
  SmallString<256> place(target);
  if (!exists) {
    sys::path::remove_filename(place);
    if (place.empty())
      place = ".";
    std::vector<std::string> missing;
    for (SmallString<256> parent(place);
         !parent.empty() && !sys::fs::exists(parent);
         sys::path::remove_filename(parent))
      missing.push_back(std::string(parent));
    for (const std::string &parent : reverse(missing)) {
      if (std::error_code code = sys::fs::create_directory(
              parent, true, sys::fs::perms::all_all)) {
        directory.discard();
        return fail(path, code);
      }
      directory.madeParents.push_back(parent);
    }
  }
  // createUniquePath puts a relative path into the system's temporary folder.
  if (std::error_code code = sys::fs::make_absolute(place)) {
    directory.discard();
    return fail(path, code);
  }
  int guard = lockFolder(place, /*waits=*/true);
  scope_exit unlock([&] { close(guard); });
  if (guard >= 0)
    removeStaleFolders(place);
  sys::path::append(place, stagingPrefix + "%%%%%%%%");
  for (int attempt = 0;; ++attempt) {
    SmallString<256> staging;
    sys::fs::createUniquePath(place, staging, /*MakeAbsolute=*/true);
    std::error_code code =
        sys::fs::create_directory(staging, false, sys::fs::perms::all_all);
    if (!code) {
      directory.lock = lockFolder(staging, /*waits=*/false);
      directory.staging = std::string(staging);
      break;
    }
    if (code != std::errc::file_exists || attempt > 100) {
      directory.discard();
      return fail(path, code);
    }
  }
  rememberLeftovers(directory.staging, directory.madeParents);
  return directory;
}

OutputDirectory::OutputDirectory(OutputDirectory &&other)
    : target(std::move(other.target)), staging(std::move(other.staging)),
      madeParents(std::move(other.madeParents)), lock(other.lock) {
  other.staging.clear();
  other.lock = -1;
  other.madeParents.clear();
}

OutputDirectory::~OutputDirectory() { discard(); }

void OutputDirectory::discard() {
  if (!staging.empty()) {
    sys::fs::remove_directories(staging);
    hasLeftovers = 0;
  }
  if (lock >= 0)
    close(lock);
  lock = -1;
  // Fails for folders that others have put something in, as it should.
  for (const std::string &parent : reverse(madeParents))
    sys::fs::remove(parent);
  staging.clear();
  madeParents.clear();
}

std::string OutputDirectory::getFile(StringRef name) const {
  SmallString<256> path(staging);
  sys::path::append(path, name);
  return std::string(path);
}

/// Moves the files below `from` to `to`.
static std::error_code moveFiles(StringRef from, StringRef to) {
  std::error_code code;
  for (sys::fs::directory_iterator it(from, code), end; it != end && !code;
       it.increment(code)) {
    SmallString<256> destination(to);
    sys::path::append(destination, sys::path::filename(it->path()));
    bool isFolder = sys::fs::is_directory(it->path());
    if (isFolder && (code = sys::fs::create_directory(destination)))
      return code;
    if ((code = isFolder ? moveFiles(it->path(), destination)
                         : sys::fs::rename(it->path(), destination)))
      return code;
  }
  return code;
}

Error OutputDirectory::commit() {
  // A folder appears at once; files one after the other.
  std::error_code code = sys::fs::exists(target)
                             ? moveFiles(staging, target)
                             : sys::fs::rename(staging, target);
  if (code)
    return fail(target, code);
  madeParents.clear();
  discard();
  return Error::success();
}

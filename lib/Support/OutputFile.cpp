//===- OutputFile.cpp - Files that appear whole or not at all ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Support/OutputFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"

#include <unistd.h>

using namespace compress;
namespace fs = llvm::sys::fs;

static llvm::Error fileError(llvm::StringRef path, std::error_code code) {
  return llvm::createStringError(code, "cannot write '%s': %s",
                                 path.str().c_str(), code.message().c_str());
}

llvm::Expected<OutputFile> OutputFile::create(llvm::StringRef path) {
  OutputFile file;
  file.target = path.str();
  fs::file_status status;
  std::error_code missing = fs::status(path, status);
  if (!missing && status.type() == fs::file_type::directory_file)
    return fileError(path, std::make_error_code(std::errc::is_a_directory));
  if (!missing && status.type() != fs::file_type::regular_file) {
    // Renaming over a device would replace it.
    std::error_code code;
    file.stream = std::make_unique<llvm::raw_fd_ostream>(
        path, code, fs::CD_OpenExisting, fs::FA_Write, fs::OF_None);
    if (code)
      return fileError(path, code);
    return std::move(file);
  }
  // Through a symbolic link, what it points to is replaced.
  llvm::SmallString<256> real;
  if (!missing && !fs::real_path(path, real)) {
    if (!fs::can_write(real))
      return fileError(path,
                       std::make_error_code(std::errc::permission_denied));
    file.target = real.str().str();
  }
  auto temp = fs::TempFile::create(file.target + ".tmp-%%%%%%",
                                   fs::all_read | fs::all_write);
  if (!temp)
    return fileError(path, llvm::errorToErrorCode(temp.takeError()));
  file.temp.emplace(std::move(*temp));
  file.stream = std::make_unique<llvm::raw_fd_ostream>(file.temp->FD,
                                                       /*shouldClose=*/false);
  return std::move(file);
}

OutputFile::~OutputFile() {
  if (stream) {
    // An error nobody asked about must not end the process.
    stream->flush();
    stream->clear_error();
    stream.reset();
  }
  if (temp)
    llvm::consumeError(temp->discard());
}

llvm::Error OutputFile::fail(std::error_code code) {
  stream->clear_error();
  return fileError(target, code);
}

llvm::Error OutputFile::patch(uint64_t offset, const void *data, size_t size) {
  stream->flush();
  if (stream->has_error())
    return fail(stream->error());
  stream->pwrite(static_cast<const char *>(data), size, offset);
  if (stream->has_error())
    return fail(stream->error());
  return llvm::Error::success();
}

llvm::Error OutputFile::commit(bool sync) {
  stream->flush();
  if (stream->has_error())
    return fail(stream->error());
  if (temp && sync && ::fsync(temp->FD) != 0)
    return fail(std::error_code(errno, std::generic_category()));
  stream.reset();
  if (!temp)
    return llvm::Error::success();
  llvm::Error error = temp->keep(target);
  temp.reset();
  if (!error)
    return llvm::Error::success();
  return fileError(target, llvm::errorToErrorCode(std::move(error)));
}

llvm::Error compress::writeFile(llvm::StringRef path,
                                llvm::StringRef contents) {
  auto file = OutputFile::create(path);
  if (!file)
    return file.takeError();
  file->os() << contents;
  return file->commit();
}

//===- Tools.cpp - Programs that finish binaries of devices -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/GPU/Tools.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>

using namespace llvm;

std::optional<std::string> compress::findAssembler() {
  if (const char *given = std::getenv("COMPRESS_PTXAS"))
    return *given ? std::optional<std::string>(given) : std::nullopt;
  if (auto found = sys::findProgramByName("ptxas"))
    return *found;
  for (const char *home : {static_cast<const char *>(std::getenv("CUDA_HOME")),
                           "/usr/local/cuda"}) {
    if (!home)
      continue;
    SmallString<128> folder(home);
    sys::path::append(folder, "bin");
    if (auto found = sys::findProgramByName("ptxas", {StringRef(folder)}))
      return *found;
  }
  return std::nullopt;
}

Expected<std::string> compress::findDeviceLinker() {
  std::string numbered = "ld.lld-" + std::to_string(LLVM_VERSION_MAJOR);
  for (StringRef name : {StringRef(numbered), StringRef("ld.lld")})
    if (auto found = sys::findProgramByName(name))
      return *found;
  return createStringError("no ld.lld to link device code with: install lld-" +
                           std::to_string(LLVM_VERSION_MAJOR));
}

Expected<std::string> compress::runTool(StringRef program,
                                        ArrayRef<std::string> arguments,
                                        StringRef suffix, StringRef input) {
  SmallString<128> paths[3];
  SmallVector<std::unique_ptr<FileRemover>> removers;
  const StringRef kinds[] = {suffix, "out", "log"};
  for (unsigned i = 0; i < 3; ++i) {
    if (std::error_code error =
            sys::fs::createTemporaryFile("compress", kinds[i], paths[i]))
      return createStringError(error, "cannot make a temporary file");
    removers.push_back(std::make_unique<FileRemover>(paths[i]));
  }
  {
    std::error_code error;
    raw_fd_ostream os(paths[0], error);
    os << input;
    os.close();
    if (error || os.has_error())
      return createStringError("cannot write '%s'", paths[0].c_str());
  }
  SmallVector<StringRef> words{program};
  for (StringRef argument : arguments)
    words.push_back(argument == "%in"    ? StringRef(paths[0])
                    : argument == "%out" ? StringRef(paths[1])
                                         : argument);
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(paths[2]),
                                          StringRef(paths[2])};
  std::string message;
  int status = sys::ExecuteAndWait(program, words, std::nullopt, redirects,
                                   /*SecondsToWait=*/300, 0, &message);
  if (status) {
    if (auto log = MemoryBuffer::getFile(paths[2]))
      message += (*log)->getBuffer().str();
    return createStringError(sys::path::filename(program) +
                             " failed: " + message);
  }
  auto made = MemoryBuffer::getFile(paths[1]);
  if (!made)
    return createStringError(sys::path::filename(program) + " wrote nothing");
  return (*made)->getBuffer().str();
}

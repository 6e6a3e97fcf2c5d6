//===- CompiledONNX.cpp - An ONNX file compiled to be run -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "CompiledONNX.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace compress;
using namespace llvm;

CompiledONNX::~CompiledONNX() {
  if (!path.empty())
    sys::fs::remove_directories(path);
}

Expected<CompiledONNX> CompiledONNX::create(StringRef model) {
  static int anchor;
  std::string self = sys::fs::getMainExecutable(nullptr, &anchor);
  SmallString<256> compiler(sys::path::parent_path(self));
  sys::path::append(compiler, "compress-compile");
  if (!sys::fs::can_execute(compiler))
    return createStringError(
        "running an .onnx file needs compress-compile at '" + compiler + "'");
  CompiledONNX result;
  SmallString<128> folder;
  if (std::error_code code =
          sys::fs::createUniqueDirectory("compress-run", folder))
    return createStringError(code, "cannot make a temporary folder");
  result.path = std::string(folder);
  SmallString<128> log(folder), output(folder);
  sys::path::append(log, "errors");
  sys::path::append(output, "model");
  StringRef arguments[] = {compiler,  model, "-o",          output,
                           "--level", "f32", "--no-compare"};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(""),
                                          StringRef(log)};
  std::string message;
  int status = sys::ExecuteAndWait(compiler, arguments, std::nullopt, redirects,
                                   0, 0, &message);
  if (status != 0) {
    if (auto text = MemoryBuffer::getFile(log))
      if (!(*text)->getBuffer().trim().empty())
        message = (*text)->getBuffer().trim().str();
    StringRef reason = message;
    reason.consume_front("compress-compile: error: ");
    return createStringError(reason);
  }
  sys::fs::remove(log);
  // The library is found in the folder itself.
  for (const char *name : {"model.so", "model.safetensors"}) {
    SmallString<128> from(output), to(folder);
    sys::path::append(from, name);
    sys::path::append(to, name);
    if (std::error_code code = sys::fs::rename(from, to);
        code && code != std::errc::no_such_file_or_directory)
      return createStringError(code, "cannot move '%s'", from.c_str());
  }
  return result;
}

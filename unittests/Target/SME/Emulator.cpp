//===- Emulator.cpp - Runs models for Arm SME ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emulator.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/Program.h"

using namespace mlir;
using namespace compress;
using namespace compress::test;

/// The lowest major version of QEMU that is right.
static constexpr unsigned kVersion = 10;

/// Runs a program; its output goes to a file of `folder`, whose contents are
/// the error if it fails.
static llvm::Error execute(ArrayRef<std::string> command,
                           const TempDir &folder) {
  SmallVector<StringRef> arguments(command.begin(), command.end());
  std::string log = folder.file("log");
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(log),
                                          StringRef(log)};
  int status = llvm::sys::ExecuteAndWait(command[0], arguments, std::nullopt,
                                         redirects, /*SecondsToWait=*/120);
  if (status == 0)
    return llvm::Error::success();
  return llvm::createStringError(command[0] + ": status " +
                                 std::to_string(status) + ": " +
                                 folder.read("log"));
}

llvm::Expected<Emulator> Emulator::find() {
  Emulator result;
  auto qemu = llvm::sys::findProgramByName("qemu-aarch64");
  auto compiler = llvm::sys::findProgramByName("aarch64-linux-gnu-gcc");
  if (!qemu || !compiler)
    return llvm::createStringError(
        "no qemu-aarch64 or aarch64-linux-gnu-gcc: code for SME is not run");
  result.qemu = *qemu;
  result.folder = std::make_shared<TempDir>();
  const TempDir &folder = *result.folder;
  if (llvm::Error error = execute({*qemu, "--version"}, folder))
    return std::move(error);
  // "qemu-aarch64 version 10.0.2 (Debian ...)"
  std::string text = folder.read("log");
  unsigned major = 0;
  StringRef rest = StringRef(text).split(" version ").second;
  if (rest.consumeInteger(10, major) || major < kVersion)
    return llvm::createStringError(
        "QEMU before " + std::to_string(kVersion) +
        " computes smopa wrongly: " + StringRef(text).split('\n').first);
  if (llvm::Error error =
          execute({*compiler, "-O1", "-I", COMPRESS_INCLUDE, COMPRESS_RUN_MODEL,
                   "-o", folder.file("run-model"), "-ldl"},
                  folder))
    return std::move(error);
  return result;
}

llvm::Expected<std::optional<Emulator>>
Emulator::findFor(const Target &target) {
  llvm::Error error = target.checkDevice();
  if (!error)
    return std::nullopt;
  if (target.getName() != "sme")
    return std::move(error);
  llvm::consumeError(std::move(error));
  auto found = find();
  if (!found)
    return found.takeError();
  return std::move(*found);
}

llvm::Expected<std::vector<NpyArray>> Emulator::run(const CompiledModel &model,
                                                    ArrayRef<NpyArray> inputs,
                                                    TypeRange results,
                                                    int64_t open) const {
  TempDir folder;
  if (llvm::Error error = model.writeArtifacts(folder.path()))
    return std::move(error);
  std::string bytes;
  for (const NpyArray &input : inputs)
    bytes.append(input.data.begin(), input.data.end());
  folder.write("in", bytes);
  std::string first;
  for (unsigned bits : kStreamingLengths) {
    std::string length = std::to_string(bits);
    // The largest length it offers is the one that programs start with.
    std::string cpu = "max";
    for (unsigned other : {128, 256, 512, 1024, 2048})
      cpu += ",sme" + std::to_string(other) + (other == bits ? "=on" : "=off");
    if (llvm::Error error = execute(
            {qemu, "-L", "/usr/aarch64-linux-gnu", "-cpu", cpu,
             this->folder->file("run-model"), folder.file("model.so"),
             folder.file("in"), folder.file("out"), std::to_string(open), "2"},
            folder))
      return llvm::createStringError(
          length + " bits: " + llvm::toString(std::move(error)));
    std::string output = folder.read("out");
    if (bits == kStreamingLengths[0])
      first = output;
    else if (output != first)
      return llvm::createStringError(length + " bits give another result");
  }

  std::vector<NpyArray> arrays;
  size_t at = 0;
  for (Type type : results) {
    auto tensor = cast<RankedTensorType>(type);
    Type element = tensor.getElementType();
    CompressDType dtype = element.isF32()   ? COMPRESS_DTYPE_F32
                          : element.isF64() ? COMPRESS_DTYPE_F64
                                            : COMPRESS_DTYPE_I64;
    auto array = NpyArray::allocate(dtype, tensor.getShape());
    if (!array)
      return array.takeError();
    if (at + array->data.size() > first.size())
      return llvm::createStringError("too few results");
    std::memcpy(array->mutableData(), first.data() + at, array->data.size());
    at += array->data.size();
    arrays.push_back(std::move(*array));
  }
  if (at != first.size())
    return llvm::createStringError("too many results");
  return arrays;
}

//===- Artifacts.cpp - Write a compiled model to disk -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeGenImpl.h"
#include "compress/Runtime/LinkConfig.h"
#include "compress/Support/ModelHeader.h"
#include "compress/Support/OutputFile.h"
#include "compress/Support/Safetensors.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace compress;
using namespace llvm;

/// The safetensors name of an element type; types it has no name for are
/// stored as bytes.
static std::pair<StringRef, bool> getSafetensorsType(mlir::Type type) {
  using namespace mlir;
  if (type.isF32())
    return {"F32", true};
  if (type.isF64())
    return {"F64", true};
  if (type.isF16())
    return {"F16", true};
  if (type.isBF16())
    return {"BF16", true};
  if (isa<Float8E4M3FNType>(type))
    return {"F8_E4M3", true};
  if (isa<Float8E5M2Type>(type))
    return {"F8_E5M2", true};
  if (auto integer = dyn_cast<IntegerType>(type)) {
    bool isUnsigned = integer.isUnsigned();
    switch (integer.getWidth()) {
    case 8:
      return {isUnsigned ? "U8" : "I8", true};
    case 16:
      return {isUnsigned ? "U16" : "I16", true};
    case 32:
      return {isUnsigned ? "U32" : "I32", true};
    case 64:
      return {isUnsigned ? "U64" : "I64", true};
    default:
      break;
    }
  }
  return {"U8", false};
}

static Error writeWeights(StringRef path, const CompiledModel::Impl &impl) {
  SafetensorsWriter writer;
  for (const StoredWeight &weight : impl.weights) {
    auto [dtype, typed] = getSafetensorsType(weight.value.getElementType());
    SmallVector<int64_t> shape(weight.value.getShape());
    if (!typed)
      shape.assign(1, weight.value.getBytes().size());
    auto offset =
        writer.add(weight.name, dtype, shape, weight.value.getBytes());
    if (!offset)
      return offset.takeError();
    if (*offset != weight.offset)
      return createStringError("internal error: weight '%s' was compiled for "
                               "offset %llu but lies at %llu",
                               weight.name.c_str(),
                               (unsigned long long)weight.offset,
                               (unsigned long long)*offset);
  }
  auto info = writer.write(path);
  if (!info)
    return info.takeError();
  if (info->size != impl.weightsSize || info->hash != impl.weightsHash)
    return createStringError("internal error: '%s' was not written as compiled",
                             path.str().c_str());
  return Error::success();
}

/// How Debian names the architecture of a platform; empty for this one.
static std::string getCrossName(StringRef name) {
  Triple triple(name), own(sys::getProcessTriple());
  if (triple.getArch() == own.getArch() && triple.getOS() == own.getOS())
    return "";
  StringRef environment = Triple::getEnvironmentTypeName(
      triple.getEnvironment() == Triple::UnknownEnvironment
          ? Triple::GNU
          : triple.getEnvironment());
  return (Triple::getArchTypeName(triple.getArch()) + "-" +
          Triple::getOSTypeName(triple.getOS()) + "-" + environment)
      .str();
}

/// An archive of the runtime, next to this program: <prefix>/bin and
/// <prefix>/lib.
static Expected<std::string> findRuntime(StringRef archive,
                                         StringRef crossName) {
  static int anchor;
  std::string program =
      sys::fs::getMainExecutable(nullptr, static_cast<void *>(&anchor));
  SmallString<256> path(
      sys::path::parent_path(sys::path::parent_path(program)));
  sys::path::append(path, "lib", crossName, archive);
  if (sys::fs::exists(path))
    return path.str().str();
  if (!crossName.empty())
    return createStringError("there is no runtime for %s ('%s'): build this "
                             "compiler where %s-g++ is installed",
                             crossName.str().c_str(), path.c_str(),
                             crossName.str().c_str());
  return createStringError("the runtime library '%s' is missing; reinstall",
                           path.c_str());
}

static Expected<std::string> findLinker(StringRef crossName) {
  std::vector<std::string> names = {"c++", "clang++", "clang++-22", "g++"};
  if (!crossName.empty())
    names = {crossName.str() + "-g++"};
  for (const std::string &name : names)
    if (auto found = sys::findProgramByName(name))
      return *found;
  return createStringError("no linker driver found (tried " +
                           llvm::join(names, ", ") +
                           "): install a C++ compiler");
}

/// Links a model library of `target` for the platform `triple`.
static Error link(ArrayRef<std::string> objects, const Target &target,
                  StringRef triple, StringRef outputPath) {
  std::string crossName = getCrossName(triple);
  auto linker = findLinker(crossName);
  if (!linker)
    return linker.takeError();
  // The archive of the device needs the common one.
  std::vector<std::string> archives;
  for (StringRef name :
       {target.getRuntimeLibrary(), StringRef("libCompressRuntime.a")}) {
    if (name.empty())
      continue;
    auto archive = findRuntime(name, crossName);
    if (!archive)
      return archive.takeError();
    archives.push_back(*archive);
  }

  SmallString<256> exports, log;
  if (std::error_code error =
          sys::fs::createTemporaryFile("compress", "exports", exports))
    return createStringError(error, "cannot make a temporary file");
  FileRemover removeExports(exports);
  if (std::error_code error =
          sys::fs::createTemporaryFile("compress", "log", log))
    return createStringError(error, "cannot make a temporary file");
  FileRemover removeLog(log);
  {
    std::error_code error;
    raw_fd_ostream os(exports, error);
    // Models in one process must not take over each other's functions.
    os << "{ global: compress_model_api; local: *; };\n";
    os.close();
    if (error || os.has_error())
      return createStringError("cannot write '%s'", exports.c_str());
  }
  std::vector<std::string> arguments = {*linker, "-shared", "-o",
                                        outputPath.str()};
  append_range(arguments, objects);
  arguments.push_back("-Wl,-u,compress_model_api");
  append_range(arguments, archives);
  arguments.push_back("-Wl,--version-script=" + exports.str().str());
  arguments.push_back("-Wl,--gc-sections");
  std::vector<std::string> libraries = COMPRESS_RUNTIME_LINK_LIBRARIES;
  if (!crossName.empty())
    libraries = {"-fopenmp", "-Wl,--no-undefined"};
  std::vector<std::string> folders;
  for (const std::string &library : libraries) {
    arguments.push_back(library);
    std::string folder = sys::path::parent_path(library).str();
    if (!folder.empty() && !is_contained(folders, folder))
      folders.push_back(folder);
  }
  for (const std::string &folder : folders)
    arguments.push_back("-Wl,-rpath," + folder);
  arguments.push_back("-lm");
  arguments.push_back("-ldl");
  SmallVector<StringRef> references(arguments.begin(), arguments.end());
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(log),
                                          StringRef(log)};
  std::string message;
  int status =
      sys::ExecuteAndWait(*linker, references, std::nullopt, redirects,
                          /*SecondsToWait=*/0, /*MemoryLimit=*/0, &message);
  if (status == 0)
    return Error::success();
  std::string output;
  if (auto buffer = MemoryBuffer::getFile(log))
    output = (*buffer)->getBuffer().trim().str();
  // One line: the first that the linker printed.
  output = StringRef(output).split('\n').first.str();
  return createStringError("linking '%s' failed: %s%s",
                           outputPath.str().c_str(), message.c_str(),
                           output.c_str());
}

Error CompiledModel::writeArtifacts(StringRef directory) const {
  auto inDirectory = [&](StringRef name) {
    SmallString<256> path(directory);
    sys::path::append(path, name);
    return path.str().str();
  };
  if (Error error = writeWeights(inDirectory("model.safetensors"), *impl))
    return error;

  CompressModelInfo info = {};
  std::vector<CompressTensorInfo> tensors[2];
  for (int side = 0; side < 2; ++side)
    for (const TensorInfo &tensor : side ? impl->outputs : impl->inputs)
      tensors[side].push_back({tensor.name.c_str(), tensor.dtype,
                               static_cast<int32_t>(tensor.shape.size()),
                               tensor.shape.data()});
  info.abi_version = COMPRESS_MODEL_ABI_VERSION;
  info.model_name = impl->name.c_str();
  info.producer = "compress";
  info.inputs = tensors[0].data();
  info.num_inputs = tensors[0].size();
  info.outputs = tensors[1].data();
  info.num_outputs = tensors[1].size();
  info.weights_size = impl->weightsSize;
  info.weights_hash = impl->weightsHash;
  // What the least demanding code needs.
  info.cpu_features = impl->variants.back().cpuFeatures.c_str();
  info.num_slots = impl->variants.back().numSlots;
  std::string header = renderModelHeader(info);
  if (Error error = writeFile(inDirectory("model.h"), header))
    return error;

  std::vector<std::string> objects;
  std::vector<std::unique_ptr<FileRemover>> removeObjects;
  for (const CodeVariant &variant : impl->variants) {
    SmallString<256> object;
    if (std::error_code error =
            sys::fs::createTemporaryFile("compress", "o", object))
      return createStringError(error, "cannot make a temporary file");
    objects.push_back(object.str().str());
    removeObjects.push_back(std::make_unique<FileRemover>(object));
    if (Error error = writeFile(
            object, StringRef(variant.object.data(), variant.object.size())))
      return error;
  }
  std::string temporary = inDirectory("model.so.tmp");
  FileRemover removeTemporary(temporary);
  if (Error error = link(objects, *impl->target,
                         impl->variants.front().options.triple, temporary))
    return error;
  if (std::error_code error =
          sys::fs::rename(temporary, inDirectory("model.so")))
    return createStringError(error, "cannot write '%s'",
                             inDirectory("model.so").c_str());
  return Error::success();
}

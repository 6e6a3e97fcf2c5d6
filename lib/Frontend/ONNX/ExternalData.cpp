//===- ExternalData.cpp - tensors in files beside the model ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ExternalData.h"
#include "Proto.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace compress::onnx::detail;

Error compress::onnx::detail::checkLocation(StringRef location) {
  if (location.empty())
    return makeError("external data without a location");
  if (location.contains('\0'))
    return makeError("external data location has a zero byte");
  if (sys::path::is_absolute(location, sys::path::Style::posix) ||
      sys::path::is_absolute(location, sys::path::Style::windows))
    return makeError("external data location '{0}' is absolute; it must be "
                     "relative to the model",
                     location);
  for (auto it = sys::path::begin(location), e = sys::path::end(location);
       it != e; ++it)
    if (*it == "..")
      return makeError("external data location '{0}' leaves the folder of the "
                       "model",
                       location);
  return Error::success();
}

Expected<std::shared_ptr<ExternalReader::File>>
ExternalReader::open(StringRef location) {
  if (!directory)
    return makeError("external data '{0}' but the model was not read from a "
                     "file",
                     location);
  if (Error error = checkLocation(location))
    return std::move(error);
  auto it = files.find(location);
  if (it != files.end())
    return it->second;

  SmallString<128> path(*directory), realPath, realDirectory;
  sys::path::append(path, location);
  if (std::error_code code = sys::fs::real_path(
          directory->empty() ? "." : *directory, realDirectory))
    return makeError("cannot open the folder '{0}' of external data: {1}",
                     *directory, code.message());
  if (std::error_code code = sys::fs::real_path(path, realPath))
    return makeError("cannot open external data '{0}': {1}", path,
                     code.message());
  // After links are resolved the file must still be below the folder.
  StringRef below = realPath;
  bool inside = below.consume_front(realDirectory) &&
                (below.starts_with("/") || realDirectory == "/");
  if (!inside)
    return makeError("external data location '{0}' leaves the folder of the "
                     "model through a link",
                     location);

  sys::fs::file_status status;
  if (std::error_code code = sys::fs::status(realPath, status))
    return makeError("cannot open external data '{0}': {1}", path,
                     code.message());
  if (!sys::fs::is_regular_file(status))
    return makeError("external data '{0}' is not a regular file", path);
  auto file = std::make_shared<File>();
  file->size = status.getSize();
  if (file->size != 0) {
    Expected<sys::fs::file_t> handle = sys::fs::openNativeFileForRead(realPath);
    if (!handle)
      return makeError("cannot open external data '{0}': {1}", path,
                       toString(handle.takeError()));
    std::error_code code;
    file->region = sys::fs::mapped_file_region(
        *handle, sys::fs::mapped_file_region::readonly, file->size, 0, code);
    sys::fs::closeFile(*handle);
    if (code)
      return makeError("cannot map external data '{0}': {1}", path,
                       code.message());
  }
  files[location] = file;
  return file;
}

Expected<ExternalReader::Bytes> ExternalReader::read(const ExternalLocation &at,
                                                     uint64_t size) {
  Expected<std::shared_ptr<File>> file = open(at.location);
  if (!file)
    return file.takeError();
  if (at.length && *at.length != size)
    return makeError("external data length {0} does not fit the tensor, which "
                     "needs {1} bytes",
                     *at.length, size);
  uint64_t fileSize = (*file)->size;
  if (at.offset > fileSize || size > fileSize - at.offset)
    return makeError("external data '{0}' has {1} bytes, the tensor needs {2} "
                     "at offset {3}",
                     at.location, fileSize, size, at.offset);
  Bytes bytes;
  bytes.owner = *file;
  if (size)
    bytes.data = {(*file)->region.const_data() + at.offset, size};
  return bytes;
}

static Error needsFolder() {
  return makeError(
      "external data needs a folder to write to; export to a file, "
      "or put all data inline");
}

ArrayRef<char> ExternalWriter::keep(ArrayRef<char> data) {
  return kept.emplace_back(data.begin(), data.end());
}

Expected<ExternalLocation> ExternalWriter::append(ArrayRef<char> data) {
  if (!directory)
    return needsFolder();
  if (Error error = checkLocation(defaultFile))
    return std::move(error);
  // The standard asks for pages, so that each tensor can be mapped.
  uint64_t offset = alignTo(end, 4096);
  files[defaultFile].push_back({offset, data});
  end = offset + data.size();
  return ExternalLocation{defaultFile, offset, data.size()};
}

Error ExternalWriter::place(const ExternalLocation &at, ArrayRef<char> data) {
  if (!directory)
    return needsFolder();
  if (Error error = checkLocation(at.location))
    return error;
  if (at.offset > std::numeric_limits<int64_t>::max() - data.size())
    return makeError("external data offset {0} is too large", at.offset);
  files[at.location].push_back({at.offset, data});
  if (at.location == defaultFile)
    end = std::max<uint64_t>(end, at.offset + data.size());
  return Error::success();
}

Error ExternalWriter::writeParts(StringRef location, std::vector<Part> &parts,
                                 raw_ostream &os) {
  llvm::sort(parts, [](const Part &a, const Part &b) {
    return std::pair(a.offset, a.data.size()) <
           std::pair(b.offset, b.data.size());
  });
  uint64_t at = 0;
  const Part *last = nullptr; // The part that reaches up to `at`.
  for (const Part &part : parts) {
    uint64_t partEnd = part.offset + part.data.size();
    while (at < part.offset) {
      uint64_t gap = std::min<uint64_t>(part.offset - at, 1 << 20);
      os.write_zeros(gap);
      at += gap;
    }
    // Tensors may share bytes, if they agree about them.
    uint64_t shared = std::min(at, partEnd) - part.offset;
    if (shared && last &&
        last->data.slice(part.offset - last->offset, shared) !=
            part.data.take_front(shared))
      return makeError("two tensors hold different bytes at offset {0} of "
                       "external data '{1}'",
                       part.offset, location);
    if (partEnd <= at)
      continue;
    ArrayRef<char> fresh = part.data.drop_front(shared);
    os.write(fresh.data(), fresh.size());
    at = partEnd;
    last = &part;
  }
  return Error::success();
}

Expected<std::vector<compress::OutputFile>> ExternalWriter::write() {
  std::vector<OutputFile> written;
  for (auto &[location, parts] : files) {
    SmallString<128> path(*directory);
    sys::path::append(path, location);
    StringRef folder = sys::path::parent_path(path);
    if (!folder.empty())
      if (std::error_code code = sys::fs::create_directories(folder))
        return makeError("cannot create the folder of '{0}': {1}", path,
                         code.message());
    Expected<OutputFile> file = OutputFile::create(path);
    if (!file)
      return file.takeError();
    if (Error error = writeParts(location, parts, file->os()))
      return std::move(error);
    written.push_back(std::move(*file));
  }
  return std::move(written);
}

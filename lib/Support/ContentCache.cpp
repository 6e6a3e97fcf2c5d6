//===- ContentCache.cpp - Results kept on disk by content -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An entry is 48 bytes, the key and the value. The 48 bytes are a magic number,
// the lengths of key and value, and the XXH3-128 of what follows them, little
// endian.
//
//===----------------------------------------------------------------------===//

#include "compress/Support/ContentCache.h"
#include "compress/Support/OutputFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

using namespace compress;
using llvm::StringRef;

static constexpr StringRef magic("compress-cache-1", 16);
static constexpr size_t headerSize = 48;

static std::string encode64(uint64_t value) {
  char bytes[8];
  llvm::support::endian::write64le(bytes, value);
  return std::string(bytes, 8);
}

static std::string hashBytes(StringRef bytes) {
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(llvm::ArrayRef<uint8_t>(
      reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
  return encode64(hash.high64) + encode64(hash.low64);
}

std::string compress::hashHex(StringRef bytes) {
  return llvm::toHex(hashBytes(bytes), /*LowerCase=*/true);
}

llvm::Expected<std::unique_ptr<ContentCache>>
ContentCache::open(StringRef directory) {
  if (std::error_code code = llvm::sys::fs::create_directories(directory))
    return llvm::createStringError(directory + ": " + code.message());
  auto cache = std::make_unique<ContentCache>();
  cache->directory = directory.str();
  return cache;
}

std::string ContentCache::getFile(StringRef key) const {
  llvm::SmallString<256> path(directory);
  llvm::sys::path::append(path, hashHex(key) + ".entry");
  return path.str().str();
}

/// The value in a file's bytes; nothing when they are not whole or belong to
/// another key.
static std::optional<std::string> readEntry(StringRef bytes, StringRef key) {
  if (bytes.size() < headerSize || !bytes.starts_with(magic))
    return std::nullopt;
  uint64_t keySize = llvm::support::endian::read64le(bytes.data() + 16);
  uint64_t valueSize = llvm::support::endian::read64le(bytes.data() + 24);
  StringRef rest = bytes.drop_front(headerSize);
  if (keySize != key.size() || rest.size() < keySize ||
      rest.size() - keySize != valueSize ||
      bytes.substr(32, 16) != hashBytes(rest) ||
      rest.take_front(keySize) != key)
    return std::nullopt;
  return rest.drop_front(keySize).str();
}

std::optional<std::string> ContentCache::lookup(StringRef key) {
  std::string path = getFile(key);
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                          /*RequiresNullTerminator=*/false);
  if (!file)
    return std::nullopt;
  auto value = readEntry((*file)->getBuffer(), key);
  ++(value ? found : broken);
  return value;
}

llvm::Error ContentCache::store(StringRef key, StringRef value) {
  auto file = OutputFile::create(getFile(key));
  if (!file)
    return file.takeError();
  std::string rest = (key + value).str();
  file->os() << magic << encode64(key.size()) << encode64(value.size())
             << hashBytes(rest) << rest;
  return file->commit();
}

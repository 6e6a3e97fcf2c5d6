//===- Weights.cpp - Mapping and checking the weight file -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// The runtime needs the position of the data section and the recorded hash,
// not the table of tensors: the generated code carries the offsets.
//
//===----------------------------------------------------------------------===//

#include "compress/Runtime/Hash.h"
#include "compress/Runtime/ModelInstance.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace compress::runtime;

Weights &Weights::operator=(Weights &&other) noexcept {
  if (this == &other)
    return *this;
  if (mapping)
    munmap(mapping, mappingSize);
  base = other.base;
  bytes = other.bytes;
  mapping = other.mapping;
  mappingSize = other.mappingSize;
  other.base = other.mapping = nullptr;
  other.bytes = other.mappingSize = 0;
  return *this;
}

Weights::~Weights() {
  if (mapping)
    munmap(mapping, mappingSize);
}

Weights Weights::borrow(const void *data, size_t size) {
  Weights weights;
  weights.base = data;
  weights.bytes = size;
  return weights;
}

static std::string hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016" PRIx64, value);
  return text;
}

CompressStatus Weights::map(const std::string &path, uint64_t expectedSize,
                            uint64_t expectedHash, bool verify, Weights &out,
                            std::string &error) {
  auto fail = [&](const std::string &reason) {
    error = "weight file '" + path + "': " + reason;
    return COMPRESS_ERROR_WEIGHTS;
  };
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail(std::strerror(errno));
  struct stat st;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    close(fd);
    return fail("is not a regular file");
  }
  auto fileSize = static_cast<uint64_t>(st.st_size);
  if (fileSize < 8) {
    close(fd);
    return fail("is truncated: " + std::to_string(fileSize) +
                " bytes are no safetensors file");
  }
  void *map = mmap(nullptr, fileSize, PROT_READ, MAP_PRIVATE, fd, 0);
  int mapErrno = errno;
  close(fd);
  if (map == MAP_FAILED)
    return fail(std::string("cannot be mapped: ") + std::strerror(mapErrno));
  Weights weights;
  weights.mapping = map;
  weights.mappingSize = fileSize;
#ifdef MADV_HUGEPAGE
  // Kernels stream weights, and 4 KiB pages would cost a walk each. Where the
  // file system keeps large folios the file is read into huge pages; elsewhere,
  // and for what is cached already, the hint does nothing.
  madvise(map, fileSize, MADV_HUGEPAGE);
#endif

  uint64_t headerSize;
  std::memcpy(&headerSize, map, 8);
  if (headerSize > fileSize - 8)
    return fail("is truncated or not a safetensors file: its header claims " +
                std::to_string(headerSize) + " bytes, the file has " +
                std::to_string(fileSize));
  const char *header = static_cast<const char *>(map) + 8;
  weights.base = header + headerSize;
  weights.bytes = fileSize - 8 - headerSize;
  if (weights.bytes != expectedSize)
    return fail("holds " + std::to_string(weights.bytes) +
                " bytes of weights, the model needs " +
                std::to_string(expectedSize) +
                " (truncated, or of another model)");

  // Quotes inside JSON strings are escaped, so this text cannot be part of one.
  static const char key[] = "\"" COMPRESS_WEIGHTS_HASH_KEY "\":\"";
  const void *found = memmem(header, headerSize, key, sizeof key - 1);
  std::string wanted = hex(expectedHash), recorded;
  if (found) {
    const char *digits = static_cast<const char *>(found) + sizeof key - 1;
    if (header + headerSize - digits >= 16)
      recorded.assign(digits, 16);
  }
  if (recorded.empty())
    return fail("does not record a content hash: it was not written for a "
                "compiled model");
  if (recorded != wanted)
    return fail("belongs to another model: content hash " + recorded +
                ", expected " + wanted);
  // Generated code loads whole vectors from offsets that are multiples of 64.
  if (reinterpret_cast<uintptr_t>(weights.base) % 64)
    return fail("has its data section at byte " +
                std::to_string(8 + headerSize) + ", not a multiple of 64");
  if (verify) {
    uint64_t actual = ContentHash::of(weights.base, weights.bytes);
    if (actual != expectedHash)
      return fail("is corrupted: content hash " + hex(actual) + ", expected " +
                  wanted);
  }
  out = std::move(weights);
  return COMPRESS_OK;
}

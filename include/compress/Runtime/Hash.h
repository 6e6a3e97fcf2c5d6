//===- Hash.h - Streaming 64-bit content hash -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), the
// hash that ties a model library to its weight file. Not cryptographic: it
// finds mix-ups and corruption, not attacks. Header-only, because both the
// writer (Support) and the runtime need it and neither may depend on the other.
//
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_RUNTIME_HASH_H
#define COMPRESS_RUNTIME_HASH_H

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace compress::runtime {

/// XXH64 with seed 0 over bytes given in any number of pieces.
class ContentHash {
public:
  void update(const void *data, size_t size) {
    const auto *p = static_cast<const unsigned char *>(data);
    total += size;
    if (buffered) {
      size_t take = size < 32 - buffered ? size : 32 - buffered;
      std::memcpy(buffer + buffered, p, take);
      buffered += take;
      p += take;
      size -= take;
      if (buffered < 32)
        return;
      stripe(buffer);
      buffered = 0;
    }
    for (; size >= 32; p += 32, size -= 32)
      stripe(p);
    if (size)
      std::memcpy(buffer, p, size);
    buffered = size;
  }

  uint64_t finish() const {
    uint64_t h;
    if (total >= 32) {
      h = rotl(lane[0], 1) + rotl(lane[1], 7) + rotl(lane[2], 12) +
          rotl(lane[3], 18);
      for (uint64_t l : lane)
        h = (h ^ round(0, l)) * p1 + p4;
    } else {
      h = p5;
    }
    h += total;
    const unsigned char *p = buffer, *end = buffer + buffered;
    for (; end - p >= 8; p += 8)
      h = rotl(h ^ round(0, load<uint64_t>(p)), 27) * p1 + p4;
    if (end - p >= 4) {
      h = rotl(h ^ (load<uint32_t>(p) * p1), 23) * p2 + p3;
      p += 4;
    }
    for (; p < end; ++p)
      h = rotl(h ^ (*p * p5), 11) * p1;
    h = (h ^ (h >> 33)) * p2;
    h = (h ^ (h >> 29)) * p3;
    return h ^ (h >> 32);
  }

  static uint64_t of(const void *data, size_t size) {
    ContentHash hash;
    hash.update(data, size);
    return hash.finish();
  }

private:
  static constexpr uint64_t p1 = 0x9E3779B185EBCA87, p2 = 0xC2B2AE3D27D4EB4F,
                            p3 = 0x165667B19E3779F9, p4 = 0x85EBCA77C2B2AE63,
                            p5 = 0x27D4EB2F165667C5;
  static uint64_t rotl(uint64_t v, int r) { return (v << r) | (v >> (64 - r)); }
  static uint64_t round(uint64_t acc, uint64_t v) {
    return rotl(acc + v * p2, 31) * p1;
  }
  template <typename T> static uint64_t load(const unsigned char *p) {
    T v; // The format is little-endian, and so are all our targets.
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  void stripe(const unsigned char *p) {
    for (int i = 0; i < 4; ++i)
      lane[i] = round(lane[i], load<uint64_t>(p + 8 * i));
  }

  uint64_t lane[4] = {p1 + p2, p2, 0, 0 - p1};
  uint64_t total = 0;
  unsigned char buffer[32];
  size_t buffered = 0;
};

} // namespace compress::runtime

#endif // COMPRESS_RUNTIME_HASH_H

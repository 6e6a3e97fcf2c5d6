//===- Npz.cpp - ZIP archives of NumPy arrays -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// ZIP as in PKWARE's APPNOTE.TXT 6.3, the part that archives of arrays use: one
// disk, entries stored or deflated, ZIP64 sizes.
//
//===----------------------------------------------------------------------===//

#include "NpyInternal.h"
#include "compress/Support/Format.h"
#include "compress/Support/OutputFile.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MemoryBuffer.h"

#include <algorithm>
#include <cstring>

// zlib declares a function by the name of our namespace.
#define compress zlib_compress
#include <zlib.h>
#undef compress

using namespace compress;
using namespace llvm;
using namespace llvm::support::endian;

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

namespace {

constexpr uint32_t localMagic = 0x04034b50, centralMagic = 0x02014b50,
                   endMagic = 0x06054b50, end64Magic = 0x06064b50,
                   locator64Magic = 0x07064b50;

struct Entry {
  StringRef name;
  uint16_t flags, method;
  uint32_t crc;
  uint64_t packed, size, localOffset;
};

class ZipReader {
public:
  explicit ZipReader(StringRef bytes) : bytes(bytes) {}

  /// Returns what is wrong, or "".
  std::string readDirectory(std::vector<Entry> &entries) {
    // The end record is the last thing in the file but for a comment.
    if (bytes.size() < 22)
      return "truncated: too short for a ZIP archive";
    size_t lowest = bytes.size() - std::min<size_t>(bytes.size(), 22 + 65535);
    size_t end = bytes.size() - 22;
    while (read32le(bytes.data() + end) != endMagic) {
      if (end == lowest)
        return "not a ZIP archive (.npz), or truncated";
      --end;
    }
    const char *record = bytes.data() + end;
    uint64_t count = read16le(record + 10);
    uint64_t size = read32le(record + 12), offset = read32le(record + 16);
    if (read16le(record + 4) != 0)
      return "archives of several disks are not supported";
    if (end >= 20 && read32le(record - 20) == locator64Magic) {
      uint64_t at = read64le(record - 20 + 8);
      if (at > bytes.size() || bytes.size() - at < 56 ||
          read32le(bytes.data() + at) != end64Magic)
        return "the ZIP64 end record is damaged";
      const char *record64 = bytes.data() + at;
      count = read64le(record64 + 32);
      size = read64le(record64 + 40);
      offset = read64le(record64 + 48);
    }
    if (offset > end || size > end - offset)
      return "the directory lies outside of the file";
    if (count > size / 46)
      return "the directory is too small for its entries";
    StringRef directory = bytes.substr(offset, size);
    for (uint64_t i = 0; i < count; ++i) {
      std::string problem = readEntry(directory, entries);
      if (!problem.empty())
        return problem;
    }
    return "";
  }

  /// The packed bytes of an entry.
  std::string locate(const Entry &entry, StringRef &packed) {
    if (entry.localOffset > bytes.size() ||
        bytes.size() - entry.localOffset < 30 ||
        read32le(bytes.data() + entry.localOffset) != localMagic)
      return "its local header is damaged";
    const char *header = bytes.data() + entry.localOffset;
    uint64_t begin =
        entry.localOffset + 30 + read16le(header + 26) + read16le(header + 28);
    if (begin > bytes.size() || bytes.size() - begin < entry.packed)
      return "truncated";
    packed = bytes.substr(begin, entry.packed);
    return "";
  }

private:
  static std::string readEntry(StringRef &directory,
                               std::vector<Entry> &entries) {
    if (directory.size() < 46 || read32le(directory.data()) != centralMagic)
      return "the directory is damaged";
    const char *p = directory.data();
    Entry entry;
    entry.flags = read16le(p + 8);
    entry.method = read16le(p + 10);
    entry.crc = read32le(p + 16);
    entry.packed = read32le(p + 20);
    entry.size = read32le(p + 24);
    uint64_t nameSize = read16le(p + 28), extraSize = read16le(p + 30);
    uint64_t total = 46 + nameSize + extraSize + read16le(p + 32);
    entry.localOffset = read32le(p + 42);
    if (directory.size() < total)
      return "the directory is damaged";
    entry.name = directory.substr(46, nameSize);
    StringRef extra = directory.substr(46 + nameSize, extraSize);
    while (extra.size() >= 4) {
      uint16_t id = read16le(extra.data()), size = read16le(extra.data() + 2);
      extra = extra.drop_front(4);
      if (extra.size() < size)
        break;
      if (id == 1) { // ZIP64: those fields that are all ones in the entry
        StringRef fields = extra.take_front(size);
        for (uint64_t *value : {&entry.size, &entry.packed, &entry.localOffset})
          if (*value == 0xffffffff && fields.size() >= 8) {
            *value = read64le(fields.data());
            fields = fields.drop_front(8);
          }
      }
      extra = extra.drop_front(size);
    }
    entries.push_back(entry);
    directory = directory.drop_front(total);
    return "";
  }

  StringRef bytes;
};

/// Returns what is wrong, or "".
std::string inflateEntry(StringRef packed, char *out, uint64_t size) {
  z_stream stream = {};
  if (inflateInit2(&stream, -15) != Z_OK)
    return "zlib cannot start";
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(packed.data()));
  stream.next_out = reinterpret_cast<Bytef *>(out);
  uint64_t inLeft = packed.size(), outLeft = size;
  int code = Z_OK;
  constexpr uint64_t most = 1u << 30; // zlib counts in 32 bits
  while (code == Z_OK) {
    uint64_t in = std::min(inLeft, most), room = std::min(outLeft, most);
    stream.avail_in = static_cast<uInt>(in);
    stream.avail_out = static_cast<uInt>(room);
    code = inflate(&stream, Z_NO_FLUSH);
    uint64_t consumed = in - stream.avail_in, made = room - stream.avail_out;
    inLeft -= consumed;
    outLeft -= made;
    if (code == Z_OK && !consumed && !made)
      code = Z_BUF_ERROR;
  }
  inflateEnd(&stream);
  if (code != Z_STREAM_END || outLeft)
    return "its compressed data is damaged";
  return "";
}

uint32_t checksum(StringRef data) {
  uLong crc = crc32(0, nullptr, 0);
  while (!data.empty()) {
    StringRef part = data.take_front(1u << 30);
    crc = crc32(crc, reinterpret_cast<const Bytef *>(part.data()),
                static_cast<uInt>(part.size()));
    data = data.drop_front(part.size());
  }
  return static_cast<uint32_t>(crc);
}

} // namespace

/// `bytes` live as long as `file`; null: as long as nobody knows.
static Expected<NpzArrays> parseArchive(StringRef bytes, StringRef path,
                                        std::shared_ptr<const void> file) {
  auto fail = [&](const Twine &reason) {
    return createStringError("'" + path + "': " + reason);
  };
  ZipReader zip(bytes);
  std::vector<Entry> entries;
  std::string problem = zip.readDirectory(entries);
  if (!problem.empty())
    return fail(problem);
  NpzArrays arrays;
  StringSet<> names;
  for (const Entry &entry : entries) {
    StringRef name = entry.name;
    auto failEntry = [&](const Twine &reason) {
      return fail("entry '" + name + "': " + reason);
    };
    if (name.ends_with("/"))
      continue;
    if (!name.consume_back(".npy"))
      return failEntry("is not an array (.npy)");
    if (!names.insert(name).second)
      return failEntry("occurs twice");
    if (entry.flags & 1)
      return failEntry("is encrypted");
    if (entry.method != 0 && entry.method != 8)
      return failEntry("uses compression method " + Twine(entry.method) +
                       "; stored and deflated entries are supported");
    StringRef packed;
    problem = zip.locate(entry, packed);
    if (!problem.empty())
      return failEntry(problem);
    std::shared_ptr<const void> owner;
    StringRef data = packed;
    if (entry.method == 0) {
      if (entry.packed != entry.size)
        return failEntry("is stored, but its two sizes differ");
      owner = file;
    } else {
      // Deflate makes at most 1032 bytes out of one; more is a lie that would
      // cost the memory.
      if (entry.size / 1032 > entry.packed)
        return failEntry("claims " + formatBytes(entry.size) + " from " +
                         formatBytes(entry.packed) + ", which is impossible");
      std::shared_ptr<char> memory = npy::allocateBytes(entry.size);
      if (!memory)
        return failEntry("out of memory for " + formatBytes(entry.size));
      problem = inflateEntry(packed, memory.get(), entry.size);
      if (!problem.empty())
        return failEntry(problem);
      data = StringRef(memory.get(), entry.size);
      owner = memory;
    }
    if (checksum(data) != entry.crc)
      return failEntry("is damaged (checksum)");
    Expected<NpyArray> array =
        npy::parseNpy(data, (path + ":" + entry.name).str(), owner);
    if (!array)
      return array.takeError();
    arrays.emplace_back(name.str(), std::move(*array));
  }
  return arrays;
}

Expected<NpzArrays> compress::parseNpz(StringRef bytes, StringRef what) {
  return parseArchive(bytes, what, nullptr);
}

Expected<NpzArrays> compress::readNpz(StringRef path) {
  auto buffer = npy::mapFile(path);
  if (!buffer)
    return buffer.takeError();
  StringRef bytes = (*buffer)->getBuffer();
  return parseArchive(bytes, path, std::move(*buffer));
}

const NpyArray *compress::lookup(const NpzArrays &arrays, StringRef name) {
  for (const auto &[key, array] : arrays)
    if (key == name)
      return &array;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

namespace {

/// Appends little-endian fields.
struct Fields {
  std::string text;
  template <typename T> Fields &add(T value) {
    char raw[sizeof(T)];
    write<T>(raw, value, endianness::little);
    text.append(raw, sizeof raw);
    return *this;
  }
  Fields &u16(uint64_t v) { return add(static_cast<uint16_t>(v)); }
  Fields &u32(uint64_t v) { return add(static_cast<uint32_t>(v)); }
  Fields &u64(uint64_t v) { return add(static_cast<uint64_t>(v)); }
};

/// The time stamp of every entry: 1980-01-01, the first that ZIP knows, so that
/// equal arrays make equal files.
constexpr uint32_t timeStamp = 0x00210000;
constexpr uint64_t all = 0xffffffff;

} // namespace

Error compress::writeNpz(StringRef path, const NpzArrays &arrays) {
  StringSet<> names;
  for (const auto &[name, array] : arrays)
    if (name.size() > 60000 || !names.insert(name).second)
      return createStringError("cannot write '" + path + "': array name '" +
                               StringRef(name).take_front(80) +
                               "' is too long or not unique");
  auto file = OutputFile::create(path);
  if (!file)
    return file.takeError();
  raw_ostream &os = file->os();
  std::string directory;
  uint64_t offset = 0;
  for (const auto &[name, array] : arrays) {
    Expected<std::string> header =
        npy::npyHeader(array, (path + ":" + name).str());
    if (!header)
      return header.takeError();
    uint64_t size = header->size() + array.data.size();
    StringRef data(array.data.data(), array.data.size());
    uLong crc = checksum(*header);
    for (StringRef rest = data; !rest.empty();) {
      StringRef part = rest.take_front(1u << 30);
      crc = crc32(crc, reinterpret_cast<const Bytef *>(part.data()),
                  static_cast<uInt>(part.size()));
      rest = rest.drop_front(part.size());
    }
    bool big = size >= all, far = offset >= all;
    std::string file8 = name + ".npy";
    Fields local;
    local.u32(localMagic).u16(big ? 45 : 20).u16(0x800).u16(0).u32(timeStamp);
    local.u32(crc).u32(big ? all : size).u32(big ? all : size);
    local.u16(file8.size()).u16(big ? 20 : 0);
    local.text += file8;
    if (big)
      local.u16(1).u16(16).u64(size).u64(size);
    os << local.text << *header << data;

    Fields central;
    unsigned extra = 8 * (2 * big + far);
    central.u32(centralMagic).u16(45).u16(big || far ? 45 : 20).u16(0x800);
    central.u16(0).u32(timeStamp).u32(crc).u32(big ? all : size);
    central.u32(big ? all : size).u16(file8.size()).u16(extra ? extra + 4 : 0);
    central.u16(0).u16(0).u16(0).u32(0).u32(far ? all : offset);
    central.text += file8;
    if (extra)
      central.u16(1).u16(extra);
    if (big)
      central.u64(size).u64(size);
    if (far)
      central.u64(offset);
    directory += central.text;
    offset += local.text.size() + size;
  }
  Fields end;
  uint64_t count = arrays.size();
  if (offset >= all || directory.size() >= all || count >= 0xffff) {
    end.u32(end64Magic).u64(44).u16(45).u16(45).u32(0).u32(0).u64(count);
    end.u64(count).u64(directory.size()).u64(offset);
    end.u32(locator64Magic).u32(0).u64(offset + directory.size()).u32(1);
  }
  uint64_t shortCount = std::min<uint64_t>(count, 0xffff);
  end.u32(endMagic).u16(0).u16(0).u16(shortCount).u16(shortCount);
  end.u32(std::min<uint64_t>(directory.size(), all));
  end.u32(std::min(offset, all)).u16(0);
  os << directory << end.text;
  return file->commit();
}

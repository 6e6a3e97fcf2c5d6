//===- Safetensors.cpp - Weight files ---------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Support/Safetensors.h"
#include "compress/Runtime/Hash.h"
#include "compress/Runtime/ModelABI.h"
#include "compress/Support/OutputFile.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

using namespace compress;
using namespace llvm;

static constexpr uint64_t alignment = 64;
static constexpr char hashPlaceholder[] = "0000000000000000";
// The limit of the reference implementation.
static constexpr uint64_t maxHeader = 100'000'000;

unsigned compress::safetensorsBits(StringRef dtype) {
  return StringSwitch<unsigned>(dtype)
      .Case("F4", 4)
      .Cases({"F6_E2M3", "F6_E3M2"}, 6)
      .Cases({"BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"}, 8)
      .Cases({"U16", "I16", "F16", "BF16"}, 16)
      .Cases({"U32", "I32", "F32"}, 32)
      .Cases({"U64", "I64", "F64", "C64"}, 64)
      .Default(0);
}

/// Bytes of a tensor; nullopt on overflow, a negative dimension or a fraction.
static std::optional<uint64_t> byteSize(StringRef dtype,
                                        ArrayRef<int64_t> shape) {
  uint64_t bits = safetensorsBits(dtype);
  if (llvm::is_contained(shape, 0))
    return 0;
  for (int64_t d : shape)
    if (d < 0 || __builtin_mul_overflow(bits, static_cast<uint64_t>(d), &bits))
      return std::nullopt;
  if (bits % 8)
    return std::nullopt;
  return bits / 8;
}

//===----------------------------------------------------------------------===//
// Writer
//===----------------------------------------------------------------------===//

Expected<uint64_t> SafetensorsWriter::add(StringRef name, StringRef dtype,
                                          ArrayRef<int64_t> shape,
                                          Producer produce) {
  auto fail = [&](const char *reason) {
    return createStringError("weight '%s': %s", name.str().c_str(), reason);
  };
  if (name.starts_with("__"))
    return fail("names that start with '__' are reserved");
  if (!json::isUTF8(name))
    return fail("the name is not UTF-8");
  if (!safetensorsBits(dtype))
    return fail("unknown element type");
  for (int64_t d : shape)
    if (d < 0)
      return fail("negative dimension");
  std::optional<uint64_t> size = byteSize(dtype, shape);
  if (!size || *size > (uint64_t(1) << 62))
    return fail("its size is not a whole number of bytes that a file can hold");
  if (!names.try_emplace(name).second)
    return fail("added twice");
  if (uint64_t rest = end % alignment) {
    uint64_t pad = alignment - rest;
    entries.push_back({"__pad" + std::to_string(pads++),
                       "U8",
                       {static_cast<int64_t>(pad)},
                       end,
                       end + pad,
                       [pad](raw_ostream &os) {
                         os.write_zeros(static_cast<unsigned>(pad));
                         return Error::success();
                       }});
    end += pad;
  }
  uint64_t begin = end;
  entries.push_back({name.str(), dtype.str(),
                     SmallVector<int64_t, 4>(shape.begin(), shape.end()), begin,
                     begin + *size, std::move(produce)});
  end = begin + *size;
  return begin;
}

Expected<uint64_t> SafetensorsWriter::add(StringRef name, StringRef dtype,
                                          ArrayRef<int64_t> shape,
                                          ArrayRef<char> bytes) {
  return add(name, dtype, shape, [bytes](raw_ostream &os) {
    os.write(bytes.data(), bytes.size());
    return Error::success();
  });
}

void SafetensorsWriter::addMetadata(StringRef key, StringRef value) {
  metadata[json::fixUTF8(key)] = json::fixUTF8(value);
}

namespace {

/// Hashes and counts what passes through to another stream.
class HashingStream : public raw_ostream {
public:
  explicit HashingStream(raw_ostream &out) : out(out) {
    SetBufferSize(1 << 16);
  }
  ~HashingStream() override { flush(); }
  runtime::ContentHash hash;

private:
  void write_impl(const char *data, size_t size) override {
    hash.update(data, size);
    out.write(data, size);
    written += size;
  }
  uint64_t current_pos() const override { return written; }

  raw_ostream &out;
  uint64_t written = 0;
};

} // namespace

Expected<WeightFileInfo> SafetensorsWriter::write(StringRef path) const {
  // The hash is known when all is written; it has a fixed place and width.
  std::string header;
  raw_string_ostream os(header);
  json::OStream json(os);
  json.objectBegin();
  json.attributeObject("__metadata__", [&] {
    json.attribute(COMPRESS_WEIGHTS_HASH_KEY, hashPlaceholder);
    for (auto &[key, value] : metadata)
      if (key != COMPRESS_WEIGHTS_HASH_KEY)
        json.attribute(key, value);
  });
  for (const Entry &e : entries)
    json.attributeObject(e.name, [&] {
      json.attribute("dtype", e.dtype);
      json.attributeArray("shape", [&] {
        for (int64_t d : e.shape)
          json.value(d);
      });
      json.attributeArray("data_offsets", [&] {
        json.value(static_cast<int64_t>(e.begin));
        json.value(static_cast<int64_t>(e.end));
      });
    });
  json.objectEnd();
  header.resize(alignTo(header.size() + 8, alignment) - 8, ' ');
  if (header.size() > maxHeader)
    return createStringError("cannot write '%s': a header of %zu bytes is more "
                             "than readers accept",
                             path.str().c_str(), header.size());
  // No earlier text can match: the key is the first of the first object.
  size_t hashPosition = header.find(hashPlaceholder);

  auto file = OutputFile::create(path);
  if (!file)
    return file.takeError();
  char length[8];
  support::endian::write64le(length, header.size());
  file->os().write(length, 8);
  file->os() << header;
  uint64_t hash;
  {
    HashingStream data(file->os());
    for (const Entry &e : entries) {
      if (Error error = e.produce(data))
        return std::move(error);
      if (data.tell() != e.end)
        return createStringError(
            "cannot write '%s': weight '%s' takes %llu bytes, but %llu were "
            "produced",
            path.str().c_str(), e.name.c_str(),
            static_cast<unsigned long long>(e.end - e.begin),
            static_cast<unsigned long long>(data.tell() - e.begin));
      if (file->os().has_error())
        break; // A full disk: do not produce the rest. commit reports it.
    }
    data.flush();
    hash = data.hash.finish();
  }
  std::string digits;
  raw_string_ostream(digits) << format_hex_no_prefix(hash, 16);
  if (Error error = file->patch(8 + hashPosition, digits.data(), 16))
    return std::move(error);
  if (Error error = file->commit())
    return std::move(error);
  return WeightFileInfo{end, hash};
}

//===----------------------------------------------------------------------===//
// Reader
//===----------------------------------------------------------------------===//

/// LLVM's JSON parser recurses without a limit; this bounds the nesting.
static bool isNestedDeeperThan(StringRef text, unsigned limit) {
  unsigned depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '[' || c == '{') {
      if (++depth > limit)
        return true;
    } else if ((c == ']' || c == '}') && depth) {
      --depth;
    }
  }
  return false;
}

/// Fills `tensor` from its JSON entry; returns what is wrong, or "".
static std::string parseTensor(const json::Value &value, ArrayRef<char> data,
                               SafetensorsFile::Tensor &tensor) {
  const json::Object *object = value.getAsObject();
  if (!object)
    return "is not an object";
  std::optional<StringRef> dtype = object->getString("dtype");
  const json::Array *shape = object->getArray("shape");
  const json::Array *offsets = object->getArray("data_offsets");
  if (!dtype || !shape || !offsets || offsets->size() != 2)
    return "lacks dtype, shape or data_offsets";
  if (!safetensorsBits(*dtype))
    return ("has unknown dtype '" + *dtype + "'").str();
  tensor.dtype = dtype->str();
  for (const json::Value &d : *shape) {
    std::optional<int64_t> dim = d.getAsInteger();
    if (!dim || *dim < 0)
      return "has a shape that is not a list of sizes";
    tensor.shape.push_back(*dim);
  }
  std::optional<int64_t> begin = (*offsets)[0].getAsInteger();
  std::optional<int64_t> end = (*offsets)[1].getAsInteger();
  if (!begin || !end || *begin < 0 || *end < *begin ||
      static_cast<uint64_t>(*end) > data.size())
    return "lies outside of the file";
  std::optional<uint64_t> size = byteSize(tensor.dtype, tensor.shape);
  if (!size || *size != static_cast<uint64_t>(*end - *begin))
    return "has offsets that do not fit its shape";
  tensor.offset = *begin;
  tensor.data = data.slice(*begin, *end - *begin);
  return "";
}

Expected<SafetensorsFile> SafetensorsFile::open(StringRef path) {
  auto fail = [&](const Twine &reason) {
    return createStringError("'" + path + "': " + reason);
  };
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false,
                                      /*IsVolatile=*/false, Align(alignment));
  if (!buffer)
    return fail(buffer.getError().message());
  SafetensorsFile file;
  file.buffer = std::move(*buffer);
  StringRef bytes = file.buffer->getBuffer();
  if (bytes.size() < 8)
    return fail("truncated: no safetensors file has " + Twine(bytes.size()) +
                " bytes");
  uint64_t headerSize = support::endian::read64le(bytes.data());
  if (headerSize > maxHeader || headerSize > bytes.size() - 8)
    return fail("truncated or not a safetensors file: its header claims " +
                Twine(headerSize) + " bytes");
  StringRef header = bytes.substr(8, headerSize);
  file.data = ArrayRef<char>(bytes.data() + 8 + headerSize,
                             bytes.size() - 8 - headerSize);
  if (!header.starts_with("{") || isNestedDeeperThan(header, 8))
    return fail("the header is not that of a safetensors file");
  Expected<json::Value> parsed = json::parse(header);
  if (!parsed)
    return fail("the header is not valid JSON: " +
                toString(parsed.takeError()));
  for (auto &[key, value] : *parsed->getAsObject()) {
    if (key == "__metadata__") {
      const json::Object *object = value.getAsObject();
      if (!object)
        return fail("__metadata__ is not an object");
      for (auto &[name, text] : *object) {
        std::optional<StringRef> string = text.getAsString();
        if (!string)
          return fail("__metadata__ entry '" + StringRef(name) +
                      "' is not a string");
        file.meta[StringRef(name).str()] = string->str();
      }
      continue;
    }
    Tensor tensor;
    tensor.name = StringRef(key).str();
    std::string problem = parseTensor(value, file.data, tensor);
    if (!problem.empty())
      return fail("tensor '" + tensor.name + "' " + problem);
    file.list.push_back(std::move(tensor));
  }
  llvm::sort(file.list, [](const Tensor &a, const Tensor &b) {
    return std::make_tuple(a.offset, a.data.size(), StringRef(a.name)) <
           std::make_tuple(b.offset, b.data.size(), StringRef(b.name));
  });
  uint64_t end = 0;
  for (const Tensor &t : file.list) {
    if (t.offset != end)
      return fail("tensor '" + t.name + "' leaves a gap or overlaps another");
    end += t.data.size();
  }
  if (end != file.data.size())
    return fail("has " + Twine(file.data.size() - end) +
                " bytes that belong to no tensor");
  llvm::erase_if(file.list, [](const Tensor &t) {
    return StringRef(t.name).starts_with("__pad");
  });
  return std::move(file);
}

const SafetensorsFile::Tensor *SafetensorsFile::find(StringRef name) const {
  for (const Tensor &t : list)
    if (t.name == name)
      return &t;
  return nullptr;
}

//===- Npy.cpp - NumPy arrays -----------------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "NpyInternal.h"
#include "compress/Support/Format.h"
#include "compress/Support/OutputFile.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cstring>
#include <new>

using namespace compress;
using namespace llvm;

size_t compress::dtypeSize(int32_t dtype) {
  switch (dtype) {
  case COMPRESS_DTYPE_U8:
  case COMPRESS_DTYPE_I8:
  case COMPRESS_DTYPE_BOOL:
    return 1;
  case COMPRESS_DTYPE_U16:
  case COMPRESS_DTYPE_I16:
  case COMPRESS_DTYPE_F16:
  case COMPRESS_DTYPE_BF16:
    return 2;
  case COMPRESS_DTYPE_F32:
  case COMPRESS_DTYPE_I32:
  case COMPRESS_DTYPE_U32:
    return 4;
  case COMPRESS_DTYPE_F64:
  case COMPRESS_DTYPE_I64:
  case COMPRESS_DTYPE_U64:
  case COMPRESS_DTYPE_C64:
    return 8;
  case COMPRESS_DTYPE_C128:
    return 16;
  default:
    return 0;
  }
}

StringRef compress::dtypeSpelling(int32_t dtype) {
  static const char *const names[] = {"?",   "f32", "u8",  "i8",   "u16", "i16",
                                      "i32", "i64", "?",   "bool", "f16", "f64",
                                      "u32", "u64", "c64", "c128", "bf16"};
  return dtype >= 0 && dtype <= COMPRESS_DTYPE_BF16 ? names[dtype] : "?";
}

std::string compress::describe(const NpyArray &array) {
  return dtypeSpelling(array.dtype).str() + " " + formatShape(array.shape);
}

int64_t NpyArray::size() const {
  int64_t count = 1;
  for (int64_t d : shape)
    count *= d;
  return count;
}

/// Bytes of a shape, or nullopt if they do not fit into memory.
static std::optional<uint64_t> byteSize(CompressDType dtype,
                                        ArrayRef<int64_t> shape) {
  uint64_t bytes = dtypeSize(dtype);
  if (llvm::is_contained(shape, 0))
    return 0;
  for (int64_t d : shape)
    if (d < 0 ||
        __builtin_mul_overflow(bytes, static_cast<uint64_t>(d), &bytes))
      return std::nullopt;
  if (bytes > (uint64_t(1) << 60))
    return std::nullopt;
  return bytes;
}

std::shared_ptr<char> compress::npy::allocateBytes(uint64_t size) {
  auto align = std::align_val_t(64);
  void *memory =
      ::operator new(std::max<uint64_t>(size, 1), align, std::nothrow);
  return std::shared_ptr<char>(static_cast<char *>(memory), [align](char *p) {
    ::operator delete(p, align);
  });
}

Expected<NpyArray> NpyArray::allocate(CompressDType dtype,
                                      ArrayRef<int64_t> shape) {
  std::optional<uint64_t> bytes = byteSize(dtype, shape);
  if (!dtypeSize(dtype) || !bytes)
    return createStringError("no array can be " + dtypeSpelling(dtype) + " " +
                             formatShape(shape));
  std::shared_ptr<char> memory = npy::allocateBytes(*bytes);
  if (!memory)
    return createStringError("out of memory for an array of " +
                             formatBytes(*bytes));
  std::memset(memory.get(), 0, *bytes);
  NpyArray array;
  array.dtype = dtype;
  array.shape.assign(shape.begin(), shape.end());
  array.data = ArrayRef<char>(memory.get(), *bytes);
  array.owner = memory;
  return array;
}

//===----------------------------------------------------------------------===//
// Header
//===----------------------------------------------------------------------===//

namespace {

struct Header {
  CompressDType dtype;
  bool swapped = false, fortran = false;
  SmallVector<int64_t, 4> shape;
};

/// The header is a Python dictionary literal:
///   {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class HeaderParser {
public:
  explicit HeaderParser(StringRef text) : rest(text) {}

  /// Returns what is wrong, or "".
  std::string parse(Header &header) {
    bool descr = false, order = false, shape = false;
    if (!take('{'))
      return "the header is not a dictionary";
    while (!take('}')) {
      std::string key;
      if (!string(key) || !take(':'))
        return "the header is not a dictionary";
      if (key == "descr" && !descr) {
        std::string text;
        if (!string(text))
          return "structured types are not supported";
        std::string problem = parseType(text, header);
        if (!problem.empty())
          return problem;
        descr = true;
      } else if (key == "fortran_order" && !order) {
        order = true;
        if (word("True"))
          header.fortran = true;
        else if (!word("False"))
          return "fortran_order is neither True nor False";
      } else if (key == "shape" && !shape) {
        shape = true;
        if (!tuple(header.shape))
          return "the shape is not a tuple of sizes";
      } else {
        return "unexpected key '" + key + "' in the header";
      }
      if (!take(',') && !peek('}'))
        return "the header is not a dictionary";
    }
    if (!descr || !order || !shape)
      return "the header lacks descr, fortran_order or shape";
    if (!rest.trim().empty())
      return "unexpected text after the header";
    return "";
  }

private:
  static std::string parseType(StringRef text, Header &header) {
    std::string unsupported =
        "element type '" + text.str() + "' is not supported";
    if (text.size() < 3)
      return unsupported;
    char order = text[0];
    if (!StringRef("<>|=").contains(order))
      return unsupported;
    StringRef kind = text.drop_front();
    auto type = llvm::StringSwitch<CompressDType>(kind)
                    .Case("f2", COMPRESS_DTYPE_F16)
                    .Case("f4", COMPRESS_DTYPE_F32)
                    .Case("f8", COMPRESS_DTYPE_F64)
                    .Case("i1", COMPRESS_DTYPE_I8)
                    .Case("i2", COMPRESS_DTYPE_I16)
                    .Case("i4", COMPRESS_DTYPE_I32)
                    .Case("i8", COMPRESS_DTYPE_I64)
                    .Case("u1", COMPRESS_DTYPE_U8)
                    .Case("u2", COMPRESS_DTYPE_U16)
                    .Case("u4", COMPRESS_DTYPE_U32)
                    .Case("u8", COMPRESS_DTYPE_U64)
                    .Case("c8", COMPRESS_DTYPE_C64)
                    .Case("c16", COMPRESS_DTYPE_C128)
                    .Case("b1", COMPRESS_DTYPE_BOOL)
                    .Default(COMPRESS_DTYPE_UNDEFINED);
    if (type == COMPRESS_DTYPE_UNDEFINED)
      return unsupported;
    header.dtype = type;
    header.swapped = order == '>' && dtypeSize(type) > 1;
    return "";
  }

  void skip() { rest = rest.ltrim(); }
  bool peek(char c) {
    skip();
    return rest.starts_with(StringRef(&c, 1));
  }
  bool take(char c) {
    if (!peek(c))
      return false;
    rest = rest.drop_front();
    return true;
  }
  bool word(StringRef w) {
    skip();
    return rest.consume_front(w);
  }
  bool string(std::string &text) {
    skip();
    if (rest.empty() || (rest[0] != '\'' && rest[0] != '"'))
      return false;
    size_t end = rest.find(rest[0], 1);
    if (end == StringRef::npos)
      return false;
    text = rest.slice(1, end).str();
    rest = rest.drop_front(end + 1);
    return text.find('\\') == std::string::npos;
  }
  bool tuple(SmallVectorImpl<int64_t> &sizes) {
    if (!take('('))
      return false;
    while (!take(')')) {
      skip();
      int64_t size;
      // Python 2 wrote 3L.
      if (rest.consumeInteger(10, size) || size < 0 || sizes.size() == 64)
        return false;
      rest.consume_front("L");
      sizes.push_back(size);
      if (!take(',') && !peek(')'))
        return false;
    }
    return true;
  }

  StringRef rest;
};

} // namespace

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static void swapBytes(char *data, size_t count, size_t width) {
  for (size_t i = 0; i < count; ++i)
    std::reverse(data + i * width, data + (i + 1) * width);
}

/// Column-major to row-major.
static void transpose(char *to, const char *from, ArrayRef<int64_t> shape,
                      size_t width) {
  SmallVector<int64_t> strides, index(shape.size(), 0);
  int64_t stride = 1, count = 1;
  for (int64_t d : shape) {
    strides.push_back(stride);
    stride *= d;
    count *= d;
  }
  int64_t offset = 0;
  for (int64_t n = 0; n < count; ++n) {
    std::memcpy(to + n * width, from + offset * width, width);
    for (size_t d = shape.size(); d-- > 0;) {
      offset += strides[d];
      if (++index[d] < shape[d])
        break;
      offset -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
}

Expected<NpyArray> compress::npy::parseNpy(StringRef bytes, StringRef what,
                                           std::shared_ptr<const void> owner) {
  auto fail = [&](const Twine &reason) {
    return createStringError("'" + what + "': " + reason);
  };
  constexpr StringRef magic("\x93NUMPY", 6);
  if (!bytes.starts_with(magic))
    return fail("is not a NumPy array (.npy)");
  if (bytes.size() < 10)
    return fail("truncated in the header");
  unsigned version = static_cast<unsigned char>(bytes[6]);
  if (version < 1 || version > 3)
    return fail("has unknown format version " + Twine(version));
  size_t prefix = version == 1 ? 10 : 12;
  if (bytes.size() < prefix)
    return fail("truncated in the header");
  uint64_t headerSize = version == 1
                            ? support::endian::read16le(bytes.data() + 8)
                            : support::endian::read32le(bytes.data() + 8);
  if (headerSize > bytes.size() - prefix)
    return fail("truncated in the header");
  Header header;
  std::string problem =
      HeaderParser(bytes.substr(prefix, headerSize)).parse(header);
  if (!problem.empty())
    return fail(problem);
  StringRef data = bytes.drop_front(prefix + headerSize);
  std::optional<uint64_t> size = byteSize(header.dtype, header.shape);
  if (!size || data.size() < *size)
    return fail("truncated: shape " + formatShape(header.shape) + " of " +
                dtypeSpelling(header.dtype) + " needs more than the " +
                Twine(data.size()) + " bytes there are");
  if (data.size() > *size)
    return fail(Twine(data.size() - *size) + " bytes too many for shape " +
                formatShape(header.shape));

  NpyArray array;
  array.dtype = header.dtype;
  array.shape = header.shape;
  size_t width = dtypeSize(header.dtype);
  bool reorder = header.fortran && header.shape.size() > 1;
  bool aligned = reinterpret_cast<uintptr_t>(data.data()) % 16 == 0;
  if (owner && aligned && !header.swapped && !reorder) {
    array.data = ArrayRef<char>(data.data(), data.size());
    array.owner = std::move(owner);
    return array;
  }
  std::shared_ptr<char> memory = allocateBytes(*size);
  if (!memory)
    return fail("out of memory for " + formatBytes(*size));
  if (reorder)
    transpose(memory.get(), data.data(), header.shape, width);
  else if (*size)
    std::memcpy(memory.get(), data.data(), *size);
  if (header.swapped) {
    // A complex number is two numbers.
    bool complex = header.dtype == COMPRESS_DTYPE_C64 ||
                   header.dtype == COMPRESS_DTYPE_C128;
    size_t part = complex ? width / 2 : width;
    swapBytes(memory.get(), *size / part, part);
  }
  array.data = ArrayRef<char>(memory.get(), *size);
  array.owner = std::move(memory);
  return array;
}

Expected<NpyArray> compress::parseNpy(StringRef bytes, StringRef what) {
  return npy::parseNpy(bytes, what, nullptr);
}

Expected<std::shared_ptr<MemoryBuffer>> compress::npy::mapFile(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError(buffer.getError(),
                             "'" + path + "': " + buffer.getError().message());
  return std::shared_ptr<MemoryBuffer>(std::move(*buffer));
}

Expected<NpyArray> compress::readNpy(StringRef path) {
  auto buffer = npy::mapFile(path);
  if (!buffer)
    return buffer.takeError();
  StringRef bytes = (*buffer)->getBuffer();
  return npy::parseNpy(bytes, path, std::move(*buffer));
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

Expected<std::string> compress::npy::npyHeader(const NpyArray &array,
                                               StringRef what) {
  StringRef type;
  switch (array.dtype) {
  case COMPRESS_DTYPE_F16:
    type = "<f2";
    break;
  case COMPRESS_DTYPE_F32:
    type = "<f4";
    break;
  case COMPRESS_DTYPE_F64:
    type = "<f8";
    break;
  case COMPRESS_DTYPE_I8:
    type = "|i1";
    break;
  case COMPRESS_DTYPE_I16:
    type = "<i2";
    break;
  case COMPRESS_DTYPE_I32:
    type = "<i4";
    break;
  case COMPRESS_DTYPE_I64:
    type = "<i8";
    break;
  case COMPRESS_DTYPE_U8:
    type = "|u1";
    break;
  case COMPRESS_DTYPE_U16:
    type = "<u2";
    break;
  case COMPRESS_DTYPE_U32:
    type = "<u4";
    break;
  case COMPRESS_DTYPE_U64:
    type = "<u8";
    break;
  case COMPRESS_DTYPE_C64:
    type = "<c8";
    break;
  case COMPRESS_DTYPE_C128:
    type = "<c16";
    break;
  case COMPRESS_DTYPE_BOOL:
    type = "|b1";
    break;
  default:
    return createStringError("'" + what + "': NumPy has no element type for " +
                             dtypeSpelling(array.dtype));
  }
  std::optional<uint64_t> size = byteSize(array.dtype, array.shape);
  if (!size || *size != array.data.size())
    return createStringError("'" + what + "': " + Twine(array.data.size()) +
                             " bytes do not make " + describe(array));
  std::string text =
      "{'descr': '" + type.str() + "', 'fortran_order': False, 'shape': (";
  for (int64_t d : array.shape)
    text += std::to_string(d) + ", ";
  if (array.shape.size() > 1)
    text.resize(text.size() - 2);
  else if (!array.shape.empty())
    text.pop_back();
  text += "), }";
  // NumPy aligns the data to 64 bytes and ends the header with a newline.
  text.resize(alignTo(text.size() + 11, 64) - 11, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  char length[2];
  support::endian::write16le(length, static_cast<uint16_t>(text.size()));
  header.append(length, 2);
  return header + text;
}

Error compress::writeNpy(StringRef path, const NpyArray &array) {
  Expected<std::string> header = npy::npyHeader(array, path);
  if (!header)
    return header.takeError();
  auto file = OutputFile::create(path);
  if (!file)
    return file.takeError();
  file->os() << *header;
  file->os().write(array.data.data(), array.data.size());
  return file->commit();
}

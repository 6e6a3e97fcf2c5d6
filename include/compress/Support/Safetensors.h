//===- Safetensors.h - Weight files -----------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// The safetensors format (https://huggingface.co/docs/safetensors): 8 bytes of
// little-endian header size, a JSON header, then the data section.
//
// Our files add two properties that any reader accepts: the data section and
// every tensor in it start at a multiple of 64 bytes (the header is padded with
// spaces; gaps, which the format forbids, are U8 tensors named `__pad<n>`), and
// `__metadata__` records the content hash of the data section.
//
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_SUPPORT_SAFETENSORS_H
#define COMPRESS_SUPPORT_SAFETENSORS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace compress {

/// Bits per element of a safetensors dtype name ("F32", "U8", "F8_E4M3", ...);
/// 0 if unknown. Sub-byte codes of ours are stored as U8.
unsigned safetensorsBits(llvm::StringRef dtype);

/// What a model library records about its weight file.
struct WeightFileInfo {
  uint64_t size; ///< Bytes of the data section.
  uint64_t hash; ///< XXH64 of the data section.
};

class SafetensorsWriter {
public:
  /// Writes exactly the bytes of the tensor.
  using Producer = std::function<llvm::Error(llvm::raw_ostream &)>;

  /// Declares the next tensor and returns its offset in the data section, a
  /// multiple of 64. Fails on a duplicate or reserved (`__*`) name, a name that
  /// is not UTF-8, an unknown dtype or a negative dimension. `produce` runs
  /// during `write`.
  llvm::Expected<uint64_t> add(llvm::StringRef name, llvm::StringRef dtype,
                               llvm::ArrayRef<int64_t> shape, Producer produce);
  /// The same for bytes in memory, which must live until `write`.
  llvm::Expected<uint64_t> add(llvm::StringRef name, llvm::StringRef dtype,
                               llvm::ArrayRef<int64_t> shape,
                               llvm::ArrayRef<char> bytes);
  /// A string for `__metadata__`.
  void addMetadata(llvm::StringRef key, llvm::StringRef value);

  /// Bytes of the data section so far.
  uint64_t size() const { return end; }

  /// Writes the file atomically, streaming. Call once.
  llvm::Expected<WeightFileInfo> write(llvm::StringRef path) const;

private:
  struct Entry {
    std::string name, dtype;
    llvm::SmallVector<int64_t, 4> shape;
    uint64_t begin, end;
    Producer produce;
  };
  std::vector<Entry> entries;
  llvm::StringMap<char> names;
  std::map<std::string, std::string> metadata;
  uint64_t end = 0;
  unsigned pads = 0;
};

/// A validated, mapped safetensors file.
class SafetensorsFile {
public:
  struct Tensor {
    std::string name, dtype;
    llvm::SmallVector<int64_t, 4> shape;
    uint64_t offset; ///< In the data section.
    llvm::ArrayRef<char> data;
  };

  /// Checks everything before use: sizes, offsets, that tensors cover the data
  /// section without gap or overlap, dtypes and shapes.
  static llvm::Expected<SafetensorsFile> open(llvm::StringRef path);

  /// In file order, padding left out.
  llvm::ArrayRef<Tensor> tensors() const { return list; }
  const Tensor *find(llvm::StringRef name) const;
  const std::map<std::string, std::string> &metadata() const { return meta; }
  llvm::ArrayRef<char> dataSection() const { return data; }

private:
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  std::vector<Tensor> list;
  std::map<std::string, std::string> meta;
  llvm::ArrayRef<char> data;
};

} // namespace compress

#endif // COMPRESS_SUPPORT_SAFETENSORS_H

//===- Npz.h - NumPy array files --------------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// `.npy`
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html) and
// `.npz`, a ZIP archive of them. Read: format versions 1 to 3, entries stored
// or deflated, ZIP64, any byte and dimension order. Refused, with the reason:
// objects, strings and structured types, encryption, and anything whose sizes
// do not add up. Sizes are checked before memory is allocated.
//
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_SUPPORT_NPZ_H
#define COMPRESS_SUPPORT_NPZ_H

#include "compress/Runtime/Model.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace compress {

/// A dense, row-major, little-endian array. Copies share the data.
struct NpyArray {
  CompressDType dtype = COMPRESS_DTYPE_F32;
  llvm::SmallVector<int64_t, 4> shape;
  /// At least 16-byte aligned.
  llvm::ArrayRef<char> data;
  std::shared_ptr<const void> owner; ///< Keeps `data` alive.

  /// Elements: the product of the shape, 1 for a scalar.
  int64_t size() const;

  template <typename T> llvm::ArrayRef<T> as() const {
    return {reinterpret_cast<const T *>(data.data()), data.size() / sizeof(T)};
  }

  /// A new array with its own zeroed memory to fill through `mutableData`.
  static llvm::Expected<NpyArray> allocate(CompressDType dtype,
                                           llvm::ArrayRef<int64_t> shape);
  /// Only for arrays from `allocate` that nobody else holds.
  char *mutableData() { return const_cast<char *>(data.data()); }
};

/// Bytes per element, 0 for a dtype that arrays cannot have.
size_t dtypeSize(int32_t dtype);
/// "f32", "i64", ...
llvm::StringRef dtypeSpelling(int32_t dtype);
/// "f32 [2, 3]".
std::string describe(const NpyArray &array);

/// An archive's arrays by name (without ".npy"), in file order.
using NpzArrays = std::vector<std::pair<std::string, NpyArray>>;

/// Copies out of bytes in memory; `what` names them in errors.
llvm::Expected<NpyArray> parseNpy(llvm::StringRef bytes, llvm::StringRef what);
llvm::Expected<NpyArray> readNpy(llvm::StringRef path);
llvm::Expected<NpzArrays> parseNpz(llvm::StringRef bytes, llvm::StringRef what);
llvm::Expected<NpzArrays> readNpz(llvm::StringRef path);
/// The array called `name`, or null.
const NpyArray *lookup(const NpzArrays &arrays, llvm::StringRef name);

/// Both write atomically. BF16 has no NumPy type and is an error.
llvm::Error writeNpy(llvm::StringRef path, const NpyArray &array);
llvm::Error writeNpz(llvm::StringRef path, const NpzArrays &arrays);

} // namespace compress

#endif // COMPRESS_SUPPORT_NPZ_H

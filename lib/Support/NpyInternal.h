//===- NpyInternal.h - Shared by Npy.cpp and Npz.cpp ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_LIB_SUPPORT_NPYINTERNAL_H
#define COMPRESS_LIB_SUPPORT_NPYINTERNAL_H

#include "compress/Support/Npz.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MemoryBuffer.h"

namespace compress::npy {

/// 64-byte aligned; null when there is no memory.
std::shared_ptr<char> allocateBytes(uint64_t size);

/// A file of any size, mapped if that pays.
llvm::Expected<std::shared_ptr<llvm::MemoryBuffer>>
mapFile(llvm::StringRef path);

/// Refers to `bytes`, kept alive by `owner`, where their layout allows; copies
/// otherwise, and always without an owner.
llvm::Expected<NpyArray> parseNpy(llvm::StringRef bytes, llvm::StringRef what,
                                  std::shared_ptr<const void> owner);

/// What precedes the data of an array in a .npy file.
llvm::Expected<std::string> npyHeader(const NpyArray &array,
                                      llvm::StringRef what);

} // namespace compress::npy

#endif // COMPRESS_LIB_SUPPORT_NPYINTERNAL_H

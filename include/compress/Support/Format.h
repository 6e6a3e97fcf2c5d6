//===- Format.h - Quantities for people -------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_SUPPORT_FORMAT_H
#define COMPRESS_SUPPORT_FORMAT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>

namespace compress {

/// "812 B", "1.50 KiB", "23.4 MiB": binary units, three significant digits.
std::string formatBytes(uint64_t bytes);
/// "85.0 ns", "1.23 ms", "12.3 s", "2 min 05 s", "1 h 02 min".
std::string formatDuration(double seconds);
/// "1.23 GFLOPs", "12.3 uJ": three significant digits, powers of 1000.
std::string formatScaled(double value, llvm::StringRef unit);
/// "[1, 3, ?, ?]"; negative dimensions are dynamic.
std::string formatShape(llvm::ArrayRef<int64_t> shape);
/// "25.0 %" of a ratio of 0.25.
std::string formatPercent(double ratio);

} // namespace compress

#endif // COMPRESS_SUPPORT_FORMAT_H

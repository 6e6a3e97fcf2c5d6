//===- Format.cpp - Quantities for people -----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Support/Format.h"

#include <cmath>
#include <cstdio>

using namespace compress;

/// Three significant digits for values below 1000.
static std::string threeDigits(double value) {
  char text[32];
  int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string compress::formatBytes(uint64_t bytes) {
  if (bytes < 1024)
    return std::to_string(bytes) + " B";
  static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  int unit = 0;
  for (; value >= 1023.5 && unit < 5; ++unit)
    value /= 1024;
  return threeDigits(value) + " " + units[unit];
}

std::string compress::formatDuration(double seconds) {
  if (!std::isfinite(seconds))
    return "?";
  if (seconds < 0)
    return "-" + formatDuration(-seconds);
  if (seconds < 999.5e-9)
    return threeDigits(seconds * 1e9) + " ns";
  if (seconds < 999.5e-6)
    return threeDigits(seconds * 1e6) + " us";
  if (seconds < 999.5e-3)
    return threeDigits(seconds * 1e3) + " ms";
  if (seconds < 59.95)
    return threeDigits(seconds) + " s";
  auto whole = static_cast<long long>(std::llround(seconds));
  char text[64];
  if (whole < 3600)
    std::snprintf(text, sizeof text, "%lld min %02lld s", whole / 60,
                  whole % 60);
  else
    std::snprintf(text, sizeof text, "%lld h %02lld min", whole / 3600,
                  whole % 3600 / 60);
  return text;
}

std::string compress::formatScaled(double value, llvm::StringRef unit) {
  if (!std::isfinite(value))
    return "? " + unit.str();
  if (value < 0)
    return "-" + formatScaled(-value, unit);
  static const char *const prefixes[] = {"p", "n", "u", "m", "",
                                         "k", "M", "G", "T", "P"};
  constexpr int one = 4;
  int index = one;
  while (value >= 999.5 && index < 9) {
    value /= 1000;
    ++index;
  }
  while (value > 0 && value < 0.9995 && index > 0) {
    value *= 1000;
    --index;
  }
  // What is counted has no fractions.
  std::string number = index == one && value == std::floor(value)
                           ? std::to_string(static_cast<long long>(value))
                           : threeDigits(value);
  return number + " " + prefixes[index] + unit.str();
}

std::string compress::formatShape(llvm::ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i)
      text += ", ";
    text += shape[i] < 0 ? "?" : std::to_string(shape[i]);
  }
  return text + "]";
}

std::string compress::formatPercent(double ratio) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", ratio * 100);
  return text;
}

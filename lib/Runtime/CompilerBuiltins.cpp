//===- CompilerBuiltins.cpp - Conversions that libgcc may lack --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// LLVM turns a float truncation to bf16 into a call of __truncsfbf2 on CPUs
// without an instruction for it. libgcc has that function from version 13 on;
// Debian 12 ships 12. Weak, so that a library that has it wins.
//
//===----------------------------------------------------------------------===//

#if defined(__clang__) && defined(__x86_64__)

#include <cstdint>
#include <cstring>

namespace {

__bf16 fromBits(uint16_t bits) {
  __bf16 value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Round to nearest even; a NaN stays a (quiet) NaN.
uint16_t truncate(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

} // namespace

extern "C" __attribute__((weak)) __bf16 __truncsfbf2(float value) {
  return fromBits(truncate(value));
}

extern "C" __attribute__((weak)) __bf16 __truncdfbf2(double value) {
  // Rounding twice would be wrong at ties: round to odd first, so that the
  // dropped bits still show.
  auto narrow = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &narrow, sizeof bits);
  if (static_cast<double>(narrow) != value && value == value &&
      (bits & 0x7fffffff) < 0x7f800000 && (bits & 1) == 0) {
    double magnitude = value < 0 ? -value : value;
    double rounded = narrow < 0 ? -narrow : narrow;
    bits = rounded > magnitude ? bits - 1 : bits | 1;
    std::memcpy(&narrow, &bits, sizeof bits);
  }
  return fromBits(truncate(narrow));
}

#endif
